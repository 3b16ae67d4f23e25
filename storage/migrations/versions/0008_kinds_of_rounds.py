"""Kinds of rounds, among them those that train nothing and rank again."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("round", sa.Column("kind", sa.String(10), nullable=False, server_default="trains"))
    op.execute("UPDATE round SET kind = 'trains_on' WHERE trains_on")
    op.drop_column("round", "trains_on")


def downgrade() -> None:
    op.add_column("round", sa.Column("trains_on", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE round SET trains_on = true WHERE kind = 'trains_on'")
    op.drop_column("round", "kind")
