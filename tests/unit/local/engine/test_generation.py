import asyncio

import pytest

from aios.local.engine.call import Call, Prompt, Token
from aios.local.engine.generation import Generation
from aios.local.engine.refusal import Refusal
from aios.local.engine.simulated import spell


def generation(text, *, batch=1, limit=100, stop=()):
    closed = []

    async def source():
        try:
            tokens = list(spell(text, limit=1000))
            for at in range(0, len(tokens), batch):
                yield tokens[at : at + batch]
        finally:
            closed.append(True)

    call = Call(prompt=Prompt("p", 1), max_new_tokens=limit, stop=stop)
    return Generation(call=call, source=source()), closed


@pytest.mark.parametrize("batch", [1, 2, 50])
@pytest.mark.parametrize(
    ("more", "finish", "text"),
    [
        ({}, "eos_token", "one two three"),
        ({"limit": 3}, "length", "one two"),
        ({"stop": (" two",)}, "stop_sequence", "one two"),
        ({"stop": ("never", "e t")}, "eos_token", "one two three"),
    ],
)
def test_the_first_rule_ends_it_and_closes_the_backend(batch, more, finish, text):
    found, closed = generation("one two three", batch=batch, **more)
    asyncio.run(found.run())
    assert (found.finish, found.text, closed) == (finish, text, [True])


def test_a_length_reached_with_the_end_of_the_text_counts_as_length():
    found, _ = generation("abc", limit=2)
    asyncio.run(found.run())
    assert (found.finish, len(found.tokens)) == ("length", 2)


def test_a_backend_that_just_stops_is_an_incomplete_generation():
    async def source():
        yield [Token(5, "a", -1.0)]

    found = Generation(call=Call(prompt=Prompt("p", 1), max_new_tokens=9), source=source())
    with pytest.raises(Refusal) as caught:
        asyncio.run(found.run())
    assert caught.value.kind == "incomplete_generation"
