"""What goes wrong at an OpenAI-compatible core, as the project's own errors.

The `openai` package's classes come on top of those of the HTTP library below it (`aios.llm.faults`).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx2
import openai

from aios.errors import AiosError, EngineFailed, EngineOverloaded, EngineTimeout, EngineUnreachable, Misconfigured
from aios.llm import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NONSENSE: Final = (ValueError, LookupError, TypeError, AttributeError)
_BUSY: Final = frozenset({"429", "rate_limit_exceeded", "rate_limit_error", "overloaded_error"})
_SPENT: Final = "insufficient_quota"  # OpenAI's 429 that no waiting mends


@contextmanager
def translated(core: str, *, seconds: float) -> Iterator[None]:
    """Turn what the client libraries raise inside into errors that name `core`; `seconds` is the limit of a timeout."""
    try:
        yield
    except KNOWN as error:
        raise translate(error, core=core, seconds=seconds) from error


def translate(error: BaseException, *, core: str, seconds: float) -> AiosError:
    """The project's error for a foreign one."""
    for kind, make in TABLE:
        if isinstance(error, kind):
            return make(core, error, seconds)
    if isinstance(error, _NONSENSE) and not isinstance(error, httpx2.HTTPError | httpx2.InvalidURL):
        return EngineFailed(core, f"it sent what is no answer of an OpenAI-compatible server ({faults.text_of(error)})")
    return faults.translate(error, core=core, seconds=seconds)


def _silent(core: str, error: BaseException, seconds: float) -> AiosError:
    if isinstance(error.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return EngineUnreachable(core, "it does not accept connections")
    return EngineTimeout(core, seconds)


def _unconnected(core: str, error: BaseException, seconds: float) -> AiosError:
    cause = error.__cause__
    return (
        faults.translate(cause, core=core, seconds=seconds) if isinstance(cause, faults.KNOWN) else _broken(core, error)
    )


def _by_status(core: str, error: BaseException, seconds: float) -> AiosError:
    if isinstance(error, openai.APIStatusError) and _SPENT in (error.code, error.type):
        return Misconfigured(f"engine {core!r}: the account's quota is spent", "raise it, or drain the core")
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return Misconfigured(
            f"engine {core!r} refuses the API key (HTTP {error.status_code})", "set the core's --key-env to a valid one"
        )
    if isinstance(error, openai.NotFoundError):
        return Misconfigured(
            f"engine {core!r} has no such model or route (HTTP 404: {faults.text_of(error)})",
            "correct the core's URL and model",
        )
    return faults.by_status(core, error, seconds)


def _by_text(core: str, error: BaseException, seconds: float) -> AiosError:
    if isinstance(error, openai.APIError) and _BUSY & {str(error.code), str(error.type)}:
        return EngineOverloaded(core, faults.DEFAULT_RETRY_SECONDS)
    return faults.by_text(core, error, seconds)


def _broken(core: str, error: BaseException, _seconds: float = 0.0) -> AiosError:
    return EngineFailed(core, faults.text_of(error))


TABLE: Final[tuple[tuple[type[BaseException], Callable[[str, BaseException, float], AiosError]], ...]] = (
    (TimeoutError, _silent),  # between two pieces of a stream
    (openai.APITimeoutError, _silent),
    (openai.APIConnectionError, _unconnected),
    (openai.APIStatusError, _by_status),
    (openai.APIResponseValidationError, _broken),
    (openai.APIError, _by_text),  # in a stream every error has this form
    (openai.OpenAIError, _broken),
)
"""Foreign class -> what makes the project's error of it; the first entry that fits counts."""

KNOWN: Final[tuple[type[BaseException], ...]] = (*(kind for kind, _ in TABLE), *faults.KNOWN)
