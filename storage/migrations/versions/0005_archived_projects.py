"""Since when a project is archived."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project", sa.Column("archived_at", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("project", "archived_at")
