"""Curves by hand, tests against scipy, Holm by its definition."""

import math
import random
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from core.learning_curve import (
    area_under_curve,
    areas_over_common_range,
    holm,
    mean_and_deviation,
    paid_to_reach,
    paired_t_test,
)
from core.ranking_quality import ranking_quality

measures = st.floats(0, 1, allow_subnormal=False)


def test_area_is_the_mean_height() -> None:
    assert area_under_curve([0.1, 0.2, 0.4], [0.5, 0.5, 0.5]) == pytest.approx(0.5)
    assert area_under_curve([0, 1, 3], [0, 2, 2]) == pytest.approx((1 + 4) / 3)
    assert math.isnan(area_under_curve([0.1], [0.5]))
    with pytest.raises(ValueError, match="rise"):
        area_under_curve([1, 1], [0, 0])
    with pytest.raises(ValueError, match="one value"):
        area_under_curve([1, 2], [0])


@given(st.lists(st.tuples(st.floats(0.01, 1), measures), min_size=2, max_size=8))
def test_area_is_scipys_trapezoid(steps: list[tuple[float, float]]) -> None:
    paid = np.cumsum([step for step, _ in steps]).tolist()
    reached = [value for _, value in steps]
    expected = integrate.trapezoid(reached, paid) / (paid[-1] - paid[0])
    assert area_under_curve(paid, reached) == pytest.approx(expected)


def test_areas_over_clicks_take_the_range_that_all_cover() -> None:
    cheap = ([10, 20, 30], [0.1, 0.2, 0.3])
    dear = ([10, 40, 60], [0.1, 0.4, 0.5])
    assert areas_over_common_range([cheap, dear]) == pytest.approx([0.2, 0.2])
    assert all(map(math.isnan, areas_over_common_range([cheap, ([40, 50], [0, 1])])))
    assert all(map(math.isnan, areas_over_common_range([cheap, ([40], [0])])))
    assert areas_over_common_range([]) == []


def test_what_is_paid_to_reach_a_mark() -> None:
    paid, reached = [10, 20, 40], [0.4, 0.5, 0.6]
    assert paid_to_reach(paid, reached, 0.45) == pytest.approx(15)
    assert paid_to_reach(paid, reached, 0.6) == pytest.approx(40)
    assert paid_to_reach(paid, reached, 0.3) == 10
    assert paid_to_reach(paid, reached, 0.61) is None
    # The first crossing counts, also when the curve falls again.
    assert paid_to_reach([1, 2, 3, 4], [0, 1, 0, 1], 0.5) == pytest.approx(1.5)


@given(st.lists(st.tuples(measures, measures), min_size=2, max_size=10))
def test_paired_t_test_is_scipys(pairs: list[tuple[float, float]]) -> None:
    first, second = (list(values) for values in zip(*pairs, strict=True))
    mine = paired_t_test(first, second)
    differences = np.subtract(first, second)
    assert mine.mean == pytest.approx(differences.mean())
    if differences.std() > 1e-9:
        assert mine.p == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=1e-9)


def test_paired_t_test_at_its_edges() -> None:
    one = paired_t_test([0.5], [0.4])
    assert one.pairs == 1
    assert math.isnan(one.p)
    assert paired_t_test([0.5, 0.5], [0.5, 0.5]).p == 1
    assert paired_t_test([0.5, 0.5], [0.25, 0.25]).p == 0
    assert paired_t_test([0.5, math.nan, 0.7], [0.4, 0.1, 0.4]).pairs == 2
    with pytest.raises(ValueError, match="no pair"):
        paired_t_test([math.nan], [0.4])


def test_holm_by_hand() -> None:
    # Four tests: 4 × .005, 3 × .01, 2 × .03, 1 × .04, none below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.8, 0.9]) == [1.0, 1.0]
    corrected = holm([math.nan, 0.02])
    assert math.isnan(corrected[0])
    assert corrected[1] == pytest.approx(0.02)


@given(st.lists(measures, min_size=1, max_size=8))
def test_holm_rejects_what_the_step_down_rejects(p_values: list[float]) -> None:
    """The adjusted p values against the sequential procedure at several levels."""
    adjusted = holm(p_values)
    for level in (0.01, 0.05, 0.2):
        rejected = [False] * len(p_values)
        for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
            if (len(p_values) - rank) * p_values[place] > level:
                break
            rejected[place] = True
        assert [p <= level for p in adjusted] == rejected


def test_mean_and_deviation() -> None:
    assert mean_and_deviation([1.0, 3.0]) == pytest.approx((2.0, math.sqrt(2)))
    assert mean_and_deviation([1.0])[0] == 1
    assert math.isnan(mean_and_deviation([1.0])[1])
    assert all(map(math.isnan, mean_and_deviation([])))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=12), st.integers(1, 15))
def test_ranking_quality_is_scipys_and_counted(pairs: list[tuple[int, int]], worst: int) -> None:
    scores, errors = ([value / 10 for value in values] for values in zip(*pairs, strict=True))
    quality = ranking_quality(scores, errors, worst)
    count = min(worst, len(pairs))
    # Mean over orders of the equals: each is as likely as another.
    shuffled = random.Random(0)
    overlaps = []
    for _ in range(400):
        by_score, by_error = (
            set(sorted(range(len(pairs)), key=lambda place: (-values[place], shuffled.random()))[:count])
            for values in (scores, errors)
        )
        overlaps.append(len(by_score & by_error) / count)
    assert quality.precision == pytest.approx(statistics.mean(overlaps), abs=0.12)
    if len({*scores}) == len({*errors}) == len(pairs):
        assert quality.precision == pytest.approx(overlaps[0])
    if len(set(scores)) > 1 and len(set(errors)) > 1:
        assert quality.spearman == pytest.approx(stats.spearmanr(scores, errors).statistic, abs=1e-5)
    else:
        assert math.isnan(quality.spearman)


def test_ranking_quality_refuses_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        ranking_quality([], [], 1)
