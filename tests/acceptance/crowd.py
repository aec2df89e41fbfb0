"""Many agents that all wait for many requests at once: a wake-up that is lost leaves one of them waiting for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acceptance.system import System


def gather_all(system: System, *, agents: int, width: int = 8, seconds: float) -> None:
    """Submit, wait, and check that none is stuck, none was driven twice at once, and nothing was done twice.

    Raises:
        AssertionError: an agent is stuck or wrong.
    """
    ids = [system.client.submit("crowd", {"width": width}) for _ in range(agents)]
    open_ = "SELECT count(*) FROM agents WHERE id = ANY(%s::uuid[]) AND finished_at IS NULL"
    system.wait(lambda: system.query(open_, ids)[0][0] == 0, seconds=seconds, what=f"{agents} agents to end")
    right = [(width * (width - 1) // 2,)] * agents
    assert system.query("SELECT (result ->> 'value')::int FROM agents WHERE id = ANY(%s::uuid[])", ids) == right
    asked = system.query(
        "SELECT count(*), count(DISTINCT (agent_id, seq)) FROM requests WHERE agent_id = ANY(%s::uuid[])", ids
    )
    assert asked == [(2 * width * agents,) * 2]
    versions = (
        "SELECT max(v.version) FROM file_versions v JOIN files f ON f.id = v.file_id WHERE f.agent_id = ANY(%s::uuid[])"
    )
    assert system.query(versions, ids) == [(1,)]
