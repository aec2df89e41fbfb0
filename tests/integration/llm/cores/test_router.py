"""The router in front of engines as processes of their own, and of a real Redis."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import aclosing, contextmanager
from dataclasses import replace

import pytest

from aios.kernel.chat import Sampling
from aios.kernel.ports import Boundary, Finish, Prompt
from aios.kernel.routing import Core, CoreKind
from aios.kernel.slices import Slicing
from aios.llm.cores.drivers import Drivers, driver
from aios.llm.cores.purse import Purse
from aios.llm.cores.registry import Registry
from aios.llm.cores.router import Router
from aios.llm.cores.shared import RedisStates, SharedStates
from aios.settings import LLMSettings, Settings
from tests.integration.llm.conftest import Engine

SCRIPTED = ("--backend", "scripted", "--max-concurrent-requests", "300")


@contextmanager
def engine(*options):
    command = [sys.executable, "-m", "aios.local.engine", *(options or SCRIPTED)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            made = Engine(process.stdout.readline().removeprefix("listening on ").strip())
            made.pid = process.pid
            yield made
            made.http.close()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def engines():
    with engine() as one, engine() as two:
        yield one, two


def router(redis_url, *engines, kinds=(CoreKind.TGI, CoreKind.OPENAI), slots=200):
    cores = [
        Core(name, made.url, kind=kind, model="m", slots=slots)
        for name, made, kind in zip("ab", engines, kinds, strict=True)
    ]
    drivers = Drivers(lambda core: driver(core, LLMSettings()))
    return Router(Registry(Settings(), lambda: cores), drivers, SharedStates(RedisStates(redis_url)), Purse())


async def text_of(made, number):
    async for item in made.generate(Prompt(text=f"talk {number}", trace={"x-aios-syscall": str(number)})):
        if isinstance(item, Finish):
            return item.core, item.text
    raise AssertionError


def test_one_core_is_killed_under_200_calls_and_all_of_them_are_answered_by_the_other(engines, redis_url):
    other = engines[1]

    async def run(one):
        cores = router(redis_url, one, other)
        calls = [asyncio.create_task(text_of(cores, n)) for n in range(200)]
        end = time.monotonic() + 20
        while (inside := await asyncio.to_thread(lambda: one.inside)) < 30:
            assert time.monotonic() < end, inside
            await asyncio.sleep(0.02)
        os.kill(one.pid, signal.SIGKILL)
        answers = await asyncio.gather(*calls)
        await cores.aclose()
        return answers

    with engine() as one:
        one.script(rules=[{"hang": True}])
        other.script(rules=[{"answer": "well", "delay_seconds": 1}])
        answers = asyncio.run(run(one))
    assert answers == [("b", "well")] * 200


def test_retry_after_of_one_core_keeps_every_process_away_from_it_and_only_from_it(engines, redis_url):
    one, two = engines
    one.script(rules=[{"status": 429, "retry_after_seconds": 30}])
    two.script(rules=[{"answer": "well"}])

    async def run(first):
        cores = router(redis_url, *engines, kinds=(CoreKind.TGI, CoreKind.TGI))
        answers = [await text_of(cores, n) for n in range(first, first + 15)]
        await cores.aclose()
        return answers

    answers = asyncio.run(run(0))
    asked = one.http.get("/script").json()["calls"]
    answers += asyncio.run(run(15))
    assert {core for core, _ in answers} == {"b"}
    assert asked == one.http.get("/script").json()["calls"] == 1


def test_calls_go_on_while_redis_is_away(engines):
    for made in engines:
        made.script(rules=[{"answer": "well"}])

    async def run():
        cores = router("redis://127.0.0.1:1/0", *engines)
        answers = await asyncio.gather(*(text_of(cores, n) for n in range(12)))
        await cores.aclose()
        return answers

    answers = asyncio.run(run())
    assert {core for core, _ in answers} == {"a", "b"}
    assert {text for _, text in answers} == {"well"}


def test_after_its_core_was_killed_a_generation_goes_on_at_one_that_reads_the_same_folder(redis_url, tmp_path):
    keeps = ("--backend", "simulated", "--zero-latency", "--data-dir", str(tmp_path))
    prompt = Prompt(text="Once", sampling=Sampling(max_tokens=40, temperature=0.8), slicing=Slicing(16, 5))

    async def run(by_name):
        cores = router(redis_url, *by_name.values(), kinds=(CoreKind.TGI, CoreKind.TGI))
        whole = [item async for item in cores.generate(prompt)]
        async with aclosing(cores.generate(prompt)) as again:
            half = await anext(item.partial async for item in again if isinstance(item, Boundary))
        holder = half.state["core"]
        os.kill(by_name.pop(holder).pid, signal.SIGKILL)
        goes_on = replace(prompt, slicing=replace(prompt.slicing, done=half))
        rest = [item async for item in cores.generate(goes_on)]
        await cores.aclose()
        return whole[-1], rest[-1], set(by_name)

    with engine(*keeps) as one, engine(*keeps) as two:
        whole, rest, left = asyncio.run(run({"a": one, "b": two}))
    assert {rest.core} == left
    assert (rest.token_ids, rest.text) == (whole.token_ids, whole.text)
