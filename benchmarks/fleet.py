"""A system to measure: servers, engine and workers as real processes, and what they all cost."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil
import psycopg
import redis

from aios.db import schema
from aios.db.session import Database
from aios.local.ports import free_port
from aios.local.process import Process
from aios.local.stack import Services
from aios.local.unit import Unit
from aios.sdk.client import Client
from aios.settings import Settings, app_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_PROGRAMS = Path(__file__).with_name("programs")


class Fleet:
    """Servers and the simulated engine; workers are added by `worker`. Everything ends with the `with` block."""

    def __init__(self, folder: Path, *, slots: int, engine: tuple[str, ...], profile: str = "pools") -> None:
        """Nothing is started before `with`.

        Args:
            folder: where data and logs go.
            slots: LLM calls in flight at most.
            engine: the engine's options, less its address.
            profile: how work changes hands, `pools` or `fused`.
        """
        self._folder = folder
        self._slots = slots
        self._options = engine
        self._profile = profile
        self._stack = ExitStack()
        self._units: dict[str, Unit] = {}

    def __enter__(self) -> Self:
        with self._stack:
            self.services = self._stack.enter_context(Services(self._folder / "services"))
            port = free_port()
            self.settings = Settings(
                data_dir=self._folder,
                database_url=self.services.database_url,
                redis_url=self.services.redis_url,
                engine_url=f"http://127.0.0.1:{port}",
            )
            database = Database(self.settings.database_url)
            schema.upgrade(database)
            database.close()
            self._engine(port)
            self.client = self._stack.enter_context(Client(self.settings))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    @property
    def environment(self) -> Mapping[str, str]:
        """What every process of this system gets."""
        return {
            "AIOS_DATA_DIR": str(self._folder),
            "AIOS_DATABASE_URL": self.settings.database_url,
            "AIOS_REDIS_URL": self.settings.redis_url,
            "AIOS_ENGINE_URL": self.settings.engine_url,
            "AIOS_AGENTS_PATH": str(_PROGRAMS),
            "AIOS_LLM__SLOTS": str(self._slots),
            "AIOS_WORKER__PROFILE": self._profile,
            "AIOS_LOG_LEVEL": "WARNING",
        }

    def worker(
        self, name: str, *, queues: str, concurrency: int, app: str = "tasks", more: Mapping[str, str] | None = None
    ) -> None:
        """Start a worker, with `more` in its environment, and wait until it takes messages."""
        ready = self._folder / f"{name}.ready"
        ready.unlink(missing_ok=True)
        argv = (
            *(sys.executable, "-m", "celery", "--workdir", str(app_dir()), "-A", app, "worker", "--queues", queues),
            *("--hostname", f"{name}@%h", "--pool", "threads", "--concurrency", str(concurrency)),
            *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
        )
        env = {**self.environment, "AIOS_READY_FILE": str(ready), **(more or {})}
        process = Process(name=name, argv=argv, env=env, folder=self._folder)
        self._bring_up(process)
        end = time.monotonic() + 30
        while app == "tasks" and not ready.exists() and time.monotonic() < end:
            time.sleep(0.05)

    def pid(self, name: str) -> int:
        """The pid of a worker."""
        child = self._units[name].child
        assert child is not None
        return child.pid

    def stop(self, *names: str) -> None:
        """Stop workers."""
        for name in names:
            self._units.pop(name).stop()

    def kill(self, *names: str) -> None:
        """SIGKILL workers."""
        for name in names:
            self._units.pop(name).kill()

    def cpu_seconds(self) -> dict[str, float]:
        """CPU that each part has used since it was started, children included."""
        used = {name: _cpu(unit.child.pid) for name, unit in self._units.items() if unit.child}
        return used | {
            "postgres": _cpu(self.services.postgres.pid),
            "valkey": _cpu(self.services.valkey.pid),
            "client": sum(psutil.Process().cpu_times()[:2]),
        }

    def memory_bytes(self) -> dict[str, int]:
        """Memory (PSS) of each part, children included; of Valkey what it says that its data takes."""
        used = {name: _pss(unit.child.pid) for name, unit in self._units.items() if unit.child}
        with redis.Redis.from_url(self.settings.redis_url) as client:
            data = int(client.info("memory")["used_memory"])
        mine = psutil.Process().memory_full_info().pss  # its children are the others
        return used | {"postgres": _pss(self.services.postgres.pid), "valkey": data, "client": mine}

    def tell_engine(self, **script: object) -> None:
        """Tell a scripted engine what to do from now on; what is not given stays as it was."""
        said = json.dumps(script).encode()
        asked = urllib.request.Request(f"{self.settings.engine_url}/script", said, {"content-type": "application/json"})
        urllib.request.urlopen(asked, timeout=5).close()  # our own engine on loopback

    def commits(self) -> int:
        """Transactions that Postgres has committed."""
        with psycopg.connect(self.settings.database_url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_clear_snapshot()")
            row = connection.execute("SELECT sum(xact_commit) FROM pg_stat_database").fetchone()
        assert row is not None
        return int(row[0])

    def messages(self) -> int:
        """Messages that were published: every one is an LPUSH."""
        stats = redis.Redis.from_url(self.settings.redis_url).info("commandstats")
        return int(stats.get("cmdstat_lpush", {}).get("calls", 0))

    def _engine(self, port: int) -> None:
        where = ("--host", "127.0.0.1", "--port", str(port), "--max-concurrent-requests", "512")
        argv = (sys.executable, "-m", "aios.local.engine", "--backend", "simulated", *where, *self._options)
        self._bring_up(
            Process(name="engine", argv=argv, folder=self._folder, ready=lambda _: _answers(self.settings.engine_url))
        )

    def _bring_up(self, process: Process) -> None:
        unit = Unit(process, log=self._folder / "logs" / f"{process.name}.log")
        self._units[process.name] = unit
        self._stack.callback(unit.stop)
        unit.bring_up()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/health", timeout=2).close()  # our own engine on loopback
    except OSError:
        return False
    return True


def _cpu(pid: int) -> float:
    """CPU seconds of a process and its living children, and of those that it has waited for."""
    return _sum(pid, lambda process: sum(process.cpu_times()[:4]))


def _pss(pid: int) -> int:
    """Memory of a process and its living children, what they share counted once."""
    return int(_sum(pid, lambda process: process.memory_full_info().pss))


def _sum(pid: int, figure: Callable[[psutil.Process], float]) -> float:
    used = 0.0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                used += figure(process)
    return used
