"""Recipe ``supervised``: labelled images only."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F

from core.data import NOT_LABELLED, VOID, Batch
from core.model.network import NetworkOutput, SegmentationNetwork
from core.train_config import TrainConfig

Student = Callable[..., NetworkOutput]
"""The student network, or a wrapper of it that is called the same way."""


class StepResult(NamedTuple):
    """What a training step hands back to the loop."""

    loss: torch.Tensor
    """Scalar to minimise."""
    parts: dict[str, torch.Tensor]
    """Detached scalars for the curves."""
    features: torch.Tensor
    """``(B, F, h, w)`` detached; the loop lets the student observe them after the optimiser's step."""
    labels: torch.Tensor
    """``(B, H, W)`` uint8 labels of those features, pseudo-labels included."""
    by_person: torch.Tensor
    """``(B,)`` bool, False where the labels are pseudo-labels."""


def step(
    student: Student,
    teacher: SegmentationNetwork,
    labelled: Batch,
    unlabelled: Batch | None,
    config: TrainConfig,
    generator: torch.Generator,
) -> StepResult:
    """Compute the ELBO loss of labelled crops: mean over samples of the cross-entropy + β · KL."""
    output = student(labelled.images, samples=config.samples_train, generator=generator)
    cross_entropy = expected_cross_entropy(output.logits, labelled.labels)
    kl = output.kl.mean()
    return StepResult(
        loss=cross_entropy + config.kl_weight * kl,
        parts={"supervised": cross_entropy.detach(), "kl": kl.detach()},
        features=output.features.detach(),
        labels=labelled.labels,
        by_person=torch.ones(len(labelled.labels), dtype=torch.bool, device=labelled.labels.device),
    )


def expected_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, pixels: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean over samples and labelled pixels of the cross-entropy, in nats.

    Args:
        logits: ``(T, B, C, h, w)``; enlarged bilinearly when the labels are larger.
        labels: ``(B, H, W)`` uint8; 254 and 255 count nothing and receive no gradient.
        pixels: Number to divide the sum over pixels by, a scalar; the labelled pixels by default.

    Returns:
        A finite scalar; 0 when nothing is labelled.
    """
    samples = logits.shape[0]
    flat = logits.float().flatten(0, 1)
    if flat.shape[-2:] != labels.shape[-2:]:
        flat = F.interpolate(flat, size=labels.shape[-2:], mode="bilinear", align_corners=False)
    target = torch.where(labels >= NOT_LABELLED, VOID, labels).to(torch.int64)
    total = F.cross_entropy(flat, target.repeat(samples, 1, 1), ignore_index=VOID, reduction="sum")
    if pixels is None:
        pixels = (target != VOID).sum()
    return total / (samples * pixels.clamp(min=1))
