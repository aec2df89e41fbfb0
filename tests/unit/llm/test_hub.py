"""What the client's streams say, read without the client."""

import pytest
from huggingface_hub import errors

from aios.llm.hub import frame_of


def test_a_frame_is_what_its_line_holds():
    assert frame_of('data:{"index": 1, "token": {"text": "data: x"}}') == {"index": 1, "token": {"text": "data: x"}}
    assert frame_of('data: {"index": 2}') == {"index": 2}


@pytest.mark.parametrize("line", ["", ":keep-alive", "event: message", "retry: 5"])
def test_other_lines_of_a_stream_hold_none(line):
    assert frame_of(line) is None


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("generation", errors.GenerationError),
        ("incomplete_generation", errors.IncompleteGenerationError),
        ("overloaded", errors.OverloadedError),
        ("validation", errors.ValidationError),
        ("something_new", errors.UnknownError),
    ],
)
def test_an_error_in_a_stream_is_the_clients_own(kind, error):
    with pytest.raises(error, match="no luck"):
        frame_of(f'data:{{"error": "no luck", "error_type": "{kind}"}}')


def test_what_is_no_json_is_no_frame():
    with pytest.raises(ValueError, match="Expecting"):
        frame_of("data: {")
