import asyncio
from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st

from aios.local.engine.call import Call, Prompt, Sampling
from aios.local.engine.generation import Generation
from aios.local.engine.simulated import Simulated, Timing, babble


def words(prompt, tokens, seed=0):
    return [token.text for token in babble(seed=seed, prompt=prompt, tokens=tokens, limit=tokens)]


@given(st.text(), st.integers(min_value=0, max_value=20))
def test_a_cut_text_goes_on_as_the_uncut_one(prompt, cut):
    whole = words(prompt, 20)
    assert words(prompt + "".join(whole[:cut]), 20 - cut) == whole[cut:]


def test_one_altered_token_changes_what_follows():
    whole = words("p", 30)
    assert words("p" + " xx" + "".join(whole[1:10]), 20) != whole[10:]
    assert words("p", 30, seed=1) != whole


def call(prompt="p", tokens=8, sampling=None):
    return Call(prompt=Prompt(prompt, 1), max_new_tokens=tokens, sampling=sampling or Sampling())


def test_a_seed_counts_only_when_sampling():
    backend = Simulated(timing=Timing(zero=True), context=100)

    def text(sampling):
        run = call(sampling=sampling)
        return asyncio.run(Generation(call=run, source=backend.generate(run)).run()).text

    assert text(Sampling(seed=1)) == text(Sampling(seed=2))
    assert text(Sampling(greedy=False, seed=1)) == text(Sampling(greedy=False, seed=1))
    assert text(Sampling(greedy=False, seed=1)) != text(Sampling(greedy=False, seed=2))


def test_no_more_than_the_slots_are_decoded_together():
    async def scenario():
        backend = Simulated(timing=Timing(slots=2, step_ms=10, step_per_sequence_ms=0), context=100)
        runs = [asyncio.create_task(Generation(call=call(), source=backend.generate(call())).run()) for _ in range(6)]
        await asyncio.sleep(0.035)
        waiting = backend.queued()
        started = perf_counter()
        await asyncio.gather(*runs)
        return waiting, perf_counter() - started

    waiting, seconds = asyncio.run(scenario())
    assert waiting == 4
    assert seconds > 0.18  # three rounds of 8 steps of 10 ms, less what was waited before


def test_a_client_that_leaves_frees_its_place():
    async def scenario():
        backend = Simulated(timing=Timing(slots=1, step_ms=1), context=10_000)
        run = call(tokens=5000)
        first = asyncio.create_task(Generation(call=run, source=backend.generate(run)).run())
        second = asyncio.create_task(Generation(call=call(), source=backend.generate(call())).run())
        await asyncio.sleep(0.02)
        first.cancel()
        return (await asyncio.wait_for(second, 2)).finish

    assert asyncio.run(scenario()) == "length"
