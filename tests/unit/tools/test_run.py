"""Running tools: what comes back, and what never does."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from aios.errors import (
    AddressDenied,
    BadToolArguments,
    Ignored,
    InvalidArgument,
    NotJson,
    ToolFailed,
    ToolTimeout,
)
from aios.tools.run import Runner


def run(function, *, seconds=5.0, result_bytes=1000, **arguments):
    return Runner(result_bytes=result_bytes).run("t", function, arguments, seconds=seconds)


def raising(error):
    def function():
        raise error

    return function


def test_the_result_is_what_the_journal_will_hold():
    assert run(lambda x: {"b": (1, 2), "a": x}, x="ä") == {"b": [1, 2], "a": "ä"}


@pytest.mark.parametrize("value", [object(), float("nan"), "a\x00b", "\ud800", {1: 1, "a": 1}, b"x"])
def test_a_result_that_is_no_json_is_refused(value):
    with pytest.raises(NotJson, match="the result of tool 't'"):
        run(lambda: value)


def test_a_result_that_holds_itself_is_refused():
    value: list[object] = []
    value.append(value)
    with pytest.raises(NotJson):
        run(lambda: value)


def test_a_result_beyond_the_limit_is_refused():
    with pytest.raises(ToolFailed, match="1002 bytes; at most 1000"):
        run(lambda: "x" * 1000)


@pytest.mark.parametrize(
    "error", [ValueError("no\x00"), SystemExit(3), KeyboardInterrupt(), Ignored(), StopIteration()]
)
def test_whatever_a_tool_raises_is_one_final_error(error):
    with pytest.raises(ToolFailed) as caught:
        run(raising(error))
    assert caught.value.args[:2] == ("t", type(error).__name__)
    assert "\x00" not in str(caught.value)
    assert caught.value.__cause__ is error


def test_errors_of_ours_pass_as_they_are():
    with pytest.raises(AddressDenied):
        run(raising(AddressDenied("http://x", "no")))


def test_a_tool_may_call_an_argument_invalid_and_the_model_can_repair_it():
    with pytest.raises(BadToolArguments, match="zone: give an IANA name, got 'x'"):
        run(raising(InvalidArgument("zone", "x", "give an IANA name")))


def test_a_tool_that_takes_too_long_is_left_behind_and_known_as_stuck():
    runner = Runner(result_bytes=1000)
    release = threading.Event()
    began = time.monotonic()
    with pytest.raises(ToolTimeout, match=r"within 0\.05 s"):
        runner.run("t", lambda: release.wait(30), {}, seconds=0.05)
    assert time.monotonic() - began < 5
    assert runner.stuck
    assert runner.run("t", lambda: 1, {}, seconds=5) == 1
    assert runner.stuck
    release.set()
    deadline = time.monotonic() + 5
    while runner.stuck and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not runner.stuck


def test_no_time_left_is_a_timeout_at_once():
    with pytest.raises(ToolTimeout):
        run(lambda: time.sleep(0.2), seconds=-3)


def test_a_stuck_tool_does_not_keep_the_process():
    # The thread is a daemon: interpreter shutdown does not join it.
    seen = []
    run(lambda: seen.append(threading.current_thread()))
    assert seen[0].daemon


def test_deep_recursion_in_a_tool_is_its_own_error():
    def deep():
        return deep()

    assert sys.getrecursionlimit() < 100_000
    with pytest.raises(ToolFailed, match="RecursionError"):
        run(deep)
