"""A wave of errands in flight, and everything that must be true of it when it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.acceptance.system import System

HERE: Final = Path(__file__).parent / "crash"
ENV: Final = {
    "AIOS_AGENTS_PATH": str(HERE / "agents"),
    "AIOS_TOOLS__PATH": str(HERE / "tools"),
    "AIOS_LLM__SLOTS": "8",
}
PLAIN: Final = {"AIOS_WORKER__LIVE_RUNS": "0", "AIOS_WORKER__AT_ONCE": "false", "AIOS_SCHEDULING__RINGS": "false"}
"""All that only saves time is switched off (ADR 0007)."""
ENGINE: Final = ("--backend", "scripted", "--script", str(HERE / "script.json"))


@dataclass(frozen=True)
class Errand:
    """One submitted agent and what it was told."""

    id: str
    key: str
    n: int

    @property
    def expected(self) -> dict[str, object]:
        """Its result, computed without any AIOS."""
        square = self.n**2
        return {
            "key": self.key,
            "square": square,
            "first": f"reply {self.key} one",
            "helped": f"reply {self.key}-child child",
            "found": [f"{self.key} likes {self.n}"],
            "second": f"reply {self.key} {square}",
            "notes": f"{self.key}:{self.n}",
        }


def submit(system: System, *, wave: str, count: int, sleep: float = 1.0) -> list[Errand]:
    """Put a wave of errands in flight."""
    errands = []
    for n in range(count):
        key = f"{wave}-{n}"
        agent = system.client.submit("errand", {"key": key, "n": n, "sleep": sleep})
        errands.append(Errand(agent, key, n))
    return errands


def wait(system: System, errands: list[Errand], *, seconds: float) -> None:
    """Wait until all of them and their children have ended."""
    ids = [errand.id for errand in errands]
    statement = "SELECT count(*) FROM agents WHERE root_id = ANY(%s::uuid[]) AND finished_at IS NULL"
    system.wait(lambda: system.query(statement, ids)[0][0] == 0, seconds=seconds, what="every agent to end")


def check_results(system: System, errands: list[Errand]) -> None:
    """Every agent ended `done` with the right result."""
    rows = system.query(
        "SELECT id::text, state, result -> 'value', error ->> 'message' FROM agents WHERE id = ANY(%s::uuid[])",
        [errand.id for errand in errands],
    )
    found = {str(row[0]): row[1:] for row in rows}
    for errand in errands:
        assert found[errand.id] == ("done", errand.expected, None), f"{errand}: {found[errand.id]}"


def check_effects(system: System, errands: list[Errand]) -> None:
    """Every memory and every version of a file is there exactly once."""
    for errand in errands:
        memories = system.query("SELECT content FROM memories WHERE agent_id = %s", errand.id)
        likes, reply = f"{errand.key} likes {errand.n}", f"reply {errand.key} {errand.n**2}"
        assert sorted(memories) == sorted([(likes,), (reply,)]), f"{errand}: {memories}"
    ids = [errand.id for errand in errands]
    versions = system.query(
        """
        SELECT a.root_id, v.version, count(*) FROM agents a JOIN files f ON f.agent_id = a.id
        JOIN file_versions v ON v.file_id = f.id WHERE a.root_id = ANY(%s::uuid[]) GROUP BY f.id, a.root_id, v.version
        """,
        ids,
    )
    assert len(versions) == 2 * len(errands)  # its own file and its child's
    assert all((version, count) == (1, 1) for _, version, count in versions), versions


def check_calls(system: System, errands: list[Errand], *, leases: int) -> int:
    """No engine call began after its syscall was done, and at most `leases` calls were made twice; gives how many."""
    rows = system.query(
        """
        SELECT s.id::text, extract(epoch FROM s.finished_at)::float FROM syscalls s JOIN agents a ON a.id = s.agent_id
        WHERE a.root_id = ANY(%s::uuid[]) AND s.pool = 'llm'
        """,
        [errand.id for errand in errands],
    )
    finished = {str(syscall): float(str(at)) for syscall, at in rows}
    begun = [call for call in system.calls() if call["event"] == "start" and call.get("syscall") in finished]
    late = [call for call in begun if float(str(call["time"])) > finished[str(call["syscall"])]]
    assert not late, f"calls for syscalls that were done: {late}"
    assert {str(call["syscall"]) for call in begun} == set(finished)
    extra = len(begun) - len(finished)
    assert extra <= leases, f"{extra} calls were made again, but the victims held {leases}"
    return extra


def progress(system: System, errands: list[Errand], *, since: float) -> list[float]:
    """Seconds from `since` to the next thing that happened to each errand that had not ended then, sleeps left out."""
    rows = system.query(
        """
        WITH event AS (
            SELECT a.root_id, t.at FROM agents a JOIN syscalls s ON s.agent_id = a.id
            CROSS JOIN LATERAL (VALUES (s.created_at), (s.started_at), (s.finished_at), (a.finished_at)) AS t (at)
            WHERE a.root_id = ANY(%s::uuid[])
        )
        SELECT extract(epoch FROM min(at) FILTER (WHERE at > to_timestamp(%s)))::float - %s FROM event GROUP BY root_id
        """,
        [errand.id for errand in errands],
        since,
        since,
    )
    return sorted(float(str(row[0])) for row in rows if row[0] is not None)
