"""The contract of the port `ToolBox`, on the fake and on the real thing."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest

from aios.errors import AddressDenied, BadToolArguments, NotJson, ToolFailed, ToolTimeout, UnknownTool
from aios.kernel.words import Effect
from aios.testing import FakeToolBox
from aios.tools.registry import Loaded, Registry
from aios.tools.tool import tool

AGENT = uuid4()


def add(a: int, b: int = 1) -> int:
    return a + b


def crash() -> None:
    raise ZeroDivisionError("why")


def denied() -> None:
    raise AddressDenied("http://x", "no")


def odd() -> object:
    return object()


def slow() -> None:
    time.sleep(1)


FUNCTIONS = {"add": add, "crash": crash, "denied": denied, "odd": odd, "slow": slow}


def fake():
    return FakeToolBox(FUNCTIONS, effects={"add": Effect.NONE}, slow=["slow"])


def real():
    effects = {"add": "none"}
    made = [tool(name=name, effect=effects.get(name, "idempotent"))(f) for name, f in FUNCTIONS.items()]
    return Registry([Loaded(one, "here") for one in made])


@pytest.fixture(params=[fake, real])
def toolbox(request):
    return request.param()


class TestToolBox:
    def call(self, toolbox, name, **arguments):
        return toolbox.call(name, arguments, agent_id=AGENT, seconds=0.5)

    def test_planning_sees_every_tool_with_its_effect(self, toolbox):
        infos = toolbox.infos()
        assert set(infos) == set(FUNCTIONS)
        assert infos["add"].name == "add"
        assert infos["add"].effect is Effect.NONE
        assert infos["slow"].effect is Effect.IDEMPOTENT
        assert infos["slow"].seconds > 0

    def test_a_spec_is_a_schema_of_an_object(self, toolbox):
        spec = toolbox.spec("add")
        assert spec.name == "add"
        assert spec.description
        assert spec.parameters["type"] == "object"
        assert list(spec.parameters["properties"]) == ["a", "b"]

    def test_a_call_gives_the_result(self, toolbox):
        assert self.call(toolbox, "add", a=1) == 2
        assert self.call(toolbox, "add", a=1, b=5) == 6

    @pytest.mark.parametrize("arguments", [{}, {"b": 1}, {"a": 1, "c": 2}])
    def test_wrong_arguments_never_reach_the_tool(self, toolbox, arguments):
        with pytest.raises(BadToolArguments) as caught:
            self.call(toolbox, "add", **arguments)
        assert "is required" in str(caught.value) or "is no argument" in str(caught.value)

    def test_an_unknown_tool_names_the_nearest(self, toolbox):
        for ask in (lambda: toolbox.spec("ad"), lambda: self.call(toolbox, "ad")):
            with pytest.raises(UnknownTool, match="did you mean 'add'"):
                ask()

    def test_errors_have_their_classes(self, toolbox):
        with pytest.raises(ToolFailed, match="ZeroDivisionError: why"):
            self.call(toolbox, "crash")
        with pytest.raises(AddressDenied):
            self.call(toolbox, "denied")
        with pytest.raises(NotJson):
            self.call(toolbox, "odd")
        with pytest.raises(ToolTimeout):
            self.call(toolbox, "slow")
