"""A running system for the tests of a module that want to look at one, not to break it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance import errands
from tests.acceptance.system import System

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Servers of its own, the scripted engine, and one or two workers per pool."""
    with System(tmp_path_factory.mktemp("system"), engine=errands.ENGINE, env=errands.ENV) as started:
        yield started
