"""What is granted where Celery's queues are is a message there at once, as Celery itself would have published it."""

from __future__ import annotations

import base64
import json
from uuid import UUID

import pytest
import redis

from aios.dispatch import Dispatch
from aios.publisher import Publisher
from aios.ready import Bell, ReadySets

AGENT, CALL = "01a201cc-18d2-7539-b7ed-1ca0be7569c0", "01a201cc-18d2-7539-b7ed-1ca0be7569c1"
CHANGING = {"id", "root_id", "origin"}


@pytest.fixture
def publisher(redis_url):
    made = Publisher(redis_url)
    yield made
    made.close()


@pytest.fixture
def client(redis_url):
    with redis.Redis.from_url(redis_url, decode_responses=True) as made:
        yield made


def dispatch(publisher, redis_url, *, rings):
    ready = ReadySets(redis_url, lease_seconds=30, rings=publisher.rings() if rings else None)
    ready.open()
    ready.limit({"agent": 9, "llm": 9})
    return Dispatch(ready, publisher)


def popped(client, key):
    message = json.loads(client.rpop(key))
    headers = {name: value for name, value in message["headers"].items() if name not in CHANGING}
    body = message["body"]
    if message["properties"]["body_encoding"] == "base64":
        body = base64.b64decode(body).decode()
    return headers, json.loads(body), message["properties"]["priority"], message["properties"]["delivery_info"]


@pytest.mark.parametrize("priority", [0, 5])
def test_it_is_the_message_that_celery_publishes(publisher, client, redis_url, priority):
    bell = Bell("agent", AGENT, (("agent", "resume", AGENT),), priority)
    key = "aios:q:agent" + (f":{priority}" if priority else "")
    ours = dispatch(publisher, redis_url, rings=True)
    ours.ring(add=[bell])
    rung = popped(client, key)
    ours.ring(done=[("agent", AGENT)])
    ours.close()
    theirs = dispatch(publisher, redis_url, rings=False)
    theirs.ring(add=[bell])
    assert rung == popped(client, key)
    theirs.close()


def test_a_chain_is_left_to_celery(publisher, client, redis_url):
    ours = dispatch(publisher, redis_url, rings=True)
    ours.ring(add=[Bell("llm", CALL, (("llm", "chat", CALL), ("memory", "remember", AGENT)), 5)])
    headers, body, _, _ = popped(client, "aios:q:llm:5")
    assert headers["task"] == "aios.llm.chat"
    assert [link["task"] for link in body[2]["chain"]] == ["aios.memory.remember"]
    ours.close()


def test_every_ring_is_a_message_of_its_own(publisher, client, redis_url):
    ours = dispatch(publisher, redis_url, rings=True)
    ids = []
    for _ in range(2):
        ours.ring(add=[Bell("agent", AGENT, (("agent", "resume", AGENT),), 5)])
        ids.append(json.loads(client.rpop("aios:q:agent:5"))["headers"]["id"])
        ours.ring(done=[("agent", AGENT)])
    assert len(set(ids)) == 2
    ours.close()


@pytest.mark.parametrize("waiting", [False, True])
def test_the_asker_goes_on_itself_unless_a_message_stands_before_it(publisher, client, redis_url, waiting):
    ours = dispatch(publisher, redis_url, rings=True)
    if waiting:
        ours.ring(add=[Bell("llm", AGENT, (("llm", "chat", AGENT),), 9)])
    bell = Bell("llm", CALL, (("llm", "chat", CALL),), 5)
    with ours.taking(frozenset({"llm"})) as hand:
        ours.ring(add=[bell])
        taken = hand.take()
    assert (taken is None) is waiting
    assert client.llen("aios:q:llm:5") == int(waiting)
    ours.close()


def test_what_is_left_in_a_hand_is_published(publisher, client, redis_url):
    ours = dispatch(publisher, redis_url, rings=True)
    with ours.taking(frozenset({"llm.chat"})):
        ours.ring(add=[Bell("llm", CALL, (("llm", "chat", CALL),), 5)])
        assert client.llen("aios:q:llm:5") == 0
    assert popped(client, "aios:q:llm:5")[0]["task"] == "aios.llm.chat"
    ours.close()


def asked(number):
    call = f"01900000-0000-7000-8000-{number:012}"
    return Bell("llm", call, (("llm", "chat", call),), 5)


def test_what_is_not_written_yet_is_given_to_who_asks_and_no_message_is_rung_for_it(publisher, client, redis_url):
    ours = dispatch(publisher, redis_url, rings=True)
    with ours.taking(frozenset({"llm"})) as hand:
        assert ours.ask(asked(1), done=[])
        assert hand.take() is None
    assert client.llen("aios:q:llm:5") == 0
    assert ours.ready.depth(["llm"])["llm"] == (0, 1)
    ours.close()


def test_who_is_given_what_it_asked_for_goes_on_with_nothing_else(publisher, client, redis_url):
    """The one that stood before it is rung: it would wait in this hand for as long as the other takes."""
    ours = dispatch(publisher, redis_url, rings=True)
    ours.ready.limit({"llm": 0})
    ours.ring(add=[asked(1)])
    ours.ready.limit({"llm": 2})
    with ours.taking(frozenset({"llm"})) as hand:
        assert ours.ask(asked(2), done=[])
        assert hand.take() is None
    assert popped(client, "aios:q:llm:5")[1][0] == [asked(1).id]
    ours.close()


def test_messages_that_wait_go_before_what_is_asked_for(publisher, client, redis_url):
    ours = dispatch(publisher, redis_url, rings=True)
    ours.ring(add=[asked(1)])
    with ours.taking(frozenset({"llm"})):
        assert ours.ask(asked(2), done=[]) is False
    assert ours.ready.depth(["llm"])["llm"] == (0, 1)
    ours.close()


@pytest.mark.parametrize(("where", "given"), [("agent", False), ("system", False), ("memory", True), (None, True)])
def test_who_yields_takes_nothing_while_a_message_waits_for_any_pool_that_it_serves(
    publisher, client, redis_url, where, given
):
    ours = dispatch(publisher, redis_url, rings=True)
    if where:
        client.lpush(f"aios:q:{where}:3", "a message")
    with ours.taking(frozenset({"llm", "agent", "memory.write"})) as hand:
        hand.yields = ("llm", "agent", "system")
        assert ours.ask(asked(1), done=[]) is given
        ours.ring(done=[("llm", asked(1).id)], add=[asked(2)])
        assert (hand.take() is not None) is given
    ours.close()


def test_where_messages_cannot_be_seen_who_yields_takes_nothing(publisher, redis_url):
    ours = dispatch(publisher, redis_url, rings=False)
    with ours.taking(frozenset({"llm"})) as hand:
        hand.yields = ("llm",)
        assert ours.ask(asked(1), done=[]) is False
    ours.close()


def test_it_is_not_asked_again_after_it_was_in_vain_until_nobody_else_waits(publisher, redis_url):
    ours = dispatch(publisher, redis_url, rings=True)
    ours.ready.limit({"llm": 1})
    first, second, third = (Bell("llm", str(UUID(int=n)), (("llm", "chat", str(UUID(int=n))),), 5) for n in (1, 2, 3))
    with ours.taking(frozenset({"llm"})) as hand:
        assert ours.ask(first, done=[]) is True
        assert not ours.crowded("llm")
        assert ours.ask(second, done=[]) is False
        assert ours.crowded("llm")
        ours.ring(add=[third])  # waits
        ours.ring(done=[("llm", first.id)], add=[second])  # the place is the third's
        assert hand.take().bell.id == third.id
        assert ours.crowded("llm")
        ours.ring(done=[("llm", third.id)])
        assert hand.take().bell.id == second.id
        assert ours.crowded("llm")
        ours.ring(done=[("llm", second.id)], add=[first])
        assert hand.take().bell.id == first.id
        assert not ours.crowded("llm")
    ours.close()
