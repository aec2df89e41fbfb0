"""`hashing`: an embedder without a model. Texts that share words or parts of words are near; meaning plays no part."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIMENSIONS: Final = 384
_LONGEST: Final = 20_000
_PART: Final = 3
_PART_WEIGHT: Final = 0.3


class Hashing:
    """Implements the kernel's `Embedder`: the same vectors on every machine, in every process, for ever.

    Source: K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009 (signed hashing).
    """

    name: str = "hashing-1"
    dimensions: int = DIMENSIONS

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One unit vector per text."""
        return [_vector(text[:_LONGEST]) for text in texts]


def _vector(text: str) -> list[float]:
    vector = [0.0] * DIMENSIONS
    for feature, times in Counter(_features(text.lower())).items():
        number = int.from_bytes(hashlib.blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest(), "big")
        weight = (_PART_WEIGHT if feature.startswith("#") else 1.0) * (1 + math.log(times))
        vector[(number >> 1) % DIMENSIONS] += weight if number & 1 else -weight
    length = math.hypot(*vector)
    # A text without a word, or whose features cancel out, still needs a direction: cosine knows no zero vector.
    return [value / length for value in vector] if length else [1.0] + [0.0] * (DIMENSIONS - 1)


def _features(text: str) -> Iterator[str]:
    for word in re.findall(r"\w+", text):
        yield word
        padded = f"<{word}>"
        for start in range(len(padded) - _PART + 1):
            yield "#" + padded[start : start + _PART]
