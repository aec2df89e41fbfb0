"""Following an agent: the tokens of all its LLM syscalls, in journal order, as they come.

The token streams in Redis are the quick way, the journal is the backstop: what was trimmed, wiped or never streamed is
shown from there, so that whoever follows to the end has seen every text.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from aios.db import views
from aios.errors import BrokerUnavailable, NotFound
from aios.kernel.words import AgentState, SyscallState
from aios.llm.follow import End, Follower, Piece, Rewind
from aios.llm.streams import END_INDEX, Position
from aios.sdk.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from aios.bootstrap.parts import Parts
    from aios.kernel.values import JsonObject

_PAUSE_SECONDS: Final = 0.1
_SILENCE_SECONDS: Final = 0.5
_NO_PAUSE_SECONDS: Final = 0.001  # 0 would be "for ever" to Redis
_FINAL: Final = frozenset({SyscallState.DONE, SyscallState.FAILED, SyscallState.UNKNOWN, SyscallState.CANCELLED})


@dataclass(frozen=True)
class Begun:
    """What follows is the text of this LLM syscall."""

    seq: str
    op: str


@dataclass(frozen=True)
class Said:
    """A piece of the text."""

    text: str


@dataclass(frozen=True)
class TakenBack:
    """The answer began again and differs: `kept` is what still stands of its text; what follows comes after it."""

    kept: str


@dataclass(frozen=True)
class Ended:
    """The syscall whose text this was is over: `done`, `failed`, `unknown` or `cancelled`."""

    state: str


@dataclass(frozen=True)
class Silence:
    """Nothing was said for a moment; the agent has not ended."""


Event = Begun | Said | TakenBack | Ended | Silence


def follow(parts: Parts, agent: UUID) -> Iterator[str]:
    """An agent's texts as they come, until it has ended.

    Every text comes once and in order. Only where a model's second attempt differs from what was shown of the first, the
    answer is given again, after a line break.

    Raises:
        NotFound: there is no such agent.
    """
    for event in watch(parts, agent):
        if text := text_of(event):
            yield text


def text_of(event: Event) -> str:
    """What an event adds to the text that a reader has before them."""
    match event:
        case Said(text):
            return text
        case TakenBack(kept):
            return f"\n{kept}"
        case _:
            return ""


def watch(parts: Parts, agent: UUID, *, wait: bool = True) -> Iterator[Event]:
    """What an agent's models say, with beginnings and ends; a `Silence` at least once per second.

    Args:
        parts: of the client.
        agent: whose.
        wait: False: only what there is now.

    Raises:
        NotFound: there is no such agent.
        DatabaseUnavailable: Postgres has never answered this client, or does not and `wait` is False.
    """
    seen: set[UUID] = set()
    waiting = Waiting(None if wait else 0, parts.database)
    with closing(Follower(parts.settings.streams)) as follower:
        while True:
            ended, rows = False, []
            with waiting.patient():  # its state first, so that no syscall comes after the last look
                ended, rows = _state(parts, agent).ended, _new(parts, agent, seen)
            for row in rows:
                yield from _Syscall(parts, row, waiting).events(follower)
            if ended or waiting.over:
                return
            yield Silence()
            time.sleep(_PAUSE_SECONDS)


class _Syscall:
    """One syscall's text, and how much of it was shown."""

    def __init__(self, parts: Parts, row: JsonObject, waiting: Waiting) -> None:
        self._parts = parts
        self._row = row
        self._waiting = waiting
        self._shown = ""
        self._at = Position(0, 0)
        self._whole = 0  # the attempt whose text was shown to its end

    def events(self, follower: Follower) -> Iterator[Event]:
        """Its text as it comes, then its end."""
        yield Begun(self._row["seq"], self._row["op"])
        while True:
            now: JsonObject = {}
            with self._waiting.patient():  # before the stream: what a final syscall streamed is all there
                now = self._look()
            final = now.get("state") in _FINAL
            last = final or self._waiting.over
            yield from self._streamed(follower, pause=_NO_PAUSE_SECONDS if last else _SILENCE_SECONDS)
            if final:
                yield from self._journalled(now)
                yield Ended(now["state"])
            if last:
                return
            yield Silence()

    def _look(self) -> JsonObject:
        with self._parts.database.statement() as tx:
            found = views.generation(tx, self._row["id"])
        if found is None:
            raise NotFound("syscall", str(self._row["id"]))
        return found

    def _streamed(self, follower: Follower, *, pause: float) -> Iterator[Event]:
        """What the stream has beyond what was shown, until it is silent for a while."""
        ended = False
        try:
            for event in follower.follow(
                self._row["id"], last_id=str(self._at), still=lambda: False, pause_seconds=pause
            ):
                ended = isinstance(event, End)
                # At an end that is not `done`, what was shown may be an earlier attempt's.
                if not isinstance(event, End) or event.reason == "done":
                    self._at = event.at
                match event:
                    case Piece(text=text):
                        self._shown += text
                        yield Said(text)
                    case Rewind(characters=characters):
                        self._shown = self._shown[:characters]
                        yield TakenBack(self._shown)
                    case End(reason="done"):
                        self._whole = event.at.attempt
        except BrokerUnavailable:
            time.sleep(pause)
            return
        # Nothing more comes from this attempt: its commit, or the next one, does.
        if ended or self._at.index == END_INDEX:
            time.sleep(min(pause, _PAUSE_SECONDS))

    def _journalled(self, now: JsonObject) -> Iterator[Event]:
        """The rest of the text, if the journal's attempt was not streamed whole."""
        text = now["content"]
        if text is None or self._whole == now["attempt"]:
            return
        if not text.startswith(self._shown):
            self._shown = text[: _common(text, self._shown)]
            yield TakenBack(self._shown)
        if len(text) > len(self._shown):
            yield Said(text[len(self._shown) :])


def _common(one: str, other: str) -> int:
    """How many characters are the same from the beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _state(parts: Parts, agent: UUID) -> AgentState:
    with parts.database.statement() as tx:
        row = views.result(tx, agent)
    if row is None:
        raise NotFound("agent", str(agent))
    return AgentState(row["state"])


def _new(parts: Parts, agent: UUID, seen: set[UUID]) -> list[JsonObject]:
    with parts.database.statement() as tx:
        found = [row for row in views.generations(tx, agent) if row["id"] not in seen]
    seen.update(row["id"] for row in found)
    return found
