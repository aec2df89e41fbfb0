"""Keeping to one CPU: which one, and that all threads do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.worker import cpu
from aios.worker.cpu import choose, keep_to_one

LOADS = st.dictionaries(st.integers(0, 64), st.floats(0, 1), min_size=1)

BOUND = """
import json, os, threading, time
from aios.worker.cpu import keep_to_one

def cpus():
    return [sorted(os.sched_getaffinity(int(thread))) for thread in os.listdir("/proc/self/task")]

started, late = threading.Event(), threading.Event()
threading.Thread(target=late.wait, daemon=True).start()
before = cpus()
keep_to_one(look_seconds=0.05)
end = time.monotonic() + 20
while len(os.sched_getaffinity(0)) > 1 and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.2)  # the look that bound it has ended
threading.Thread(target=late.wait, daemon=True).start()
print(json.dumps([before, cpus()]))
"""


@given(LOADS, st.none() | st.integers(0, 64), st.booleans())
def test_the_cpu_is_the_present_one_or_has_a_quarter_less_to_do(others, mine, coin):
    chosen = choose(mine, others, coin=lambda: coin)
    assert chosen in others
    if chosen != mine:
        assert others[chosen] <= min(others.values()) + 0.25
        assert mine not in others or (coin and others[mine] > min(others.values()) + 0.25)


def test_two_that_stand_in_each_others_way_part_and_stay_apart():
    def look(places):
        loads = [{cpu: float(places[1 - who] == cpu) for cpu in (0, 1)} for who in (0, 1)]
        return [choose(places[who], loads[who], coin=lambda: os.urandom(1)[0] < 128) for who in (0, 1)]

    places = [0, 0]
    for _ in range(64):
        places = look(places)
        if places[0] != places[1]:
            break
    assert sorted(places) == [0, 1]
    assert look(places) == places


def test_many_that_start_together_do_not_all_take_the_same():
    idle = dict.fromkeys(range(16), 0.0)
    assert len({choose(None, idle, coin=lambda: True) for _ in range(200)}) > 8


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds threads to CPUs")
def test_all_threads_are_on_one_cpu_and_so_are_those_that_they_start():
    allowed = sorted(os.sched_getaffinity(0))
    done = subprocess.run([sys.executable, "-c", BOUND], capture_output=True, text=True, timeout=60, check=True)
    before, after = json.loads(done.stdout)
    assert all(cpus == allowed for cpus in before)
    assert len({tuple(cpus) for cpus in after}) == 1
    assert len(after[0]) == 1
    assert set(after[0]) <= set(allowed)
    assert len(after) >= len(before) + 1


def test_where_nothing_tells_what_cpus_do_none_is_chosen(monkeypatch, tmp_path):
    monkeypatch.setattr(cpu, "_STAT", tmp_path / "stat")
    allowed = os.sched_getaffinity(0)
    keep_to_one(look_seconds=0.01)
    time.sleep(0.1)
    assert os.sched_getaffinity(0) == allowed
