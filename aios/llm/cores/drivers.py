"""One driver per core, made when it is first needed and again when the core is changed."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aios.errors import AiosError, Misconfigured
from aios.kernel.routing import Core, CoreKind, Origin
from aios.settings import secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from aios.kernel.ports import CoreInfo, Driver
    from aios.settings import LLMSettings

_FRESH_SECONDS: Final = 30.0


def driver(core: Core, settings: LLMSettings) -> Driver:
    """The driver for a core.

    Raises:
        Misconfigured: the variable with its key is not set here.
    """
    from aios.llm.tgi import TGIDriver  # noqa: PLC0415  # each kind loads its own client library

    if core.origin is Origin.DEFAULT:
        return TGIDriver(url=core.url, settings=settings)
    key = secret(core.key_env) if core.key_env else ""
    own = settings.model_copy(update={"api_key": key, "model": core.model})
    if core.kind is CoreKind.OPENAI:
        return _openai(core, own)
    return TGIDriver(url=core.url, settings=own, name=core.name)


def _openai(core: Core, settings: LLMSettings) -> Driver:
    try:
        from aios.llm.openai import OpenAIDriver  # noqa: PLC0415
    except ModuleNotFoundError as error:
        remedy = 'pip install "aios-celery[openai]" where the LLM workers run'
        raise Misconfigured(
            f"core {core.name!r} speaks OpenAI's interface, and its client is missing", remedy
        ) from error
    return OpenAIDriver(url=core.url, settings=settings, name=core.name, context_tokens=core.context_tokens)


class Drivers:
    """The drivers of the cores in use."""

    def __init__(self, make: Callable[[Core], Driver]) -> None:
        self._make = make
        self._made: dict[str, tuple[Core, Driver]] = {}
        self._old: list[Driver] = []
        self._infos: dict[str, CoreInfo] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._asks_at: dict[str, float] = {}

    def __getitem__(self, core: Core) -> Driver:
        """The core's driver; one of a core that was changed meanwhile ends what it has begun."""
        known = self._made.get(core.name)
        if known is not None and _asks_alike(known[0], core):
            return known[1]
        if known is not None:
            self._old.append(known[1])
            self._infos.pop(core.name, None)
            self._asks_at.pop(core.name, None)
        made = self._make(core)
        self._made[core.name] = (core, made)
        return made

    async def info(self, core: Core) -> CoreInfo | None:
        """What a core said of itself last; None: it never answered. Only who knows nothing of it waits for its answer."""
        asking = self._asking.get(core.name)
        if (asking is None or asking.done()) and time.monotonic() >= self._asks_at.get(core.name, 0.0):
            asking = self._asking[core.name] = asyncio.create_task(self._ask(core))
        if core.name not in self._infos and asking is not None:
            await asyncio.shield(asking)
        return self._infos.get(core.name)

    async def _ask(self, core: Core) -> None:
        with suppress(AiosError):
            self._infos[core.name] = await self[core].info()
        self._asks_at[core.name] = time.monotonic() + _FRESH_SECONDS

    async def aclose(self) -> None:
        """Close all their connections."""
        for asking in self._asking.values():
            asking.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        for open_ in [*self._old, *(made for _, made in self._made.values())]:
            await open_.aclose()
        self._old, self._made = [], {}


def _asks_alike(one: Core, other: Core) -> bool:
    fields = ("url", "kind", "model", "key_env", "context_tokens", "origin")
    return all(getattr(one, field) == getattr(other, field) for field in fields)
