"""What every executor of the pool `storage` keeps to; run on the fake and on Postgres."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta

import pytest

from aios.errors import InvalidArgument, NotFound, PathDenied, VersionConflict
from aios.kernel.resources.files import FileInfo


def steady(told):
    """What is told, without its instants."""
    return {name: value for name, value in told.items() if name not in {"updated_at", "created_at"}}


class FilesContract:
    """Inherit, and give a fixture `disk`: an `Asking` of an agent without files."""

    def test_a_file_is_written_and_read_back(self, disk):
        written = disk("write", path="a/b.md", content="Käse\n")
        assert steady(written) == {"path": disk.path("a/b.md"), "version": 1, "size": 6}
        assert FileInfo(**written).version == 1
        assert disk("read", path=disk.path("a/b.md"), version=None) == {
            "path": disk.path("a/b.md"),
            "version": 1,
            "content": "Käse\n",
            "encoding": "utf-8",
            "media_type": "text/markdown",
            "size": 6,
            "start": 0,
            "end": 6,
        }

    def test_ranges_cut_no_character_and_bytes_come_in_base64(self, disk):
        disk("write", path="x", content="aä€z")
        read = [
            disk("read", path="x", start=start, length=length) for start, length in ((0, 2), (2, 1), (3, 3), (9, 9))
        ]
        assert [(part["content"], part["start"], part["end"]) for part in read] == [
            ("a", 0, 1),
            ("ä", 1, 3),
            ("€", 3, 6),
            ("", 7, 7),
        ]
        disk("write", path="raw", content=base64.b64encode(b"\xff\x00z").decode(), encoding="base64")
        assert base64.b64decode(disk("read", path="raw", encoding="base64", start=1)["content"]) == b"\x00z"
        with pytest.raises(InvalidArgument, match="it is no text"):
            disk("read", path="raw")

    def test_every_write_is_a_version_and_old_ones_stay(self, disk):
        for text in ("one", "two", ""):
            disk("write", path="x", content=text)
        assert disk("append", path="x", content="four")["version"] == 4
        assert [disk("read", path="x", version=n)["content"] for n in (1, 2, 3, 4)] == ["one", "two", "", "four"]
        for missing in ({"path": "y"}, {"path": "x", "version": 9}):
            with pytest.raises(NotFound, match="no file"):
                disk("read", **missing)

    def test_a_write_for_a_version_is_refused_when_another_came_first(self, disk):
        disk("write", path="x", content="one")
        assert disk("write", path="x", content="two", expect=1)["version"] == 2
        refused = [
            ("write", {"path": "x", "content": "stale", "expect": 1}, ("x", 1, 2)),
            ("write", {"path": "y", "content": "new", "expect": 3}, ("y", 3, 0)),
            ("append", {"path": "x", "content": "stale", "expect": 1}, ("x", 1, 2)),
            ("append", {"path": "y", "content": "new", "expect": 3}, ("y", 3, 0)),
            ("create", {"path": "x", "content": "new"}, ("x", 0, 2)),
            ("delete", {"path": "x", "expect": 1}, ("x", 1, 2)),
            ("rollback", {"path": "x", "expect": 1}, ("x", 1, 2)),
        ]
        for op, payload, (name, wanted, found) in refused:
            with pytest.raises(VersionConflict) as raised:
                disk(op, **payload)
            assert raised.value.args == (disk.path(name), wanted, found), op
        assert disk("read", path="x")["content"] == "two"
        assert disk("append", path="z", content="new", expect=0)["version"] == 1

    def test_a_deletion_is_a_version_and_a_write_brings_the_file_back(self, disk):
        disk("write", path="x", content="one")
        assert disk("delete", path="x") == {"path": disk.path("x"), "version": 2}
        for op, payload in (("read", {}), ("read", {"version": 2}), ("stat", {}), ("delete", {})):
            with pytest.raises(NotFound, match="x"):
                disk(op, path="x", **payload)
        assert disk("read", path="x", version=1)["content"] == "one"
        assert disk("list") == []
        assert disk("create", path="x", content="three")["version"] == 3

    def test_files_are_listed_by_pattern_in_order(self, disk):
        for path in ("b.md", "a.md", "sub/c.md", "sub/deep/d.txt", "aXmd"):
            disk("write", path=path, content=path)

        def names(pattern, **more):
            return [found["path"].removeprefix(disk.path("")) for found in disk("list", pattern=pattern, **more)]

        assert set(names("**")) == {"a.md", "aXmd", "b.md", "sub/c.md", "sub/deep/d.txt"}
        assert names("**/*.md") == ["a.md", "b.md", "sub/c.md"]
        assert names("sub/**", folders=True) == ["sub/c.md", "sub/deep", "sub/deep/d.txt"]
        assert names("none*") == []
        (found,) = disk("list", pattern="a.md")
        assert steady(found) == {"path": disk.path("a.md"), "version": 1, "size": 4, "media_type": "text/markdown"}
        (folder,) = disk("list", pattern="sub/deep", folders=True)
        assert steady(folder) == {"path": disk.path("sub/deep"), "version": 0, "size": 0, "folder": True}

    def test_a_deletion_of_a_version_leaves_a_folder_that_is_there_instead(self, disk):
        disk("write", path="x", content="old")
        disk("delete", path="x")
        disk("mkdir", path="x")
        with pytest.raises(NotFound):
            disk("delete", path="x", expect=1)
        assert disk("stat", path="x")["folder"]

    def test_a_stat_tells_what_is_known_of_a_file_and_of_a_folder(self, disk):
        disk("write", path="f/x.json", content="1")
        disk("write", path="f/x.json", content="{}")
        told = steady(disk("stat", path="f/x.json"))
        assert {
            name: told[name] for name in ("path", "folder", "version", "size", "media_type", "digest", "versions")
        } == {
            "path": disk.path("f/x.json"),
            "folder": False,
            "version": 2,
            "size": 2,
            "media_type": "application/json",
            "digest": hashlib.sha256(b"{}").hexdigest(),
            "versions": 2,
        }
        assert set(told) == {*disk("stat", path="f/x.json")} - {"created_at", "updated_at"}
        assert steady(disk("stat", path="f")) == {"path": disk.path("f"), "folder": True}

    def test_no_path_is_a_file_and_a_folder(self, disk):
        assert disk("mkdir", path="a/b") == {"path": disk.path("a/b"), "made": True}
        assert disk("mkdir", path="a/b")["made"] is False
        disk("write", path="a/file", content="x")
        for op, payload in (
            ("write", {"path": "a/b", "content": "x"}),
            ("write", {"path": "a/file/below", "content": "x"}),
            ("mkdir", {"path": "a/file"}),
            ("delete", {"path": "a"}),
        ):
            with pytest.raises(InvalidArgument):
                disk(op, **payload)
        assert disk("delete", path="a/b") == {"path": disk.path("a/b"), "files": 0}
        assert disk("delete", path="a", everything=True) == {"path": disk.path("a"), "files": 1}
        assert disk("list", folders=True) == []
        with pytest.raises(NotFound):
            disk("delete", path="a", everything=True)

    def test_the_history_tells_every_version_newest_first(self, disk):
        disk("write", path="x", content="one")
        disk("append", path="x", content="two")
        disk("delete", path="x")
        told = disk("history", path="x")
        assert [(one["version"], one["op"], one["size"]) for one in told] == [
            (3, "delete", 0),
            (2, "append", 6),
            (1, "write", 3),
        ]
        assert steady(told[1]) == {
            "version": 2,
            "op": "append",
            "size": 6,
            "digest": hashlib.sha256(b"onetwo").hexdigest(),
            "media_type": "text/plain",
            "agent": str(disk.id),
            "origin": None,
        }
        assert (told[0]["digest"], told[0]["media_type"]) == (None, "")
        assert disk("history", path="x", limit=1) == told[:1]
        with pytest.raises(NotFound):
            disk("history", path="y")

    def test_a_rollback_goes_back_by_versions_by_number_and_by_time(self, disk):
        for text in ("one", "two", "three"):
            disk("write", path="x", content=text)
        assert steady(disk("rollback", path="x")) == {
            "path": disk.path("x"),
            "version": 4,
            "size": 3,
            "restored": 2,
            "deleted": False,
        }
        assert disk("read", path="x")["content"] == "two"
        assert disk("history", path="x", limit=1)[0]["origin"] == "version 2"
        disk("rollback", path="x", to=1)
        assert disk("read", path="x")["content"] == "one"
        third = disk("history", path="x")[2]["created_at"]
        assert disk("rollback", path="x", before=third)["restored"] == 3
        for back in ({"to": 99}, {"versions": 99}, {"before": told_before(third)}):
            with pytest.raises(NotFound, match="the oldest that is kept is 1"):
                disk("rollback", path="x", **back)
        with pytest.raises(InvalidArgument, match="give one of them"):
            disk("rollback", path="x", to=1, versions=1)

    def test_a_rollback_of_a_deletion_brings_the_file_back_and_one_to_a_deletion_deletes_it(self, disk):
        disk("write", path="x", content="one")
        disk("delete", path="x")
        assert disk("rollback", path="x")["version"] == 3
        assert disk("read", path="x")["content"] == "one"
        assert disk("rollback", path="x", to=2) == {
            "path": disk.path("x"),
            "version": 4,
            "size": 0,
            "restored": 2,
            "deleted": True,
        }
        with pytest.raises(NotFound, match="it is deleted"):
            disk("rollback", path="x", to=2)

    def test_what_is_no_path_or_no_argument_is_refused(self, disk):
        for path in ("/etc/passwd", "../x", "/agents/x/y", "/shared/../x"):
            with pytest.raises(PathDenied):
                disk("write", path=path, content="x")
        for op, payload in (
            ("write", {"path": "x"}),
            ("read", {"path": "x", "version": 0}),
            ("read", {"path": "a//b"}),
        ):
            with pytest.raises(InvalidArgument):
                disk(op, **payload)


def told_before(instant):
    return (datetime.fromisoformat(instant) - timedelta(hours=1)).isoformat()
