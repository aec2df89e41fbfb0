from hypothesis import given
from hypothesis import strategies as st

from aios.local.engine import packed


@given(st.text())
def test_ids_turn_back_into_the_text(text):
    pieces = packed.pieces(text)
    assert packed.join(piece.id for piece in pieces) == text
    assert "".join(piece.text for piece in pieces) == text


@given(st.text(min_size=1))
def test_offsets_cut_the_text_where_the_tokens_are(text):
    for piece in packed.pieces(text):
        assert text[piece.start : piece.stop] == piece.text
        assert 0 < piece.id < 1 << 31


def test_the_end_of_the_text_has_no_text():
    assert packed.decode(packed.EOS_ID) == ""


@given(st.text(), st.integers(min_value=1, max_value=5))
def test_truncation_keeps_the_last_tokens(text, kept):
    prompt = packed.prompt(text, truncate=kept)
    assert prompt.tokens == min(kept, len(packed.split(text)))
    assert text.endswith(prompt.text)
