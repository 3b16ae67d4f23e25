"""Which weights a round begins from: fresh ones, or its parent's, or the better of the two."""

from __future__ import annotations

import math

import torch

from core import fresh_start
from core.fresh_start import Start
from core.model.network import SegmentationNetwork
from core.out_of_memory import free_cached_memory
from core.train import Training
from core.worker.audit import audit_overlap
from core.worker.claim import Claim
from core.worker.device import within_memory
from core.worker.images import RoundImages
from core.worker.network import teacher_of
from core.worker.snapshot import LoadedSnapshot
from core.worker.training import trained_from
from storage import rounds
from storage.rounds import RoundInfo


def train(
    claim: Claim,
    images: RoundImages,
    snapshot: LoadedSnapshot,
    parent: RoundInfo | None,
    device: torch.device,
) -> tuple[Training, Start]:
    """Train from fresh weights or from the parent's; worse fresh ones are followed by the parent's.

    Returns:
        The finished training, whose ``device`` says where it ended, and the start it began from.

    Raises:
        LeaseLost, Cancelled, Stopping: See :func:`core.worker.training.trained_from`.
    """
    if parent is None:
        return trained_from(None, claim, images, snapshot, device), "fresh"
    start = fresh_start.begun(claim.folder)
    if start is None:
        start = "fresh" if _fresh_start_is_due(claim, images, snapshot) else "warm"
    if start == "fresh":
        training = trained_from(None, claim, images, snapshot, device)
        if _is_not_worse(claim, images, snapshot, training.teacher, parent, training.device):
            return training, "fresh"
        del training
        free_cached_memory()
    return trained_from(parent, claim, images, snapshot, device), "warm"


def _fresh_start_is_due(claim: Claim, images: RoundImages, snapshot: LoadedSnapshot) -> bool:
    lineage = []
    earlier = claim.info.parent_id
    while earlier is not None:
        info = rounds.get_round(claim.workspace, earlier)
        lineage.append(info.metrics)
        earlier = info.parent_id
    labels = len(snapshot.data.labels)
    return claim.settings.fresh_start and fresh_start.is_due(labels, lineage, len(images.audit))


def _is_not_worse(
    claim: Claim,
    images: RoundImages,
    snapshot: LoadedSnapshot,
    fresh: SegmentationNetwork,
    parent: RoundInfo,
    device: torch.device,
) -> bool:
    """Compare a fresh start with the parent's teacher on the audit images, and note what came of it."""

    def audit_miou(network: SegmentationNetwork, where: torch.device) -> float:
        return audit_overlap(claim, images, network, where).miou

    # The training still fills the device, so there may be no room for what is measured beside it.
    reached, where = within_memory(audit_miou, fresh, device, claim.note)
    parents = teacher_of(claim, snapshot.learned.class_count, parent)
    before, _ = within_memory(audit_miou, parents, where, claim.note)
    if math.isnan(reached) or math.isnan(before):
        claim.note("The audit images could not be measured, so this round keeps the fresh start.")
        return True
    worse = reached < before
    outcome = f"went on from round {parent.number}" if worse else "keeps the fresh start"
    claim.note(
        f"A fresh start reached {reached:.3f} on the audit images and round {parent.number} has "
        f"{before:.3f}, so this round {outcome}."
    )
    return not worse
