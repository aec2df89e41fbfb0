"""A kernel without processes: real Postgres, real ready sets, real drives and executions, called by hand.

What a worker's death does is simulated where it matters, at the commits: a `Crash` before one loses the transaction, a
`Crash` after one loses all that the worker would have done next. Then recovery, the real one, takes over.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from functools import partial
from uuid import UUID

import redis

from aios.db import workers
from aios.db.session import Database
from aios.dispatch import Dispatch
from aios.errors import Ignored
from aios.kernel.words import Pool
from aios.ready import ReadySets
from aios.sdk.client import Client
from aios.settings import AccessSettings, RetrySettings, Settings, WorkerSettings
from aios.worker.direct import Direct
from aios.worker.drive import Drive
from aios.worker.execute import Execution
from aios.worker.flusher import Flusher
from aios.worker.fused import Fused
from aios.worker.incarnation import Incarnation, Role
from aios.worker.recovery import Recovery
from aios.worker.watchdog import Watchdog

LEASE_SECONDS = 0.05


class Crash(BaseException):
    """The worker dies here."""


class Frail(Database):
    """A database whose user dies at some of its commits."""

    chance = 0.0
    numbers = random.Random(0)

    @contextmanager
    def transaction(self, *, durable=True):
        with super().transaction(durable=durable) as tx:
            yield tx
            self.maybe("before a commit")
        self.maybe("after a commit")

    @contextmanager
    def statement(self):
        self.maybe("before a statement")
        with super().statement() as tx:
            yield tx
        self.maybe("after a statement")

    def maybe(self, where):
        if self.numbers.random() < self.chance:
            raise Crash(where)


class Recorder:
    """A publisher that keeps the bells instead of sending them."""

    def __init__(self):
        self.bells = []

    def publish(self, bells):
        self.bells.extend(bells)

    def close(self):
        pass


class World:
    """One AIOS. `run` rings until nothing rings; `crash` is the chance of dying at each commit; `fused` is the profile."""

    def __init__(
        self,
        database_url,
        redis_url,
        *,
        programs,
        executors,
        seed=0,
        crash=0.0,
        tools=None,
        access=None,
        fused=False,
        direct=True,
    ):
        self.on = fused
        self.directly = fused and direct
        self.drive = None
        self.settings = Settings(
            database_url=database_url,
            redis_url=redis_url,
            worker=WorkerSettings(lease_seconds=30),
            retry=RetrySettings(crashes=1000),
            access=access or AccessSettings(once_tools="allow", code="allow"),  # nobody is there to be asked
        )
        self.database = Frail(database_url)
        self.numbers = self.database.numbers = random.Random(seed)
        self.chance = crash
        self.recorder = Recorder()
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        self.ready = ReadySets(redis_url, lease_seconds=LEASE_SECONDS)
        self.dispatch = Dispatch(self.ready, self.recorder)
        self.programs, self.executors, self.tools = programs, executors, tools or {}
        self.recovery = Recovery(self.database, self.dispatch, self.settings)
        self.client = Client(self.settings)
        self.client._parts.__dict__["dispatch"] = self.dispatch
        self.crashes = 0
        self.born()

    def born(self):
        """A new worker process for all pools."""
        role = Role(tuple(pool.value for pool in Pool), 1000, tuple(self.programs))
        self.incarnation = Incarnation(self.database, self.ready, role, self.settings.worker, on_lost=lambda _: None)
        self.incarnation._register()
        watchdog = Watchdog(seconds=10, on_hopeless=lambda: None)
        if self.drive is not None:
            self.drive.live.close()  # what the process before it kept died with it
        direct = Direct(self.database, self.executors) if self.directly else None
        self.drive = Drive(
            self.database, self.dispatch, self.incarnation, self.programs, self.tools, watchdog, self.settings, direct
        )
        onward = self.drive if self.on else None
        self.flusher = Flusher(self.database)
        self.execution = Execution(
            self.database, self.dispatch, self.incarnation, self.executors, self.settings, self.flusher, onward
        )
        self.fused = Fused.of(self.dispatch, self.drive, self.execution, pools=self.executors, on=self.on)
        self.recovery.tick()

    def run(self, *, steps=10_000):
        """Ring, in any order, until no bell is left and the tick finds nothing to do."""
        for _ in range(steps):
            if not self.recorder.bells:
                time.sleep(LEASE_SECONDS * 1.2)  # grants of bells that a dead worker had in hand run out
                self.recovery.tick()
                if not self.recorder.bells:
                    return
            self.answer(self.recorder.bells.pop(self.numbers.randrange(len(self.recorder.bells))))
        raise AssertionError("it never comes to rest")

    def answer(self, bell):
        """Do what a worker does with a bell's chain."""
        self.database.chance = self.chance
        try:
            for position, (pool, op, member) in enumerate(bell.links):
                chained = position + 1 < len(bell.links)
                work = (
                    partial(self.drive.run, UUID(member))
                    if op == "resume"
                    else partial(self.execution.run, UUID(member), pool=pool, chained=chained)
                )
                self.fused.run(work)
                self.flusher.flush()
        except Ignored:
            pass
        except Crash:
            self.die()
        finally:
            self.database.chance = 0.0

    def die(self):
        """The worker is gone: its lease ends, another one is born."""
        self.database.chance = 0.0
        self.crashes += 1
        self.drive.live.close()  # a process takes its programs along; here they would linger
        with self.database.transaction() as tx:
            workers.release(tx, self.incarnation.id)
        self.born()

    def close(self):
        self.drive.live.close()
        self.client.close()
        self.database.close()
        self.ready.close()
