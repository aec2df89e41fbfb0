"""How many LLM calls may be granted at once: the slots of the cores that take calls now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.errors import BrokerUnavailable
from aios.kernel import routing
from aios.kernel.keys import key_of
from aios.kernel.routing import CoreState
from aios.kernel.words import Pool
from aios.llm.cores.registry import declared
from aios.llm.cores.shared import RedisStates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.routing import Core
    from aios.llm.cores.states import View
    from aios.settings import Settings


class Capacity:
    """The slots of all cores together; a core that is left alone has none, one on trial has one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._declared = declared(settings)
        self._states: RedisStates | None = None

    def limits(self, stored: Sequence[Core]) -> dict[str, int]:
        """What may be granted of the pool, and, as `llm:<name>`, to calls that ask for a model.

        It is never nothing, so that somebody finds out when a core is well again.
        """
        cores = [c for c in routing.merged(self._declared, stored) if c.state is CoreState.ACTIVE]
        if len(cores) < 2:  # noqa: PLR2004  # nothing to choose: its calls fail one by one, and say why
            return {Pool.LLM.value: sum(core.slots for core in cores) or self._settings.llm.slots}
        views = self._views(cores)
        free = {core.name: _free(core, views) for core in cores}
        limits = {Pool.LLM.value: max(1, sum(free.values()))}
        for name in routing.known_names(cores):
            serving = routing.serving(cores, name)
            limits[key_of(Pool.LLM, name)] = max(1, sum(free[core.name] for core in serving))
        return limits

    def _views(self, cores: Sequence[Core]) -> dict[str, View]:
        self._states = self._states or RedisStates(self._settings.scheduler)
        try:
            return self._states.view([core.name for core in cores])
        except BrokerUnavailable:
            return {}


def _free(core: Core, views: dict[str, View]) -> int:
    view = views.get(core.name)
    if view is None:
        return core.slots
    if not view.breaker.passes(view.now):
        return 0
    return 1 if view.breaker.trial else core.slots
