"""The client's face of the cores: add, list, drain, remove and try them."""

from __future__ import annotations

import asyncio
import math
import re
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aios.db import cores as table
from aios.errors import AiosError, BrokerUnavailable, InvalidArgument, UnknownCore, did_you_mean
from aios.kernel.chat import Sampling
from aios.kernel.ports import Finish, Prompt
from aios.kernel.routing import Core, CoreKind, CoreState, Origin, merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aios.bootstrap.parts import Parts
    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject
    from aios.llm.cores.states import View
    from aios.settings import Settings

_NAME: Final = re.compile(r"[\w][\w.:/-]{0,99}")
_PLAIN: Final = (
    *("name", "url", "model", "slots", "key_env", "context_tokens"),
    *("cost_prompt", "cost_completion", "quality"),
)
_TEST_SECONDS: Final = 60.0
_MOST: Final = 2**31 - 1  # what the table holds


class Cores:
    """Operations on cores, for the client."""

    settings: Settings
    _parts: Parts

    def add_core(
        self,
        name: str,
        url: str,
        *,
        kind: str = "tgi",
        model: str = "",
        aliases: Sequence[str] = (),
        slots: int = 4,
        key_env: str = "",
        context_tokens: int = 0,
        cost_prompt: float = 0.0,
        cost_completion: float = 0.0,
        quality: float = 0.0,
        replace: bool = False,
    ) -> JsonObject:
        """Let the `llm` pool use one more core; running workers do so within a second.

        Args:
            name: in commands and in the journal.
            url: http://host:port of its server.
            kind: what it speaks: `tgi` or `openai`.
            model: the model it serves; empty: whatever it says that it serves.
            aliases: other names that it answers to; several cores may share one.
            slots: calls in flight at most.
            key_env: environment variable, of the workers, with its API key.
            context_tokens: prompt and answer together; 0: as the core says.
            cost_prompt: cost of 1,000 tokens of a prompt, in one currency for all cores.
            cost_completion: cost of 1,000 tokens of an answer, in the same currency.
            quality: how good its answers are, from 0 to 1; 0: nobody said.
            replace: change the core of that name.

        Raises:
            InvalidArgument: a value does not fit, or the name is taken.
        """
        core = Core(
            _checked(name, "core name"),
            _checked_url(url),
            CoreKind(_among(kind, [k.value for k in CoreKind], "kind")),
            model,
            tuple(_checked(alias, "alias") for alias in aliases),
            _at_least(slots, 1, "slots"),
            key_env,
            _at_least(context_tokens, 0, "context_tokens"),
            _within(cost_prompt, math.inf, "cost_prompt"),
            _within(cost_completion, math.inf, "cost_completion"),
            _within(quality, 1, "quality"),
        )
        with self._changing() as tx:
            if not replace and any(known.name == name for known in self._known(table.listing(tx))):
                raise InvalidArgument("core name", name, "it is taken; remove that core first, or replace it")
            table.put(tx, core)
        return _shown(core, None)

    def cores(self) -> list[JsonObject]:
        """All cores by name, each with how it fares; what Redis would tell is None while it does not answer."""
        with self._parts.database.statement() as tx:
            known = self._known(table.listing(tx))
            alone = table.running(tx) if len(known) == 1 else None  # a single core's slots are the scheduler's grants
        views = self._views([core.name for core in known])
        rows = [_shown(core, views.get(core.name)) for core in known]
        return rows if alone is None else [{**rows[0], "used": alone}]

    def drain_core(self, name: str) -> JsonObject:
        """Let a core end what it has begun, and give it nothing new.

        Raises:
            UnknownCore: there is none of that name.
        """
        return self._set_state(name, CoreState.DRAINING)

    def activate_core(self, name: str) -> JsonObject:
        """Let a drained core take calls again.

        Raises:
            UnknownCore: there is none of that name.
        """
        return self._set_state(name, CoreState.ACTIVE)

    def remove_core(self, name: str) -> None:
        """Forget a core that was added by command, or what was changed by command of one of the configuration.

        Raises:
            UnknownCore: there is none of that name.
            InvalidArgument: it stands in the configuration only.
        """
        with self._changing() as tx:
            core = self._named(table.listing(tx), name)
            if not table.remove(tx, name):
                where = "engine_url" if core.origin is Origin.DEFAULT else "[[llm.cores]]"
                raise InvalidArgument("core", name, f"it is declared as {where}: take it away there, or drain it")

    def test_core(self, name: str) -> JsonObject:
        """Ask a core for a few tokens, past the scheduler: what it says of itself, and how long it took.

        Raises:
            UnknownCore: there is none of that name.
            AiosError: what is wrong with it.
        """
        with self._parts.database.statement() as tx:
            core = self._named(table.listing(tx), name)
        return asyncio.run(_tried(core, self.settings))

    def _set_state(self, name: str, state: CoreState) -> JsonObject:
        with self._changing() as tx:
            core = replace(self._named(table.listing(tx), name), state=state)
            if core.origin is Origin.TABLE:
                table.put(tx, core)
            elif state is CoreState.ACTIVE:
                table.remove(tx, name)
            else:  # its URL and its slots stay the configuration's
                table.put(tx, replace(core, url=""))
        return _shown(core, None)

    @contextmanager
    def _changing(self) -> Iterator[Transaction]:
        """A transaction in which what is read of the cores stays as it is until it is written."""
        with self._parts.database.transaction() as tx:
            table.close(tx)
            yield tx

    def _named(self, stored: Sequence[Core], name: str) -> Core:
        known = {core.name: core for core in self._known(stored)}
        if name not in known:
            raise UnknownCore(name, did_you_mean(name, known))
        return known[name]

    def _known(self, stored: Sequence[Core]) -> list[Core]:
        from aios.llm.cores.registry import declared  # noqa: PLC0415  # only who asks for cores needs it

        return merged(declared(self.settings), stored)

    def _views(self, names: list[str]) -> dict[str, View]:
        from aios.llm.cores.shared import RedisStates  # noqa: PLC0415

        states = RedisStates(self.settings.scheduler)
        try:
            return states.view(names)
        except BrokerUnavailable:
            return {}
        finally:
            states.close()


async def _tried(core: Core, settings: Settings) -> JsonObject:
    from aios.llm.cores.drivers import driver  # noqa: PLC0415  # it loads a client library

    asked = driver(core, settings.llm)
    prompt = Prompt(messages=[{"role": "user", "content": "Say hello."}], sampling=Sampling(max_tokens=8, seed=1))
    begun, first, finish = time.monotonic(), None, None
    try:
        async with asyncio.timeout(_TEST_SECONDS):
            info = await asked.info()
            begun = time.monotonic()
            async for item in asked.generate(prompt):
                first = first or time.monotonic()
                finish = item
    finally:
        await asked.aclose()
    ended = time.monotonic()
    if not isinstance(finish, Finish):
        raise AiosError(f"core {core.name!r} ended without a finish")
    return {
        "name": core.name,
        **asdict(info),
        "text": finish.text,
        "tokens": finish.usage.completion_tokens,
        "first_token_ms": round(((first or ended) - begun) * 1000, 1),
        "total_ms": round((ended - begun) * 1000, 1),
    }


def _shown(core: Core, view: View | None) -> JsonObject:
    left = max(0.0, view.breaker.blocked_until - view.now) if view else None
    return {
        **{name: getattr(core, name) for name in _PLAIN},
        "kind": core.kind.value,
        "aliases": list(core.aliases),
        "state": core.state.value,
        "origin": core.origin.value,
        "used": view.used if view else None,
        "breaker": view.breaker.state(view.now) if view else None,
        "failures": view.breaker.failures if view else None,
        "blocked_seconds": round(left, 3) if left is not None else None,
    }


def _checked(name: str, what: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidArgument(what, name, "give a short one of letters, digits, '.', ':', '/' and '-'")
    return name


def _checked_url(url: str) -> str:
    parts = urlsplit(str(url))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidArgument("url", url, "give http://host:port, or https://")
    if parts.username or parts.password:
        raise InvalidArgument("url", f"{parts.scheme}://...@{parts.hostname}", "give the key by --key-env instead")
    return str(url).rstrip("/")


def _among(value: str, known: list[str], what: str) -> str:
    if value not in known:
        raise InvalidArgument(what, value, f"give one of {', '.join(known)}")
    return value


def _at_least(value: int, least: int, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST:
        raise InvalidArgument(what, value, f"give a whole number from {least} to {_MOST}")
    return value


def _within(value: float, most: float, what: str) -> float:
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not (math.isfinite(value) and 0 <= value <= most)
    ):
        raise InvalidArgument(what, value, f"give a number from 0 {'on' if most == math.inf else f'to {most:g}'}")
    return float(value)
