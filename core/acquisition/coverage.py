"""Choices that spread: each image far from all that is labelled or chosen already."""

from __future__ import annotations

import math

import torch

from core.acquisition.candidates import Candidates
from core.acquisition.stochastic import needed

_ROWS_AT_ONCE = 8192


def k_centre(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Choose the image farthest from its nearest labelled or chosen one, again and again.

    This is the greedy k-centre of core-sets (Sener & Savarese 2018); its farthest image is at most twice as
    far as it must be. The nearest distance of each image is kept, so a step looks at the newest choice
    alone. When nothing is labelled, the image nearest to the mean comes first.
    """
    vectors = candidates.embeddings
    typical = -squared_distances(vectors, vectors.mean(dim=0)) if len(vectors) else vectors[:, 0]
    return _farthest_first(candidates, taken, count, torch.ones(len(vectors)), typical)


def score_diversity(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Choose the highest score × distance to the nearest labelled or chosen image, again and again.

    A k-centre weighted by the score; when nothing is labelled, the highest score comes first.
    """
    scores = candidates.scores.float()
    return _farthest_first(candidates, taken, count, scores, scores)


def badge(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Draw images by the squared distance of their gradient to the nearest chosen one.

    This is k-means++'s seeding on gradient embeddings (BADGE, Ash et al. 2020, algorithm 1), whose length
    grows with the uncertainty. The longest gradient comes first. Labelled images do not count; those in
    ``taken`` do.

    Raises:
        ValueError: When there are no gradients.
    """
    gradients = needed(candidates.gradients, "gradients", "badge")
    lengths = gradients.square().sum(dim=1)
    taken = taken.clone()
    nearest = nearest_squared(gradients, gradients[taken])
    chosen: list[int] = []
    for _ in range(min(count, int((~taken).sum()))):
        if bool(taken.any()):
            weights = nearest.double().masked_fill(taken, 0)
            if not float(weights.sum()) > 0:
                weights = (~taken).double()
            pick = int(torch.multinomial(weights, 1, generator=generator))
        else:
            pick = int(lengths.argmax())
        chosen.append(pick)
        taken[pick] = True
        nearest = torch.minimum(nearest, squared_distances(gradients, gradients[pick], lengths))
    return chosen


def squared_distances(
    vectors: torch.Tensor, point: torch.Tensor, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """Return ‖x − y‖² of each of ``(N, E)`` vectors to one ``(E,)``, ``(N,)``, at least 0.

    ``lengths`` are the vectors' own ‖x‖², where they are known.
    """
    if lengths is None:
        lengths = vectors.square().sum(dim=1)
    return (lengths + point @ point - 2 * (vectors @ point)).clamp_(min=0)


def nearest_squared(vectors: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Return ‖x − y‖² of each of ``(N, E)`` vectors to the nearest of ``(M, E)``, ``(N,)``; ∞ when M = 0."""
    nearest = vectors.new_full((len(vectors),), math.inf)
    if len(points):
        lengths = points.square().sum(dim=1)
        for rows, found in zip(vectors.split(_ROWS_AT_ONCE), nearest.split(_ROWS_AT_ONCE), strict=True):
            apart = (lengths - 2 * (rows @ points.T)).amin(dim=1) + rows.square().sum(dim=1)
            found.copy_(apart.clamp_(min=0))
    return nearest


def _farthest_first(
    candidates: Candidates, taken: torch.Tensor, count: int, weights: torch.Tensor, start: torch.Tensor
) -> list[int]:
    """Choose by distance × weight; the first by ``start`` when there is nothing to be far from."""
    vectors = candidates.embeddings
    lengths = vectors.square().sum(dim=1)
    taken = taken.clone()
    nearest = torch.minimum(
        nearest_squared(vectors, candidates.labelled()), nearest_squared(vectors, vectors[taken])
    )
    chosen: list[int] = []
    for _ in range(min(count, int((~taken).sum()))):
        keys = start if bool(nearest[0].isinf()) else nearest.sqrt() * weights
        pick = int(keys.masked_fill(taken, -math.inf).argmax())
        chosen.append(pick)
        taken[pick] = True
        nearest = torch.minimum(nearest, squared_distances(vectors, vectors[pick], lengths))
    return chosen
