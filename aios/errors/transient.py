"""Errors that are the world's fault for now: retried with backoff, up to a limit."""

from __future__ import annotations

from aios.errors.base import AiosError


class TransientError(AiosError):
    """The world's fault for now: retried with backoff, up to a limit."""

    retried = True


class EngineOverloaded(TransientError):
    """`EngineOverloaded(core, retry_after_seconds)`: HTTP 429; the syscall is ready again and no attempt is used."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        core, after = self.args
        return f"engine {core!r} is overloaded; next call in {after} s"


class EngineFailed(TransientError):
    """`EngineFailed(core, text)`: the engine broke off or answered HTTP 5xx or 424."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        core, text = self.args
        return f"engine {core!r} failed: {text}"


class EngineUnreachable(EngineFailed):
    """`EngineUnreachable(core, text)`: nobody listens there. Nothing was asked, so no attempt is used."""


class EngineLost(EngineFailed):
    """`EngineLost(core, text)`: the core failed under way, and another one can take over: at once, and no attempt is used."""


class StateLost(TransientError):
    """`StateLost(core, text)`: the KV state that a generation was to go on from is gone; it begins again."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        core, text = self.args
        return f"engine {core!r} has lost a generation's state ({text}); it begins again"


class Preempted(TransientError):
    """`Preempted(core, tokens)`: somebody better waited; it goes on from its last boundary, and no attempt is used."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        core, tokens = self.args
        return f"it gave up its place on {core!r} after {tokens} tokens, and goes on from there when it is its turn"


class EngineTimeout(TransientError):
    """`EngineTimeout(core, seconds)`: no token for this long."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        core, seconds = self.args
        return f"engine {core!r} sent nothing for {seconds} s"


class DatabaseUnavailable(TransientError):
    """`DatabaseUnavailable(where, why)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        where, why = self.args
        return f"the database {where} does not answer ({why}); is it running? `aios doctor` checks every part"


class BrokerUnavailable(TransientError):
    """`BrokerUnavailable(where, why)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        where, why = self.args
        return f"Redis {where} does not answer ({why}); is it running? `aios doctor` checks every part"


class QueueFull(TransientError):
    """`QueueFull(limit)`: too many agents wait to be started."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        (limit,) = self.args
        return f"{limit} agents already wait to be started; try again later, or raise limits.queued_agents"


class ToolTimeout(TransientError):
    """`ToolTimeout(tool, seconds)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, seconds = self.args
        return f"tool {tool!r} did not finish within {seconds} s"


class ToolBusy(TransientError):
    """`ToolBusy(tool, limit, after_seconds)`: as many calls as it allows are under way. It counts as no error of the call."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, limit, after = self.args
        return f"tool {tool!r} has {limit} calls under way, as many as it allows; next try in {after} s"


class ToolUnavailable(TransientError):
    """`ToolUnavailable(tool, what, why)`: what a tool needs outside does not answer for now."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, what, why = self.args
        return f"tool {tool!r} cannot reach {what} ({why}); try again later"


class StoreUnavailable(TransientError):
    """`StoreUnavailable(url, why)`: the object store does not answer, or refuses."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        url, why = self.args
        return f"the object store {url} does not answer ({why}); check storage.url and who may write there"


class ToolNotReached(ToolUnavailable):
    """`ToolNotReached(tool, what, why)`: it was not even asked, so nothing can have happened."""


class EmbedderUnavailable(TransientError):
    """`EmbedderUnavailable(where, why)`: the server that makes embeddings does not answer for now."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        where, why = self.args
        return f"the embedder at {where} does not answer: {why}"
