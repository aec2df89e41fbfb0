"""The composition root: settings become a wired kernel. The only file that knows the concrete classes of several services."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from aios.db import cores, scheduling, workers
from aios.db.session import Database
from aios.dispatch import Dispatch, Publisher
from aios.errors import Misconfigured
from aios.kernel.keys import key_of
from aios.kernel.light import WRITES
from aios.kernel.words import Pool
from aios.ready import ReadySets
from aios.settings import secret
from aios.worker import host
from aios.worker.direct import Direct
from aios.worker.drive import Drive
from aios.worker.execute import Execution
from aios.worker.flusher import Flusher
from aios.worker.fused import Fused
from aios.worker.incarnation import Incarnation, Role
from aios.worker.order import configured
from aios.worker.recovery import Recovery
from aios.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from uuid import UUID

    from aios.kernel.ports import Driver, Embedder, Executor, ObjectStore
    from aios.kernel.program import Program
    from aios.kernel.routing import Core
    from aios.kernel.values import JsonObject
    from aios.llm.streams import TokenStreams
    from aios.settings import Settings
    from aios.storage.retention import Retention
    from aios.storage.store import Store
    from aios.tools.mcp.servers import McpServers
    from aios.tools.permits import RedisPermits
    from aios.tools.registry import Registry


@dataclass(frozen=True)
class Parts:
    """What every process needs: settings, the database, and a way to ring."""

    settings: Settings

    @cached_property
    def database(self) -> Database:
        """Postgres."""
        return Database(self.settings.database_url, pool_size=self.settings.database_pool)

    @cached_property
    def dispatch(self) -> Dispatch:
        """Ready sets and Celery's publisher."""
        if not self.settings.redis_url:
            raise Misconfigured("no Redis is configured", "run `aios up`, or set AIOS_REDIS_URL")
        publisher, url = Publisher(self.settings.redis_url), self.settings.scheduler
        at_once = self.settings.scheduling.rings and url == self.settings.redis_url
        rings = publisher.rings() if at_once else None
        return Dispatch(ReadySets(url, lease_seconds=self.settings.worker.grant_seconds, rings=rings), publisher)

    @cached_property
    def streams(self) -> TokenStreams:
        """Token streams in Redis."""
        from aios.llm.streams import TokenStreams  # noqa: PLC0415  # only who serves or follows tokens needs it

        return TokenStreams(self.settings.streams, settings=self.settings.llm)

    @cached_property
    def tools(self) -> Registry:
        """The tools that are loaded here."""
        from aios.tools.sources import load  # noqa: PLC0415  # a client needs none

        return load(self.settings, found=self.mcp, permits=self.permits)

    @cached_property
    def mcp(self) -> McpServers | None:
        """The MCP servers that are configured."""
        if not self.settings.tools.mcp:
            return None
        from aios.tools.mcp.servers import McpServers  # noqa: PLC0415  # an optional dependency

        return McpServers(self.settings.tools.mcp, lambda: self.database)

    @cached_property
    def permits(self) -> RedisPermits:
        """How many calls of a tool run at once, on all machines together."""
        from aios.tools.permits import RedisPermits  # noqa: PLC0415  # a client calls no tool

        me = host.process(os.getpid(), host.birth(os.getpid()))
        return RedisPermits(self.settings.scheduler, lease_seconds=self.settings.worker.lease_seconds, process=me)

    @cached_property
    def embedder(self) -> Embedder:
        """The configured embedder; loading its model takes a second, so whoever may not need it asks late."""
        return embedder(self.settings)

    @cached_property
    def store(self) -> Store:
        """Files."""
        from aios.storage import key  # noqa: PLC0415  # only who serves or shows files needs these
        from aios.storage.blobs import Blobs  # noqa: PLC0415
        from aios.storage.index import Index  # noqa: PLC0415
        from aios.storage.links import Links  # noqa: PLC0415
        from aios.storage.store import Store  # noqa: PLC0415

        given = self.settings.storage
        blobs = Blobs(objects(given.url))
        return Store(
            blobs,
            embedder=lambda: self.embedder,
            index=Index(self.database, blobs, embedder=lambda: self.embedder),
            links=Links(lambda: key.load(given.share_key, self.settings.data_dir)),
            file_bytes=given.file_bytes,
        )

    @property
    def file_retention(self) -> Retention:
        """How long files are kept."""
        from aios.storage.retention import Retention  # noqa: PLC0415  # only who prunes needs it

        given = self.settings.storage
        return Retention(self.store.blobs, given.keep_versions, given.keep_days)

    def stored_cores(self) -> list[Core]:
        """The cores that were added by command."""
        with self.database.statement() as tx:
            return cores.listing(tx)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("tools", "permits", "database", "dispatch", "streams"):
            if name in self.__dict__:
                self.__dict__[name].close()


class Executors(Mapping[str, "Executor"]):
    """One executor per pool, made when its first syscall comes: a pool's libraries load only where it is served."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._made: dict[str, Executor] = {}
        self._lock = threading.Lock()

    def __getitem__(self, pool: str) -> Executor:
        """The pool's executor."""
        with self._lock:
            if pool not in self._made:
                self._made[pool] = self._make(Pool(pool))
            return self._made[pool]

    def __iter__(self) -> Iterator[str]:
        """The pools that executed something here."""
        return iter(self._made)

    def __len__(self) -> int:
        """How many pools executed something here."""
        return len(self._made)

    def cancel(self, syscall: UUID) -> None:
        """Stop executing a syscall, wherever it is."""
        for executor in list(self._made.values()):
            executor.cancel(syscall)

    def _make(self, pool: Pool) -> Executor:
        parts = self._parts
        match pool:
            case Pool.LLM:
                from aios.db.checkpoints import StoredCheckpoints  # noqa: PLC0415
                from aios.llm.asides import Asides  # noqa: PLC0415
                from aios.llm.executor import LLMExecutor  # noqa: PLC0415
                from aios.llm.slices import Slicer  # noqa: PLC0415

                return Asides(
                    LLMExecutor(
                        router(parts),
                        sink=parts.streams,
                        toolbox=parts.tools,
                        settings=parts.settings.llm,
                        slicer=Slicer(StoredCheckpoints(parts.database), parts.dispatch.ready),
                    )
                )
            case Pool.MEMORY:
                return memory(parts)
            case Pool.STORAGE:
                from aios.storage.executor import StorageExecutor  # noqa: PLC0415

                return StorageExecutor(parts.store)
            case Pool.TOOL:
                from aios.tools.executor import Surroundings, ToolExecutor  # noqa: PLC0415

                around = Surroundings(self, parts.database, parts.settings.tools.result_bytes)
                return ToolExecutor(parts.tools, around)
            case _:
                raise Misconfigured(f"the pool {pool.value!r} executes no syscalls", "check the message's queue")


class Kernel:
    """A worker process' kernel."""

    def __init__(
        self, settings: Settings, role: Role, *, programs: Mapping[str, Program], told: list[JsonObject] | None = None
    ) -> None:
        """Wire a kernel; `start` makes it live.

        Args:
            settings: of this process.
            role: the pools it serves.
            programs: those it has loaded.
            told: rows for the table of programs, errors included.
        """
        self.parts = Parts(settings)
        self._told = told or []
        self._indexes = Pool.STORAGE in role.pools
        executors = Executors(self.parts)
        database, dispatch = self.parts.database, self.parts.dispatch
        self.incarnation = Incarnation(database, dispatch.ready, role, settings.worker, on_lost=executors.cancel)
        self.executors = executors
        watchdog = Watchdog(seconds=settings.worker.drive_seconds, on_hopeless=self.incarnation.die)
        tools = self.parts.tools.infos() if programs else {}
        limits = self.parts.tools.limits() if programs else {}
        self.tool_limits = {key_of(Pool.TOOL, name): limit for name, limit in limits.items()}
        fused = settings.worker.profile == "fused"
        writes = WRITES - {"storage.write"} if settings.storage.url else WRITES  # an object is put elsewhere first
        direct = Direct(database, executors, writes) if fused and settings.worker.at_once else None
        self.drive = Drive(database, dispatch, self.incarnation, programs, tools, watchdog, settings, direct)
        onward = self.drive if fused else None
        self.flusher = Flusher(database)
        self.execution = Execution(database, dispatch, self.incarnation, executors, settings, self.flusher, onward)
        self.fused = Fused.of(
            dispatch, self.drive, self.execution, pools=role.pools, on=fused, renews=role.concurrency > 0
        )
        self.recovery = Recovery(database, dispatch, settings, on_death=self.parts.permits.forget)

    def check(self) -> None:
        """See whether the database can be worked with.

        Raises:
            DatabaseUnavailable: it does not answer.
            SchemaMismatch: it is behind or ahead of this version.
        """
        from aios.db import schema  # noqa: PLC0415  # it imports Alembic, for which no client has to wait

        schema.require(self.parts.database)

    def start(self) -> None:
        """Check the schema, register, beat and tick.

        Raises:
            DatabaseUnavailable: it does not answer.
            SchemaMismatch: the database is behind or ahead of this version.
        """
        self.check()
        self.incarnation.start()
        self.flusher.start()
        settings, chosen = self.parts.settings, self.parts.settings.scheduling.policy
        with self.parts.database.transaction() as tx:
            scheduling.publish(tx, policy=chosen, parameters=configured(settings, chosen), slots=settings.llm.slots)
            scheduling.publish_limits(tx, self.tool_limits)
        if self._told:
            with self.parts.database.transaction() as tx:
                workers.publish_programs(tx, self._told)
        self.recovery.start()
        if self._indexes and self.parts.store.index is not None:
            self.parts.store.index.start()

    def stop(self) -> None:
        """Stop ticking and beating; what is still held is taken over at once."""
        self.recovery.stop()
        self.drive.live.close()
        self.flusher.stop()
        self.incarnation.stop()
        self.parts.close()


def router(parts: Parts) -> Driver:
    """The driver of all cores: those of the configuration, and those of the table.

    Raises:
        Misconfigured: there is none.
    """
    from aios.llm.cores.drivers import Drivers, driver  # noqa: PLC0415  # a client speaks to no core
    from aios.llm.cores.purse import Purse  # noqa: PLC0415
    from aios.llm.cores.registry import Registry  # noqa: PLC0415
    from aios.llm.cores.router import Router  # noqa: PLC0415
    from aios.llm.cores.shared import RedisStates, SharedStates  # noqa: PLC0415

    settings = parts.settings
    drivers = Drivers(lambda core: driver(core, settings.llm))
    states = SharedStates(RedisStates(settings.scheduler))
    purse = Purse(mean_quality=settings.llm.mean_quality, patience_seconds=settings.llm.patience_seconds)
    return Router(Registry(settings, parts.stored_cores), drivers, states, purse)


def objects(url: str) -> ObjectStore | None:
    """The object store of a URL; None: contents are in Postgres.

    Raises:
        Misconfigured: the URL is none.
    """
    if not url:
        return None
    from aios.storage.objects import FsspecObjects  # noqa: PLC0415  # fsspec is for who wants it

    return FsspecObjects(url)


def memory(parts: Parts) -> Executor:
    """The executor of the pool `memory`: tokens are counted by the cores, which are asked only when somebody wants that."""
    from aios.kernel.lru_k import Marks  # noqa: PLC0415
    from aios.llm.counter import Counter  # noqa: PLC0415
    from aios.memory.cache import RedisCache  # noqa: PLC0415
    from aios.memory.executor import MemoryExecutor  # noqa: PLC0415

    settings = parts.settings.memory
    marks = Marks.of(settings.quota_bytes, high=settings.high, low=settings.low)
    cache = RedisCache(parts.settings.cache, marks=marks, k=settings.k)
    counter = Counter(lambda: router(parts))
    return MemoryExecutor(embedder(parts.settings), cache, settings, database=parts.database, count=counter.count)


def embedder(settings: Settings) -> Embedder:
    """The configured embedder.

    Raises:
        Misconfigured: there is none of that name.
    """
    match settings.embedder:
        case "minilm":
            from aios.memory.minilm import MiniLM  # noqa: PLC0415  # loads onnxruntime

            return MiniLM()
        case "hashing":
            from aios.memory.hashing import Hashing  # noqa: PLC0415

            return Hashing()
        case "openai":
            from aios.memory.openai import OpenAIEmbedder  # noqa: PLC0415

            given = settings.memory
            return OpenAIEmbedder(
                given.embeddings_url,
                model=given.embeddings_model,
                key=secret(given.embeddings_key_env) if given.embeddings_key_env else "",
                dimensions=given.embeddings_dimensions,
                seconds=given.embeddings_seconds,
            )
        case other:
            raise Misconfigured(f"embedder = {other!r}", "set AIOS_EMBEDDER to minilm, openai or hashing")
