"""procrastinate with a journal: a job and a transaction for each operation, in Postgres alone, on asyncio."""

from __future__ import annotations

from operations import CONCURRENCY, DATABASE, INSERT, STEPS, AsyncEngine, row
from procrastinate import App, JobContext, PsycopgConnector
from psycopg_pool import AsyncConnectionPool

JOURNAL = """
CREATE TABLE IF NOT EXISTS agents (
    id text PRIMARY KEY, done boolean NOT NULL DEFAULT false, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS steps (
    agent text REFERENCES agents, step int, result text NOT NULL, at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (agent, step));
"""

app = App(connector=PsycopgConnector(conninfo=DATABASE, min_size=1, max_size=CONCURRENCY))
pool = AsyncConnectionPool(DATABASE, min_size=1, max_size=CONCURRENCY, kwargs={"autocommit": True}, open=False)
engine = AsyncEngine()


@app.task(name="advance")
async def advance(agent: str) -> None:
    """Do an agent's next operation, note it in the transaction of its effect, and defer the one after it."""
    async with pool.connection() as connection:
        found = await connection.execute(
            "SELECT step, result FROM steps WHERE agent = %s ORDER BY step DESC LIMIT 1", [agent]
        )
        last = await found.fetchone()
    step, text = (last[0] + 1, last[1]) if last else (0, "")
    if step == len(STEPS):
        return
    kind = STEPS[step]
    if kind == "llm":
        text = await engine.think(agent, step)
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("INSERT INTO steps (agent, step, result) VALUES (%s, %s, %s)", [agent, step, text])
        if kind in INSERT:
            await connection.execute(INSERT[kind], row(agent, step, text))
        if step == len(STEPS) - 1:
            await connection.execute("UPDATE agents SET done = true WHERE id = %s", [agent])
            return
    await advance.defer_async(agent=agent)


@app.periodic(cron="* * * * * */5")
@app.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=True)
async def retry_stalled(context: JobContext, timestamp: int) -> None:
    """Run the jobs of dead workers again, as its documentation says: after thirty seconds without a heartbeat."""
    del timestamp
    for job in await context.app.job_manager.get_stalled_jobs():
        await context.app.job_manager.retry_job(job)
