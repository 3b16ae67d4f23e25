"""How well the scores of unlabelled images find those where the model is most wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from core.uncertainty import spearman


@dataclass(frozen=True)
class RankingQuality:
    """Scores against true errors, which only a simulation knows.

    Attributes:
        images: N.
        spearman: Rank correlation of the score with 1 − mIoU of the image, in [−1, 1]; NaN for fewer than
            3 images or when either does not vary.
        precision: Share of the n images with the highest scores that are among the n with the largest
            errors, in [0, 1]; chance is n/N.
        worst: n.
    """

    images: int
    spearman: float
    precision: float
    worst: int


def ranking_quality(scores: Sequence[float], errors: Sequence[float], worst: int) -> RankingQuality:
    """Compare the order by score with the order by error; equals share what their order would decide.

    Args:
        scores: One a image, higher is to be labelled sooner.
        errors: 1 − mIoU of each image, in [0, 1].
        worst: n, at least 1; no more than there are images.

    Raises:
        ValueError: The lengths differ or are 0, or ``worst`` is below 1.
    """
    if len(scores) != len(errors) or not len(scores) or worst < 1:
        raise ValueError(
            "Give one score and one error for each of at least one image, and worst of at least 1."
        )
    by_score, by_error = (torch.tensor(values, dtype=torch.float64) for values in (scores, errors))
    worst = min(worst, len(scores))
    in_front, among_worst = (_chance_of_being_first(values, worst) for values in (by_score, by_error))
    return RankingQuality(
        images=len(scores),
        spearman=spearman(by_score, by_error),
        precision=float(in_front @ among_worst) / worst,
        worst=worst,
    )


def _chance_of_being_first(values: torch.Tensor, count: int) -> torch.Tensor:
    """Return for each of ``(N,)`` values the chance that it is among the ``count`` largest.

    Of those equal to the smallest one that is, each has the same chance.
    """
    limit = values.sort(descending=True).values[count - 1]
    above, equal = values > limit, values == limit
    return above.double() + equal * ((count - above.sum()) / equal.sum())
