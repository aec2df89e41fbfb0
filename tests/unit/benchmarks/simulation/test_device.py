"""The simulated core takes the time that the simulated engine takes, token for token."""

from __future__ import annotations

import asyncio
import random
import selectors

import pytest

from aios.local.engine.simulated import Batcher, Timing
from benchmarks.simulation.clock import Clock
from benchmarks.simulation.device import Device
from benchmarks.simulation.workload import Agent, Call

LONGEST_PROMPT = 500


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes as fast as nothing happens."""

    def __init__(self):
        self.seconds = 0.0
        super().__init__(_Impatient(self))

    def time(self):
        return self.seconds


class _Impatient(selectors.SelectSelector):
    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        self._loop.seconds += timeout or 0.0
        return []


async def generate(batcher, at, prompt, tokens):
    loop = asyncio.get_running_loop()
    await asyncio.sleep(at)
    sequence = batcher.enter(prompt_tokens=prompt)
    for _ in range(tokens):
        await sequence.steps.acquire()
    batcher.leave(sequence)
    return loop.time()


def engine(timing, calls):
    async def all_of_them():
        batcher = Batcher(timing=timing)
        return await asyncio.gather(*(generate(batcher, *call) for call in calls))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(all_of_them())


def device(timing, calls):
    clock, ended, line = Clock(), {}, []

    def fill():
        while line and core.free:
            call = line.pop(0)
            core.load(call, hold_seconds=timing.prefill_seconds(call.prompt), steps=call.answer + 1)

    def freed(call):
        ended[call.agent.number] = clock.now
        fill()

    def come(call):
        line.append(call)
        fill()

    core = Device(clock, timing, freed=freed)
    for number, (at, prompt, tokens) in enumerate(calls):
        call = Call(Agent(number, "", "", 5), prompt, tokens, 0.0, 0.0)
        clock.after(at, lambda call=call: come(call))
    assert clock.run(until=lambda: len(ended) == len(calls), limit_seconds=1e6)
    assert core.steps == sum(tokens + 1 for _, _, tokens in calls)
    return [ended[number] for number in range(len(calls))]


@pytest.mark.parametrize("slots", [1, 3, 8])
@pytest.mark.parametrize("seed", range(4))
def test_calls_end_when_they_end_on_the_simulated_engine(slots, seed):
    numbers = random.Random(seed)
    timing = Timing(slots=slots, prefill_tokens_per_second=1000, step_ms=20, step_per_sequence_ms=3)
    calls = [(numbers.uniform(0, 20), numbers.randint(1, LONGEST_PROMPT), numbers.randint(1, 60)) for _ in range(25)]
    for ours, theirs in zip(device(timing, calls), engine(timing, calls), strict=True):
        kept = ours - theirs  # the engine answers with the last token, and keeps the slot for a step
        if slots == 1:
            assert kept == pytest.approx(timing.step_seconds(1))
        else:  # in between somebody else's prefill may have come
            assert 0 < kept < timing.step_seconds(slots) + timing.prefill_seconds(LONGEST_PROMPT)


def test_a_failed_load_holds_up_what_runs():
    timing = Timing(slots=1, prefill_tokens_per_second=1000, step_ms=100, step_per_sequence_ms=0)
    clock, ended = Clock(), []
    core = Device(clock, timing, freed=lambda call: ended.append(clock.now))
    core.load(Call(Agent(0, "", "", 5), 0, 10, 0.0, 0.0), hold_seconds=0.0, steps=10)
    clock.after(0.55, lambda: core.disturb(0.25))
    clock.run(until=lambda: bool(ended), limit_seconds=10)
    assert ended == [pytest.approx(1.25)]
    assert core.wasted_seconds == 0.25
    assert core.busy_seconds == pytest.approx(1.25)
