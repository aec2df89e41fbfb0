"""Plain asyncio: the same operations and no journal. What a process has not finished when it dies is lost or done twice."""

from __future__ import annotations

import asyncio

import psycopg
from operations import CONCURRENCY, DATABASE, INSERT, STEPS, TABLES, AsyncEngine, row
from orders import batches
from psycopg_pool import AsyncConnectionPool


async def main() -> None:
    """Run batches, all agents of a batch at once."""
    engine = AsyncEngine()
    pool = AsyncConnectionPool(DATABASE, min_size=1, max_size=CONCURRENCY, kwargs={"autocommit": True}, open=False)

    async def reference(agent: str) -> None:
        text = ""
        for step, kind in enumerate(STEPS):
            if kind == "llm":
                text = await engine.think(agent, step)
            else:
                async with pool.connection() as connection:
                    await connection.execute(INSERT[kind], row(agent, step, text))

    async with pool:
        lines = batches()
        while agents := await asyncio.to_thread(next, lines, None):
            await asyncio.gather(*(reference(agent) for agent in agents))


if __name__ == "__main__":
    with psycopg.connect(DATABASE) as setup:
        setup.execute(TABLES)
    asyncio.run(main())
