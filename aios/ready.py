"""Ready sets: what may run, in order, and what was granted, in Redis. A cache of Postgres that can be wiped at any moment.

One sorted set per limiting key (a pool, a core's slots) holds what waits, by score; another holds the grants, by the time
at which their lease ends. One Lua call settles, releases and grants; what it grants is then published to the pool's queue.
A grant whose lease ended (a lost message, a dead worker) goes back to the ready set in the same call. After a wipe the
epoch key is gone and nothing is granted until recovery has rebuilt the sets from Postgres.
"""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from aios.errors import BrokerUnavailable, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_PREFIX = "aios:"

_TURN = """
local prefix, order = KEYS[1], cjson.decode(ARGV[1])
if redis.call('EXISTS', prefix .. 'epoch') == 0 then return redis.error_reply('WIPED') end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local touched, bells = {}, {}
for _, done in ipairs(order.done) do
    redis.call('ZREM', prefix .. 'grants:' .. done[1], done[2])
    redis.call('ZREM', prefix .. 'ready:' .. done[1], done[2])
    redis.call('HDEL', prefix .. 'bells', done[2])
    redis.call('HDEL', prefix .. 'rings', done[2])
    touched[done[1]] = true
end
for _, add in ipairs(order.add) do
    if not redis.call('ZSCORE', prefix .. 'grants:' .. add[1], add[2]) then
        redis.call('ZADD', prefix .. 'ready:' .. add[1], 'NX', add[3] * 1e14 + now, add[2])
        redis.call('HSET', prefix .. 'bells', add[2], add[4])
    end
    touched[add[1]] = true
end
for _, key in ipairs(order.keys) do touched[key] = true end
local again = 0
for key in pairs(touched) do
    local ready, grants = prefix .. 'ready:' .. key, prefix .. 'grants:' .. key
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', grants, '-inf', now)) do
        redis.call('ZREM', grants, id)
        local bell = redis.call('HGET', prefix .. 'bells', id)
        if bell then
            redis.call('ZADD', ready, 'NX', cjson.decode(bell).priority * 1e14, id)
            redis.call('HINCRBY', prefix .. 'rings', id, 1)
            again = again + 1
        end
    end
    local limit = tonumber(redis.call('HGET', prefix .. 'limits', key) or '0')
    local free = limit - redis.call('ZCARD', grants)
    if free > 0 then
        local best = redis.call('ZPOPMIN', ready, free)
        for i = 1, #best, 2 do
            local id = best[i]
            local bell = redis.call('HGET', prefix .. 'bells', id)
            if bell then
                local rings = tonumber(redis.call('HGET', prefix .. 'rings', id) or '0')
                redis.call('ZADD', grants, now + order.lease_ms * 2 ^ math.min(rings, 4), id)
                bells[#bells + 1] = bell
            end
        end
    end
end
return {again, bells}
"""

_RENEW = """
local prefix, order = KEYS[1], cjson.decode(ARGV[1])
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + order.lease_ms
for _, held in ipairs(order.held) do
    redis.call('ZREM', prefix .. 'ready:' .. held[1], held[2])
    redis.call('ZADD', prefix .. 'grants:' .. held[1], ends, held[2])
    redis.call('HDEL', prefix .. 'rings', held[2])
end
return #order.held
"""


class Bell(NamedTuple):
    """What is published when its turn comes: first come, first served within a priority.

    Attributes:
        key: the limiting key it waits under.
        id: of the agent or of the chain's first syscall.
        links: (pool, op, id) of each link of the chain, first to run first.
        priority: of the message, 0 (most urgent) to 9.
    """

    key: str
    id: str
    links: tuple[tuple[str, str, str], ...]
    priority: int

    def dump(self) -> str:
        """The bell as JSON."""
        return json.dumps(self._asdict(), separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> Bell:
        """What `dump` gave."""
        value = json.loads(text)
        return cls(**{**value, "links": tuple((p, o, i) for p, o, i in value["links"])})


class Granted(NamedTuple):
    """What a turn gave: bells to publish, and how many of them ring again because a lease ended."""

    bells: list[Bell]
    again: int


class Wiped(Exception):
    """Redis lost its data (or is new): recovery must rebuild the ready sets first."""


class ReadySets:
    """The ready sets and grants of all keys."""

    def __init__(self, url: str, *, lease_seconds: float) -> None:
        self._redis = connect(url)
        self._where = where(url)
        self._lease_ms = int(lease_seconds * 1000)
        self._turn = self._redis.register_script(_TURN)
        self._renew = self._redis.register_script(_RENEW)

    def turn(
        self,
        *,
        done: Iterable[tuple[str, str]] = (),
        add: Iterable[Bell] = (),
        keys: Sequence[str] = (),
    ) -> Granted:
        """Release what is done, add what is ready, grant what is free.

        Args:
            done: (key, id) of what no longer needs its grant.
            add: what became ready; already known ids are left as they are.
            keys: further keys to look at for free places and ended leases.

        Raises:
            Wiped: the sets must be rebuilt first; nothing was done.
            BrokerUnavailable: Redis does not answer.
        """
        order = {
            "done": [list(d) for d in done],
            "add": [[bell.key, bell.id, bell.priority, bell.dump()] for bell in add],
            "keys": list(keys),
            "lease_ms": self._lease_ms,
        }
        with self._translated():
            again, bells = self._turn(keys=[_PREFIX], args=[json.dumps(order)])
        return Granted([Bell.load(bell) for bell in bells], int(again))

    def renew(self, held: Iterable[tuple[str, str]], *, lease_seconds: float) -> None:
        """Keep the grants of what runs here: (key, id) of each."""
        order = {"held": [list(h) for h in held], "lease_ms": int(lease_seconds * 1000)}
        if order["held"]:
            with self._translated():
                self._renew(keys=[_PREFIX], args=[json.dumps(order)])

    def limit(self, limits: Mapping[str, int]) -> None:
        """Set how many grants each key may have at once."""
        if limits:
            with self._translated():
                self._redis.hset(f"{_PREFIX}limits", mapping={key: str(limit) for key, limit in limits.items()})

    def missing(self, ids: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of the (key, id) that are neither ready nor granted."""
        with self._translated(), self._redis.pipeline(transaction=False) as pipe:
            for key, member in ids:
                pipe.zscore(f"{_PREFIX}ready:{key}", member)
                pipe.zscore(f"{_PREFIX}grants:{key}", member)
            found = pipe.execute()
        return [pair for i, pair in enumerate(ids) if found[2 * i] is None and found[2 * i + 1] is None]

    def epoch(self) -> str | None:
        """The random name of Redis' present data; None after a wipe."""
        with self._translated():
            value = self._redis.get(f"{_PREFIX}epoch")
        return str(value) if value is not None else None

    def clear(self) -> None:
        """Forget all sets, before they are rebuilt."""
        with self._translated():
            stale = list(self._redis.scan_iter(f"{_PREFIX}ready:*")) + list(self._redis.scan_iter(f"{_PREFIX}grants:*"))
            self._redis.delete(*stale, f"{_PREFIX}bells", f"{_PREFIX}rings")

    def put(self, bells: Iterable[Bell]) -> None:
        """Add what is ready without granting anything, while the sets are rebuilt: in the order given."""
        with self._translated(), self._redis.pipeline(transaction=False) as pipe:
            for position, bell in enumerate(bells):
                pipe.zadd(f"{_PREFIX}ready:{bell.key}", {bell.id: bell.priority * 1e14 + position}, nx=True)
                pipe.hset(f"{_PREFIX}bells", bell.id, bell.dump())
            pipe.execute()

    def open(self) -> None:
        """Allow grants: the sets are rebuilt. Only the first of two openers names the epoch."""
        with self._translated():
            self._redis.set(f"{_PREFIX}epoch", secrets.token_hex(8), nx=True)

    def depth(self, keys: Sequence[str]) -> dict[str, tuple[int, int]]:
        """How many wait and how many are granted, per key."""
        with self._translated(), self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.zcard(f"{_PREFIX}ready:{key}")
                pipe.zcard(f"{_PREFIX}grants:{key}")
            counts = pipe.execute()
        return {key: (counts[2 * i], counts[2 * i + 1]) for i, key in enumerate(keys)}

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except redis.ResponseError as error:
            if "WIPED" in str(error):
                raise Wiped from None
            raise BrokerUnavailable(self._where, str(error)) from error
        except (RedisError, OSError) as error:
            raise BrokerUnavailable(self._where, str(error) or type(error).__name__) from error


def connect(url: str) -> redis.Redis:
    """A Redis client that answers or fails within seconds; the kernel's own retries are elsewhere."""
    try:
        client: redis.Redis = redis.Redis.from_url(
            url,
            decode_responses=True,
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
