"""Counting tokens from threads: exactly where the core can, and rather too many where it cannot."""

from __future__ import annotations

import pytest

from aios.errors import Misconfigured
from aios.llm.counter import Counter
from aios.testing import FakeDriver


class Several(FakeDriver):
    """A driver of several cores."""

    async def narrowest(self, prompt):
        self.asked_for = prompt.model
        return Exact()


class Exact(FakeDriver):
    async def count(self, prompt):
        return len(prompt.text.split())


class Blind(FakeDriver):
    """A core that cannot count."""

    count = None


@pytest.fixture
def counter():
    made = []

    def make(driver):
        made.append(Counter(driver))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_core_counts_that_serves_the_model(counter):
    several = Several()
    assert counter(lambda: several).count("three short words", "small") == 3
    assert several.asked_for == "small"


def test_a_core_that_cannot_count_is_taken_to_need_a_token_for_three_bytes(counter):
    assert counter(Blind).count("x" * 300) == 101


def test_where_there_is_no_core_it_says_so(counter):
    def none():
        raise Misconfigured("no engine is configured", "run `aios up`")

    with pytest.raises(Misconfigured, match="no engine"):
        counter(none).count("x")
