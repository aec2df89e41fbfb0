"""A connection to the Redis that holds the ready sets."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from aios.errors import Misconfigured
from aios.settings import REDIS_CONNECTIONS


def connect(url: str) -> redis.Redis:
    """A Redis client that answers or fails within seconds; the kernel's own retries are elsewhere."""
    try:
        client: redis.Redis = redis.Redis.from_url(
            url,
            decode_responses=True,
            max_connections=REDIS_CONNECTIONS,
            socket_connect_timeout=2,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 1),
            health_check_interval=15,
        )
    except ValueError as error:
        raise Misconfigured(f"{where(url)} is no URL of a Redis ({error})", "mend AIOS_REDIS_URL") from None
    return client


def where(url: str) -> str:
    """Host, port and database of a Redis URL, without its password: for messages."""
    return url.rsplit("@", 1)[-1].removeprefix("redis://")
