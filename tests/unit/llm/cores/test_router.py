"""The router with fake cores: who gets a call, and what becomes of it when that core fails."""

import asyncio
import threading
import time
from contextlib import aclosing

import pytest

from aios.errors import (
    DatabaseUnavailable,
    EngineFailed,
    EngineLost,
    EngineOverloaded,
    EngineRefused,
    EngineUnreachable,
    Misconfigured,
    StateLost,
    UnknownModel,
)
from aios.kernel.breaker import Breaker
from aios.kernel.ports import Boundary, Finish, Prompt
from aios.kernel.routing import Core, CoreState, Origin
from aios.kernel.slices import Slicing
from aios.llm.cores import door, health
from aios.llm.cores.registry import Registry
from aios.llm.cores.states import LocalStates
from aios.settings import CoreSettings, LLMSettings, Settings
from aios.testing import FakeDriver
from tests.cores_cast import HELLO, Breaks, Cast, Serves, asked, named, play


def test_the_finish_tells_which_core_it_came_from():
    cast = Cast(FakeDriver("x", name="a"), FakeDriver("x", name="b"))
    (finish,) = play(cast, named("b"))
    assert (type(finish), finish.core) == (Finish, "b")
    assert asked(cast) == {"a": 0, "b": 1}


def test_a_core_is_asked_under_no_name_but_its_own_models():
    cast = Cast(FakeDriver(name="a"), FakeDriver(name="b"), a={"aliases": ("fast",)})
    play(cast, named("fast"))
    assert [prompt.model for prompt in cast.drivers["a"].asked] == [""]


def test_a_core_that_fails_before_its_first_token_costs_nothing_and_the_next_one_answers():
    down = FakeDriver(EngineUnreachable("a", "refused"), name="a")
    cast = Cast(down, FakeDriver("well", name="b"))
    ends = play(cast, *[Prompt(text=f"{n}") for n in range(12)])
    assert {end.text for end in ends} == {"well"}
    assert asked(cast)["a"] == 1, "its breaker is open after the first call"


def test_a_core_that_fails_under_way_gives_the_call_back_at_no_cost():
    a, b = Breaks(name="a"), Breaks(name="b")
    (error,) = play(Cast(a, b))
    assert type(error) is EngineLost


def test_a_call_that_breaks_every_core_ends_by_costing_attempts():
    cast = Cast(Breaks(name="a", times=9), Breaks(name="b", times=9))
    kinds = [type(end) for end in play(cast, *[HELLO] * 4)]
    assert kinds == [EngineLost] * 3 + [EngineFailed]


def test_with_a_single_core_its_error_is_the_calls():
    (error,) = play(Cast(Breaks(name="a")))
    assert type(error) is EngineFailed


def test_an_invalid_request_is_refused_by_one_core_and_never_tried_on_another():
    refusal = EngineRefused("x", "validation", "no")
    cast = Cast(FakeDriver(refusal, name="a"), FakeDriver(refusal, name="b"))
    (error,) = play(cast)
    assert error is refusal
    assert sum(asked(cast).values()) == 1


def test_an_overloaded_core_is_paused_and_the_other_one_takes_its_calls():
    cast = Cast(FakeDriver(EngineOverloaded("a", 30.0), name="a"), FakeDriver("well", name="b"))
    ends = play(cast, *[Prompt(text=f"{n}") for n in range(12)])
    assert {end.text for end in ends} == {"well"}
    assert asked(cast)["a"] == 1
    assert cast.states.view(["a"])["a"].breaker.failures == 0


def test_when_all_are_overloaded_a_call_comes_back_when_the_first_is_over():
    cast = Cast(FakeDriver(EngineOverloaded("a", 30.0), name="a"), FakeDriver(EngineOverloaded("b", 5.0), name="b"))
    first, second = play(cast, HELLO, HELLO)
    assert type(first) is type(second) is EngineOverloaded
    assert first.args[1] == 5
    assert 4 < second.args[1] <= 5
    assert sum(asked(cast).values()) == 2


def test_the_first_success_after_a_failure_closes_the_breaker():
    states = LocalStates()
    for name in "ab":
        states.change(name, lambda _breaker, now: Breaker(3, 1, now - 2, now - 1))
    cast = Cast(FakeDriver(name="a"), FakeDriver(name="b"), states=states)
    play(cast, *[Prompt(text=f"{n}") for n in range(12)])
    assert [view.breaker.trial for view in states.view("ab").values()] == [False, False]


def test_a_wrong_key_at_one_core_is_no_reason_to_fail_while_another_answers():
    wrong = FakeDriver(Misconfigured("engine 'a' refuses the API key", "set it"), name="a")
    assert play(Cast(wrong, FakeDriver("well", name="b")), *[Prompt(text=f"{n}") for n in range(6)])[-1].text == "well"
    both = Cast(wrong, FakeDriver(Misconfigured("engine 'b' refuses the API key", "set it"), name="b"))
    assert type(play(both)[0]) is Misconfigured


def test_a_fallback_is_asked_only_when_no_core_of_the_model_lets_calls_pass():
    large, small = FakeDriver("large", name="large"), FakeDriver("small", name="small")
    prompt = named("large", fallbacks=("small",))
    assert play(Cast(large, small), prompt)[0].text == "large"
    down = FakeDriver(EngineUnreachable("large", "refused"), name="large")
    assert play(Cast(down, small), prompt)[0].text == "small"
    assert type(play(Cast(down, small), named("large"))[0]) is EngineUnreachable


def test_an_unknown_model_is_told_with_the_names_near_it():
    (error,) = play(Cast(FakeDriver(name="llama-8b"), FakeDriver(name="qwen")), named("lama-8b"))
    assert type(error) is UnknownModel
    assert "did you mean 'llama-8b'?" in str(error)


@pytest.mark.parametrize("before", [1, 2])
def test_a_core_that_was_added_a_moment_ago_is_known(before):
    cast = Cast(*(FakeDriver(name=name) for name in ("one", "two", "novel")[-before - 1 :]))
    added = cast.cores.pop()

    async def run():
        await cast.start()
        await cast.ask(named(cast.cores[0].name))
        cast.cores = [*cast.cores, added]
        end = (await cast.ask(named("novel")))[-1]
        await cast.router.aclose()
        return end

    assert asyncio.run(run()).core == "novel"


def test_cores_that_declare_no_model_are_asked_for_it():
    cast = Cast(Serves("m/one", name="a"), Serves("m/two", name="b"), a={"model": ""}, b={"model": ""})
    assert play(cast, named("m/two"))[0].core == "b"
    assert type(play(cast, named("m/three"))[0]) is UnknownModel


def test_a_model_is_not_unknown_while_a_core_cannot_say_what_it_serves():
    cast = Cast(Serves("m/one", name="a"), Serves("", name="b"), a={"model": ""}, b={"model": ""})
    assert play(cast, named("m/one"))[0].core == "a"
    assert type(play(cast, named("m/two"))[0]) is EngineUnreachable


def test_a_conversation_must_fit_the_smallest_window_of_those_that_may_be_asked():
    wide, narrow = Serves("m", name="wide"), Serves("m", name="narrow")
    wide.tokens, narrow.tokens = 1000, 100
    cast = Cast(wide, narrow, Serves("", name="down"), **{n: {"model": "m"} for n in ("wide", "narrow", "down")})

    async def run():
        router = await cast.start()
        drivers = [await router.narrowest(named("m")), await router.narrowest(named("wide"))]
        await router.aclose()
        return drivers

    assert asyncio.run(run()) == [narrow, wide]


def test_a_core_that_accepts_nothing_holds_nobody_up_once_another_is_known():
    class Mute(FakeDriver):
        async def info(self):
            await asyncio.sleep(0.3)
            raise EngineUnreachable(self.name, "it does not accept connections")

    cast = Cast(Serves("m", name="b"), Mute(name="a"))

    async def run():
        router, times = await cast.start(), []
        for _ in range(3):
            begun = time.monotonic()
            assert (await router.info()).model == "m"
            times.append(time.monotonic() - begun)
        await router.aclose()
        return times

    first, *others = asyncio.run(run())
    assert max(others) < 0.2, first


WORDS = " ".join(f"w{i}" for i in range(6))


def sliced(done=None):
    return Prompt(messages=HELLO.messages, slicing=Slicing(4, 1, done))


def keepers(*names):
    return [FakeDriver(WORDS, name=name, resume="kv") for name in names]


async def as_far_as_its_first_boundary(cast):
    async with aclosing(cast.router.generate(sliced())) as items:
        async for item in items:
            if isinstance(item, Boundary):
                return item.partial
    raise AssertionError


def test_a_call_in_slices_goes_back_to_the_core_that_has_its_state():
    cast = Cast(*keepers("a", "b", "c"))

    async def run():
        await cast.start()
        half = await as_far_as_its_first_boundary(cast)
        holder = half.state["core"]
        for lease in ("one", "two"):  # so busy that what has no state goes elsewhere
            cast.states.take(holder, lease)
        fresh, again = (await cast.ask(sliced()))[-1], (await cast.ask(sliced(half)))[-1]
        await cast.router.aclose()
        return holder, fresh, again

    holder, fresh, again = asyncio.run(run())
    assert (again.core, again.text, again.resume) == (holder, WORDS, "kv")
    assert fresh.core != holder


def test_where_the_core_with_the_state_takes_no_calls_another_one_has_lost_it_or_reads_it_too():
    cast = Cast(*keepers("a", "b"))

    async def run(*, share):
        await cast.start()
        half = await as_far_as_its_first_boundary(cast)
        holder = half.state["core"]
        (other,) = set(cast.drivers) - {holder}
        if share:
            cast.drivers[other].states = cast.drivers[holder].states
        cast.states.change(holder, lambda breaker, now: breaker.failed(now, began=now, fatal=True))
        try:
            end = (await cast.ask(sliced(half)))[-1]
        except StateLost as error:
            return error.args[0] == other, None
        finally:
            await cast.router.aclose()
        return end.core == other, end.text

    assert asyncio.run(run(share=False)) == (True, None)
    cast = Cast(*keepers("a", "b"))
    assert asyncio.run(run(share=True)) == (True, WORDS)


def test_a_core_that_has_no_slot_for_long_gives_the_generation_to_another(monkeypatch):
    monkeypatch.setattr(door, "_PATIENCE_SECONDS", 0.1)
    cast = Cast(*keepers("a", "b"), a={"slots": 1}, b={"slots": 1})

    async def run():
        await cast.start()
        half = await as_far_as_its_first_boundary(cast)
        cast.states.take(half.state["core"], "somebody else's")
        with pytest.raises(StateLost) as lost:
            await cast.ask(sliced(half))
        await cast.router.aclose()
        return half.state["core"], lost.value.args[0]

    holder, asked_instead = asyncio.run(run())
    assert {holder, asked_instead} == {"a", "b"}


def test_a_state_is_deleted_by_the_core_that_has_it():
    cast = Cast(*keepers("a", "b"))

    async def run():
        await cast.start()
        half = await as_far_as_its_first_boundary(cast)
        for driver in cast.drivers.values():
            driver.states = {half.state["id"]: 4}
        await cast.router.forget(half.state)
        await cast.router.aclose()
        return half.state["core"]

    holder = asyncio.run(run())
    assert {name for name, driver in cast.drivers.items() if not driver.states} == {holder}


def test_a_draining_core_gets_nothing_new():
    cast = Cast(FakeDriver(name="a"), FakeDriver(name="b"), a={"state": CoreState.DRAINING})
    play(cast, *[Prompt(text=f"{n}") for n in range(8)])
    assert asked(cast) == {"a": 0, "b": 8}
    alone = Cast(FakeDriver(name="a"), a={"state": CoreState.DRAINING})
    assert type(play(alone)[0]) is EngineUnreachable


def test_turns_of_one_talk_go_to_one_core():
    cast = Cast(FakeDriver(name="a"), FakeDriver(name="b"), FakeDriver(name="c"))
    play(cast, *[HELLO] * 9)
    assert sorted(asked(cast).values()) == [0, 0, 9]


def test_a_call_waits_for_a_slot_and_never_takes_one_too_many():
    slow = FakeDriver("x", name="a", token_seconds=0.05)
    cast = Cast(slow, FakeDriver("x", name="b", token_seconds=0.05), a={"slots": 1}, b={"slots": 1})
    most = 0

    async def run():
        await cast.start()

        async def watched():
            nonlocal most
            async for _ in cast.router.generate(HELLO):
                most = max(most, *(driver.open for driver in cast.drivers.values()))

        await asyncio.gather(*(watched() for _ in range(6)))
        await cast.router.aclose()

    asyncio.run(run())
    assert most == 1
    assert sum(asked(cast).values()) == 6


def test_a_cancelled_call_gives_its_slot_back():
    cast = Cast(FakeDriver("x y z", name="a", token_seconds=5), FakeDriver("x y z", name="b", token_seconds=5))

    async def run():
        await cast.start()
        task = asyncio.create_task(cast.ask())
        end = time.monotonic() + 5
        while not any(driver.open for driver in cast.drivers.values()):
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        while any(view.used for view in cast.states.view("ab").values()):
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        await cast.router.aclose()

    asyncio.run(run())


def test_the_configurations_cores_and_the_one_of_the_engine_url_are_there_without_a_table(tmp_path):
    one = CoreSettings(name="one", url="http://one", aliases=("fast",), slots=2)
    settings = Settings(data_dir=tmp_path, engine_url="http://own", llm=LLMSettings(cores=(one,), slots=7))

    async def read():
        return await Registry(settings, list).cores()

    own, other = asyncio.run(read())
    assert (own.name, own.url, own.slots, own.origin) == ("default", "http://own", 7, Origin.DEFAULT)
    assert (other.name, other.aliases, other.slots, other.origin) == ("one", ("fast",), 2, Origin.CONFIG)


def test_without_any_core_the_remedy_is_named(tmp_path):
    async def read():
        await Registry(Settings(data_dir=tmp_path, engine_url=""), list).cores()

    with pytest.raises(Misconfigured, match="aios cores add"):
        asyncio.run(read())


def test_a_slot_that_is_given_back_while_slots_are_renewed_stays_free(monkeypatch):
    class Slow(LocalStates):
        """To renew takes as long as a round trip to Redis may."""

        def __init__(self):
            super().__init__()
            self.asked, self.go = threading.Event(), threading.Event()

        def renew(self, held):
            if held:
                self.asked.set()
                self.go.wait(5)
            super().renew(held)

        def used(self):
            return sum(state.used for state in self.view("ab").values())

    monkeypatch.setattr(health, "_TURN_SECONDS", 0.05)
    states = Slow()
    a, b = (FakeDriver("x y z", name=name, token_seconds=0.1) for name in "ab")
    cast = Cast(a, b, states=states)

    async def run():
        await cast.start()
        call = asyncio.create_task(cast.ask())
        await asyncio.to_thread(states.asked.wait, 5)
        await call
        await asyncio.sleep(0.2)  # the slot is given back behind it
        assert states.used() == 0
        states.go.set()
        await asyncio.sleep(0.3)
        await cast.router.aclose()
        return states.used()

    assert asyncio.run(run()) == 0


def test_a_core_that_was_drained_stays_so_while_postgres_is_away():
    settings, looks = Settings(engine_url="http://here"), [[Core("default", "", state=CoreState.DRAINING)]]

    def read():
        if not looks:
            raise DatabaseUnavailable("here", "gone")
        return looks.pop()

    async def run():
        registry = Registry(settings, read)
        return await registry.newest(), await registry.newest()

    for cores in asyncio.run(run()):
        assert [(core.url, core.state) for core in cores] == [("http://here", CoreState.DRAINING)]
