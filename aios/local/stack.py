"""A real Postgres and a real Valkey for tests and benchmarks, which may kill, stop, empty and start them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import redis

from aios.local.postgres import Postgres
from aios.local.unit import Unit
from aios.local.valkey import Valkey

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Server:
    """One server of a stack."""

    def __init__(self, server: Postgres | Valkey, *, log: Path) -> None:
        self._server = server
        self._unit = Unit(server.process(), log=log)

    @property
    def url(self) -> str:
        """Its URL, password and all; the same over all restarts."""
        return self._server.url

    @property
    def pid(self) -> int:
        """The pid of its present (or last) run."""
        return self._unit.child.pid if self._unit.child else 0

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._unit.bring_up()

    def stop(self) -> None:
        """Stop it in an orderly way."""
        self._unit.stop()

    def kill(self) -> None:
        """SIGKILL it."""
        self._unit.kill()

    def restart(self) -> None:
        """Stop it in an orderly way and start it again."""
        self.stop()
        self.start()


class ValkeyServer(Server):
    """The stack's Valkey, which can also lose its data."""

    def __init__(self, server: Valkey, *, log: Path) -> None:
        super().__init__(server, log=log)
        self._valkey = server

    def flush(self) -> None:
        """FLUSHALL, while it runs."""
        client = redis.Redis.from_url(self.url)
        try:
            client.flushall()
        finally:
            client.close()

    def wipe(self) -> None:
        """Remove its files, while it is stopped or killed."""
        self._valkey.wipe()


class Services:
    """Postgres and Valkey in one folder: `with Services(tmp_path) as services: services.database_url`."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """Nothing is started before `start`, or before `with`.

        Args:
            folder: where data and logs go.
            durable: False leaves fsync out, for speed; killed servers still lose nothing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._postgres_server = Postgres(folder / "postgres", durable=durable)
        self.postgres = Server(self._postgres_server, log=folder / "logs" / "postgres.log")
        self.valkey = ValkeyServer(Valkey(folder / "valkey"), log=folder / "logs" / "valkey.log")

    @property
    def database_url(self) -> str:
        """URL of the database's owner, who may also create databases (each has pgvector)."""
        return self.postgres.url

    @property
    def application_url(self) -> str:
        """URL of a role that reads and writes rows but changes no schema."""
        return self._postgres_server.application_url

    @property
    def superuser_url(self) -> str:
        """URL of Postgres' superuser."""
        return self._postgres_server.superuser_url

    @property
    def redis_url(self) -> str:
        """URL of Valkey."""
        return self.valkey.url

    def start(self) -> None:
        """Start both and wait until they answer."""
        self.postgres.start()
        self.valkey.start()

    def stop(self) -> None:
        """Stop both."""
        self.valkey.stop()
        self.postgres.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
