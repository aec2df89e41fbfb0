from __future__ import annotations

from typing import TYPE_CHECKING

from aios.local import state
from aios.local.state import Flower, Recorded, SystemState
from aios.local.status import status

if TYPE_CHECKING:
    from pathlib import Path


def test_a_stored_state_comes_back_and_is_private(tmp_path: Path) -> None:
    stored = SystemState(
        settings={"redis_url": "redis://:secret@127.0.0.1:1/0"},
        flower=Flower(url="http://127.0.0.1:5", user="aios", password="secret"),
        processes=(Recorded(name="worker-llm", pool="llm", pid=1, started="boot:1"),),
        supervisor=state.myself(),
    )
    state.save(tmp_path, stored)
    assert state.load(tmp_path) == stored
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_a_state_file_of_another_shape_reads_as_empty(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"processes": 3}')
    assert state.load(tmp_path) == SystemState()
    (tmp_path / "state.json").write_text('["state"]')
    assert state.load(tmp_path) == SystemState()


def test_status_has_the_shape_that_scripts_rely_on(tmp_path: Path) -> None:
    me = state.myself()
    state.save(
        tmp_path,
        SystemState(
            settings={"database_url": "postgresql://x", "redis_url": "redis://x", "engine_url": "http://x"},
            flower=Flower(url="http://127.0.0.1:5", user="aios", password="pw"),
            processes=(
                Recorded(name="worker-llm", pool="llm", pid=me.pid, started=me.started),
                Recorded(name="engine", pid=me.pid, started="another life"),
                Recorded(name="beat", pid=me.pid, started="another life", state="restarting"),
            ),
        ),
    )
    assert status(tmp_path).to_json() == {
        "processes": [
            {"name": "worker-llm", "pool": "llm", "pid": me.pid, "state": "running"},
            {"name": "engine", "pool": "", "pid": me.pid, "state": "dead"},
            {"name": "beat", "pool": "", "pid": me.pid, "state": "restarting"},
        ],
        "urls": {
            "database": "postgresql://x",
            "redis": "redis://x",
            "engine": "http://x",
            "flower": "http://aios:pw@127.0.0.1:5",
        },
        "data_dir": str(tmp_path),
    }
    assert not status(tmp_path).running
