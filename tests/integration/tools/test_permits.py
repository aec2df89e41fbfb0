"""Permits on a real Redis: never more than the limit, all or none, free again when their holder has died."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from uuid import uuid4

import pytest
import redis

from aios.bootstrap.kernel import Kernel
from aios.db import workers
from aios.errors import BrokerUnavailable, ToolBusy
from aios.kernel.ids import new_token
from aios.kernel.retry import Again, decide
from aios.settings import RetrySettings, Settings
from aios.tools.permits import RedisPermits
from aios.tools.registry import Loaded, Registry
from aios.tools.tool import tool
from aios.worker import host
from aios.worker.incarnation import Role


@pytest.fixture
def permits(redis_url):
    made = RedisPermits(redis_url, lease_seconds=0.4, process="here/1")
    yield made
    made.close()


def test_fault_23_calls_beyond_the_limit_are_put_off_and_none_is_dropped(permits):
    now, most, lock, done = [0], [0], threading.Lock(), []

    @tool(limit=3)
    def counted() -> None:
        """Count who is here."""
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1

    registry = Registry([Loaded(counted, "here")], permits=permits)

    def call():
        while True:
            try:
                with registry.hold(["counted"]):
                    registry.call("counted", {}, agent_id=uuid4(), seconds=5)
                    done.append(1)
                    return
            except ToolBusy:
                time.sleep(0.01)

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 3
    assert len(done) == 20


def test_all_or_none_so_that_nobody_holds_what_another_needs(permits):
    with permits.hold({"a": 1}):
        with pytest.raises(ToolBusy, match="'a' has 1 calls"), permits.hold({"a": 1, "b": 1}):
            pass
        with permits.hold({"b": 1}):
            pass


def test_a_call_longer_than_its_lease_keeps_its_permit_and_a_dead_holders_is_free(permits, redis_url):
    with permits.hold({"a": 1}):
        time.sleep(0.6)
        with pytest.raises(ToolBusy), permits.hold({"a": 1}):
            pass
    dead = permits.hold({"a": 1})
    dead.__enter__()
    keeper = next(thread for thread in threading.enumerate() if thread.name == "aios-permits")
    with redis.Redis.from_url(redis_url) as client:  # what a SIGKILL leaves: a lease that nobody renews
        client.zadd("aios:permits:tool:a", {client.zrange("aios:permits:tool:a", 0, 0)[0]: time.time() * 1000 - 1})
        with permits.hold({"a": 1}):
            pass
    dead.__exit__(None, None, None)
    keeper.join(2)


def test_an_operators_limit_wins(permits, redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.hset("aios:limits", "tool:a", 2)
    with (
        permits.hold({"a": 1}),
        permits.hold({"a": 1}),
        pytest.raises(ToolBusy, match="2 calls"),
        permits.hold({"a": 1}),
    ):
        pass


def test_a_busy_tool_counts_as_no_error_of_the_call():
    again = decide(ToolBusy("a", 1, 0.25), op="tool.call", errors=99, settings=RetrySettings(), random=lambda: 0.5)
    assert again == Again(0.25 * 1.125, counts=False)


def test_without_redis_a_limited_tool_is_not_called():
    with (
        pytest.raises(BrokerUnavailable),
        RedisPermits("redis://127.0.0.1:1/0", lease_seconds=1, process="p").hold({"a": 1}),
    ):
        pass


def test_what_one_process_held_is_forgotten_and_its_neighbours_hold_on(permits, redis_url):
    other = RedisPermits(redis_url, lease_seconds=30, process="here/11")
    with other.hold({"a": 2, "b": 1}), permits.hold({"a": 2}):
        permits.forget("here/11")
        with permits.hold({"b": 1}), permits.hold({"a": 2}), pytest.raises(ToolBusy), permits.hold({"a": 2}):
            pass
    other.close()


def test_without_redis_nothing_is_forgotten_and_recovery_goes_on():
    RedisPermits("redis://127.0.0.1:1/0", lease_seconds=1, process="p").forget("q")


def test_a_killed_workers_permits_are_free_at_the_next_tick_and_a_stopped_ones_are_not(database_url, redis_url):
    kernel = Kernel(Settings(database_url=database_url, redis_url=redis_url), Role(("tool",), 1), programs={})
    worker = subprocess.Popen(["sleep", "60"])
    name = host.process(worker.pid, host.birth(worker.pid))
    row = workers.Process(new_token(), ("tool",), host.name(), worker.pid, host.birth(worker.pid), 1)
    with kernel.parts.database.transaction() as tx:
        workers.register(tx, row, lease_seconds=30)
    theirs = RedisPermits(redis_url, lease_seconds=30, process=name)
    with theirs.hold({"a": 1}):
        worker.send_signal(signal.SIGSTOP)
        assert kernel.recovery.tick()
        with pytest.raises(ToolBusy), kernel.parts.permits.hold({"a": 1}):
            pass
        worker.kill()
        worker.wait()
        assert kernel.recovery.tick()
        with kernel.parts.permits.hold({"a": 1}), redis.Redis.from_url(redis_url, decode_responses=True) as client:
            (holder,) = client.zrange("aios:permits:tool:a", 0, -1)
    assert holder.startswith(f"{host.process(os.getpid(), host.birth(os.getpid()))} ")  # as the next tick will ask for
    theirs.close()
    kernel.parts.close()
