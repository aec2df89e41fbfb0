"""An executing process' proof of life: one row, one heartbeat thread, and what it holds."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from aios.db import workers
from aios.errors import AiosError
from aios.kernel.ids import new_token
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from aios.db.session import Database, Transaction
    from aios.kernel.ports import Claimed
    from aios.ready import ReadySets
    from aios.settings import WorkerSettings

log = logger(__name__)


@dataclass(frozen=True)
class Role:
    """What a process is for.

    Attributes:
        concurrency: how much it executes at once; 0 for a pool child, whose parent counts it.
        programs: names of the programs it has loaded, when it serves the `agent` pool.
    """

    pools: tuple[str, ...]
    concurrency: int
    programs: tuple[str, ...] = ()


class Incarnation:
    """This process as the kernel knows it. Declared dead, it goes on under a new id; its old claims are lost."""

    def __init__(
        self,
        database: Database,
        ready: ReadySets,
        role: Role,
        settings: WorkerSettings,
        *,
        on_lost: Callable[[UUID], None],
    ) -> None:
        self._database = database
        self._ready = ready
        self._role = role
        self._settings = settings
        self._on_lost = on_lost
        self._tokens: dict[UUID, Claimed | None] = {}
        self._driven: Counter[UUID] = Counter()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="aios-heartbeat", daemon=True)
        self.id = new_token()

    def start(self) -> None:
        """Register and beat from now on."""
        self._register()
        self._thread.start()

    def stop(self) -> None:
        """Beat no more, and let recovery take what is still held at once."""
        self._stop.set()
        self._thread.join(timeout=self._settings.lease_seconds)
        with self._database.transaction() as tx:
            if self.held():
                workers.release(tx, self.id)
            else:
                workers.leave(tx, self.id)

    def retire(self) -> None:
        """Leave the process if it is a pool's child, which its parent replaces; other processes stay."""
        if self._role.concurrency == 0:
            self.die()

    def die(self) -> None:
        """Give everything up and leave the process: a thread in it cannot be stopped."""
        try:
            with self._database.transaction() as tx:
                workers.release(tx, self.id)
        finally:
            os._exit(70)

    @contextmanager
    def holding(self, token: UUID) -> Iterator[None]:
        """Claim and execute one syscall inside.

        The token is known before the claim, so that a claim whose reply was lost is told from one that is under way.
        """
        with self._lock:
            self._tokens[token] = None
        try:
            yield
        finally:
            with self._lock:
                del self._tokens[token]

    def hold(self, call: Claimed) -> None:
        """The claim succeeded: keep it and its grant alive."""
        with self._lock:
            self._tokens[call.token] = call

    @contextmanager
    def driving(self, agent: UUID) -> Iterator[None]:
        """Claim and drive one agent inside."""
        with self._lock:
            self._driven[agent] += 1
        try:
            yield
        finally:
            with self._lock:
                self._driven[agent] -= 1
                self._driven += Counter()  # drops what is zero

    def held(self) -> Sequence[Claimed]:
        """What is executed here now."""
        with self._lock:
            return [call for call in self._tokens.values() if call is not None]

    def beat(self) -> None:
        """One heartbeat: renew the lease and the grants, stop what was taken away."""
        held = self.held()
        with self._database.transaction(durable=False) as tx:
            alive = workers.beat(tx, self.id, lease_seconds=self._settings.lease_seconds)
        with self._database.transaction() as tx:
            self._give_back_orphans(tx)
            gone = workers.lost(tx, [(call.id, call.token) for call in held])
        if not alive:
            log.warning("incarnation %s was declared dead; going on under a new one", self.id)
            self.id = new_token()
            self._register()
        for syscall in gone:
            self._on_lost(syscall)
        lost = set(gone)
        mine = [(call.pool, str(call.id)) for call in held if call.id not in lost]
        self._ready.renew(mine, lease_seconds=self._settings.lease_seconds)

    def _give_back_orphans(self, tx: Transaction) -> None:
        """What is claimed for this process, but not by anything in it: the reply to the claim was lost."""
        with self._lock:
            tokens, driven = list(self._tokens), list(self._driven)
        orphans = workers.give_back_orphans(tx, self.id, tokens=tokens, driven=driven)
        if orphans:
            log.warning("gave back %d claims whose replies were lost", orphans)

    def _register(self) -> None:
        process = psutil.Process()
        row = workers.Process(
            incarnation=self.id,
            pools=self._role.pools,
            host=host(),
            pid=process.pid,
            born=process.create_time(),
            concurrency=self._role.concurrency,
            programs=self._role.programs,
        )
        with self._database.transaction() as tx:
            workers.register(tx, row, lease_seconds=self._settings.lease_seconds)

    def _beat_on(self) -> None:
        while not self._stop.wait(self._settings.heartbeat_seconds):
            try:
                self.beat()
            except AiosError as error:
                log.warning("heartbeat: %s", error)


def host() -> str:
    """This machine and its process ids' namespace: pids are compared only within one."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115  # it is no path, it is a name
    except OSError:
        namespace = "pid"
    return f"{socket.gethostname()}/{namespace}"


def is_alive(pid: int, born: float) -> bool:
    """Whether this process of this host still runs (and is not another one with the same pid)."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - born) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
