"""Postgres: tables, migrations, and the statements of the journal's protocol. Only `session` commits."""
