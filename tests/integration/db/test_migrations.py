"""Every migration, up and down, on a database with a row in every table."""

from __future__ import annotations

import datetime as dt
import json
from uuid import UUID

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, select, text

from aios.db import schema, version
from aios.db.session import Database
from tests.conftest import made_database

FORGOTTEN = {"0002": {"memories.embedding", "memories.reads", "checkpoints"}}
"""What a migration leaves out on its way up: counts of reads, and generations that were interrupted, which begin again.
On the way down a migration forgets what it added, and no more.
"""
MOVED = {"0002": {"memories.embedding": "memories.vector"}}

OWN = {"access_version"}
"""Its one row comes and goes with a migration."""


def revisions() -> list[str]:
    """All of them, the first one first."""
    script = ScriptDirectory(str(version.MIGRATIONS))
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


def value(column, *, row):
    """Something to store in a column, made of its type."""
    kind = str(column.type).partition("(")[0]
    if kind in {"ARRAY", "TEXT[]", "INTEGER[]"}:
        return [1, 2] if "INT" in str(column.type.item_type).upper() else ["one", "two"]
    if kind == "VECTOR":
        return [1.0] + [0.5] * ((column.type.dim or 384) - 1)
    made = {
        "UUID": str(UUID(int=row)),
        "TEXT": f"{column.name} {row}",
        "BYTEA": f"{column.name} {row}".encode(),
        "JSONB": {"field": [column.name, row]},
        "TIMESTAMP": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "BOOLEAN": True,
    }
    return made.get(kind, row)


def reflected(tx) -> MetaData:
    metadata = MetaData()
    metadata.reflect(tx)
    metadata.remove(metadata.tables["alembic_version"])
    return metadata


def fill(database: Database) -> set[str]:
    """Put a row into every table that has none; gives the names of those tables."""
    filled = set()
    with database.transaction() as tx:
        for number, table in enumerate(reflected(tx).sorted_tables, start=1):
            if table.name not in OWN and tx.execute(select(table).limit(1)).first() is None:
                row = {c.name: value(c, row=number) for c in table.columns if not c.computed and not c.identity}
                for key in (key for column in table.columns for key in column.foreign_keys):
                    referred = row.get(key.column.name) if key.column.table is table else None
                    row[key.parent.name] = referred or tx.execute(select(key.column).limit(1)).scalar_one()
                if "dimensions" in row:
                    row["dimensions"] = len(row["vector"])
                tx.execute(table.insert().values(row))
                filled.add(table.name)
    return filled


def content(database: Database) -> dict[str, list[str]]:
    """Every column of every table, by name: its values, in order."""
    tables = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
    columns = text(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:t) AND attnum > 0 AND NOT attisdropped"
    )
    found = {}
    with database.transaction() as tx:
        for table in tx.execute(tables).scalars().all():
            rows = tx.execute(text(f"SELECT to_jsonb(t) FROM {table} t")).scalars().all()
            for column in tx.execute(columns, {"t": table}).scalars():
                found[f"{table}.{column}"] = sorted(json.dumps(row[column]) for row in rows)
    return found


def kept(before: dict[str, list[str]], after: dict[str, list[str]], *, but: set[str]) -> None:
    """Whatever was stored is stored still."""
    left = {name: held for name, held in before.items() if not {name, name.partition(".")[0]} & (but | OWN)}
    assert {name: after.get(name) for name in left} == left


@pytest.fixture
def empty(services):
    database = Database(made_database(services.database_url))
    yield database
    database.close()


def test_every_migration_keeps_every_row_up_and_down_and_up_again(empty):
    first, *later = revisions()
    assert version.head() == later[-1]
    assert version.current(empty) is None
    assert schema.upgrade(empty, first) == first == version.current(empty)
    assert fill(empty)
    for revision in later:
        before = content(empty)
        schema.upgrade(empty, revision)
        after = content(empty)
        kept(before, after, but=FORGOTTEN.get(revision, set()))
        for old, new in MOVED.get(revision, {}).items():
            assert after[new] == before[old]
        fill(empty)
    schema.compare(empty)
    whole = content(empty)
    assert [] not in whole.values(), "a table without a row proves nothing"

    for revision in reversed([first, *later[:-1]]):
        before = content(empty)
        schema.downgrade(empty, revision)
        after = content(empty)
        kept(before, after, but={name for name in before if name not in after})
    schema.upgrade(empty)
    again = content(empty)
    kept({name: again[name] for name in ("agents.id", "syscalls.result", "memories.vector")}, whole, but=set())

    schema.downgrade(empty, "base")
    assert version.current(empty) is None
    assert content(empty) == {}
