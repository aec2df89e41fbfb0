"""The policies keep their stated bounds, whatever comes, and cannot be talked into more than a fair share."""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.errors import InvalidArgument
from aios.kernel.policy import Account, Waiting
from aios.kernel.ready_set import ReadySet
from aios.kernel.scheduling import DEFAULT_POLICY, POLICIES, Fair, Fifo, LeastAttained, Priority, RoundRobin, policy

EXACT = 1e-6
arrival = st.tuples(
    st.floats(0, 20),  # seconds since the one before
    st.sampled_from("abcd"),
    st.integers(0, 9),
    st.floats(0.01, 5),  # estimate
    st.floats(0.01, 5),  # service
)
arrivals = st.lists(arrival, min_size=1, max_size=60)
windowed = st.one_of(
    st.just(Fifo()),
    st.builds(Priority, step_seconds=st.floats(0.1, 60)),
    st.builds(
        LeastAttained,
        ageing=st.floats(0.05, 2),
        cap_seconds=st.floats(0.5, 60),
        half_life_seconds=st.floats(1, 1000),
        nice_seconds=st.floats(0, 20),
    ),
)


def served(chosen, line):
    """One slot: (granted, those that waited then, with the time) of each grant, until all were served."""
    ready, now, coming, waiting = ReadySet(chosen), 0.0, [], {}
    for gap, who, urgency, estimate, service in line:
        now += gap
        call = Waiting(enqueued_seconds=now, root=who, tenant=who, priority=urgency, estimate_seconds=estimate)
        coming.append((call, service))
    now, next_in, grants = 0.0, 0, []
    while next_in < len(coming) or waiting:
        if not waiting:
            now = max(now, coming[next_in][0].enqueued_seconds)
        while next_in < len(coming) and coming[next_in][0].enqueued_seconds <= now:
            ready.enter(next_in, coming[next_in][0], now_seconds=now)
            waiting[next_in] = coming[next_in][0]
            next_in += 1
        grant = ready.grant()
        assert grant is not None, "something waits, and nothing is granted"
        call, service = waiting.pop(grant.id), coming[grant.id][1]
        grants.append((call, list(waiting.values())))
        now += service
        ready.settle(call, served_seconds=service, now_seconds=now)
    return grants


@settings(max_examples=150, deadline=None)
@given(chosen=windowed, line=arrivals)
def test_nothing_that_entered_later_than_the_window_passes(chosen, line):
    grants = served(chosen, line)
    assert len(grants) == len(line)
    step = chosen.nice_seconds / chosen.ageing if isinstance(chosen, LeastAttained) else 0.0
    for granted, waiting in grants:
        for other in waiting:
            window = chosen.window_seconds + max(0, other.priority - granted.priority) * step
            assert granted.enqueued_seconds <= other.enqueued_seconds + window + EXACT * (1 + step)


@settings(max_examples=100, deadline=None)
@given(line=arrivals)
def test_under_priority_only_the_more_urgent_pass_and_each_step_buys_one_step_of_time(line):
    chosen = Priority(step_seconds=5)
    for granted, waiting in served(chosen, line):
        for other in waiting:
            ahead = (other.priority - granted.priority) * chosen.step_seconds
            assert granted.enqueued_seconds <= other.enqueued_seconds + ahead + EXACT


@settings(max_examples=100, deadline=None)
@given(line=arrivals)
def test_without_a_window_every_syscall_is_served_too(line):
    for name, chosen in POLICIES.items():
        assert len(served(chosen, line)) == len(line), name


turns = st.lists(st.one_of(st.sampled_from("abcdefgh"), st.none()), min_size=1, max_size=120)


@settings(max_examples=150, deadline=None)
@given(events=turns)
def test_a_roots_nth_syscall_is_passed_by_at_most_n_turns_of_each_other_root(events):
    ready, numbers, waiting = ReadySet(RoundRobin()), count(), {}
    for event in [*events, *[None] * len(events)]:
        if event is not None:
            place = sum(root == event for root, _, _ in waiting.values()) + 1
            number = next(numbers)
            ready.enter(number, Waiting(enqueued_seconds=number, root=event), now_seconds=number)
            waiting[number] = (event, place, Counter())
        elif (grant := ready.grant()) is not None:
            root, place, passed = waiting.pop(grant.id)
            assert all(turns <= place + 1 for turns in passed.values())  # one more: the round that was under way
            for _, _, others in waiting.values():
                others[root] += 1
    assert not waiting


fair_events = st.lists(
    st.one_of(st.tuples(st.sampled_from("xyz"), st.floats(0.01, 8)), st.none()), min_size=1, max_size=100
)


@settings(max_examples=150, deadline=None)
@given(events=fair_events, weight=st.sampled_from([1.0, 2.0, 3.0]))
def test_a_tenant_is_passed_by_weight_times_its_lag_and_one_syscall_of_each_other(events, weight):
    weights = {"x": weight}
    ready, numbers, waiting = ReadySet(Fair(weights=weights)), count(), {}
    for event in [*events, *[None] * len(events)]:
        if event is not None:
            tenant, estimate = event
            number, clock = next(numbers), ready.clock
            call = Waiting(enqueued_seconds=number, root=str(number), tenant=tenant, estimate_seconds=estimate)
            waiting[number] = (ready.enter(number, call, now_seconds=number) - clock, tenant, Counter(), Counter())
        elif (grant := ready.grant()) is not None:
            lag, tenant, passed, longest = waiting.pop(grant.id)
            for other, seconds in passed.items():
                if other != tenant:
                    assert seconds <= weights.get(other, 1.0) * lag + longest[other] + EXACT
            for _, _, others, most in waiting.values():
                others[grant.call.tenant] += grant.call.cost_seconds
                most[grant.call.tenant] = max(most[grant.call.tenant], grant.call.cost_seconds)
            ready.settle(grant.call, served_seconds=grant.call.cost_seconds, now_seconds=0)
    assert not waiting


@settings(max_examples=20, deadline=None)
@given(
    heavy=st.tuples(st.floats(0.2, 5), st.floats(0.2, 5)),
    light=st.tuples(st.floats(0.2, 5), st.floats(0.2, 5)),
    queued=st.integers(2, 10),
)
def test_weights_of_3_to_1_give_service_of_3_to_1_however_wrong_the_estimates(heavy, light, queued):
    ready, had, numbers = ReadySet(Fair(weights={"heavy": 3.0})), Counter(), count()
    kinds = {"heavy": heavy, "light": light}

    def enter(tenant):
        call = Waiting(enqueued_seconds=0, root=tenant, tenant=tenant, estimate_seconds=kinds[tenant][0])
        ready.enter(next(numbers), call, now_seconds=0)

    for tenant in kinds:
        for _ in range(queued):
            enter(tenant)
    while min(had["heavy"], had["light"]) < 60 * max(*heavy, *light) * queued:
        call = ready.grant().call
        had[call.tenant] += kinds[call.tenant][1]
        ready.settle(call, served_seconds=kinds[call.tenant][1], now_seconds=0)
        enter(call.tenant)
    assert had["heavy"] / had["light"] == pytest.approx(3.0, rel=0.1)


def test_a_tenants_10_000_queued_delay_anothers_first_by_what_runs_and_no_more():
    ready = ReadySet(Fair())
    for number in range(10_000):
        ready.enter(number, Waiting(enqueued_seconds=0, root="bulk", tenant="bulk"), now_seconds=0)
    for _ in range(37):
        running = ready.grant().call
        ready.settle(running, served_seconds=1.0, now_seconds=0)
    ready.enter(10_000, Waiting(enqueued_seconds=37, root="new", tenant="new"), now_seconds=37)
    assert min(10_000, ready.grant().id) in {37, 10_000}  # at most the one whose tag is the clock itself
    waited = 0 if 10_000 not in ready else 1
    assert waited == 0 or ready.grant().id == 10_000


@pytest.mark.parametrize("chosen", [LeastAttained(), RoundRobin()], ids=["las", "rr"])
def test_200_at_once_share_with_one_after_the_other(chosen):
    """A program's gather, its spawned children (one root) and an API key's one-shots (one key) are all one payer."""
    ready, had = ReadySet(chosen), Counter()
    for number in range(200):
        ready.enter(number, Waiting(enqueued_seconds=0.0, root="crowd"), now_seconds=0)
    ready.enter(1000, Waiting(enqueued_seconds=0.0, root="single"), now_seconds=0)
    for turn in range(40):
        call = ready.grant().call
        had[call.root] += 1
        ready.settle(call, served_seconds=1.0, now_seconds=turn)
        if call.root == "single":
            ready.enter(1000 + turn + 1, Waiting(enqueued_seconds=turn, root="single"), now_seconds=turn)
        assert had["crowd"] <= had["single"] + 2 + LeastAttained().ageing * turn
    assert had["single"] >= 17


def test_a_newcomer_passes_200_at_once():
    ready = ReadySet(LeastAttained())
    for number in range(200):
        ready.enter(number, Waiting(enqueued_seconds=0.0, root="crowd"), now_seconds=0)
    for _ in range(4):
        ready.settle(ready.grant().call, served_seconds=1.0, now_seconds=4)
    ready.enter(1000, Waiting(enqueued_seconds=4.0, root="new"), now_seconds=4)
    assert ready.grant().id == 1000


def test_an_agent_that_had_little_passes_one_that_had_much():
    ready = ReadySet(LeastAttained())
    long = Waiting(enqueued_seconds=0, root="long")
    ready.enter(1, long, now_seconds=0)
    ready.settle(ready.grant().call, served_seconds=20, now_seconds=20)
    ready.enter(2, Waiting(enqueued_seconds=20, root="long"), now_seconds=20)
    ready.enter(3, Waiting(enqueued_seconds=60, root="short"), now_seconds=60)
    assert [ready.grant().id, ready.grant().id] == [3, 2]


def test_a_high_estimate_wins_nothing_back_by_waiting():
    chosen = LeastAttained(half_life_seconds=1)
    call = Waiting(enqueued_seconds=0, root="a", estimate_seconds=100)
    before = Account(settled_seconds=8.0, as_of_seconds=0)
    reserved = chosen.enter(call, before, clock=0, now_seconds=0).account
    after = chosen.settle(call, reserved, served_seconds=0, now_seconds=3)
    assert after.settled_seconds == pytest.approx(1.0)
    assert after.reserved_seconds == 0


@pytest.mark.parametrize("name", POLICIES)
def test_what_is_cancelled_while_it_waits_is_charged_for_nothing(name):
    ready, first = ReadySet(policy(name)), Waiting(enqueued_seconds=1, root="a", estimate_seconds=50)
    ready.enter(1, first, now_seconds=1)
    ready.cancel(1, now_seconds=1)
    assert ready.grant() is None
    account = ready.account(ready.policy.payer(first))
    assert account.reserved_seconds == 0
    assert account.tag <= 2  # `rr` skips an empty turn


@pytest.mark.parametrize("name", POLICIES)
def test_what_is_said_to_cost_nothing_is_charged_all_the_same(name):
    free = Waiting(enqueued_seconds=0, root="a", estimate_seconds=0)
    before = Account()
    if name in {"rr", "las", "fair"}:
        assert policy(name).enter(free, before, clock=0, now_seconds=0).account != before


def test_first_in_first_out_is_never_preempted_at_the_end_of_a_slice():
    ready = ReadySet(Fifo())
    ready.enter(1, Waiting(enqueued_seconds=1, root="a"), now_seconds=1)
    ready.enter(2, Waiting(enqueued_seconds=2, root="b"), now_seconds=2)
    call = ready.grant().call
    ready.settle(call, served_seconds=5, now_seconds=6)
    ready.enter(1, call, now_seconds=6)
    assert ready.grant().id == 1


def test_under_las_a_step_of_priority_stands_for_service():
    ready = ReadySet(LeastAttained())
    for number, urgency in enumerate([5, 9, 0, 4]):
        ready.enter(number, Waiting(enqueued_seconds=0, root=str(number), priority=urgency), now_seconds=0)
    assert [ready.grant().id for _ in range(4)] == [2, 3, 0, 1]


def test_parameters_of_a_policy_are_checked():
    assert policy("las", ageing=0.5).ageing == 0.5
    with pytest.raises(InvalidArgument, match="ageing, cap_seconds"):
        policy("las", weight=1.0)
    with pytest.raises(InvalidArgument, match="not negative"):
        policy("las", ageing=-1.0)
    with pytest.raises(InvalidArgument, match="fifo has none"):
        policy("fifo", ageing=1.0)


def test_an_unknown_policy_is_named_with_those_there_are():
    assert DEFAULT_POLICY in POLICIES
    with pytest.raises(InvalidArgument, match="las"):
        policy("lass")
