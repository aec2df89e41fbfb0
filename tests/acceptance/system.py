"""A whole AIOS of real processes: servers, engine, workers. A test kills them for real; what died is started again."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import psutil
import psycopg

from aios.db import schema
from aios.db.session import Database
from aios.local.ports import free_port
from aios.local.process import Process
from aios.local.stack import Services
from aios.local.unit import State, Unit
from aios.sdk.client import Client
from aios.settings import Settings, app_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

THREADS = ("--pool", "threads", "--concurrency")
PREFORK = ("--pool", "prefork", "--concurrency")


@dataclass(frozen=True)
class Node:
    """One worker process to run: its name, its queues, its pool, and what differs in its environment or folder."""

    name: str
    queues: str
    pool: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    app: Path | None = None


FLEET = (
    Node("agent-1", "agent", (*THREADS, "4")),
    Node("agent-2", "agent", (*THREADS, "4")),
    Node("llm-1", "llm", (*THREADS, "4")),
    Node("llm-2", "llm", (*THREADS, "4")),
    Node("effects-1", "memory,storage,system", (*THREADS, "4")),
    Node("tool-1", "tool", (*PREFORK, "2")),
)
"""Two of what matters most, one of the rest: as many processes as two cores bear."""


class System:
    """Servers, engine and workers in one folder: `with System(tmp_path) as system: system.client.submit(...)`."""

    def __init__(
        self,
        folder: Path,
        *,
        fleet: tuple[Node, ...] = FLEET,
        engine: tuple[str, ...] = ("--backend", "scripted"),
        services: Services | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is started before `start`, or before `with`.

        Args:
            folder: where data and logs go.
            fleet: the workers.
            engine: the engine's options, less its address and log.
            services: servers that somebody else starts and stops; None: own ones.
            env: further settings of all processes, as `AIOS_*`.
        """
        self.folder = folder
        self._own = services is None
        self.services = services or Services(folder / "services", durable=False)
        self.engine_log = folder / "engine.jsonl"
        self._engine_options = engine
        self._engine_port = free_port()
        self._given = dict(env or {})
        self._fleet = fleet
        self.units: dict[str, Unit] = {}
        self.down: set[str] = set()
        self.longest_outage = 12.0
        self.longest_pause = 4.0
        self.restarts = 0
        self._client: Client | None = None

    # --- life -------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything and wait until it works."""
        if self._own:
            self.services.start()
        self.migrate()
        self.units["engine"] = self._engine()
        for node in self._fleet:
            self.units[node.name] = self._worker(node)
        for unit in self.units.values():
            unit.start()
        self.wait(lambda: not self.waiting(), seconds=90, what="the processes to be ready")
        self._client = Client(self.settings)

    def stop(self) -> None:
        """Stop everything; nothing that was started lives on."""
        if self._client is not None:
            self._client.close()
        for name, unit in self.units.items():
            if name != "engine":
                unit.kill()
        for unit in self.units.values():
            unit.kill()
        if self._own:
            self.services.stop()

    def migrate(self) -> None:
        """Bring the database to the present schema."""
        database = Database(self.services.database_url)
        try:
            schema.upgrade(database)
        finally:
            database.close()

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

    # --- what a supervisor does -------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Look after the processes once: what has died is started again, unless it is meant to be down."""
        for name, unit in self.units.items():
            with suppress(psycopg.Error):
                death = unit.tick()
                if death is not None and name not in self.down:
                    self.restarts += 1
                    unit.start()

    def waiting(self) -> list[str]:
        """Names of the processes that are not ready."""
        return [name for name, unit in self.units.items() if unit.state is not State.RUNNING]

    def wait(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Look after the processes until something holds.

        Raises:
            AssertionError: it does not within `seconds`.
        """
        end = time.monotonic() + seconds
        while not self._holds(condition):
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s for {what}\n{self.tails()}")
            time.sleep(0.05)

    def _holds(self, condition: Callable[[], bool]) -> bool:
        self.tick()
        try:
            return condition()
        except psycopg.OperationalError:  # Postgres is down just now: not yet
            return False

    def pause(self, seconds: float) -> None:
        """Let time pass; processes are looked after meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.tick()
            time.sleep(0.02)

    def tails(self) -> str:
        """The last lines of every process' log, for a failure's message."""
        parts = [f"--- {name}\n{unit.child.tail(lines=8)}" for name, unit in self.units.items() if unit.child]
        return "\n".join(parts)

    # --- looking at it ------------------------------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """A client of the started system."""
        assert self._client is not None
        return self._client

    @property
    def settings(self) -> Settings:
        """The settings that the processes have, for a client."""
        return Settings(
            data_dir=self.folder,
            database_url=self.services.application_url,  # as under `aios up`: no worker needs to own a table
            redis_url=self.services.redis_url,
            engine_url=self.engine_url,
        )

    @property
    def engine_url(self) -> str:
        """Where the engine listens, over all its restarts."""
        return f"http://127.0.0.1:{self._engine_port}"

    @property
    def env(self) -> dict[str, str]:
        """The environment of every process."""
        own = {
            "AIOS_DATA_DIR": str(self.folder),
            "AIOS_DATABASE_URL": self.services.application_url,
            "AIOS_REDIS_URL": self.services.redis_url,
            "AIOS_ENGINE_URL": self.engine_url,
            "AIOS_EMBEDDER": "hashing",
            "AIOS_LOG_LEVEL": "INFO",
        }
        return {**own, **self._given}

    def query(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Ask Postgres directly, past all of our own code."""
        with psycopg.connect(self.services.database_url, connect_timeout=5, autocommit=True) as connection:
            return connection.execute(statement, values).fetchall()

    def counters(self) -> dict[str, int]:
        """What recovery has counted since the database was made."""
        names = ("rung_again", "fenced", "requeued", "refused")
        return dict(
            zip(names, map(int, map(str, self.query(f"SELECT {', '.join(names)} FROM recovery")[0])), strict=True)
        )

    def script(self, **parts: object) -> None:
        """Tell the scripted engine what to answer from now on."""
        body = json.dumps(parts).encode()
        request = urllib.request.Request(f"{self.engine_url}/script", body, {"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=5).close()

    def calls(self) -> Iterator[dict[str, object]]:
        """The engine's log: one entry per start and end of a call."""
        if self.engine_log.exists():
            for line in self.engine_log.read_text().splitlines():
                yield json.loads(line)

    # --- the processes ------------------------------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        """The pid of a process' present run."""
        child = self.units[name].child
        assert child is not None
        return child.pid

    def children(self, name: str) -> list[int]:
        """The pids of a prefork worker's pool children."""
        found = []
        for child in psutil.Process(self.pid(name)).children():
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile, and is a zombie until its parent looks
                if "resource_tracker" not in " ".join(child.cmdline()):
                    found.append(child.pid)
        return found

    def workers(self) -> list[str]:
        """Names of the workers."""
        return [node.name for node in self._fleet]

    def _engine(self) -> Unit:
        where = ("--host", "127.0.0.1", "--port", str(self._engine_port), "--log", str(self.engine_log))
        argv = (sys.executable, "-m", "aios.local.engine", *where, *self._engine_options)
        process = Process(name="engine", argv=argv, env=self.env, folder=self.folder, ready=self._engine_answers)
        return Unit(process, log=self.folder / "logs" / "engine.log")

    def _engine_answers(self, _pid: int) -> bool:
        try:
            urllib.request.urlopen(f"{self.engine_url}/health", timeout=2).close()
        except OSError:
            return False
        return True

    def _worker(self, node: Node) -> Unit:
        app = str(node.app or app_dir())
        celery = (sys.executable, "-m", "celery", "--workdir", app, "-A", "tasks", "worker")
        names = ("--hostname", f"{node.name}@%h", "--queues", node.queues, "--loglevel", "WARNING")
        argv = (*celery, *names, "--events", "--without-gossip", "--without-mingle", *node.pool)
        process = Process(
            name=node.name,
            argv=argv,
            env={**self.env, **node.env},
            folder=self.folder,
            ready=lambda pid: self._are_registered(
                pid, children=int(node.pool[-1]) if node.pool[:2] == PREFORK[:2] else 0
            ),
        )
        return Unit(process, log=self.folder / "logs" / f"{node.name}.log")

    def _are_registered(self, pid: int, *, children: int) -> bool:
        """Whether the kernel knows the worker and its pool's children, and they are of now: pids come again."""
        alive = "SELECT count(*) FROM workers WHERE pid = ANY(%s) AND alive_until > clock_timestamp()"
        try:
            pids = [pid, *(child.pid for child in psutil.Process(pid).children())]
            return bool(self.query(alive, [pid])[0][0] and self.query(alive, pids)[0][0] == 1 + children)
        except (psycopg.OperationalError, psutil.NoSuchProcess):
            return False


def leave_nothing(folder: Path) -> list[str]:
    """Command lines of processes whose environment names `folder`: what a test left behind."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get("AIOS_DATA_DIR") == str(folder):
                found.append(" ".join(process.cmdline()))
    return found
