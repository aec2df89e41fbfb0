"""Permits: so many calls of a tool at once, on all machines together. Leases in Redis, never a counter: counters leak.

The ready sets already grant no more calls of a limited tool than its limit. A permit is taken beside that at the call
itself, since a model's reply may call tools that nobody knew of when its syscall was granted.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from aios.errors import BrokerUnavailable, ToolBusy
from aios.kernel.ids import new_token
from aios.kernel.keys import key_of
from aios.kernel.words import Pool
from aios.log import logger
from aios.settings import REDIS_CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from redis.commands.core import Script

log = logger(__name__)

_PREFIX: Final = "aios:"
_BUSY_SECONDS: Final = 0.25

# All or none: whoever holds one permit and waits for another would block others for nothing. An operator's limit wins.
_TAKE: Final = """
local prefix, order = KEYS[1], cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for key, limit in pairs(order.limits) do
    local permits = prefix .. 'permits:' .. key
    redis.call('ZREMRANGEBYSCORE', permits, '-inf', now)
    local chosen = tonumber(redis.call('HGET', prefix .. 'limits', key) or limit)
    if redis.call('ZCARD', permits) >= chosen then return {key, chosen} end
end
for key in pairs(order.limits) do
    local permits = prefix .. 'permits:' .. key
    redis.call('ZADD', permits, now + order.lease_ms, order.holder)
    redis.call('PEXPIRE', permits, order.lease_ms * 2)
    redis.call('SADD', prefix .. 'permits', key)
end
return {}
"""

_KEEP: Final = """
local prefix, order = KEYS[1], cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for key in pairs(order.limits) do
    local permits = prefix .. 'permits:' .. key
    redis.call('ZADD', permits, now + order.lease_ms, order.holder) -- anew, if Redis was wiped meanwhile
    redis.call('PEXPIRE', permits, order.lease_ms * 2)
end
"""

_FORGET: Final = """
local prefix, process = KEYS[1], ARGV[1] .. ' '
for _, key in ipairs(redis.call('SMEMBERS', prefix .. 'permits')) do
    local permits = prefix .. 'permits:' .. key
    for _, holder in ipairs(redis.call('ZRANGE', permits, 0, -1)) do
        if string.sub(holder, 1, #process) == process then redis.call('ZREM', permits, holder) end
    end
end
"""


class RedisPermits:
    """Implements `Permits` for all processes that share a Redis."""

    def __init__(self, url: str, *, lease_seconds: float, process: str) -> None:
        """Connect when the first permit is asked for.

        Args:
            url: of the Redis of the ready sets.
            lease_seconds: a permit of a process of which nobody hears any more is free again after this time.
            process: this one's name, which no other has on any machine.
        """
        self._url = url
        self._where = url.rsplit("@", 1)[-1].removeprefix("redis://")
        self._lease_seconds = lease_seconds
        self._process = process

    @cached_property
    def _redis(self) -> redis.Redis:
        client: redis.Redis = redis.Redis.from_url(
            self._url,
            decode_responses=True,
            max_connections=REDIS_CONNECTIONS,
            socket_connect_timeout=2,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 1),
        )
        return client

    @cached_property
    def _take(self) -> Script:
        return self._redis.register_script(_TAKE)

    @cached_property
    def _keep(self) -> Script:
        return self._redis.register_script(_KEEP)

    @cached_property
    def _forget(self) -> Script:
        return self._redis.register_script(_FORGET)

    @contextmanager
    def hold(self, tools: Mapping[str, int]) -> Iterator[None]:
        """Hold one permit of each tool, by its limit, while inside.

        Raises:
            ToolBusy: as many calls of one of them are under way as it allows; none is held then.
            BrokerUnavailable: Redis does not answer.
        """
        order = {
            "limits": {key_of(Pool.TOOL, name): limit for name, limit in tools.items()},
            "holder": f"{self._process} {new_token()}",
            "lease_ms": int(self._lease_seconds * 1000),
        }
        with self._translated():
            full = self._take(keys=[_PREFIX], args=[json.dumps(order)])
        if full:
            raise ToolBusy(str(full[0]).partition(":")[2], int(full[1]), _BUSY_SECONDS)
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep_on, args=(order, ended), name="aios-permits", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()  # or its last renewal could come after the release
            self._release(order["limits"], str(order["holder"]))

    def forget(self, process: str) -> None:
        """Free what a process held that is known to be gone; its leases would keep places for nobody.

        Never for one that is only silent: its calls may still be under way.
        """
        try:
            self._forget(keys=[_PREFIX], args=[process])
        except (RedisError, OSError) as error:  # its leases end by themselves
            log.warning("the permits of a dead process are not given back: %s", error)

    def close(self) -> None:
        """Close the connections."""
        if "_redis" in self.__dict__:
            self._redis.close()

    def _keep_on(self, order: object, ended: threading.Event) -> None:
        while not ended.wait(self._lease_seconds / 4):
            try:
                self._keep(keys=[_PREFIX], args=[json.dumps(order)])
            except (RedisError, OSError) as error:
                log.warning("a tool's permit is not renewed: %s", error)

    def _release(self, keys: object, holder: str) -> None:
        assert isinstance(keys, dict)
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.zrem(f"{_PREFIX}permits:{key}", holder)
                pipe.execute()
        except (RedisError, OSError) as error:  # its lease ends by itself
            log.warning("a tool's permit is not given back: %s", error)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            raise BrokerUnavailable(self._where, str(error) or type(error).__name__) from error
