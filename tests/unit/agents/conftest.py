"""The programs that ship."""

from __future__ import annotations

import pytest

from aios.sdk import loader
from aios.settings import Settings


@pytest.fixture(scope="session")
def shipped():
    """The programs that ship, by name."""
    return loader.programs(loader.load(Settings()))
