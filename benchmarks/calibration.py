"""How well the simulated engine's timing model fits the real local engine: its constants by least squares, and its error.

The model's constants are prefill's speed and what a prompt takes besides, and a decode step's time with so many sequences:
as it was measured for each number that there are slots for. Prefill is measured by prompts of several lengths and one token;
a step by streams of 1 to 4 sequences, all before and after ten agents of the closed batch, two of each shape, with shorter
prompts and answers, run for real. The same batch runs in the model: the difference of their total times is its error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from contextlib import aclosing, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rich.console import Console

from aios.kernel.chat import Sampling
from aios.kernel.ports import Prompt, Token
from aios.llm.tgi import TGIDriver
from aios.local.engine.simulated import Timing
from aios.settings import LLMSettings
from benchmarks import origin
from benchmarks.simulation import gates, tables, workload
from benchmarks.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.simulation.findings import Findings
    from benchmarks.simulation.workload import Agent

SLOTS = 4
CONTEXT = 1536
PROMPTS = (16, 48, 96, 160)
SEQUENCES = (1, 2, 3, 4)
ANSWER = 32
MARKS = ("<!-- calibration: begin -->", "<!-- calibration: end -->")
_WORD = " the"  # one token of the small model
_SHORTER = 20  # times, than the workload's prompts and answers: the small model on two cores is slow


class Timed(NamedTuple):
    """A measured time, and what it was measured for."""

    of: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="aios bench calibration", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and agents")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the tables between the page's marks")
    parser.add_argument("--results", type=Path, default=origin.RESULTS, metavar="FOLDER", help="where the findings go")
    options = parser.parse_args(arguments)
    run = origin.origin(command="aios bench calibration" + (" --quick" if options.quick else ""), clock="wall")
    with Console(stderr=True, quiet=options.json).status("measuring the local engine"), engine() as url:
        found = {"run": run, **asyncio.run(measured(url, quick=options.quick))}
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "calibration.json").write_text(json.dumps(found, indent=2) + "\n")
    if options.markdown:
        tables.between(options.markdown, MARKS, f"{origin.line(run)}\n\n{tables.markdown([table(found)])}")
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        tables.show([table(found)])
    return 0


@contextmanager
def engine() -> Iterator[str]:
    """The local engine with its real model, as a process of its own."""
    command = [sys.executable, "-m", "aios.local.engine", "--slots", str(SLOTS), "--context", str(CONTEXT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.terminate()
            process.wait(20)


async def measured(url: str, *, quick: bool) -> Findings:
    """All measurements, the fitted constants, and their error."""
    driver, rounds = TGIDriver(url=url, settings=LLMSettings()), 2 if quick else 3
    numbers = count(1)  # no two calls begin alike: none finds its prompt in the engine's cache
    try:
        await _answer(driver, prompt=32, answer=4, number=0)  # warm
        before = await _constants(driver, rounds, numbers)
        agents = shortened(workload.batch(0, agents=5 if quick else 10))
        real = await _batch(driver, agents, numbers)
        after = await _constants(driver, rounds, numbers)  # a machine's speed drifts
        prefill, steps = (_between(one, other) for one, other in zip(before, after, strict=True))
        timing = fitted(prefill, steps)
    finally:
        await driver.aclose()
    simulated = predicted(agents, timing)
    return {
        "prefill": [{"prompt_tokens": t.of, "seconds": round(t.seconds, 5)} for t in prefill],
        "steps": [{"sequences": t.of, "ms": round(t.seconds * 1000, 3)} for t in steps],
        "timing": {
            "prefill_tokens_per_second": round(timing.prefill_tokens_per_second, 1),
            "prefill_ms": round(timing.prefill_ms, 3),
            "step_ms": round(timing.step_ms, 3),
            "step_per_sequence_ms": round(timing.step_per_sequence_ms, 3),
        },
        "batch": {
            "agents": len(agents),
            "slots": SLOTS,
            "real_s": round(real, 3),
            "simulated_s": round(simulated, 3),
            "error": round(simulated / real - 1, 4),
        },
    }


def fitted(prefill: Sequence[Timed], steps: Sequence[Timed]) -> Timing:
    """The constants that fit best, by least squares; a part that would be negative is 0. Steps are as they were measured."""
    slope, start = np.polyfit([t.of for t in prefill], [t.seconds for t in prefill], 1)
    each, all_ = np.polyfit([t.of for t in steps], [t.seconds * 1000 for t in steps], 1)
    return Timing(
        slots=SLOTS,
        prefill_tokens_per_second=1 / max(float(slope), 1e-9),
        step_ms=max(0.0, float(all_)),
        step_per_sequence_ms=max(0.0, float(each)),
        prefill_ms=max(0.0, float(start) * 1000 - steps[0].seconds * 1000),  # the first token has a step of its own
        steps_ms=tuple(t.seconds * 1000 for t in steps),
    )


def shortened(agents: list[Agent]) -> list[Agent]:
    """The same agents with a twentieth of the tokens, within the small model's context."""
    for agent in agents:
        for call in agent.calls:
            call.prompt = max(8, min(CONTEXT // 2, call.prompt // _SHORTER))
            call.answer = call.left = max(4, min(CONTEXT // 4, call.answer // _SHORTER))
    return agents


def predicted(agents: list[Agent], timing: Timing) -> float:
    """How long the model says that a batch takes, straight to the engine's queue."""
    opens = lambda clock, on, answered: gates.EngineQueue(clock, on, answered=answered)  # noqa: E731  # a gate's shape
    return World(agents, timing, opens, workers=None).run(limit_seconds=1e6).seconds


def table(found: Findings) -> tables.Table:
    """The findings as a table."""
    timing, batch = found["timing"], found["batch"]
    rows = [
        ("prefill, tokens/s", f"{timing['prefill_tokens_per_second']:,.0f}"),
        ("and for a prompt of any length, ms", f"{timing['prefill_ms']:.1f}"),
        *((f"a decode step with {row['sequences']} sequences, ms", f"{row['ms']:.2f}") for row in found["steps"]),
        *(
            (f"measured prefill of {row['prompt_tokens']} tokens, s", f"{row['seconds']:.3f}")
            for row in found["prefill"]
        ),
        (f"{batch['agents']} agents on {batch['slots']} slots: real, s", f"{batch['real_s']:.1f}"),
        ("the same in the model, s", f"{batch['simulated_s']:.1f}"),
        ("error of the model", f"{batch['error']:+.1%}"),
    ]
    return tables.Table("Calibration against the local engine (SmolLM2-135M, wall clock)", ("what", "value"), rows)


async def _constants(driver: TGIDriver, rounds: int, numbers: Iterator[int]) -> tuple[list[Timed], list[Timed]]:
    """How long prompts and steps take now."""
    prefill = [Timed(n, await _fastest(driver, n, rounds, numbers)) for n in PROMPTS]
    return prefill, [Timed(n, await _step(driver, n, rounds, numbers)) for n in SEQUENCES]


def _between(before: Sequence[Timed], after: Sequence[Timed]) -> list[Timed]:
    return [Timed(one.of, (one.seconds + other.seconds) / 2) for one, other in zip(before, after, strict=True)]


async def _answer(driver: TGIDriver, *, prompt: int, answer: int, number: int) -> list[float]:
    """Ask for exactly so many tokens; when the call began, and when each token came."""
    text = f"{number}:" + _WORD * prompt
    asked = Prompt(text=text, sampling=Sampling(max_tokens=answer, temperature=1.5, seed=number))
    instants = [time.perf_counter()]
    async with aclosing(driver.generate(asked)) as items:
        instants += [time.perf_counter() async for item in items if isinstance(item, Token)]
    return instants


async def _fastest(driver: TGIDriver, prompt: int, rounds: int, numbers: Iterator[int]) -> float:
    """Prefill: the time to the first token, the best of some rounds, since whatever disturbs can only add to it."""
    times = [await _answer(driver, prompt=prompt, answer=1, number=next(numbers)) for _ in range(rounds)]
    return min(instants[1] - instants[0] for instants in times if len(instants) > 1)  # else it ended at once


async def _step(driver: TGIDriver, sequences: int, rounds: int, numbers: Iterator[int]) -> float:
    """The median time between two tokens while so many sequences run."""
    gaps: list[float] = []
    for _ in range(rounds):
        calls = (_answer(driver, prompt=16, answer=ANSWER, number=next(numbers)) for _ in range(sequences))
        for instants in await asyncio.gather(*calls):
            together = instants[ANSWER // 4 :]  # once all have begun
            if len(together) > ANSWER // 4:
                gaps.append((together[-1] - together[0]) / (len(together) - 1))
    return median(gaps)


async def _batch(driver: TGIDriver, agents: list[Agent], numbers: Iterator[int]) -> float:
    """Run a batch for real, its pauses included, straight to the engine with as many at once as it has slots."""
    slots, begun = asyncio.Semaphore(SLOTS), time.perf_counter()

    async def live(agent: Agent) -> None:
        for call in agent.calls:
            await asyncio.sleep(call.think_seconds)
            async with slots:
                instants = await _answer(driver, prompt=call.prompt, answer=call.answer, number=next(numbers))
            call.answer = call.left = max(1, len(instants) - 1)  # it may have ended of itself

    await asyncio.gather(*(live(agent) for agent in agents))
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
