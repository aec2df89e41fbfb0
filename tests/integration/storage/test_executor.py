"""The storage pool on a real Postgres."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from aios.db.tables import blobs, file_versions, files
from aios.errors import InvalidArgument, NotFound, PathDenied
from aios.kernel.resources.files import FileInfo
from tests.integration.storage.disk import Disk


@pytest.fixture(scope="module")
def database(common_database):
    return common_database


def count(database, table, *where):
    with database.transaction() as tx:
        return tx.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def test_a_file_is_written_and_read_back(disk):
    info = FileInfo(**disk("write", path="a/b.md", content="Käse\n"))
    assert (info.path, info.version, info.size) == (disk.path("a/b.md"), 1, 6)
    assert info.updated_at
    assert disk("read", path="a/b.md") == {
        "path": disk.path("a/b.md"),
        "version": 1,
        "content": "Käse\n",
        "encoding": "utf-8",
        "media_type": "text/markdown",
        "size": 6,
        "start": 0,
        "end": 6,
    }
    assert disk("read", path=disk.path("a/b.md"), version=None)["content"] == "Käse\n"


def test_every_write_is_a_version_and_old_ones_stay(disk):
    for text in ("one", "two", ""):
        disk("write", path="x", content=text)
    assert (disk("read", path="x")["version"], disk("read", path="x")["content"]) == (3, "")
    assert [disk("read", path="x", version=n)["content"] for n in (1, 2, 3)] == ["one", "two", ""]


def test_a_deletion_is_a_version_and_a_write_brings_the_file_back(disk):
    disk("write", path="x", content="one")
    assert disk("delete", path="x") == {"path": disk.path("x"), "version": 2}
    for missing in ({"path": "x"}, {"path": "x", "version": 2}):
        with pytest.raises(NotFound, match="x"):
            disk("read", **missing)
    with pytest.raises(NotFound):
        disk("delete", path="x")
    assert disk("read", path="x", version=1)["content"] == "one"
    assert disk("list", pattern="**") == []
    assert disk("write", path="x", content="three")["version"] == 3
    assert disk("read", path="x")["content"] == "three"


def test_what_is_not_there_is_not_found(disk):
    disk("write", path="x", content="one")
    for missing in ({"path": "y"}, {"path": "x", "version": 9}):
        with pytest.raises(NotFound, match="no file"):
            disk("read", **missing)


def test_files_are_listed_by_pattern_in_order_with_their_newest_version(disk):
    for path in ("b.md", "a.md", "sub/c.md", "sub/deep/d.txt", "a_md", "aXmd"):
        disk("write", path=path, content=path)
    disk("write", path="a.md", content="longer text")

    def names(pattern):
        return [found["path"].removeprefix(disk.path("")) for found in disk("list", pattern=pattern)]

    assert set(names("**")) == {"b.md", "a.md", "sub/c.md", "sub/deep/d.txt", "a_md", "aXmd"}
    assert names("*.md") == ["a.md", "b.md"]
    assert names("**/*.md") == ["a.md", "b.md", "sub/c.md"]
    assert names("sub/**") == ["sub/c.md", "sub/deep/d.txt"]
    assert names("a_md") == ["a_md"]
    assert names("a_m*") == ["a_md"]
    assert names(disk.path("sub/*")) == ["sub/c.md"]
    assert names("none*") == []
    (found,) = disk("list", pattern="a.md")
    assert FileInfo(**found) == FileInfo(disk.path("a.md"), 2, 11, found["updated_at"], "text/markdown")


def test_equal_contents_are_stored_once(database, disk):
    text = str(uuid4())
    for path in ("x", "y", "x"):
        disk("write", path=path, content=text)
    Disk(database)("write", path="x", content=text)
    assert count(database, blobs, blobs.c.data == text.encode()) == 1
    assert (
        count(
            database,
            file_versions,
            file_versions.c.digest.in_(select(blobs.c.digest).where(blobs.c.data == text.encode())),
        )
        == 4
    )


def test_a_relative_path_is_below_the_agents_own_folder_and_no_path_is_outside_every_area(database, disk):
    other = Disk(database)
    other("write", path="secret", content="s")
    with pytest.raises(NotFound):
        disk("read", path="secret")
    assert disk("list", pattern="**") == []
    for path in ("/etc/passwd", "/", "../x", "/agents/x/y", "/shared/../x", "/GROUPS/g/x"):
        for op in ("read", "delete", "stat"):
            with pytest.raises(PathDenied):
                disk(op, path=path)
        with pytest.raises(PathDenied):
            disk("write", path=path, content="x")
    for pattern in ("/**", "/agents/**", "/agents/*/secret", "../**", "/groups/*/x"):
        with pytest.raises(PathDenied):
            disk("list", pattern=pattern)


def test_concurrent_writers_of_one_path_lose_no_version(disk):
    start = threading.Barrier(8)

    def write(writer):
        start.wait()
        return [disk("write", path="x", content=f"{writer} {n}")["version"] for n in range(10)]

    with ThreadPoolExecutor(8) as pool:
        given = [version for versions in pool.map(write, range(8)) for version in versions]
    assert sorted(given) == list(range(1, 81))
    contents = {disk("read", path="x", version=n)["content"] for n in range(1, 81)}
    assert len(contents) == 80
    assert disk("read", path="x")["version"] == 80


class Stale(Exception):
    """Rolls the transaction back, as the kernel does."""


def test_a_claim_that_turns_out_stale_leaves_nothing_behind(database, disk):
    effect = disk.perform("write", path="x", content=str(uuid4()))
    before = count(database, blobs)

    with suppress(Stale), database.transaction() as tx:
        effect(tx)
        raise Stale
    assert count(database, files, files.c.agent_id == disk.id) == 0
    assert count(database, blobs) == before


@pytest.mark.parametrize(
    ("op", "payload", "says"),
    [
        ("write", {"path": "x"}, "content"),
        ("write", {"path": "x", "content": 3}, "content"),
        ("write", {"path": "x", "content": "", "mode": "w"}, "mode"),
        ("write", {"path": "", "content": ""}, "path"),
        ("read", {"path": "x", "version": 0}, "version"),
        ("read", {"path": "x", "version": 2**40}, "version"),
        ("read", {"path": "x", "version": "1"}, "version"),
        ("list", {"pattern": None}, "pattern"),
        ("format", {}, "write, create, append"),
    ],
)
def test_a_wrong_operation_is_refused_before_a_transaction_begins(disk, op, payload, says):
    with pytest.raises(InvalidArgument, match=says):
        disk.perform(op, **payload)


def test_a_large_file_comes_back_whole(disk):
    text = "".join(chr(0x4E00 + n % 5000) for n in range(1_000_000))
    assert disk("write", path="big", content=text)["size"] == 3_000_000
    assert disk("read", path="big")["content"] == text
