"""The ready sets of all keys: Lua scripts and what is sent to them."""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import redis
from redis.exceptions import RedisError

from aios.errors import BrokerUnavailable
from aios.kernel.estimate import Estimate
from aios.kernel.words import Pool
from aios.ready.bell import Bell, Done, Granted, Wiped
from aios.ready.connection import connect, where
from aios.ready.lines import Asked, Lines

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from redis.commands.core import Script

    from aios.kernel.policy import Policy
    from aios.kernel.values import JsonObject
    from aios.ready.bell import Rate

_PREFIX: Final = "aios:"
_PARTS: Final = ("nodes", "rates", "policies", "calls")
_SETS: Final = ("line:*", "grants:*", "account:*", "window:*", "amounts:*")
_HASHES: Final = ("calls", "rings", "clocks", "due", "paused")
_TOLD_AT_ONCE: Final = 1000
_UNKNOWN_SECONDS: Final = {Pool.LLM.value: 1.0}
"""What a syscall is charged that nothing is known of yet; other pools' take milliseconds."""


class ReadySets:
    """The ready sets and grants of all keys."""

    def __init__(self, url: str, *, lease_seconds: float, rings: tuple[str, str] | None = None) -> None:
        """Connect when first asked.

        Args:
            url: of the Redis that holds them.
            lease_seconds: how long a grant holds before it is claimed.
            rings: an envelope (see aios/envelope.py) and the prefix of Celery's queues, when those are in the same Redis:
                what is granted is rung there and then. None: it is given back to be published.
        """
        self._redis = connect(url)
        self._lines = Lines(self._redis.connection_pool)
        self._rings = rings or ()
        self._where = where(url)
        self._lease_ms = int(lease_seconds * 1000)
        names = ("turn", "hold", "put", "configure", "better", "learned", "overview")
        self._scripts: dict[str, Script] = {name: self._redis.register_script(_script(name)) for name in names}

    def turn(
        self,
        *,
        done: Iterable[Done | tuple[str, str]] = (),
        add: Iterable[Bell] = (),
        keys: Sequence[str] = (),
        take: Iterable[str] = (),
        yields: Sequence[str] = (),
        mine: Bell | None = None,
    ) -> Granted:
        """Settle and release what is done, add what is ready, grant what is free.

        Args:
            done: what no longer needs its grant.
            add: what became ready; already known ids are left as they are.
            keys: further keys to look at for free places and ended leases.
            take: pools (`llm`) and operations (`agent.resume`) of which the asker goes on with one itself, if it is granted
                now and no message waits for it: that one is given back instead of rung.
            yields: so it is only if no message waits for any of these pools.
            mine: what the asker goes on with itself if it is granted now and no message waits for its pool; else nothing is
                known of it afterwards, so that nobody is granted what is not written yet.

        Raises:
            Wiped: the sets must be rebuilt first; nothing was done.
            BrokerUnavailable: Redis does not answer.
        """
        order = {
            "done": [Done(*one) for one in done],
            "add": [_entry(bell) for bell in add],
            "keys": list(keys),
            "lease_ms": self._lease_ms,
        }
        if take:
            order["take"] = dict.fromkeys(take, True)
        if yields:
            order["yields"] = list(yields)
        if mine:
            order["mine"] = _entry(mine)
        again, bells, at, taken, given = self._run("turn", order, *self._rings)
        granted = [_rung(text, int(rings)) for text, rings in bells]
        return Granted(granted, int(again), float(at), Bell.load(taken) if taken else None, mine=bool(given))

    def renew(self, held: Iterable[tuple[str, str]], *, lease_seconds: float) -> list[str]:
        """Keep the grants of what runs here: (key, id) of each. Gives the ids whose places others have by now."""
        ids = [id_ for _, id_ in held]
        return list(self._run("hold", {"held": ids, "lease_ms": int(lease_seconds * 1000)})) if ids else []

    @contextmanager
    def confirming(self, id_: str, *, known: bool = False) -> Iterator[Callable[[], bool]]:
        """Ask whether a granted syscall may start now: its grant holds, or there is room, and its key was not told to wait.

        Gives what waits for the answer, so that the claim can be made meanwhile. It raises `BrokerUnavailable` if Redis
        does not answer. Until it is renewed, the grant holds no longer than one that was not claimed.

        Args:
            id_: the syscall's.
            known: it was granted itself: if nothing is known of it any more, its grant is lost.
        """
        order = {"held": [id_], "lease_ms": self._lease_ms, "start": True, "known": known}
        asked = Asked(self._lines, self._scripts["hold"], keys=[_PREFIX], args=[json.dumps(order)])

        def answer() -> bool:
            with self._translated():
                return not asked.answer()

        try:
            yield answer
        finally:
            asked.drop()

    def better_waits(self, id_: str, *, served_seconds: float, left_seconds: float) -> bool:
        """Whether somebody stands before a granted syscall, if it ended its slice now.

        Args:
            id_: the syscall's.
            served_seconds: the service it had in this slice.
            left_seconds: what it is expected to need from now on.
        """
        return bool(self._run("better", {"id": id_, "served": served_seconds, "left": left_seconds}))

    def limit(self, limits: Mapping[str, int], *, rates: Mapping[str, Rate] | None = None, whole: bool = False) -> None:
        """Set how many grants a key may have at once, and how much it may use in a window of time.

        Args:
            limits: by key. A pool without a limit grants nothing; any other key without one is unlimited.
            rates: by key.
            whole: keys that are not named lose what they had.
        """
        if limits or rates or whole:
            texts = {
                key: json.dumps({k: v for k, v in rate._asdict().items() if v}) for key, rate in (rates or {}).items()
            }
            self._run("configure", {"limits": {k: str(v) for k, v in limits.items()}, "rates": texts, "whole": whole})

    def call_off(self, ids: Sequence[str]) -> None:
        """Tell all workers that these syscalls were cancelled."""
        with self._translated():
            for start in range(0, len(ids), _TOLD_AT_ONCE):
                self._redis.publish(f"{_PREFIX}called-off", json.dumps(ids[start : start + _TOLD_AT_ONCE]))

    def called_off(self, stop: threading.Event) -> Iterator[set[str]]:
        """What is cancelled from now on, as it is told; ends soon after `stop` is set.

        Raises:
            BrokerUnavailable: Redis does not answer; what was told meanwhile is lost.
        """
        with self._translated(), self._redis.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]  # redis has no types there
            channel.subscribe(f"{_PREFIX}called-off")
            while not stop.is_set():
                message = channel.get_message(timeout=1.0)
                if message is not None:
                    yield set(json.loads(message["data"]))

    def missing(self, ids: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of the (key, id) that are neither ready nor granted."""
        if not ids:
            return []
        with self._translated(), self._redis.pipeline(transaction=False) as pipe:
            for _, id_ in ids:
                pipe.hexists(f"{_PREFIX}calls", id_)
            known = pipe.execute()
        return [pair for pair, found in zip(ids, known, strict=True) if not found]

    def epoch(self) -> str | None:
        """The random name of Redis' present data; None after a wipe."""
        with self._translated():
            value = self._redis.get(f"{_PREFIX}epoch")
        return str(value) if value is not None else None

    def policy(self) -> JsonObject | None:
        """The policy that scores are made by now; None after a wipe."""
        with self._translated():
            text = self._redis.get(f"{_PREFIX}policy")
        return json.loads(str(text)) if text is not None else None

    def clear(self, policy: JsonObject | None = None) -> None:
        """Grant nothing more and forget all sets, before they are rebuilt under a policy."""
        with self._translated():
            self._redis.delete(f"{_PREFIX}epoch")
            stale = [key for kind in _SETS for key in self._redis.scan_iter(f"{_PREFIX}{kind}", count=1000)]
            self._redis.delete(*stale, *(f"{_PREFIX}{name}" for name in _HASHES))
            if policy is not None:
                self._redis.set(f"{_PREFIX}policy", json.dumps(policy, sort_keys=True))

    def put(
        self,
        bells: Iterable[Bell] = (),
        *,
        running_seconds: float = 0.0,
        attained: Iterable[tuple[str, str, float]] = (),
        spent: Iterable[tuple[str, str, str, int, float]] = (),
    ) -> None:
        """Fill the sets while they are rebuilt; nothing is granted.

        Args:
            bells: what waits, in the order in which it became ready.
            running_seconds: the bells run already: their grants last so long.
            attained: (pool, payer, seconds of service) of whom a policy remembers.
            spent: (key, tenant, id, tokens, age) of what began lately and has ended.
        """
        order = {
            "add": [_entry(bell) for bell in bells],
            "running": running_seconds > 0,
            "lease_ms": int(running_seconds * 1000),
            "attained": list(attained),
            "spent": list(spent),
        }
        self._run("put", order)

    def refused(self) -> dict[str, tuple[str, int, int]]:
        """What asked for more tokens than its key may ever grant: (key, asked, limit) by id. Told once."""
        with self._translated(), self._redis.pipeline() as pipe:
            pipe.hgetall(f"{_PREFIX}refused")
            pipe.delete(f"{_PREFIX}refused")
            found, _ = pipe.execute()
        return {id_: tuple(json.loads(text)) for id_, text in found.items()}

    def learned(self, kind: str) -> Estimate:
        """What is known of one kind of syscall."""
        count, seconds, tokens = self._run("learned", {"kind": kind})
        return Estimate(int(count), float(seconds), float(tokens))

    def open(self) -> None:
        """Allow grants: the sets are rebuilt. Only the first of two openers names the epoch."""
        with self._translated():
            self._redis.set(f"{_PREFIX}epoch", secrets.token_hex(8), nx=True)

    def depth(self, keys: Sequence[str]) -> dict[str, tuple[int, int]]:
        """How many wait and how many are granted, per key, in its own line."""
        with self._translated(), self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.zcard(f"{_PREFIX}line:{key}")
                pipe.zcard(f"{_PREFIX}grants:{key}")
            counts = pipe.execute()
        return {key: (counts[2 * i], counts[2 * i + 1]) for i, key in enumerate(keys)}

    def overview(self) -> list[JsonObject]:
        """Every key with a limit or something in it: what waits and is granted there and below, limits, time parked."""
        with self._translated():
            keys = {str(key) for name in ("limits", "rates") for key in self._redis.hkeys(f"{_PREFIX}{name}")}
            for kind in ("line:", "grants:"):
                found = self._redis.scan_iter(f"{_PREFIX}{kind}*", count=1000)
                keys.update(str(key).removeprefix(f"{_PREFIX}{kind}") for key in found)
        rows = [json.loads(text) for text in self._run("overview", {"keys": sorted(keys)})]
        return sorted(rows, key=lambda row: str(row["key"]))

    def close(self) -> None:
        """Close the connections."""
        self._lines.close()
        self._redis.close()

    def _run(self, name: str, order: JsonObject, *more: str) -> Any:
        with self._translated():
            return self._lines.run(self._scripts[name], keys=[_PREFIX], args=[json.dumps(order), *more])

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


def rules(name: str, policy: Policy) -> JsonObject:
    """A policy as the scripts want it: its name and its parameters."""
    return {"name": name, **asdict(policy)}  # type: ignore[call-overload]  # every policy is a dataclass


def _script(name: str) -> str:
    folder = files("aios.ready") / "lua"
    return "\n".join((folder / f"{part}.lua").read_text() for part in (*_PARTS, name))


def _entry(bell: Bell) -> list[object]:
    root, tenant, _ = bell.payer or (bell.id, "default", "")
    unknown = _UNKNOWN_SECONDS.get(bell.pool, 0.01)
    known = [bell.id, bell.key, root, tenant, bell.priority, bell.estimate_seconds, unknown, bell.age_seconds]
    return [*known, bell.tokens, bell.kind, bell.dump()]


def _rung(text: str, rings: int) -> Bell:
    """What rings again is published as more urgent each time: it waits behind others in the queue otherwise."""
    bell = Bell.load(text)
    return bell._replace(priority=max(0, bell.priority - 2 * rings)) if rings else bell
