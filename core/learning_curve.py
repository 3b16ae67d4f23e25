"""What a learning curve says: its area, when it reaches a mark, and whether two of them differ.

A curve is test mIoU (or any measure where more is better) over what was paid for it: label share or clicks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


def area_under_curve(paid: Sequence[float], reached: Sequence[float]) -> float:
    """Return the trapezoid area divided by its range: the mean of the curve over what was paid.

    Args:
        paid: Label share or clicks at each budget, rising.
        reached: The measure there.

    Returns:
        In the unit of ``reached``; NaN for fewer than two points.

    Raises:
        ValueError: The lengths differ, or ``paid`` does not rise.
    """
    _require_rising(paid, reached)
    if len(paid) < 2:
        return math.nan
    return float(np.trapezoid(reached, paid)) / (paid[-1] - paid[0])


def areas_over_common_range(curves: Sequence[tuple[Sequence[float], Sequence[float]]]) -> list[float]:
    """Return the area of each curve over the range that all of them cover, linear between the points.

    Strategies pay different numbers of clicks for the same number of images, so their curves begin and
    end at different places. NaN for all when no range is common.
    """
    for paid, reached in curves:
        _require_rising(paid, reached)
    if not curves or any(len(paid) < 2 for paid, _ in curves):
        return [math.nan] * len(curves)
    begin, end = max(paid[0] for paid, _ in curves), min(paid[-1] for paid, _ in curves)
    if begin >= end:
        return [math.nan] * len(curves)
    areas = []
    for paid, reached in curves:
        inner = [begin, *(x for x in paid if begin < x < end), end]
        areas.append(area_under_curve(inner, np.interp(inner, paid, reached).tolist()))
    return areas


def paid_to_reach(paid: Sequence[float], reached: Sequence[float], mark: float) -> float | None:
    """Return the least that was paid when the curve, linear between its points, reaches a mark.

    None when it never does. A curve that begins above the mark gives its first point: the true answer
    is that or less.

    Raises:
        ValueError: The lengths differ, or ``paid`` does not rise.
    """
    _require_rising(paid, reached)
    for place, value in enumerate(reached):
        if value >= mark:
            if place == 0:
                return float(paid[0])
            below = reached[place - 1]
            part = (mark - below) / (value - below)
            return float(paid[place - 1] + part * (paid[place] - paid[place - 1]))
    return None


@dataclass(frozen=True)
class PairedTest:
    """A two-sided t-test on paired differences.

    Attributes:
        mean: Mean difference, first − second.
        deviation: Standard deviation of the differences (n − 1); NaN for one pair.
        pairs: n.
        p: In [0, 1]; NaN for one pair. With no spread it is 0, or 1 when there is no difference either.
    """

    mean: float
    deviation: float
    pairs: int
    p: float


def paired_t_test(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Test whether paired values differ in the mean; pairs with a NaN are left out.

    Raises:
        ValueError: The lengths differ, or no pair is left.
    """
    differences = np.subtract(first, second, dtype=np.float64)
    differences = differences[np.isfinite(differences)]
    pairs = len(differences)
    if not pairs:
        raise ValueError("There is no pair of numbers to compare.")
    mean = float(differences.mean())
    if pairs == 1:
        return PairedTest(mean, math.nan, 1, math.nan)
    deviation = float(differences.std(ddof=1))
    if deviation == 0:
        return PairedTest(mean, 0.0, pairs, float(mean == 0))
    t = mean / (deviation / math.sqrt(pairs))
    return PairedTest(mean, deviation, pairs, float(2 * stats.t.sf(abs(t), pairs - 1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number by the step-down of Holm (1979), in the same order.

    The i-th smallest of m is multiplied by m − i + 1; none is below a smaller one's result or above 1.
    NaN stays NaN and does not count.
    """
    tested = [place for place, p in enumerate(p_values) if not math.isnan(p)]
    corrected = [math.nan] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(tested, key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(tested) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation (n − 1); the latter is NaN for one value, both for none."""
    if not values:
        return math.nan, math.nan
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _require_rising(paid: Sequence[float], reached: Sequence[float]) -> None:
    if len(paid) != len(reached):
        raise ValueError(f"A curve has one value per budget, not {len(reached)} for {len(paid)}.")
    if any(after <= before for before, after in itertools.pairwise(paid)):
        raise ValueError("What was paid must rise from point to point.")
