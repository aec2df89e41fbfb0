"""Groups by a key, and pairs by name, against what a plain loop says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from aios.storage.grouping import KEYS, NAMES, grouped, paired
from aios.storage.sets import Member

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def member(path, *, size=1, at=NOON, agent=None, media_type="text/plain"):
    return Member(UUID(int=hash(path) % 2**64), path, 1, size, at, media_type, agent)


def test_each_key_says_what_its_name_says():
    late = datetime(2026, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    file = member("/shared/a/b.tar.gz", at=late, agent=UUID(int=7))
    assert {name: key(file) for name, key in KEYS.items()} == {
        "type": "text/plain",
        "folder": "/shared/a",
        "agent": str(UUID(int=7)),
        "day": "2026-03-02",
    }
    assert KEYS["agent"](member("/shared/x")) == "operator"
    assert {name: key(file) for name, key in NAMES.items()} == {"name": "b.tar.gz", "stem": "b.tar"}
    assert NAMES["stem"](member("/shared/.env")) == ".env"


def test_a_group_tells_some_of_its_files_and_counts_all():
    (many, few) = grouped([member(f"/shared/{n}", size=n) for n in range(1, 5)], key=lambda f: str(f.size > 1))
    assert (many.key, few.key) == ("True", "False")
    told = many.told(2)
    assert (told["count"], told["size"], [one["path"] for one in told["members"]]) == (3, 9, ["/shared/2", "/shared/3"])


names = st.lists(st.sampled_from([f"/shared/{f}/{n}" for f in "xyz" for n in ("a.md", "a.txt", "b.md")]), unique=True)
files = names.map(lambda paths: [member(path) for path in sorted(paths)])


@given(files, st.sampled_from(sorted(KEYS)))
def test_every_file_is_in_one_group_and_large_ones_come_first(members, key):
    groups = grouped(members, key=KEYS[key])
    assert sorted(file.path for group in groups for file in group.files) == [file.path for file in members]
    assert all(KEYS[key](file) == group.key for group in groups for file in group.files)
    counts = [len(group.files) for group in groups]
    assert counts == sorted(counts, reverse=True)
    assert len({group.key for group in groups}) == len(groups)


@given(files, files, st.sampled_from(sorted(NAMES)))
def test_pairs_are_all_that_have_the_same_name_each_told_once(left, right, on):
    key = NAMES[on]
    pairs = [(one.path, other.path) for one, other in paired(left, right, key=key)]
    naive = {frozenset((a.path, b.path)) for a, b in product(left, right) if a.path != b.path and key(a) == key(b)}
    assert {frozenset(pair) for pair in pairs} == naive
    assert len(pairs) == len(naive)
    assert pairs == sorted(pairs)
    assert all(one in {f.path for f in left} and other in {f.path for f in right} for one, other in pairs)
