from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from aios.local import crew
from aios.local.crew import Member
from aios.local.process import Process
from aios.local.unit import State, Unit

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def member(tmp_path: Path) -> Member:
    return Member(Unit(Process(name="any", argv=("true",)), log=tmp_path / "any.log"))


def test_the_pause_doubles_with_each_death_up_to_a_limit(member: Member) -> None:
    pauses = [member.put_off() for _ in range(10)]
    assert pauses[:4] == [0.25, 0.5, 1.0, 2.0]
    assert pauses[-1] == crew._LONGEST_BACKOFF_SECONDS
    assert member.unit.state is State.RESTARTING


def test_the_pause_is_short_again_after_a_steady_run(member: Member) -> None:
    for _ in range(5):
        member.put_off()
    member.since = time.monotonic() - crew._STEADY_SECONDS - 1
    assert member.put_off() == 0.25
