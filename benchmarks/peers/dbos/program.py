"""DBOS Transact: the agent is a workflow, each operation a step, and a queue spreads workflows over the workers.

Writes are plain steps, which a crash may repeat. Transactions of a DBOS datasource would not, and cost more statements.
`python program.py work N` is worker N, `python program.py submit` hands agents in.
"""

from __future__ import annotations

import sys
from threading import Event

import psycopg
from dbos import DBOS, DBOSClient, DBOSConfig
from operations import CONCURRENCY, DATABASE, INSERT, STEPS, TABLES, Engine, row
from orders import batches
from psycopg_pool import ConnectionPool

QUEUE = "agents"

engine = Engine()
pool = ConnectionPool(DATABASE, min_size=1, max_size=CONCURRENCY, kwargs={"autocommit": True}, open=False)


@DBOS.step()
def think(agent: str, step: int) -> str:
    """Ask the engine."""
    return engine.think(agent, step)


@DBOS.step()
def write(agent: str, step: int, text: str) -> None:
    """Write a row of memory or of a file."""
    with pool.connection() as connection:
        connection.execute(INSERT[STEPS[step]], row(agent, step, text))


@DBOS.workflow()
def reference(agent: str) -> str:
    """Run an agent."""
    text = ""
    for step, kind in enumerate(STEPS):
        if kind == "llm":
            text = think(agent, step)
        else:
            write(agent, step, text)
    return text


def work(number: str) -> None:
    """Be a worker. Its executor's id is what its next life recovers workflows by."""
    config: DBOSConfig = {
        "name": "peer",
        "system_database_url": DATABASE,
        "executor_id": f"worker-{number}",
        "application_version": "1",
        "log_level": "WARNING",
    }
    pool.open()
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=0.1)
    print("ready", flush=True)
    Event().wait()


def submit() -> None:
    """Hand agents in."""
    client = DBOSClient(system_database_url=DATABASE)
    for agents in batches():
        for agent in agents:
            client.enqueue({"workflow_name": "reference", "queue_name": QUEUE, "workflow_id": agent}, agent)


if __name__ == "__main__":
    with psycopg.connect(DATABASE) as setup:
        setup.execute(TABLES)
    if sys.argv[1] == "work":
        work(sys.argv[2])
    else:
        submit()
