"""The split that excluded images came from, and indexes of what was skipped or has a known truth."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

EVENTS = sa.table(
    "event", sa.column("id", sa.Integer), sa.column("kind", sa.String), sa.column("detail", sa.JSON)
)
IMAGES = sa.table(
    "image",
    sa.column("id", sa.Integer),
    sa.column("split", sa.String),
    sa.column("excluded_from", sa.String),
)
KNOWN = sa.text("truth_blob IS NOT NULL")
SKIPPED = sa.text("skipped_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("image", sa.Column("excluded_from", sa.String(length=10), nullable=True))
    op.create_index("ix_image_truth", "image", ["project_id"], sqlite_where=KNOWN, postgresql_where=KNOWN)
    op.create_index(
        "ix_image_skipped",
        "image",
        ["project_id", "skipped_at"],
        sqlite_where=SKIPPED,
        postgresql_where=SKIPPED,
    )
    connection = op.get_bind()
    # The journal knows where each image was before its newest exclusion.
    exclusions = connection.execute(
        sa.select(EVENTS.c.detail).where(EVENTS.c.kind == "exclude").order_by(EVENTS.c.id)
    ).scalars()
    before = {detail["image"]: detail["before"] for detail in exclusions}
    if before:
        connection.execute(
            sa.update(IMAGES)
            .where(IMAGES.c.id == sa.bindparam("excluded"), IMAGES.c.split == "excluded")
            .values(excluded_from=sa.bindparam("before")),
            [{"excluded": image_id, "before": split} for image_id, split in before.items()],
        )


def downgrade() -> None:
    op.drop_index("ix_image_skipped", "image")
    op.drop_index("ix_image_truth", "image")
    op.drop_column("image", "excluded_from")
