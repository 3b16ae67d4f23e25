"""How far a mean IoU depends on which images it was measured on: the bootstrap over images (Efron, 1979).

Pixels of one image are alike, so images and not pixels are drawn again. Two networks that were measured on
the same images are compared in the same draws. Neighbours in a video are alike too: where images have groups,
blocks of neighbours can be drawn (Künsch, 1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from core.uncertainty import iou

DRAWS = 1000
"""How often the images are drawn again."""
RANGE_SHARE = 0.9
"""Share of the draws that lies between the two ends of a range."""
BLOCK = 10
"""Neighbours of a group that are drawn together, at most."""
LEAST_BLOCKS = 6
"""Of fewer blocks hardly another set of images can be drawn."""


class Range(NamedTuple):
    """Where ``RANGE_SHARE`` of the draws lie, in [0, 1]."""

    low: float
    high: float


def redrawn_mious(counts: Tensor, *, seed: int) -> Tensor:
    """Return the mean IoU of as many images drawn with replacement, ``DRAWS`` times.

    Args:
        counts: ``(N, 3, C)`` int64, for each image and class its hit, true and predicted pixels.
        seed: The same for the same number of images gives the same draws.

    Returns:
        ``(DRAWS,)`` float64 in [0, 1], each the mean over the classes that the truth of its images has; NaN
        for a draw in which it has none.

    Raises:
        ValueError: There is no image.
    """
    if not len(counts):
        raise ValueError("There is no image to draw.")
    noise = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(counts), (DRAWS, len(counts)), generator=noise)
    times = torch.zeros(DRAWS, len(counts), dtype=torch.float64)
    times.scatter_add_(1, drawn, torch.ones_like(times))
    hit, true, predicted = (times @ counts.double().flatten(1)).unflatten(1, counts.shape[1:]).unbind(dim=1)
    return torch.where(true > 0, iou(hit, true, predicted), torch.nan).nanmean(dim=1)


def miou_range(counts: Tensor, *, seed: int) -> Range | None:
    """Return where the mean IoU lies in most draws; None for fewer than two images with labels."""
    if _labelled_images(counts) < 2:
        return None
    return _range(redrawn_mious(counts, seed=seed))


def share_above(counts: Tensor, others: Tensor, *, seed: int) -> float | None:
    """Return the share of draws in which the first network's mean IoU is above the second's, in [0, 1].

    A draw in which they are equal counts half. None for fewer than two images with labels.

    Args:
        counts: ``(N, 3, C)`` int64 of the first network, as for :func:`redrawn_mious`.
        others: ``(N, 3, C')`` of the second one, on the same images; it may know fewer classes.
        seed: Of the draws.

    Raises:
        ValueError: They were measured on different numbers of images.
    """
    if len(counts) != len(others):
        raise ValueError(f"Measured on {len(counts)} and on {len(others)} images, which cannot be compared.")
    if min(_labelled_images(counts), _labelled_images(others)) < 2:
        return None
    first, second = redrawn_mious(counts, seed=seed), redrawn_mious(others, seed=seed)
    both_known = ~(first.isnan() | second.isnan())
    gains = (first - second)[both_known]
    return float((gains > 0).double().mean() + 0.5 * (gains == 0).double().mean())


def counts_of_blocks(counts: Tensor, groups: Sequence[str | None]) -> Tensor:
    """Return the counts of blocks of neighbours, which then stand for the images.

    Args:
        counts: ``(N, 3, C)`` int64 of the images in their order, as for :func:`redrawn_mious`.
        groups: Of each image; one without a group is a block of its own.

    Returns:
        ``(B, 3, C)`` int64, of at most ``BLOCK`` images of one group that follow each other in it.

    Raises:
        ValueError: There are not as many groups as images.
    """
    if len(groups) != len(counts):
        raise ValueError(f"{len(groups)} groups for {len(counts)} images.")
    members: dict[object, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(place if group is None else group, []).append(place)
    blocks = [
        places[begin : begin + BLOCK] for places in members.values() for begin in range(0, len(places), BLOCK)
    ]
    return torch.stack([counts[block].sum(dim=0) for block in blocks])


def range_of_difference(
    own: Sequence[Sequence[Tensor]],
    rival: Sequence[Sequence[Tensor]],
    paid: Sequence[float],
    *,
    seed: int,
) -> Range | None:
    """Return where the difference in area of two learning curves, means over runs, lies in most draws.

    Args:
        own: Of each run and budget the counts, as for :func:`redrawn_mious`, of the same images or blocks.
        rival: The same of the other curve.
        paid: At each budget, rising; with a single budget the mean IoUs are compared.
        seed: Of the draws.

    Returns:
        In (−1, 1); None where less than ``LEAST_BLOCKS`` were counted.
    """
    if len(own[0][0]) < LEAST_BLOCKS:
        return None
    first, second = (
        torch.stack([_redrawn_areas(run, paid, seed) for run in runs]).mean(dim=0) for runs in (own, rival)
    )
    return _range(first - second)


def _redrawn_areas(run: Sequence[Tensor], paid: Sequence[float], seed: int) -> Tensor:
    mious = torch.stack([redrawn_mious(counts, seed=seed) for counts in run], dim=-1)
    if len(paid) == 1:
        return mious[:, 0]
    return torch.trapezoid(mious, torch.tensor(paid, dtype=torch.float64)) / (paid[-1] - paid[0])


def _range(values: Tensor) -> Range:
    ends = torch.tensor([(1 - RANGE_SHARE) / 2, (1 + RANGE_SHARE) / 2], dtype=torch.float64)
    return Range(*values.nanquantile(ends).tolist())


def _labelled_images(counts: Tensor) -> int:
    return int(counts[:, 1].any(dim=1).sum())
