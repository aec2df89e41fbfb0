"""What a core's tokens cost and how good its answers are, as far as somebody said.

Revision: 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COLUMNS = ("cost_prompt", "cost_completion", "quality")


def upgrade() -> None:
    """Rows that are there say nothing."""
    for name in _COLUMNS:
        op.add_column("cores", sa.Column(name, sa.Double, nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    """Forget what was said."""
    for name in _COLUMNS:
        op.drop_column("cores", name)
