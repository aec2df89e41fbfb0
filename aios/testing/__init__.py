"""Fakes of the kernel's ports, for tests of ours and yours. Each passes the contract tests of the real thing."""

from __future__ import annotations

from aios.testing.cache import FakeBlockCache
from aios.testing.driver import FakeDriver, Said
from aios.testing.embedder import FakeEmbedder
from aios.testing.nested import FakeNested
from aios.testing.objects import FakeObjects
from aios.testing.rules import FakeRules
from aios.testing.sink import FakeSink
from aios.testing.slices import FakeCheckpoints, FakeRivals
from aios.testing.toolbox import FakeToolBox

__all__ = [
    "FakeBlockCache",
    "FakeCheckpoints",
    "FakeDriver",
    "FakeEmbedder",
    "FakeNested",
    "FakeObjects",
    "FakeRivals",
    "FakeRules",
    "FakeSink",
    "FakeToolBox",
    "Said",
]
