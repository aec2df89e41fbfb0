from hypothesis import given
from hypothesis import strategies as st

from aios.kernel.ports import Token
from aios.kernel.slices import joined, next_slice, seed_at

POSITIONS = st.integers(0, 1 << 40)
SEEDS = st.integers(-(1 << 63), (1 << 64) - 1)


@given(seed=SEEDS, position=POSITIONS)
def test_a_seed_is_a_function_of_seed_and_place_that_every_engine_takes(seed, position):
    assert seed_at(seed, position) == seed_at(seed, position)
    assert 0 <= seed_at(seed, position) < (1 << 32) - 1


def test_seeds_of_places_and_of_generations_differ():
    found = {seed_at(seed, position) for seed in range(40) for position in range(0, 640, 16)}
    assert len(found) > 1590  # of 1,600: 32 bits may meet, though hardly ever


@given(limit=st.integers(1, 500), tokens=st.integers(8, 200))
def test_slices_of_a_generation_make_up_its_whole_length(limit, tokens):
    at, sizes = 0, []
    while at < limit:
        sizes.append(next_slice(at, tokens=tokens, limit=limit))
        at += sizes[-1]
    assert (at, set(sizes[:-1]) <= {tokens}, 0 < sizes[-1] <= tokens) == (limit, True, True)
    assert next_slice(limit, tokens=tokens, limit=limit) == 0


def test_the_engine_has_the_last_word_on_ids():
    done, more = [Token(1, 5, "a")], [Token(2, 6, ""), Token(3, 7, "b")]
    assert [t.id for t in joined(done, more, [8, 7])] == [5, 8, 7]
