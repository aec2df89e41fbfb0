"""The mended transport: what kombu does wrong is still where we mend it."""

from __future__ import annotations

from queue import Empty

import pytest
from kombu.transport import TRANSPORT_ALIASES, get_transport_cls, redis
from redis.exceptions import ConnectionError as RedisConnectionError

from aios import broker


class Closed:
    client = None


def channel():
    made = broker.Channel.__new__(broker.Channel)  # without a server: only what is mended is looked at
    made.connection = Closed()
    made._closing = True
    return made


@pytest.fixture
def aliases():
    before = dict(TRANSPORT_ALIASES)
    yield
    TRANSPORT_ALIASES.update(before)


def test_every_redis_url_gets_the_mended_transport(aliases):
    broker.mend()
    assert get_transport_cls("redis") is broker.Transport
    assert get_transport_cls("rediss") is broker.Transport
    assert broker.Transport.Channel is broker.Channel


def test_a_closed_channel_is_a_lost_connection():
    with pytest.raises(RedisConnectionError, match="closed"):
        channel()._connparams()


@pytest.mark.parametrize(
    "payload",
    [
        42,
        [1],
        {},
        {"properties": {}},
        {"properties": {"delivery_tag": "t", "delivery_info": {}}},
        {"properties": {"delivery_tag": "t", "delivery_info": {"exchange": ""}}},
    ],
)
def test_what_is_no_envelope_is_no_message(payload):
    with pytest.raises(ValueError, match="Error"):
        broker.Message(payload, channel=channel())


@pytest.mark.parametrize("error", [ValueError("no JSON"), RecursionError("too deep")])
def test_what_is_no_message_is_refused_and_told_and_nothing_more(monkeypatch, error):
    def read(_self, **_options):
        raise error

    told = []
    listener = told.append
    monkeypatch.setattr(redis.Channel, "_brpop_read", read)

    def listen(why, **_):
        listener(why)

    broker.message_refused.connect(listen)
    with pytest.raises(Empty):
        channel()._brpop_read()
    assert told == [str(error)]
