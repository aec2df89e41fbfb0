"""The client's face of a system's gauges: one look at everything that `aios top` shows."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from aios.db import gauges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.bootstrap.parts import Parts
    from aios.kernel.values import JsonObject

_FAILURES = 20


@dataclass(frozen=True)
class Gauges:
    """How a system fares at one moment.

    Attributes:
        at_seconds: when, by this host's monotonic clock: only differences mean anything.
        states: agents by state; those that ended within a minute included.
        queues: per pool and priority `queued`, `running` and `oldest_seconds`.
        capacity: per pool `workers` and `places`.
        cores: as `Client.cores` gives them.
        agents: with `waiting_seconds`, `service_seconds` and what they are `doing`.
        tokens: spent by each agent so far, prompts included.
        failures: the latest agents that failed.
        approvals: what waits for a human.
    """

    at_seconds: float
    states: dict[str, int]
    queues: Sequence[JsonObject]
    capacity: dict[str, JsonObject]
    cores: Sequence[JsonObject]
    agents: Sequence[JsonObject]
    tokens: dict[str, int]
    failures: Sequence[JsonObject]
    approvals: Sequence[JsonObject]

    def tokens_per_second(self, before: Gauges) -> float:
        """Tokens that were spent since an earlier look, per second."""
        passed = self.at_seconds - before.at_seconds
        spent = sum(max(0, count - before.tokens.get(agent, 0)) for agent, count in self.tokens.items())
        return spent / passed if passed > 0 else 0.0

    def to_json(self) -> JsonObject:
        """All but the clock, for scripts."""
        told = asdict(self)
        del told["at_seconds"], told["tokens"]
        return told


class Looks:
    """Looking at a system, for the client."""

    _parts: Parts

    if TYPE_CHECKING:

        def cores(self) -> list[JsonObject]:
            """As the client's."""

        def approvals(self, agent: str | None = None, *, every: bool = False) -> Sequence[JsonObject]:
            """As the client's."""

    def gauges(self, *, limit: int = 200) -> Gauges:
        """How the system fares now.

        Args:
            limit: agents that are told one by one, at most.
        """
        with self._parts.database.statement() as tx:
            found = Gauges(
                at_seconds=time.monotonic(),
                states=gauges.states(tx),
                queues=gauges.queues(tx),
                capacity=gauges.capacity(tx),
                cores=[],
                agents=gauges.agents(tx, limit=limit),
                tokens=gauges.tokens(tx),
                failures=gauges.failures(tx, limit=_FAILURES),
                approvals=[],
            )
        return Gauges(**{**found.__dict__, "cores": self.cores(), "approvals": self.approvals()})
