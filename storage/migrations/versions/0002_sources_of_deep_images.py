"""Sources of images that lost depth or channels in the picture stored of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Images that are there already have nothing but their picture: their files were not stored.
    op.add_column("image", sa.Column("source_blob", sa.String(length=64), nullable=True))
    op.add_column("image", sa.Column("source_type", sa.String(length=40), nullable=True))
    op.add_column("image", sa.Column("bit_depth", sa.Integer(), nullable=True))
    op.add_column("image", sa.Column("channels", sa.JSON(), nullable=True))


def downgrade() -> None:
    for name in ("channels", "bit_depth", "source_type", "source_blob"):
        op.drop_column("image", name)
