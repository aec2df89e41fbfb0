"""Every error of AIOS, and by its base class who has to act.

::

    AiosError
    |- CallerError      the caller's mistake: never retried, the message names the value and the remedy
    |- DeniedError      a rule forbids it: never retried
    |- TransientError   the world's fault for now: retried with backoff, up to a limit
    |- FinalError       it ended badly: recorded, never retried
    Signal (BaseException)
    |- Evicted          a program's coroutine is being dropped; it must not be journalled
    |- Ignored          a duplicate, stale or pre-empted delivery: the chain stops here

The class, never the call site, decides about a retry. An error crosses processes as JSON (`to_json`, `from_json`):
its `args` are its constructor's positional arguments, all JSON values, and its text is built in `__str__`. Celery's JSON
serializer turns anything else into a bare `Exception`.
"""

from __future__ import annotations

from aios.errors.base import AiosError, ErrorJson, did_you_mean, from_json
from aios.errors.caller import (
    AgentEnded,
    BadMessage,
    BadToolArguments,
    BudgetSpent,
    CallerError,
    CallTooLarge,
    ContextOverflow,
    EngineRefused,
    ForeignAwaitable,
    InvalidArgument,
    NondeterminismError,
    NoPlan,
    NotFound,
    NotJson,
    ProgramSpoilt,
    UnknownCore,
    UnknownModel,
    UnknownProgram,
    UnknownTool,
    ValueTooLong,
    VersionConflict,
)
from aios.errors.denied import (
    AccessDenied,
    AddressDenied,
    ApprovalDenied,
    ApprovalVoid,
    DeniedError,
    LinkRefused,
    PathDenied,
    ToolDenied,
    ToolSchemaChanged,
)
from aios.errors.final import (
    AttemptsSpent,
    BlobLost,
    ChildFailed,
    FinalError,
    Misconfigured,
    OutcomeUnknown,
    ProgramBroke,
    ProgramFailed,
    ProgramStuck,
    Quarantined,
    SchemaMismatch,
    SyscallExpired,
    ToolFailed,
    ToolOff,
)
from aios.errors.signals import (
    Evicted,
    Ignored,
    Signal,
)
from aios.errors.transient import (
    BrokerUnavailable,
    DatabaseUnavailable,
    EmbedderUnavailable,
    EngineFailed,
    EngineLost,
    EngineOverloaded,
    EngineTimeout,
    EngineUnreachable,
    Preempted,
    QueueFull,
    StateLost,
    StoreUnavailable,
    ToolBusy,
    ToolNotReached,
    ToolTimeout,
    ToolUnavailable,
    TransientError,
)

__all__ = [
    "AccessDenied",
    "AddressDenied",
    "AgentEnded",
    "AiosError",
    "ApprovalDenied",
    "ApprovalVoid",
    "AttemptsSpent",
    "BadMessage",
    "BadToolArguments",
    "BlobLost",
    "BrokerUnavailable",
    "BudgetSpent",
    "CallTooLarge",
    "CallerError",
    "ChildFailed",
    "ContextOverflow",
    "DatabaseUnavailable",
    "DeniedError",
    "EmbedderUnavailable",
    "EngineFailed",
    "EngineLost",
    "EngineOverloaded",
    "EngineRefused",
    "EngineTimeout",
    "EngineUnreachable",
    "ErrorJson",
    "Evicted",
    "FinalError",
    "ForeignAwaitable",
    "Ignored",
    "InvalidArgument",
    "LinkRefused",
    "Misconfigured",
    "NoPlan",
    "NondeterminismError",
    "NotFound",
    "NotJson",
    "OutcomeUnknown",
    "PathDenied",
    "Preempted",
    "ProgramBroke",
    "ProgramFailed",
    "ProgramSpoilt",
    "ProgramStuck",
    "Quarantined",
    "QueueFull",
    "SchemaMismatch",
    "Signal",
    "StateLost",
    "StoreUnavailable",
    "SyscallExpired",
    "ToolBusy",
    "ToolDenied",
    "ToolFailed",
    "ToolNotReached",
    "ToolOff",
    "ToolSchemaChanged",
    "ToolTimeout",
    "ToolUnavailable",
    "TransientError",
    "UnknownCore",
    "UnknownModel",
    "UnknownProgram",
    "UnknownTool",
    "ValueTooLong",
    "VersionConflict",
    "did_you_mean",
    "from_json",
]
