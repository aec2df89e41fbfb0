"""Working memory's cache: copies of an agent's blocks in Redis, under a byte quota that one script enforces.

One hash per namespace: `v:<name>` a copy, `a:<name>` what is known of a block (version, bytes, pinned, held, its last
accesses), `used`, and counters. One key, so that it is whole or gone. Which blocks leave is decided by the kernel's
`lru_k`, outside: the script says that it is crowded and with what, and is called again with the names that shall go. It
evicts them and takes the copy in, in one step, and only if the quota then holds.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from aios.errors import Misconfigured
from aios.kernel.lru_k import Block, Marks, leaving
from aios.kernel.ports import CacheState, Copy
from aios.log import logger
from aios.settings import REDIS_CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aios.kernel.values import Json

log = logger(__name__)

_PREFIX: Final = "aios:blocks:"
_TRIES: Final = 4  # others take in copies between our look and our call
_PAUSE_SECONDS: Final = 5.0  # after a failure nobody waits for Redis again, for so long
_KEPT_SECONDS: Final = 6 * 3600  # after the last access of any of its blocks

_GET = """
local key, name, k, kept = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local now = redis.call('HINCRBY', key, 'clock', 1)
redis.call('EXPIRE', key, kept)
local text = redis.call('HGET', key, 'a:' .. name)
local about = text and cjson.decode(text) or {version = 0, bytes = 0, pinned = false, held = false, times = {}}
table.insert(about.times, 1, now)
while #about.times > k do table.remove(about.times) end
redis.call('HSET', key, 'a:' .. name, cjson.encode(about))
local value = redis.call('HGET', key, 'v:' .. name)
redis.call('HINCRBY', key, value and 'hits' or 'misses', 1)
return {about.version, value, about.pinned and 1 or 0}
"""

_PUT = """
local key, order = KEYS[1], cjson.decode(ARGV[1])
local name, value = order.name, ARGV[2]
local now = redis.call('HINCRBY', key, 'clock', 1)
redis.call('EXPIRE', key, order.kept)

local function known(which)
    local text = redis.call('HGET', key, 'a:' .. which)
    return text and cjson.decode(text) or nil
end

local function drop(which, about)
    redis.call('HDEL', key, 'v:' .. which)
    redis.call('HINCRBY', key, 'used', -about.bytes)
    about.bytes, about.held = 0, false
    redis.call('HSET', key, 'a:' .. which, cjson.encode(about))
end

local about = known(name) or {version = 0, bytes = 0, pinned = false, held = false, times = {now}}
if about.version > order.version then return {'older'} end
if about.held and about.version < order.version then drop(name, about) end  -- nobody shall find what is no longer true
about.version, about.pinned = order.version, order.pinned
redis.call('HSET', key, 'a:' .. name, cjson.encode(about))
if order.cleared then
    if about.held then drop(name, about) end
    return {'cleared'}
end
for _, victim in ipairs(order.leaving) do
    local other = known(victim)
    if victim ~= name and other and other.held and not other.pinned then
        drop(victim, other)
        redis.call('HINCRBY', key, 'evicted', 1)
    end
end
local size = #name + #value
local used = tonumber(redis.call('HGET', key, 'used') or '0') - about.bytes
if used + size > (order.chosen and order.quota or order.high) then
    local crowd = {}
    for _, field in ipairs(redis.call('HKEYS', key)) do
        if string.sub(field, 1, 2) == 'v:' then
            local which = string.sub(field, 3)
            local other = known(which)
            if which ~= name then crowd[#crowd + 1] = {which, other.bytes, other.times, other.pinned} end
        end
    end
    if about.held then drop(name, about) end
    return {'crowded', cjson.encode(crowd)}
end
redis.call('HSET', key, 'v:' .. name, value)
about.bytes, about.held = size, true
redis.call('HSET', key, 'a:' .. name, cjson.encode(about))
redis.call('HSET', key, 'used', used + size)
return {'held'}
"""


class Reply(NamedTuple):
    """What the script says: what it did, and with what it is crowded."""

    what: str
    crowd: str = "[]"


class RedisCache:
    """Implements the kernel's `BlockCache`. While Redis is away it holds nothing, and nobody waits for it."""

    def __init__(self, url: str, *, marks: Marks, k: int = 2) -> None:
        self._marks = marks
        self._k = k
        self._redis = _connect(url)
        self._get = self._redis.register_script(_GET)
        self._put = self._redis.register_script(_PUT)
        self._away_until = 0.0

    def get(self, namespace: str, name: str) -> Copy | None:
        """The copy that is held; asking counts as an access."""
        found = self._try(lambda: self._get(keys=[_key(namespace)], args=[name, self._k, _KEPT_SECONDS]))
        if found is None or found[1] is None:
            return None
        return Copy(int(found[0]), found[1].decode(), pinned=bool(found[2]))

    def put(self, namespace: str, name: str, copy: Copy) -> bool:
        """Hold a copy, unless a newer one is held or it finds no room."""
        reply = self._call(namespace, name, copy, leaving=[], chosen=False)
        for _ in range(_TRIES):
            if reply.what != "crowded":
                break
            coming = len(name.encode()) + len((copy.text or "").encode())
            if coming > self._marks.quota:
                break
            crowd = [Block(which, size, tuple(times), pinned) for which, size, times, pinned in json.loads(reply.crowd)]
            gone = leaving(crowd, coming=coming, marks=self._marks, k=self._k)
            reply = self._call(namespace, name, copy, leaving=gone, chosen=True)
        return reply.what == "held"

    def clear(self, namespace: str) -> None:
        """Hold nothing of a namespace."""
        self._try(lambda: self._redis.delete(_key(namespace)))

    def state(self, namespace: str) -> CacheState:
        """What is held."""
        fields = self._try(lambda: self._redis.hkeys(_key(namespace)))
        counts = self._try(lambda: self._redis.hmget(_key(namespace), "used", "hits", "misses", "evicted"))
        if fields is None or counts is None:
            return CacheState(self._marks.quota, up=False)
        used, hits, misses, evicted = (int(value or 0) for value in counts)
        held = tuple(sorted(field[2:].decode() for field in fields if field.startswith(b"v:")))
        return CacheState(self._marks.quota, used, held, hits, misses, evicted)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _call(self, namespace: str, name: str, copy: Copy, *, leaving: Sequence[str], chosen: bool) -> Reply:
        order = {
            "name": name,
            "version": copy.version,
            "pinned": copy.pinned,
            "cleared": copy.text is None,
            "leaving": list(leaving),
            "chosen": chosen,
            "quota": self._marks.quota,
            "high": self._marks.high,
            "kept": _KEPT_SECONDS,
        }
        said = self._try(lambda: self._put(keys=[_key(namespace)], args=[json.dumps(order), copy.text or ""]))
        return Reply("away") if said is None else Reply(*(part.decode() for part in said))

    def _try(self, ask: Callable[[], Json]) -> Json | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            return ask()
        except (redis.RedisError, OSError) as error:
            log.warning("working memory goes on without its cache: %s", error)
            self._away_until = time.monotonic() + _PAUSE_SECONDS
            return None


def _key(namespace: str) -> str:
    return f"{_PREFIX}{namespace}"


def _connect(url: str) -> redis.Redis:
    try:
        return redis.Redis.from_url(
            url,
            max_connections=REDIS_CONNECTIONS,
            socket_connect_timeout=1,
            socket_timeout=2,
            retry=Retry(NoBackoff(), 1),
            health_check_interval=15,
        )
    except ValueError as error:
        raise Misconfigured(f"memory.url is no URL of a Redis ({error})", "mend AIOS_MEMORY__URL") from None
