"""Every operation on files, and what two writers at once make of it."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import event

from aios.errors import InvalidArgument, NotFound, VersionConflict
from aios.storage.store import Store
from tests.blocking import waiting
from tests.integration.storage.disk import Disk


@pytest.fixture(scope="module")
def database(common_database):
    return common_database


def at_once(*functions):
    """Call them at the same time; what each gave or raised."""
    start = threading.Barrier(len(functions))

    def call(function):
        start.wait()
        try:
            return function()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(call, functions))


# --- compare and set ------------------------------------------------------------------------------------------------------


def test_a_write_for_a_version_is_refused_when_another_came_first(disk):
    disk.write("x", "one")
    assert disk("write", path="x", content="two", expect=1)["version"] == 2
    with pytest.raises(VersionConflict, match="is at version 2, not at version 1"):
        disk("write", path="x", content="stale", expect=1)
    with pytest.raises(VersionConflict, match="exists already, at version 2"):
        disk("create", path="x", content="new")
    with pytest.raises(VersionConflict, match="does not exist"):
        disk("write", path="y", content="new", expect=3)
    with pytest.raises(VersionConflict):
        disk("delete", path="x", expect=1)
    assert disk.text("x") == "two"
    disk("delete", path="x", expect=2)
    assert disk("create", path="x", content="again")["version"] == 4


def test_of_many_that_compare_and_set_one_wins_each_round(disk):
    disk.write("counter", "0")

    def add():
        while True:
            seen = disk("read", path="counter")
            try:
                return disk("write", path="counter", content=str(int(seen["content"]) + 1), expect=seen["version"])
            except VersionConflict:
                continue

    at_once(*[lambda: [add() for _ in range(5)]] * 6)
    assert disk.text("counter") == "30"
    assert disk("stat", path="counter")["version"] == 31


def test_of_many_creators_of_one_file_one_wins(disk):
    made = at_once(*[lambda n=n: disk("create", path="a/b", content=str(n)) for n in range(6)])
    assert sum(isinstance(one, dict) for one in made) == 1
    assert sum(isinstance(one, VersionConflict) for one in made) == 5


def between(disk, other, op, *, after, **payload):
    """Perform an operation, and another one after its first statement of a kind."""
    others = iter([other])

    def come_between(_connection, _cursor, statement, *_):
        if statement.startswith(after):
            for one in others:
                one()

    effect = disk.perform(op, **payload)
    with disk.database.transaction() as tx:
        event.listen(tx, "after_cursor_execute", come_between)
        return effect(tx)


def test_what_is_told_of_a_file_is_of_one_version(disk):
    disk.write("x", "one")
    told = between(disk, partial(disk.write, "x", "longer"), "stat", after="SELECT", path="x")
    assert (told["version"], told["size"]) in {(1, 3), (2, 6)}


def test_who_deletes_what_is_made_just_afterwards_hears_that_it_was_not_there(disk):
    with pytest.raises(NotFound):
        between(disk, partial(disk.write, "x", "one"), "delete", after="UPDATE", path="x")
    assert disk.text("x") == "one"


# --- append, ranges, bytes ------------------------------------------------------------------------------------------------


def test_nothing_of_concurrent_appenders_is_lost(disk):
    at_once(*[lambda n=n: [disk("append", path="log", content=f"{n}.{i}\n") for i in range(8)] for n in range(5)])
    lines = disk.text("log").split()
    assert sorted(lines) == sorted(f"{n}.{i}" for n in range(5) for i in range(8))
    assert [line for line in lines if line.startswith("3.")] == [f"3.{i}" for i in range(8)]
    assert disk("stat", path="log")["version"] == 40


@pytest.mark.parametrize("statements", [1, 2, 3])
def test_a_file_that_is_made_and_grows_while_an_append_looks_for_it_is_appended_to(disk, statements):
    others = iter("abc"[:statements])

    def come_between(*_):
        for letter in others:
            disk("append", path="log", content=letter)
            break

    ours = str(disk.id)  # of this test alone: whether a content is there already makes another sequence of statements
    effect = disk.perform("append", path="log", content=ours)
    with disk.database.transaction() as tx:
        event.listen(tx, "after_cursor_execute", come_between)
        effect(tx)
    assert disk.text("log") == "abc"[:statements] + ours


def test_a_file_stays_within_its_limit_however_it_grows(database):
    disk = Disk(database, Store(file_bytes=10))
    disk("append", path="x", content="12345678")
    for op in ("append", "write"):
        with pytest.raises(InvalidArgument, match="at most 10 bytes"):
            disk(op, path="x", content="12345678901")
    with pytest.raises(InvalidArgument, match="11 bytes"):
        disk("append", path="x", content="abc")
    assert disk.text("x") == "12345678"


def test_a_file_is_read_in_pages_that_cut_no_character(disk):
    text = "Käse für 日本 🧀 " * 20
    disk.write("x", text)
    pages, at = [], 0
    while True:
        page = disk("read", path="x", start=at, length=7)
        if not page["content"]:
            break
        assert (page["start"], page["size"]) == (at, len(text.encode()))
        pages.append(page["content"])
        at = page["end"]
    assert "".join(pages) == text


def test_bytes_come_back_as_they_were_and_are_not_taken_for_text(disk):
    data = bytes(range(256)) * 3
    disk("write", path="x.bin", content=base64.b64encode(data).decode(), encoding="base64")
    assert base64.b64decode(disk("read", path="x.bin", encoding="base64")["content"]) == data
    part = disk("read", path="x.bin", encoding="base64", start=10, length=5)
    assert base64.b64decode(part["content"]) == data[10:15]
    with pytest.raises(InvalidArgument, match="it is no text"):
        disk("read", path="x.bin")
    with pytest.raises(InvalidArgument, match="it is no base64"):
        disk("write", path="y", content="*", encoding="base64")


# --- folders, moves, copies -------------------------------------------------------------------------------------------------


def names(disk, pattern="**"):
    found = disk("list", pattern=pattern, folders=True)
    return [one["path"].removeprefix(disk.path("")) + ("/" if one.get("folder") else "") for one in found]


@pytest.mark.parametrize(
    ("op", "asked", "left"),
    [
        ("delete", {"path": "a", "everything": True}, []),
        ("move", {"source": "a", "target": "b"}, ["b/", "b/z"]),
        ("copy", {"source": "a", "target": "b"}, ["a/", "a/z", "b/", "b/z"]),
    ],
)
def test_a_folder_goes_though_somebody_deletes_a_file_in_it_meanwhile(disk, op, asked, left):
    for name in ("a/x", "a/z"):
        disk.write(name, name)
    with disk.database.transaction() as tx:
        disk.perform("delete", path="a/x")(tx)
        gone = waiting(disk.database, partial(disk, op, **asked))
    gone.result()
    assert names(disk) == left


@pytest.mark.parametrize(("path", "expect"), [("a/x", None), ("a/x", 0), ("a/sub", None)])
def test_a_write_that_waits_for_the_removal_of_its_folder_makes_it_again(disk, path, expect):
    disk.write("a/x", "old")
    disk("mkdir", path="a/sub")
    write = partial(disk, "write", path=path, content="new", expect=expect)
    with disk.database.transaction() as tx:
        disk.perform("delete", path="a", everything=True)(tx)
        written = waiting(disk.database, write)
    written.result()
    assert names(disk) == ["a/", path]
    with pytest.raises(InvalidArgument, match="it is a folder"):
        disk.write("a", "no file")


def test_folders_are_made_above_files_and_by_themselves(disk):
    disk.write("a/b/c.txt", "x")
    assert disk("mkdir", path="e/f")["made"]
    assert not disk("mkdir", path="e/f")["made"]
    assert names(disk) == ["a/", "a/b/", "a/b/c.txt", "e/", "e/f/"]
    assert names(disk, "*") == ["a/", "e/"]
    assert disk("stat", path="a/b")["folder"]


def test_no_path_is_a_file_and_a_folder(disk):
    disk.write("a", "file")
    disk.write("d/x", "file")
    for wrong in ("a/b", "d/x/y/z"):
        with pytest.raises(InvalidArgument, match="is a file, so nothing can be in it"):
            disk.write(wrong, "x")
        with pytest.raises(InvalidArgument, match="is a file"):
            disk("mkdir", path=wrong)
    with pytest.raises(InvalidArgument, match="it is a folder"):
        disk.write("d", "x")
    assert names(disk) == ["a", "d/", "d/x"]


def test_of_a_file_and_a_folder_that_are_made_at_once_one_is_there(disk):
    for n in range(5):
        at_once(lambda n=n: disk.write(f"p{n}", "file"), lambda n=n: disk.write(f"p{n}/q", "inside"))
        assert names(disk, f"p{n}**") in ([f"p{n}"], [f"p{n}/"])
        assert len(disk("list", pattern=f"p{n}/**")) + (not disk("stat", path=f"p{n}")["folder"]) == 1


def test_a_folder_is_removed_when_it_is_empty_or_with_all_that_is_in_it(disk):
    disk.write("a/b/c", "x")
    disk.write("a/d", "y")
    with pytest.raises(InvalidArgument, match="it is not empty"):
        disk("delete", path="a")
    assert disk("delete", path="a", everything=True)["files"] == 2
    assert names(disk) == []
    assert disk.text("a/b/c", version=1) == "x"
    disk("rollback", path="a/b/c")
    assert names(disk) == ["a/", "a/b/", "a/b/c"]
    for path in ("none", "a/d"):
        with pytest.raises(NotFound):
            disk("delete", path=path, everything=True)


def test_a_folder_that_somebody_fills_meanwhile_is_not_removed_under_him(disk):
    for n in range(6):
        disk("mkdir", path=f"f{n}")
        at_once(lambda n=n: disk("delete", path=f"f{n}"), lambda n=n: disk.write(f"f{n}/x", "x"))
        assert names(disk, f"f{n}/*") == [f"f{n}/x"]
        assert disk("stat", path=f"f{n}")["folder"]


def test_a_file_is_moved_and_its_history_tells_where(disk):
    disk.write("a", "one")
    disk.write("a", "two")
    (moved,) = disk("move", source="a", target="sub/b")
    assert (moved["path"], moved["version"]) == (disk.path("sub/b"), 1)
    assert disk.text("sub/b") == "two"
    with pytest.raises(NotFound):
        disk("read", path="a")
    newest = disk("history", path="a")[0]
    assert (newest["op"], newest["origin"]) == ("move", f"to {disk.path('sub/b')}")
    assert disk("history", path="sub/b")[0]["origin"] == f"{disk.path('a')} version 2"
    disk("rollback", path="a", versions=2)
    assert disk.text("a") == "one"


def test_what_is_at_the_target_is_kept_unless_it_is_to_be_replaced(disk):
    disk.write("a", "one")
    disk.write("b", "two")
    for op in ("move", "copy"):
        with pytest.raises(VersionConflict, match="exists already"):
            disk(op, source="a", target="b")
    disk("copy", source="a", target="b", replace=True)
    assert (disk.text("a"), disk.text("b"), disk.text("b", version=1)) == ("one", "one", "two")


def test_a_folder_moves_and_is_copied_with_all_that_is_in_it(disk):
    for path in ("a/1", "a/s/2", "a/s/t/3"):
        disk.write(path, path)
    assert len(disk("copy", source="a", target="b")) == 3
    disk("move", source="a/s", target="c")
    assert names(disk) == ["a/", "a/1", "b/", "b/1", "b/s/", "b/s/2", "b/s/t/", "b/s/t/3", "c/", "c/2", "c/t/", "c/t/3"]
    for target in ("b", "b/inside"):
        with pytest.raises(InvalidArgument, match="itself, or in it"):
            disk("move", source="b", target=target)
    with pytest.raises(NotFound):
        disk("move", source="none", target="x")


def test_two_moves_against_each_other_end_and_lose_nothing(disk):
    for n in range(5):
        disk.write(f"{n}a", "a")
        disk.write(f"{n}b", "b")
        said = at_once(
            lambda n=n: disk("move", source=f"{n}a", target=f"{n}b", replace=True),
            lambda n=n: disk("move", source=f"{n}b", target=f"{n}a", replace=True),
        )
        assert not any(isinstance(one, Exception) for one in said), said  # a deadlock above all
        assert len(disk("list", pattern=f"{n}*")) == 1


# --- versions --------------------------------------------------------------------------------------------------------------


def test_the_history_tells_who_did_what_when(disk):
    disk.write("x", "one")
    disk("append", path="x", content=" more")
    disk("delete", path="x")
    told = disk("history", path="x")
    assert [(v["version"], v["op"], v["size"]) for v in told] == [(3, "delete", 0), (2, "append", 8), (1, "write", 3)]
    assert {v["agent"] for v in told} == {str(disk.id)}
    assert told[0]["digest"] is None
    assert [v["created_at"] for v in told] == sorted((v["created_at"] for v in told), reverse=True)
    assert len(disk("history", path="x", limit=2)) == 2
    with pytest.raises(NotFound):
        disk("history", path="y")


def test_a_rollback_goes_back_by_count_to_a_version_and_to_a_time(disk):
    instants = []
    for text in ("one", "two", "three"):
        disk.write("x", text)
        time.sleep(0.002)
        instants.append(datetime.now(UTC).isoformat())
        time.sleep(0.002)
    assert disk("rollback", path="x") | {"updated_at": ""} == {
        "path": disk.path("x"),
        "version": 4,
        "size": 3,
        "updated_at": "",
        "restored": 2,
        "deleted": False,
    }
    assert disk.text("x") == "two"
    disk("rollback", path="x", to=1)
    assert disk.text("x") == "one"
    for instant, text in zip(instants, ("one", "two", "three"), strict=True):
        disk("rollback", path="x", before=instant)
        assert disk.text("x") == text
    assert disk("history", path="x")[0]["origin"] == "version 3"
    disk("rollback", path="x", versions=5)
    assert disk.text("x") == "three"


def test_a_rollback_to_before_a_deletion_brings_a_file_back_and_to_it_takes_it_away(disk):
    disk.write("x", "one")
    disk("delete", path="x")
    disk("rollback", path="x")
    assert disk.text("x") == "one"
    assert disk("rollback", path="x")["deleted"]
    with pytest.raises(NotFound):
        disk("read", path="x")


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"versions": 9}, "the oldest that is kept is 1"),
        ({"to": 7}, "the oldest that is kept is 1"),
        ({"before": "2001-01-01T00:00:00+00:00"}, "the oldest that is kept is 1"),
        ({"before": "2001-01-01T00:00:00"}, "say its zone"),
        ({"before": "yesterday"}, "give an instant"),
        ({"versions": 1, "to": 1}, "give one of them"),
    ],
)
def test_a_rollback_to_nowhere_says_what_there_is(disk, args, error):
    disk.write("x", "one")
    with pytest.raises((NotFound, InvalidArgument), match=error):
        disk("rollback", path="x", **args)
    assert disk("stat", path="x")["version"] == 1


def test_a_rollback_for_a_version_is_refused_when_another_came_first(disk):
    for text in ("one", "two"):
        disk.write("x", text)
    with pytest.raises(VersionConflict):
        disk("rollback", path="x", expect=1)
    assert disk("rollback", path="x", expect=2)["version"] == 3


def test_a_diff_shows_what_changed(disk):
    disk.write("x", "a\nb\nc\n")
    disk.write("x", "a\nB\nc")
    told = disk("diff", path="x")
    assert (told["from"], told["to"]) == (1, 2)
    assert told["diff"].splitlines()[2:] == [
        "@@ -1,3 +1,3 @@",
        " a",
        "-b",
        "-c",
        "+B",
        "+c",
        "\\ No newline at end of file",
    ]
    assert disk("diff", path="x", old=2, new=1)["diff"].count("+b") == 1
    with pytest.raises(NotFound):
        disk("diff", path="x", new=1)
    disk("write", path="x", content=base64.b64encode(b"\xff").decode(), encoding="base64")
    with pytest.raises(InvalidArgument, match="is no text"):
        disk("diff", path="x")


def test_stat_tells_what_a_file_is(disk):
    disk.write("x.csv", "a,b\n")
    told = disk("stat", path="x.csv")
    assert (told["version"], told["size"], told["media_type"], told["versions"]) == (1, 4, "text/csv", 1)
    assert told["indexed"] is False
    with pytest.raises(NotFound):
        disk("stat", path="y")


def test_fault_36_a_reader_sees_whole_versions_only_and_every_write_is_one(disk):
    """No moment in which a file is empty or half there, no version that nobody wrote, and no Redis that keeps them."""
    texts = [f"{n} " * 20_000 for n in range(6)]
    disk.write("x", texts[0])
    seen, stopped = [], threading.Event()

    def read():
        while not stopped.is_set():
            seen.append(disk.text("x"))

    reader = threading.Thread(target=read)
    reader.start()
    for text in texts[1:]:
        disk.write("x", text)
    stopped.set()
    reader.join()
    assert set(seen) <= set(texts)
    assert [disk.text("x", version=n) for n in range(1, 7)] == texts
    assert [version["size"] for version in disk("history", path="x")] == [len(text) for text in reversed(texts)]
