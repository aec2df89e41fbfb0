"""Slices on the real model: what goes on from a saved state says exactly what it would have said."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace

import pytest

from aios.errors import EngineRefused, StateLost
from aios.kernel.chat import Sampling
from aios.kernel.ports import Boundary, Finish, Prompt, Token
from aios.kernel.slices import Slicing
from aios.llm.tgi import TGIDriver
from aios.settings import LLMSettings
from tests.integration.engine.conftest import engine

GREEDY = {"repetition_penalty": 1.1}
SAMPLED = {"temperature": 0.9}
TOKENS, SLICE = 16, 8


def prompt(number, **sampling):
    text = f"{number}. A story about a {('river', 'fox', 'ship', 'storm')[number % 4]}:\n\nOnce"
    return Prompt(
        text=text, sampling=Sampling(max_tokens=TOKENS, seed=number, **sampling), slicing=Slicing(SLICE, number)
    )


async def generated(driver, asked, *, until=0):
    """The ids and the end of a generation; or the ids and the boundary after `until` slices, where it is given up."""
    ids = []
    items = driver.generate(asked)
    async for item in items:
        match item:
            case Token():
                ids.append(item.id)
            case Boundary() if item.partial.slice == until:
                await items.aclose()
                return ids, item
            case Finish():
                return ids, item
    raise AssertionError("no end")


def on(url, scenario):
    async def run():
        driver = TGIDriver(url=url, settings=LLMSettings())
        try:
            return await scenario(driver)
        finally:
            await driver.aclose()

    return asyncio.run(run())


def resumed(asked, boundary):
    return replace(asked, slicing=replace(asked.slicing, done=boundary.partial))


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED])
def test_cut_and_restored_among_others_it_says_the_same(llama, sampling):
    async def scenario(driver):
        asked = [prompt(number, **sampling) for number in range(4)]
        alone = [await generated(driver, one) for one in asked[:2]]
        cut = await asyncio.gather(*(generated(driver, one, until=1) for one in asked))
        rest = await asyncio.gather(*(generated(driver, resumed(asked[i], cut[i][1])) for i in (1, 0, 3, 2)))
        return alone, [rest[1], rest[0]]

    alone, together = on(llama.url, scenario)
    assert [ids for ids, _ in together] == [ids for ids, _ in alone]
    assert [end.text for _, end in together] == [end.text for _, end in alone]
    assert together[0][1].usage == alone[0][1].usage


def test_a_killed_engine_goes_on_from_its_files(tmp_path):
    where = ("--context", "512", "--slots", "2", "--data-dir", str(tmp_path / "data"))
    asked = prompt(1, **SAMPLED)
    with engine(tmp_path, *where) as first:
        whole = on(first.url, lambda driver: generated(driver, asked))
        _, boundary = on(first.url, lambda driver: generated(driver, asked, until=1))
        first.process.send_signal(signal.SIGKILL)
    with engine(tmp_path, *where) as second:
        rest = on(second.url, lambda driver: generated(driver, resumed(asked, boundary)))
    assert rest[0] == whole[0]


def test_a_slice_that_ends_inside_a_character_loses_none_of_it(llama):
    async def scenario(driver):
        asked = prompt(0)
        rockets = "\N{ROCKET}\N{WOMAN}" * 4
        asked = replace(
            asked,
            sampling=replace(asked.sampling, max_tokens=10),
            text=f"Repeat: {rockets}\nRepeat: {rockets}\nRepeat:",
        )
        ends = [(await generated(driver, replace(asked, slicing=Slicing(size, 3))))[1] for size in (3, 10)]
        return [end.text for end in ends]

    short, whole = on(llama.url, scenario)
    assert "\N{ROCKET}" in whole
    assert "\ufffd" not in short[:-1]
    assert short[:4] == whole[:4]


def test_states_of_other_tokens_and_altered_ones_are_refused(llama):
    async def scenario(driver):
        asked = prompt(2, **GREEDY)
        _, boundary = await generated(driver, asked, until=1)
        partial = boundary.partial
        wrong = replace(partial, tokens=tuple(replace(token, id=5) for token in partial.tokens))
        robbed = replace(partial, state={**partial.state, "digest": "0" * 64})
        plain = Prompt(text="x", sampling=Sampling(max_tokens=2))
        await asyncio.gather(*(generated(driver, plain) for _ in range(4)))  # no slot is in the state any more
        errors = []
        for lost in (wrong, robbed, partial, replace(partial, state=None)):
            try:
                await generated(driver, replace(asked, slicing=replace(asked.slicing, done=lost)))
            except StateLost as error:
                errors.append(str(error))
        return errors

    errors = on(llama.url, scenario)
    assert [
        part in error for part, error in zip(("other tokens", "not what", "gone", "no state"), errors, strict=True)
    ] == [True] * 4


def test_what_a_slice_cannot_have_is_refused(llama):
    body = {"inputs": "x", "parameters": {"max_new_tokens": 4, "stop": ["a"]}}
    assert "neither grammar nor" in llama.http.post("/aios/slice", json=body).text
    with pytest.raises(EngineRefused):
        on(llama.url, lambda driver: generated(driver, replace(prompt(0), sampling=Sampling(max_tokens=2000))))
