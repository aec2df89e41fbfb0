"""Tests without servers: `play` runs a program here; each port of the kernel has a fake that passes the real one's tests."""

from __future__ import annotations

from aios.testing.actor import Line
from aios.testing.cache import FakeBlockCache
from aios.testing.driver import FakeDriver, Said
from aios.testing.embedder import FakeEmbedder
from aios.testing.files import FakeFiles
from aios.testing.lacks import NotFaked
from aios.testing.memory import FakeMemory
from aios.testing.model import Answer
from aios.testing.nested import FakeNested
from aios.testing.objects import FakeObjects
from aios.testing.playing import Played, play
from aios.testing.rules import FakeRules
from aios.testing.sink import FakeSink
from aios.testing.slices import FakeCheckpoints, FakeRivals
from aios.testing.toolbox import FakeToolBox

__all__ = [
    "Answer",
    "FakeBlockCache",
    "FakeCheckpoints",
    "FakeDriver",
    "FakeEmbedder",
    "FakeFiles",
    "FakeMemory",
    "FakeNested",
    "FakeObjects",
    "FakeRivals",
    "FakeRules",
    "FakeSink",
    "FakeToolBox",
    "Line",
    "NotFaked",
    "Played",
    "Said",
    "play",
]
