"""The decision, against a naive model of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.errors import InvalidArgument
from aios.kernel.access import Ask, Book, Rule, Subject, check_pattern, check_principal, covers, matches, touches
from benchmarks.guarded.naive import allowed, regex

NOW = datetime(2026, 1, 1, tzinfo=UTC)
names = st.sampled_from(["a", "b", "c"])
segments = st.sampled_from(["a", "b", "ab", "abc"])
principals = st.builds("{}:{}".format, st.sampled_from(["agent", "tenant", "user", "group"]), names)
operations = st.sampled_from(["read", "write", "*"])
paths = st.lists(segments, min_size=1, max_size=3).map("/".join)
resources = st.one_of(
    st.builds("file:/{}/{}/{}".format, st.sampled_from(["agents", "groups", "shared"]), names, paths),
    st.builds("memory:{}/{}".format, st.sampled_from(["agent", "group", "tenant"]), names),
    st.builds("tool:{}".format, segments),
    st.builds("agent:{}".format, names),
)
globs = st.lists(st.sampled_from(["a", "b", "ab", "*", "a*", "*b", "**"]), min_size=1, max_size=4).map("/".join)
patterns = st.one_of(
    st.just("*"),
    resources,
    st.builds("file:/{}".format, globs),
    st.builds("file:/{}/{}".format, st.sampled_from(["agents", "groups", "shared", "*"]), globs),
    st.builds("memory:{}".format, globs),
    st.builds("tool:{}".format, globs),
)
expiries = st.sampled_from([None, NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)])
rules = st.builds(Rule, principals, operations, patterns, st.booleans(), expiries)
subjects = st.builds(Subject, names, names, st.sampled_from(["", "a", "b"]), st.frozensets(names, max_size=2))
memberships = st.dictionaries(
    st.builds("{}:{}".format, st.sampled_from(["agent", "tenant", "user"]), names), st.frozensets(names, max_size=2)
)


@st.composite
def cases(draw):
    """A question and rules of which many speak of it: with none that do every decision is the same."""
    subject, groups_of = draw(subjects), draw(memberships)
    ask = draw(st.builds(Ask, st.sampled_from(["read", "write"]), resources, st.just(value=False)))
    near = st.sampled_from([*subject.principals, *(f"group:{name}" for name in subject.groups)])
    fitting = st.builds(Rule, near, operations, st.sampled_from(["*", ask.resource]), st.booleans(), expiries)
    return subject, ask, draw(st.lists(st.one_of(fitting, rules), max_size=6)), groups_of


@settings(max_examples=100, deadline=None)
@given(cases())
def test_the_decision_is_that_of_the_naive_model(case):
    subject, ask, everything, groups_of = case
    book = Book(1, by_principal(everything), groups_of)
    assert book.decide(subject, ask, now=NOW).allowed is allowed(subject, ask, everything, groups_of, now=NOW)


def test_what_expires_counts_until_that_moment_and_no_longer():
    subject, ask = Subject("a", "t"), Ask("read", "file:/shared/x")
    for allow in (True, False):
        rules = [Rule("tenant:t", "*", "file:/shared/*", allow=not allow)] * (not allow)
        rules.append(Rule("agent:a", "read", "file:/shared/x", allow=allow, expires_at=NOW))
        book = Book(1, by_principal(rules))
        assert book.decide(subject, ask, now=NOW - timedelta(seconds=1)).allowed is allow
        assert book.decide(subject, ask, now=NOW).allowed is not allow


def by_principal(everything):
    found = {}
    for rule in everything:
        found.setdefault(rule.principal, []).append(rule)
    return found


@settings(max_examples=150, deadline=None)
@given(patterns, resources)
def test_a_pattern_matches_as_its_regular_expression_does(pattern, resource):
    assert matches(pattern, resource) is bool(regex(pattern).fullmatch(resource))


@settings(max_examples=100, deadline=None)
@given(patterns, resources, paths)
def test_what_touches_something_below_touches_the_whole_and_what_covers_the_whole_covers_all_below(
    pattern, whole, below
):
    inner = f"{whole}/{below}"
    if matches(pattern, inner):
        assert touches(pattern, Ask("read", whole, whole=True))
    if covers(pattern, Ask("read", whole, whole=True)):
        assert matches(pattern, inner)


def test_a_deny_of_a_part_denies_a_listing_of_the_whole():
    rules = [Rule("tenant:t", "read", "file:/shared/**"), Rule("tenant:t", "*", "file:/shared/secret/**", allow=False)]
    book, subject = Book(1, by_principal(rules)), Subject("a", "t")
    assert not book.decide(subject, Ask("read", "file:/shared", whole=True), now=NOW).allowed
    assert book.decide(subject, Ask("read", "file:/shared/open", whole=True), now=NOW).allowed
    assert book.decide(subject, Ask("read", "file:/shared/plan.md"), now=NOW).allowed


def test_no_pattern_makes_matching_slow():
    pattern, resource = "file:/" + "*a" * 200 + "/" + "**/" * 150 + "b", "file:/" + "a" * 600 + "/" + "a/" * 300
    began = time.perf_counter()
    assert not matches(pattern, resource)
    assert time.perf_counter() - began < 1.0


def test_who_has_no_rules_pays_a_look_up():
    """The rules of ten thousand others cost nothing."""
    many = {f"agent:{n}": [Rule(f"agent:{n}", "read", "file:/shared/**")] * 10 for n in range(10_000)}
    book, subject = Book(1, many), Subject("a", "t", "u", frozenset({"g"}))
    ask = Ask("read", "file:/agents/a/x")
    began = time.perf_counter()
    for _ in range(1000):
        book.decide(subject, ask, now=NOW)
    assert (time.perf_counter() - began) / 1000 < 0.001


@pytest.mark.parametrize("pattern", ["", "*:x", "file", "file:", "file:x", "disk:/x", "file:/" + "x" * 2000, None, 3])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(InvalidArgument):
        check_pattern(pattern)


@pytest.mark.parametrize("principal", ["", "user", "user:", "root:x", "user: x", "agent:last", None, 3])
def test_what_is_no_principal_is_refused(principal):
    with pytest.raises(InvalidArgument):
        check_principal(principal)


def test_an_agents_id_is_kept_as_rules_are_compared_by_it():
    assert check_principal("agent:01A201D0-80AC-7597-B0BC-2D24195F74E8") == "agent:01a201d0-80ac-7597-b0bc-2d24195f74e8"
