"""Which cores serve a model, and which of them a call goes to."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.errors import InvalidArgument
from aios.kernel import routing
from aios.kernel.chat import Sampling, ToolSpec
from aios.kernel.ports import Prompt
from aios.kernel.routing import Core, CoreState, Load, Origin

LOADS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda pair: Load(*pair)), min_size=1, max_size=6)
A, B, C = (Core(name, "http://x", slots=4) for name in "abc")


def prefixes(count):
    return [routing.prefix(Prompt(text=f"talk {n}")) for n in range(count)]


def first(prefix, cores):
    return routing.ranked(prefix, cores)[0].name


def test_a_core_answers_to_its_model_its_aliases_and_its_own_name():
    core = replace(A, model="m/large", aliases=("fast", "cheap"))
    assert all(routing.serving([core, B], name) == [core] for name in ("m/large", "fast", "cheap", "a"))
    assert routing.serving([core, B], "") == [core, B]
    assert routing.serving([core, B], "slow") == []


def test_the_tables_core_counts_where_the_configuration_has_the_name_too():
    own = replace(A, origin=Origin.CONFIG, slots=1)
    assert routing.merged([own, B], [A]) == [A, B]


def test_a_draining_core_has_no_slots_to_grant():
    assert routing.slots([A, replace(B, state=CoreState.DRAINING), C]) == 8


def test_turns_of_one_talk_have_one_prefix_and_other_talks_have_others():
    talk = [{"role": "system", "content": "s"}, {"role": "user", "content": "one"}]
    later = [*talk, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "two"}]
    other = [talk[0], {"role": "user", "content": "another"}]
    key = routing.prefix(Prompt(messages=talk))
    assert routing.prefix(Prompt(messages=later)) == key
    assert routing.prefix(Prompt(messages=other)) != key
    assert routing.prefix(Prompt(messages=talk, model="m")) != key
    assert routing.prefix(Prompt(messages=talk, tools=[ToolSpec("t", "", {})])) != key


def test_a_core_that_goes_moves_only_its_own_prefixes():
    cores = [A, B, C]
    before = {p: first(p, cores) for p in prefixes(300)}
    after = {p: first(p, [A, B]) for p in before}
    assert all(after[p] == before[p] for p in before if before[p] != "c")


def test_each_core_is_first_as_often_as_it_has_slots():
    counts = Counter(first(p, [replace(A, slots=6), B, replace(C, slots=2)]) for p in prefixes(3000))
    assert 1350 < counts["a"] < 1650
    assert 850 < counts["b"] < 1150
    assert 400 < counts["c"] < 600


@given(LOADS)
def test_a_pick_has_a_free_slot_and_there_is_one_whenever_a_slot_is_free(loads):
    chosen = routing.pick(loads)
    free = [place for place, load in enumerate(loads) if load.used < load.slots]
    assert chosen in free if free else chosen is None


@settings(max_examples=50)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=5), st.integers(1, 20))
def test_one_popular_prefix_never_gives_a_core_more_than_its_bounded_share(slots, calls):
    used = [0] * len(slots)
    for _ in range(min(calls, sum(slots))):
        chosen = routing.pick([Load(*pair) for pair in zip(used, slots, strict=True)])
        used[chosen] += 1
        total = sum(used)
        bounds = [-(-5 * total * s // (4 * sum(slots))) for s in slots]
        spare = any(u < min(s, b) for u, s, b in zip(used, slots, bounds, strict=True))
        assert used[chosen] <= bounds[chosen] or not spare


@given(LOADS)
def test_where_nothing_is_spread_the_first_free_one_is_picked(loads):
    free = [place for place, load in enumerate(loads) if load.used < load.slots]
    assert routing.pick(loads, spread=False) == (free[0] if free else None)


def test_what_a_core_takes_goes_by_the_tokens_of_prompt_and_answer():
    core = replace(A, cost_prompt=2.0, cost_completion=10.0, quality=0.7)
    prompt = Prompt(messages=[{"role": "user", "content": "x" * 4000}], sampling=Sampling(max_tokens=500))
    assert routing.offers([core, B], prompt) == [(2.0 + 5.0, 0.7), (0.0, 0.0)]


def test_only_cores_that_declare_as_much_are_good_enough_and_the_best_one_is_told():
    fair, good = replace(A, quality=0.6), replace(B, quality=0.9)
    assert routing.good_enough([[fair, good], [fair]], 0.8) == [[good], []]
    assert routing.good_enough([[C]], 0.0) == [[C]]
    with pytest.raises(InvalidArgument, match=r"invalid quality 0.95: the most .* is 0.9 \(b\)"):
        routing.good_enough([[fair], [good]], 0.95)
    with pytest.raises(InvalidArgument, match="aios cores add --quality"):
        routing.good_enough([[C]], 0.5)


def test_an_equal_prefix_stays_with_its_core_while_that_is_within_its_bound():
    key = prefixes(1)[0]
    order = routing.ranked(key, [A, B, C])
    assert routing.pick([Load(0, c.slots) for c in order]) == 0
    assert routing.pick([Load(2, 4), Load(2, 4), Load(2, 4)]) == 0
    assert routing.pick([Load(3, 4), Load(1, 4), Load(0, 4)]) == 1
    assert routing.pick([Load(4, 4), Load(4, 4), Load(3, 4)]) == 2
