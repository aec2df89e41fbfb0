"""Running a tool: foreign code in a thread of its own, left behind when it does not come back in time."""

from __future__ import annotations

import json
import queue
import threading
from typing import TYPE_CHECKING, Any

from aios.errors import AiosError, BadToolArguments, InvalidArgument, ToolFailed, ToolTimeout
from aios.kernel.ports import Later
from aios.kernel.values import canonical, clean
from aios.tools.descendants import end_started_by

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aios.kernel.values import Json


class Runner:
    """Runs tools with a time limit and knows which of them never came back."""

    def __init__(self, *, result_bytes: int) -> None:
        self._result_bytes = result_bytes
        self._late: set[threading.Thread] = set()

    @property
    def stuck(self) -> bool:
        """Whether a tool that ran out of time still runs: no thread can be stopped, only its process can exit."""
        self._late = {thread for thread in self._late if thread.is_alive()}
        return bool(self._late)

    def run(
        self, tool: str, function: Callable[..., Json], arguments: Mapping[str, object], *, seconds: float
    ) -> Json | Later:
        """The function's result, as the JSON value that is journalled, or what makes it.

        Raises:
            BadToolArguments: the tool called an argument invalid.
            NotJson: the result is no JSON.
            ToolFailed: it raised an error of its own, or its result is too large.
            ToolTimeout: it took longer than `seconds`.
        """
        answers: queue.SimpleQueue[tuple[Json, BaseException | None]] = queue.SimpleQueue()
        thread = threading.Thread(target=_answer, args=(answers, function, arguments), name=f"tool-{tool}", daemon=True)
        thread.start()
        try:
            value, error = answers.get(timeout=max(seconds, 0.0))
        except queue.Empty:
            self._late.add(thread)
            end_started_by(thread)
            raise ToolTimeout(tool, round(seconds, 3)) from None
        if error is not None:
            raise _translated(tool, error) from error
        return value if isinstance(value, Later) else self._checked(tool, value)

    def _checked(self, tool: str, value: Json) -> Json:
        encoded = canonical(value, what=f"the result of tool {tool!r}")
        if len(encoded) > self._result_bytes:
            raise ToolFailed(tool, "ResultTooLarge", f"{len(encoded)} bytes; at most {self._result_bytes}")
        return json.loads(encoded)


def _answer(answers: queue.SimpleQueue[Any], function: Callable[..., Json], arguments: Mapping[str, object]) -> None:
    try:
        answers.put((function(**arguments), None))
    except BaseException as error:  # noqa: BLE001  # foreign code, SystemExit too; the caller raises it
        answers.put((None, error))


def _translated(tool: str, error: BaseException) -> AiosError:
    """The one table of what a tool may raise."""
    match error:
        case InvalidArgument():
            name, value, remedy = error.args
            return BadToolArguments(tool, [f"{name}: {remedy}, got {value!r}"])
        case AiosError():
            return error
        case _:
            return ToolFailed(tool, type(error).__name__, clean(str(error)))
