from __future__ import annotations

import pytest

from aios.errors import NotJson
from aios.kernel.values import canonical


def nested(levels, *, make=lambda inner: [inner]):
    value = "x"
    for _ in range(levels):
        value = make(value)
    return value


@pytest.mark.parametrize("make", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)])
def test_what_is_nested_too_deeply_is_refused(make):
    assert canonical(nested(100, make=make))
    with pytest.raises(NotJson, match="more than 100 levels"):
        canonical(nested(101, make=make))
    with pytest.raises(NotJson):
        canonical(nested(100_000, make=make))


def test_what_is_wide_is_not_deep():
    assert canonical([{"a": [number]} for number in range(1000)])
