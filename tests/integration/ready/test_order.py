"""The ready sets in Redis give the order that the pure ready set gives, under every policy, whatever happens."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.kernel.estimate import Estimate
from aios.kernel.policy import Waiting
from aios.kernel.ready_set import ReadySet
from aios.kernel.scheduling import POLICIES, Fair, LeastAttained, Priority, policy
from aios.ready import Done
from tests.integration.ready.conftest import begin, bell

CHOSEN = {
    **POLICIES,
    "priority": Priority(step_seconds=2.5),
    "las": LeastAttained(ageing=0.3, cap_seconds=4, half_life_seconds=2, nice_seconds=0.7),
    "fair": Fair(weights={"x": 3.0}),
}
seconds = st.floats(0, 6, allow_subnormal=False)
one = (st.sampled_from("abc"), st.sampled_from("xy"), st.integers(0, 9), seconds, st.floats(0.01, 9))
enter, ask = st.tuples(st.just("enter"), *one), st.tuples(st.just("ask"), *one)
events = st.lists(
    st.one_of(
        enter, enter, ask, st.just(("grant",)), st.tuples(st.just("settle"), st.integers(0, 99), seconds),
        st.tuples(st.just("cancel"), st.integers(0, 99)),
    ),
    min_size=1,
    max_size=25,
)  # fmt: skip


class Both:
    """The ready set in Redis and the pure one, told the same."""

    def __init__(self, ready, name):
        begin(ready, CHOSEN[name], name)
        self.ready, self.pure = ready, ReadySet(CHOSEN[name])
        self.calls, self.granted, self.number = {}, [], 0

    def enter(self, root, tenant, priority, age, estimate):
        id_ = f"{self.number:04}"
        one = bell(self.number, root=root, tenant=tenant, priority=priority, age=age, estimate=estimate)
        at = self.ready.turn(add=[one]).at_seconds
        self.number += 1
        self.calls[id_] = Waiting(
            enqueued_seconds=at - age, root=root, tenant=tenant, priority=priority, estimate_seconds=estimate
        )
        self.pure.enter(id_, self.calls[id_], now_seconds=at)

    def grant(self):
        self.ready.limit({"llm": len(self.granted) + 1})
        given = [one.id for one in self.ready.turn(keys=["llm"]).bells]
        self.ready.limit({"llm": 0})
        expected = self.pure.grant()
        assert given == ([expected.id] if expected else [])
        self.granted += given

    def ask(self, root, tenant, priority, age, estimate):
        """What is granted to who asks, or to nobody: if it is not, nothing tells that it was ever there."""
        id_ = f"{self.number:04}"
        one = bell(self.number, root=root, tenant=tenant, priority=priority, age=age, estimate=estimate)
        self.number += 1
        self.ready.limit({"llm": len(self.granted) + 1})
        given = self.ready.turn(mine=one)
        self.ready.limit({"llm": 0})
        asked = Waiting(
            enqueued_seconds=given.at_seconds - age,
            root=root,
            tenant=tenant,
            priority=priority,
            estimate_seconds=estimate,
        )
        before = deepcopy(self.pure)
        self.pure.enter(id_, asked, now_seconds=given.at_seconds)
        expected = self.pure.grant().id
        assert given.mine == (expected == id_)
        if not given.mine:
            self.pure = before
            assert self.pure.grant().id == expected
            assert [other.id for other in given.bells] == [expected]
        else:
            self.calls[id_] = asked
        self.granted.append(expected)

    def settle(self, which, served):
        if self.granted:
            id_ = self.granted.pop(which % len(self.granted))
            at = self.ready.turn(done=[Done("llm", id_, served)]).at_seconds
            self.pure.settle(self.calls[id_], served_seconds=served, now_seconds=at)

    def cancel(self, which):
        waiting = [id_ for id_ in self.calls if id_ in self.pure]
        if waiting:
            id_ = waiting[which % len(waiting)]
            self.pure.cancel(id_, now_seconds=self.ready.turn(done=[Done("llm", id_)]).at_seconds)


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=events)
def test_redis_grants_in_the_order_of_the_pure_ready_set(ready, name, events):
    both = Both(ready, name)
    for event, *values in [*events, *[("grant",)] * (len(events) + 1)]:
        getattr(both, event)(*values)
    assert not len(both.pure)


def test_service_and_tokens_are_estimated_from_others_of_the_kind_as_the_pure_estimate_does(ready):
    known = Estimate()
    for number, (served, tokens) in enumerate([(1.5, 100), (0.25, 700), (3.0, 90), (0.5, 100)]):
        ready.limit({"llm": 1})
        ready.turn(add=[bell(number, estimate=0.0)])
        ready.turn(done=[Done("llm", f"{number:04}", served, tokens)])
        known = known.learn(served_seconds=served, tokens=tokens)
    learned = ready.learned("llm.chat:p")
    assert learned == known
    assert policy("las") == LeastAttained()
