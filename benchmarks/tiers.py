"""Working memory under a trace, on real servers: how long a read takes from either tier, and that the quota holds."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from sqlalchemy import insert

from aios.db.tables import agents
from aios.kernel.ids import new_id
from aios.kernel.lru_k import Marks
from aios.memory.cache import RedisCache
from aios.memory.working import NoCache, WorkingMemory
from aios.settings import MemorySettings
from benchmarks.replacement import Shape, scan_polluted
from tests.asking import claimed

if TYPE_CHECKING:
    from uuid import UUID

    from aios.db.session import Database
    from aios.kernel.ports import BlockCache
    from aios.kernel.values import Json, JsonObject

_BLOCK_BYTES = 16_000
_HELD = 60
_BLOCKS = 400


def measure(database: Database, redis_url: str, *, reads: int) -> JsonObject:
    """Read blocks of 16 kB by a scan-polluted trace, with the cache under each K, and without."""
    quota = int(_HELD * _BLOCK_BYTES / 0.8)
    trace = [page % _BLOCKS for page in scan_polluted(Shape(reads, _BLOCKS // 2, _HELD), seed=1)]
    found: JsonObject = {"blocks": _BLOCKS, "block_bytes": _BLOCK_BYTES, "quota_bytes": quota, "reads": len(trace)}
    for name, k in (("LRU-2", 2), ("LRU", 1), ("no cache", 0)):
        cache = RedisCache(redis_url, marks=Marks.of(quota), k=k) if k else None
        found[name] = _run(database, cache or NoCache(), trace, quota)
        if cache is not None:
            cache.close()
    return found


def _run(database: Database, cache: BlockCache, trace: list[int], quota: int) -> JsonObject:
    memory = WorkingMemory(cache, MemorySettings(quota_bytes=quota, block_bytes=quota))
    agent = new_id()
    with database.transaction() as tx:
        row = {"id": agent, "root_id": agent, "program": "p", "task": "t", "state": "running", "priority": 5}
        tx.execute(insert(agents).values(**row))
    for number in range(_BLOCKS):
        _do(database, memory, agent, "write", {"name": f"b{number}", "value": f"{number}-" * (_BLOCK_BYTES // 5)})
    before, most, took = cache.state(f"agent/{agent}"), 0, []
    for at, number in enumerate(trace):
        begun = time.perf_counter()
        said = _do(database, memory, agent, "read", {"name": f"b{number}"})
        took.append(1000 * (time.perf_counter() - begun))
        if not str(said["value"]).startswith(f"{number}-"):
            raise SystemExit(f"block b{number} is lost or stale")
        if at % 20 == 0:
            most = max(most, cache.state(f"agent/{agent}").used_bytes)
    after = cache.state(f"agent/{agent}")
    cuts = statistics.quantiles(took, n=100)
    return {
        "hit_ratio": round((after.hits - before.hits) / len(trace), 4),
        "evicted": after.evicted - before.evicted,
        "most_bytes": most,
        "read_ms": {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)},
    }


def _do(database: Database, memory: WorkingMemory, agent: UUID, op: str, payload: JsonObject) -> Json:
    call = claimed("memory", op, payload, agent=agent)
    outcome = memory.operations[op](call)
    assert outcome.effect is not None
    with database.transaction() as tx:
        result = outcome.effect(tx)
    if outcome.after is not None:
        outcome.after()
    return result
