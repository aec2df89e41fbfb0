"""What the agents of a run do: five shapes after the frameworks that the paper measured, with every length drawn from seeds."""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass, field
from functools import cache
from math import exp, log
from pathlib import Path
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, Any

from aios.local.engine.simulated import Timing

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(slots=True, eq=False)
class Call:
    """One LLM syscall and what became of it; times in virtual seconds.

    Attributes:
        think_seconds: between the end of the agent's previous call (or its start) and this one's issue.
        estimate_tokens: the answer that a scheduler expects.
        left: tokens still to be generated.
        loads: failed loads that it tried (B1).
    """

    agent: Agent
    prompt: int
    answer: int
    think_seconds: float
    estimate_tokens: float
    left: int = 0
    issued: float = 0.0
    started: float = -1.0
    ended: float = 0.0
    loads: int = 0


@dataclass(slots=True, eq=False)
class Agent:
    """One agent: its calls, one after the other."""

    number: int
    shape: str
    tenant: str
    priority: int
    arrives: float = 0.0
    ended: float = 0.0
    calls: list[Call] = field(default_factory=list)


@cache
def parameters() -> dict[str, Any]:
    """The file of parameters."""
    return tomllib.loads(Path(__file__).with_name("workload.toml").read_text())


def timing(*, speed: str = "tenth", slots: int | None = None) -> Timing:
    """The simulated engine's own timing model at one of the speeds."""
    engine = parameters()["engine"]
    return Timing(slots=slots or engine["slots"], **engine["speeds"][speed])


def alone_seconds(call: Call, on: Timing) -> float:
    """The call's service: how long it takes a core that has nothing else to do."""
    return on.prefill_seconds(call.prompt) + call.answer * on.step_seconds(1)


def batch(seed: int, *, agents: int | None = None, shape: str | None = None) -> list[Agent]:
    """A closed batch: all agents are there at the start.

    Args:
        seed: of every length.
        agents: how many; None: the file's.
        shape: of all; None: the five in turns.
    """
    count = parameters()["batch"]["agents"] if agents is None else agents
    return [_agent(seed, number, shape=shape, heavy=False) for number in range(count)]


def arrivals(seed: int, *, agents: int, on: Timing, rho: float | None = None) -> list[Agent]:
    """Open arrivals: Poisson, with heavy-tailed agents.

    The rate follows from the mean work of this seed's own agents, since the mean of a heavy tail differs between seeds.
    """
    crowd = [_agent(seed, number, shape=None, heavy=True) for number in range(agents)]
    load = parameters()["arrivals"]["rho"] if rho is None else rho
    rate = load / fmean(_core_seconds(agent, on) for agent in crowd)
    numbers, now = random.Random(f"arrivals {seed}"), 0.0
    for agent in crowd:
        now += numbers.expovariate(rate)
        agent.arrives = now
    return crowd


def _core_seconds(agent: Agent, on: Timing) -> float:
    """What of the core's time an agent needs when all slots are busy."""
    step = on.step_seconds(on.slots) / on.slots
    return sum(on.prefill_seconds(call.prompt) + call.answer * step for call in agent.calls)


def _agent(seed: int, number: int, *, shape: str | None, heavy: bool) -> Agent:
    tasks, shapes = parameters()["tasks"], parameters()["shapes"]
    task = number if heavy else number % tasks["base"]
    numbers = random.Random(f"{seed} {task} {heavy}")
    name = shape or list(shapes)[task % len(shapes)]
    agent = Agent(number, name, f"tenant{numbers.randrange(tasks['tenants'])}", numbers.choice((1, 5, 9)))
    agent.calls = _calls(agent, shapes[name], numbers, heavy=heavy)
    return agent


def _calls(agent: Agent, shape: dict[str, Any], numbers: random.Random, *, heavy: bool) -> list[Call]:
    tasks = parameters()["tasks"]
    sigma = tasks["heavy_sigma"] if heavy else tasks["sigma"]
    mu = log(shape["answer"]) - sigma**2 / 2
    estimate = min(tasks["answer_tokens"], exp(mu + sigma * NormalDist().inv_cdf(tasks["estimate_quantile"])))
    count = min(tasks["heavy_calls"], int(numbers.paretovariate(tasks["heavy_alpha"])))
    if not heavy:
        count = numbers.randint(*shape["calls"])
    prompt, calls = shape["prompt"], []
    for position in range(count):
        answer = max(1, min(tasks["answer_tokens"], round(numbers.lognormvariate(mu, sigma))))
        think = numbers.expovariate(1 / shape["between"]) if position else 0.0
        calls.append(Call(agent, min(prompt, tasks["context_tokens"]), answer, think, estimate, left=answer))
        prompt += answer + shape["grows"]
    return calls


def calls_of(agents: Sequence[Agent]) -> list[Call]:
    """All calls of some agents."""
    return [call for agent in agents for call in agent.calls]
