"""What every executor of the pool `memory` keeps to; run on the fake, and on Postgres and Valkey."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aios.errors import InvalidArgument, NotFound, VersionConflict
from aios.kernel.ids import new_id
from aios.kernel.resources.memory import Block, _note


class MemoryContract:
    """Inherit, and give a fixture `mind`: an `Asking` of an agent that remembers nothing, its embedder `Hashing`."""

    def test_a_note_is_kept_and_got_back(self, mind):
        id_ = mind("add", content="The door code is 4711.", tags=["home"], metadata={"from": "Ann"}, category="code")[
            "id"
        ]
        note = _note(mind("get", id=id_))
        assert (note.id, note.content, note.tags, note.metadata) == (
            id_,
            "The door code is 4711.",
            ("home",),
            {"from": "Ann"},
        )
        assert (note.category, note.version, note.namespace, note.links) == ("code", 1, f"agent/{mind.id}", ())
        assert (note.reads, note.analysis) == (0, None)
        assert mind("get", id=id_)["reads"] == 1

    def test_a_search_finds_the_nearest_best_first_with_their_scores(self, mind):
        for content in ("Tea is in the kitchen.", "The door code is 4711.", "The kitchen door is green."):
            mind("add", content=content)
        found = [_note(note) for note in mind("search", query="what is the door code", k=2)]
        assert [note.content for note in found] == ["The door code is 4711.", "The kitchen door is green."]
        assert found[0].score > found[1].score > 0
        assert 1 > found[0].similarity > found[1].similarity > 0
        assert mind("search", query=" ") == []
        twins = [mind("add", content="twin words")["id"] for _ in range(3)]
        assert [note["id"] for note in mind("search", query="twin words", k=3, threshold=0.9)] == twins
        assert [note["content"] for note in mind("search", query="The door code is 4711.", threshold=0.9)] == [
            "The door code is 4711."
        ]

    def test_a_search_counts_as_a_read_and_tells_no_more_than_a_note(self, mind):
        id_ = mind("add", content="one")["id"]
        (found,) = mind("search", query="one")
        assert set(mind("get", id=id_)) - set(found) == {"analysis", "reads", "links"}
        assert set(found) - set(mind("get", id=id_)) == {"score", "similarity"}
        assert mind("get", id=id_)["reads"] == 3

    def test_a_search_keeps_to_its_filters(self, mind):
        mind("add", content="tea green", tags=["a", "b"], category="drink")
        mind("add", content="tea black", tags=["a"])
        hour = timedelta(hours=1)
        later, earlier = ((datetime.now(tz=UTC) + way).isoformat() for way in (hour, -hour))

        def count(**filters):
            return len(mind("search", query="tea", **filters))

        assert [count(), count(tags=["a"]), count(tags=["a", "b"]), count(category="drink")] == [2, 2, 1, 1]
        assert [count(after=earlier), count(after=later), count(before=later), count(before=earlier)] == [2, 0, 2, 0]

    def test_a_namespace_holds_its_own_notes_and_blocks_alone(self, mind):
        group = f"group/{new_id()}"
        id_ = mind("add", content="ours", namespace=group)["id"]
        mind("write", name="b", value=1, namespace=group)
        mind("add", content="mine")
        assert mind("get", id=id_, namespace=group)["content"] == "ours"
        mind("update", id=id_, tags=["t"], namespace=group)
        assert [len(mind("history", id=id_, **where)) for where in ({"namespace": group}, {})] == [1, 0]
        with pytest.raises(NotFound):
            mind("get", id=id_)
        assert len(mind("search", query="ours")) == 1
        both = mind("search", query="ours", namespaces=[group, f"agent/{mind.id}"])
        assert [note["content"] for note in both] == ["ours", "mine"]
        assert mind("list") == []
        with pytest.raises(InvalidArgument, match="namespace"):
            mind("add", content="x", namespace="nobody")

    def test_an_update_changes_what_is_given_and_the_history_tells_what_was(self, mind):
        id_ = mind("add", content="old words", tags=["a"])["id"]
        assert mind("update", id=id_, content=None, tags=["b"], metadata=None) == {"id": id_, "version": 2}
        assert mind("update", id=id_, content="new phrase") == {"id": id_, "version": 3}
        assert mind("update", id=id_, content="new phrase", tags=["b"])["version"] == 3, "nothing is new"
        note = _note(mind("get", id=id_))
        assert (note.content, note.tags, note.version) == ("new phrase", ("b",), 3)
        told = mind("history", id=id_)
        assert [(one["version"], one["content"], one["tags"], one["reason"]) for one in told] == [
            (1, "old words", ["a"], "updated"),
            (2, "old words", ["b"], "updated"),
        ]
        assert {one["author"] for one in told} == {str(mind.id)}
        assert set(told[0]) == {
            *("content", "tags", "keywords", "category", "context", "metadata", "analysis"),
            *("version", "reason", "author", "changed_at"),
        }

    def test_what_is_removed_is_gone(self, mind):
        id_ = mind("add", content="old words")["id"]
        assert mind("remove", id=id_) == {"id": id_}
        for op in ("get", "remove"):
            with pytest.raises(NotFound, match="no memory"):
                mind(op, id=id_)
        with pytest.raises(NotFound, match="no memory"):
            mind("update", id=id_, content="x")
        assert mind("search", query="old words") == mind("history", id=id_) == []
        with pytest.raises(NotFound):
            mind("get", id="no id")

    def test_a_reply_is_remembered_and_recalled(self, mind):
        said = [{"message": {"role": "assistant", "content": "It is 4711."}}]
        id_ = mind("remember", earlier=said, **{"from": 0}, tags=["t"], asked="The door code?")["id"]
        assert mind("get", id=id_)["content"] == "The door code?\n\nIt is 4711."
        assert [note["content"] for note in mind("recall", query="door code", k=1)] == ["The door code?\n\nIt is 4711."]
        silent = [{"message": {"role": "assistant", "content": ""}}]
        assert mind("remember", earlier=silent, **{"from": 0}) == {"id": None}

    def test_what_is_no_argument_is_refused(self, mind):
        for op, payload in (
            ("add", {"content": ""}),
            ("add", {"content": "x", "tags": "t"}),
            ("search", {"query": "x", "k": 0}),
            ("search", {"query": "x", "after": "2026-01-31T12:00:00"}),
            ("write", {"name": "", "value": 1}),
        ):
            with pytest.raises(InvalidArgument):
                mind(op, **payload)

    def test_a_block_is_written_read_and_cleared_and_its_versions_go_on(self, mind):
        assert mind("write", name="plan", value={"é": [1]}) == {"version": 1}
        assert mind("read", name="plan") == {"value": {"é": [1]}, "version": 1}
        assert mind("write", name="plan", value=None)["version"] == 2
        assert mind("read", name="plan") == {"value": None, "version": 2}
        assert mind("clear", name="plan") == {"cleared": 1}
        for op in ("read", "clear"):
            with pytest.raises(NotFound, match="no block 'plan'"):
                mind(op, name="plan")
        assert mind("write", name="plan", value=1)["version"] == 4
        with pytest.raises(NotFound, match="did you mean plan"):
            mind("read", name="plam")
        mind("write", name="b", value=1)
        assert mind("clear") == {"cleared": 2}

    def test_a_block_is_written_over_the_version_that_is_expected_alone(self, mind):
        assert mind("write", name="n", value=1, expect=0)["version"] == 1
        for expect in (0, 2):
            with pytest.raises(VersionConflict) as raised:
                mind("write", name="n", value=2, expect=expect)
            assert raised.value.args == ("n", expect, 1)
        assert mind("write", name="n", value=2, expect=1)["version"] == 2
        with pytest.raises(VersionConflict):
            mind("write", name="other", value=2, expect=1)

    def test_a_block_takes_no_more_than_it_was_allocated_with(self, mind):
        assert mind("alloc", name="n", bytes=10, pinned=True) == {"version": 1}
        assert mind("read", name="n")["value"] is None
        with pytest.raises(InvalidArgument, match="allocated with 10 bytes"):
            mind("write", name="n", value="x" * 20)
        mind("alloc", name="n", bytes=100)
        mind("write", name="n", value="x" * 20)
        with pytest.raises(InvalidArgument, match="allocated with 5 bytes"):
            mind("alloc", name="n", bytes=5)
        mind("write", name="m", value=1)
        listed = [Block(**one) for one in mind("list")]
        assert [(block.name, block.bytes, block.pinned, block.version) for block in listed] == [
            ("m", 1, False, 1),
            ("n", 22, True, 3),
        ]
        assert [one["name"] for one in mind("list", pattern="m*")] == ["m"]
