"""Mounts of real folders on a real Postgres: both sides change, and nothing is lost."""

from __future__ import annotations

import json
import random
import threading
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest

from aios.errors import DatabaseUnavailable
from aios.kernel.ids import new_token
from aios.sdk.client import Client
from aios.sdk.mount.host import Host
from aios.sdk.mount.record import Record
from aios.sdk.mount.sync import Sync
from aios.sdk.mount.virtual import Virtual
from tests.conftest import made_database

NO_PAUSE = timedelta(0)


class There:
    """A virtual folder of a test's own, as an agent uses it."""

    def __init__(self, files):
        self.files, self.folder = files, f"/shared/{new_token().hex}"

    def write(self, path, data):
        self.files.write(f"{self.folder}/{path}", data)

    def delete(self, path, **more):
        self.files.perform("delete", path=f"{self.folder}/{path}", **more)

    def history(self, path):
        return self.files.perform("history", path=f"{self.folder}/{path}")

    def contents(self):
        listed = self.files.perform("list", pattern=f"{self.folder}/**")
        return {one["path"].removeprefix(f"{self.folder}/"): self.files.read(one["path"]) for one in listed}

    def ever(self):
        """Every content that any version in it has or had."""
        paths = [one.path for one in self.files.newest(self.folder)]
        versions = [(path, one) for path in paths for one in self.files.perform("history", path=path)]
        return {self.files.read(path, version=one["version"]) for path, one in versions if one["digest"]}


@pytest.fixture(scope="module")
def files(services, template, tmp_path_factory):
    url = made_database(services.database_url, template=template)
    folder = tmp_path_factory.mktemp("data")
    with Client(database_url=url, redis_url=services.redis_url, data_dir=folder) as client:
        yield client.files


@pytest.fixture
def there(files):
    return There(files)


@pytest.fixture
def mounting(there, tmp_path):
    """Opens a mount of a folder of the test's own; gives the folder, the sync and what it told."""

    @contextmanager
    def mounting(name="here", *, virtual=Virtual, system="this", longest=1000):
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        told = []
        with Host(root, longest=longest, settle=NO_PAUSE) as host:
            side = virtual(there.files, there.folder)
            record = Record(host.scratch, system=system, virtual=side.folder)
            yield root, Sync(host, side, record, tell=told.append), told

    return mounting


@pytest.fixture
def mounted(mounting):
    """The same, closed by the test's end."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(mounting(*args, **options))


def here(root):
    """The contents in a folder of the host, but for the mount's own."""
    found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return {path: data for path, data in found.items() if not path.startswith(".aios-mount/")}


def kinds(told):
    return [event.kind for event in told if event.kind != "same"]


def test_an_edit_on_both_sides_is_a_conflict_that_keeps_both(there, mounted):
    root, sync, told = mounted()
    (root / "notes.md").write_bytes(b"first")
    sync.once(pause=NO_PAUSE)
    there.write("notes.md", b"theirs")
    (root / "notes.md").write_bytes(b"mine")
    sync.once(pause=NO_PAUSE)
    assert here(root) == there.contents()
    assert sorted(here(root).values()) == [b"mine", b"theirs"]
    assert here(root)["notes.md"] == b"theirs"
    assert kinds(told) == ["uploaded", "conflict", "downloaded", "uploaded"]
    (conflict,) = [event for event in told if event.kind == "conflict"]
    assert (root / conflict.detail).read_bytes() == b"mine"


def test_a_write_that_comes_in_between_is_not_written_over(there, mounted):
    class Busy(Virtual):
        """A folder into which an agent writes just before each change."""

        def write(self, path, data, *, expect):
            self._meddle(path)
            return super().write(path, data, expect=expect)

        def delete(self, path, *, expect):
            self._meddle(path)
            return super().delete(path, expect=expect)

        def _meddle(self, path):
            if busy:
                there.write(path, busy.pop())

    root, sync, _ = mounted(virtual=Busy)
    (root / "f").write_bytes(b"mine")
    busy = [b"agent's"]
    sync.once(pause=NO_PAUSE)
    assert here(root) == there.contents()
    assert sorted(here(root).values()) == [b"agent's", b"mine"]
    (root / "f").unlink()
    busy = [b"again"]
    sync.once(pause=NO_PAUSE)
    assert here(root)["f"] == there.contents()["f"] == b"again"


def test_deletions_are_versions_and_an_edit_wins_over_them(there, mounted):
    root, sync, told = mounted()
    for name in ("d/gone", "d/kept", "stays"):
        there.write(name, name.encode())
    sync.once(pause=NO_PAUSE)
    (root / "d" / "gone").unlink()
    (root / "d" / "kept").unlink()
    there.write("d/kept", b"new")
    there.delete("stays")
    (root / "stays").write_bytes(b"edited")
    sync.once(pause=NO_PAUSE)
    assert here(root) == there.contents() == {"d/kept": b"new", "stays": b"edited"}
    assert [one["op"] for one in there.history("d/gone")] == ["delete", "write"]
    there.delete("d", everything=True)
    sync.once(pause=NO_PAUSE)
    assert not (root / "d").exists()
    assert kinds(told)[-1] == "deleted_here"


def test_a_file_may_become_a_folder_and_a_folder_a_file(there, mounted):
    root, sync, _ = mounted()
    there.write("a/b", b"1")
    there.write("c", b"2")
    sync.once(pause=NO_PAUSE)
    (root / "a" / "b").unlink()
    (root / "a").rmdir()
    (root / "a").write_bytes(b"3")
    there.delete("c")
    there.write("c/d", b"4")
    sync.once(pause=NO_PAUSE)
    assert here(root) == there.contents() == {"a": b"3", "c/d": b"4"}


def test_a_file_on_one_side_and_a_folder_on_the_other_are_told_and_left(there, mounted):
    root, sync, told = mounted()
    (root / "a").mkdir()
    (root / "a" / "x").write_bytes(b"1")
    (root / "b").write_bytes(b"2")
    there.write("a", b"3")
    there.write("b/x", b"4")
    sync.once(pause=NO_PAUSE)
    assert sorted((event.kind, event.path) for event in told[:-1]) == [
        ("left", path) for path in ("a", "a/x", "b", "b/x")
    ]
    assert here(root) == {"a/x": b"1", "b": b"2"}
    assert there.contents() == {"a": b"3", "b/x": b"4"}


def test_what_cannot_be_kept_the_same_is_told_once_and_left(there, mounted):
    root, sync, told = mounted(longest=5)
    for name in ("too\u200bclever", "e\u0301", "back\\slash"):
        (root / name).write_bytes(b"x")
    (root / "long").write_bytes(b"123456")
    (root / "link").symlink_to("/etc/passwd")
    there.write("link", b"other")
    there.write(".aios-mount/state.json", b"{}")
    (root / "fine").write_bytes(b"x")
    sync.once(pause=NO_PAUSE)
    sync.once(pause=NO_PAUSE)
    left = {event.path: event.detail for event in told if event.kind == "left"}
    assert kinds(told).count("left") == 6
    assert "U+200B" in left["too\u200bclever"]
    assert "NFC" in left["e\u0301"]
    assert left["long"] == "it has 6 bytes, and a file has at most 5"
    assert there.contents().keys() == {"fine", "link", ".aios-mount/state.json"}
    assert told[-1].detail == "1 files are the same, 6 are left"


def test_a_mount_that_is_stopped_in_the_middle_goes_on_where_it_was(there, mounting, tmp_path):
    def dies(event):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(event)

    seen = []
    with mounting() as (root, sync, _):
        for number in range(6):
            (root / f"{number}").write_bytes(b"%d" % number)
        sync._tell = dies
        with pytest.raises(KeyboardInterrupt):
            sync.once(pause=NO_PAUSE)
    state = tmp_path / "here" / ".aios-mount" / "state.json"
    assert state.stat().st_mode & 0o777 == 0o600
    assert len(json.loads(state.read_text())["files"]) == 4
    (root / "0").write_bytes(b"edited meanwhile")
    with mounting() as (root, sync, told):
        sync.once(pause=NO_PAUSE)
    assert here(root) == there.contents()
    assert sorted(kinds(told)) == ["uploaded"] * 3


@pytest.mark.parametrize("loss", ["removed", "spoilt", "of another system"])
def test_without_its_record_what_is_equal_stays_and_what_differs_is_a_conflict(there, mounting, tmp_path, loss):
    with mounting() as (root, sync, _):
        for name in ("same", "differs", "deleted"):
            (root / name).write_bytes(name.encode())
        sync.once(pause=NO_PAUSE)
    state = tmp_path / "here" / ".aios-mount" / "state.json"
    if loss == "removed":
        state.unlink()
    elif loss == "spoilt":
        state.write_text(state.read_text()[:-9])
    (root / "differs").write_bytes(b"mine")
    there.delete("deleted")
    with mounting(system="other" if loss == "of another system" else "this") as (root, sync, told):
        sync.once(pause=NO_PAUSE)
    assert here(root) == there.contents()
    assert sorted(here(root).values()) == [b"deleted", b"differs", b"mine", b"same"]
    assert kinds(told).count("conflict") == 1


def test_random_edits_on_three_sides_end_equal_and_lose_nothing(there, mounted):
    chance = random.Random(6)
    sides = [mounted("one"), mounted("two")]
    must_be_kept = set()
    for number in range(20):
        content, name = b"%d" % number, chance.choice(["a", "b", "d/c"])
        root = chance.choice([sides[0][0], sides[1][0], None])
        if root is None:
            there.write(name, content)
        elif chance.random() < 0.3:
            (root / name).unlink(missing_ok=True)
        else:
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(content)
        if chance.random() < 0.25:
            for root, sync, _ in chance.sample(sides, chance.randint(1, 2)):
                must_be_kept |= set(here(root).values())
                sync.once(pause=NO_PAUSE)
    for _ in range(3):
        for root, sync, _ in sides:
            must_be_kept |= set(here(root).values())
            sync.once(pause=NO_PAUSE)
    assert here(sides[0][0]) == here(sides[1][0]) == there.contents()
    assert must_be_kept <= there.ever()
    assert "conflict" in kinds(sides[0][2]) + kinds(sides[1][2])


def test_two_mounts_of_one_virtual_folder_at_once_corrupt_nothing(there, mounted):
    sides = [mounted("one"), mounted("two")]
    for number, (root, _, _) in enumerate(sides):
        for name in "abcde":
            (root / name).write_bytes(f"{name} of {number}".encode() * 20)
    written = {data for root, _, _ in sides for data in here(root).values()}
    threads = [threading.Thread(target=sync.once, kwargs={"pause": NO_PAUSE}) for _, sync, _ in sides]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _, sync, _ in [*sides, *sides]:
        sync.once(pause=NO_PAUSE)
    assert here(sides[0][0]) == here(sides[1][0]) == there.contents()
    assert set(there.contents().values()) == written


def test_a_system_that_does_not_answer_is_asked_again(there, mounted):
    class Away(Virtual):
        """A folder of a database that is away for a moment."""

        def look(self):
            if looks:
                raise looks.pop()
            return super().look()

    def stops(event):
        told.append(event.kind)
        if event.kind == "same":
            raise KeyboardInterrupt

    told, looks = [], [DatabaseUnavailable("postgresql://there", "connection refused")] * 2
    root, sync, _ = mounted(virtual=Away)
    sync._tell = stops
    (root / "f").write_bytes(b"x")
    with pytest.raises(KeyboardInterrupt):
        sync.forever(pause=NO_PAUSE)
    assert told == ["unavailable", "uploaded", "same"]
