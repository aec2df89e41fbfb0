"""Storage as one agent sees it: each operation claimed, and completed in a transaction of its own."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import insert

from aios.db.tables import agents
from aios.kernel.ids import new_id
from aios.kernel.ports import Claimed
from aios.storage.executor import StorageExecutor
from aios.storage.store import Store


class Disk:
    def __init__(self, database, store=None):
        self.database = database
        self.store = store or Store()
        self.id = new_id()
        with database.transaction() as tx:
            tx.execute(
                insert(agents).values(id=self.id, root_id=self.id, program="p", task="t", state="running", priority=5)
            )

    def perform(self, op, **payload):
        call = Claimed(
            id=new_id(),
            agent_id=self.id,
            request_id=new_id(),
            position=0,
            pool="storage",
            op=op,
            payload=payload,
            token=uuid4(),
            attempt=1,
            errors=0,
            priority=5,
            program="p",
            tenant="default",
            seconds_left=60,
        )
        return StorageExecutor(self.store).perform(call).effect

    def __call__(self, op, **payload):
        effect = self.perform(op, **payload)
        with self.database.transaction() as tx:
            return effect(tx)

    def write(self, path, content):
        return self("write", path=path, content=content)["version"]

    def text(self, path, **more):
        return self("read", path=path, **more)["content"]

    def path(self, name):
        return f"/agents/{self.id}/{name}"
