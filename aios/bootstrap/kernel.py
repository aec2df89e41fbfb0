"""A worker process' kernel, wired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.bootstrap.executors import Executors
from aios.bootstrap.parts import Parts
from aios.db import scheduling, version, workers
from aios.kernel.keys import key_of
from aios.kernel.light import WRITES
from aios.kernel.words import Pool
from aios.worker.direct import Direct
from aios.worker.drive import Drive
from aios.worker.execute import Execution
from aios.worker.flusher import Flusher
from aios.worker.fused import Fused
from aios.worker.incarnation import Incarnation
from aios.worker.order import configured
from aios.worker.recovery import Recovery
from aios.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.kernel.program import Program
    from aios.kernel.values import JsonObject
    from aios.settings import Settings
    from aios.worker.incarnation import Role


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
        indexes = Pool.STORAGE in role.pools and role.concurrency > 0  # a pool's children leave it to their parent
        self._index = self.parts.store.index if indexes else None
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
        version.require(self.parts.database)

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
        if self._index is not None:
            self._index.start()

    def stop(self) -> None:
        """Stop ticking and beating; what is still held is taken over at once."""
        self.recovery.stop()
        if self._index is not None:
            self._index.stop()
        self.drive.live.close()
        self.flusher.stop()
        self.incarnation.stop()
        self.parts.close()
