"""The client's way to steer agents: cancel, pause, resume and nice; one with its children, or all of a group or tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.db import agents, steering, views
from aios.dispatch import bells_of
from aios.errors import AgentEnded, InvalidArgument
from aios.kernel.access import check_principal
from aios.kernel.ids import parse_id
from aios.kernel.words import check_priority

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from aios.bootstrap.parts import Parts


class Steering:
    """Operations on what runs, for the client. All are durable: they work with all workers down."""

    _parts: Parts

    def cancel(self, agent: str) -> Sequence[str]:
        """Cancel an agent and its children; gives the ids of those that were cancelled. Works with all workers down.

        Raises:
            NotFound: there is no such agent.
            AgentEnded: it has ended before.
        """
        with self._parts.database.transaction() as tx:
            ended, dropped = agents.cancel(tx, parse_id(agent))
        if not ended:
            with self._parts.database.statement() as tx:
                row = views.result(tx, parse_id(agent))
            raise AgentEnded(agent, row["state"] if row else "gone")
        return self._cancelled(ended, dropped)

    def pause(self, agent: str) -> Sequence[str]:
        """Start nothing more of an agent and its children; what runs ends. Gives the ids of those that were paused.

        Raises:
            NotFound: there is no such agent.
            AgentEnded: it has ended.
        """
        with self._parts.database.transaction() as tx:
            paused = steering.pause(tx, parse_id(agent))
        return [str(found) for found in paused]

    def resume(self, agent: str) -> Sequence[str]:
        """Let a paused agent and its children go on; gives the ids of those that were paused.

        Raises:
            NotFound: there is no such agent.
            AgentEnded: it has ended.
        """
        with self._parts.database.transaction() as tx:
            resumed = steering.resume(tx, parse_id(agent))
        self._ring_again(resumed)
        return [str(found) for found in resumed]

    def nice(self, agent: str, priority: int) -> Sequence[str]:
        """Give an agent and its children, and what they have waiting, another priority: 0 (most urgent) to 9.

        Raises:
            InvalidArgument: it is no priority.
            NotFound: there is no such agent.
            AgentEnded: it has ended.
        """
        check_priority(priority)
        with self._parts.database.transaction() as tx:
            changed = steering.nice(tx, parse_id(agent), priority=priority)
        self._ring_again(changed)
        return [str(found) for found in changed]

    def cancel_all(self, *, tenant: str | None = None, group: str | None = None) -> Sequence[str]:
        """Cancel all agents of a tenant or group that have not ended; gives their ids.

        Raises:
            InvalidArgument: neither is given, or both, or one is no name.
        """
        kind, name = _one_of(tenant, group)
        with self._parts.database.transaction() as tx:
            ended = steering.cancel_all(tx, kind, name)
            dropped = agents.drop_open(tx, ended)
        return self._cancelled(ended, dropped)

    def pause_all(self, *, tenant: str | None = None, group: str | None = None) -> Sequence[str]:
        """Pause a tenant or group: what it has and what is submitted for it starts nothing more until `resume_all`.

        Raises:
            InvalidArgument: neither is given, or both, or one is no name.
        """
        kind, name = _one_of(tenant, group)
        with self._parts.database.transaction() as tx:
            return [str(found) for found in steering.pause_all(tx, kind, name)]

    def resume_all(self, *, tenant: str | None = None, group: str | None = None) -> Sequence[str]:
        """Let all paused agents of a tenant or group go on; gives their ids.

        Raises:
            InvalidArgument: neither is given, or both, or one is no name.
        """
        kind, name = _one_of(tenant, group)
        with self._parts.database.transaction() as tx:
            resumed = steering.resume_all(tx, kind, name)
        self._ring_again(resumed)
        return [str(found) for found in resumed]

    def holds(self) -> Sequence[tuple[str, str]]:
        """(`tenant` or `group`, name) of those that are paused as a whole."""
        with self._parts.database.statement() as tx:
            return steering.holds(tx)

    def _ring_again(self, steered: Sequence[UUID]) -> None:
        with self._parts.database.statement() as tx:
            bells = bells_of(steering.waiting(tx, steered))
        self._parts.dispatch.ring(done=[(bell.key, bell.id) for bell in bells], add=bells)

    def _cancelled(self, ended: Sequence[UUID], dropped: Sequence[tuple[UUID, str]]) -> Sequence[str]:
        """Free what they held, and tell the workers that execute something of it."""
        done = [(pool, str(syscall)) for syscall, pool in dropped] + [("agent", str(found)) for found in ended]
        self._parts.dispatch.ring(done=done)
        self._parts.dispatch.call_off([str(syscall) for syscall, _ in dropped])
        return [str(found) for found in ended]


def _one_of(tenant: str | None, group: str | None) -> tuple[str, str]:
    if (tenant is None) == (group is None):
        raise InvalidArgument("tenant, group", (tenant, group), "give one of them")
    kind, name = ("tenant", tenant) if tenant is not None else ("group", str(group))
    check_principal(f"{kind}:{name}")
    return kind, name
