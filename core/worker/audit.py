"""What the audit images say of a network: the only honest measure of a round."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import torch

from core.evaluation import Evaluation, evaluate
from core.model.network import SegmentationNetwork
from core.worker.claim import Claim
from core.worker.images import RoundImages
from core.worker.network import teacher_of
from storage.images import ImageInfo
from storage.rounds import RoundInfo

AUDIT_LIMIT = 24
"""Audit images evaluated during training; the measure at the end uses all of them."""


def evaluated(
    claim: Claim,
    images: RoundImages,
    network: SegmentationNetwork,
    device: torch.device,
    chosen: Iterable[ImageInfo],
) -> Evaluation:
    """Measure a network that is on ``device`` on the ``chosen`` audit images."""
    return evaluate(
        network,
        images.labelled(chosen),
        samples=claim.settings.samples_predict,
        seed=claim.seed,
        device=device,
    )


def evaluated_during_training(
    claim: Claim, images: RoundImages, network: SegmentationNetwork, device: torch.device
) -> Evaluation:
    """Measure a network on all audit images, or on ``AUDIT_LIMIT`` of them, the same at every call."""
    chosen = images.audit
    if len(chosen) > AUDIT_LIMIT:
        chosen = random.Random(claim.settings.seed).sample(chosen, AUDIT_LIMIT)
    return evaluated(claim, images, network, device, chosen)


def audit_figures(
    claim: Claim,
    images: RoundImages,
    class_count: int,
    parent: RoundInfo | None,
    network: SegmentationNetwork,
    device: torch.device,
) -> dict[str, Any]:
    """Return the metrics of a round that need labels: of its network and, for comparison, of its parent's.

    Without audit images that can be read there is only their number, ``audit_images``.
    """
    if not images.audit:
        return {"audit_images": 0}
    measured = evaluated(claim, images, network, device, images.audit)
    if not measured.images:
        return {"audit_images": 0}
    metrics = {
        "audit_images": measured.images,
        "audit_miou": measured.miou,
        "class_iou": {str(index): iou for index, iou in measured.class_iou.items()},
    } | measured.uncertainty_figures()
    if parent is not None:
        # Audit images are added between rounds, so the parent's own figure is about other images.
        teacher = teacher_of(claim, class_count, parent).to(device)
        metrics["parent_audit_miou"] = evaluated(claim, images, teacher, device, images.audit).miou
    return metrics
