"""What the results of a simulation say: strategies against random, paired by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.learning_curve import (
    PairedTest,
    area_under_curve,
    areas_over_common_range,
    holm,
    mean_and_deviation,
    paid_to_reach,
    paired_t_test,
)
from core.redraws import Range, counts_of_blocks, range_of_difference
from core.simulate.grid import FULL
from core.simulate.results import BudgetResult, Clicks

RIVAL = "random"
"""The strategy that every other one is tested against."""
MARKS = (0.90, 0.95, 0.97)
"""Shares of full supervision's mIoU that a strategy should reach with few labels."""
LEVEL = 0.05
"""p values below it are called significant."""


@dataclass(frozen=True)
class MeanPoint:
    """One budget, averaged over seeds: mIoU with its standard deviation, and clicks of all labels."""

    labels: int
    label_share: float
    miou: float
    deviation: float
    clicks: float


@dataclass(frozen=True)
class Comparison:
    """One strategy under one recipe, over its finished seeds. mIoU and areas are in [0, 1].

    Attributes:
        strategy: Its name.
        recipe: ``recipe/head``.
        seeds: Finished ones, rising.
        budgets: At how many numbers of labels each was measured.
        begins: The first point of the mean curve.
        last: Mean and standard deviation of the mIoU at the last budget.
        area: Of the mIoU over label share, divided by its range; the mIoU itself for a single budget.
        area_over_clicks: The same over correction clicks, in the range that all strategies of the recipe and
            seed cover, over the ``seeds_over_clicks`` where there is one; NaN when there is none.
        against_random: Paired difference of ``area``, and ``p_holm`` corrected over the strategies of the
            recipe; None for random itself, or without it.
        over_test_images: Where the mean of that difference lies over other draws of the test images, see
            :mod:`core.redraws`; None too where they are few, or were not kept.
        against_random_over_clicks: The same of ``area_over_clicks``.
        share_for: Label share at which the mean curve reaches each of ``MARKS``; None when it does not, that
            of its first point when it begins above, and empty without full supervision.
        clicks_for: The same in correction clicks.
        clicks: Mean over seeds of the clicks for all labels.
        random_clicks: Clicks at which this strategy's mean curve reaches the last mIoU of random's; None when
            it does not or there is no random.
    """

    strategy: str
    recipe: str
    seeds: tuple[int, ...]
    budgets: int
    begins: MeanPoint
    last: tuple[float, float]
    area: tuple[float, float]
    area_over_clicks: tuple[float, float]
    seeds_over_clicks: tuple[int, ...]
    against_random: PairedTest | None
    p_holm: float
    over_test_images: Range | None
    against_random_over_clicks: PairedTest | None
    p_holm_over_clicks: float
    share_for: dict[float, float | None]
    clicks_for: dict[float, float | None]
    clicks: dict[str, float]
    random_clicks: float | None


Curves = dict[int, list[BudgetResult]]
"""The results of one strategy and recipe by seed, by rising budget."""


def curves_of(results: Sequence[BudgetResult]) -> dict[tuple[str, str], Curves]:
    """Group results by recipe and strategy; a seed that is not finished to the last budget is left out."""
    grouped: dict[tuple[str, str], Curves] = {}
    for result in sorted(results, key=lambda one: one.labels):
        key = (result.recipe, result.strategy)
        grouped.setdefault(key, {}).setdefault(result.seed, []).append(result)
    for key, curves in grouped.items():
        longest = max(len(curve) for curve in curves.values())
        grouped[key] = {seed: curve for seed, curve in sorted(curves.items()) if len(curve) == longest}
    return grouped


def compared(results: Sequence[BudgetResult], test_groups: Sequence[str | None] = ()) -> list[Comparison]:
    """Compare the strategies of each recipe, in the order of the results; full supervision is no strategy.

    Without the groups of the test images, in their order, no other images are drawn.
    """
    grouped = curves_of(results)
    found = []
    for recipe in dict.fromkeys(result.recipe for result in results):
        names = [name for name in dict.fromkeys(one.strategy for one in results) if name != FULL]
        curves = {name: grouped[recipe, name] for name in names if (recipe, name) in grouped}
        found += _of_recipe(recipe, curves, grouped.get((recipe, FULL), {}), test_groups)
    return found


def _of_recipe(
    recipe: str, curves: dict[str, Curves], full: Curves, test_groups: Sequence[str | None]
) -> list[Comparison]:
    areas = {name: {seed: _area(curve) for seed, curve in of.items()} for name, of in curves.items()}
    over_clicks = _areas_over_clicks(curves)
    tests = {name: _against(areas[name], areas.get(RIVAL), name) for name in curves}
    click_tests = {name: _against(over_clicks[name], over_clicks.get(RIVAL), name) for name in curves}
    p_values = dict(zip(tests, holm([test.p if test else math.nan for test in tests.values()]), strict=True))
    click_p_values = dict(
        zip(click_tests, holm([test.p if test else math.nan for test in click_tests.values()]), strict=True)
    )
    full_miou = mean_and_deviation([curve[-1].test_miou for curve in full.values()])[0]
    rival = curves.get(RIVAL)
    rival_last = mean_curve(rival)[-1].miou if rival else math.nan
    found = []
    for name, of in curves.items():
        mean = mean_curve(of)
        shares, mious = [point.label_share for point in mean], [point.miou for point in mean]
        clicks = [point.clicks for point in mean]
        found.append(
            Comparison(
                strategy=name,
                recipe=recipe,
                seeds=tuple(of),
                budgets=len(mean),
                begins=mean[0],
                last=mean_and_deviation([curve[-1].test_miou for curve in of.values()]),
                area=mean_and_deviation(list(areas[name].values())),
                area_over_clicks=mean_and_deviation(list(over_clicks[name].values())),
                seeds_over_clicks=tuple(over_clicks[name]),
                against_random=tests[name],
                p_holm=p_values[name],
                over_test_images=_over_test_images(of, rival, test_groups),
                against_random_over_clicks=click_tests[name],
                p_holm_over_clicks=click_p_values[name],
                share_for=_to_reach(shares, mious, full_miou) if full else {},
                clicks_for=_to_reach(clicks, mious, full_miou) if full else {},
                clicks=_mean_clicks([curve[-1] for curve in of.values()]),
                random_clicks=paid_to_reach(clicks, mious, rival_last) if rival else None,
            )
        )
    return found


def mean_curve(curves: Curves) -> list[MeanPoint]:
    """Average curves of the same budgets over seeds."""
    points = []
    for same in zip(*curves.values(), strict=True):
        miou, deviation = mean_and_deviation([one.test_miou for one in same])
        clicks = mean_and_deviation([_paid(one) for one in same])[0]
        points.append(MeanPoint(same[0].labels, same[0].label_share, miou, deviation, clicks))
    return points


def _to_reach(paid: list[float], mious: list[float], full_miou: float) -> dict[float, float | None]:
    return {mark: paid_to_reach(paid, mious, mark * full_miou) for mark in MARKS}


def _paid(result: BudgetResult) -> float:
    return float(result.clicks.correction) if result.clicks else math.nan


def _area(curve: list[BudgetResult]) -> float:
    if len(curve) == 1:
        return curve[0].test_miou
    return area_under_curve([one.label_share for one in curve], [one.test_miou for one in curve])


def _areas_over_clicks(curves: dict[str, Curves]) -> dict[str, dict[int, float]]:
    """Return the area of each strategy by seed, of the seeds whose strategies have a range in common."""
    areas: dict[str, dict[int, float]] = {name: {} for name in curves}
    for seed in sorted({seed for of in curves.values() for seed in of}):
        names = [name for name, of in curves.items() if seed in of]
        pairs = [
            ([_paid(one) for one in curves[name][seed]], [one.test_miou for one in curves[name][seed]])
            for name in names
        ]
        for name, area in zip(names, areas_over_common_range(pairs), strict=True):
            if math.isfinite(area):
                areas[name][seed] = area
    return areas


def _against(own: dict[int, float], rival: dict[int, float] | None, name: str) -> PairedTest | None:
    if rival is None or name == RIVAL:
        return None
    shared = [seed for seed in own if seed in rival]
    if not shared:
        return None
    return paired_t_test([own[seed] for seed in shared], [rival[seed] for seed in shared])


def _over_test_images(own: Curves, rival: Curves | None, groups: Sequence[str | None]) -> Range | None:
    """Return the range of the mean difference in area of the seeds that both have."""
    if rival is None or rival is own:
        return None
    seeds = [seed for seed in own if seed in rival]
    every = [result for of in (own, rival) for seed in seeds for result in of[seed]]
    if not (every and groups) or any(len(result.test_counts) != len(groups) for result in every):
        return None

    def counts(of: Curves) -> list[list[Tensor]]:
        return [
            [counts_of_blocks(torch.tensor(result.test_counts), groups) for result in of[seed]]
            for seed in seeds
        ]

    shares = [result.label_share for result in own[seeds[0]]]
    return range_of_difference(counts(own), counts(rival), shares, seed=0)


def _mean_clicks(last: list[BudgetResult]) -> dict[str, float]:
    counted = [one.clicks for one in last if one.clicks]
    return {
        field: mean_and_deviation([float(getattr(clicks, field)) for clicks in counted])[0]
        for field in Clicks.model_fields
    }


def in_words(comparisons: Sequence[Comparison]) -> list[str]:
    """Say in plain sentences what can be said about each strategy against random, and no more."""
    recipes = {comparison.recipe for comparison in comparisons}
    sentences = []
    for one in comparisons:
        test = one.against_random
        if test is None:
            continue
        where = f" with {one.recipe}" if len(recipes) > 1 else ""
        measured = "Over the budgets" if one.budgets > 1 else "At these labels"
        said = f"{measured}, {one.strategy} is {_in_words(test, one.p_holm, f'random{where}')}."
        over_clicks = one.against_random_over_clicks
        if over_clicks is not None:
            said += f" Over the same clicks it is {_in_words(over_clicks, one.p_holm_over_clicks, 'random')}."
        sentences.append(said + _clicks_in_words(one, comparisons))
    if not sentences:
        named = " and ".join(dict.fromkeys(one.strategy for one in comparisons))
        sentences.append(
            f"Only {named} ran, so nothing says whether the choice of images helps: add random and at least "
            "three seeds to compare."
        )
    return sentences


def _in_words(test: PairedTest, p: float, rival: str) -> str:
    direction = "above" if test.mean >= 0 else "below"
    spread = "" if math.isnan(test.deviation) else f" ± {100 * test.deviation:.1f}"
    return (
        f"{direction} {rival} by {abs(100 * test.mean):.1f}{spread} points of mIoU "
        f"({test.pairs} paired seed{'s' if test.pairs > 1 else ''}): {_verdict(test, p)}"
    )


def _verdict(test: PairedTest, p: float) -> str:
    if math.isnan(p):
        return "one seed cannot tell a difference from luck"
    figure = "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".", 1)
    if p < LEVEL:
        return f"significant ({figure} after Holm)"
    few = ", and so few seeds could hardly show one" if test.pairs < 3 else ""
    return f"not a significant difference ({figure} after Holm){few}"


def _clicks_in_words(one: Comparison, comparisons: Sequence[Comparison]) -> str:
    rival = next(
        (other for other in comparisons if (other.strategy, other.recipe) == (RIVAL, one.recipe)), None
    )
    if rival is None or not rival.clicks["correction"]:
        return ""
    ratio = one.clicks["correction"] / rival.clicks["correction"] - 1
    if not math.isfinite(ratio):
        return ""
    if abs(ratio) < 0.005:
        return " Its images cost as many clicks to correct."
    return f" Its images cost {100 * abs(ratio):.0f} % {'more' if ratio > 0 else 'fewer'} clicks to correct."
