"""This kernel as one of the contenders, in one of its profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.contenders import CONCURRENCY, Contender, File, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.fleet import Fleet

PROFILES = ("pools", "fused")
_DONE = "SELECT count(*) FROM agents WHERE id = ANY(%s::uuid[]) AND state = 'done'"
_FILES = "SELECT agent_id::text, created_at FROM file_versions WHERE agent_id = ANY(%s::uuid[]) ORDER BY created_at"
_WRITES = """
    SELECT (SELECT count(*) FROM file_versions WHERE agent_id = ANY(%(ids)s::uuid[]))
        + (SELECT coalesce(sum(version), 0) FROM memory_blocks WHERE agent_id = ANY(%(ids)s::uuid[]))
"""


class Kernel(Contender):
    """AIOS, each worker a process that serves all queues."""

    def __init__(self, fleet: Fleet, profile: str) -> None:
        """Use a fleet's servers.

        Args:
            fleet: the servers.
            profile: how work changes hands, `pools` or `fused`.
        """
        self.versions = {}
        self._profile = profile
        self.database_url = fleet.settings.database_url
        self._fleet = fleet
        self._workers: set[str] = set()
        self._agents: dict[str, list[str]] = {}

    def start(self, worker: int) -> None:
        """Start a process that serves all queues."""
        name = self._unit(worker)
        more = {
            "AIOS_WORKER__PROFILE": self._profile,
            "AIOS_EMBEDDER": "hashing",
            "AIOS_DATABASE_POOL": str(CONCURRENCY),
        }
        self._fleet.worker(name, queues="agent,llm,memory,storage", concurrency=CONCURRENCY, more=more)
        self._workers.add(name)

    def kill(self, worker: int) -> None:
        """SIGKILL it."""
        self._fleet.kill(self._unit(worker))
        self._workers.remove(self._unit(worker))

    def restart(self, worker: int) -> None:
        """Start it again; nobody has to do anything else."""
        self.start(worker)

    def stop(self) -> None:
        """Stop the workers."""
        self._fleet.stop(*self._workers)
        self._workers.clear()

    def pids(self) -> Sequence[int]:
        """The workers."""
        return [self._fleet.pid(name) for name in self._workers]

    def hand_in(self, run: str, agents: int) -> None:
        """Submit agents."""
        self._agents[run] = [self._fleet.client.submit("reference", f"{run}-{number}") for number in range(agents)]

    def wait(self, run: str, agents: int, *, seconds: float) -> None:
        """Wait until all of a batch are done."""
        until(lambda: self.ask(_DONE, [self._agents[run]])[0][0] == agents, seconds=seconds, what=f"{agents} agents")

    def files(self, run: str) -> list[File]:
        """The batch's file versions, oldest first."""
        return [File(str(agent), at) for agent, at in self.ask(_FILES, [self._agents[run]])]

    def writes(self, run: str) -> int:
        """Its file versions, and the versions of its blocks."""
        return int(str(self.ask(_WRITES, {"ids": self._agents[run]})[0][0]))

    def _unit(self, worker: int) -> str:
        return f"{self._profile}-{worker}"
