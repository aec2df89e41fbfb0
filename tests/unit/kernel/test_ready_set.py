from __future__ import annotations

from aios.kernel.policy import Waiting
from aios.kernel.ready_set import ReadySet
from aios.kernel.scheduling import Fair, Fifo


def waiting(seconds):
    return Waiting(enqueued_seconds=seconds, root="a")


def test_equal_scores_go_by_id():
    ready = ReadySet(Fifo())
    for number in (3, 1, 2):
        ready.enter(number, waiting(5.0), now_seconds=5)
    assert [ready.grant().id for _ in range(3)] == [1, 2, 3]


def test_nothing_is_granted_when_nothing_waits():
    assert ReadySet(Fifo()).grant() is None


def test_what_was_cancelled_and_came_back_has_its_new_place():
    ready = ReadySet(Fifo())
    ready.enter(1, waiting(1.0), now_seconds=1)
    ready.cancel(1, now_seconds=1)
    ready.enter(2, waiting(2.0), now_seconds=2)
    ready.enter(1, waiting(3.0), now_seconds=3)
    assert len(ready) == 2
    assert [ready.grant().id, ready.grant().id, ready.grant()] == [2, 1, None]


def test_the_clock_is_the_highest_score_granted():
    ready = ReadySet(Fair())
    for number in range(3):
        ready.enter(number, waiting(0.0), now_seconds=0)
    ready.grant()
    ready.grant()
    assert ready.clock == 1.0
