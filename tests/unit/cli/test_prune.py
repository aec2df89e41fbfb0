from __future__ import annotations

from datetime import timedelta

import pytest

from aios.cli.prune import age as age_of
from aios.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("1.5h", timedelta(minutes=90)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(days=14)),
        ("0s", timedelta(0)),
    ],
)
def test_an_age_is_a_number_and_a_unit(text, age) -> None:
    assert age_of(text) == age


@pytest.mark.parametrize("text", ["7", "d", "7 days", "-1d", "", "99999999999999w"])
def test_anything_else_is_refused(text) -> None:
    with pytest.raises(InvalidArgument):
        age_of(text)
