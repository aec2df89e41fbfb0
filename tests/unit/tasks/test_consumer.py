"""A worker takes no message for which it has no thread, and takes one as soon as it has."""

import os
import time
from contextlib import closing, contextmanager
from types import SimpleNamespace

import pytest
from celery.concurrency.thread import TaskPool
from kombu.asynchronous import Hub

from tasks.consumer import Room


@contextmanager
def looking(*, room):
    """A loop whose channel has room for a message or not, a pool, and when each turn of the loop began."""
    hub, pool, (quiet, other), looks = Hub(), TaskPool(1), os.pipe(), []
    qos = SimpleNamespace(can_consume=lambda: room)
    with closing(hub):
        hub.add_reader(quiet, lambda: None)
        Room(pool, hub).watch(qos)

        def look():
            looks.append(time.monotonic())
            assert qos.can_consume() is room

        hub.on_tick.add(look)
        yield pool, hub.create_loop(), looks
    pool.on_stop()
    os.close(quiet)
    os.close(other)


@pytest.mark.parametrize(("room", "soon"), [(False, True), (True, False)])
def test_a_thread_that_has_ended_its_task_wakes_a_loop_that_waits_for_one(room, soon):
    with looking(room=room) as (pool, loop, looks):
        pool.on_apply(time.sleep, (0.05,), {}, lambda _ended: None)
        while len(looks) < 2:
            next(loop)
        assert (looks[1] - looks[0] < 0.5) is soon, "it looks once a second by itself"
