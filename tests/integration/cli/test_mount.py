"""`aios fs mount` on real servers and real folders, as a person at the command line."""

from __future__ import annotations

import json
import os
import time

import pytest

pytestmark = pytest.mark.usefixtures("system")


def old(file, text):
    """A file that nobody is writing any more."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (time.time() - 60,) * 2)


def test_two_folders_become_the_same_and_stay_so(aios, tmp_path):
    here = tmp_path / "notes"
    old(here / "a" / "one.md", "one")

    def mount(*options):
        answer = aios("fs", "mount", str(here), "notes", "--once", *options)
        assert answer.code == 0, answer
        return answer

    assert mount().err == "uploaded a/one.md (version 1)\n1 files are the same\n"
    assert aios("fs", "cat", "notes/a/one.md").out == "one"
    old(tmp_path / "two.md", "two")
    aios("fs", "put", str(tmp_path / "two.md"), "notes/two.md")
    (here / "a" / "one.md").unlink()
    lines = [json.loads(line) for line in mount("--json").out.splitlines()]
    assert lines == [
        {"event": "deleted_there", "path": "a/one.md", "version": 2},
        {"event": "downloaded", "path": "two.md", "version": 1},
        {"event": "same", "detail": "1 files are the same"},
    ]
    assert (here / "two.md").read_text() == "two"
    assert [one["path"] for one in aios("fs", "ls", "notes", "-r", "--json").json] == ["/shared/notes/two.md"]


MISTAKES = [
    (("none", "notes"), "invalid folder 'none': it cannot be opened (No such file or directory)"),
    ((".", "/etc"), "invalid folder '/etc': give one in /agents/ID, /groups/NAME or /shared"),
    ((".", "notes/../x"), "invalid folder 'notes/../x': give one in /agents/ID, /groups/NAME or /shared"),
    ((".", "@nobody"), "no agent 'nobody'"),
    ((".", "notes", "--interval", "0"), "Invalid value for '--interval'"),
]


def test_a_mistake_is_one_clear_line(aios, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for arguments, line in MISTAKES:
        answer = aios("fs", "mount", *arguments)
        assert answer.code == 2
        assert answer.err.startswith(f"aios: {line}")
        assert answer.err.count("\n") == 1
