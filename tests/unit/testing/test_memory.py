"""The fake of memory does what the real one does, and says what it does not."""

from __future__ import annotations

import pytest

from aios.testing import FakeMemory, NotFaked
from tests.asking import Asking
from tests.memory_contract import MemoryContract


class TestFakeMemory(MemoryContract):
    @pytest.fixture
    def mind(self):
        return Asking(FakeMemory(), "memory")


def test_what_it_does_not_do_is_told_by_name():
    with pytest.raises(NotFaked, match=r"memory\.evolve: FakeMemory does alloc, write"):
        Asking(FakeMemory(), "memory")("evolve")
