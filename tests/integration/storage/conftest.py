"""An agent's files on a real Postgres."""

from __future__ import annotations

import pytest

from aios.db.session import Database
from tests.conftest import made_database
from tests.integration.storage.disk import Disk


@pytest.fixture(scope="module")
def common_database(services, template):
    """One database for all tests of a module: each has an agent of its own, and looks at nothing else."""
    opened = Database(made_database(services.database_url, template=template), pool_size=12)
    yield opened
    opened.close()


@pytest.fixture
def disk(database):
    return Disk(database)
