"""Fixtures for every floor: a scrubbed environment, and real servers for those tests that ask for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import uuid4

import hypothesis
import pytest
import redis
from sqlalchemy import create_engine, make_url

from aios.db import schema
from aios.db.session import Database
from aios.local.stack import Services

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = ("AIOS_TEST_", "AIOS_REFERENCE_DIR", "AIOS_LIVE_TGI_")


class Urls(Protocol):
    """Where the test run's Postgres (owner, may create databases) and Redis are."""

    @property
    def database_url(self) -> str: ...

    @property
    def redis_url(self) -> str: ...


class GivenUrls(NamedTuple):
    """Servers that somebody else runs."""

    database_url: str
    redis_url: str


FLOORS = ("acceptance", "integration", "unit")

# A property is no stopwatch: how long one example takes depends on what else the machine does.
hypothesis.settings.register_profile("aios", deadline=None)
hypothesis.settings.load_profile("aios")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers the long files go first, so that none is left alone with one of them at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: FLOORS.index(Path(item.nodeid).parts[1]))


def pytest_configure() -> None:
    """No test sees the settings of the shell it was started from."""
    for name in list(os.environ):
        if name.startswith("AIOS_") and not name.startswith(KEPT):
            del os.environ[name]


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Urls]:
    """A real Postgres and a real Valkey for the whole run; a missing server is a failure, never a skip."""
    given = GivenUrls(os.environ.get("AIOS_TEST_DATABASE_URL", ""), os.environ.get("AIOS_TEST_REDIS_URL", ""))
    if all(given):
        yield given
        return
    with Services(tmp_path_factory.mktemp("services"), durable=False) as started:
        yield started


@pytest.fixture(scope="session")
def template(services: Urls) -> str:
    """A database brought up by the migrations, for others to be copied from."""
    url = made_database(services.database_url)
    database = Database(url)
    schema.upgrade(database)
    database.close()
    return str(make_url(url).database)


@pytest.fixture
def database_url(services: Urls, template: str) -> str:
    """A database of this test's own: all tables, no rows."""
    return made_database(services.database_url, template=template)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """That database, open."""
    opened = Database(database_url, pool_size=12)
    yield opened
    opened.close()


@pytest.fixture
def redis_url(services: Urls) -> str:
    """The run's Redis, emptied."""
    with redis.Redis.from_url(services.redis_url) as client:
        client.flushall()
    return services.redis_url


def made_database(owner_url: str, *, template: str = "") -> str:
    """Make a database; gives its URL."""
    owner = make_url(owner_url).set(drivername="postgresql+psycopg")
    name = f"test_{uuid4().hex[:12]}"
    admin = create_engine(owner, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    admin.dispose()
    return owner.set(database=name).render_as_string(hide_password=False)
