"""The registry: names, limits and what may not be repeated."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest

from aios.errors import OutcomeUnknown, ToolFailed, ToolTimeout, ToolUnavailable
from aios.tools.registry import Loaded, Registry
from aios.tools.tool import tool


@tool(timeout_seconds=0.05)
def slow() -> None:
    """Sleep."""
    time.sleep(0.3)


@tool(effect="once", timeout_seconds=0.05)
def slow_once() -> None:
    """Sleep."""
    time.sleep(0.3)


@tool(effect="once")
def post() -> None:
    """Fail on the way."""
    raise ToolUnavailable("post", "host", "reset")


@tool
def long() -> str:
    """Say much."""
    return "x" * 100


def registry(*tools, **options):
    return Registry([Loaded(one, "here") for one in tools], **options)


def call(registry, name, seconds=5.0):
    return registry.call(name, {}, agent_id=uuid4(), seconds=seconds)


def test_a_tools_own_limit_counts_and_so_does_the_callers():
    made = registry(slow, long, timeout_seconds=7)
    assert {name: info.seconds for name, info in made.infos().items()} == {"slow": 0.05, "long": 7}
    with pytest.raises(ToolTimeout, match=r"0\.05 s"):
        call(made, "slow")
    with pytest.raises(ToolTimeout, match=r"0\.01 s"):
        call(made, "slow", seconds=0.01)
    assert made.stuck


def test_a_tool_declared_once_is_never_left_to_a_retry():
    made = registry(slow_once, post)
    for name in ("slow_once", "post"):
        with pytest.raises(OutcomeUnknown):
            call(made, name)


def test_a_name_that_is_taken_is_an_error_of_the_later_source():
    other = tool(name="long")(lambda: "short")
    made = Registry([Loaded(long, "first.py"), Loaded(other, "second.py")])
    assert made.listing() == [Loaded(long, "first.py")]
    assert [error.source for error in made.errors] == ["second.py"]
    assert "taken by first.py" in made.errors[0].text


def test_the_length_of_results_is_bounded():
    with pytest.raises(ToolFailed, match="at most 50"):
        call(registry(long, result_bytes=50), "long")
