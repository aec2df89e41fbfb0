"""Which cores there are: those of the configuration and those of the table, read again as they are used."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from aios.errors import AiosError, Misconfigured
from aios.kernel.routing import DEFAULT, Core, CoreKind, Origin, merged
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aios.settings import Settings

log = logger(__name__)

_FRESH_SECONDS: Final = 1.0


def declared(settings: Settings) -> list[Core]:
    """The cores of the configuration: the one of `engine_url`, and the tables `[[llm.cores]]`."""
    cores = []
    if settings.engine_url:
        llm = settings.llm
        cores.append(Core(DEFAULT, settings.engine_url, model=llm.model, slots=llm.slots, origin=Origin.DEFAULT))
    for given in settings.llm.cores:
        values = given.model_dump() | {"kind": CoreKind(given.kind), "origin": Origin.CONFIG}
        cores.append(Core(**values))
    return cores


class Registry:
    """The cores as of a second ago. When Postgres does not answer, the last ones that were known."""

    def __init__(self, settings: Settings, read: Callable[[], Sequence[Core]]) -> None:
        """`read` gives the rows of the table; it blocks."""
        self._declared = declared(settings)
        self._read = read
        self._cores: list[Core] = []
        self._read_at = -_FRESH_SECONDS
        self._reading: asyncio.Task[None] | None = None

    async def cores(self) -> list[Core]:
        """All cores, by name; only the first call waits for them to be read.

        Raises:
            Misconfigured: there is none.
        """
        if time.monotonic() - self._read_at > _FRESH_SECONDS and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._refresh())
        if not self._cores and self._reading is not None:
            await asyncio.shield(self._reading)
        if not self._cores:
            raise Misconfigured("no engine is configured", "run `aios up`, set AIOS_ENGINE_URL, or `aios cores add`")
        return self._cores

    async def newest(self) -> list[Core]:
        """All cores as of now."""
        await self._refresh()
        return await self.cores()

    async def _refresh(self) -> None:
        try:
            self._cores = merged(self._declared, await asyncio.to_thread(self._read))
        except AiosError as error:
            log.warning("the table of cores cannot be read, the last known ones count: %s", error)
            self._cores = self._cores or merged(self._declared, ())
        self._read_at = time.monotonic()
