"""Keeping to one CPU: which one, and that all threads do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.worker.cpu import choose

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds threads to CPUs")
LOADS = st.dictionaries(st.integers(0, 64), st.floats(0, 1), min_size=1)

BOUND = """
import json, os, threading, time
from aios.worker.cpu import keep_to_one

def cpus():
    return [sorted(os.sched_getaffinity(int(thread))) for thread in os.listdir("/proc/self/task")]

late = threading.Event()
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


LET_GO = """
import json, os, sys, time
from pathlib import Path
from aios.worker import cpu

def until(count):
    end = time.monotonic() + 20
    while len(os.sched_getaffinity(0)) != count and time.monotonic() < end:
        time.sleep(0.01)
    return len(os.sched_getaffinity(0))

cpu._STAT, allowed = Path(sys.argv[1]), len(os.sched_getaffinity(0))
cpu.keep_to_one(look_seconds=0.05)
bound = until(1)
cpu._STAT.unlink()
print(json.dumps([bound, until(allowed)]))
"""


def run(code, *arguments):
    argv = [sys.executable, "-c", code, *map(str, arguments)]
    return json.loads(subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout)


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


@ON_LINUX
def test_all_threads_are_on_one_cpu_and_so_are_those_that_they_start():
    allowed = sorted(os.sched_getaffinity(0))
    before, after = run(BOUND)
    assert all(cpus == allowed for cpus in before)
    assert len({tuple(cpus) for cpus in after}) == 1
    assert len(after[0]) == 1
    assert set(after[0]) <= set(allowed)
    assert len(after) >= len(before) + 1


@ON_LINUX
def test_where_nothing_tells_any_more_what_cpus_do_the_threads_are_let_go(tmp_path):
    stat = tmp_path / "stat"
    stat.write_text(Path("/proc/stat").read_text())
    assert run(LET_GO, stat) == [1, len(os.sched_getaffinity(0))]
