"""From scores to the order in which images are labelled. Pure functions; all chance is in a generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch

from core.acquisition.aggregation import ImageScore

NEAR_DUPLICATE = 0.95
"""Cosine of two embeddings from which on two images count as near-duplicates.

With ImageNet's EfficientNet-Lite0, CamVid frames one second apart have a median of 0.91, frames of
different places stay below 0.89 in 99 of 100 pairs.
"""
_STRATIFIED_SHARE = 0.66
_FIRST_BETA, _LAST_BETA = 1.0, 100.0
_SMALLEST_SCORE = 1e-12


def rank(
    scores: Sequence[ImageScore],
    choice: Literal["clasp_pe", "top", "random"],
    *,
    batch: int,
    progress: float,
    generator: torch.Generator,
) -> list[int]:
    """Order all images, the one to label first in front.

    ``clasp_pe`` chooses ``batch`` images, then as many from those left, and so on: the queue is as
    balanced after twenty labels as after five. With ``clasp_pe`` and ``top``, a near-duplicate of an
    image in the same batch waits for the next one.

    Args:
        scores: One entry an image.
        choice: How a batch is chosen.
        batch: How many images are labelled before the order is made anew, at least 1.
        progress: Share of the planned rounds that are over, in [0, 1].
        generator: On the CPU; the same state gives the same order.

    Returns:
        A permutation of the indices of ``scores``.

    Raises:
        ValueError: When a score is not finite or ``batch`` is below 1.
    """
    if batch < 1:
        raise ValueError(f"A batch holds at least 1 image, not {batch}.")
    if not scores:
        return []
    if choice == "random":
        return torch.randperm(len(scores), generator=generator).tolist()
    totals = torch.tensor([score.score for score in scores], dtype=torch.float64)
    if choice == "top":
        order = choose_top(totals, len(scores))
    else:
        class_scores = torch.stack([score.class_scores for score in scores]).double()
        order = []
        left = torch.arange(len(scores))
        while len(left):
            chosen = choose_clasp_pe(
                totals[left], class_scores[left], batch, progress=progress, generator=generator
            )
            order += left[chosen].tolist()
            keep = torch.ones(len(left), dtype=torch.bool)
            keep[chosen] = False
            left = left[keep]
    return defer_near_duplicates(order, torch.stack([score.embedding for score in scores]), batch)


def choose_top(scores: torch.Tensor, count: int) -> list[int]:
    """Return the indices of the ``count`` highest of ``(N,)`` scores, highest first; ties by index.

    Raises:
        ValueError: When a score is not finite.
    """
    _require_finite(scores)
    return torch.sort(scores, descending=True, stable=True).indices[:count].tolist()


def choose_clasp_pe(
    scores: torch.Tensor,
    class_scores: torch.Tensor,
    count: int,
    *,
    progress: float,
    generator: torch.Generator,
) -> list[int]:
    """Choose ``count`` of N images by class-stratified, noisy scores (ClaSP PE, nnActive).

    66 % of the batch is split evenly over the classes, in random order; each class takes its best
    images by log S_c + Gumbel(0, 1/β). The rest is chosen by log S + Gumbel(0, 1/β). β grows from 1
    to 100 with ``progress``, so early rounds explore.

    Args:
        scores: ``(N,)``, at least 0.
        class_scores: ``(N, C)``, at least 0.
        count: At most so many are chosen, no image twice.
        progress: In [0, 1].
        generator: On the CPU.

    Raises:
        ValueError: When a score is not finite.
    """
    _require_finite(scores)
    _require_finite(class_scores)
    image_count, class_count = class_scores.shape
    count = min(count, image_count)
    beta = _FIRST_BETA * (_LAST_BETA / _FIRST_BETA) ** progress
    taken = torch.zeros(image_count, dtype=torch.bool)
    chosen: list[int] = []

    def take(values: torch.Tensor, quota: int) -> None:
        exponential = torch.empty(image_count, dtype=torch.float64).exponential_(generator=generator)
        gumbel = -exponential.clamp(min=_SMALLEST_SCORE).log()
        keys = values.double().clamp(min=_SMALLEST_SCORE).log() + gumbel / beta
        best = keys.masked_fill(taken, -math.inf).topk(quota).indices
        taken[best] = True
        chosen.extend(best.tolist())

    stratified = math.floor(_STRATIFIED_SHARE * count)
    for place, class_index in enumerate(torch.randperm(class_count, generator=generator).tolist()):
        quota = stratified // class_count + (place < stratified % class_count)
        if quota:
            take(class_scores[:, class_index], quota)
    if count > len(chosen):
        take(scores, count - len(chosen))
    return chosen


def defer_near_duplicates(order: Sequence[int], embeddings: torch.Tensor, batch: int) -> list[int]:
    """Move near-duplicates of an image in the same batch behind that batch.

    A batch looks at most four batches ahead for replacements; when it finds none it stays short and
    the next one begins.

    Args:
        order: A permutation of the rows of ``embeddings``.
        embeddings: ``(N, E)`` of unit length.
        batch: Images of one batch, at least 1.

    Returns:
        The same indices in their new order.
    """
    waiting = list(order)
    result: list[int] = []
    while waiting:
        window = waiting[: 4 * batch]
        near = (embeddings[window] @ embeddings[window].T >= NEAR_DUPLICATE).tolist()
        kept: list[int] = []
        for place in range(len(window)):
            if len(kept) < batch and not any(near[place][other] for other in kept):
                kept.append(place)
        in_batch = set(kept)
        result += [window[place] for place in kept]
        waiting = [index for place, index in enumerate(window) if place not in in_batch] + waiting[
            4 * batch :
        ]
    return result


def _require_finite(scores: torch.Tensor) -> None:
    if not bool(scores.isfinite().all()):
        raise ValueError("A score is not a finite number, so images cannot be ordered by it.")
