"""The decisions of a two-way sync, on a model of both sides that others change at any moment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.kernel.mirroring import Action, Version, beside, decide, plan

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


class World:
    """A folder here, a versioned one there, and a sync between them that may be stopped after any step."""

    def __init__(self):
        self.here, self.there, self.last = {}, {}, {}
        self.lost_here = set()  # contents that the sync, not a person, took away here

    def newest(self):
        return {path: Version(len(all_), all_[-1]) for path, all_ in self.there.items()}

    def edit(self, side, path, content):
        if side == "here":
            self.here.pop(path, None)
            if content is not None:
                self.here[path] = content
        elif content is not None or self.there.get(path, [None])[-1] is not None:
            self.there.setdefault(path, []).append(content)

    def sync(self, *, between=(), stop=None):
        """One pass; `between` are edits that happen after it has looked, `stop` is where it is killed."""
        steps = plan(self.last, self.here, self.newest())
        for edit in between:
            self.edit(*edit)
        for step in steps[:stop]:
            self.do(step)
        return steps

    def do(self, step):
        now, newest = self.here.get(step.path), self.newest().get(step.path)
        match step.action:
            case Action.REMEMBER:
                self.last[step.path] = step.there
            case Action.FORGET:
                del self.last[step.path]
            case Action.UPLOAD | Action.DELETE_THERE if (
                newest.number if newest and newest.digest else 0
            ) == step.expect:
                if step.action is Action.DELETE_THERE or now == step.here:
                    self.edit("there", step.path, step.here)
            case Action.DOWNLOAD | Action.DELETE_HERE if now == step.here:
                self.lost_here.add(now)
                self.edit("here", step.path, step.there.digest)
            case Action.CONFLICT if now == step.here:
                name = next(name for name in beside(step.path, AT) if name not in self.here)
                self.here[name] = self.here.pop(step.path)
                self.edit("here", step.path, step.there.digest)

    def kept(self):
        return {content for all_ in self.there.values() for content in all_} | set(self.here.values())


edits = st.tuples(st.sampled_from(["here", "there"]), st.sampled_from("abc"), st.booleans())
rounds = st.lists(st.tuples(st.lists(edits, max_size=4), st.lists(edits, max_size=2), st.none() | st.integers(0, 4)))


@settings(max_examples=100)
@given(rounds=rounds, forgets=st.booleans())
def test_both_sides_become_equal_and_nothing_that_was_newest_is_lost(rounds, forgets):
    world, count = World(), 0
    for before, between, stop in rounds:
        named = []
        for side, path, writes in [*before, *between]:
            count += 1
            named.append((side, path, f"content {count}" if writes else None))
        for edit in named[: len(before)]:
            world.edit(*edit)
        world.sync(between=named[len(before) :], stop=stop)
    if forgets:
        world.last = {}
    alive = set(world.here.values()) | {version.digest for version in world.newest().values()}
    for _ in range(4):
        if not world.sync():
            break
    assert world.sync() == []
    assert world.here == {path: v.digest for path, v in world.newest().items() if v.digest is not None}
    assert (world.lost_here | alive) - {None} <= world.kept()
    assert all(world.last[path] == world.newest()[path] for path in world.here)


CASES = [
    # last, here, there: what is done
    (None, "a", None, Action.UPLOAD),
    (None, None, Version(1, "a"), Action.DOWNLOAD),
    (None, "a", Version(1, "a"), Action.REMEMBER),
    (None, "a", Version(1, "b"), Action.CONFLICT),
    (None, "a", Version(2, None), Action.UPLOAD),
    (Version(1, "a"), "a", Version(1, "a"), None),
    (Version(1, "a"), "b", Version(1, "a"), Action.UPLOAD),
    (Version(1, "a"), "a", Version(2, "b"), Action.DOWNLOAD),
    (Version(1, "a"), "b", Version(2, "c"), Action.CONFLICT),
    (Version(1, "a"), "b", Version(3, "a"), Action.UPLOAD),
    (Version(1, "a"), None, Version(1, "a"), Action.DELETE_THERE),
    (Version(1, "a"), "a", Version(2, None), Action.DELETE_HERE),
    (Version(1, "a"), "b", Version(2, None), Action.UPLOAD),
    (Version(1, "a"), None, Version(2, "b"), Action.DOWNLOAD),
    (Version(1, "a"), None, Version(2, None), Action.FORGET),
]


@pytest.mark.parametrize(("last", "here", "there", "action"), CASES)
def test_the_side_that_changed_wins_and_an_edit_wins_over_a_deletion(last, here, there, action):
    assert decide(last, here, there) is action


def test_a_history_that_is_gone_or_went_back_never_removes_the_one_copy_that_is_left():
    assert decide(Version(5, "new"), "new", None) is Action.UPLOAD
    assert decide(Version(5, "new"), "new", Version(3, "old")) is Action.CONFLICT
    assert decide(Version(5, "new"), "new", Version(4, None)) is Action.UPLOAD
    assert decide(Version(5, "new"), None, Version(3, "old")) is Action.DOWNLOAD


def test_what_is_held_is_left_alone_with_all_below_it_and_what_goes_goes_first():
    there = {"a/b": Version(1, "x"), "c": Version(2, None), "ab": Version(1, "y")}
    steps = plan({"c": Version(1, "z")}, {"c": "z"}, there, held={"a"})
    assert [(step.action, step.path) for step in steps] == [(Action.DELETE_HERE, "c"), (Action.DOWNLOAD, "ab")]


@given(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
        lambda n: n.strip(".")
    )
)
def test_a_copys_name_can_be_a_files_name(name):
    names = beside(name[:255], AT)
    first, second = next(names), next(names)
    assert first != second
    assert all(
        len(one.encode()) <= 255 and ".conflict-20260131T120000" in one and "/" not in one for one in (first, second)
    )


def test_a_copy_keeps_its_file_type():
    assert next(beside("notes.md", AT)) == "notes.conflict-20260131T120000.md"
    assert next(beside(".profile", AT)) == ".profile.conflict-20260131T120000"
