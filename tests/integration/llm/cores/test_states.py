"""How the cores fare: the same in Redis and in one process."""

import json
from dataclasses import asdict
from uuid import uuid4

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.kernel.breaker import Breaker
from aios.kernel.routing import Core, Load, pick
from aios.llm.cores.shared import RedisStates, SharedStates
from aios.llm.cores.states import LocalStates

A, B = Core("a", "http://a", slots=2), Core("b", "http://b", slots=1)


@pytest.fixture
def shared(redis_url):
    states = RedisStates(redis_url)
    yield states
    states.close()


@pytest.fixture(params=["local", "redis", "sturdy"])
def states(request):
    if request.param == "local":
        return LocalStates()
    shared = request.getfixturevalue("shared")
    return shared if request.param == "redis" else SharedStates(shared)


class TestStates:
    def test_the_first_candidate_within_its_bound_takes_a_call(self, states):
        assert states.admit([A, B], "1").place == 0
        assert {name: view.used for name, view in states.view(["a", "b"]).items()} == {"a": 1, "b": 0}

    def test_no_more_calls_than_slots_are_admitted_and_a_released_one_is_taken_again(self, states):
        admitted = [states.admit([A, B], str(n)) for n in range(4)]
        assert sorted([a.place for a in admitted[:3]]) == [0, 0, 1]
        assert (admitted[3].place, admitted[3].open) == (None, True)
        states.release("a", str(next(n for n in range(3) if admitted[n].place == 0)))
        assert states.admit([A, B], "5").place == 0

    def test_where_nothing_is_spread_the_first_is_filled_before_the_second_is_asked(self, states):
        admitted = [states.admit([B, A], str(n), spread=False) for n in range(4)]
        assert [a.place for a in admitted] == [0, 1, 1, None]

    def test_an_open_breaker_blocks_its_core_only_and_says_for_how_long(self, states):
        states.change("a", lambda breaker, now: breaker.failed(now, began=now, fatal=True))
        assert states.admit([A, B], "1").place == 1
        alone = states.admit([A], "2")
        assert (alone.place, alone.open) == (None, False)
        assert 0 < alone.wait_seconds <= 1

    def test_a_core_on_trial_takes_one_call_at_a_time(self, states):
        states.change("a", lambda _breaker, now: Breaker(3, 1, now - 2, now - 1))
        assert states.admit([A], "1").place == 0
        assert states.admit([A], "2").place is None
        states.change("a", lambda breaker, now: breaker.succeeded(began=now))
        assert states.admit([A], "2").place == 0

    def test_a_pause_blocks_every_process(self, states):
        states.change("a", lambda breaker, now: breaker.paused(now, seconds=5))
        found = states.admit([A], "1")
        assert (found.place, found.open) == (None, False)
        assert 4 < found.wait_seconds <= 5
        assert states.view(["a"])["a"].breaker.state(found.now) == "paused"

    def test_losses_of_one_call_are_counted(self, states):
        assert [states.broke("x"), states.broke("x"), states.broke("y")] == [1, 2, 1]

    def test_what_runs_keeps_its_slot(self, states):
        states.admit([B], "1")
        states.renew([("b", "1")])
        assert states.admit([B], "2").place is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.integers(1, 7), st.sampled_from([None, "open", "trial", "paused"])),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_redis_chooses_as_the_rule_says(shared, redis_url, rows, spread):
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        now = client.time()[0]
        breakers = {
            "open": Breaker(3, 1, now, now + 100.0),
            "trial": Breaker(3, 1, now - 10.0, now - 5.0),
            "paused": Breaker(paused_until=now + 100.0),
        }
        cores, loads = [], []
        for place, (used, slots, state) in enumerate(rows):
            cores.append(Core(f"c{place}", "http://x", slots=slots))
            if used:
                client.zadd(f"aios:cores:slots:c{place}", {str(n): now + 100 for n in range(used)})
            if state:
                client.hset("aios:cores:breakers", f"c{place}", json.dumps(asdict(breakers[state])))
            loads.append(Load(used, 1 if state == "trial" else 0 if state else slots))
    assert shared.admit(cores, uuid4().hex, spread=spread).place == pick(loads, spread=spread)


def test_a_lease_that_nobody_renews_ends(shared, redis_url):
    shared.admit([B], "1")
    with redis.Redis.from_url(redis_url) as client:
        client.zadd("aios:cores:slots:b", {"1": client.time()[0] - 1})
    assert shared.admit([B], "2").place == 0


def test_changes_of_two_processes_are_both_counted(shared, redis_url):
    other, calls = RedisStates(redis_url), []

    def failed(breaker, now):
        if not calls:
            calls.append(other.change("a", lambda mine, at: mine.failed(at, began=at)))
        return breaker.failed(now, began=now)

    assert shared.change("a", failed).failures == 2
    other.close()


def test_without_redis_a_process_goes_on_by_itself():
    states = SharedStates(RedisStates("redis://127.0.0.1:1/0"))
    assert [states.admit([B], str(n)).place for n in range(2)] == [0, None]
    states.release("b", "0")
    assert states.admit([B], "2").place == 0
    assert not states.change("b", lambda breaker, now: breaker.paused(now, seconds=9)).passes(states._local.now)
    assert states.admit([B], "3").place is None
    assert states.broke("x") == 1
    assert states.view(["b"])["b"].used == 1
