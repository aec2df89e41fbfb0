"""The command line in this process, on real servers, with no worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aios.db import workers
from tests.cli import aios

if TYPE_CHECKING:
    from aios.db.session import Database

__all__ = ["aios"]


@pytest.fixture
def system(database: Database, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Servers that the command line finds by the environment, and one program that a worker once had loaded."""
    monkeypatch.setenv("AIOS_DATABASE_URL", database_url)
    monkeypatch.setenv("AIOS_REDIS_URL", redis_url)
    row = {"version": "1", "source": "x", "summary": "", "tools": [], "error": None}
    with database.transaction() as tx:
        workers.publish_programs(tx, [row | {"name": "echo"}, row | {"name": "spoilt", "error": "SyntaxError: no"}])
    return database
