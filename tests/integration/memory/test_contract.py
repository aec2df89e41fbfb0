"""The contract that the fake of memory keeps, on Postgres and Valkey."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from aios.db.session import Database
from aios.db.tables import agents
from aios.kernel.ids import new_id
from aios.kernel.lru_k import Marks
from aios.memory.cache import RedisCache
from aios.memory.executor import MemoryExecutor
from aios.memory.hashing import Hashing
from tests.asking import Asking
from tests.conftest import made_database
from tests.memory_contract import MemoryContract


@pytest.fixture(scope="module")
def common_database(services, template):
    opened = Database(made_database(services.database_url, template=template), pool_size=2)
    yield opened
    opened.close()


class TestMemoryExecutor(MemoryContract):
    @pytest.fixture
    def mind(self, common_database, redis_url):
        cache, agent = RedisCache(redis_url, marks=Marks.of(100_000)), new_id()
        with common_database.transaction() as tx:
            row = {"id": agent, "root_id": agent, "program": "p", "task": "t", "state": "running", "priority": 5}
            tx.execute(insert(agents).values(row))
        yield Asking(MemoryExecutor(Hashing(), cache), "memory", agent=agent, transaction=common_database.transaction)
        cache.close()
