"""The executors of the pools, and what they are made of."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from aios.errors import Misconfigured
from aios.kernel.words import Pool

if TYPE_CHECKING:
    from uuid import UUID

    from aios.bootstrap.parts import Parts
    from aios.kernel.ports import Driver, Executor


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
    return MemoryExecutor(parts.embedder, cache, settings, database=parts.database, count=counter.count)
