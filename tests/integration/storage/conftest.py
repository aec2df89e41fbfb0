"""A database made by the migrations, for each module."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from aios.db import schema
from aios.db.session import Database

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def database(services) -> Iterator[Database]:
    name = f"test_{uuid4().hex[:12]}"
    owner = make_url(services.database_url).set(drivername="postgresql+psycopg")
    admin = create_engine(owner, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    made = Database(owner.set(database=name).render_as_string(hide_password=False), pool_size=12)
    schema.upgrade(made)
    yield made
    made.close()
