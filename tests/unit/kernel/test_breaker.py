"""The breaker: what failures, successes and pauses make of what a core may be sent."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aios.kernel.breaker import THRESHOLD, Breaker

EVENTS = st.lists(
    st.tuples(
        st.floats(0.0, 5.0),
        st.sampled_from(["failed", "fatal", "succeeded", "paused"]),
        st.floats(0.0, 10.0),
    ),
    max_size=30,
)


def failed(breaker, now, times=1):
    for _ in range(times):
        breaker = breaker.failed(now, began=now)
    return breaker


def test_so_many_failures_in_a_row_open_it_and_one_fewer_does_not():
    assert failed(Breaker(), 1.0, THRESHOLD - 1).passes(1.0)
    assert not failed(Breaker(), 1.0, THRESHOLD).passes(1.0)


def test_a_success_between_begins_the_count_again():
    breaker = failed(Breaker(), 1.0, THRESHOLD - 1).succeeded(began=1.0)
    assert failed(breaker, 2.0, THRESHOLD - 1).passes(2.0)


def test_a_core_where_nobody_listens_opens_it_at_once():
    assert Breaker().failed(1.0, began=1.0, fatal=True).state(1.0) == "open"


def test_a_core_that_dies_under_200_calls_opens_it_once():
    breaker = Breaker()
    for _ in range(200):
        breaker = breaker.failed(10.0, began=9.0)
    assert (breaker.opens, breaker.open_until) == (1, 11.0)


def test_after_its_time_one_call_at_a_time_may_try_and_its_success_closes_it():
    breaker = failed(Breaker(), 1.0, THRESHOLD)
    assert breaker.state(2.5) == "half-open"
    assert breaker.trial
    assert breaker.succeeded(began=2.5) == Breaker()


def test_a_failed_trial_opens_it_for_longer_each_time_up_to_a_bound():
    breaker, now, waits = failed(Breaker(), 0.0, THRESHOLD), 0.0, []
    for _ in range(6):
        waits.append(breaker.open_until - now)
        now = breaker.open_until
        breaker = breaker.failed(now, began=now)
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_an_answer_to_a_call_from_before_it_opened_does_not_close_it():
    breaker = failed(Breaker(), 5.0, THRESHOLD)
    assert breaker.succeeded(began=4.0) == breaker


def test_a_pause_is_no_failure_and_nothing_passes_until_it_is_over():
    breaker = Breaker().paused(1.0, seconds=5.0)
    assert (breaker.passes(5.9), breaker.passes(6.0), breaker.state(3.0)) == (False, True, "paused")
    assert breaker.paused(2.0, seconds=1.0) == breaker
    assert (breaker.failures, breaker.trial) == (0, False)


@settings(max_examples=60)
@given(EVENTS)
def test_whatever_happens_it_never_blocks_for_longer_than_its_bound_or_the_pause(events):
    breaker, now, pause = Breaker(), 100.0, 0.0
    for delta, event, number in events:
        now += delta
        if event == "succeeded":
            breaker = breaker.succeeded(began=now)
            assert not breaker.trial
        elif event == "paused":
            breaker = breaker.paused(now, seconds=number)
            pause = max(pause, now + number)
        else:
            breaker = breaker.failed(now, began=max(0.0, now - number), fatal=event == "fatal")
        assert breaker.blocked_until <= max(now + 10.0, pause)
        assert breaker.passes(max(breaker.blocked_until, now))
