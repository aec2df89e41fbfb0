"""The memory pool on a real Postgres with pgvector."""

from __future__ import annotations

import logging
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import delete, func, insert, select, text

from aios.bootstrap.parts import embedder
from aios.db.tables import agents, memories
from aios.errors import InvalidArgument, Misconfigured, NotFound
from aios.kernel.ids import new_id
from aios.kernel.resources.memory import _note as as_note
from aios.memory import notes, scan
from aios.memory.executor import MemoryExecutor
from aios.memory.hashing import Hashing
from aios.memory.minilm import MiniLM
from aios.memory.reindex import reindex
from aios.settings import Settings
from aios.testing import FakeEmbedder
from tests.asking import claimed
from tests.blocking import waiting


class Mind:
    """Memory as one agent sees it: each operation claimed, and completed in a transaction of its own."""

    def __init__(self, database, embedder=None):
        self.database = database
        self.embedder = embedder or FakeEmbedder()
        self.id = new_id()
        with database.transaction() as tx:
            tx.execute(
                insert(agents).values(id=self.id, root_id=self.id, program="p", task="t", state="running", priority=5)
            )

    def claimed(self, op, payload, earlier=()):
        return claimed("memory", op, payload, agent=self.id, earlier=earlier)

    def complete(self, call):
        outcome = MemoryExecutor(self.embedder).perform(call)
        if outcome.effect is None:
            return outcome.result
        with self.database.transaction() as tx:
            return outcome.effect(tx)

    def __call__(self, op, **payload):
        return self.complete(self.claimed(op, payload))

    def add(self, content, *tags, **metadata):
        return self("add", content=content, tags=list(tags), metadata=metadata)["id"]

    def search(self, query, k=5, *tags):
        return [as_note(found) for found in self("search", query=query, k=k, tags=list(tags))]

    def found(self, query, k=5, *tags):
        return [note.content for note in self.search(query, k, *tags)]


SLOW = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END';
    CREATE TRIGGER slow BEFORE INSERT ON memory_links FOR EACH ROW EXECUTE FUNCTION slow()
"""


@pytest.fixture
def mind(database):
    return Mind(database)


def test_a_memory_is_kept_and_got_back(mind):
    note = mind.add("The door code is 4711.", "home", "codes", source="note")
    found = mind("get", id=note)
    assert (found["content"], found["tags"]) == ("The door code is 4711.", ["home", "codes"])
    assert (found["metadata"], found["namespace"]) == ({"source": "note"}, f"agent/{mind.id}")


def test_an_update_changes_what_is_given_and_leaves_the_rest(mind):
    note = mind.add("old words", "a", n=1)

    def fields():
        found = mind("get", id=note)
        return found["content"], found["tags"], found["metadata"], found["version"]

    mind("update", id=note, content=None, tags=["b"], metadata=None)
    assert fields() == ("old words", ["b"], {"n": 1}, 2)
    mind("update", id=note, content="new phrase", tags=None, metadata={})
    assert fields() == ("new phrase", ["b"], {}, 3)
    assert mind.found("phrase") == ["new phrase"]
    assert mind.found("new phrase") == ["new phrase"]


def test_an_updated_text_is_found_by_its_new_meaning(database):
    vectors = {"one": [1, 0], "two": [0, 1], "like one": [1, 0.1], "like two": [0.1, 1], "third": [0.6, 0.5]}
    mind = Mind(database, FakeEmbedder(vectors))
    note = mind.add("one")
    mind.add("third")
    assert mind.found("like one") == ["one", "third"]
    mind("update", id=note, content="two", tags=None, metadata=None)
    assert mind.found("like one") == ["third", "two"]
    assert mind.found("like two") == ["two", "third"]


def test_a_removed_memory_is_gone(mind):
    note = mind.add("x")
    assert mind("remove", id=note) == {"id": note}
    for op, more in (("get", {}), ("remove", {}), ("update", {"content": "y"})):
        with pytest.raises(NotFound, match="no memory"):
            mind(op, id=note, **more)
    assert mind.found("x") == []


def test_no_agent_sees_or_changes_anothers_memories(database):
    mine, other = Mind(database), Mind(database)
    note = other.add("secret plan", "t")
    assert mine.found("secret plan") == []
    assert mine.found("secret plan", 5, "t") == []
    for op, more in (("get", {}), ("remove", {}), ("update", {"content": "mine now"})):
        with pytest.raises(NotFound):
            mine(op, id=note, **more)
    assert other("get", id=note)["content"] == "secret plan"


def test_what_is_executed_twice_is_stored_once(mind):
    call = mind.claimed("add", {"content": "once", "tags": [], "metadata": {}})
    assert mind.complete(call) == mind.complete(call) == {"id": str(call.id)}
    assert mind.found("once") == ["once"]


class Stale(Exception):
    """Rolls the transaction back, as the kernel does."""


def test_a_claim_that_turns_out_stale_leaves_nothing_behind(database, mind):
    call = mind.claimed("add", {"content": "stale", "tags": [], "metadata": {}})
    effect = MemoryExecutor(mind.embedder).perform(call).effect
    with suppress(Stale), database.transaction() as tx:
        effect(tx)
        raise Stale
    assert mind.found("stale") == []


def test_a_reply_is_remembered_from_the_syscall_before(mind):
    earlier = [[], {"message": {"role": "assistant", "content": "Rome has seven hills."}}]
    result = mind.complete(mind.claimed("remember", {"tags": ["geo"], "from": 1}, earlier))
    assert mind("get", id=result["id"])["content"] == "Rome has seven hills."
    assert mind.found("hills", 5, "geo") == ["Rome has seven hills."]


def test_words_and_meaning_both_find_and_both_together_find_best(database):
    vectors = {
        "alpha report": [1, 0, 0],
        "a text near in meaning": [0.9, 0.1, 0],
        "the word zebra, far away": [0, 0, 1],
        "zebra and near": [0.95, 0, 0.1],
        "zebra": [1, 0, 0],
    }
    mind = Mind(database, FakeEmbedder(vectors))
    for content in list(vectors)[:4]:
        mind.add(content)
    notes = mind.search("zebra", 4)
    assert notes[0].content == "zebra and near"
    assert {note.content for note in notes} == set(list(vectors)[:4])
    assert [note.score for note in notes] == sorted((note.score for note in notes), reverse=True)
    assert notes[0].score == pytest.approx(1 / 7 + 1 / 6, abs=5e-4)


def test_what_is_nearest_in_meaning_is_found_though_many_share_a_word_with_the_query(database):
    fact, chatter = "I love Sibelius.", [f"Let us chat about music, {number}." for number in range(60)]
    near = {text: [1.0, 0.3 + 0.01 * number] for number, text in enumerate(chatter)}
    mind = Mind(database, FakeEmbedder({"Whose music is best?": [1.0, 0.0], fact: [1.0, 0.1], **near}))
    for content in (*chatter[:30], fact, *chatter[30:]):
        mind.add(content)
    assert fact in mind.found("Whose music is best?", 5)


def test_any_word_of_a_query_is_enough_and_forms_of_a_word_are_one(mind):
    mind.add("The invoices were paid.")
    mind.add("Nothing of the kind")
    assert mind.found("which invoice is still open?", 1) == ["The invoices were paid."]


def test_words_that_statistics_show_to_be_common_are_not_looked_for_beside_rare_ones(database, monkeypatch):
    """Ranking all notes that share a common word took longer than everything else in a search."""
    monkeypatch.setattr(scan, "MOST_RANKED", 20)
    notes = ["a tulip", "the gardener's tulip", *(f"garden {number}" for number in range(60))]
    mind = Mind(database, FakeEmbedder({note: [1.0, 0.0] for note in notes}, name="old"))
    for note in notes:
        mind.add(note)
    with database.statement() as tx:
        tx.exec_driver_sql("ANALYZE memories")
    words_alone = Mind(database, FakeEmbedder({}, name="new"))
    words_alone.id = mind.id
    assert sorted(words_alone.found("tulip garden", 50)) == ["a tulip", "the gardener's tulip"]
    assert len(words_alone.found("garden", 50)) == 50  # the rarest there is


def test_tags_are_a_filter_all_of_them(mind):
    mind.add("both", "a", "b")
    mind.add("one", "a")
    mind.add("none")
    assert sorted(mind.found("x", 5, "a")) == ["both", "one"]
    assert mind.found("x", 5, "a", "b") == ["both"]
    assert mind.found("x", 5, "c") == []


def test_k_bounds_the_results(mind):
    for number in range(120):
        mind.add(f"fact {number}")
    assert len(mind.search("fact", 1)) == 1
    assert len(mind.search("fact", 100)) == 100


@pytest.mark.parametrize(
    "query",
    [
        "'",
        "a & | ! <-> :* (",
        "\\",
        "''; DROP TABLE memories; --",
        "a:b/c?d=1&e=2",
        "the of and",
        "x-y-z",
        "😀",
        "é" * 50_000,
        "% _",
    ],
)
def test_no_query_is_bad_syntax(mind, query):
    mind.add("something")
    assert mind.found(query) == ["something"]


def test_vectors_of_different_embedders_are_never_compared(database):
    old = Mind(database, FakeEmbedder({"x": [1, 0]}, name="old"))
    old.add("x")
    new = Mind(database, FakeEmbedder({"query": [1, 0], "y": [1, 1]}, name="new"))
    new.id = old.id
    new.add("y")
    assert new.found("query") == ["y"]
    assert sorted(new.found("x y")) == ["x", "y"]


def test_a_note_that_changes_while_it_is_embedded_anew_keeps_the_vector_of_its_new_text(database):
    class Interrupted(FakeEmbedder):
        def embed(self, texts):
            vectors = super().embed(texts)
            mind("update", id=note, content="after")
            return vectors

    mind = Mind(database, FakeEmbedder(name="old"))
    note = mind.add("before")
    mind.embedder = FakeEmbedder(name="new")
    assert [step.done for step in reindex(database, Interrupted(name="new"))] == [0, 1]
    assert mind.search("after")[0].similarity == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "content",
    [
        " ".join(f"{n:x}" for n in range(16_000)),
        "/".join(f"{n:x}" for n in range(20_000))[:100_000],
        "-".join(f"{n:x}" for n in range(20_000))[:100_000],
        "x" * 100_000,
        "日本" * 50_000,
        " ".join(f"h{n:x}.de/{n:x}" for n in range(9_000))[:100_000],
    ],
)
def test_the_longest_content_fits_full_text_whatever_it_is(mind, content):
    note = mind.add(content)
    assert mind("get", id=note)["content"] == content


@pytest.mark.parametrize("factor", [0.0, scan.EXACT_FACTOR], ids=["by the index", "one by one"])
def test_a_search_fills_k_though_anothers_memories_lie_nearer(database, monkeypatch, factor):
    """The index's first finds are all another namespace's: it must go on until the filter lets enough through."""
    chance = random.Random(7)
    mine, other = Mind(database), Mind(database)

    def rows(mind, count, near):
        for _ in range(count):
            vector = [1.0, *(chance.gauss(0, 1) * (0.01 if near else 0.5) for _ in range(383))]
            yield {
                "id": new_id(),
                "namespace": f"agent/{mind.id}",
                "agent_id": mind.id,
                "content": "stone",
                "embedder": "fake",
                "vector": vector,
                "dimensions": 384,
            }

    with database.transaction() as tx:
        tx.execute(insert(memories), [*rows(other, 400, near=True), *rows(mine, 60, near=False)])
        tx.execute(text("ANALYZE memories"))
    mine.embedder = FakeEmbedder({"query": [1.0]})
    monkeypatch.setattr(scan, "EXACT_FACTOR", factor)
    assert len(mine.search("query", 20)) == 20
    with database.transaction() as tx:
        nearest = (
            select(memories.c.id)
            .where(memories.c.namespace == f"agent/{mine.id}")
            .order_by(memories.c.vector.cosine_distance([1.0] + [0.0] * 383))
            .limit(20)
        )
        exact = {str(found) for found in tx.execute(nearest).scalars()}
    assert len({note.id for note in mine.search("query", 20)} & exact) >= (18 if factor == 0.0 else 20)


def test_memories_go_with_their_agent(database, mind):
    mind.add("x")
    with database.transaction() as tx:
        tx.execute(agents.delete().where(agents.c.id == mind.id))
        left = tx.execute(select(func.count()).select_from(memories).where(memories.c.agent_id == mind.id)).scalar_one()
    assert left == 0


@pytest.mark.parametrize(("op", "payload"), [("add", {"content": "x"}), ("write", {"name": "b", "value": 1})])
def test_what_is_stored_for_an_agent_that_is_just_being_pruned_names_it(database, mind, op, payload):
    other = Mind(database)
    with database.transaction() as tx:
        tx.execute(delete(agents).where(agents.c.id == other.id))
        stored = waiting(database, partial(mind, op, namespace=f"agent/{other.id}", **payload))
    with pytest.raises(NotFound, match=f"no agent '{other.id}'"):
        stored.result()


@pytest.fixture(scope="module")
def minilm():
    return MiniLM()


FACTS = {
    "Grandmother's apple pie needs cinnamon and butter.": "How do I bake a dessert with fruit?",
    "The mitochondrion produces most of a cell's energy.": "Which organelle powers living tissue?",
    "Our flight to Lisbon leaves on Friday at seven.": "When do we travel to Portugal?",
    "The invoice of the plumber is still unpaid.": "Which bills are open?",
    "Python's GIL lets only one thread run bytecode.": "Why is multithreading slow in this language?",
    "The cat is afraid of the vacuum cleaner.": "What scares our pet?",
    "Mount Everest is 8849 metres high.": "How tall is the highest mountain?",
    "The gallery shows Monet's water lilies.": "Where can I see impressionist paintings?",
}


def test_real_embeddings_find_what_is_asked_in_other_words(database, minilm):
    mind = Mind(database, minilm)
    for fact in FACTS:
        mind.add(fact)
    right = sum(mind.found(question, 1) == [fact] for fact, question in FACTS.items())
    assert right >= len(FACTS) - 1


def test_time_category_and_likeness_are_filters(database):
    mind = Mind(database, FakeEmbedder({"near": [1, 0], "far": [0, 1], "q": [1, 0.05]}))
    mind("add", content="near", category="a")
    mind("add", content="far", category="b")
    now = datetime.now(UTC).isoformat()

    def found(**more):
        return {note["content"] for note in mind("search", query="q", **more)}

    assert found(category="b") == {"far"}
    assert found(threshold=0.5) == {"near"}
    assert found(after=now) == set()
    assert found(before=now) == {"near", "far"}


def test_reads_are_counted_and_a_note_removed_meanwhile_fails_no_search(database, mind):
    note, gone = mind.add("alpha"), mind.add("alpha beta")
    mind.search("alpha")
    assert mind("get", id=note)["reads"] == 1
    call = mind.claimed("search", {"query": "alpha", "k": 5})
    effect = MemoryExecutor(mind.embedder).perform(call).effect
    with database.transaction() as tx:
        assert len(effect(tx)) == 2
        notes.count_reads(tx, [new_id(), UUID(note)])
    mind("remove", id=gone)
    assert mind("get", id=note)["reads"] == 4


def test_links_go_both_ways_and_end_with_either_note(mind):
    a, b, c = (mind.add(name) for name in "abc")
    mind("link", id=a, other=b, reason="same")
    mind("link", id=b, other=c)
    assert [(note["content"], note["depth"]) for note in mind("related", id=c, depth=2)] == [("b", 1), ("a", 2)]
    assert [note["content"] for note in mind("related", id=a)] == ["b"]
    for other in (a, str(new_id())):
        with pytest.raises(NotFound):
            mind("link", id=a, other=other)
    mind("remove", id=b)
    assert mind("related", id=a, depth=5) == []


def test_two_who_link_a_note_and_change_it_do_not_wait_for_each_other(database, mind):
    neighbour, one, other = (UUID(mind.add(name)) for name in ("alpha", "beta", "gamma"))
    place = {"namespace": f"agent/{mind.id}"}
    with database.transaction() as first:
        with database.transaction() as second:
            for tx, note in ((first, one), (second, other)):
                assert notes.link(tx, note, neighbour, **place)
            second.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
            assert notes.change(second, neighbour, fields={"context": "second"}, **place) == 2
        assert notes.change(first, neighbour, fields={"context": "first"}, **place) == 3


def test_two_notes_that_are_linked_from_both_ends_at_once_are_linked(database, mind):
    a, b = mind.add("alpha"), mind.add("beta")
    with database.transaction() as tx:
        tx.exec_driver_sql(SLOW)
    with ThreadPoolExecutor(2) as pool:
        links = [pool.submit(mind, "link", id=one, other=other) for one, other in ((a, b), (b, a))]
    assert [link.result() for link in links] == [{"id": a}, {"id": b}]


def test_fault_33_notes_written_at_once_are_all_there_and_each_once(database, mind):
    """Fault 33: the note store was not locked, though two threads wrote to it."""
    errors = []

    def write(number):
        try:
            for n in range(5):
                mind.add(f"thread {number} note {n}")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len({note.content for note in mind.search("thread note", 100)}) == 30


def test_a_request_without_an_id_is_refused_and_the_next_one_served(mind):
    """Fault 2: `get_memory` without a memory_id froze the whole server for ever."""
    with pytest.raises(InvalidArgument, match="id"):
        mind("get")
    assert mind("get", id=mind.add("x"))["content"] == "x"


def test_what_is_remembered_is_in_no_log_and_on_no_screen(mind, caplog, capsys):
    """Fault 41: prompts and the contents of memories were printed."""
    caplog.set_level(logging.DEBUG, logger="aios")
    mind.add("the secret is marmalade")
    mind.search("marmalade")
    assert "marmalade" not in caplog.text + "".join(capsys.readouterr())


def test_fault_31_the_embedder_that_is_configured_is_the_one_that_is_used(database_url):
    """Fault 31: the setting of the provider was ignored, the default always won."""
    for name, kind in (("minilm", MiniLM), ("hashing", Hashing)):
        settings = Settings(database_url=database_url, embedder=name)
        assert type(embedder(settings)) is kind
    with pytest.raises(Misconfigured, match="mem0"):
        embedder(Settings(embedder="mem0"))
