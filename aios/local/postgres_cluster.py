"""The files of a Postgres cluster: made whole or not at all, configured, and owned by the user its server runs as."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from aios.errors import Misconfigured
from aios.local import folder
from aios.local.process import RunAs, command

if TYPE_CHECKING:
    from pathlib import Path

    from aios.local.postgres_binaries import Binaries

SUPERUSER = "postgres"
_NOBODY = 65534
_SOCKET_PATH_BYTES = 90
_IO_METHOD_SINCE = 18
_BUILTIN_LOCALE_SINCE = 17

_SETTINGS = """\
# Written at each start; changes here are lost.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
max_connections = 120
shared_buffers = 512MB
wal_level = minimal
max_wal_senders = 0
max_logical_replication_workers = 0
min_wal_size = 80MB
max_wal_size = 1GB
checkpoint_timeout = 15min
autovacuum_naptime = 15s
autovacuum_vacuum_scale_factor = 0.05
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
fsync = {durable}
full_page_writes = {durable}
{more}"""

_ACCESS = """\
# Written at each start; changes here are lost.
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""


def initialise(data: Path, *, binaries: Binaries, password: str, durable: bool) -> None:
    """Make a cluster; a crash on the way leaves no `data` folder.

    Raises:
        Misconfigured: `initdb` failed, or its user may not enter the folder.
    """
    half = data.with_name("data.new")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700)
    password_file = data.with_name("password.new")
    folder.write_private(password_file, password)
    if binaries.run_as is RunAs.NOBODY:
        _open_to_nobody(data.parent)
        _chown(half, _NOBODY)
        _chown(password_file, _NOBODY)
    try:
        argv = _initdb(binaries, data=half, password_file=password_file, durable=durable)
        _run(command(argv, run_as=binaries.run_as))
    finally:
        password_file.unlink(missing_ok=True)
    half.rename(data)


def configure(data: Path, *, binaries: Binaries, port: int, durable: bool) -> None:
    """Write the configuration, and give the cluster to the user that its server runs as, also after a change of that."""
    sockets = str(data)
    text = _SETTINGS.format(
        port=port,
        sockets=sockets if len(os.fsencode(sockets)) < _SOCKET_PATH_BYTES else "",
        durable="on" if durable else "off",
        # Worker processes for I/O pay off on many disks, not here.
        more="io_method = sync\n" if binaries.major >= _IO_METHOD_SINCE else "",
    )
    (data / "postgresql.conf").write_text(text)
    (data / "pg_hba.conf").write_text(_ACCESS)
    if binaries.run_as is not RunAs.SELF:
        _own(data, binaries=binaries)


def _own(data: Path, *, binaries: Binaries) -> None:
    nobody = binaries.run_as is RunAs.NOBODY
    owner = _NOBODY if nobody else os.geteuid()
    if nobody:
        _open_to_nobody(data.parent)
    if any(place.stat().st_uid != owner for place in (data, data / "PG_VERSION")):
        for place in (data, *data.rglob("*")):
            _chown(place, owner)
    for name in ("postgresql.conf", "pg_hba.conf"):
        _chown(data / name, owner)


def _open_to_nobody(home: Path) -> None:
    for own in (home, home.parent):
        own.chmod(own.stat().st_mode | 0o011)
    closed = [place for place in home.parents if not place.stat().st_mode & 0o001]
    if closed:
        raise Misconfigured(
            f"Postgres refuses to run as root, and the user `nobody` may not enter {closed[0]}",
            "choose a --data-dir that everybody can enter (its files stay private), or run as an ordinary user",
        )


def _initdb(binaries: Binaries, *, data: Path, password_file: Path, durable: bool) -> tuple[str, ...]:
    # Byte order everywhere, with Unicode letters: the same answers on every machine, whatever its C library.
    builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    return (
        str(binaries.folder / "initdb"),
        f"--pgdata={data}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        *(builtin if binaries.major >= _BUILTIN_LOCALE_SINCE else ("--locale=C",)),
        *(() if durable else ("--no-sync",)),
    )


def _run(argv: list[str]) -> None:
    answer = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")
    if answer.returncode:
        why = "\n".join((answer.stderr or answer.stdout).strip().splitlines()[-5:])
        raise Misconfigured(f"initdb failed:\n{why}", "mend that and start again")


def _chown(place: Path, owner: int) -> None:
    os.chown(place, owner, owner, follow_symlinks=False)
