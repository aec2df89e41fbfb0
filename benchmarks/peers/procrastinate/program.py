"""A worker of procrastinate, and who hands agents in: `python program.py work`, `python program.py submit`."""

from __future__ import annotations

import asyncio
import sys

import psycopg
from jobs import JOURNAL, advance, app, pool
from operations import CONCURRENCY, DATABASE, TABLES
from orders import batches


async def work() -> None:
    """Be a worker."""
    async with app.open_async(), pool:
        worker = asyncio.create_task(app.run_worker_async(concurrency=CONCURRENCY))
        print("ready", flush=True)
        await worker


async def submit() -> None:
    """Hand agents in."""
    async with app.open_async(), pool:
        lines = batches()
        while agents := await asyncio.to_thread(next, lines, None):
            for agent in agents:
                async with pool.connection() as connection:
                    await connection.execute("INSERT INTO agents (id) VALUES (%s)", [agent])
                await advance.defer_async(agent=agent)


def prepare() -> None:
    """Make the tables, unless another process has."""
    with psycopg.connect(DATABASE) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(1)")
        connection.execute(TABLES + JOURNAL)
        found = connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone()
        if found == (None,):
            connection.execute(app.schema_manager.get_schema())


if __name__ == "__main__":
    prepare()
    asyncio.run(work() if sys.argv[1] == "work" else submit())
