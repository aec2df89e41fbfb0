"""`aios fs` on real servers: with no worker, as a person at the command line."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from sqlalchemy import insert

from aios.db.tables import agents
from aios.kernel.ids import new_id
from tests.pdfs import pdf

pytestmark = pytest.mark.usefixtures("system")


@pytest.fixture
def fs(aios, monkeypatch, tmp_path):
    monkeypatch.setenv("AIOS_EMBEDDER", "hashing")
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0, stdin=None):
        if stdin is not None:
            monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))  # piped in
        answer = aios("fs", *arguments)
        assert answer.code == code, answer
        return answer

    return call


def test_a_file_goes_in_and_out_and_every_version_comes_back(fs, tmp_path):
    (tmp_path / "a.md").write_text("one\n")
    told = fs("put", "a.md", "/shared/notes/a.md", "--json").json
    assert (told["path"], told["version"]) == ("/shared/notes/a.md", 1)
    fs("put", "-", "notes/a.md", "--expect", "1", stdin=b"two\n")
    assert "is at version 2, not at version 1" in fs("put", "a.md", "notes/a.md", "--expect", "1", code=2).err
    assert fs("cat", "notes/a.md").out == "two\n"
    assert fs("cat", "notes/a.md", "-v", "1").out == "one\n"
    assert "-one" in fs("diff", "notes/a.md").out
    assert [one["op"] for one in fs("history", "notes/a.md", "--json").json] == ["write", "write"]
    assert "operator" in fs("history", "notes/a.md").out
    assert fs("rollback", "notes/a.md", "--json").json["restored"] == 1
    fs("get", "notes/a.md", "b.md")
    assert (tmp_path / "b.md").read_text() == "one\n"
    assert "it exists" in fs("get", "notes/a.md", "b.md", code=2).err
    fs("get", "notes/a.md", ".", "--replace")
    assert (tmp_path / "a.md").read_text() == "one\n"


def test_what_was_done_is_said_in_a_sentence(fs):
    said = [
        fs("put", "-", "a.txt", stdin=b"one").err,
        fs("put", "-", "a.txt", stdin=b"two!").err,
        fs("rollback", "a.txt").err,
        fs("cp", "a.txt", "b/{c}.txt").err,
        fs("mkdir", "b").err,
        fs("rm", "a.txt").err,
        fs("rollback", "a.txt").err,
        fs("rollback", "a.txt", "--to", "4").err,
        fs("rm", "b", "-r").err,
    ]
    assert said == [
        "/shared/a.txt is at version 1 (3 bytes)\n",
        "/shared/a.txt is at version 2 (4 bytes)\n",
        "/shared/a.txt is at version 3 (3 bytes), as it was at version 1\n",
        "/shared/b/{c}.txt is at version 1 (3 bytes)\n",
        "/shared/b was there already\n",
        "/shared/a.txt is deleted; `aios fs rollback` brings it back\n",
        "/shared/a.txt is at version 5 (3 bytes), as it was at version 3\n",
        "/shared/a.txt is deleted, as it was at version 4\n",
        "/shared/b is gone, 1 files with it\n",
    ]


def test_files_are_listed_moved_copied_and_removed(fs):
    fs("put", "-", "x/1.txt", stdin=b"1")
    fs("cp", "x/1.txt", "x/2.txt")
    fs("mv", "x/2.txt", "y/3.txt")
    fs("mkdir", "z")
    assert fs("ls").out.splitlines()[1].startswith("/shared/")
    assert (fs("ls", "/shared/none").code, fs("ls", "/shared/none").err) == (0, "nothing is at /shared/none\n")
    listed = {one["path"] for one in fs("ls", "/shared", "--json").json}
    assert listed == {"/shared/x", "/shared/y", "/shared/z"}
    assert [one["path"] for one in fs("ls", "**/*.txt", "--json").json] == ["/shared/x/1.txt", "/shared/y/3.txt"]
    assert "it is not empty" in fs("rm", "x", code=2).err
    fs("rm", "x", "-r")
    fs("rm", "z")
    assert [one["path"] for one in fs("ls", "/shared", "-r", "--json").json] == ["/shared/y", "/shared/y/3.txt"]
    assert fs("stat", "y/3.txt", "--json").json["media_type"] == "text/plain"


def test_an_agents_files_are_reached_by_its_id(fs, database):
    agent = new_id()
    with database.transaction() as tx:
        tx.execute(insert(agents).values(id=agent, root_id=agent, program="p", task="t", state="done", priority=5))
    fs("put", "-", "@last/report.md", stdin=b"done")
    assert fs("cat", f"@{str(agent)[-8:]}/report.md").out == "done"
    assert [one["path"] for one in fs("ls", "@last", "--json").json] == [f"/agents/{agent}/report.md"]
    assert fs("ls", "--json").json == [{"path": f"/agents/{agent}/", "folder": True}]
    assert "no agent" in fs("put", "-", f"/agents/{new_id()}/x", stdin=b"x", code=2).err


def test_a_search_says_what_is_too_new(fs):
    fs("put", "-", "inv/printer.md", stdin=b"We paid 200 euros for the printer.")
    fs("put", "-", "scan.pdf", stdin=pdf(b"0 0 m 9 9 l S"))
    early = fs("search", "printer", "--in", "inv")
    assert "1 files there are too new" in early.err
    assert fs("stat", "scan.pdf").err == ""
    from aios.sdk.client import Client

    with Client() as client:
        client.files.perform("index")
    (hit,) = fs("search", "what did the printer cost", "--json").json["hits"]
    assert hit["path"] == "/shared/inv/printer.md"
    assert "made of pictures" in fs("stat", "scan.pdf").err
    assert fs("search", "printer", "--by", "words", "--type", "text/csv", "--json").json["hits"] == []
    assert fs("reindex", "--json").json == {"files": 0}


def test_files_are_grouped_and_paired(fs):
    for path in ("in/may.md", "in/june.md", "paid/may.csv"):
        fs("put", "-", path, stdin=b"please pay the gardener")
    table = fs("group", "folder").out.splitlines()
    assert table[0].split() == ["FOLDER", "FILES", "BYTES", "SUCH", "AS"]
    assert table[1].split() == ["/shared/in", "2", "46", "june.md,", "may.md"]
    told = fs("group", "type", "--in", "in", "--members", "0", "--json").json
    assert [(one["key"], one["count"], one["members"]) for one in told["groups"]] == [("text/markdown", 2, [])]
    new = fs("group", "label", "--label", "a bill", "--label", "a letter")
    assert new.out.splitlines()[1].startswith("(none)  3")
    assert "3 files there are too new" in new.err
    for left, right in (("in", "paid/may.csv"), ("/shared", "paid"), ("in/m*", "/shared/")):
        assert fs("join", left, right).out.splitlines()[1].split() == [
            "/shared/in/may.md",
            "/shared/paid/may.csv",
            "1.0",
        ]
    told = fs("join", "/shared", "/shared", "--on", "meaning", "--json").json
    assert (told["pairs"], told["unindexed"]) == ([], 3)


def test_a_link_is_shared_opened_and_revoked(fs):
    fs("put", "-", "r.md", stdin=b"report")
    link = fs("share", "r.md", "--for", "2h").out.strip()
    assert fs("open", link).out == "report"
    assert fs("links", "r.md", "--json").json[0]["state"] == "open"
    fs("unshare", "r.md", link)
    assert "was revoked" in fs("open", link, code=1).err


MISTAKES = [
    (("cat", "none"), "no file 'none'"),
    (("cat", "/etc/passwd"), "path '/etc/passwd' is denied: files are in /agents"),
    (("put", "none", "x"), "invalid file 'none': there is no such file on this machine"),
    (("rollback", "none"), "no file '/shared/none'"),
    (("rollback", "x", "--before", "soon"), "invalid time 'soon'"),
    (("search", "x", "--by", "luck"), "invalid by 'luck'"),
    (("group", "colour"), "invalid key 'colour'"),
    (("group", "label", "--label", "one"), "invalid labels ['one']: give at least two to choose from"),
    (("join", "a", "b", "--min-score", "0.5"), "invalid min_score 0.5: it is for pairs by meaning"),
    (("share", "x", "--for", "ever"), "invalid age 'ever'"),
    (("open", "nonsense"), "this share link is no link of this system"),
    (("ls", "@nobody"), "no agent 'nobody'"),
]


def test_a_mistake_is_one_clear_line(aios):
    for arguments, line in MISTAKES:
        answer = aios("fs", *arguments)
        assert answer.code in (1, 2)
        assert answer.err.startswith(f"aios: {line}")
        assert answer.err.count("\n") == 1
