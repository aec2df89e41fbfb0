"""`@tool`: what is read from a function, and what is refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field

from aios.errors import BadToolArguments, InvalidArgument, NotJson
from aios.kernel.words import Effect
from aios.tools.caller import Caller
from aios.tools.tool import tool

CALLER = Caller(uuid4(), 5.0)


class Unit(StrEnum):
    METRE = "m"
    FOOT = "ft"


class Opaque:
    pass


class Place(BaseModel):
    name: str
    height: float = 0.0


@tool(effect="once", timeout_seconds=3, name="geo.measure")
def measure(
    place: Place,
    *,
    unit: Unit = Unit.METRE,
    times: Annotated[int, Field(ge=1, le=9)] = 1,
    mode: Literal["fast", "exact"] = "fast",
    schema: str = "",
    ids: list[UUID] = [],  # noqa: B006  # a tool's author may write this
) -> str:
    """Measure a place.

    Twice, if it must be.

    Args:
        place: which one,
            with its name.
        times (int): how often.

    Returns:
        A text.
    """
    return f"{place.name} {unit} {times} {mode} {schema} {ids}"


def problems(given: object) -> list[str]:
    with pytest.raises(BadToolArguments) as caught:
        measure.bind(given, caller=CALLER)
    assert caught.value.args[0] == "geo.measure"
    return caught.value.args[1]


def test_name_text_and_options_are_read():
    assert measure.name == "geo.measure"
    assert measure.spec.description == "Measure a place. Twice, if it must be."
    assert (measure.effect, measure.timeout_seconds) == (Effect.ONCE, 3)


def test_the_schema_says_what_the_signature_says():
    schema = measure.spec.parameters
    assert schema["type"] == "object"
    assert schema["required"] == ["place"]
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == ["place", "unit", "times", "mode", "schema", "ids"]
    times = schema["properties"]["times"]
    assert times == {"type": "integer", "minimum": 1, "maximum": 9, "default": 1, "description": "how often."}
    assert schema["properties"]["place"]["description"] == "which one, with its name."
    assert "title" not in str(schema)


def test_a_tool_without_options_is_named_for_its_function_and_still_is_one():
    @tool
    def double(value: int) -> int:
        return value * 2

    assert double(4) == 8
    assert double.spec.to_json() == {
        "name": "double",
        "description": "double",
        "parameters": {
            "type": "object",
            "properties": {"value": {"type": "integer"}},
            "required": ["value"],
            "additionalProperties": False,
        },
    }
    assert (double.effect, double.timeout_seconds) == (Effect.IDEMPOTENT, None)


def test_a_parameter_may_be_called_title():
    @tool
    def book(title: str) -> str:
        return title

    assert list(book.spec.parameters["properties"]) == ["title"]
    assert book.bind({"title": "x"}, caller=CALLER) == {"title": "x"}


def test_a_tool_without_parameters_takes_an_empty_object():
    @tool
    def ping() -> str:
        return "pong"

    assert ping.spec.parameters["properties"] == {}
    assert ping.bind({}, caller=CALLER) == {}
    with pytest.raises(BadToolArguments, match="it takes none"):
        ping.bind({"x": 1}, caller=CALLER)


def test_a_fitting_call_gets_typed_values_and_leaves_defaults_to_the_function():
    some = uuid4()
    bound = measure.bind({"place": {"name": "K2"}, "unit": "ft", "ids": [str(some)]}, caller=CALLER)
    assert bound == {"place": Place(name="K2"), "unit": Unit.FOOT, "ids": [some]}
    assert measure(**bound) == f"K2 ft 1 fast  [{some!r}]"


def test_each_problem_says_where_what_and_with_which_value():
    found = problems({"place": {"height": "tall"}, "unit": "mile", "times": "3", "mode": 7, "tmes": 1})
    assert "place.name: is required" in found
    assert 'place.height: input should be a valid number, got "tall"' in found
    assert "unit: input should be 'm' or 'ft', got \"mile\"" in found
    assert 'times: input should be a valid integer, got "3"' in found
    assert "mode: input should be 'fast' or 'exact', got 7" in found
    assert "tmes: is no argument of it; did you mean times?" in found


def test_bounds_are_part_of_the_check():
    assert problems({"place": {"name": "x"}, "times": 10}) == ["times: input should be less than or equal to 9, got 10"]


@pytest.mark.parametrize("given", [[], "x", None, 3])
def test_arguments_that_are_no_object_are_told_so(given):
    (problem,) = problems(given)
    assert problem.startswith("arguments: ")


def test_arguments_that_are_no_json_never_reach_the_tool():
    with pytest.raises(NotJson):
        measure.bind({"place": {"name": "a\x00b"}}, caller=CALLER)


def test_a_long_wrong_value_is_cut_in_the_message():
    (problem,) = problems({"place": {"name": "x"}, "times": "9" * 100_000})
    assert len(problem) < 200


def test_the_caller_is_given_to_tools_that_ask_and_hidden_from_models():
    @tool
    def whoami(greeting: str, caller: Caller) -> str:
        return f"{greeting} {caller.agent_id}"

    assert list(whoami.spec.parameters["properties"]) == ["greeting"]
    assert whoami.bind({"greeting": "hi"}, caller=CALLER) == {"greeting": "hi", "caller": CALLER}
    with pytest.raises(BadToolArguments):
        whoami.bind({"greeting": "hi", "caller": {"agent_id": str(uuid4()), "seconds": 1}}, caller=CALLER)


def test_functions_that_no_model_can_call_are_refused():
    async def later(x: int) -> int:
        return x

    def bare(x):
        return x

    def rest(*args: int) -> int:
        return sum(args)

    def opaque(x: Opaque) -> None:
        pass

    for function in (later, bare, rest, lambda: 1, opaque):
        with pytest.raises(InvalidArgument):
            tool(function)


@pytest.mark.parametrize("options", [{"effect": "maybe"}, {"timeout_seconds": 0}, {"name": "a b"}])
def test_options_out_of_range_are_refused(options):
    def fine(x: int) -> int:
        return x

    with pytest.raises(InvalidArgument):
        tool(**options)(fine)
