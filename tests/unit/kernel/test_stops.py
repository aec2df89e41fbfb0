from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from aios.kernel.ports import Token
from aios.kernel.stops import Stops, find, held

TEXTS = st.text(alphabet="ab\n", max_size=24)
STOPS = st.lists(st.text(alphabet="ab\n", min_size=1, max_size=4), max_size=4)


def split(text, cuts):
    """The text as tokens, cut at those places; some tokens are empty, as inside a character."""
    at = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    pieces = [text[a:b] for a, b in pairwise(at)] or [""]
    return [Token(i, i, piece) for i, piece in enumerate(pieces, start=1)]


def cut(text, stops):
    """What a reader may see: all before the stop string that is complete first."""
    ends = [
        (end, end - len(stop)) for stop in stops for end in range(len(stop), len(text) + 1) if text[:end].endswith(stop)
    ]
    return text[: min(ends)[1]] if ends else text


@given(text=TEXTS, stops=STOPS, cuts=st.lists(st.integers(0, 24)))
@example(text="abab", stops=["ba", "aba"], cuts=[1, 2, 3])
def test_what_is_shown_is_the_text_before_the_first_stop_string_however_it_is_cut(text, stops, cuts):
    through, shown = Stops(stops), []
    for token in split(text, cuts):
        shown += through.take(token)
        seen = "".join(t.text for t in shown)
        assert cut(text, stops).startswith(seen)
    shown += through.rest()
    assert "".join(t.text for t in shown) == cut(text, stops)
    assert [t.index for t in shown] == list(range(1, len(shown) + 1))
    assert through.found == (find(text, stops) is not None)


@given(text=TEXTS, stops=STOPS)
def test_no_more_is_held_back_than_a_stop_string_could_begin_with(text, stops):
    length = held(text, stops)
    assert length == 0 or any(stop.startswith(text[len(text) - length :]) for stop in stops)
    assert length < max((len(stop) for stop in stops), default=1)


def test_a_token_that_a_stop_string_begins_in_is_cut_there():
    stops = Stops(["STOP"])
    shown = [*stops.take(Token(1, 1, "one S")), *stops.take(Token(2, 2, "TOP two"))]
    assert [(t.index, t.text) for t in shown] == [(1, "one ")]
    assert stops.take(Token(3, 3, "three")) == []
