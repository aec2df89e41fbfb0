"""The tool pool's executor: one call that a program asks for, or all calls of a model's reply."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.errors import AiosError, Ignored, InvalidArgument, ToolDenied
from aios.kernel.chat import ToolCall
from aios.kernel.ports import Later, Outcome
from aios.tools.fit import FOLDER, fit
from aios.tools.nested import NestedSyscalls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from aios.db.session import Database, Transaction
    from aios.kernel.ports import Claimed, Executor
    from aios.kernel.values import Json, JsonObject
    from aios.tools.registry import Registry


@dataclass(frozen=True)
class Surroundings:
    """What tools reach beside themselves: the agent's memory and files, through the executors of those pools.

    Attributes:
        result_bytes: a longer result goes into a file of the agent's.
    """

    executors: Mapping[str, Executor]
    database: Database
    result_bytes: int = 2_000_000


class ToolExecutor:
    """Executes the syscalls of the pool `tool`."""

    def __init__(self, registry: Registry, surroundings: Surroundings | None = None) -> None:
        self._registry = registry
        self._surroundings = surroundings
        self._running: set[UUID] = set()

    @property
    def stuck(self) -> bool:
        """Whether a tool that ran out of time still runs; a process with one should exit when its syscall is done."""
        return self._registry.stuck

    def perform(self, call: Claimed) -> Outcome:
        """Run the tool of `call`, or every tool that the reply of an earlier syscall calls (`run`).

        Raises:
            AiosError: of a single `call`; those of `run` are results, for the model to read.
            ToolBusy: a tool has as many calls under way as it allows; none was begun.
            Ignored: the claim was taken away between two tools.
        """
        perform = {"call": self._single, "run": self._run}.get(call.op)
        if perform is None:
            raise InvalidArgument("operation", call.op, "the pool `tool` knows call and run")
        self._running.add(call.id)
        try:
            # All permits at once and before anything begins: who waited in the middle would hold what others need.
            with self._registry.hold(_names(call)):
                return perform(call)
        finally:
            self._running.discard(call.id)

    def cancel(self, syscall: UUID) -> None:
        """Start no further tool of it. One that runs cannot be stopped: its result is refused when it comes."""
        self._running.discard(syscall)

    def _single(self, call: Claimed) -> Outcome:
        hands = self._hands(call)
        value = self._call(call, hands, call.payload["tool"], call.payload["arguments"], call.seconds_left)
        if not isinstance(value, Later):
            if hands is None or not hands.too_long(value):
                return Outcome(value)
            return Outcome(effect=lambda tx: hands.fitted(tx, value))
        effect = value.effect
        return Outcome(effect=lambda tx: hands.fitted(tx, effect(tx)) if hands else effect(tx))

    def _run(self, call: Claimed) -> Outcome:
        """One entry per tool call of the reply, in its order: an error is a result as well, and ends nothing.

        A tool's transient error is not raised either: a retry would run the tools before it once more.
        """
        until = time.monotonic() + call.seconds_left
        message = call.earlier[call.payload["from"]]["message"]
        hands = self._hands(call)
        entries: list[JsonObject] = []
        for asked in message.get("tool_calls") or ():
            if call.id not in self._running:
                raise Ignored
            entries.append(self._answered(call, hands, ToolCall.from_json(asked), until - time.monotonic()))
        if any("result" in entry and _unsettled(hands, entry["result"]) for entry in entries):
            return Outcome(effect=lambda tx: [_settled(tx, hands, entry) for entry in entries])
        return Outcome(entries)

    def _answered(self, call: Claimed, hands: _Hands | None, asked: ToolCall, seconds: float) -> JsonObject:
        entry: JsonObject = {"tool": asked.name, **({"id": asked.id} if asked.id else {})}
        try:
            # The model may name any tool; only those that the program offered to it are open.
            if asked.name in self._registry.infos() and asked.name not in call.payload["tools"]:
                raise ToolDenied(asked.name, call.program)
            return {**entry, "result": self._call(call, hands, asked.name, asked.arguments, seconds)}
        except AiosError as error:
            return {**entry, "error": str(error), "kind": type(error).__name__}

    def _call(self, call: Claimed, hands: _Hands | None, tool: str, arguments: Json, seconds: float) -> Json | Later:
        nested = hands.nested if hands else None
        return self._registry.call(tool, arguments, agent_id=call.agent_id, seconds=seconds, nested=nested)

    def _hands(self, call: Claimed) -> _Hands | None:
        around = self._surroundings
        if around is None:
            return None
        return _Hands(NestedSyscalls(call, around.executors, around.database), str(call.id), around.result_bytes)


def _names(call: Claimed) -> list[str]:
    """The tools that a syscall may call: the one that it names, or those of a reply that were offered to its model."""
    if call.op == "call":
        return [str(call.payload["tool"])]
    message = call.earlier[call.payload["from"]]["message"]
    asked = {ToolCall.from_json(one).name for one in message.get("tool_calls") or ()}
    return sorted(asked.intersection(call.payload["tools"]))


@dataclass
class _Hands:
    """What the tools of one syscall have in hand: its agent's memory and files, and a place for long results."""

    nested: NestedSyscalls
    name: str
    most: int
    _spilled: int = 0

    def too_long(self, value: Json) -> bool:
        """Whether the value must become a reference."""
        return fit(value, most=self.most, spill=lambda _: "") is not value

    def fitted(self, tx: Transaction, value: Json) -> Json:
        """The value, or a reference to where it is stored now."""
        return fit(value, most=self.most, spill=lambda text: self._spill(tx, text))

    def _spill(self, tx: Transaction, text: str) -> str:
        self._spilled += 1
        path = f"{FOLDER}/{self.name}-{self._spilled}.txt"
        stored = self.nested.later("storage", "write", {"path": path, "content": text}).effect(tx)
        return str(stored["path"])


def _unsettled(hands: _Hands | None, value: Json | Later) -> bool:
    return isinstance(value, Later) or (hands is not None and hands.too_long(value))


def _settled(tx: Transaction, hands: _Hands | None, entry: JsonObject) -> JsonObject:
    """An entry whose result exists now; what its effect refuses is undone alone, and told as its error."""
    if "result" not in entry:
        return entry
    value = entry["result"]
    make: Callable[[Transaction], Json] = value.effect if isinstance(value, Later) else lambda _tx: value
    try:
        with tx.begin_nested():
            result = make(tx)
            return {**entry, "result": hands.fitted(tx, result) if hands else result}
    except AiosError as error:
        bare = {key: told for key, told in entry.items() if key != "result"}
        return {**bare, "error": str(error), "kind": type(error).__name__}
