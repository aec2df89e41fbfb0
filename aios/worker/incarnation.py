"""An executing process' proof of life: one row, one heartbeat thread, and what it holds."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.db import workers
from aios.errors import AiosError
from aios.kernel.ids import new_token
from aios.kernel.words import Pool
from aios.log import logger
from aios.worker import host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from aios.db.session import Database
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
        self._void: set[UUID] = set()
        self._driven: Counter[UUID] = Counter()
        self._lock = threading.Lock()
        self._beating = threading.Lock()
        self._alive_until = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="aios-heartbeat", daemon=True)
        self.id = new_token()

    def start(self) -> None:
        """Register and beat from now on."""
        self._register()
        self._thread.start()
        threading.Thread(target=self._renew_on, name="aios-grants", daemon=True).start()
        threading.Thread(target=self._listen_on, name="aios-called-off", daemon=True).start()

    @property
    def silent(self) -> bool:
        """Whether this process has proved nothing for a lease, by its own monotonic time: others may have its work."""
        return time.monotonic() > self._alive_until

    def current(self) -> UUID:
        """The id to claim under. A process that was stopped, or whose database was away, first proves that it lives.

        Raises:
            DatabaseUnavailable: it cannot.
        """
        if self.silent:
            self.beat(only_if_silent=True)
        return self.id

    def valid(self, token: UUID) -> bool:
        """Whether a claim may still be executed: asked before a call that costs something."""
        with self._lock:
            return token not in self._void and not self.silent

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
        """Hand everything over and leave the process: a thread in it cannot be stopped, or it was told to end.

        That is no crash of what it held. What may be done once only is left for recovery to call unknown.
        """
        try:
            with self._database.transaction() as tx:
                claims = workers.claims(tx, self.id)
                workers.give_back(tx, self.id, tokens=claims.tokens, drives=claims.drives, begun=True)
                workers.release(tx, self.id)
        finally:
            os._exit(70)

    @contextmanager
    def holding(self, token: UUID) -> Iterator[None]:
        """Claim and execute one syscall inside.

        The token is known before the claim, so that a claim whose reply was lost is told from one that is under way.
        """
        self.expect(token)
        try:
            yield
        finally:
            self.forget(token)

    def expect(self, token: UUID) -> None:
        """A claim by this token is to come, and is no orphan until it is forgotten."""
        with self._lock:
            self._tokens.setdefault(token, None)

    def forget(self, token: UUID) -> None:
        """There is no claim by this token any more; if there is, it is an orphan."""
        with self._lock:
            self._tokens.pop(token, None)
            self._void.discard(token)

    def hold(self, call: Claimed) -> None:
        """The claim succeeded: keep it and its grant alive."""
        with self._lock:
            self._tokens[call.token] = call

    def settled(self, token: UUID) -> None:
        """The result is written: only the claim is kept, should it have to be written again."""
        with self._lock:
            if token in self._tokens:
                self._tokens[token] = None

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

    def beat(self, *, only_if_silent: bool = False) -> None:
        """One heartbeat: renew the lease, stop what was taken away, give back what was claimed without our knowing."""
        with self._beating:
            if only_if_silent and not self.silent:
                return
            now = time.monotonic()
            with self._database.transaction(durable=False) as tx:
                alive = workers.beat(tx, self.id, lease_seconds=self._settings.lease_seconds)
            if alive:
                self._alive_until = now + self._settings.lease_seconds
                self._stop_lost()
                self._give_back_orphans()
            else:
                self._begin_anew()

    def renew(self) -> None:
        """Keep the grants of what is executed here."""
        held = self.held()
        grants = [(call.pool, str(call.id)) for call in held]
        gone = set(self._ready.renew(grants, lease_seconds=self._settings.lease_seconds))
        lost = [call for call in held if call.pool == Pool.LLM and str(call.id) in gone]
        for call in lost:  # this process was stopped: a slot of the engine that others have by now is left to them
            log.warning("llm %s: its place went to another one; it is stopped and waits again", call.id)
        self._lose(lost)

    def _begin_anew(self) -> None:
        """Declared dead: every claim so far is, or soon will be, somebody else's."""
        log.warning("incarnation %s was declared dead; going on under a new one", self.id)
        with self._lock:
            self._void.update(self._tokens)
        self.id = new_token()
        self._register()
        for call in self.held():
            self._on_lost(call.id)

    def _stop_lost(self) -> None:
        held = self.held()
        with self._database.statement() as tx:
            gone = set(workers.lost(tx, [(call.id, call.token) for call in held]))
        with self._lock:
            self._void.update(gone & self._tokens.keys())
        self._lose([call for call in held if call.token in gone])

    def _lose(self, lost: Sequence[Claimed]) -> None:
        """Stop what is executed by these claims, and not what was given back and has been claimed here again since."""
        tokens = {call.token for call in lost}
        again = {call.id for call in self.held() if call.token not in tokens}
        for call in lost:
            if call.id not in again:
                self._on_lost(call.id)

    def _give_back_orphans(self) -> None:
        """What is claimed for this process, but not by anything in it: the reply to the claim was lost.

        The claims are read first and compared with what is known here afterwards: a token is known before its claim.
        """
        with self._database.statement() as tx:
            claims = workers.claims(tx, self.id)
        with self._lock:
            calls = [token for token in claims.tokens if token not in self._tokens]
            drives = [drive for drive in claims.drives if not self._driven[drive.agent]]
        if calls or drives:
            with self._database.transaction() as tx:
                workers.give_back(tx, self.id, tokens=calls, drives=drives)
            log.warning("gave back %d claims whose replies were lost", len(calls) + len(drives))

    def _register(self) -> None:
        row = workers.Process(
            incarnation=self.id,
            pools=self._role.pools,
            host=host.name(),
            pid=os.getpid(),
            born=host.birth(os.getpid()),
            concurrency=self._role.concurrency,
            programs=self._role.programs,
        )
        now = time.monotonic()
        with self._database.transaction() as tx:
            workers.register(tx, row, lease_seconds=self._settings.lease_seconds)
        self._alive_until = now + self._settings.lease_seconds

    def _beat_on(self) -> None:
        self._repeat(self.beat, what="heartbeat")

    def _renew_on(self) -> None:
        """Apart from the heartbeat: a Redis that hangs must not make a live process look dead."""
        self._repeat(self.renew, what="grants")

    def _listen_on(self) -> None:
        """Hear of cancelled syscalls at once; what is not heard is seen at the next heartbeat."""
        self._repeat(self._listen, what="cancellations")

    def _listen(self) -> None:
        for syscalls in self._ready.called_off(self._stop):
            if any(str(call.id) in syscalls for call in self.held()):
                self._stop_lost()

    def _repeat(self, work: Callable[[], None], *, what: str) -> None:
        while not self._stop.wait(self._settings.heartbeat_seconds):
            try:
                work()
            except AiosError as error:
                log.warning("%s: %s", what, error)
            except Exception:
                log.exception("%s raised; the next one tries again", what)
