"""LangGraph with its Postgres saver, on asyncio or on threads. It has no queue: the caller runs the agents, and waits.

`python program.py asyncio` or `python program.py threads`.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from graph import State, entry, graph
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from operations import CONCURRENCY, DATABASE, INSERT, STEPS, TABLES, AsyncEngine, Engine, row
from orders import batches
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

CONNECTION = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}  # as the saver's documentation says


def run_on_threads() -> None:
    """Run batches with the synchronous saver."""
    engine, pool = Engine(), ConnectionPool(DATABASE, min_size=1, max_size=CONCURRENCY, kwargs=CONNECTION, open=True)

    def llm(state: State) -> dict[str, Any]:
        return {"text": engine.think(state["agent"], state["step"]), "step": state["step"] + 1}

    def write(state: State) -> dict[str, Any]:
        agent, step, text = state["agent"], state["step"], state["text"]
        with pool.connection() as connection:
            connection.execute(INSERT[STEPS[step]], row(agent, step, text))
        return {"step": step + 1}

    saver = PostgresSaver(pool)
    saver.setup()
    compiled = graph({"llm": llm, "memory": write, "file": write}).compile(checkpointer=saver)

    def run(agent: str) -> None:
        config = {"configurable": {"thread_id": agent}}
        compiled.invoke(entry(agent, compiled.get_state(config)), config, durability="sync")

    with ThreadPoolExecutor(CONCURRENCY) as executor:
        for agents in batches():
            list(executor.map(run, agents))


async def run_on_asyncio() -> None:
    """Run batches with the asynchronous saver, all agents of a batch at once."""
    engine = AsyncEngine()
    pool = AsyncConnectionPool(DATABASE, min_size=1, max_size=CONCURRENCY, kwargs=CONNECTION, open=False)
    await pool.open()

    async def llm(state: State) -> dict[str, Any]:
        return {"text": await engine.think(state["agent"], state["step"]), "step": state["step"] + 1}

    async def write(state: State) -> dict[str, Any]:
        agent, step, text = state["agent"], state["step"], state["text"]
        async with pool.connection() as connection:
            await connection.execute(INSERT[STEPS[step]], row(agent, step, text))
        return {"step": step + 1}

    saver = AsyncPostgresSaver(pool)
    await saver.setup()
    compiled = graph({"llm": llm, "memory": write, "file": write}).compile(checkpointer=saver)

    async def run(agent: str) -> None:
        config = {"configurable": {"thread_id": agent}}
        await compiled.ainvoke(entry(agent, await compiled.aget_state(config)), config, durability="sync")

    lines = batches()
    while agents := await asyncio.to_thread(next, lines, None):
        await asyncio.gather(*(run(agent) for agent in agents))


if __name__ == "__main__":
    with psycopg.connect(DATABASE) as setup:
        setup.execute(TABLES)
    if sys.argv[1] == "threads":
        run_on_threads()
    else:
        asyncio.run(run_on_asyncio())
