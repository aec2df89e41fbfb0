"""Retention: old versions go, the newest N and the young ones stay, and nobody who writes waits for it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import event

from aios.errors import LinkRefused, NotFound
from aios.storage.blobs import Blobs
from aios.storage.links import Links
from aios.storage.retention import Dropped, Retention
from aios.storage.store import Store
from aios.testing import FakeObjects
from aios.worker.system import prune
from tests.integration.storage.disk import Disk

MONTH = timedelta(days=30)


def age(database, days, where="true"):
    with database.transaction() as tx:
        tx.exec_driver_sql(f"UPDATE file_versions SET created_at = created_at - interval '{days} days' WHERE {where}")
        tx.exec_driver_sql(f"UPDATE files SET updated_at = updated_at - interval '{days} days' WHERE {where}")


def kept(disk, path="x"):
    return [version["version"] for version in disk("history", path=path)]


def written(database, store=None, versions=10):
    disk = Disk(database, store)
    for n in range(versions):
        disk.write("x", f"text {n}")
    return disk


@pytest.mark.parametrize(
    ("versions", "days", "old", "left"),
    [
        (3, 30, 40, [10, 9, 8]),
        (3, 30, 20, list(range(10, 0, -1))),
        (1, 0, 40, [10]),
        (50, 30, 40, list(range(10, 0, -1))),
    ],
)
def test_a_version_goes_when_it_is_neither_new_enough_nor_young_enough(database, versions, days, old, left):
    disk = written(database)
    age(database, old)
    dropped = Retention(Blobs(), versions, days).drop(database)
    assert dropped == Dropped(versions=10 - len(left))
    assert kept(disk) == left
    assert disk.text("x") == "text 9"
    if 1 not in left:
        with pytest.raises(NotFound, match=f"the oldest that is kept is {left[-1]}"):
            disk("rollback", path="x", to=1)


def test_a_deleted_file_goes_with_its_versions_and_a_later_one_begins_anew(database):
    disk = written(database, versions=3)
    disk("delete", path="x")
    assert Retention(Blobs(), 50, 30).drop(database) == Dropped()
    age(database, 40)
    assert Retention(Blobs(), 50, 30).drop(database) == Dropped(files=1)
    with pytest.raises(NotFound):
        disk("history", path="x")
    assert disk.write("x", "new") == 1


def test_a_version_that_a_living_link_names_stays(database):
    links = Links(lambda: b"k" * 32)
    disk = written(database, Store(links=links), versions=4)
    link = disk("share", path="x", version=1)["link"]
    age(database, 40)
    assert Retention(Blobs(), 1, 30).drop(database) == Dropped(versions=2)
    with database.transaction() as tx:
        assert links.open(tx, link, blobs=disk.store.blobs).data == b"text 0"
    disk("unshare", path="x", link=link)
    assert Retention(Blobs(), 1, 30).drop(database) == Dropped(versions=1)
    with pytest.raises(LinkRefused), database.transaction() as tx:
        links.open(tx, link, blobs=disk.store.blobs)


def test_a_version_that_is_being_shared_stays(database):
    links = Links(lambda: b"k" * 32)
    disk = written(database, Store(links=links), versions=2)
    age(database, 40)
    share = disk.perform("share", path="x", version=1)

    def drop_before_insert(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT"):
            Retention(Blobs(), 1, 30).drop(database)

    with database.transaction() as tx:
        event.listen(tx, "before_cursor_execute", drop_before_insert)
        link = share(tx)["link"]
    with database.transaction() as tx:
        assert links.open(tx, link, blobs=disk.store.blobs).data == b"text 0"


def test_pruning_takes_versions_then_contents_then_objects(database, monkeypatch):
    monkeypatch.setattr("aios.worker.system._UNUSED", timedelta(0))
    monkeypatch.setattr("aios.storage.retention._UNUSED", timedelta(0))
    objects = FakeObjects()
    disk = written(database, Store(Blobs(objects)), versions=6)
    age(database, 40)
    pruned = prune(database, older_than=MONTH, files=Retention(disk.store.blobs, 2, 30))
    assert (pruned.file_versions, pruned.blobs, pruned.objects, pruned.files) == (4, 4, 4, 0)
    assert len(objects.objects) == 2
    assert disk.text("x") == "text 5"
    assert disk.text("x", version=5) == "text 4"


def test_no_writer_waits_for_pruning_and_no_version_that_must_stay_is_lost(database):
    """A writer holds its file's row, with a version of it not yet committed, while everything old goes."""
    disk = written(database, versions=30)
    age(database, 40)
    effect = disk.perform("write", path="x", content="slow")
    retention = Retention(disk.store.blobs, 1, 30)
    with database.transaction() as tx:
        effect(tx)
        began = time.monotonic()
        assert retention.drop(database).versions == 29
        assert time.monotonic() - began < 5
    assert kept(disk) == [31, 30]


def test_rollbacks_and_pruning_at_once_leave_every_kept_version_readable(database, monkeypatch):
    monkeypatch.setattr("aios.worker.system._UNUSED", timedelta(0))
    disk = written(database, versions=5)
    stopped, errors = threading.Event(), []

    def go_on():
        while not stopped.is_set():
            try:
                prune(database, older_than=MONTH, files=Retention(disk.store.blobs, 2, 0))
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    for n in range(8):
        disk.write("x", f"text {n % 4}")
        with suppress(NotFound):  # pruned
            disk("rollback", path="x", versions=2)
        for version in disk("history", path="x", limit=2):
            disk.text("x", version=version["version"])
    stopped.set()
    thread.join()
    assert errors == []


def test_a_rollback_to_a_version_that_is_pruned_under_it_says_so(database, monkeypatch):
    monkeypatch.setattr("aios.worker.system._UNUSED", timedelta(0))

    class Pruned(Blobs):
        def hold(self, tx, digest):
            prune(database, older_than=MONTH, files=Retention(self, 1, 0))
            return super().hold(tx, digest)

    disk = written(database, Store(Pruned()), versions=3)
    with pytest.raises(NotFound, match="version 1: it has just been pruned"):
        disk("rollback", path="x", versions=2)
    assert disk.text("x") == "text 2"
