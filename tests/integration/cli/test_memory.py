"""`aios mem` on a real Postgres."""

from __future__ import annotations

import pytest

from tests.integration.memory.server import Embeddings, serving

pytestmark = pytest.mark.usefixtures("system")


@pytest.fixture(autouse=True)
def hashing(monkeypatch):
    monkeypatch.setenv("AIOS_EMBEDDER", "hashing")


def test_a_note_is_added_found_and_shown(aios):
    note = aios("mem", "add", "The office is closed on Fridays.", "--in", "group/staff", "--tag", "office").out.strip()
    aios("mem", "add", "Bread needs rye.")
    (found,) = aios("mem", "search", "is the office open on fridays", "--in", "group/staff", "--json").json
    assert (found["id"], found["namespace"], found["tags"]) == (note, "group/staff", ["office"])
    assert [row["content"] for row in aios("mem", "search", "bread", "--json", "-k", "1").json] == ["Bread needs rye."]
    assert aios("mem", "search", "office", "--before", "2020-01-01", "--json").json == []
    shown = aios("mem", "show", note).out
    assert shown.startswith("The office is closed on Fridays.\n")
    assert aios("mem", "show", note, "--json").json["reads"] == 0  # an operator's look is no read
    stat = aios("mem", "stat", "--json").json
    assert stat["notes"] == {"group": {"notes": 1, "namespaces": 1}, "tenant": {"notes": 1, "namespaces": 1}}
    assert stat["pending"] == 0
    assert "reindex" not in aios("mem", "stat").out


def test_a_mistake_is_one_clear_line_and_code_2(aios):
    for arguments, line in (
        (("add", "x", "--in", "family"), "invalid namespace 'family': give agent/ID, group/NAME or tenant/NAME"),
        (("add", "x", "--in", "agent/karin"), "invalid namespace 'agent/karin'"),
        (("add", " "), "invalid note ' '"),
        (("search", "x", "--after", "yesterday"), "invalid time 'yesterday'"),
        (("search", "x", "-k", "0"), "invalid k 0: give 1 to 100"),
        (("show", "nine"), "no memory 'nine'"),
    ):
        answer = aios("mem", *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(f"aios: {line}")
        assert answer.err.count("\n") == 1


def test_a_new_embedder_of_another_length_takes_over_note_by_note(aios, monkeypatch, database):
    for number in range(5):
        aios("mem", "add", f"fact number {number}")
    with serving(Embeddings(dimensions=3072)) as url:
        monkeypatch.setenv("AIOS_EMBEDDER", "openai")
        monkeypatch.setenv("AIOS_MEMORY__EMBEDDINGS_URL", url)
        monkeypatch.setenv("AIOS_MEMORY__EMBEDDINGS_MODEL", "big")
        assert aios("mem", "stat", "--json").json["pending"] == 5
        assert "to be embedded by openai:big:3072  5      aios mem reindex" in aios("mem", "stat").out
        before = aios("mem", "search", "fact number 3", "--json").json
        assert {row["similarity"] for row in before} == {None}  # found by words; vectors of two embedders never meet
        answer = aios("mem", "reindex", "--json")
        assert (answer.json, answer.err) == ({"done": 5, "pending": 0}, "5 of 5 notes\n")
        after = aios("mem", "search", "fact number 3", "--json").json
        assert after[0]["similarity"] == pytest.approx(1, abs=1e-3)
        (embedder,) = aios("mem", "stat", "--json").json["embedders"]
        assert embedder == {"embedder": "openai:big:3072", "dimensions": 3072, "notes": 5}
        assert aios("mem", "reindex", "--json").json == {"done": 0, "pending": 0}
    with database.statement() as tx:
        made = tx.exec_driver_sql(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_memories_vector_3072'"
        ).scalar()
    assert "halfvec(3072)" in made
