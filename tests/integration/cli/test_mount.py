"""`aios fs mount` on real servers and real folders, as a person at the command line."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from datetime import timedelta

import pytest

from aios.cli import file_mount
from aios.settings import app_dir

PAGE = (app_dir() / "docs" / "howto" / "storage.md").read_text()
pytestmark = pytest.mark.usefixtures("system")


def old(file, text):
    """A file that nobody is writing any more."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (time.time() - 60,) * 2)


def waits_for(file):
    until = time.monotonic() + 20
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.05)


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


def test_a_mount_keeps_on_until_ctrl_c(aios, tmp_path):
    here = tmp_path / "notes"
    old(here / "mine.md", "mine")
    old(tmp_path / "theirs.md", "theirs")
    aios("fs", "put", str(tmp_path / "theirs.md"), "theirs.md")

    def edits_then_stops():
        waits_for(here / "theirs.md")
        old(here / "later.md", "later")
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    person = threading.Thread(target=edits_then_stops)
    person.start()
    answer = aios("fs", "mount", str(here), "/shared/", "--interval", "0.1")
    person.join()
    assert answer.code == 0
    assert "uploaded later.md (version 1)" in answer.err
    assert answer.err.endswith("stopped; the same command goes on from here\n")


MISTAKES = [
    (("none", "notes"), "invalid folder 'none': it cannot be opened (No such file or directory)"),
    ((".", "/etc"), "invalid folder '/etc': give one in /agents/ID, /groups/NAME or /shared"),
    ((".", "notes/../x"), "invalid folder 'notes/../x': give one in /agents/ID, /groups/NAME or /shared"),
    ((".", "file.md"), "invalid folder '/shared/file.md': it is a file; name the folder that it is in"),
    ((".", "@nobody"), "no agent 'nobody'"),
    ((".", "notes", "--interval", "0"), "Invalid value for '--interval'"),
]


def test_a_mistake_is_one_clear_line(aios, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    old(tmp_path / "file.md", "x")
    aios("fs", "put", "file.md", "file.md")
    for arguments, line in MISTAKES:
        answer = aios("fs", "mount", *arguments)
        assert answer.code == 2
        assert answer.err.startswith(f"aios: {line}")
        assert answer.err.count("\n") == 1


def test_the_pages_commands_run(aios, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    # The page's commands run as they stand, which leaves no place for an option: only the clock is quicker.
    for wait in ("_SETTLE", "_PAUSE"):
        monkeypatch.setattr(file_mount, wait, timedelta(milliseconds=50))  # seconds are too long for a test
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    said = ""
    for line in commands.splitlines():
        if line.startswith("aios"):
            answer = aios(*shlex.split(line)[1:])
            assert answer.code == 0, (line, answer.err)
            said += answer.err
        else:
            subprocess.run(line, shell=True, check=True)
    assert "conflict: list.md was changed on both sides" in said
    (copy,) = (tmp_path / "notes").glob("list.conflict-*.md")
    assert copy.read_text() == "milk\nbread\n"
    assert (tmp_path / "notes" / "list.md").read_text() == "milk\neggs\n"
