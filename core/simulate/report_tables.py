"""The tables of a report, as HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from core.annotation_cost import hours
from core.learning_curve import PairedTest, mean_and_deviation
from core.redraws import BLOCK, DRAWS, RANGE_SHARE, Range
from core.simulate.comparison import MARKS, RIVAL, Comparison, Curves
from core.simulate.results import BudgetResult, clicks_per_image


def comparison_table(comparisons: Sequence[Comparison], full: Sequence[BudgetResult]) -> str:
    """Return how good each strategy is, and against random; ``full`` are the runs on all labels."""
    on_images = any(one.over_test_images for one in comparisons)
    head = ["strategy", "seeds", "last mIoU", "area", "to random", "p"]
    head += ["over test images"] if on_images else []
    head += ["seeds over clicks", "area over clicks", "to random", "p"]
    head += [f"labels for {_percent(mark)}" for mark in MARKS] if full else []
    rows = []
    for one in comparisons:
        row = [one.strategy, str(len(one.seeds)), _points(*one.last), _points(*one.area)]
        row += [_difference(one.against_random), _p(one.p_holm)]
        row += [_range(one.over_test_images)] if on_images else []
        row += [str(len(one.seeds_over_clicks)), _points(*one.area_over_clicks)]
        row += [_difference(one.against_random_over_clicks), _p(one.p_holm_over_clicks)]
        row += [_share(one.share_for[mark], one.begins.label_share) for mark in MARKS] if full else []
        rows.append(row)
    note = (
        "mIoU in points, mean ± standard deviation over seeds; p after Holm. The area is the mean height of "
        "the curve: trapezoid over label share, divided by its range; over clicks, in the range that all "
        "strategies of a seed cover, and over the seeds that have one."
    )
    if on_images:
        note += (
            f" Over test images: where the mean difference to random lies in {_percent(RANGE_SHARE)} of "
            f"{DRAWS:,} other draws of the test images, in blocks of up to {BLOCK} neighbours of a group. It "
            "says what the choice of test images has to do with it, as the seeds say it of the runs."
        )
    if full:
        reached = mean_and_deviation([one.test_miou for one in full])
        rows.append(["all labels", str(len(full)), _points(*reached)] + [""] * (len(head) - 3))
        note += (
            " The last columns give the label share at which the mean curve reaches that share of the mIoU "
            "with all labels."
        )
    else:
        note += " How few labels reach 90, 95 and 97 % of full supervision is known with --full."
    return _table(head, rows) + f"<p class=note>{escape(note)}</p>"


def cost_table(
    comparisons: Sequence[Comparison],
    curves: Mapping[str, Curves],
    seconds_per_click: float,
    conditions: Mapping[str, Any],
) -> str:
    """Return what the labels of each strategy cost, in clicks and in hours."""
    of_full = any(one.clicks_for for one in comparisons)
    rival = next((one for one in comparisons if one.strategy == RIVAL), None)
    rows = []
    for one in comparisons:
        if not math.isfinite(one.clicks["correction"]):
            continue
        scratch, corrected = one.clicks["correction_from_scratch"], one.clicks["correction"]
        equal = "" if rival is None or one is rival else "not reached"
        if rival is not None and one is not rival and one.random_clicks is not None:
            saved = _hours(rival.clicks["correction"] - one.random_clicks, seconds_per_click)
            equal = f"at least {saved}" if one.random_clicks == one.begins.clicks else saved
        rows.append(
            [one.strategy]
            + [f"{one.clicks[name]:,.0f}" for name in ("superpixel_from_scratch", "superpixel")]
            + [f"{scratch:,.0f}", f"{corrected:,.0f}", f"{one.clicks['given_up']:.1f}"]
            + [_first_and_last([clicks_per_image(of, "correction") for of in curves[one.strategy].values()])]
            + ([_clicks_for(one.clicks_for[mark], one.begins.clicks) for mark in MARKS] if of_full else [])
            + [_hours(corrected, seconds_per_click), _hours(scratch - corrected, seconds_per_click), equal]
        )
    head = ["strategy", "superpixels, from scratch", "superpixels", "clicks, from scratch", "clicks"]
    head += ["given up", "an image, first to last"]
    head += [f"clicks for {_percent(mark)}" for mark in MARKS] if of_full else []
    head += ["hours", "saved by suggestions", "saved against random"]
    annotator = conditions.get("annotator", {})
    note = (
        "For all labels of a run, mean over seeds. Superpixels: those whose dominant class differs from the "
        "suggestion's, one click each. Clicks: a simulated annotator corrects the largest wrong piece first, "
        f"until {_percent(annotator.get('target', 0.95))} of the pixels agree, and gives up after "
        f"{annotator.get('most_clicks', 200)} clicks (jitter {annotator.get('jitter', 0):g} px, class errors "
        f"{_percent(annotator.get('class_errors', 0))}). An image costs at least the one that submits it. "
        "An image, first to last: what an image of the first budget cost, and one of those before the last. "
        f"Hours are these clicks at {seconds_per_click:g} s each, an assumption, and nothing else: neither "
        "looking nor waiting. Saved by suggestions: against labelling the same images from scratch. Saved "
        "against random: what random paid for its last mIoU, "
        "less what this strategy had paid when its mean curve reached that. What trains are the true masks, "
        "which are more exact than what so many clicks leave."
    )
    return _table(head, rows) + f"<p class=note>{escape(note)}</p>"


def ranking_table(curves: Mapping[str, Curves]) -> str:
    """Return how well the scores of each strategy found the images that the model gets wrong."""
    rows = []
    for strategy, of in curves.items():
        every = [one for curve in of.values() for one in curve]
        known = [one.ranking for one in every if one.ranking]
        if not known:
            continue
        rows.append(
            [
                strategy,
                _mean([one.spearman for one in known], ".2f"),
                _mean([one.precision for one in known], ".0%"),
                _mean([one.worst / one.images for one in known], ".0%"),
                _mean([one.test_error_auroc for one in every], ".3f"),
                _mean([one.test_pavpu for one in every], ".3f"),
                _mean([one.test_ece for one in every], ".3f"),
            ]
        )
    head = ["strategy", "Spearman", "precision", "chance", "pixel error AUROC", "PAvPU", "calibration error"]
    note = (
        "Means over budgets and seeds. Precision: the share of the next batch, as the score orders it, that "
        "is among as many images with the largest errors; chance is what a blind order would get. AUROC of "
        "the least confidence and calibration error are those of the pixels of the test images; PAvPU is the "
        "share of their patches that are accurate and sure, or inaccurate and unsure, mean over thresholds."
    )
    return _table(head, rows) + f"<p class=note>{note}</p>"


def origin_table(results: Sequence[BudgetResult], conditions: Mapping[str, Any], command: str) -> str:
    """Return how and where the results came about."""
    rows = [["command", command or "called from Python"]]
    for name in ("commit", "device", "machine"):
        rows.append([name, ", ".join(sorted({str(getattr(one, name)) for one in results}))])
    rows.append(["seeds", listed(sorted({one.seed for one in results}))])
    rows.append(["computed in", f"{sum(one.wall_s for one in results) / 60:.1f} min, all runs"])
    for name, value in conditions.items():
        if isinstance(value, Mapping):
            text = ", ".join(f"{key} {entry}" for key, entry in value.items()) or "those of a new project"
        elif isinstance(value, (list, tuple)):
            text = listed(value)
        else:
            text = "all" if value is None else str(value)
        rows.append([name.replace("_", " "), text])
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    return f'<div class=scroll><table class="origin">{cells}</table></div>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(tag: str, values: Sequence[str]) -> str:
        fields = (
            f"<{tag}{' class=left' if place == 0 else ''}>{escape(value)}</{tag}>"
            for place, value in enumerate(values)
        )
        return f"<tr>{''.join(fields)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<div class=scroll><table><thead>{line('th', head)}</thead><tbody>{body}</tbody></table></div>"


def listed(values: Sequence[object]) -> str:
    """Return values as a sentence lists them; there is at least one."""
    *before, last = map(str, values)
    return f"{', '.join(before)} and {last}" if before else last


def _points(mean: float, deviation: float) -> str:
    return _plus_minus(100 * mean, 100 * deviation, digits=1)


def _plus_minus(mean: float, deviation: float, digits: int = 2) -> str:
    if math.isnan(mean):
        return "–"
    return f"{mean:.{digits}f}" + ("" if math.isnan(deviation) else f" ± {deviation:.{digits}f}")


def _difference(test: PairedTest | None) -> str:
    if test is None:
        return ""
    spread = "" if math.isnan(test.deviation) else f" ± {100 * test.deviation:.1f}"
    return f"{100 * test.mean:+.1f}{spread}".replace("-", "−")


def _first_and_last(steps: Sequence[Sequence[float]]) -> str:
    """Return the clicks of an image before the first and before the last budget, means over seeds."""
    means = [mean_and_deviation(same)[0] for same in zip(*steps, strict=True)]
    return " to ".join(f"{clicks:.0f}" for clicks in dict.fromkeys((means[0], means[-1])))


def _clicks_for(value: float | None, first: float) -> str:
    """Return the clicks at which a curve reaches a mark; where it begins above it, an upper bound."""
    if value is None:
        return "not reached"
    return f"{'≤ ' if value == first else ''}{value:,.0f}"


def _range(between: Range | None) -> str:
    if between is None:
        return ""
    return f"{100 * between.low:+.1f} to {100 * between.high:+.1f}".replace("-", "−")


def _p(value: float) -> str:
    return "" if math.isnan(value) else "< .001" if value < 0.001 else f"{value:.3f}"


def _share(value: float | None, first: float) -> str:
    """Return the label share that a curve reaches a mark at; where it begins above it, an upper bound."""
    if value is None:
        return "not reached"
    return f"{'≤ ' if value == first else ''}{100 * value:.1f} %"


def _mean(values: Sequence[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return f"{mean_and_deviation(known)[0]:{form}}".replace("%", " %") if known else "–"


def _percent(share: float) -> str:
    return f"{100 * share:g}\N{NO-BREAK SPACE}%"


def _hours(clicks: float, seconds_per_click: float) -> str:
    time = hours(clicks, seconds_per_click)
    return (f"{time:.2f} h" if abs(time) < 10 else f"{time:.0f} h").replace("-", "−")
