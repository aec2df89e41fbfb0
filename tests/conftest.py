"""Fixtures for every floor: a scrubbed environment, and real servers for those tests that ask for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest

from aios.local.stack import Services

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = ("AIOS_TEST_", "AIOS_REFERENCE_DIR", "AIOS_TGI_URL")


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
