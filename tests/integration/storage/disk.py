"""Storage as one agent sees it: each operation claimed, and completed in a transaction of its own."""

from __future__ import annotations

from sqlalchemy import insert

from aios.db.tables import agents
from aios.kernel.ids import new_id
from aios.storage.executor import StorageExecutor
from aios.storage.store import Store
from tests.asking import claimed


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
        call = claimed("storage", op, payload, agent=self.id)
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
