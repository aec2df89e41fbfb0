"""The same arrivals without this kernel: bare Celery on the same servers, and the published AIOS's FIFO as described (B4)."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING, Final

import redis
from celery import Celery

from aios.local.engine.simulated import Timing
from aios.publisher import BROKER_OPTIONS
from benchmarks.arriving.load import CALLS
from benchmarks.simulation import gates
from benchmarks.simulation.workload import Agent, Call, calls_of
from benchmarks.simulation.world import World

if TYPE_CHECKING:
    from benchmarks.arriving.load import Load
    from benchmarks.fleet import Fleet

_STEPS: Final = 1000  # of a call in virtual time: what its start may wait for a step to end
_LOST_SECONDS: Final = 60


def bare_celery(fleet: Fleet, load: Load, *, seed: int, name: str) -> list[float]:
    """What bare Celery adds to a call, in milliseconds: a message to a worker that sleeps for the engine, and one back.

    No row, no grant, no stream: two hops, as a syscall of ours has two in the profile `pools`.
    """
    instants = load.arrivals(seed, calls=1)
    client = redis.Redis.from_url(fleet.settings.redis_url, socket_timeout=2 * _LOST_SECONDS)
    app = Celery("bench", broker=fleet.settings.redis_url, set_as_current=False)
    app.conf.update(broker_transport_options=BROKER_OPTIONS, task_ignore_result=True)
    begun = time.monotonic()
    for number, instant in enumerate(instants):
        time.sleep(max(0.0, begun + instant - time.monotonic()))
        app.send_task("bare.call", (name, number, load.engine_seconds, time.time()), queue="bare-b", priority=5)
    found: dict[int, float] = {}
    while len(found) < len(instants):
        popped = client.blpop([f"bare:{name}"], timeout=_LOST_SECONDS)
        if popped is None:
            raise SystemExit("bare Celery lost a message")
        which, seconds = popped[1].split()
        found[int(which)] = 1000 * float(seconds)
    app.close()
    return [found[number] for number, instant in enumerate(instants) if instant >= load.warm_up_seconds]


def published_fifo(load: Load, *, seed: int) -> list[float]:
    """What the published AIOS's FIFO adds to a call, in milliseconds, by its description and in virtual time.

    Its messages, its HTTP and its computing are free here: what is left is the waiting that the algorithm prescribes.
    """
    agents = [_agent(number, instant) for number, instant in enumerate(load.arrivals(seed))]
    step_ms = 1000 * load.engine_seconds / _STEPS
    core = Timing(slots=len(agents) * CALLS, prefill_tokens_per_second=inf, step_ms=step_ms, step_per_sequence_ms=0.0)
    opens = lambda clock, on, answered: gates.PublishedBatch(clock, on, answered=answered)  # noqa: E731  # a gate's shape
    World(agents, core, opens, workers=None).run(limit_seconds=1e6)
    return [
        1000 * (call.ended - call.issued - load.engine_seconds)
        for call in calls_of(agents)
        if load.warm_up_seconds <= call.issued <= load.seconds
    ]


def _agent(number: int, instant: float) -> Agent:
    agent = Agent(number, "calls", tenant="", priority=5, arrives=instant)
    agent.calls = [
        Call(agent, prompt=1, answer=_STEPS, think_seconds=0.0, estimate_tokens=_STEPS, left=_STEPS)
        for _ in range(CALLS)
    ]
    return agent
