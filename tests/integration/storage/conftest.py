"""An agent's files on a real Postgres."""

from __future__ import annotations

import pytest

from tests.integration.storage.disk import Disk


@pytest.fixture
def disk(database):
    return Disk(database)
