"""The client's face of forks: another agent that goes on from the middle of a journal, its tree, and two journals compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.db import forks
from aios.dispatch import agent_bell
from aios.kernel import forking
from aios.kernel.ids import parse_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.bootstrap.parts import Parts
    from aios.kernel.forking import Difference
    from aios.kernel.values import Json, JsonObject


class Forks:
    """Operations on forks, for the client."""

    _parts: Parts

    def fork(self, agent: str, *, at: int, edit: Json = None) -> str:
        """Start a new agent that shares an agent's journal up to request `at`, and goes on from there; gives its id.

        What is shared is not done again: no model is asked, no tool is called. The forked agent is not touched, and may still
        run. Memories and files are not shared: what the forked agent stored in its own name the new one does not find.

        Args:
            agent: whose journal.
            at: number of the last request that is shared, as `aios show` tells it; 0: none.
            edit: what the answer of request `at` is in the new agent: a model's text or message, or any JSON result. At 0
                it is another task.

        Raises:
            NotFound: there is no such agent.
            InvalidArgument: there is no such request, not all up to it are answered yet, or it cannot be edited.
        """
        dispatch = self._parts.dispatch
        with self._parts.database.transaction() as tx:
            forked = forks.fork(tx, parse_id(agent), at=at, edit=edit)
        dispatch.ring(add=[agent_bell(forked.id, priority=forked.priority)])
        return str(forked.id)

    def family(self, agent: str) -> Sequence[JsonObject]:
        """The tree that an agent belongs to, oldest first: its root, all children and all forks."""
        with self._parts.database.statement() as tx:
            return forks.family(tx, parse_id(agent))

    def compare(self, left: str, right: str) -> Sequence[Difference]:
        """The journals of two agents beside each other, request by request; what a fork shares is part of its journal.

        Raises:
            NotFound: one of them is none.
        """
        with self._parts.database.statement() as tx:
            both = [forks.current(tx, parse_id(agent))[1] for agent in (left, right)]
        return forking.differences(*both)
