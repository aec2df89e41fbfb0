"""`aios fork`, `aios diff` and `aios show --tree` on a journal that is there."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert

from aios.db.tables import requests
from aios.kernel.ids import new_id


@pytest.fixture
def parent(aios, system):
    """An agent with three answered requests."""
    agent = aios("submit", "echo", "hello", "--json").json["id"]
    rows = [
        {
            "id": new_id(),
            "agent_id": agent,
            "generation": 0,
            "seq": str(n),
            "label": f"agent.step {n}",
            "digest": b"d%d" % n,
        }
        for n in (1, 2, 3)
    ]
    with system.transaction() as tx:
        tx.execute(insert(requests), [row | {"pending": 0, "settled": {"result": row["label"]}} for row in rows])
    return agent


def test_fork_makes_an_agent_that_diff_and_the_tree_know(aios, parent, tmp_path):
    edit = tmp_path / "answer.json"
    edit.write_text('{"better": 1}')
    made = aios("fork", parent, "--at", "2", "--edit", str(edit), "--json").json["id"]
    apart = {row["seq"]: row for row in aios("diff", parent, made, "--json").json}
    assert [apart[seq]["side"] for seq in "123"] == ["same", "changed", "left"]
    assert apart["2"]["right"]["results"] == [{"better": 1}]
    told = aios("diff", parent, made)
    assert '{"better": 1}' in told.out
    assert "1 requests are the same, 2 are not" in told.err
    tree = aios("show", made, "--tree").out
    assert f"└─ fork after 2: {made}" in tree
    assert {row["id"] for row in aios("show", parent, "--tree", "--json").json} == {parent, made}
    assert f"from {parent} after request 2" in aios("show", made).out


def test_a_text_that_is_no_json_is_an_answer_too(aios, parent, tmp_path):
    edit = tmp_path / "answer.txt"
    edit.write_text("plain words\n")
    made = aios("fork", parent, "--at", "1", "--edit", str(edit)).out.strip()
    assert aios("diff", parent, made, "--json").json[0]["right"]["results"] == ["plain words"]


def test_a_place_that_cannot_be_forked_is_one_clear_line(aios, parent, tmp_path):
    beyond = aios("fork", parent, "--at", "4")
    assert beyond.code == 2
    assert beyond.err.count("\n") == 1
    assert "from 0 to 3" in beyond.err
    binary = tmp_path / "x.bin"
    binary.write_bytes(b"\xff\xfe")
    assert aios("fork", parent, "--at", "1", "--edit", str(binary)).code == 2
    assert aios("fork", "0189ff", "--at", "1").code == 2


def test_a_forks_json_says_where_it_is_from(aios, parent):
    made = aios("fork", parent, "--at", "3").out.strip()
    shown = json.loads(aios("show", made, "--json").out)["agent"]
    assert (shown["forked_from"], shown["forked_at"]) == (parent, 3)
