"""The index and search on a real Postgres: what is found, where, how fresh, and what another embedder does to it."""

from __future__ import annotations

import base64
import threading
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from aios.errors import InvalidArgument
from aios.memory.hashing import Hashing
from aios.storage import index
from aios.storage.blobs import Blobs
from aios.storage.index import Index
from aios.storage.store import Store
from aios.testing import FakeEmbedder
from tests.integration.storage.disk import Disk

CAT, DOG, LAW = [1.0, 0.1, 0.0], [0.9, 0.3, 0.0], [0.0, 0.0, 1.0]


class Embedder(FakeEmbedder):
    """Knows animals from laws by their first words, whatever stands around them."""

    def embed(self, texts):
        self.asked += texts
        return [self._unit(self._near(text)) for text in texts]

    def _near(self, text):
        return next((v for word, v in (("kitten", CAT), ("puppy", DOG), ("statute", LAW)) if word in text), [0.5] * 3)


@pytest.fixture
def embedder():
    return Embedder(dimensions=3)


def store_with(database, embedder):
    blobs = Blobs()
    return Store(blobs, embedder=lambda: embedder, index=Index(database, blobs, embedder=lambda: embedder))


@pytest.fixture
def disk(database, embedder):
    disk = Disk(database, store_with(database, embedder))
    disk.write("pets/cat.md", "# Pets\n\nMy kitten sleeps on the warm radiator.")
    disk.write("pets/dog.txt", "The puppy chased a ball through the garden.")
    disk.write("law.md", "# Statutes\n\nThis statute regulates the import of garden gnomes.")
    return disk


def found(disk, query, **more):
    told = disk("search", query=query, **more)
    return [hit["path"].removeprefix(disk.path("")) for hit in told["hits"]]


def test_a_search_finds_by_words_by_meaning_and_by_both_and_says_how(disk):
    disk("index")
    assert set(found(disk, "garden", by="words")) == {"pets/dog.txt", "law.md"}
    assert found(disk, "radiators", by="words") == ["pets/cat.md"]
    assert found(disk, "a kitten", by="meaning", k=2) == ["pets/cat.md", "pets/dog.txt"]
    told = disk("search", query="kitten radiator")
    assert (told["hits"][0]["path"], told["hits"][0]["by"]) == (disk.path("pets/cat.md"), "both")
    assert told["hits"][0]["heading"] == "cat.md > Pets"
    assert "radiator" in told["hits"][0]["content"]


def test_a_search_keeps_to_its_folder_its_kind_and_its_time(disk):
    disk("index")
    middle = datetime.now(UTC).isoformat()
    disk.write("pets/new.md", "a garden for every kitten")
    disk("index")
    assert set(found(disk, "garden", by="words", pattern="pets/**")) == {"pets/dog.txt", "pets/new.md"}
    assert set(found(disk, "garden", by="words", pattern="**/*.md")) == {"law.md", "pets/new.md"}
    assert found(disk, "garden", media_type="text/plain") == ["pets/dog.txt"]
    assert found(disk, "garden", after=middle) == ["pets/new.md"]
    assert set(found(disk, "garden", by="words", before=middle)) == {"pets/dog.txt", "law.md"}
    assert found(disk, "garden", k=1, by="meaning", pattern="law*") == ["law.md"]


def test_a_search_says_what_it_does_not_know_yet_and_no_write_waits_for_it(disk, embedder):
    assert disk("search", query="kitten", by="words") == {"hits": [], "unindexed": 3}
    assert disk("search", query="kitten", by="words", pattern="pets/**")["unindexed"] == 2
    assert embedder.asked == []
    disk("index")
    assert disk("search", query="kitten", by="words")["unindexed"] == 0
    disk.write("pets/cat.md", "now about a puppy")
    told = disk("search", query="puppy", by="words")
    assert told["unindexed"] == 1
    disk("index")
    assert set(found(disk, "puppy", by="words")) == {"pets/cat.md", "pets/dog.txt"}
    assert found(disk, "radiator", by="words") == []  # old versions are not found


def test_what_is_deleted_or_binary_is_not_found_and_what_comes_back_is(disk):
    disk("index")
    disk("delete", path="pets/cat.md")
    disk("write", path="x.md", content=base64.b64encode(b"kitten \xff").decode(), encoding="base64")
    assert disk("search", query="kitten", by="words") == {"hits": [], "unindexed": 0}
    disk("rollback", path="pets/cat.md")
    disk("index")
    assert found(disk, "kitten", by="words") == ["pets/cat.md"]


def test_a_content_is_embedded_once_however_many_files_have_it(disk, embedder):
    disk("index")
    before = len(embedder.asked)
    disk("copy", source="pets/cat.md", target="copy.md")
    Disk(disk.database, disk.store).write("mine.md", "# Pets\n\nMy kitten sleeps on the warm radiator.")
    disk("index")
    assert len(embedder.asked) == before
    assert set(found(disk, "radiator", by="words")) == {"pets/cat.md", "copy.md"}


def test_chunks_of_contents_that_no_file_has_any_more_go(disk, database):
    disk("index")
    for n in range(4):
        disk.write("pets/cat.md", f"version {n}")
        disk("index")
    with database.transaction() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM chunks").scalar() == 3
    disk("rollback", path="pets/cat.md", to=1)
    disk("index")
    assert found(disk, "radiator", by="words") == ["pets/cat.md"]


def test_a_file_that_was_written_again_meanwhile_is_indexed_again(disk, database):
    index = disk.store.index
    cuts = index._cuts

    def meanwhile(pieces):
        disk.write("pets/cat.md", "changed while it was embedded: statute")
        index._cuts = cuts
        return cuts(pieces)

    index._cuts = meanwhile
    index.catch_up()
    assert "pets/cat.md" in found(disk, "statute", by="words")
    assert disk("stat", path="pets/cat.md")["indexed"]


def test_a_file_that_cannot_be_indexed_keeps_no_other_from_being_found(disk, monkeypatch):
    pieces = index._pieces

    def spoilt(task, data):
        if task.path.endswith("cat.md"):
            raise RuntimeError("nobody thought of this")
        return pieces(task, data)

    monkeypatch.setattr(index, "_pieces", spoilt)
    disk.write("pets/new.md", "a statute of limitations")
    disk.store.index.tick()
    assert "pets/new.md" in found(disk, "statute", by="words")
    assert not disk("stat", path="pets/cat.md")["indexed"]


def test_the_indexer_takes_small_files_together_and_a_large_one_by_itself(monkeypatch):
    monkeypatch.setattr(index, "_BYTES_AT_ONCE", 10)
    tasks = [index.Task(uuid4(), "x", 1, 0, b"", "", size) for size in (4, 6, 1, 99, 3)]
    assert [[task.size for task in group] for group in index._together(tasks)] == [[4, 6], [1], [99], [3]]


def test_many_indexers_and_writers_at_once_leave_nothing_unknown(database):
    store = store_with(database, Hashing())
    disk = Disk(database, store)

    def write(n):
        for i in range(5):
            disk.write(f"f{n}.md", f"writer{n} text{i}")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    threads += [threading.Thread(target=store.index.catch_up, kwargs={"seconds": 5}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.index.catch_up(seconds=20) == 0
    for n in range(4):
        (hit,) = disk("search", query=f"writer{n}", by="words")["hits"]
        assert "text4" in hit["content"]


def test_a_dead_indexers_file_is_taken_over_when_its_lease_ends(disk, database):
    with database.transaction() as tx:
        tx.exec_driver_sql("UPDATE files SET indexing_until = clock_timestamp() + interval '1 hour' WHERE path ~ 'cat'")
    assert disk.store.index.catch_up(seconds=0.2) == 1
    with database.transaction() as tx:
        tx.exec_driver_sql("UPDATE files SET indexing_until = clock_timestamp() - interval '1 second'")
    assert disk.store.index.catch_up(seconds=5) == 0


def test_another_embedder_embeds_everything_again_and_vectors_are_never_mixed(disk, database):
    disk("index")
    other = Disk(database, store_with(database, Embedder(name="other", dimensions=7)))
    other.id = disk.id
    assert found(other, "kitten", by="meaning") == []
    assert other.store.index.reindex() == 3
    other("index")
    assert found(other, "a kitten", by="meaning", k=1) == ["pets/cat.md"]
    assert found(disk, "a kitten", by="meaning") == []


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"query": "x", "k": 0}, "k"),
        ({"query": "x", "by": "luck"}, "by"),
        ({"query": "x" * 5000}, "query"),
        ({"query": "x", "after": "soon"}, "give an instant"),
        ({"query": "x", "before": "2026-01-01T00:00:00"}, "say its zone"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(disk, args, says):
    with pytest.raises(InvalidArgument, match=says):
        disk("search", **args)


@pytest.mark.parametrize(
    "query", ["", "   ", "the of and", "'; DROP TABLE files; --", "a & | ! ( ) : * <-> \\", "日本語"]
)
def test_no_query_is_bad_syntax(disk, query):
    disk("index")
    disk("search", query=query)


def test_without_an_embedder_words_are_still_found(database, disk):
    disk("index")
    plain = Disk(database)
    plain.id = disk.id
    assert found(plain, "radiator", by="words") == ["pets/cat.md"]
    with pytest.raises(InvalidArgument, match="search by words"):
        plain("search", query="radiator")


def test_faults_34_and_35_what_is_indexed_is_exactly_what_there_is(disk, database):
    """No junk of the store's own is found, a changed file is found anew, a deleted one no more, in its own folder only."""
    other = Disk(database, disk.store)
    other.write("cat.md", "a kitten of somebody else")
    disk("index")
    disk("move", source="pets/cat.md", target="moved.md")
    disk("delete", path="pets/dog.txt")
    disk.write("law.md", "a statute about radiators")
    disk("index")
    with database.transaction() as tx:
        live = tx.exec_driver_sql(
            "SELECT DISTINCT f.path FROM chunks c JOIN file_versions v USING (digest) JOIN files f ON f.id = v.file_id "
            "AND f.version = v.version"
        ).scalars()
        assert sorted(live) == sorted([disk.path("law.md"), disk.path("moved.md"), other.path("cat.md")])
    assert found(disk, "kitten", by="words") == ["moved.md"]
    assert set(found(disk, "radiator", by="words")) == {"moved.md", "law.md"}
    assert disk.store.index.tick() == 0  # indexing makes no work for itself
