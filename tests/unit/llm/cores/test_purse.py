"""Where cost and quality count: which core a call asks first, and what it waits for."""

import asyncio

import pytest

from aios.errors import (
    EngineUnreachable,
    InvalidArgument,
)
from aios.kernel.ports import Prompt
from aios.testing import FakeDriver
from tests.cores_cast import Cast, asked, play

PRICED = {
    "small": {"cost_completion": 1.0, "quality": 0.5, "aliases": ("any",)},
    "middle": {"cost_completion": 5.0, "quality": 0.8, "aliases": ("any",), "slots": 1},
    "large": {"cost_completion": 25.0, "quality": 0.9, "aliases": ("any",)},
}


def priced(**more):
    return Cast(*(FakeDriver("x", name=name) for name in PRICED), **{**PRICED, **more})


def talks(count, **more):
    return [Prompt(text=f"{n}" * 9, **more) for n in range(count)]


def test_a_call_that_names_a_quality_asks_the_cheapest_core_that_declares_as_much():
    cast = priced()
    ends = play(cast, *talks(8, quality=0.6), *talks(2, quality=0.85), *talks(2, quality=0.1, model="any"))
    assert [end.core for end in ends] == ["middle"] * 8 + ["large"] * 2 + ["small"] * 2


def test_where_the_cheapest_good_enough_core_has_no_slot_or_is_down_the_next_one_is_asked():
    cast = priced()
    cast.states.take("middle", "somebody's")
    assert play(cast, *talks(1, quality=0.6))[0].core == "large"
    cast = priced()
    cast.drivers["middle"] = FakeDriver(EngineUnreachable("middle", "refused"), name="middle")
    assert {end.core for end in play(cast, *talks(4, quality=0.6))} == {"large"}
    assert asked(cast)["small"] == 0


@pytest.mark.parametrize(("freed_after", "answers"), [(0.05, "middle"), (5, "large")])
def test_with_patience_a_call_waits_for_the_core_that_suits_it_best_but_not_for_ever(freed_after, answers):
    cast = priced(patience_seconds=0.3)
    cast.states.take("middle", "somebody's")

    async def run():
        await cast.start()
        asyncio.get_running_loop().call_later(freed_after, cast.states.release, "middle", "somebody's")
        end = (await cast.ask(*talks(1, quality=0.6)))[-1]
        await cast.router.aclose()
        return end.core

    assert asyncio.run(run()) == answers


def test_nobody_waits_for_a_core_that_takes_no_calls():
    cast = priced(patience_seconds=60.0)
    cast.states.change("middle", lambda breaker, now: breaker.paused(now, seconds=60))
    assert play(cast, *talks(1, quality=0.6))[0].core == "large"


@pytest.mark.parametrize("names", [("small", "middle", "large"), ("large",)])
def test_a_quality_that_no_core_declares_is_the_callers_mistake(names):
    (error,) = play(Cast(*(FakeDriver(name=name) for name in names), **PRICED), *talks(1, quality=0.95))
    assert type(error) is InvalidArgument
    assert str(error) == "invalid quality 0.95: the most that a core of the model declares is 0.9 (large)"


def test_calls_that_say_nothing_keep_the_mean_quality_of_the_settings():
    cast = priced(mean_quality=0.7)
    qualities = [PRICED[end.core]["quality"] for end in play(cast, *talks(300))]
    assert 0.69 < sum(qualities) / 300 < 0.72
    assert asked(cast)["large"] < 30, "where the middle one will do"


def test_calls_that_name_a_model_are_no_part_of_that_mean():
    cast = priced(mean_quality=0.5)
    ends = play(cast, *talks(20, model="large"), *talks(20))
    assert {end.core for end in ends[20:]} == {"small"}
