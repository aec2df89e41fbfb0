"""Access: its version's one row, an audit log that only grows, and what the application's role may not do.

Revision: 0003.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_APPLICATION = "aios_app"

_REFUSE = """
    CREATE FUNCTION aios_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the table % only grows: nothing in it is changed or removed', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END $$
"""

# Where the role exists (the embedded server makes it), it writes rows everywhere and changes none of the log.
_RIGHTS = f"""
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{_APPLICATION}') THEN
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {_APPLICATION};
            GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {_APPLICATION};
            REVOKE UPDATE, DELETE, TRUNCATE ON audit_log, audit_chain FROM {_APPLICATION};
            REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON alembic_version FROM {_APPLICATION};
        END IF;
    END $$
"""


def upgrade() -> None:
    op.execute("INSERT INTO access_version (one) VALUES (true)")
    op.execute(_REFUSE)
    for table in ("audit_log", "audit_chain"):
        op.execute(
            f"CREATE TRIGGER grows_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION aios_refuse_change()"
        )
    op.execute(_RIGHTS)


def downgrade() -> None:
    for table in ("audit_log", "audit_chain"):
        op.execute(f"DROP TRIGGER grows_only ON {table}")
    op.execute("DROP FUNCTION aios_refuse_change()")
    op.execute("DELETE FROM access_version")
