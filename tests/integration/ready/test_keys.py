"""Nothing saturated delays what is behind it: full and paused keys are parked, and woken by a release."""

from __future__ import annotations

import time
from contextlib import ExitStack
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.kernel.scheduling import Fifo, Priority, policy
from aios.ready import Done, Rate, Wiped
from tests.integration.ready.conftest import begin, bell, ids

LIMITS = {"tool": 3, "tool:a": 1, "tool:b": 2, "tool@big": 1, "tool:b@big": 1}


def test_a_full_key_delays_nobody_and_goes_on_with_the_first_release(ready):
    ready.limit({"tool": 10, "tool:a": 1})
    first = ready.turn(add=[bell(n, key="tool:a", root=str(n)) for n in range(500)])
    assert ids(first) == ["0000"]
    assert ids(ready.turn(add=[bell(900, key="tool:b"), bell(901, key="tool")])) == ["0900", "0901"]
    assert ids(ready.turn(done=[Done("tool", "0000")])) == ["0001"]
    ready.limit({"tool:a": 3})
    assert ids(ready.turn(keys=["tool"])) == ["0002", "0003"]


def test_a_tenant_with_a_limit_of_its_own_delays_no_other(ready):
    ready.limit({"llm": 10, "llm@big": 2})
    waiting = [bell(n, tenant="big", root=str(n)) for n in range(9)] + [bell(100, tenant="small")]
    assert sorted(ids(ready.turn(add=waiting))) == ["0000", "0001", "0100"]
    assert ids(ready.turn(done=[Done("llm", "0001")])) == ["0002"]


def path(key, tenant):
    own = f"{key}@{tenant}"
    return [k for k in dict.fromkeys(["tool", key, own]) if k in LIMITS or k in ("tool", key)]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.sampled_from(["tool", "tool:a", "tool:b"]), st.sampled_from(["big", "other"])),
        st.tuples(st.just("release"), st.integers(0, 50)),
    ),
    max_size=40,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_the_first_that_no_limit_holds_back_is_granted_and_no_limit_is_passed(ready, steps):
    begin(ready, Fifo(), "fifo")
    ready.limit(LIMITS, whole=True)
    waiting, running = [], []
    for number, (kind, value, *tenant) in enumerate(steps):
        if kind == "enter":
            waiting.append((f"{number:04}", path(value, tenant[0])))
            granted = ids(ready.turn(add=[bell(number, key=value, tenant=tenant[0], age=100 - number)]))
        elif running:
            gone = running.pop(value % len(running))
            granted = ids(ready.turn(done=[Done("tool", gone[0])]))
        else:
            continue
        expected = []
        for one in list(waiting):
            if all(sum(key in keys for _, keys in running) < LIMITS.get(key, 999) for key in one[1]):
                waiting.remove(one)
                running.append(one)
                expected.append(one[0])
        assert granted == expected


def confirm(ready, id_, *, known=False):
    with ready.confirming(id_, known=known) as answer:
        return answer()


def test_a_key_that_was_told_to_wait_makes_no_call_for_so_long_and_others_do(ready):
    ready.limit({"llm": 10})
    begun = time.monotonic()
    granted = ready.turn(add=[bell(1, key="llm:a"), bell(3, key="llm:a")])
    assert ids(granted) == ["0001", "0003"]
    assert confirm(ready, "0003")
    assert ids(ready.turn(done=[Done("llm", "0001", pause_seconds=0.4)], add=[bell(2, key="llm:a")])) == []
    assert ids(ready.turn(add=[bell(4, key="llm:b")])) == ["0004"]
    assert not confirm(ready, "0003")
    assert ready.renew([("llm", "0003")], lease_seconds=60) == []
    assert confirm(ready, "0004")
    while not (late := ids(ready.turn())):
        time.sleep(0.01)
    assert late == ["0002"]
    assert time.monotonic() - begun >= 0.4


def test_a_paused_pool_goes_on_by_itself_at_the_next_turn_of_anybody(ready):
    ready.limit({"llm": 1, "tool": 1})
    ready.turn(add=[bell(1)])
    ready.turn(done=[Done("llm", "0001", pause_seconds=0.2)], add=[bell(2)])
    time.sleep(0.25)
    assert ids(ready.turn(add=[bell(3, key="tool")])) in (["0002", "0003"], ["0003", "0002"])


def test_a_lost_grant_goes_back_to_its_old_place_and_rings_as_more_urgent(ready):
    begin(ready, Priority(), "priority")
    ready._lease_ms = 30
    ready.limit({"llm": 1})
    ready.turn(add=[bell(1, priority=8)])
    ready.turn(add=[bell(2, priority=9)])
    time.sleep(0.06)
    again = ready.turn(keys=["llm"])
    assert again.again == 1
    assert [(one.id, one.priority) for one in again.bells] == [("0001", 6)]


def test_a_grant_is_confirmed_while_it_holds_or_there_is_room_and_never_beyond_the_slots(ready):
    ready._lease_ms = 20
    ready.limit({"llm": 1})
    ready.turn(add=[bell(1)])
    ready._lease_ms = 60_000
    assert confirm(ready, "0001")
    time.sleep(0.04)
    assert ids(ready.turn(keys=["llm"])) == []  # it was renewed for a minute
    ready.renew([("llm", "0001")], lease_seconds=0.01)
    time.sleep(0.03)
    (late,) = ids(ready.turn(add=[bell(2, priority=0)], keys=["llm"]))
    assert late == "0002"
    assert not confirm(ready, "0001")
    assert ready.depth(["llm"]) == {"llm": (1, 1)}
    ready.turn(done=[Done("llm", "0002")])
    assert confirm(ready, "0001")
    assert confirm(ready, "a later link of a chain")


def test_who_is_better_is_asked_with_the_service_of_the_slice_counted(ready):
    begin(ready, policy("las", ageing=0.001), "las")
    ready.limit({"llm": 1})
    ready.turn(add=[bell(1, root="long")])
    assert not ready.better_waits("0001", served_seconds=5, left_seconds=5)
    ready.turn(add=[bell(2, root="short", estimate=1)])
    assert ready.better_waits("0001", served_seconds=5, left_seconds=5)
    assert not ready.better_waits("0001", served_seconds=0, left_seconds=5)
    begin(ready, Fifo(), "fifo")
    ready.limit({"llm": 1})
    ready.turn(add=[bell(1)])
    ready.turn(add=[bell(2)])
    assert not ready.better_waits("0001", served_seconds=50, left_seconds=5)


def test_nothing_is_granted_while_the_sets_are_rebuilt_and_what_ran_keeps_its_place(ready):
    ready.clear()
    with pytest.raises(Wiped):
        ready.turn(add=[bell(1)])
    ready.limit({"llm": 2})
    ready.put(attained=[("llm", "greedy", 25.0)])
    ready.put([bell(1, root="b")], running_seconds=60)
    ready.put([bell(2, root="greedy"), bell(3, root="modest")])
    ready.open()
    assert ids(ready.turn(keys=["llm"])) == ["0003"]
    assert ready.missing([("llm", "0001"), ("llm", "0002"), ("llm", "0009")]) == [("llm", "0009")]


def test_tokens_used_before_a_wipe_still_count(ready):
    ready.clear()
    ready.limit({"llm": 5}, rates={"llm": Rate(tokens=1000, seconds=0.5)})
    ready.put(spent=[("llm", "x", "old", 900, 0.2)])
    ready.open()
    assert ids(ready.turn(add=[bell(1, tokens=200)])) == []
    time.sleep(0.4)
    assert ids(ready.turn()) == ["0001"]


def test_an_overview_counts_what_waits_in_a_key_and_below_it(ready):
    ready.limit({"llm": 0, "tool": 9, "tool:a": 1, "tool@big": 0}, rates={"llm": Rate(tokens=500)}, whole=True)
    ready.turn(add=[bell(n, key="tool:a", root=str(n)) for n in range(4)])
    ready.turn(
        add=[bell(10), bell(11, tenant="big", key="tool"), bell(12, tenant="big", key="tool"), bell(13, key="tool:b")]
    )
    rows = {row["key"]: row for row in ready.overview()}
    counts = {key: (row["waiting"], row["granted"], row["slots"]) for key, row in rows.items()}
    assert counts == {
        "llm": (1, 0, 0),
        "tool": (5, 2, 9),
        "tool:a": (3, 1, 1),
        "tool:b": (0, 1, None),
        "tool@big": (2, 0, 0),
    }
    assert rows["llm"]["rate"] == {"tokens": 500, "seconds": 60.0}


def test_what_leaves_a_key_within_a_pool_makes_room_in_the_pool_and_never_beyond_its_limit(ready):
    ready.limit({"tool": 1, "tool:a": 5})
    assert ids(ready.turn(add=[bell(n, key="tool:a", root=str(n)) for n in range(4)])) == ["0000"]
    assert ids(ready.turn(done=[Done("tool:a", "0003")])) == []
    assert ids(ready.turn(done=[Done("tool:a", "0000")])) == ["0001"]


def test_a_confirmation_that_nobody_reads_and_one_that_a_redis_without_scripts_gets(ready):
    ready.limit({"llm": 1})
    ready.turn(add=[bell(1), bell(2)])
    with ready.confirming("0001"):
        pass  # its claim failed
    assert confirm(ready, "0001")
    ready._redis.script_flush()
    assert confirm(ready, "0001")
    assert not confirm(ready, "0002")


def test_a_worker_of_many_threads_asks_and_rings_from_all_of_them(ready):
    with ExitStack() as threads:
        for _ in range(150):
            threads.enter_context(ready.confirming(str(uuid4())))
        assert ready.turn(keys=["llm"]).bells == []


def test_a_grant_that_nothing_is_known_of_is_lost_to_who_was_given_it_and_none_to_a_later_link(ready):
    ready.limit({"llm": 1})
    assert ready.turn(mine=bell(1)).mine
    assert confirm(ready, "0001", known=True)
    ready.turn(done=[Done("llm", "0001")])
    assert not confirm(ready, "0001", known=True)
    assert confirm(ready, "0001")


def test_what_is_asked_for_under_a_full_limited_parked_or_spent_key_is_not_given_and_leaves_nothing(ready):
    ready.limit({"llm": 9, "llm:full": 1, "llm:none": 0}, rates={"llm:spent": Rate(requests=1)})
    ready.turn(add=[bell(1, key="llm:full"), bell(2, key="llm:spent"), bell(3, key="llm:told")])
    ready.turn(done=[Done("llm:told", "0003", pause_seconds=60)])
    known = ready._redis.hkeys("aios:calls")
    for key in ("llm:full", "llm:none", "llm:spent", "llm:told"):
        assert not ready.turn(mine=bell(4, key=key)).mine
    assert ready._redis.hkeys("aios:calls") == known
    assert {row["key"]: row["waiting"] for row in ready.overview() if row["waiting"]} == {}
    assert ready.turn(mine=bell(4, key="llm:other")).mine
