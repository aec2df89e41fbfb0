"""The embedders that a setting can name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aios.errors import Misconfigured
from aios.memory.hashing import Hashing
from aios.memory.minilm import MiniLM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aios.kernel.ports import Embedder

EMBEDDERS: Final[Mapping[str, Callable[[], Embedder]]] = {"minilm": MiniLM, "hashing": Hashing}


def embedder(name: str) -> Embedder:
    """The embedder of the setting `embedder`; its model is loaded on first use.

    Raises:
        Misconfigured: there is none of this name.
    """
    make = EMBEDDERS.get(name)
    if make is None:
        raise Misconfigured(f"unknown embedder {name!r}", f"set AIOS_EMBEDDER to {' or '.join(EMBEDDERS)}")
    return make()
