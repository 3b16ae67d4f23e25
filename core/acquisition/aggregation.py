"""From scores of pixels to a score of the image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from core.acquisition.pixel_scores import PIXEL_SCORES
from core.predict import ImagePrediction

TOP_SHARE = 0.1
"""Share of the pixels that ``top_share`` averages."""
QUANTILE = 0.95
PATCH_SHARE = 1 / 8
"""Side of the square patches of ``patch_max``, as a share of the image's shorter side."""
BOUNDARY = 1
"""Cells of the feature map beside a change of class that ``boundary_excluded`` leaves out."""

Aggregation = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""From scores ``(..., h, w)``, the predicted classes ``(h, w)`` int64 and the valid pixels ``(h, w)`` bool to
``(...)``. At least one pixel is valid. Every aggregation is a mean or an order statistic of valid pixels, so
it lies between their lowest and highest score whatever the size of the image."""


class ImageScore(NamedTuple):
    """Scores of one image; comparable only within one round. All tensors are float32 on the CPU."""

    score: float
    """The chosen pixel score, aggregated, in [0, 1]."""
    scores: dict[str, float]
    """Every pixel score by name, by the same aggregation, in [0, 1]."""
    half_scores: tuple[float, float]
    """The chosen score from the even and from the odd samples alone; equal when there is one sample."""
    class_scores: torch.Tensor
    """``(C,)``, aggregated pixel score × mean probability of the class: A(U·p̄_c), ClaSP PE's S_c."""
    class_mass: torch.Tensor
    """``(C,)``, mean probability of each class; sums to 1."""
    gradient: torch.Tensor | None
    """``(G,)``, see :func:`core.acquisition.gradient.gradient_embedding`; None if the prediction has none."""
    embedding: torch.Tensor
    """``(E,)`` of unit length."""


def mean(scores: torch.Tensor, class_map: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Average over the valid pixels."""
    return _of_valid(scores, valid).mean(dim=-1)


def top_share(scores: torch.Tensor, class_map: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Average the highest ``TOP_SHARE`` of the valid pixels, at least one."""
    flat = _of_valid(scores, valid)
    count = max(1, round(TOP_SHARE * flat.shape[-1]))
    # An eighth of the time of `topk`.
    highest = np.partition(flat.numpy(), -count, axis=-1)[..., -count:]
    return torch.from_numpy(highest).mean(dim=-1)


def quantile(scores: torch.Tensor, class_map: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return the lowest score that at least ``QUANTILE`` of the valid pixels do not exceed."""
    flat = _of_valid(scores, valid)
    return flat.kthvalue(max(1, math.ceil(QUANTILE * flat.shape[-1])), dim=-1).values


def patch_max(scores: torch.Tensor, class_map: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return the highest mean over the valid pixels of a square patch within the image.

    A patch counts when half of it is valid; where none is, the patches with most valid pixels do.
    """
    height, width = valid.shape
    side = max(1, round(PATCH_SHARE * min(height, width)))
    maps = torch.cat([(scores * valid).reshape(-1, height, width), valid[None].to(scores)])
    # In double precision: sums along an image are differences of sums over all of it.
    boxes = _box_sums(maps.double(), side)
    pixels = boxes[-1]
    counted = pixels >= min(side**2 / 2, float(pixels.max()))
    return (boxes[:-1, counted] / pixels[counted]).amax(dim=-1).to(scores).view(scores.shape[:-2])


def class_balanced(scores: torch.Tensor, class_map: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Average over the valid pixels of each predicted class, then over the classes that occur."""
    classes = class_map[valid]
    pixels = classes.bincount()
    flat = _of_valid(scores, valid).double()
    sums = flat.new_zeros(*scores.shape[:-2], len(pixels)).index_add_(-1, classes, flat)
    occurring = pixels > 0
    return (sums[..., occurring] / pixels[occurring]).mean(dim=-1).to(scores)


def boundary_excluded(scores: torch.Tensor, class_map: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Average over valid pixels that are more than ``BOUNDARY`` away from any pixel of another class.

    A plain mean mostly measures the length of the contours. When no pixel is left, all valid ones count.
    """
    classes = class_map[None, None].float()
    window = 2 * BOUNDARY + 1
    highest = F.max_pool2d(classes, window, stride=1, padding=BOUNDARY)
    lowest = -F.max_pool2d(-classes, window, stride=1, padding=BOUNDARY)
    inside = valid & (highest == lowest)[0, 0]
    return mean(scores, class_map, inside if bool(inside.any()) else valid)


AGGREGATIONS: dict[str, Aggregation] = {
    "mean": mean,
    "top_share": top_share,
    "quantile": quantile,
    "patch_max": patch_max,
    "class_balanced": class_balanced,
    "boundary_excluded": boundary_excluded,
}


def score_image(
    prediction: ImagePrediction,
    pixel_score: str = "predictive_entropy",
    aggregation: str = "mean",
    valid: torch.Tensor | None = None,
) -> ImageScore:
    """Score an image at the resolution of the network's features.

    The class scores weight the pixel score by the class's probability before aggregating, so a class
    scores high where the network is unsure *and* thinks of that class.

    Args:
        prediction: What the network says about the image.
        pixel_score: A name in :data:`core.acquisition.pixel_scores.PIXEL_SCORES`.
        aggregation: A name in :data:`AGGREGATIONS`.
        valid: ``(h', w')`` bool, the pixels that count; all by default. It must be known without the
            truth, such as padding, or the truth leaks into the choice. An image without any scores 0.
    """
    probabilities = prediction.probabilities
    if valid is None:
        valid = torch.ones(probabilities.shape[-2:], dtype=torch.bool)
    maps = prediction.pixel_scores
    chosen = maps[pixel_score]
    halves = [PIXEL_SCORES[pixel_score](half)[0] for half in prediction.halves if half.count]
    if len(halves) < 2:
        halves = [chosen, chosen]
    stacked = torch.cat([torch.stack([*maps.values(), *halves]), chosen * probabilities])
    if bool(valid.any()):
        found = AGGREGATIONS[aggregation](stacked, prediction.class_map, valid)
    else:
        found = torch.zeros(len(stacked))
    by_name = dict(zip(maps, found.tolist(), strict=False))
    even, odd = found[len(maps) : len(maps) + 2].tolist()
    return ImageScore(
        by_name[pixel_score],
        by_name,
        (even, odd),
        found[len(maps) + 2 :].clone(),
        prediction.class_mass,
        prediction.gradient,
        prediction.embedding,
    )


def _of_valid(scores: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return the scores ``(..., n)`` of the n valid pixels."""
    return scores.flatten(-2) if bool(valid.all()) else scores[..., valid]


def _box_sums(maps: torch.Tensor, side: int) -> torch.Tensor:
    """Return the sum over every ``side``×``side`` square of ``(n, h, w)``, ``(n, h − side + 1, …)``."""
    summed = F.pad(maps.cumsum(dim=-1), (1, 0))
    rows = summed[..., side:] - summed[..., :-side]
    summed = F.pad(rows.cumsum(dim=-2), (0, 0, 1, 0))
    return summed[..., side:, :] - summed[..., :-side, :]
