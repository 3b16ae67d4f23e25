"""Whose rounds alone a worker runs."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("worker") as table:
        table.add_column(sa.Column("project_id", sa.Integer(), nullable=True))
        table.create_foreign_key("fk_worker_project_id_project", "project", ["project_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("worker") as table:
        table.drop_constraint("fk_worker_project_id_project", type_="foreignkey")
        table.drop_column("project_id")
