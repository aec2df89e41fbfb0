"""Rates: however windows of time are laid, no more than the limit and one call is used, and nearly all of it."""

from __future__ import annotations

import queue
import random
import statistics
import threading
import time

from aios.ready import Done, Rate
from tests.integration.ready.conftest import bell, ids

TOKENS, WINDOW_SECONDS, RUN_SECONDS, WORKERS = 10_000, 1.0, 3.2, 50


def work(ready, numbers, granted, calls, until):
    """One worker: hand a call in, take a granted one, use most of what it reserved, settle."""
    chance = random.Random(next(numbers))
    while time.monotonic() < until:
        number = next(numbers)
        tell(granted, ready.turn(add=[bell(number, root=str(number % 7), tokens=reserved(number))]))
        try:
            id_, at = granted.get(timeout=0.05)
        except queue.Empty:
            tell(granted, ready.turn())
            continue
        used = int(reserved(int(id_)) * chance.uniform(0.8, 1.0))
        calls.append((at, used))
        time.sleep(0.005)
        tell(granted, ready.turn(done=[Done("llm", id_, 0.005, used)]))


def reserved(number):
    return 300 + number * 37 % 200


def tell(granted, turn):
    for id_ in ids(turn):
        granted.put((id_, turn.at_seconds))


def test_50_workers_use_nine_tenths_of_a_keys_tokens_and_never_more_than_one_call_too_many(ready):
    ready.limit({"llm": WORKERS}, rates={"llm": Rate(tokens=TOKENS, seconds=WINDOW_SECONDS)})
    granted, calls, numbers = queue.Queue(), [], iter(range(10**6))
    until = time.monotonic() + RUN_SECONDS
    workers = [threading.Thread(target=work, args=(ready, numbers, granted, calls, until)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    calls.sort()
    most = max(used for _, used in calls)
    begun, ended = calls[0][0], calls[-1][0]
    windows = [sum(used for at, used in calls if start <= at < start + WINDOW_SECONDS) for start, _ in calls]
    assert max(windows) <= TOKENS + most
    last = begun + RUN_SECONDS - 2 * WINDOW_SECONDS
    whole = [used for (start, _), used in zip(calls, windows, strict=True) if start <= last]
    assert statistics.median(whole) >= 0.9 * TOKENS  # a machine that stops for a moment hands nothing in meanwhile
    assert ended - begun > 2 * WINDOW_SECONDS


def test_requests_are_limited_like_tokens_and_a_tenant_apart_from_its_key(ready):
    rates = {"llm": Rate(requests=4, seconds=0.5), "llm@big": Rate(requests=1, seconds=0.5)}
    ready.limit({"llm": 50}, rates=rates)
    waiting = [bell(n, tenant="big") for n in range(3)] + [bell(n, tenant="other") for n in range(10, 16)]
    first = ids(ready.turn(add=waiting))
    assert len(first) == 4
    assert sum(id_ < "0010" for id_ in first) <= 1
    ready.turn(done=[Done("llm", id_, 0.1) for id_ in first])
    time.sleep(0.55)
    assert len(ids(ready.turn())) == 4


def test_more_than_was_reserved_is_a_debt(ready):
    ready.limit({"llm": 50}, rates={"llm": Rate(tokens=1000, seconds=0.6)})
    assert ids(ready.turn(add=[bell(1, tokens=100)])) == ["0001"]
    ready.turn(done=[Done("llm", "0001", 0.1, 950)])
    assert ids(ready.turn(add=[bell(2, tokens=100)])) == []
    time.sleep(0.65)
    assert ids(ready.turn()) == ["0002"]


def test_what_is_cancelled_or_taken_back_gives_its_tokens_back(ready):
    ready.limit({"llm": 50}, rates={"llm": Rate(tokens=1000, seconds=60)})
    ready.turn(add=[bell(1, tokens=900)])
    assert ids(ready.turn(add=[bell(2, tokens=900)])) == []
    assert ids(ready.turn(done=[Done("llm", "0001")])) == ["0002"]


def test_what_can_never_be_granted_is_refused_and_told_once(ready):
    ready.limit({"llm": 50}, rates={"llm": Rate(tokens=1000)})
    assert ids(ready.turn(add=[bell(1, tokens=1001), bell(2, tokens=1000)])) == ["0002"]
    assert ready.refused() == {"0001": ("llm", 1001, 1000)}
    assert ready.refused() == {}
