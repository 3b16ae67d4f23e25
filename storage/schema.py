"""SQLAlchemy tables of a workspace.

Times are seconds since 1970-01-01 UTC as floats: they compare and subtract the same way on every
database. A ``blob`` column holds a key of :class:`storage.files.BlobStore`, the SHA-256 of the bytes.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

from sqlalchemy import JSON, Float, ForeignKey, Index, MetaData, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NOT_LABELLED = 254
"""Label map value of a pixel nobody has vouched for yet; trains and counts nothing."""
VOID = 255
"""Label map value of a pixel a person said to ignore; trains and counts nothing."""
MAX_CLASSES = 254
"""Class indices are 0…253."""

PixelScore = Literal[
    "predictive_entropy",
    "mutual_information",
    "expected_entropy",
    "least_confidence",
    "margin",
    "variance",
    "vote_entropy",
]
PIXEL_SCORES: tuple[str, ...] = get_args(PixelScore)
"""How unsure a round is of an image, in as many ways; each is a column of ``prediction``."""
COLD_START = 0
"""Number of the round that trains nothing: it orders a pool without labels by typical and diverse images."""

RoundKind = Literal["trains", "trains_on", "ranks"]
"""``trains_on`` is a further round of :class:`storage.settings.StartRule`; one that ``ranks`` trains nothing
and ranks the pool again by the weights of its parent. Both give way to one that a person asks for."""

SPLITS = ("pool", "train", "audit", "excluded")
LABEL_STATUSES = ("draft", "submitted", "approved")
ROUND_STATES_AT_WORK = ("training", "scoring")
LIVE_ROUND_STATES = ("queued", *ROUND_STATES_AT_WORK)


class Base(DeclarativeBase):
    """Declarative base with named constraints, so that Alembic can alter them on SQLite."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {float: Float, dict[str, Any]: JSON}


class Project(Base):
    """A class list, images and settings."""

    __tablename__ = "project"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    settings: Mapped[dict[str, Any]]
    """:class:`storage.settings.ProjectSettings` as JSON."""
    current_round_id: Mapped[int | None] = mapped_column(
        ForeignKey("round.id", use_alter=True, name="fk_project_current_round")
    )
    """The round whose ranking and suggestions are on the screen."""
    labels_changed: Mapped[int] = mapped_column(default=0)
    """Rises with a submission of a trainable label, and with a move of an image that takes the labels to
    train on away from those of the last round that ``trains``; a move that brings them back lowers it again.
    Rounds remember the value they started at."""
    labels_changed_at: Mapped[float | None]
    created_at: Mapped[float]
    archived_at: Mapped[float | None]
    """Since when it is out of the list of projects; null for one that is in it."""


class LabelClass(Base):
    """One class of a project. Its index never changes meaning and is never deleted, only archived."""

    __tablename__ = "label_class"
    __table_args__ = (UniqueConstraint("project_id", "index"), UniqueConstraint("project_id", "name"))

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    index: Mapped[int]
    name: Mapped[str] = mapped_column(String(200))
    colour: Mapped[str] = mapped_column(String(7))
    """``#rrggbb``."""
    hotkey: Mapped[str | None] = mapped_column(String(20))
    """A ``KeyboardEvent.code`` such as ``Digit1``."""
    archived: Mapped[bool] = mapped_column(default=False)


class Image(Base):
    """One image of a project, with its split, its lease and the number of its newest label revision."""

    __tablename__ = "image"
    __table_args__ = (
        UniqueConstraint("project_id", "content_hash"),
        Index("ix_image_project_split", "project_id", "split", "content_hash"),
        Index("ix_image_lease", "leased_by", "leased_until"),
        Index("ix_image_draft", "project_id", "draft_by"),
        Index("ix_image_pinned", "project_id", "pinned_at"),
        Index("ix_image_name", "project_id", "name"),
        Index(
            "ix_image_skipped",
            "project_id",
            "skipped_at",
            sqlite_where=text("skipped_at IS NOT NULL"),
            postgresql_where=text("skipped_at IS NOT NULL"),
        ),
        # Empty where no truth is known, so that the question whether one is costs nothing.
        Index(
            "ix_image_truth",
            "project_id",
            sqlite_where=text("truth_blob IS NOT NULL"),
            postgresql_where=text("truth_blob IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str] = mapped_column(String(1024))
    """Path inside the imported folder or zip, with forward slashes."""
    content_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the imported file, before EXIF rotation."""
    blob: Mapped[str] = mapped_column(String(64))
    """Upright pixels, a file every browser can show (JPEG, PNG or WebP)."""
    media_type: Mapped[str] = mapped_column(String(40))
    width: Mapped[int]
    height: Mapped[int]
    split: Mapped[str] = mapped_column(String(10), default="pool")
    excluded_from: Mapped[str | None] = mapped_column(String(10))
    """The split that an excluded image was taken out of; null for one imported so, and for all others."""
    group: Mapped[str | None] = mapped_column(String(200))
    """Drive, patient, plate or video: images that look alike because they come from one source."""
    source_blob: Mapped[str | None] = mapped_column(String(64))
    """The imported file, kept where ``blob`` lost depth or channels of it; else null, as are the next."""
    source_type: Mapped[str | None] = mapped_column(String(40))
    bit_depth: Mapped[int | None]
    """Bits a channel of the source."""
    channels: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Names of the source's channels."""
    truth_blob: Mapped[str | None] = mapped_column(String(64))
    """Known true label map (index PNG), for the demo's oracle and for simulations; never trained on."""
    revision: Mapped[int] = mapped_column(default=0)
    """Newest revision in ``label``; 0 when nobody has labelled the image. Compare-and-swap key."""
    labelled_revision: Mapped[int] = mapped_column(default=0)
    """Newest submitted or approved revision, the one that trains or measures; 0 when there is none."""
    draft_by: Mapped[str | None] = mapped_column(String(100))
    """Author of the newest revision while it is a draft."""
    leased_by: Mapped[str | None] = mapped_column(String(100))
    leased_until: Mapped[float | None]
    skipped_at: Mapped[float | None]
    """When a person last skipped the image; skipped images come last in the queue."""
    pinned_at: Mapped[float | None]
    """When a person put the image at the front of the queue; the earliest comes first."""
    pinned_by: Mapped[str | None] = mapped_column(String(100))
    imported_at: Mapped[float]


class Label(Base):
    """One revision of an image's label map. Rows are only ever added."""

    __tablename__ = "label"
    __table_args__ = (UniqueConstraint("image_id", "revision"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    revision: Mapped[int]
    blob: Mapped[str] = mapped_column(String(64))
    """Index PNG, ``uint8``, full upright resolution."""
    author: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(10))
    labelled_share: Mapped[float]
    """Share of pixels that are not 254, in [0, 1]."""
    class_indices: Mapped[list[int]] = mapped_column(JSON)
    """Sorted class indices that occur in the label map, without 254 and 255."""
    seconds_spent: Mapped[float] = mapped_column(default=0.0)
    """Since the revision before: the sum over an image is what it took."""
    blind: Mapped[bool] = mapped_column(default=False)
    """True when no suggestion was shown while labelling."""
    round_shown_id: Mapped[int | None] = mapped_column(ForeignKey("round.id"))
    """The round whose suggestion the person saw."""
    submission_id: Mapped[str | None] = mapped_column(String(36), unique=True)
    """UUID of the request, so that a repeated request is answered, not repeated."""
    created_at: Mapped[float]


class Round(Base):
    """One pass of the worker: snapshot of the labels, training, prediction, ranking."""

    __tablename__ = "round"
    __table_args__ = (UniqueConstraint("project_id", "number"), Index("ix_round_state", "state"))

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    number: Mapped[int]
    """1, 2, 3 … within the project; 0 is the cold start, which trains nothing."""
    state: Mapped[str] = mapped_column(String(10))
    """One of :data:`LIVE_ROUND_STATES`, or ``done``, ``failed`` or ``cancelled``."""
    reason: Mapped[str] = mapped_column(String(500))
    """Why it was started, one sentence for the screen."""
    config: Mapped[dict[str, Any]]
    """:class:`storage.settings.RoundSettings` as JSON."""
    snapshot_blob: Mapped[str | None] = mapped_column(String(64))
    """JSON of what it trains on: ``{"labels": [[image_id, revision, blob], …], "classes": K, "unlabelled":
    [[first_id, last_id], …]}``, see :class:`storage.snapshots.Snapshot`."""
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("round.id"))
    labels_changed: Mapped[int]
    """``Project.labels_changed`` when it was started; unless it ``trains``, when the round before it was."""
    kind: Mapped[RoundKind] = mapped_column(String(10), default="trains", server_default="trains")
    """A :data:`RoundKind`; the cold start has that of a new row."""
    worker: Mapped[str | None] = mapped_column(String(100))
    heartbeat_at: Mapped[float | None]
    lease_until: Mapped[float | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    step: Mapped[int] = mapped_column(default=0)
    steps: Mapped[int] = mapped_column(default=0)
    """Steps of the current state: training steps while training, images while scoring."""
    eta_seconds: Mapped[float | None]
    """Seconds until the whole round is done, as estimated."""
    note: Mapped[str | None] = mapped_column(String(2000))
    """What the person should know, such as a smaller batch after running out of memory."""
    error: Mapped[str | None] = mapped_column(String(4000))
    checkpoint: Mapped[str | None] = mapped_column(String(1024))
    """Folder of the newest checkpoint, relative to the workspace."""
    embeddings_blob: Mapped[str | None] = mapped_column(String(64))
    """:class:`storage.formats.embeddings.EmbeddingSet` of the project's images, once the round is done
    and as long as its predictions are kept."""
    metrics: Mapped[dict[str, Any]]
    """Final metrics, such as ``{"audit_miou": 0.61, "class_iou": {"0": 0.9}}``."""
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    """When its worker took it, the last one of several."""
    finished_at: Mapped[float | None]

    @property
    def trained_id(self) -> int:
        """Id of the round that trained the network: its own, or for one that ranks that of its parent."""
        return self.parent_id if self.kind == "ranks" and self.parent_id is not None else self.id


class EarlySuggestion(Base):
    """What a round that still scores the pool suggests of an image; hidden once the round has ended."""

    __tablename__ = "early_suggestion"

    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    map_blob: Mapped[str] = mapped_column(String(64))
    uncertainty_blob: Mapped[str] = mapped_column(String(64))


class RoundMetric(Base):
    """A curve point of a round."""

    __tablename__ = "round_metric"
    __table_args__ = (Index("ix_round_metric_round_name", "round_id", "name", "step"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"))
    step: Mapped[int]
    name: Mapped[str] = mapped_column(String(100))
    value: Mapped[float]


class Prediction(Base):
    """What a round thinks of one image. Scores of different rounds are never compared."""

    __tablename__ = "prediction"
    __table_args__ = (
        UniqueConstraint("round_id", "image_id"),
        Index("ix_prediction_round_rank", "round_id", "rank"),
        # A page of the queue, however far down, is read from one of these alone: the rows themselves, with
        # their sentences, are many times as large.
        *(
            Index(
                f"ix_prediction_round_{name}", "round_id", name, "image_id", "unsure_class", "unsure_against"
            )
            for name in ("place", "novelty", *PIXEL_SCORES)
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"))
    score: Mapped[float]
    """What the round ranked by: the pixel score of its settings, aggregated; typicality in a cold start."""
    rank: Mapped[int]
    """1 is labelled first, as the round had it."""
    place: Mapped[float]
    """What the queue sorts by: the rank, and more once an image like this one has been labelled."""
    likeness: Mapped[float] = mapped_column(default=0.0)
    """Cosine with the most alike image labelled since the round; 0 before there is one."""
    like_image_id: Mapped[int | None] = mapped_column(ForeignKey("image.id"))
    """That image, once it moved this one back."""
    novelty: Mapped[float | None]
    """1 − cosine with the most alike image that was labelled when the round scored this one, in [0, 2]."""
    unsure_class: Mapped[int | None]
    """The likelier of the two classes the round confuses most here; null when it is sure everywhere."""
    unsure_against: Mapped[int | None]
    """The other of the two."""
    predictive_entropy: Mapped[float | None]
    mutual_information: Mapped[float | None]
    expected_entropy: Mapped[float | None]
    least_confidence: Mapped[float | None]
    margin: Mapped[float | None]
    variance: Mapped[float | None]
    vote_entropy: Mapped[float | None]
    why: Mapped[dict[str, Any]]
    """``{"sentence": "unsure about fence against pole in the lower left", …}``, with the
    ``names`` of the two classes as the sentence has them."""
    map_blob: Mapped[str | None] = mapped_column(String(64))
    """Suggested label map (index PNG); null when it was not kept."""
    uncertainty_blob: Mapped[str | None] = mapped_column(String(64))
    """Grey PNG, 0…255 = 0…1 chance that the suggestion is wrong; any resolution with the image's aspect."""


class Event(Base):
    """Who did what when."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_project_at", "project_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
    at: Mapped[float]
    actor: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(40))
    """import, draft, submit, approve, skip, pin, unpin, exclude, restore, start, cancel, export, audit,
    settings."""
    detail: Mapped[dict[str, Any]]


class Worker(Base):
    """A background process that can claim rounds, so that the screen can say when there is none."""

    __tablename__ = "worker"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    """``host:pid``."""
    device: Mapped[str] = mapped_column(String(40))
    heartbeat_at: Mapped[float]
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
    """The project whose rounds alone it runs; None for those of all."""
