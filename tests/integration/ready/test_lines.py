"""Each thread's own connection for scripts: opened again when Redis or its scripts are gone, lent to one asker at a time, not
shared with a fork, closed.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import redis

from aios.ready.connection import connect
from aios.ready.lines import Asked, Lines

NAME = "aios-test-lines"


@pytest.fixture
def client(redis_url):
    with redis.Redis.from_url(redis_url, decode_responses=True) as made:
        yield made


@pytest.fixture
def lines(redis_url):
    with connect(f"{redis_url}?client_name={NAME}") as pooled:
        made = Lines(pooled.connection_pool)
        made.echo = pooled.register_script("return {KEYS[1], ARGV[1]}")
        made.broken = pooled.register_script("return redis.call('NO SUCH THING')")
        yield made
        made.close()


def ours(client):
    return [row for row in client.client_list() if row["name"] == NAME]


def mine(lines):
    line = lines.take()
    lines.give(line)
    return line


def echo(lines, word="x"):
    return lines.run(lines.echo, keys=["k"], args=[word])


def test_a_script_is_loaded_when_redis_does_not_know_it(lines, client):
    assert echo(lines) == ["k", "x"]
    client.script_flush()
    assert [echo(lines), echo(lines)] == [["k", "x"]] * 2


def test_a_connection_that_redis_has_closed_costs_no_error(lines, client):
    echo(lines)
    for row in ours(client):
        client.client_kill_filter(_id=row["id"])
    assert [echo(lines), echo(lines)] == [["k", "x"]] * 2


def test_an_error_of_a_script_is_raised_and_the_connection_goes_on(lines, client):
    echo(lines)
    before = [row["id"] for row in ours(client)]
    with pytest.raises(redis.ResponseError):
        lines.run(lines.broken, keys=[], args=[])
    assert echo(lines, "y") == ["k", "y"]
    assert before[0] in [row["id"] for row in ours(client)]


def test_each_thread_has_one_that_is_used_again_and_closed_at_the_end(lines, client):
    echo(lines)  # which loads the script
    together = Barrier(3)

    def work(_):
        together.wait(5)  # each on a thread of its own
        return [echo(lines, str(n)) for n in range(20)]

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == [[["k", str(n)] for n in range(20)]] * 3
        assert len(ours(client)) <= 5  # and this one's, and the pool's that loaded the script
        lines.close()
        assert len(ours(client)) <= 1


def test_what_is_run_while_an_answer_is_awaited_gets_its_own(lines, client):
    asked = Asked(lines, lines.echo, keys=["k"], args=["first"])
    assert echo(lines, "second") == ["k", "second"]
    assert asked.answer() == ["k", "first"]
    assert echo(lines, "third") == ["k", "third"]
    assert len(ours(client)) <= 2  # its own, and the pool's that loaded the script


def test_an_answer_that_nobody_wants_is_not_taken_for_the_next_one(lines, client):
    echo(lines)
    Asked(lines, lines.echo, keys=["k"], args=["unwanted"]).drop()
    assert echo(lines, "wanted") == ["k", "wanted"]
    client.script_flush()
    assert Asked(lines, lines.echo, keys=["k"], args=["loaded anew"]).answer() == ["k", "loaded anew"]


def test_a_fork_does_not_read_its_parents_answers(lines):
    assert echo(lines, "parent") == ["k", "parent"]
    parent = mine(lines)
    context = multiprocessing.get_context("fork")
    told = context.Queue()

    def child():
        told.put([echo(lines, "child"), mine(lines) is parent])

    forked = context.Process(target=child)
    forked.start()
    assert told.get(timeout=10) == [["k", "child"], False]
    forked.join(10)
    assert echo(lines, "again") == ["k", "again"]
    assert mine(lines) is parent
