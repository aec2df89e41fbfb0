"""Alembic's migrations, carried in the wheel; `aios db upgrade` runs them."""
