"""Which migration a database is at, and which one this version needs. Without Alembic, a tenth of a worker's start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from aios.errors import SchemaMismatch

if TYPE_CHECKING:
    from aios.db.session import Database

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def current(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    with database.transaction() as tx:
        if tx.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar() is None:
            return None
        found = tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return None if found is None else str(found)


def head() -> str:
    """The revision that this version of the code needs: files of migrations are named by theirs, which rise."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def require(database: Database) -> None:
    """Check that the database fits this version.

    Raises:
        SchemaMismatch: it is behind or ahead.
        DatabaseUnavailable: it does not answer.
    """
    found, wanted = current(database), head()
    if found != wanted:
        raise SchemaMismatch(found, wanted)
