"""A peer as one of the contenders: its own interpreter, its own program, its own database on the same server."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from benchmarks.peers import environment
from benchmarks.peers.contenders import CONCURRENCY, Contender, File, until
from benchmarks.peers.speaker import Speaker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.fleet import Fleet

_READY_SECONDS = 60.0
_FILES = "SELECT agent, created_at FROM files WHERE agent LIKE %s ORDER BY created_at"
_WRITES = "SELECT (SELECT count(*) FROM files WHERE agent LIKE %(a)s) + (SELECT count(*) FROM memories WHERE agent LIKE %(a)s)"
_WORKFLOWS = "SELECT count(*) FROM dbos.workflow_status WHERE workflow_uuid LIKE %s AND status = 'SUCCESS'"
_JOURNAL = "SELECT count(*) FROM agents WHERE id LIKE %s AND done"


class Kind(NamedTuple):
    """A peer.

    Attributes:
        name: in commands and findings.
        title: in tables.
        folder: of its program and requirements.
        done: counts the agents of a batch that are done; empty: it has no queue, its caller runs agents and waits.
        mode: the program's word for a worker.
    """

    name: str
    title: str
    folder: str
    done: str = ""
    mode: str = "work"


KINDS = (
    Kind("celery", "plain Celery + journal", "celery_journal", done=_JOURNAL),
    Kind("langgraph-asyncio", "LangGraph, asyncio", "langgraph", mode="asyncio"),
    Kind("langgraph-threads", "LangGraph, threads", "langgraph", mode="threads"),
    Kind("dbos", "DBOS Transact", "dbos", done=_WORKFLOWS),
    Kind("procrastinate", "procrastinate + journal", "procrastinate", done=_JOURNAL),
    Kind("asyncio", "plain asyncio, not durable", "plain_asyncio"),
)


class Peer(Contender):
    """A peer's workers, and who hands agents in."""

    def __init__(self, fleet: Fleet, kind: Kind, folder: Path) -> None:
        """Its environment is made, if it is not there yet, and a database.

        Raises:
            Unavailable: it cannot be installed here.
        """
        self._kind = kind
        self._python = str(environment.python(kind.folder))
        self.versions = environment.versions(kind.folder)
        self.database_url = _database(fleet.services.database_url, kind.name)
        self._env = {
            "PYTHONPATH": str(environment.FOLDER / "reference"),
            "PEER_ENGINE": fleet.settings.engine_url,
            "PEER_DATABASE": self.database_url,
            "PEER_REDIS": fleet.services.redis_url.rpartition("/")[0] + "/1",
            "PEER_CONCURRENCY": str(CONCURRENCY),
        }
        self._folder = folder / kind.name
        self._workers: dict[int, Speaker] = {}
        self._lines: dict[int, str] = {}
        self._client: Speaker | None = None

    def start(self, worker: int) -> None:
        """Start its program, and once the one that hands agents in."""
        self._workers[worker] = self._speaker(self._kind.mode, str(worker))
        if self._kind.done and self._client is None:
            self._client = self._speaker("submit", "0")

    def kill(self, worker: int) -> None:
        """SIGKILL it."""
        self._workers.pop(worker).kill()

    def restart(self, worker: int) -> None:
        """Start it again; without a queue its caller gives it its agents once more."""
        self.start(worker)
        if not self._kind.done:
            self._workers[worker].say(self._lines[worker])

    def stop(self) -> None:
        """End all its programs."""
        for process in [*self._workers.values(), *([self._client] if self._client else [])]:
            with suppress(ProcessLookupError):
                process.kill()
        self._workers.clear()
        self._client = None

    def pids(self) -> Sequence[int]:
        """The workers."""
        return [process.pid for process in self._workers.values()]

    def hand_in(self, run: str, agents: int) -> None:
        """Submit agents, or tell each worker which ones to run."""
        if self._client is not None:
            self._client.say(f"{run} 0 {agents}")
            self._client.hear("done", seconds=_READY_SECONDS)
            return
        share = -(-agents // len(self._workers))
        for place, (worker, process) in enumerate(self._workers.items()):
            self._lines[worker] = f"{run} {place * share} {min(share, agents - place * share)}"
            process.say(self._lines[worker])

    def wait(self, run: str, agents: int, *, seconds: float) -> None:
        """Wait until its journal says that all are done, or its workers do."""
        if self._kind.done:
            done = self._kind.done
            until(lambda: self.ask(done, [f"{run}-%"])[0][0] == agents, seconds=seconds, what=f"{agents} agents")
            return
        for process in self._workers.values():
            process.hear("done", seconds=seconds)

    def files(self, run: str) -> list[File]:
        """The batch's files, oldest first."""
        return [File(str(agent), at) for agent, at in self.ask(_FILES, [f"{run}-%"])]

    def writes(self, run: str) -> int:
        """Its rows of files and of memory."""
        return int(str(self.ask(_WRITES, {"a": f"{run}-%"})[0][0]))

    def _speaker(self, *words: str) -> Speaker:
        program = environment.FOLDER / self._kind.folder / "program.py"
        log = self._folder / f"{'-'.join(words)}.log"
        speaker = Speaker([self._python, str(program), *words], env=self._env, log=log)
        speaker.hear("ready", seconds=_READY_SECONDS)
        return speaker


def _database(url: str, name: str) -> str:
    """A fresh database on the same server."""
    database = f"peer_{name.replace('-', '_')}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    return make_url(url).set(database=database).render_as_string(hide_password=False)
