"""Recipe ``supervised``: labelled images only."""

from __future__ import annotations

import torch

from core.recipes.cross_entropy import labelled_cross_entropy
from core.recipes.step import StepInput, StepResult


def step(at: StepInput) -> StepResult:
    """Compute the loss of labelled crops: their cross-entropy under the mixture of samples + β · KL."""
    labelled, config = at.labelled, at.config
    output = at.student(labelled.images, samples=config.samples_train, generator=at.generator)
    cross_entropy = labelled_cross_entropy(output.logits, labelled.labels, config.pixel_weights)
    kl = output.kl.mean()
    return StepResult(
        loss=cross_entropy + config.kl_weight * kl,
        parts={"supervised": cross_entropy.detach(), "kl": kl.detach()},
        features=output.features.detach(),
        labels=labelled.labels,
        by_person=torch.ones(len(labelled.labels), dtype=torch.bool, device=labelled.labels.device),
    )
