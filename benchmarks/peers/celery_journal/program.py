"""Plain Celery with a journal: a message and a transaction for each operation, and a sweeper for what was lost.

`python program.py work` is a worker, `python program.py submit` hands agents in.
"""

from __future__ import annotations

import sys

from celery import Celery, signals
from operations import CONCURRENCY, DATABASE, INSERT, REDIS, STEPS, TABLES, Engine, row
from orders import batches
from psycopg_pool import ConnectionPool

JOURNAL = """
CREATE TABLE IF NOT EXISTS agents (
    id text PRIMARY KEY, done boolean NOT NULL DEFAULT false, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS steps (
    agent text REFERENCES agents, step int, result text NOT NULL, at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (agent, step));
"""
LOST = """
SELECT id FROM agents WHERE NOT done AND created_at < now() - interval '10 s'
    AND NOT EXISTS (SELECT FROM steps WHERE agent = id AND at > now() - interval '10 s')
"""

app = Celery("journal", broker=REDIS)
app.conf.update(task_ignore_result=True, worker_redirect_stdouts=False)
app.conf.beat_schedule = {"sweep": {"task": "sweep", "schedule": 5.0}}
engine = Engine()
pool = ConnectionPool(DATABASE, min_size=1, max_size=CONCURRENCY, kwargs={"autocommit": True}, open=False)


@app.task(name="advance")
def advance(agent: str) -> None:
    """Do an agent's next operation, note it in the transaction of its effect, and send for the one after it."""
    with pool.connection() as connection:
        last = connection.execute(
            "SELECT step, result FROM steps WHERE agent = %s ORDER BY step DESC LIMIT 1", [agent]
        ).fetchone()
    step, text = (last[0] + 1, last[1]) if last else (0, "")
    if step == len(STEPS):
        return
    kind = STEPS[step]
    if kind == "llm":
        text = engine.think(agent, step)
    with pool.connection() as connection, connection.transaction():
        connection.execute("INSERT INTO steps (agent, step, result) VALUES (%s, %s, %s)", [agent, step, text])
        if kind in INSERT:
            connection.execute(INSERT[kind], row(agent, step, text))
        if step == len(STEPS) - 1:
            connection.execute("UPDATE agents SET done = true WHERE id = %s", [agent])
            return
    advance.delay(agent)


@app.task(name="sweep")
def sweep() -> None:
    """Send for agents that have not moved for ten seconds: their message, or their worker, is gone."""
    with pool.connection() as connection:
        for (agent,) in connection.execute(LOST):
            advance.delay(agent)


@signals.worker_ready.connect
def _tell(**_: object) -> None:
    print("ready", flush=True)


def main() -> None:
    """Be a worker, or hand agents in."""
    pool.open()
    with pool.connection() as connection:
        connection.execute(TABLES + JOURNAL)
    if sys.argv[1] == "work":
        options = ("--pool", "threads", "--concurrency", str(CONCURRENCY), "--beat", "--loglevel", "WARNING")
        app.worker_main(["worker", *options, "--without-gossip", "--without-mingle"])
    for agents in batches():
        for agent in agents:
            with pool.connection() as connection:
                connection.execute("INSERT INTO agents (id) VALUES (%s)", [agent])
            advance.delay(agent)


if __name__ == "__main__":
    main()
