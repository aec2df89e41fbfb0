"""A fake of the `Embedder` port."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class FakeEmbedder:
    """An `Embedder` whose vectors a test may choose; other texts get one of their own, near no other.

    Attributes:
        asked: every text that was embedded, in order.
    """

    def __init__(
        self, vectors: Mapping[str, Sequence[float]] | None = None, *, name: str = "fake", dimensions: int = 384
    ) -> None:
        """Vectors may be shorter than `dimensions` and of any length but 0."""
        self.name = name
        self.dimensions = dimensions
        self.asked: list[str] = []
        self._vectors = dict(vectors or {})

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One unit vector per text."""
        self.asked += texts
        return [self._unit(self._vectors.get(text) or self._own(text)) for text in texts]

    def _own(self, text: str) -> list[float]:
        stream = hashlib.shake_256(text.encode()).digest(self.dimensions)
        return [byte - 127.5 for byte in stream]

    def _unit(self, vector: Sequence[float]) -> list[float]:
        length = math.hypot(*vector)
        return [value / length for value in vector] + [0.0] * (self.dimensions - len(vector))
