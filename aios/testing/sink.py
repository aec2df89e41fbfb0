"""A fake of the `TokenSink` port."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from aios.errors import AiosError
    from aios.kernel.ports import Batch, Token


class FakeSink:
    """A `TokenSink` in memory. A stale attempt adds nothing, as in Redis.

    Attributes:
        tokens: by syscall and attempt, what was sent.
        ends: by syscall and attempt, the reason.
        failure: raised by every call, if a test sets it.
    """

    def __init__(self) -> None:
        self.tokens: dict[tuple[UUID, int], list[Token]] = {}
        self.ends: dict[tuple[UUID, int], str] = {}
        self.failure: AiosError | None = None

    def send(self, batches: Sequence[Batch]) -> None:
        """Append each to its stream."""
        if self.failure is not None:
            raise self.failure
        for syscall, attempt, tokens, end, _ in batches:
            if all(known <= attempt for other, known in self.tokens if other == syscall):
                self.tokens.setdefault((syscall, attempt), []).extend(tokens)
            if end:
                self.ends[syscall, attempt] = end
