"""Two transactions that meet: one that waits for a lock of the other's."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

_WAITS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND backend_type = 'client backend'"
)


def waiting(database, work, *, seconds=10.0):
    """Do `work` in a thread, and return (its future) once it waits for a lock that the caller has."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    end = time.monotonic() + seconds
    with database.statement() as tx:
        while not tx.exec_driver_sql(_WAITS).scalar_one():
            assert not future.done(), f"it waited for nothing: {future.exception() or future.result()}"
            assert time.monotonic() < end, "it neither waits nor ends"
            time.sleep(0.005)
    return future
