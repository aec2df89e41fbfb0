"""A fake of the `TokenSink` port."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from aios.errors import AiosError
    from aios.kernel.ports import Token


class FakeSink:
    """A `TokenSink` in memory. A stale attempt adds nothing, as in Redis.

    Attributes:
        tokens: by syscall and attempt, what was pushed.
        ends: by syscall and attempt, the reason.
        failure: raised by every call, if a test sets it.
    """

    def __init__(self) -> None:
        self.tokens: dict[tuple[UUID, int], list[Token]] = {}
        self.ends: dict[tuple[UUID, int], str] = {}
        self.failure: AiosError | None = None

    def push(self, syscall: UUID, attempt: int, tokens: Sequence[Token]) -> None:
        """Append tokens."""
        if self.failure is not None:
            raise self.failure
        if all(known <= attempt for other, known in self.tokens if other == syscall):
            self.tokens.setdefault((syscall, attempt), []).extend(tokens)

    def end(self, syscall: UUID, attempt: int, reason: str, tokens: Sequence[Token] = ()) -> None:
        """Append the last tokens and mark the end of an attempt."""
        self.push(syscall, attempt, tokens)
        self.ends[syscall, attempt] = reason
