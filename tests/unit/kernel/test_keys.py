"""Limiting keys: within a pool, and a tenant's part of them."""

from __future__ import annotations

import pytest

from aios.errors import InvalidArgument
from aios.kernel.keys import checked, key_of, pool_of
from aios.kernel.words import Pool


@pytest.mark.parametrize("key", ["llm", "tool:browser", "llm@acme", "tool:browser@acme", "llm:meta/llama-3:8b"])
def test_a_key_within_a_pool_is_taken(key):
    assert checked(key) == key
    assert pool_of(key) in {"llm", "tool"}


@pytest.mark.parametrize("key", ["", "tol:browser", "llm:", "llm@", "llm:@acme", ":x"])
def test_another_is_refused_with_an_example(key):
    with pytest.raises(InvalidArgument, match="tool:browser@acme"):
        checked(key)


def test_a_name_with_an_at_sign_is_no_tenant():
    assert key_of(Pool.TOOL, "mail@home") == "tool:mail%40home"
