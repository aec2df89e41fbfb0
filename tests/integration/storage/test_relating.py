"""Groups and pairs of files on a real Postgres."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios.errors import InvalidArgument
from aios.storage import likeness, sets
from aios.storage.blobs import Blobs
from aios.storage.index import Index
from aios.storage.store import Store
from aios.testing import FakeEmbedder
from tests.integration.storage.disk import Disk

BILL, LETTER = [1.0, 0.1, 0.0], [0.0, 0.1, 1.0]


class Embedder(FakeEmbedder):
    """Knows bills from letters by a word, whatever stands around it."""

    def embed(self, texts):
        return [self._unit(BILL if "pay" in text else LETTER if "dear" in text else [0.0, 1.0, 0.0]) for text in texts]


@pytest.fixture
def disk(common_database):
    index = Index(common_database, Blobs(), embedder=lambda: Embedder(dimensions=3))
    disk = Disk(common_database, Store(embedder=lambda: Embedder(dimensions=3), index=index))
    disk.write("in/may.md", "# May\n\nplease pay the gardener")
    disk.write("in/june.md", "# June\n\nplease pay the plumber")
    disk.write("in/anna.txt", "dear Anna, the gardener was here")
    disk.write("paid/may.csv", "what,pay\ngardener,30\n")
    disk("index")
    return disk


def groups(disk, key, **more):
    told = disk("group", key=key, **more)
    names = {
        one["key"]: [file["path"].removeprefix(disk.path("")) for file in one["members"]] for one in told["groups"]
    }
    assert all(one["count"] >= len(one["members"]) for one in told["groups"])
    return names


def pairs(disk, left, right, **more):
    told = disk("join", left=left, right=right, **more)
    short = [
        tuple(pair[side]["path"].removeprefix(disk.path("")) for side in ("left", "right")) for pair in told["pairs"]
    ]
    return short, told


def test_files_are_grouped_by_what_is_known_of_them(disk):
    assert groups(disk, "type", members=1) == {
        "text/markdown": ["in/june.md"],
        "text/csv": ["paid/may.csv"],
        "text/plain": ["in/anna.txt"],
    }
    assert groups(disk, "folder")[disk.path("paid")] == ["paid/may.csv"]
    assert list(groups(disk, "agent")) == [str(disk.id)]
    assert list(groups(disk, "day")) == [datetime.now(UTC).date().isoformat()]
    assert disk("group", key="type")["files"] == 4


def test_only_what_fits_the_filters_and_the_query_is_grouped(disk):
    assert groups(disk, "folder", query="gardener") == {
        disk.path("in"): ["in/anna.txt", "in/may.md"],
        disk.path("paid"): ["paid/may.csv"],
    }
    assert groups(disk, "type", query="gardener", pattern="in/**", media_type="text/plain") == {
        "text/plain": ["in/anna.txt"]
    }
    assert groups(disk, "type", query="pay me", by="meaning", k=2, pattern="in/*") == {
        "text/markdown": ["in/june.md", "in/may.md"]
    }
    assert groups(disk, "type", pattern="none/**") == {}


def test_each_file_goes_to_the_label_that_it_means_most_like_and_unknown_ones_to_none(disk):
    disk.write("new.md", "not indexed")
    told = disk("group", key="label", labels=["a bill to pay", "dear friend"])
    assert [(one["key"], one["count"]) for one in told["groups"]] == [("a bill to pay", 3), ("", 1), ("dear friend", 1)]
    assert told["unindexed"] == 1


def test_files_belong_together_by_name(disk):
    assert pairs(disk, "in/*", "paid/*")[0] == [("in/may.md", "paid/may.csv")]
    assert pairs(disk, "in/*", "paid/*", on="name")[0] == []
    disk("copy", source="in/may.md", target="old/may.md")
    assert pairs(disk, "**", "**", on="name")[0] == [("in/may.md", "old/may.md")]
    both, told = pairs(disk, "**", "**", limit=2)
    assert both == [("in/may.md", "old/may.md"), ("in/may.md", "paid/may.csv")]
    assert told["more"]
    found, _ = pairs(disk, "**", "**", left_query="30 euros", right_query="please")
    assert found == [("paid/may.csv", "in/may.md"), ("paid/may.csv", "old/may.md")]


def test_files_belong_together_by_meaning_each_pair_once(disk):
    found, told = pairs(disk, "in/*", "**", on="meaning", min_score=0.9)
    assert set(found) == {("in/june.md", "in/may.md"), ("in/june.md", "paid/may.csv"), ("in/may.md", "paid/may.csv")}
    assert [pair["score"] for pair in told["pairs"]] == [1.0] * 3
    assert not told["more"]
    assert pairs(disk, "in/*", "**", on="meaning", min_score=0.9, limit=1)[1]["more"]
    assert pairs(disk, "in/anna.txt", "paid/*", on="meaning")[0] == []
    assert pairs(disk, "in/anna.txt", "paid/*", on="meaning", min_score=0.0)[0] == [("in/anna.txt", "paid/may.csv")]


@pytest.mark.parametrize(
    ("op", "args", "says"),
    [
        ("group", {"key": "colour"}, "key"),
        ("group", {"key": "label", "labels": ["one"]}, "at least two"),
        ("group", {"key": "type", "labels": ["a", "b"]}, "for the key `label`"),
        ("group", {"key": "day", "after": "soon"}, "give an instant"),
        ("join", {"left": "a", "right": "b", "on": "luck"}, "on"),
        ("join", {"left": "a", "right": "b", "min_score": 0.5}, "on='meaning'"),
        ("join", {"left": "a", "right": "b", "on": "meaning", "min_score": 2.0}, "min_score"),
        ("join", {"left": "a"}, "right"),
    ],
)
def test_what_makes_no_sense_is_refused(common_database, op, args, says):
    with pytest.raises(InvalidArgument, match=says):
        Disk(common_database).perform(op, **args)


def test_what_needs_an_embedder_says_so_where_there_is_none(common_database):
    plain = Disk(common_database)
    for op, args in (
        ("group", {"key": "label", "labels": ["a", "b"]}),
        ("group", {"key": "type", "query": "a", "by": "meaning"}),
        ("join", {"left": "a", "right": "b", "on": "meaning"}),
    ):
        with pytest.raises(InvalidArgument, match="there is no embedder here"):
            plain(op, **args)


def test_sets_that_are_too_large_say_what_to_do(disk, monkeypatch):
    monkeypatch.setattr(sets, "MOST_FILES", 3)
    with pytest.raises(InvalidArgument, match="more than 3 files match; narrow it"):
        disk("group", key="type")
    monkeypatch.setattr(likeness, "MOST_COMPARED", 2)
    with pytest.raises(InvalidArgument, match="invalid left '3 files': at most 2 are compared"):
        disk("join", left="in/*", right="paid/*", on="meaning")
