import asyncio

from hypothesis import given
from hypothesis import strategies as st

from aios.local.engine.slots import Slot, Slots, choose

IDS = st.lists(st.integers(0, 3), max_size=6).map(tuple)
SLOTS = st.lists(
    st.builds(Slot, number=st.integers(0, 3), holds=st.sampled_from([None, "a", "b"]), ids=IDS), min_size=1
)


@given(free=SLOTS, ids=IDS, state=st.sampled_from([None, "a", "c"]))
def test_a_slice_gets_the_slot_in_its_state_and_a_plain_call_the_longest_prefix(free, ids, state):
    slot = choose(free, ids=ids, state=state)
    if state is not None and any(other.holds == state for other in free):
        assert slot.holds == state
    elif state is None:
        shared = [
            next((i for i, (a, b) in enumerate(zip(o.ids, ids, strict=False)) if a != b), min(len(o.ids), len(ids)))
            for o in free
        ]
        assert shared[free.index(slot)] == max(shared)


def test_a_slot_in_somebodys_state_is_the_last_to_be_given_away():
    free = [Slot(0, holds="a", used=1), Slot(1, used=9)]
    assert choose(free, ids=(), state=None).number == 1
    assert choose(free, ids=(), state="b").number == 1
    assert choose(free, ids=(), state="a").number == 0


def test_who_finds_no_slot_waits_for_one():
    async def scenario():
        slots, seen = Slots(2), []

        async def call():
            async with slots.take() as slot:
                seen.append((slot.number, slots.waiting))
                await asyncio.sleep(0)

        await asyncio.gather(*(call() for _ in range(5)))
        return seen, slots.waiting

    seen, waiting = asyncio.run(scenario())
    assert sorted({number for number, _ in seen}) == [0, 1]
    assert (len(seen), waiting) == (5, 0)
