"""Places in the queue, scores by name, embeddings of a round, images pinned to the front."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCORES = (
    "novelty",
    "predictive_entropy",
    "mutual_information",
    "expected_entropy",
    "least_confidence",
    "margin",
    "variance",
    "vote_entropy",
)


def upgrade() -> None:
    op.add_column("image", sa.Column("pinned_at", sa.Float(), nullable=True))
    op.add_column("image", sa.Column("pinned_by", sa.String(length=100), nullable=True))
    op.create_index("ix_image_pinned", "image", ["project_id", "pinned_at"])
    op.add_column("round", sa.Column("embeddings_blob", sa.String(length=64), nullable=True))
    with op.batch_alter_table("prediction") as table:
        table.add_column(sa.Column("place", sa.Float(), nullable=True))
        table.add_column(sa.Column("likeness", sa.Float(), nullable=False, server_default="0"))
        table.add_column(sa.Column("like_image_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("unsure_class", sa.Integer(), nullable=True))
        table.add_column(sa.Column("unsure_against", sa.Integer(), nullable=True))
        for name in SCORES:
            table.add_column(sa.Column(name, sa.Float(), nullable=True))
        table.create_foreign_key("fk_prediction_like_image_id_image", "image", ["like_image_id"], ["id"])
    op.execute("UPDATE prediction SET place = rank")
    with op.batch_alter_table("prediction") as table:
        table.alter_column("place", existing_type=sa.Float(), nullable=False)
        table.alter_column("likeness", existing_type=sa.Float(), server_default=None)
    for name in ("place", *SCORES):
        columns = ["round_id", name, "image_id", "unsure_class", "unsure_against"]
        op.create_index(f"ix_prediction_round_{name}", "prediction", columns)
    op.create_index("ix_image_name", "image", ["project_id", "name"])


def downgrade() -> None:
    op.drop_index("ix_image_name", "image")
    for name in ("place", *SCORES):
        op.drop_index(f"ix_prediction_round_{name}", "prediction")
    with op.batch_alter_table("prediction") as table:
        table.drop_constraint("fk_prediction_like_image_id_image", type_="foreignkey")
        for name in ("place", "likeness", "like_image_id", "unsure_class", "unsure_against", *SCORES):
            table.drop_column(name)
    op.drop_column("round", "embeddings_blob")
    op.drop_index("ix_image_pinned", "image")
    op.drop_column("image", "pinned_by")
    op.drop_column("image", "pinned_at")
