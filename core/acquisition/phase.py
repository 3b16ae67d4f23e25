"""Whether a round asks for typical images or for those the model is unsure of."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from core.uncertainty import spearman

STABLE_FROM = 0.7
"""Rank correlation of two halves of the samples from which on their order is worth following."""


@dataclass(frozen=True)
class Phase:
    """How a round chooses, and why.

    Attributes:
        name: ``typical`` (typical and diverse images) or ``uncertain`` (the model's uncertainty).
        sentence: What the person reads.
        images_per_class: Labelled images in which a class occurs, median over the seen classes.
        rank_stability: See :func:`rank_stability`; None when it is not known.
    """

    name: Literal["typical", "uncertain"]
    sentence: str
    images_per_class: float
    rank_stability: float | None


def phase(images_by_class: Sequence[int], *, uncertain_from: int, stability: float | None = None) -> Phase:
    """Choose by uncertainty once every class is known from some images and the scores agree with themselves.

    Low budgets want typical images, high ones uncertain ones (Hacohen et al. 2022): a model that has seen
    a class in two images is unsure for want of everything.

    Args:
        images_by_class: For each class that was seen, the labelled images in which it occurs.
        uncertain_from: Images per class, at the median, from which uncertainty chooses; 0 for at once,
            however stable its order is.
        stability: Spearman's correlation of two half-sets of samples; None for a single sample.
    """
    median = float(statistics.median(images_by_class)) if len(images_by_class) else 0.0
    if uncertain_from == 0:
        sentence = "The model's uncertainty chooses from the first round on, as the settings say."
        return Phase("uncertain", sentence, median, stability)
    seen = f"The median class is in {_count(median)}"
    if median < uncertain_from:
        sentence = (
            f"{seen}; from {uncertain_from} on the model's uncertainty chooses. "
            "Until then: typical and diverse images."
        )
        return Phase("typical", sentence, median, stability)
    if stability is not None and stability < STABLE_FROM:
        sentence = (
            f"{seen}, but two halves of the model's samples order the images differently (rank correlation "
            f"{stability:.2f}; from {STABLE_FROM:.2f} on uncertainty chooses). "
            "Until then: typical and diverse images."
        )
        return Phase("typical", sentence, median, stability)
    return Phase("uncertain", f"{seen}: the model's uncertainty chooses.", median, stability)


def rank_stability(half_scores: Sequence[tuple[float, float]]) -> float | None:
    """Return Spearman's rank correlation of the images' scores from two halves of the samples, in [−1, 1].

    None when there are fewer than 3 images or a half gives all of them the same score.
    """
    if not half_scores:
        return None
    even, odd = torch.tensor(half_scores, dtype=torch.float64).unbind(dim=1)
    correlation = spearman(even, odd)
    return None if math.isnan(correlation) else correlation


def _count(median: float) -> str:
    if median == 1:
        return "1 labelled image"
    # Of an even number of classes it lies between two of them.
    count = f"{median - 0.5:g} to {median + 0.5:g}" if median % 1 else f"{median:g}"
    return f"{count} labelled images"
