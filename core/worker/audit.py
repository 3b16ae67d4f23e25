"""What the audit images say of a network: the only honest measure of a round."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from core.data import label_to_size, size_at_long_side
from core.evaluation import Overlap, evaluate, overlap
from core.model.network import SegmentationNetwork
from core.redraws import miou_range, share_above
from core.worker.claim import Cancelled, Claim
from core.worker.images import RoundImages
from core.worker.network import teacher_of
from storage.rounds import RoundInfo
from storage.start_advice import COMPARED_ON

CANNOT_TELL = "The audit images could not tell whether this round is worse, so it is not used."
AUDIT_LIMIT = 24
"""Audit images evaluated during training; the measure at the end uses all of them."""
CURVE_SIDE = 1024
"""Long side at most, in pixels, of their label maps then; at the end it is the label maps' own. To draw
suggestions of twelve megapixels takes several times as long as to predict them."""


def audit_overlap(
    claim: Claim,
    images: RoundImages,
    network: SegmentationNetwork,
    device: torch.device,
) -> Overlap:
    """Measure a network that is on ``device`` on all audit images."""
    return _overlap(claim, network, images.audited(images.audit), device)


def quick_audit_overlap(
    claim: Claim, images: RoundImages, network: SegmentationNetwork, device: torch.device
) -> Overlap:
    """Measure a network in training: on always the same ``AUDIT_LIMIT`` images, at ``CURVE_SIDE``."""
    chosen = images.audit
    if len(chosen) > AUDIT_LIMIT:
        chosen = random.Random(claim.settings.seed).sample(chosen, AUDIT_LIMIT)
    labelled = ((pixels, _small(truth)) for pixels, truth in images.audited(chosen))
    return _overlap(claim, network, labelled, device)


def _small(truth: Tensor) -> Tensor:
    height, width = truth.shape
    return label_to_size(truth, *size_at_long_side(height, width, CURVE_SIDE))


def _overlap(
    claim: Claim,
    network: SegmentationNetwork,
    labelled: Iterable[tuple[Tensor, Tensor]],
    device: torch.device,
) -> Overlap:
    return overlap(network, labelled, samples=claim.settings.samples_predict, seed=claim.seed, device=device)


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
    measured = evaluate(
        network,
        images.audited(images.audit),
        samples=claim.settings.samples_predict,
        seed=claim.seed,
        device=device,
    )
    if not measured.images:
        return {"audit_images": 0}
    metrics = {
        "audit_images": measured.images,
        "audit_miou": measured.miou,
        "class_iou": {str(index): iou for index, iou in measured.class_iou.items()},
    } | measured.uncertainty_figures()
    if (between := miou_range(measured.counts, seed=claim.seed)) is not None:
        metrics |= {"audit_miou_low": between.low, "audit_miou_high": between.high}
    if parent is not None:
        # Audit images are added between rounds, so the parent's own figure is about other images.
        teacher = teacher_of(claim, class_count, parent).to(device)
        before = audit_overlap(claim, images, teacher, device)
        metrics["parent_audit_miou"] = before.miou
        # A file may have become unreadable since.
        if before.images == measured.images:
            above = share_above(measured.counts, before.counts, seed=claim.seed)
            metrics |= {} if above is None else {"share_above_parent": above}
    return metrics


def drop_incomparable(claim: Claim, images: RoundImages, parent: RoundInfo | None) -> None:
    """End a round that trains on before it trains, where :func:`drop_worse` would end it whatever it learned.

    Raises:
        Cancelled: It has no parent, or too few audit images can be read; the note says so.
        LeaseLost, Stopping: See :meth:`core.worker.claim.Claim.check`.
    """
    if parent is None:
        claim.note(
            "A further round goes on from the last weights, which this one cannot, so it ends before it "
            "trains."
        )
        raise Cancelled
    if len([*itertools.islice(images.audited(images.audit), COMPARED_ON)]) < COMPARED_ON:
        claim.note(CANNOT_TELL)
        raise Cancelled


def drop_worse(claim: Claim, parent: RoundInfo | None, measured: Mapping[str, Any]) -> None:
    """End a round that trains on with the labels of its parent, unless it is as good or better.

    Nobody asked for it, so where the figures, those of :func:`audit_figures`, are missing it ends too.

    Raises:
        Cancelled: It is worse or could not be compared; the note says so.
    """
    reached = measured.get("audit_miou", math.nan)
    before = measured.get("parent_audit_miou", math.nan)
    if reached >= before:
        return
    if parent is None or math.isnan(reached) or math.isnan(before):
        claim.note(CANNOT_TELL)
    else:
        claim.note(
            f"This round reached {reached:.3f} on the audit images and round {parent.number} has "
            f"{before:.3f}, so round {parent.number} stays in use."
        )
    raise Cancelled
