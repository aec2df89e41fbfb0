"""How the cores fare, shared by all processes through Redis; as far as this process knows while Redis is away.

Admitting a call looks at every core that may take it, and takes a slot of the chosen one, in one Lua call; the choice is
`routing.pick`, written twice and held equal by a test. Breakers change rarely, so that their rules exist in Python only and
are stored by compare-and-set.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, TypeVar

import redis
from redis.exceptions import RedisError, WatchError

from aios.errors import BrokerUnavailable
from aios.kernel.breaker import Breaker
from aios.llm.cores.states import LEASE_SECONDS, Admission, LocalStates, View
from aios.llm.streams import place as whereabouts
from aios.log import logger
from aios.settings import REDIS_CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aios.kernel.routing import Core
    from aios.llm.cores.states import CoreStates

T = TypeVar("T")

log = logger(__name__)

_PREFIX: Final = "aios:cores:"
_BREAKERS: Final = f"{_PREFIX}breakers"
_SECONDS: Final = 1.0
_TRIES: Final = 50
_REMEMBERED_SECONDS: Final = 600
_ALONE_SECONDS: Final = 5.0  # after a failure of Redis no call waits for it again, for this long

_ADMIT = """
local prefix, order = KEYS[1], cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local used, slots, total, share, soonest = {}, {}, 1, 0, 0
for i, core in ipairs(order.cores) do
    local leases = prefix .. 'slots:' .. core[1]
    redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
    used[i], slots[i] = redis.call('ZCARD', leases), core[2]
    local breaker = redis.call('HGET', prefix .. 'breakers', core[1])
    if breaker then
        breaker = cjson.decode(breaker)
        local blocked = math.max(breaker.open_until, breaker.paused_until)
        if now < blocked then
            slots[i] = 0
            if soonest == 0 or blocked < soonest then soonest = blocked end
        elseif breaker.opens > 0 then
            slots[i] = 1
        end
    end
    total, share = total + used[i], share + slots[i]
end
local chosen = 0
for i = 1, order.spread and #order.cores or 0 do
    local bound = share > 0 and math.ceil(5 * total * slots[i] / (4 * share)) or 0
    if used[i] < math.min(slots[i], bound) then chosen = i break end
end
for i = 1, #order.cores do
    if chosen == 0 and used[i] < slots[i] then chosen = i end
end
if chosen > 0 then
    local leases = prefix .. 'slots:' .. order.cores[chosen][1]
    redis.call('ZADD', leases, now + order.lease_seconds, order.lease)
    redis.call('EXPIRE', leases, math.ceil(order.lease_seconds) * 2)
end
return {chosen, tostring(now), tostring(soonest), share}
"""


class RedisStates:
    """What all processes know. Its calls block for a second at most."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            decode_responses=True,
            max_connections=REDIS_CONNECTIONS,
            socket_timeout=_SECONDS,
            socket_connect_timeout=_SECONDS,
            retry=None,
            retry_on_timeout=False,
        )
        self._admit = self._client.register_script(_ADMIT)

    def admit(self, candidates: Sequence[Core], lease: str, *, spread: bool = True) -> Admission:
        """Take a slot of one of the candidates, given in order of preference.

        Raises:
            BrokerUnavailable: Redis does not answer; so with all methods.
        """
        cores = [[core.name, core.slots] for core in candidates]
        order = json.dumps({"cores": cores, "lease": lease, "lease_seconds": LEASE_SECONDS, "spread": spread})
        chosen, now, soonest, share = self._ask(lambda: self._admit(keys=[_PREFIX], args=[order]))
        wait = max(0.0, float(soonest) - float(now))
        return Admission(int(chosen) - 1 if chosen else None, float(now), wait, open=bool(share))

    def release(self, core: str, lease: str) -> None:
        """Give a slot back."""
        self._ask(lambda: self._client.zrem(f"{_PREFIX}slots:{core}", lease))

    def renew(self, held: Iterable[tuple[str, str]]) -> None:
        """Keep the slots of what runs here: (core, lease) of each."""

        def ask() -> None:
            ends = self._now() + LEASE_SECONDS
            with self._client.pipeline(transaction=False) as pipe:
                for core, lease in held:
                    pipe.zadd(f"{_PREFIX}slots:{core}", {lease: ends})
                    pipe.expire(f"{_PREFIX}slots:{core}", int(LEASE_SECONDS) * 2)
                pipe.execute()

        self._ask(ask)

    def change(self, core: str, change: Callable[[Breaker, float], Breaker]) -> Breaker:
        """Change a core's breaker by a function of it and the time; called again if another process was faster."""

        def ask() -> Breaker:
            for _ in range(_TRIES):
                try:
                    return self._changed(core, change)
                except WatchError:
                    continue
            raise RedisError(f"the breaker of {core!r} changes all the time")

        return self._ask(ask)

    def _changed(self, core: str, change: Callable[[Breaker, float], Breaker]) -> Breaker:
        with self._client.pipeline() as pipe:
            pipe.watch(_BREAKERS)  # type: ignore[no-untyped-call]  # redis has no annotation there
            before = _loaded(pipe.hget(_BREAKERS, core))
            after = change(before, self._now())
            if after != before:
                pipe.multi()
                pipe.hset(_BREAKERS, core, json.dumps(asdict(after)))
                pipe.execute()
            return after

    def view(self, cores: Iterable[str]) -> dict[str, View]:
        """How some cores fare, by name."""
        names = list(cores)

        def ask() -> dict[str, View]:
            now = self._now()
            with self._client.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.zcount(f"{_PREFIX}slots:{name}", now, "+inf")
                    pipe.hget(_BREAKERS, name)
                found = pipe.execute()
            return {name: View(found[2 * i], _loaded(found[2 * i + 1]), now) for i, name in enumerate(names)}

        return self._ask(ask)

    def broke(self, call: str) -> int:
        """Count that a core broke under a call; how often that happened to it."""
        key = f"{_PREFIX}broke:{call}"

        def ask() -> int:
            with self._client.pipeline(transaction=False) as pipe:
                pipe.incr(key)
                pipe.expire(key, _REMEMBERED_SECONDS)
                return int(pipe.execute()[0])

        return self._ask(ask)

    def turn(self, seconds: float) -> bool:
        """Whether it is this process' turn to probe; nobody else's then, for so long."""
        return bool(self._ask(lambda: self._client.set(f"{_PREFIX}turn", "1", nx=True, px=int(seconds * 1000))))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _now(self) -> float:
        seconds, micros = self._client.time()
        return float(seconds) + float(micros) / 1e6

    def _ask(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except (RedisError, OSError) as error:
            raise BrokerUnavailable(whereabouts(self._client), str(error) or type(error).__name__) from error


def _loaded(text: object) -> Breaker:
    return Breaker(**json.loads(str(text))) if text else Breaker()


class SharedStates:
    """What all processes know, and what this one knows while Redis does not answer: calls go on, only less well spread."""

    def __init__(self, shared: CoreStates) -> None:
        self._shared = shared
        self._local = LocalStates()
        self._alone_until = 0.0

    def admit(self, candidates: Sequence[Core], lease: str, *, spread: bool = True) -> Admission:
        """Take a slot of one of the candidates, given in order of preference."""
        found = self._try(lambda: self._shared.admit(candidates, lease, spread=spread))
        if found is None:
            return self._local.admit(candidates, lease, spread=spread)
        self._local.learn(found.now)
        if found.place is not None:
            self._local.take(candidates[found.place].name, lease)
        return found

    def release(self, core: str, lease: str) -> None:
        """Give a slot back; one that Redis does not hear of ends by itself."""
        self._local.release(core, lease)
        self._try(lambda: self._shared.release(core, lease))

    def renew(self, held: Iterable[tuple[str, str]]) -> None:
        """Keep the slots of what runs here: (core, lease) of each."""
        kept = list(held)
        self._local.renew(kept)
        self._try(lambda: self._shared.renew(kept))

    def change(self, core: str, change: Callable[[Breaker, float], Breaker]) -> Breaker:
        """Change a core's breaker by a function of it and the time."""
        mine = self._local.change(core, change)
        shared = self._try(lambda: self._shared.change(core, change))
        if shared is None:
            return mine
        return self._local.change(core, lambda _breaker, _now: shared)

    def view(self, cores: Iterable[str]) -> dict[str, View]:
        """How some cores fare, by name."""
        names = list(cores)
        return self._try(lambda: self._shared.view(names)) or self._local.view(names)

    def broke(self, call: str) -> int:
        """Count that a core broke under a call; how often that happened to it."""
        return max(self._local.broke(call), self._try(lambda: self._shared.broke(call)) or 0)

    def turn(self, seconds: float) -> bool:
        """Whether it is this process' turn to probe."""
        found = self._try(lambda: self._shared.turn(seconds))
        return self._local.turn(seconds) if found is None else found

    def _try(self, ask: Callable[[], T]) -> T | None:
        if time.monotonic() < self._alone_until:
            return None
        try:
            return ask()
        except BrokerUnavailable as error:
            if time.monotonic() - self._alone_until > 2 * _ALONE_SECONDS:
                log.warning("cores are chosen without the other processes for now: %s", error)
            self._alone_until = time.monotonic() + _ALONE_SECONDS
            return None
