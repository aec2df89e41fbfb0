"""Keeping the ready sets as they should be: limits, policy and, after a wipe or a change of policy, what is in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from aios.db import cores, recovery, scheduling, service, workers
from aios.dispatch import bells_of
from aios.kernel.scheduling import Fair, parameters_of, policy
from aios.kernel.words import Pool
from aios.llm.cores.capacity import Capacity
from aios.log import logger
from aios.ready import Rate
from aios.ready.sets import rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from aios.db.scheduling import Choice
    from aios.db.session import Database
    from aios.kernel.values import JsonObject
    from aios.ready import Bell, ReadySets
    from aios.settings import Settings

log = logger(__name__)

START = UUID(int=0)

Read: TypeAlias = "Callable[[UUID], tuple[list[Bell], UUID | None]]"
"""Reads the bells of one page of rows that wait, from an id on."""


@dataclass
class Order:
    """Brings what Postgres says of the scheduler into Redis."""

    database: Database
    ready: ReadySets
    settings: Settings

    def __post_init__(self) -> None:
        """Know the cores of the configuration."""
        self._slots = self.settings.llm.slots
        self._capacity = Capacity(self.settings)

    def keep(self, hold: Callable[[], None]) -> None:
        """Set limits and rates; fill the sets again when Redis has lost them, or orders by another policy.

        Args:
            hold: called now and then by what takes long; raises when another process may do the same by now.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        with self.database.transaction() as tx:
            choice = scheduling.choice(tx)
        rates = {
            key: Rate(limit.requests, limit.tokens)
            for key, limit in choice.limits.items()
            if limit.requests or limit.tokens
        }
        self.ready.limit(self._limits(choice), rates=rates, whole=True)
        wanted = rules_of(choice, self.settings)
        if self.ready.epoch() is None:
            log.warning("Redis has no ready sets: rebuilding them from Postgres")
            self._rebuild(wanted, hold)
        elif self.ready.policy() != wanted:
            log.warning("ready sets are ordered by %s from now on", wanted["name"])
            self._rebuild(wanted, hold)

    def _limits(self, choice: Choice) -> dict[str, int]:
        """How much may be granted: of a pool a window before its workers, of a key what was chosen, of `llm` the slots."""
        with self.database.transaction() as tx:
            live, stored = workers.capacity(tx), cores.listing(tx)
        limits = {pool.value: live.get(pool.value, 0) * self.settings.worker.window for pool in Pool}
        limits[Pool.LLM.value] = live.get(Pool.LLM.value, 0)
        chosen = {key: limit.slots for key, limit in choice.limits.items() if limit.slots is not None}
        served = self._capacity_of(chosen.get(Pool.LLM.value, self._slots)).limits(stored)
        chosen = {**served, **chosen, Pool.LLM.value: served[Pool.LLM.value]}
        return limits | {key: min(slots, limits.get(key, slots)) for key, slots in chosen.items()}

    def _capacity_of(self, slots: int) -> Capacity:
        """The cores' capacity, where that many slots belong to the one that `engine_url` names."""
        if slots != self._slots:
            llm = self.settings.llm.model_copy(update={"slots": slots})
            self._capacity = Capacity(self.settings.model_copy(update={"llm": llm}))
            self._slots = slots
        return self._capacity

    def _rebuild(self, wanted: JsonObject, hold: Callable[[], None]) -> None:
        """Grant nothing, fill the sets from Postgres, what runs first, and then allow grants again."""
        self.ready.clear(wanted)
        with self.database.transaction() as tx:
            running = recovery.running(tx)
            attained = service.attained(tx, half_life_seconds=wanted.get("half_life_seconds", 0.0))
            spent = service.spent(tx, seconds=60.0)
        self.ready.put(attained=attained, spent=spent)
        self.ready.put(bells_of(running), running_seconds=self.settings.worker.lease_seconds)
        for read in (partial(self.queued, older_seconds=0.0), self.runnable):
            last: UUID | None = START
            while last is not None:
                bells, last = read(last)
                hold()
                self.ready.put(bells)
        with self.database.transaction() as tx:
            running = recovery.running(tx)  # once more: what was claimed since is in neither of them, or stands in line
        self.ready.put(bells_of(running), running_seconds=self.settings.worker.lease_seconds)
        hold()
        self.ready.open()

    def queued(self, after: UUID, *, older_seconds: float) -> tuple[list[Bell], UUID | None]:
        """Bells of a page of queued syscalls older than that, and where the next page begins."""
        with self.database.transaction() as tx:
            page = recovery.queued(tx, older_seconds=older_seconds, after=after)
        return bells_of(page.rows), page.last

    def runnable(self, after: UUID) -> tuple[list[Bell], UUID | None]:
        """Bells of a page of agents that wait for a driver, and where the next page begins."""
        with self.database.transaction() as tx:
            page = recovery.runnable(tx, after=after)
        return bells_of(page.rows), page.last


def rules_of(choice: Choice, settings: Settings) -> JsonObject:
    """The policy that goes for all workers, as the ready sets want it; before any worker has started: this one's."""
    name = choice.policy or settings.scheduling.policy
    parameters = choice.parameters if choice.policy else configured(settings, name)
    chosen = policy(name, **{key: value for key, value in parameters.items() if key in parameters_of(name)})
    return rules(name, replace(chosen, weights=dict(choice.weights)) if isinstance(chosen, Fair) else chosen)


def configured(settings: Settings, name: str) -> dict[str, float]:
    """A policy's parameters as the configuration has them."""
    return {parameter: getattr(settings.scheduling, parameter) for parameter in parameters_of(name)}
