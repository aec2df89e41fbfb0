"""An executor as one agent sees it: each operation claimed, and completed in a transaction of its own."""

from __future__ import annotations

from contextlib import nullcontext
from uuid import uuid4

from aios.kernel.ids import new_id
from aios.kernel.ports import Claimed


def claimed(pool, op, payload, *, agent=None, earlier=()):
    """A claim of a call, the first of its plan or the one behind `earlier`'s results."""
    return Claimed(
        id=new_id(),
        agent_id=agent or new_id(),
        request_id=new_id(),
        position=len(earlier),
        pool=pool,
        op=op,
        payload=payload,
        token=uuid4(),
        attempt=1,
        errors=0,
        priority=5,
        program="p",
        tenant="default",
        seconds_left=60,
        earlier=list(earlier),
    )


class Asking:
    """Calls operations of a pool; `transaction` opens what their effects happen in."""

    def __init__(self, executor, pool, *, agent=None, transaction=nullcontext):
        self.executor, self.pool, self.transaction = executor, pool, transaction
        self.id = agent or new_id()

    def __call__(self, op, earlier=(), **payload):
        call = claimed(self.pool, op, payload, agent=self.id, earlier=earlier)
        outcome = self.executor.perform(call)
        if outcome.effect is None:
            return outcome.result
        with self.transaction() as tx:
            result = outcome.effect(tx)
        if outcome.after is not None:
            outcome.after()
        return result

    def path(self, name):
        return f"/agents/{self.id}/{name}"
