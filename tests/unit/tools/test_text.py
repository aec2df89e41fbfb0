"""`text`: small operations, never a large result."""

from __future__ import annotations

import pytest

from aios.errors import InvalidArgument
from aios.tools.text import text


@pytest.mark.parametrize(
    ("operation", "given", "wanted"),
    [
        ("upper", "straße", "STRASSE"),
        ("lower", "ABC", "abc"),
        ("title", "a tale", "A Tale"),
        ("strip", "  x ", "x"),
        ("reverse", "abc", "cba"),
        ("count_characters", "strawberry", 10),
        ("count_words", " one  two\nthree ", 3),
        ("count_lines", "a\nb\nc", 3),
    ],
)
def test_operations_on_the_text_alone(operation, given, wanted):
    assert text(operation, given) == wanted


def test_counting_and_replacing_take_what_to_look_for():
    assert text("count", "strawberry", find="r") == 3
    assert text("replace", "a-b-c", find="-", replacement="+") == "a+b+c"
    with pytest.raises(InvalidArgument, match="needs the text to look for"):
        text("count", "strawberry")


def test_a_replacement_that_would_fill_the_memory_is_refused_before_it_is_made():
    with pytest.raises(InvalidArgument, match="more than 200000 characters"):
        text("replace", "," * 100_000, find=",", replacement="x" * 100_000)
