"""A worker takes no message for which it has no thread, and takes one as soon as it has."""

import os
import time
from contextlib import closing

from celery.concurrency.thread import TaskPool
from kombu.asynchronous import Hub

from tasks.consumer import wake_when_free


def test_a_thread_that_has_ended_its_task_wakes_the_loop():
    hub, pool, (quiet, other) = Hub(), TaskPool(1), os.pipe()
    with closing(hub):
        hub.add_reader(quiet, lambda: None)
        looks = []
        hub.on_tick.add(lambda: looks.append(time.monotonic()))
        wake_when_free(pool, hub)
        pool.on_apply(time.sleep, (0.05,), {}, lambda _ended: None)
        loop = hub.create_loop()
        begun = time.monotonic()
        while len(looks) < 2:
            next(loop)
        assert looks[1] - begun < 0.5, "it looks once a second by itself"
    pool.on_stop()
    os.close(quiet)
    os.close(other)
