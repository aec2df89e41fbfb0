"""What validation and a repair round are worth (E7): a model that gets some of its calls wrong, asked for real tool calls.

The tools, their checks and the repair are the real ones; the model is a generator of right calls, and of wrong ones at a
chosen rate: an argument missing, of a wrong type, unknown, or a tool of a wrong name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from aios.errors import AiosError
from aios.kernel.chat import Reply, ToolCall
from aios.kernel.repair import Repairing
from aios.tools.calculator import calculator
from aios.tools.registry import Loaded, Registry

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from random import Random

    from aios.kernel.repair import Acted
    from aios.kernel.values import Json, JsonObject

RATES = (0.0, 0.05, 0.1, 0.2)


class _Model:
    """Calls the calculator, wrongly at some rate."""

    def __init__(self, random: Random, rate: float) -> None:
        self._random, self._rate = random, rate
        self._registry = Registry([Loaded(calculator, "built-in")])

    def __call__(self, messages: Sequence[JsonObject]) -> _Answer:
        return _Answer(self._acted(str(messages[0]["content"])))

    def _acted(self, expression: str) -> Acted:
        right = ("calculator", {"expression": expression})
        wrong: list[tuple[str, JsonObject]] = [
            ("calculator", {}),
            ("calculator", {"expression": 7}),
            ("calculator", {"expression": expression, "digits": 2}),
            ("calculatr", {"expression": expression}),
        ]
        name, given = self._random.choice(wrong) if self._random.random() < self._rate else right
        entry: JsonObject = {"tool": name, "id": "c"}
        try:
            entry["result"] = self._registry.call(name, given, agent_id=uuid4(), seconds=5)
        except AiosError as error:
            entry |= {"error": str(error), "kind": type(error).__name__}
        return Reply("", (ToolCall(name, given, "c"),)), [entry]


class _Answer:
    """An answer that is there at once."""

    def __init__(self, acted: Acted) -> None:
        self._acted = acted

    def __await__(self) -> Generator[object, Acted, Acted]:
        return self._acted
        yield  # what makes it a generator


def success(random: Random, *, rate: float, repairs: int, trials: int) -> float:
    """The share of tasks whose call came to the right result."""
    model, right = _Model(random, rate), 0
    for n in range(trials):
        task: list[JsonObject] = [{"role": "user", "content": f"{n} + 1"}]
        right += _result(Repairing(model, task, repairs)) == n + 1
    return right / trials


def _result(asked: Repairing) -> Json:
    try:
        next(asked.__await__())
    except StopIteration as end:
        entry = end.value[1][-1]
        return entry.get("result")
    raise AssertionError("a model that answers at once leaves nothing to wait for")
