"""The host's side of a mount, on real folders: what is seen, what is never followed, what is never written over."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta

import pytest

from aios.errors import InvalidArgument, PathDenied
from aios.sdk.mount.host import Host

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def names(folder):
    return [entry.name for entry in folder.iterdir()]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def host(root):
    with Host(root, longest=10, settle=timedelta(0)) as opened:
        yield opened


def test_a_file_is_seen_read_written_and_deleted_with_its_empty_folders(host, root):
    assert host.write("a/b/c.txt", b"one", over=None)
    seen = host.look().files["a/b/c.txt"]
    assert host.read("a/b/c.txt", seen) == b"one"
    (root / "a" / "b" / "c.txt").chmod(0o755)
    seen = host.look().files["a/b/c.txt"]
    assert host.write("a/b/c.txt", b"two", over=seen)
    assert (root / "a" / "b" / "c.txt").stat().st_mode & 0o777 == 0o755
    assert host.delete("a/b/c.txt", host.look().files["a/b/c.txt"])
    assert names(root) == [".aios-mount"]
    assert names(root / ".aios-mount") == []


def test_what_changed_since_it_was_seen_is_not_touched(host, root):
    (root / "f").write_text("one")
    seen = host.look().files["f"]
    (root / "f").write_text("three")
    assert host.read("f", seen) is None
    assert not host.write("f", b"two", over=seen)
    assert not host.write("f", b"two", over=None)
    assert not host.delete("f", seen)
    assert host.set_aside("f", seen, at=AT) is None
    assert (root / "f").read_text() == "three"
    (root / "f").unlink()
    assert not host.write("f", b"two", over=seen)
    assert names(root / ".aios-mount") == []


def test_a_copy_that_is_set_aside_takes_no_others_name(host, root):
    (root / "d").mkdir()
    (root / "d" / "f.md").write_text("mine")
    (root / "d" / "f.conflict-20260131T120000.md").write_text("other")
    seen = host.look().files["d/f.md"]
    assert host.set_aside("d/f.md", seen, at=AT) == "d/f.conflict-20260131T120000-2.md"
    assert (root / "d" / "f.conflict-20260131T120000-2.md").read_text() == "mine"


def test_links_and_what_is_no_file_are_neither_followed_nor_replaced(host, root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (root / "link").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    os.mkfifo(root / "pipe")
    (root / "long").write_text("x" * 11)
    found = host.look()
    assert found.files == {}
    assert set(found.left) == {"link", "file", "pipe", "long"}
    with pytest.raises(OSError, match="directory"):
        host.write("link/new", b"x", over=None)
    assert not host.write("file", b"x", over=None)
    assert names(outside) == ["secret"]
    assert (outside / "secret").read_text() == "secret"


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/x", "a//x", "", ".", ".aios-mount/state.json", "a/.aios-mount/x"]
)
def test_a_name_that_leads_elsewhere_is_denied(host, path, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PathDenied):
        host.write(path, b"x", over=None)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_was_written_a_moment_ago_waits_but_not_the_mounts_own(root):
    with Host(root, longest=10, settle=timedelta(minutes=1)) as host:
        (root / "young").write_text("x")
        assert host.write("own", b"y", over=None)
        found = host.look()
        assert (found.waiting, set(found.files)) == ({"young"}, {"own"})
        os.utime(root / "young", (0, 0))
        os.utime(root / "own", (0, 0))
        assert set(host.look().files) == {"young", "own"}


def test_a_folder_that_cannot_be_read_is_left_not_taken_for_empty(root):
    class Failing(Host):
        """A disk that cannot be read in one place."""

        def _list(self, folder, found):
            if folder == bad:
                raise OSError(errno.EIO, "Input/output error")
            return super()._list(folder, found)

    bad = "a"
    with Failing(root, longest=10, settle=timedelta(0)) as host:
        assert host.write("a/b/f", b"x", over=None)
        found = host.look()
        assert (found.files, found.left) == ({}, {"a": "Input/output error"})
        bad = ""
        with pytest.raises(InvalidArgument, match="Input/output error"):
            host.look()


def test_a_very_deep_folder_is_seen(host):
    deep = "/".join("d" * 450) + "/f"
    assert host.write(deep, b"x", over=None)
    assert set(host.look().files) == {deep}


def test_a_folder_that_is_gone_is_an_error_not_a_deletion_of_everything(host, root):
    root.rename(root.with_name("elsewhere"))
    with pytest.raises(InvalidArgument, match="no longer what it was"):
        host.look()
    root.mkdir()
    with pytest.raises(InvalidArgument, match="no longer what it was"):
        host.look()


def test_two_mounts_never_have_one_folder(host, root):
    with pytest.raises(InvalidArgument, match="another mount keeps it"):
        Host(root, longest=10, settle=timedelta(0))


def test_what_a_killed_mount_was_writing_is_cleared_away(root):
    (root / ".aios-mount").mkdir()
    (root / ".aios-mount" / "half").write_text("x")
    (root / ".aios-mount" / "state.json").write_text("{}")
    with Host(root, longest=10, settle=timedelta(0)):
        assert names(root / ".aios-mount") == ["state.json"]
