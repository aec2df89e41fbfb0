"""The tool pool's executor: one call that a program asks for, or all calls of a model's reply."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aios.errors import AiosError, Ignored, InvalidArgument, ToolDenied
from aios.kernel.chat import ToolCall
from aios.kernel.ports import Outcome

if TYPE_CHECKING:
    from uuid import UUID

    from aios.kernel.ports import Claimed
    from aios.kernel.values import Json, JsonObject
    from aios.tools.registry import Registry


class ToolExecutor:
    """Executes the syscalls of the pool `tool`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._running: set[UUID] = set()

    @property
    def stuck(self) -> bool:
        """Whether a tool that ran out of time still runs; a process with one should exit when its syscall is done."""
        return self._registry.stuck

    def perform(self, call: Claimed) -> Outcome:
        """Run the tool of `call`, or every tool that the reply of an earlier syscall calls (`run`).

        Raises:
            AiosError: of a single `call`; those of `run` are results, for the model to read.
            Ignored: the claim was taken away between two tools.
        """
        self._running.add(call.id)
        try:
            match call.op:
                case "call":
                    return Outcome(self._call(call, call.payload["tool"], call.payload["arguments"], call.seconds_left))
                case "run":
                    return Outcome(self._run(call))
                case other:
                    raise InvalidArgument("operation", other, "the pool `tool` knows call and run")
        finally:
            self._running.discard(call.id)

    def cancel(self, syscall: UUID) -> None:
        """Start no further tool of it. One that runs cannot be stopped: its result is refused when it comes."""
        self._running.discard(syscall)

    def _run(self, call: Claimed) -> list[Json]:
        """One entry per tool call of the reply, in its order: an error is a result as well, and ends nothing.

        A tool's transient error is not raised either: a retry would run the tools before it once more.
        """
        until = time.monotonic() + call.seconds_left
        message = call.earlier[call.payload["from"]]["message"]
        results: list[Json] = []
        for asked in message.get("tool_calls") or ():
            if call.id not in self._running:
                raise Ignored
            results.append(self._answered(call, ToolCall.from_json(asked), seconds=until - time.monotonic()))
        return results

    def _answered(self, call: Claimed, asked: ToolCall, *, seconds: float) -> JsonObject:
        entry: JsonObject = {"tool": asked.name, **({"id": asked.id} if asked.id else {})}
        try:
            # The model may name any tool; only those that the program offered to it are open.
            if asked.name in self._registry.infos() and asked.name not in call.payload["tools"]:
                raise ToolDenied(asked.name, call.program)
            return {**entry, "result": self._call(call, asked.name, asked.arguments, seconds)}
        except AiosError as error:
            return {**entry, "error": str(error)}

    def _call(self, call: Claimed, tool: str, arguments: Json, seconds: float) -> Json:
        return self._registry.call(tool, arguments, agent_id=call.agent_id, seconds=seconds)
