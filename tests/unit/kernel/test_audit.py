"""The chain of hashes over the audit log: whatever is done to a log, it shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from aios.kernel.audit import START, Entry, link, verify

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def log(count):
    """A sealed log."""
    entries, before = [], START
    for n in range(1, count + 1):
        row = {"id": n, "at": NOW, "actor": "a", "action": "granted", "resource": "r", "agent_id": None, "detail": {}}
        before = link(before, row)
        entries.append(Entry(row, n, n, before, NOW))
    return entries


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.data())
def test_any_one_change_is_found_and_named(count, data):
    entries = log(count)
    place = data.draw(st.integers(0, count - 1))
    name, value = data.draw(
        st.sampled_from(
            [("actor", "b"), ("resource", ""), ("detail", {"x": 1}), ("at", NOW - timedelta(microseconds=1))]
        )
    )
    row = entries[place].row
    entries[place] = entries[place]._replace(row={**row, name: value})
    assert verify(entries, now=NOW).changed == [place + 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.data())
def test_any_removal_or_exchange_is_found(count, data):
    place = data.draw(st.integers(0, count - 2))
    entries = log(count)
    entries[place] = entries[place]._replace(row=None)
    assert verify(entries, now=NOW).removed == [place + 1]
    entries = log(count)
    del entries[place]
    assert verify(entries, now=NOW).broken == [place + 1]
    entries = log(count)
    one, other = entries[place], entries[place + 1]
    entries[place], entries[place + 1] = one._replace(row=other.row), other._replace(row=one.row)
    assert verify(entries, now=NOW).changed == [place + 2, place + 1]


def test_a_log_that_nobody_touched_is_good_and_so_is_an_empty_one():
    assert verify([], now=NOW).good
    found = verify(log(5), now=NOW)
    assert (found.good, found.rows, found.head in found.heads) == (True, 5, True)
