"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "project",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("current_round_id", sa.Integer(), nullable=True),
        sa.Column("labels_changed", sa.Integer(), nullable=False),
        sa.Column("labels_changed_at", sa.Float(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["current_round_id"], ["round.id"], name="fk_project_current_round", use_alter=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
        sa.UniqueConstraint("name", name="uq_project_name"),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("heartbeat_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_worker"),
        sa.UniqueConstraint("name", name="uq_worker_name"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_event_project_id_project"),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_project_at", "event", ["project_id", "at"], unique=False)
    op.create_table(
        "image",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=1024), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("split", sa.String(length=10), nullable=False),
        sa.Column("group", sa.String(length=200), nullable=True),
        sa.Column("truth_blob", sa.String(length=64), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("labelled_revision", sa.Integer(), nullable=False),
        sa.Column("draft_by", sa.String(length=100), nullable=True),
        sa.Column("leased_by", sa.String(length=100), nullable=True),
        sa.Column("leased_until", sa.Float(), nullable=True),
        sa.Column("skipped_at", sa.Float(), nullable=True),
        sa.Column("imported_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_image_project_id_project"),
        sa.PrimaryKeyConstraint("id", name="pk_image"),
        sa.UniqueConstraint("project_id", "content_hash", name="uq_image_project_id_content_hash"),
    )
    op.create_index("ix_image_draft", "image", ["project_id", "draft_by"], unique=False)
    op.create_index("ix_image_lease", "image", ["leased_by", "leased_until"], unique=False)
    op.create_index("ix_image_project_split", "image", ["project_id", "split", "content_hash"], unique=False)
    op.create_table(
        "label_class",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("colour", sa.String(length=7), nullable=False),
        sa.Column("hotkey", sa.String(length=20), nullable=True),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_label_class_project_id_project"),
        sa.PrimaryKeyConstraint("id", name="pk_label_class"),
        sa.UniqueConstraint("project_id", "index", name="uq_label_class_project_id_index"),
        sa.UniqueConstraint("project_id", "name", name="uq_label_class_project_id_name"),
    )
    op.create_table(
        "round",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("snapshot_blob", sa.String(length=64), nullable=True),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("labels_changed", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=100), nullable=True),
        sa.Column("heartbeat_at", sa.Float(), nullable=True),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("eta_seconds", sa.Float(), nullable=True),
        sa.Column("note", sa.String(length=2000), nullable=True),
        sa.Column("error", sa.String(length=4000), nullable=True),
        sa.Column("checkpoint", sa.String(length=1024), nullable=True),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["round.id"], name="fk_round_parent_id_round"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_round_project_id_project"),
        sa.PrimaryKeyConstraint("id", name="pk_round"),
        sa.UniqueConstraint("project_id", "number", name="uq_round_project_id_number"),
    )
    op.create_index("ix_round_state", "round", ["state"], unique=False)
    op.create_table(
        "label",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("author", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("labelled_share", sa.Float(), nullable=False),
        sa.Column("class_indices", sa.JSON(), nullable=False),
        sa.Column("seconds_spent", sa.Float(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("round_shown_id", sa.Integer(), nullable=True),
        sa.Column("submission_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_label_image_id_image"),
        sa.ForeignKeyConstraint(["round_shown_id"], ["round.id"], name="fk_label_round_shown_id_round"),
        sa.PrimaryKeyConstraint("id", name="pk_label"),
        sa.UniqueConstraint("image_id", "revision", name="uq_label_image_id_revision"),
        sa.UniqueConstraint("submission_id", name="uq_label_submission_id"),
    )
    op.create_table(
        "prediction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("why", sa.JSON(), nullable=False),
        sa.Column("map_blob", sa.String(length=64), nullable=True),
        sa.Column("uncertainty_blob", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name="fk_prediction_image_id_image"),
        sa.ForeignKeyConstraint(["round_id"], ["round.id"], name="fk_prediction_round_id_round"),
        sa.PrimaryKeyConstraint("id", name="pk_prediction"),
        sa.UniqueConstraint("round_id", "image_id", name="uq_prediction_round_id_image_id"),
    )
    op.create_index("ix_prediction_round_rank", "prediction", ["round_id", "rank"], unique=False)
    op.create_table(
        "round_metric",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["round.id"], name="fk_round_metric_round_id_round"),
        sa.PrimaryKeyConstraint("id", name="pk_round_metric"),
    )
    op.create_index("ix_round_metric_round_name", "round_metric", ["round_id", "name", "step"], unique=False)
    if op.get_bind().dialect.name != "sqlite":
        # project and round name each other: SQLite took the key with the table, others need both first.
        op.create_foreign_key("fk_project_current_round", "project", "round", ["current_round_id"], ["id"])


def downgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint("fk_project_current_round", "project", type_="foreignkey")
    op.drop_index("ix_round_metric_round_name", table_name="round_metric")
    op.drop_table("round_metric")
    op.drop_index("ix_prediction_round_rank", table_name="prediction")
    op.drop_table("prediction")
    op.drop_table("label")
    op.drop_index("ix_round_state", table_name="round")
    op.drop_table("round")
    op.drop_table("label_class")
    op.drop_index("ix_image_project_split", table_name="image")
    op.drop_index("ix_image_lease", table_name="image")
    op.drop_index("ix_image_draft", table_name="image")
    op.drop_table("image")
    op.drop_index("ix_event_project_at", table_name="event")
    op.drop_table("event")
    op.drop_table("worker")
    op.drop_table("project")
