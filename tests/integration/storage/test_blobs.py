"""Contents in Postgres and in object stores: each once, there as long as a version needs it, swept when none does."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.db import retention
from aios.errors import AiosError, BlobLost, InvalidArgument, Misconfigured, StoreUnavailable
from aios.storage.blobs import Blobs
from aios.storage.objects import FsspecObjects
from aios.storage.store import Store
from aios.testing import FakeObjects
from tests.integration.storage.disk import Disk

NOW = timedelta(0)
MAKERS = {
    "postgres": lambda folder: None,
    "file": lambda folder: FsspecObjects(f"file://{folder}/objects"),
    "memory": lambda folder: FsspecObjects(f"memory://{uuid4().hex}"),
    "fake": lambda folder: FakeObjects(),
}
STORES = [name for name in MAKERS if name != "postgres"]


@pytest.fixture(params=MAKERS)
def objects(request, tmp_path):
    return MAKERS[request.param](tmp_path)


@pytest.fixture(params=STORES)
def outside(request, tmp_path):
    return MAKERS[request.param](tmp_path)


def name_of(data):
    return hashlib.sha256(data).hexdigest()


class Crash(Exception):
    pass


# --- the port ---------------------------------------------------------------------------------------------------------------


class TestObjectStoreContract:
    """What every object store promises, the fake included."""

    def test_an_object_is_there_from_its_put_to_its_removal(self, outside):
        name = name_of(b"one")
        assert outside.get(name) is None
        assert not outside.has(name)
        outside.put(name, b"one")
        outside.put(name, b"one")
        assert outside.has(name)
        assert outside.get(name) == b"one"
        outside.remove(name)
        outside.remove(name)
        assert outside.get(name) is None

    def test_it_lists_what_is_old_enough(self, outside):
        assert list(outside.older_than(NOW)) == []
        for data in (b"one", b"two"):
            outside.put(name_of(data), data)
        assert sorted(outside.older_than(NOW)) == sorted(map(name_of, (b"one", b"two")))
        assert list(outside.older_than(timedelta(hours=1))) == []

    @pytest.mark.parametrize("name", ["", "../x", "a" * 63, "A" * 64, "/etc/passwd", "g" * 64, "a" * 64 + "\n"])
    def test_a_name_is_a_digest(self, outside, name):
        with pytest.raises(InvalidArgument):
            outside.put(name, b"x")


# --- contents -----------------------------------------------------------------------------------------------------------------


def test_equal_contents_are_kept_once_and_come_back(database, objects):
    disk, other = (Disk(database, Store(Blobs(objects))) for _ in range(2))
    for one, path in ((disk, "a"), (disk, "b"), (other, "a"), (disk, "a")):
        one.write(path, "the same text")
    with database.transaction() as tx:
        assert tx.exec_driver_sql("SELECT count(*), min(size) FROM blobs").one() == (1, 13)
        inline = tx.exec_driver_sql("SELECT data IS NOT NULL FROM blobs").scalar()
    assert inline is (objects is None)
    assert {one.text("a") for one in (disk, other)} == {"the same text"}
    disk("append", path="a", content="!")
    assert disk.text("a") == "the same text!"


def test_what_no_version_needs_is_swept_and_nothing_else(database, objects):
    store = Store(Blobs(objects))
    disk = Disk(database, store)
    disk.write("kept", "kept")
    effect = disk.perform("write", path="lost", content="lost")
    with suppress(Crash), database.transaction() as tx:  # the worker dies before its commit
        effect(tx)
        raise Crash
    with database.transaction() as tx:
        store.blobs.keep(tx, b"dropped")
    with database.transaction() as tx:
        assert retention.drop_blobs(tx, before=retention.cutoff(tx, NOW)) == 1
    swept = store.blobs.sweep(database, unused=NOW)
    assert swept == (0 if objects is None else 2)
    assert disk.text("kept") == "kept"
    if objects is not None:
        assert list(objects.older_than(NOW)) == [name_of(b"kept")]


def test_a_content_put_before_its_row_commits_survives_any_sweep_in_between(database, outside):
    store = Store(Blobs(outside))
    disk = Disk(database, store)
    effect = disk.perform("write", path="x", content="slow writer")
    assert store.blobs.sweep(database, unused=NOW) == 1  # nobody knows it yet: it goes
    with database.transaction() as tx:
        effect(tx)
        assert store.blobs.sweep(database, unused=NOW) == 0  # somebody is writing it
    assert store.blobs.sweep(database, unused=NOW) == 0
    assert disk.text("x") == "slow writer"


def test_who_waited_for_another_to_store_the_same_content_holds_it_too(database):
    """An insert's rowcount is -1 whatever became of it: the second writer went on without a lock, and pruning took the row."""
    blobs, data, both, done = Blobs(), uuid4().bytes, threading.Event(), threading.Event()

    def second():
        with database.transaction() as tx:
            blobs.keep(tx, data)
            both.set()
            done.wait(10)

    thread = threading.Thread(target=second)
    with database.transaction() as tx:
        blobs.keep(tx, data)
        thread.start()
        assert not both.wait(0.3)  # it waits for what becomes of ours
    assert both.wait(10)
    with database.transaction() as tx:
        free = tx.exec_driver_sql("SELECT 1 FROM blobs WHERE data = %s FOR UPDATE SKIP LOCKED", (data,)).all()
    done.set()
    thread.join()
    assert free == []


def test_writers_and_sweepers_at_once_lose_no_content(database, outside):
    """Each content is written, deleted for good and written again, while others sweep what is unused, of any age."""
    store = Store(Blobs(outside))
    stopped, errors = threading.Event(), []

    def sweep():
        while not stopped.is_set():
            try:
                with database.transaction() as tx:
                    retention.drop_blobs(tx, before=retention.cutoff(tx, NOW))
                store.blobs.sweep(database, unused=NOW)
            except Exception as error:
                errors.append(error)
                return

    sweepers = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in sweepers:
        thread.start()
    disk = Disk(database, store)
    try:
        for n in range(12):
            text = f"text {n % 3}"
            disk.write("x", text)
            assert disk.text("x") == text
            with database.transaction() as tx:
                tx.exec_driver_sql("DELETE FROM file_versions WHERE version < (SELECT max(version) FROM file_versions)")
    finally:
        stopped.set()
        for thread in sweepers:
            thread.join()
    assert errors == []


def test_an_object_is_never_half_there(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    objects = FsspecObjects(f"file://{tmp_path}/objects")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(StoreUnavailable, match="No space left"):
            objects.put(name_of(b"whole"), b"whole")
    assert not objects.has(name_of(b"whole"))
    objects.put(name_of(b"whole"), b"whole")
    assert objects.get(name_of(b"whole")) == b"whole"


def test_what_a_killed_put_left_behind_is_found_too(database, tmp_path):
    store = Store(Blobs(FsspecObjects(f"file://{tmp_path}/objects")))
    Disk(database, store).write("x", "kept")
    left = tmp_path / "objects" / "incoming" / f"{name_of(b'half')}.0123"
    left.write_bytes(b"ha")
    store.blobs.sweep(database, unused=timedelta(hours=1))
    assert left.exists()  # somebody may be at it
    os.utime(left, (0, 0))
    store.blobs.sweep(database, unused=NOW)
    assert not left.exists()


def test_contents_stay_readable_when_the_store_is_changed(database, tmp_path):
    before, after = Blobs(), Blobs(FsspecObjects(f"file://{tmp_path}/objects"))
    disk = Disk(database, Store(before))
    disk.write("x", "in Postgres")
    disk.store = Store(after)
    assert disk.text("x") == "in Postgres"
    disk.write("y", "outside")
    disk.write("x", "in Postgres")
    assert disk.text("x") == "in Postgres"
    disk.store = Store(before)
    with pytest.raises(BlobLost, match="names none now"):
        disk.text("y")
    disk.write("z", "outside")  # written again, it is here
    assert disk.text("y") == disk.text("z") == "outside"


def test_a_lost_or_changed_object_is_told_and_never_passed_on(database, tmp_path):
    store = Store(Blobs(FsspecObjects(f"file://{tmp_path}/objects")))
    disk = Disk(database, store)
    disk.write("x", "the truth")
    (file,) = [path for path in (tmp_path / "objects").rglob("*") if path.name == name_of(b"the truth")]
    file.write_text("a lie")
    with pytest.raises(BlobLost, match="something else"):
        disk.text("x")
    file.unlink()
    with pytest.raises(BlobLost, match="no such object"):
        disk.text("x")


# --- the host ---------------------------------------------------------------------------------------------------------


def test_symbolic_links_lead_neither_reads_nor_writes_out_of_the_store(database, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = b"secret of the host"
    (outside / name_of(secret)).write_bytes(secret)
    root = tmp_path / "objects"
    root.mkdir()
    objects = FsspecObjects(f"file://{root}")
    (root / name_of(secret)[:2]).symlink_to(outside)
    for reach in (lambda: objects.put(name_of(secret), b"x"), lambda: objects.get(name_of(secret))):
        with pytest.raises(StoreUnavailable, match="symbolic link"):
            reach()
    other = name_of(b"other")
    (root / other[:2]).mkdir()
    (root / other[:2] / other).symlink_to(outside / name_of(secret))
    for reach in (lambda: objects.put(other, b"x"), lambda: objects.get(other), lambda: objects.remove(other)):
        with pytest.raises(StoreUnavailable, match="symbolic link"):
            reach()
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {name_of(secret): secret}


PIECES = st.sampled_from(
    [
        "..",
        ".",
        "",
        "/",
        "\\",
        "\x00",
        "~",
        "a",
        "A",
        "\u202e",
        "\uff0e\uff0e",
        "\u2215",
        "%2e%2e",
        "etc",
        "x" * 300,
        "é",
    ]
)
HOSTILE = st.lists(PIECES, max_size=6).map("/".join) | st.text(max_size=30)
ROOTS = st.sampled_from(["", "/", "//", "/shared/", "/groups/g/", "/agents/", "file:///", "C:\\", "/proc/self/"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(root=ROOTS, path=HOSTILE, content=st.text(max_size=5))
def test_no_hostile_path_touches_anything_outside_the_object_store(database, tmp_path, root, path, content):
    disk = Disk(database, Store(Blobs(FsspecObjects(f"file://{tmp_path}/objects"))))
    for op, more in (("write", {"content": content}), ("read", {}), ("mkdir", {}), ("delete", {"everything": True})):
        with suppress(AiosError):
            disk(op, path=root + path, **more)
    with suppress(AiosError):
        disk("copy", source=root + path, target=path)
    assert [one.name for one in tmp_path.iterdir()] in ([], ["objects"])
    for file in Path(tmp_path).rglob("*"):
        if file.is_file():
            assert file.name == name_of(file.read_bytes())
    with database.transaction() as tx:
        for found in tx.exec_driver_sql("SELECT path FROM files").scalars():
            assert found.startswith(("/agents/", "/groups/", "/shared/"))
            assert not {"", ".", ".."} & set(found.split("/")[1:])


def test_a_url_that_is_none_is_one_clear_error():
    with pytest.raises(Misconfigured, match="nosuch://x"):
        FsspecObjects("nosuch://x")
