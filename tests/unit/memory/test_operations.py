"""The pool's operations: each has a task, an executor and an access rule's operation."""

from __future__ import annotations

from aios.kernel.asks import MEMORY
from aios.memory.executor import MemoryExecutor
from aios.memory.operations import OPERATIONS
from aios.memory.recalling import within
from aios.testing import FakeEmbedder

STEPS = {"analyse", "evolve", "recall", "remember", "page_out"}  # of plans, never asked for by themselves
DELETES = {"remove", "clear"}


def test_every_operation_is_executed_and_no_other():
    assert set(MemoryExecutor(FakeEmbedder())._operations) == set(OPERATIONS)


def test_access_knows_whether_an_operation_reads_or_writes():
    assert set(OPERATIONS) - STEPS - DELETES <= set(MEMORY)


def test_what_fits_is_taken_in_order_and_a_shorter_one_may_still_come_in():
    found = [{"content": text} for text in ("a b c", "a b c d e f g", "x")]
    assert [note["content"] for note in within(found, tokens=7, count=lambda text: len(text.split()))] == ["a b c", "x"]
    assert within(found, tokens=1, count=lambda text: len(text.split())) == []
