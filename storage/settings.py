"""Settings of a project and of one round: ``app`` edits them, ``core`` obeys them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from storage.errors import WorkspaceError
from storage.schema import PixelScore


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class AnnotationSettings(_Settings):
    """How images are handed out."""

    audit_every: int = Field(
        6,
        title="Audit, one in",
        ge=0,
        description="One image in so many is for audit, the first four sooner; 0 turns it off.",
    )
    audit_target: int = Field(
        30, title="Audit images at most", ge=0, description="Stop drawing audit images at this many."
    )
    lease_minutes: float = Field(
        15.0,
        title="Reserved for, in minutes",
        gt=0,
        description="How long an image on a screen stays reserved; those behind it, two minutes at most.",
    )
    seed: int = Field(0, ge=0, description="Seed of every random draw of the queue.")


class StartRule(_Settings):
    """When a round starts by itself."""

    automatic: bool = Field(True, title="Automatic rounds", description="Start rounds without being asked.")
    first_labels: int = Field(
        4,
        title="Labels for the first round",
        ge=1,
        description="Suggestions that so few labels teach already save most of the drawing.",
    )
    min_changed: int = Field(
        8,
        title="New labels needed",
        ge=1,
        description="Labels submitted or changed since the last round started.",
    )
    min_classes: int = Field(
        2, title="Classes needed", ge=1, description="Classes that must occur in the labels."
    )
    quiet_seconds: float = Field(
        20.0,
        title="Seconds of quiet",
        ge=0,
        description="Wait this long after the newest submission, until twice the labels are there.",
    )
    further_rounds: int = Field(
        2,
        title="Further rounds while it waits",
        ge=0,
        description="So many more rounds train on with the labels there are, while too few new ones have "
        "come. One is used only when at least two audit images say that it is as good as the round before, "
        "and it gives way to new labels.",
    )


class RoundSettings(_Settings):
    """Everything a round needs to be repeated; stored with the round."""

    recipe: Literal["supervised", "consistency", "u2pl"] = Field(
        "consistency",
        description="supervised learns from labels only; consistency also from unlabelled images, once the "
        "labels have taught it for a part of the steps; u2pl from their unsure pixels too.",
    )
    head: Literal["linear", "np", "np_classifier"] = Field(
        "np_classifier",
        description="linear is a plain classifier; the others are neural processes whose samples show doubt: "
        "np draws a latent for each image, np_classifier the classifier itself.",
    )
    encoder: str = Field(
        "tf_efficientnet_lite0",
        description="Name of a timm encoder, or mobilenet_v2 for torchvision's weights.",
    )
    decoder: str = Field(
        "FPN",
        description="A segmentation-models-pytorch architecture; DPT needs a vision transformer as encoder.",
    )
    weights: str = Field(
        "auto",
        description="auto (embedded or cached), none, or a file or directory with encoder weights. They are "
        "read where a round begins anew, as it does once others are named.",
    )
    long_side: int = Field(384, ge=32, description="Images are trained at this long side, in pixels.")
    crop: int = Field(
        160,
        ge=32,
        description="Side of the square training crops, in pixels, rounded up to whole cells of the network.",
    )
    steps: int = Field(240, ge=1, description="Training steps of one round.")
    batch_size: int = Field(4, ge=1, description="Labelled images per step, and as many unlabelled ones.")
    learning_rate: float = Field(
        3e-3, gt=0, description="Step size of AdamW at its peak; the encoder takes 0.3 of it."
    )
    weight_decay: float = Field(1e-4, ge=0, description="Pull of the weights towards zero.")
    ema_decay: float = Field(0.97, title="EMA decay", ge=0, lt=1, description="Decay of the teacher.")
    kl_weight: float = Field(0.005, title="KL weight", ge=0, description="Beta of the ELBO's KL term.")
    unlabelled_weight: float = Field(1.0, ge=0, description="Weight of the unlabelled images in the loss.")
    warm_up: float = Field(
        0.8,
        title="Share of steps on labels alone",
        ge=0,
        le=1,
        description="How much of a round of recipe consistency learns from labels only, before the "
        "unlabelled images join. A step with them takes more than twice the time of one without.",
    )
    confidence: float = Field(0.8, ge=0, le=1, description="Pseudo-labels need at least this probability.")
    max_entropy: float = Field(0.4, ge=0, description="Pseudo-labels need at most this entropy, in nats.")
    unreliable_share: float = Field(
        0.2, ge=0, lt=1, description="u2pl at first drops this share of pseudo-labels, at the end none."
    )
    contrast_weight: float = Field(0.1, ge=0, description="Weight of u2pl's pixel contrast in the loss.")
    pixel_weights: Literal["balanced", "even", "hardest"] = Field(
        "balanced",
        description="Labelled pixels count more in rare classes, all the same, or only the hardest (OHEM).",
    )
    samples_train: int = Field(3, ge=1, description="Latent samples per training step.")
    samples_predict: int = Field(
        10, title="Samples per prediction", ge=1, description="Latent samples per prediction."
    )
    seed: int = Field(0, ge=0, description="Seed of every random draw of the round.")
    pixel_score: PixelScore = Field("predictive_entropy", description="What makes a pixel uncertain.")
    aggregation: Literal[
        "mean", "top_share", "quantile", "patch_max", "class_balanced", "boundary_excluded"
    ] = Field("mean", description="How the pixels make an image's score.")
    batch_choice: Literal[
        "clasp_pe",
        "top",
        "power",
        "softmax",
        "rank_sampling",
        "k_centre",
        "score_diversity",
        "badge",
        "typiclust",
        "probcover",
        "improved_random",
        "random",
    ] = Field("clasp_pe", description="How scores and likeness make the order of the queue.")
    choice_batch: int = Field(
        8,
        title="Images chosen together",
        ge=1,
        description="So many images are made unlike each other: as many as are labelled between two rounds.",
    )
    near_duplicate: float = Field(
        0.95,
        title="Near-duplicates from",
        gt=0,
        le=1,
        description="Cosine of two embeddings from which on the second image waits for the next batch; "
        "1 turns it off.",
    )
    uncertain_from: int = Field(
        20,
        title="Uncertainty from, in images a class",
        ge=0,
        description="Until the median class is in so many labelled images, typical and diverse images come "
        "first, and as long as the model's samples disagree about the order. 0 turns both off.",
    )
    most_scored: int = Field(
        2000,
        title="Images scored, at most",
        ge=1,
        description="Of a larger pool a round looks at the front of the queue and, as many, at random ones; "
        "the others wait behind them for a later round. Fewer make a round shorter.",
    )
    keep_predictions: int = Field(400, ge=0, description="Suggestions stored for the front of the queue.")
    warm_start: bool = Field(True, description="Begin from the last round's weights.")
    warm_start_keep: float = Field(
        1.0,
        title="Kept of the last weights",
        ge=0,
        le=1,
        description="Share of the last round's weights that a warm start keeps; the rest is drawn anew.",
    )
    fresh_start: bool = Field(
        False,
        description="Try new weights when labels have doubled, where a round has hundreds of steps; the "
        "audit images say if they are better.",
    )

    @field_validator("crop")
    @classmethod
    def _in_whole_cells(cls, crop: int) -> int:
        """Round up to the cells of the default network; a training rounds up to those of its own."""
        return -(-crop // 4) * 4


ORDER_FIELDS = (
    "pixel_score",
    "aggregation",
    "batch_choice",
    "choice_batch",
    "near_duplicate",
    "uncertain_from",
)
"""Fields that say in which order a trained network puts the pool."""
RANKING_FIELDS = (*ORDER_FIELDS, "samples_predict", "most_scored", "keep_predictions")
"""Fields that a ranking by a trained network goes by; the others say how the network comes about."""


def with_ranking(settings: RoundSettings, other: RoundSettings) -> RoundSettings:
    """Return settings that rank the pool as ``other`` do; all else stays."""
    return settings.model_copy(update={name: getattr(other, name) for name in RANKING_FIELDS})


Preset = Literal["cpu", "gpu", "best"]
"""``cpu``: EfficientNet-Lite0, whose weights are installed, in minutes on a laptop. ``gpu``: ResNet-50.
``best``: DINOv2-S under DPT; its larger sisters by name."""

_LARGER: dict[Preset, dict[str, str | int | float]] = {
    "gpu": {
        "encoder": "resnet50",
        "decoder": "DeepLabV3Plus",
        "long_side": 512,
        "crop": 320,
        "batch_size": 8,
        "steps": 400,
        "warm_up": 0.25,
        "most_scored": 20_000,
        "fresh_start": True,
        "learning_rate": 1e-3,
        "ema_decay": 0.99,
    },
    "best": {
        "encoder": "vit_small_patch14_dinov2",
        "decoder": "DPT",
        "long_side": 512,
        "crop": 320,
        "batch_size": 8,
        "steps": 400,
        "warm_up": 0.25,
        "most_scored": 20_000,
        "fresh_start": True,
        "learning_rate": 1e-4,
        "ema_decay": 0.99,
    },
}


PRESET_FIELDS = frozenset(_LARGER["gpu"])
"""Fields that a preset fills in."""


def with_preset(settings: RoundSettings, preset: Preset) -> RoundSettings:
    """Return settings whose network, sizes and schedule are a preset's; all else stays.

    ``cpu`` is what a new project has. The others are starting values for a GPU.
    """
    own = RoundSettings()
    values = _LARGER[preset] if preset != "cpu" else {name: getattr(own, name) for name in PRESET_FIELDS}
    return settings.model_copy(update=values)


class ProjectSettings(_Settings):
    """All settings of a project."""

    annotation: AnnotationSettings = Field(default_factory=AnnotationSettings)
    start: StartRule = Field(default_factory=StartRule)
    round: RoundSettings = Field(default_factory=RoundSettings)


_Stored = TypeVar("_Stored", ProjectSettings, RoundSettings)


def read_settings(kind: type[_Stored], stored: Mapping[str, Any]) -> _Stored:
    """Return settings as the database holds them.

    Raises:
        WorkspaceError: one is unknown here, or has a value that is: another version has stored it.
    """
    try:
        return kind.model_validate(stored)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        fault = (
            f"does not know the setting {field}"
            if first["type"] == "extra_forbidden"
            else f"cannot use the setting {field}, which is {first['input']!r}"
        )
        raise WorkspaceError(
            f"The workspace was used with another version of Qualm: this one {fault}. Open it with the "
            "version that was used last, or update this one. Nothing was changed."
        ) from error
