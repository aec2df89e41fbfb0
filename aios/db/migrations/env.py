"""Alembic's environment: runs on the connection that `aios.db.schema` hands over."""

from alembic import context

from aios.db.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, compare_server_default=False)
with context.begin_transaction():
    context.run_migrations()
