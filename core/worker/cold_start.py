"""The order of a pool of which no round knows anything: typical and diverse images first."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from core.model.network import SegmentationNetwork
from core.pool_ranking import rank_cold, typical_sentence
from core.worker.claim import Claim, Published
from core.worker.images import RoundImages
from core.worker.vectors import stacked, stored_embeddings, vectors_of
from storage.predictions import NewPrediction


def order_cold(
    claim: Claim, images: RoundImages, network: SegmentationNetwork, device: torch.device
) -> Published:
    """Order the pool by typical and diverse images, by an encoder that has seen none of them.

    Args:
        claim: The round.
        images: Of its project.
        network: Whose encoder sees the images; on ``device``.
        device: Where to compute.

    Raises:
        LeaseLost, Cancelled, Stopping: See :meth:`core.worker.claim.Claim.check`.
    """
    vectors: dict[int, Tensor] = {}
    began = time.monotonic()
    for number, vector in vectors_of(images.readable(images.to_score), network, device):
        vectors[number] = vector
        claim.report_scoring(len(vectors), len(images.to_score), began)
    seen = [image for image in images.to_score if image.id in vectors]
    others = dict(vectors_of(images.readable(images.others), network, device))
    ordered = rank_cold(
        stacked(vectors, vectors.keys()),
        # Audit images teach nothing, so what is like them is still to be learned.
        stacked(others, {image.id for image in images.others if image.split == "train"}),
        [images.frames[image.id] for image in seen],
        batch=claim.settings.choice_batch,
        near_duplicate=claim.settings.near_duplicate,
        generator=torch.Generator().manual_seed(claim.seed),
    )
    predictions = [
        NewPrediction(
            seen[index].id,
            float(ordered.alike[index]) / max(1, len(seen) - 1),
            rank,
            {"sentence": typical_sentence(int(ordered.alike[index]), len(seen) - 1)},
        )
        for rank, index in enumerate(ordered.order, start=1)
    ]
    sentence = "No round has trained yet: typical and diverse images come first." + images.looked_at()
    ranked_by = {"choice": "typiclust", "phase": "typical", "sentence": sentence}
    blob = stored_embeddings(claim, vectors | others, vectors.keys())
    return Published(predictions, {"ranked_by": ranked_by}, blob)
