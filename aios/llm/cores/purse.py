"""The purse: in which order a call asks the cores where cost and quality count.

A call that names a quality asks the cheapest of the cores that declare as much, then the next one. A call that names neither
quality nor model goes by the mean that its stream is to have, if there is one: each worker keeps the mean of its own calls,
so that of all calls is kept too, and nothing has to be shared. All other calls prefer the cores that know their prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.kernel import routing
from aios.kernel.thrift import Thrift
from aios.llm.cores.door import Wish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.ports import Prompt
    from aios.kernel.routing import Core


class Purse:
    """Knows what calls may cost."""

    def __init__(self, *, mean_quality: float = 0.0, patience_seconds: float = 0.0) -> None:
        """Keep a mean, and wait for the core that suits a call best.

        Args:
            mean_quality: of the calls that name neither a quality nor a model; 0: they may go anywhere.
            patience_seconds: so long a call waits for that core before it asks the next one.
        """
        self._patience_seconds = patience_seconds
        self._thrift = Thrift(mean_quality) if mean_quality else None

    def wish(self, choices: list[list[Core]], prompt: Prompt) -> Wish:
        """What a call may be served by; the choices come in the order in which its prefix prefers them."""
        if prompt.quality:
            return self._strict([self._cheapest_first(group, prompt) for group in choices])
        if self._thrift is not None and not prompt.model:
            return self._strict([self._thriftily(self._thrift, group, prompt) for group in choices])
        return Wish(choices)

    def served(self, core: Core, prompt: Prompt) -> None:
        """Account for a call."""
        if self._thrift is not None and not prompt.model and not prompt.quality:
            self._thrift.took(core.quality)

    def _strict(self, choices: list[list[Core]]) -> Wish:
        return Wish(choices, spread=False, patience_seconds=self._patience_seconds)

    def _cheapest_first(self, cores: Sequence[Core], prompt: Prompt) -> list[Core]:
        offers = routing.offers(cores, prompt)
        return [cores[place] for place in sorted(range(len(cores)), key=lambda place: offers[place].cost)]

    def _thriftily(self, thrift: Thrift, cores: Sequence[Core], prompt: Prompt) -> list[Core]:
        return [cores[place] for place in thrift.ranked(routing.offers(cores, prompt))] if cores else []
