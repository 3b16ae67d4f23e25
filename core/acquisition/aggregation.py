"""From scores of pixels to a score of the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F

from core.predict import ImagePrediction

TOP_SHARE = 0.1
"""Share of the pixels that ``top_share`` averages."""


class ImageScore(NamedTuple):
    """Scores of one image; comparable only within one round."""

    score: float
    """Aggregated pixel score."""
    class_scores: torch.Tensor
    """``(C,)``, aggregated pixel score × probability of the class (ClaSP PE's S_c)."""
    embedding: torch.Tensor
    """``(E,)`` of unit length."""


def mean(scores: torch.Tensor) -> torch.Tensor:
    """Average ``(..., h, w)`` over pixels."""
    return scores.flatten(-2).mean(dim=-1)


def top_share(scores: torch.Tensor, share: float = TOP_SHARE) -> torch.Tensor:
    """Average the highest ``share`` of the pixels of ``(..., h, w)``, at least one pixel."""
    flat = scores.flatten(-2)
    return flat.topk(max(1, round(share * flat.shape[-1])), dim=-1).values.mean(dim=-1)


AGGREGATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"mean": mean, "top_share": top_share}


def score_image(
    prediction: ImagePrediction,
    pixel_score: Literal["predictive_entropy", "mutual_information"] = "predictive_entropy",
    aggregation: Literal["mean", "top_share"] = "top_share",
) -> ImageScore:
    """Score an image at the resolution of the network's features.

    The class scores weight the pixel score by the class's probability before aggregating, so a class
    scores high where the network is unsure *and* thinks of that class.
    """
    pixels = prediction.entropy if pixel_score == "predictive_entropy" else prediction.mutual_information
    size = prediction.probabilities.shape[-2:]
    small = F.interpolate(pixels[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
    aggregate = AGGREGATIONS[aggregation]
    return ImageScore(
        float(aggregate(small)), aggregate(small * prediction.probabilities), prediction.embedding
    )
