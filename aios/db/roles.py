"""The application's role: it reads and writes rows, and changes neither a table nor what the audit log holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from aios.errors import Misconfigured

if TYPE_CHECKING:
    from aios.db.session import Database

_RIGHTS: Final = """
    GRANT USAGE ON SCHEMA public TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};
    REVOKE UPDATE, DELETE, TRUNCATE ON audit_log, audit_chain FROM {role};
    REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON alembic_version FROM {role}
"""


def admit(owner: Database, url: str) -> str:
    """Let the role of a URL in, made with its password if it is missing; gives its name. To be done after each migration.

    Args:
        owner: the database, opened by the owner of its tables, at this version.
        url: how workers and clients will connect.

    Raises:
        Misconfigured: the role is missing, and the owner may not make roles.
    """
    given = make_url(url)
    role, name = sql.Identifier(given.username or ""), given.username or ""
    with owner.transaction() as tx:
        connection: psycopg.Connection[Any] = tx.connection.driver_connection  # type: ignore[assignment]  # typed as any DBAPI's
        try:
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).rowcount:
                make = sql.SQL("CREATE ROLE {role} LOGIN PASSWORD {password}")
                connection.execute(make.format(role=role, password=given.password or ""))
        except psycopg.errors.InsufficientPrivilege as error:
            remedy = f"let a superuser run CREATE ROLE {name} LOGIN PASSWORD '...', then `aios db upgrade` again"
            raise Misconfigured(f"there is no role {name!r}, and the owner may not make it", remedy) from error
        connection.execute(sql.SQL(_RIGHTS).format(role=role))
    return name
