from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aios.errors import Misconfigured
from aios.local import folder, state, supervisor
from aios.local.process import RunAs, birth, command

if TYPE_CHECKING:
    from pathlib import Path


def test_the_detached_supervisors_error_reaches_the_caller(tmp_path: Path) -> None:
    with state.locked(tmp_path), pytest.raises(Misconfigured, match="a system already runs on"):
        supervisor.up(tmp_path, detach=True)


def test_a_detached_supervisor_that_dies_without_a_word_is_an_error_that_names_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    with pytest.raises(Misconfigured, match=r"the supervisor ended with code 1; its log is .*supervisor\.log"):
        supervisor.up(tmp_path, detach=True)


def test_down_where_nothing_runs_does_nothing(tmp_path: Path) -> None:
    assert supervisor.down(tmp_path) == []
    assert supervisor.down(tmp_path / "missing") == []
    assert not (tmp_path / "missing").exists()
    assert supervisor.status(tmp_path).to_json() == {"processes": [], "urls": {}, "data_dir": str(tmp_path)}


def test_down_stops_what_a_killed_supervisor_left(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"]) as left:
        recorded = state.Recorded(name="one", pid=left.pid, started=birth(left.pid) or "")
        state.save(tmp_path, state.SystemState(processes=(recorded,)))
        assert supervisor.down(tmp_path) == ["one"]
        assert left.wait(10) == -15
    assert supervisor.status(tmp_path).processes == ()


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(
        Misconfigured, match=r"data directory .*file/data cannot be used .*choose another with --data-dir"
    ):
        supervisor.up(file / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("options", ["size=50m", "size=300m,ro"])
def test_a_full_or_read_only_disk_is_one_error(tmp_path: Path, options: str) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", tmp_path], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(Misconfigured, match=r"is full \(\d+ MB free\)|Read-only file system"):
            supervisor.up(tmp_path)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_folder_is_one_error(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    script = "import sys; from pathlib import Path; from aios.local import folder; folder.prepare(Path(sys.argv[1]))"
    argv = command((sys.executable, "-c", script, str(closed)), run_as=RunAs.USERNS)
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert f"the data directory {closed} cannot be used (Permission denied)" in answer.stderr


def test_a_torn_private_file_reads_as_empty_and_a_whole_one_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text('{"settings": {"data')
    assert state.load(tmp_path) == state.SystemState()
    folder.write_private(path, '{"settings": {"redis_url": "redis://x"}}')
    assert path.stat().st_mode & 0o777 == 0o600
    assert state.load(tmp_path).settings == {"redis_url": "redis://x"}
    assert [place.name for place in tmp_path.iterdir()] == ["state.json"]
