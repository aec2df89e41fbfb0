from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest
import redis

from aios.errors import Misconfigured
from aios.local import valkey
from aios.local.postgres import Postgres
from aios.local.unit import Unit
from aios.local.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def _running(home: Path, *, memory_mb: int = 64) -> Iterator[redis.Redis]:
    server = Valkey(home, memory_mb=memory_mb)
    unit = Unit(server.process(), log=home.parent / "valkey.log")
    try:
        unit.bring_up()
        with contextlib.closing(redis.Redis.from_url(server.url)) as client:
            yield client
    finally:
        unit.stop()


def test_its_secrets_are_readable_by_their_owner_alone_and_stay_the_same(tmp_path: Path) -> None:
    home = tmp_path / "valkey"
    with _running(home):
        first = (home / "server.json").read_text()
    assert {(home / name).stat().st_mode & 0o077 for name in ("server.json", "valkey.conf")} == {0}
    with _running(home):
        assert (home / "server.json").read_text() == first


def test_a_folder_with_a_space_will_do(tmp_path: Path) -> None:
    with _running(tmp_path / "a folder" / "valkey") as client:
        assert client.ping()


def test_a_damaged_append_only_file_is_set_aside(tmp_path: Path) -> None:
    home = tmp_path / "valkey"
    with _running(home) as client:
        client.set("here", "1")
    for part in (home / "appendonlydir").glob("*.aof"):
        part.write_bytes(b"*3\r\n$3\r\nSET\r\ngarbage that is no command at all\r\n" * 3)
    with _running(home) as client:
        assert client.get("here") is None
    assert (home / "appendonlydir.damaged").is_dir()


def test_a_file_cut_short_by_a_crash_keeps_what_came_before(tmp_path: Path) -> None:
    home = tmp_path / "valkey"
    with _running(home) as client:
        client.set("here", "1")
    for part in (home / "appendonlydir").glob("*.incr.aof"):
        with part.open("ab") as file:
            file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nhe")
    with _running(home) as client:
        assert client.get("here") == b"1"


def test_a_full_memory_refuses_writes_and_evicts_nothing(tmp_path: Path) -> None:
    with _running(tmp_path / "valkey", memory_mb=4) as client:
        client.set("first", "1")
        with pytest.raises(redis.OutOfMemoryError):
            _fill(client)
        assert client.get("first") == b"1"


@pytest.mark.parametrize("kind", [Valkey, Postgres])
def test_a_restart_waits_for_the_port_that_others_know(tmp_path: Path, kind: type[Valkey | Postgres]) -> None:
    server = kind(tmp_path / "server")
    unit = Unit(server.process(), log=tmp_path / "log")
    unit.bring_up()
    url = server.url
    unit.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(url.rpartition(":")[2].split("/")[0])))
        taken.listen()
        release = threading.Timer(1.0, taken.close)
        release.start()
        unit.bring_up()
        release.join()
    unit.stop()
    assert server.url == url


def _fill(client: redis.Redis) -> None:
    for number in range(1_000):
        client.set(f"key{number}", "x" * 100_000)


def test_no_server_at_all_is_one_error_that_names_the_three_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Misconfigured, match=r"set AIOS_REDIS_URL; install the wheel .* on PATH"):
        valkey.find()
