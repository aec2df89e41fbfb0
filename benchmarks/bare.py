"""Bare Celery: the yardstick. Tasks that do nothing but publish the next one, on the same servers and pools as ours.

Priorities as ours, everything else as Celery ships it. As `lean` it also keeps no copy of a delivered message in Redis, as this
kernel has it (ADR 0007); here that loses the messages of a worker that dies.
"""

from __future__ import annotations

import os
import time

import redis
from celery import Celery

from aios import settings
from aios.publisher import BROKER_OPTIONS

_URL = settings.load().redis_url
_NAME = os.environ.get("AIOS_BARE", "bare")  # or lean: of its queues, too
app = Celery("bare", broker=_URL)
app.conf.update(
    broker_transport_options={**BROKER_OPTIONS, "ack_emulation": _NAME != "lean"},
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    accept_content=["json"],
)
_done = redis.Redis.from_url(_URL) if _URL else None


@app.task(name="bare.hop")
def hop(run: str, left: int) -> None:
    """Do nothing, and publish the next hop on the other queue; the last one tells when it ran."""
    if left == 0:
        assert _done is not None
        _done.lpush(f"bare:{run}", time.time())
        return
    hop.apply_async((run, left - 1), queue=f"{_NAME}-{'b' if left % 2 else 'a'}", priority=5, retry=False)


@app.task(name="bare.call")
def call(run: str, number: int, engine_seconds: float, asked: float) -> None:
    """Sleep for as long as an engine would take, and publish that it is done, with when it was asked, less that sleep."""
    begun = time.time()
    time.sleep(engine_seconds)
    slept = time.time() - begun
    called.apply_async((run, number, asked + slept), queue=f"{_NAME}-a", priority=5, retry=False)


@app.task(name="bare.called")
def called(run: str, number: int, due: float) -> None:
    """Tell how much later than due a call is done."""
    assert _done is not None
    _done.lpush(f"bare:{run}", f"{number} {time.time() - due}")
