"""Following a token stream: each token once and in order, with an explicit rewind where a second attempt differs.

A second attempt that repeats the first one shows nothing until it goes beyond it. Where it differs, the client is told
how many tokens to keep, and gets the rest anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import redis
from redis.exceptions import RedisError

from aios.errors import BrokerUnavailable
from aios.llm.streams import END_INDEX, Entry, Position, decode, key, place
from aios.settings import REDIS_CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

_ENTRIES: Final = 512
_GRACE_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Piece:
    """One more token; `at` is what to rejoin from."""

    at: Position
    id: int
    text: str


@dataclass(frozen=True)
class Rewind:
    """Forget all tokens but the first `keep`, which have this many characters: the answer began again and differs."""

    at: Position
    keep: int
    characters: int


@dataclass(frozen=True)
class End:
    """Nothing follows: `done`, `failed`, or `lost` (tokens were trimmed or wiped: the journal has the answer)."""

    at: Position
    reason: str


Event = Piece | Rewind | End


class Thread:
    """What a client has been shown, and so what an entry means to it. Pure."""

    def __init__(self) -> None:
        self._shown: list[tuple[int, str]] = []
        self._attempt = 0
        self._next = 1
        self._whole = False

    def take(self, entry: Entry) -> Iterator[Event]:
        """The events of one entry, in order."""
        if entry.at.attempt != self._attempt:
            self._attempt, self._next, self._whole = entry.at.attempt, 1, False
        if entry.end:
            self._whole = entry.last in (-1, self._next - 1)
            yield from self._ended(entry)
            return
        start = entry.at.index - len(entry.tokens) + 1
        if start > self._next:
            yield End(entry.at, "lost")
            return
        for token in entry.tokens[self._next - start :]:
            yield from self._token(token)

    def reached(self, at: Position) -> bool:
        """Whether it has been shown, without a gap, what a client has that stands there."""
        return self._attempt == at.attempt and (self._next > at.index or (at.index == END_INDEX and self._whole))

    def forget(self, attempt: int) -> None:
        """Begin anew with this attempt."""
        if attempt != self._attempt:
            self._shown.clear()

    def _token(self, token: tuple[int, str]) -> Iterator[Event]:
        place = self._next - 1
        self._next += 1
        if place < len(self._shown):
            if self._shown[place] == token:
                return
            yield self._rewind(place)
        self._shown.append(token)
        yield Piece(Position(self._attempt, self._next - 1), *token)

    def _ended(self, entry: Entry) -> Iterator[Event]:
        if entry.end == "again":
            return
        if entry.end == "done" and not self._whole:
            yield End(entry.at, "lost")
            return
        if entry.end == "done" and self._next - 1 < len(self._shown):
            yield self._rewind(self._next - 1)
        yield End(entry.at, entry.end)

    def _rewind(self, keep: int) -> Rewind:
        del self._shown[keep:]
        return Rewind(Position(self._attempt, keep), keep, sum(len(text) for _, text in self._shown))


def events(entries: Iterable[Entry | None], *, after: Position) -> Iterator[Event]:
    """What a client that has everything up to `after` is still to be shown.

    An attempt that failed, or whose tokens were lost, may have been followed by another: only the last end counts.

    Args:
        entries: of a stream, in order; None: there are no more for now.
        after: where the client stands.
    """
    thread, ended = Thread(), None
    known = after == Position(0, 0)  # whether the thread has come to where the client stands
    for entry in entries:
        if entry is None and ended is not None:
            break
        if entry is None:
            continue
        anew = not known and entry.at.attempt > after.attempt  # what the client has was trimmed or wiped meanwhile
        # Who stands within an attempt has its tokens and no others.
        if anew or (entry.at.attempt == after.attempt and after.index != END_INDEX):
            thread.forget(entry.at.attempt)
        found = list(thread.take(entry))
        if anew and found and (isinstance(found[0], Piece) or getattr(found[0], "reason", "") == "done"):
            found.insert(0, Rewind(Position(entry.at.attempt, 0), 0, 0))
        known = known or thread.reached(after) or (anew and any(isinstance(event, Rewind) for event in found[:1]))
        ended = _end(found)
        yield from (event for event in found if event is not ended and event.at > after)
        if ended is not None and ended.reason == "done":
            break
        ended = ended if ended is not None and ended.at > after else None  # an end that the client has seen is none
    if ended is not None and ended.at > after:
        yield ended


def _end(found: list[Event]) -> End | None:
    return found[-1] if found and isinstance(found[-1], End) else None


class Follower:
    """Reads token streams."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            max_connections=REDIS_CONNECTIONS,
            socket_connect_timeout=_GRACE_SECONDS,
            socket_timeout=_LONGEST_PAUSE_SECONDS + _GRACE_SECONDS,
        )
        self._where = place(self._client)

    def follow(
        self, syscall: UUID, *, last_id: str = "", still: Callable[[], bool] = lambda: True, pause_seconds: float = 1.0
    ) -> Iterator[Event]:
        """The tokens of a syscall as they come, ending with an `End`.

        Args:
            syscall: whose.
            last_id: the `at` of the last event seen, to go on behind it; empty: from the beginning.
            still: asked after every silence of `pause_seconds`; False ends the iterator without an `End`.
            pause_seconds: longest wait between two questions.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        pause_ms = max(1, round(min(pause_seconds, _LONGEST_PAUSE_SECONDS) * 1000))
        entries = self._entries(syscall, still=still, pause_ms=pause_ms)
        yield from events(entries, after=Position.parse(last_id))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _entries(self, syscall: UUID, *, still: Callable[[], bool], pause_ms: int) -> Iterator[Entry | None]:
        name, last = key(syscall), b"0-0"
        while True:
            read = self._read(name, last, pause_ms)
            for last, fields in read:
                yield decode(last, fields)
            if len(read) < _ENTRIES:
                yield None
            if not read and not still():
                return

    def _read(self, name: str, last: bytes, pause_ms: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        try:
            found: Any = self._client.xread({name: last}, count=_ENTRIES, block=pause_ms)
        except RedisError as error:
            raise BrokerUnavailable(self._where, str(error)) from error
        if isinstance(found, dict):  # RESP 3
            return [entry for batches in found.values() for batch in batches for entry in batch]
        return [entry for _, entries in found or () for entry in entries]
