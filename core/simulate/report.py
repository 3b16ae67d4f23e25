"""The report of a simulation: one HTML file that needs nothing else, neither server nor network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from core.annotation_cost import hours
from core.learning_curve import PairedTest, mean_and_deviation
from core.redraws import BLOCK, DRAWS, RANGE_SHARE, Range
from core.simulate.comparison import (
    MARKS,
    RIVAL,
    Comparison,
    Curves,
    compared,
    curves_of,
    in_words,
    mean_curve,
)
from core.simulate.grid import FULL
from core.simulate.labelled_set import LabelledSet
from core.simulate.results import BudgetResult
from storage.files import write_atomically

_RIVAL_COLOUR = "#8a8f9c"
_COLOURS = ("#1f8fd1", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b61c9", "#a0522d")
"""After Okabe and Ito, whom people of any colour vision can follow; the blue is lighter for dark pages."""
_MARKS = ("circle", "diamond", "square", "triangle-up")
"""What tells strategies of the same colour apart."""
_LEGEND_ROW, _LEGEND_COLUMNS = 20, 3
"""Height in pixels of a row of a legend, and how many names stand in it."""
_INK = "#7b8296"
_GRID = "rgba(128,134,150,0.25)"


def write_report(
    path: Path,
    results: Sequence[BudgetResult],
    described: LabelledSet,
    *,
    conditions: Mapping[str, Any],
    seconds_per_click: float,
    command: str,
) -> None:
    """Write the report of finished budgets.

    Args:
        path: The HTML file.
        results: At least one.
        described: The labelled set.
        conditions: What held for all runs, by name.
        seconds_per_click: What a click takes, for the hours.
        command: The command line.
    """
    comparisons = compared(results, described.test_groups)
    recipes = list(dict.fromkeys(one.recipe for one in comparisons))
    lead, *rest = in_words(comparisons)
    budgets = sorted({one.labels for one in results if one.strategy != FULL})
    parts = [
        f"<h1>{escape(described.name)}: which images are worth labelling?</h1>",
        f'<p class="lead">{escape(lead)}</p>',
        *(f"<p>{escape(sentence)}</p>" for sentence in rest),
        f"<p class=note>{_what_was_done(described, comparisons, budgets)}</p>",
    ]
    for recipe in recipes:
        of_recipe = [one for one in results if one.recipe == recipe]
        parts += _recipe_parts(
            of_recipe,
            [one for one in comparisons if one.recipe == recipe],
            described.classes,
            conditions,
            seconds_per_click,
            heading=recipe if len(recipes) > 1 else "",
        )
    parts += ["<h2>Settings and origin</h2>", _origin(results, conditions, command)]
    write_atomically(path, _page(described.name, "\n".join(parts)).encode())


def _recipe_parts(
    results: Sequence[BudgetResult],
    comparisons: Sequence[Comparison],
    class_names: Sequence[str],
    conditions: Mapping[str, Any],
    seconds_per_click: float,
    heading: str,
) -> list[str]:
    """Return figures and tables of one recipe."""
    curves = {key[1]: of for key, of in curves_of(results).items() if key[1] != FULL}
    full = [one for one in results if one.strategy == FULL]
    figures = _Figures(curves, full)
    after = f" · {escape(heading)}" if heading else ""
    parts = [
        f"<h2>Learning curves{after}</h2>",
        "<p>Mean IoU on the test images after each round. A line is the mean over seeds, its band one "
        "standard deviation, a dot one seed. Every label here trains; in a project those of the audit do not "
        "(one in six, up to 30), and from the fourth on they scale the uncertainty. It has so many labels "
        "more at the same place of a curve.</p>",
        figures.learning("labels"),
        "<p>The same over what the labels cost: clicks to correct the suggestion of the round before, or to "
        "label from scratch where there was none or that takes fewer. Images that a model is unsure of can "
        "cost more clicks, so a win in images may be none here.</p>",
        figures.learning("clicks"),
    ]
    if any(one.against_random for one in comparisons):
        parts += [
            f"<h2>Difference to random{after}</h2>",
            "<p>Paired by seed: a dot is one seed, a bar one standard deviation of the differences.</p>",
            figures.difference(),
        ]
    return [
        *parts,
        f"<h2>Strategies compared{after}</h2>",
        _comparison_table(comparisons, full),
        f"<h2>What the labels cost{after}</h2>",
        _cost_table(comparisons, curves, seconds_per_click, conditions),
        "<p>Clicks for each image labelled up to a budget since the one before: solid when the suggestion is "
        "corrected, dotted when the same images are labelled from scratch.</p>",
        figures.clicks_per_image(),
        f"<h2>IoU of each class{after}</h2>",
        "<p>At the last budget, mean over seeds. An empty field is a class that no test image shows.</p>",
        figures.classes(class_names),
        f"<h2>Does the score find the images that the model gets wrong?{after}</h2>",
        "<p>Rank correlation (Spearman) of the image score with 1 − mIoU of the suggestion, over the images "
        "left in the pool: 1 is perfect, 0 is chance.</p>",
        figures.ranking(),
        _ranking_table(curves),
    ]


class _Figures:
    """The figures of one recipe, with one colour per strategy."""

    def __init__(self, curves: Mapping[str, Curves], full: Sequence[BudgetResult]) -> None:
        self.curves = curves
        self.full = full
        others = [name for name in curves if name != RIVAL]
        self.colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(others)}
        self.colours[RIVAL] = _RIVAL_COLOUR
        self.marks = {name: _MARKS[place // len(_COLOURS) % len(_MARKS)] for place, name in enumerate(others)}
        self.marks[RIVAL] = _MARKS[0]

    def curve(self, name: str) -> dict[str, Any]:
        """Return how the line of a strategy and the marks on it are drawn."""
        mark = self.marks[name]
        return {
            "mode": "lines+markers",
            "line": {"color": self.colours[name], "width": 2.4},
            "marker": {"symbol": mark, "size": 6 if mark == _MARKS[0] else 10},
        }

    def drawn(self, figure: go.Figure, height: int = 400) -> str:
        """Return a chart with a legend of all strategies, which takes nothing from its height."""
        return _drawn(figure, height + _LEGEND_ROW * -(-len(self.curves) // _LEGEND_COLUMNS))

    def learning(self, paid: str) -> str:
        """Draw the learning curves over ``labels`` or ``clicks``."""
        figure = _figure("labelled images" if paid == "labels" else "clicks", "test mIoU")
        for name, of in self.curves.items():
            mean = mean_curve(of)
            xs = [getattr(point, paid) for point in mean]
            ys = [point.miou for point in mean]
            if len(of) > 1:
                spread = [point.deviation for point in mean]
                upper = [y + deviation for y, deviation in zip(ys, spread, strict=True)]
                lower = [y - deviation for y, deviation in zip(ys, spread, strict=True)]
                figure.add_scatter(
                    x=xs + xs[::-1],
                    y=upper + lower[::-1],
                    mode="lines",
                    fill="toself",
                    fillcolor=_transparent(self.colours[name]),
                    line={"width": 0},
                    hoverinfo="skip",
                    showlegend=False,
                    legendgroup=name,
                )
            figure.add_scatter(
                x=xs,
                y=ys,
                name=name,
                legendgroup=name,
                **self.curve(name),
                hovertemplate="%{y:.3f} at %{x:.0f} " + paid,
            )
            for seed, curve in of.items():
                figure.add_scatter(
                    x=[one.labels if paid == "labels" else _clicks(one) for one in curve],
                    y=[one.test_miou for one in curve],
                    mode="markers",
                    marker={"color": self.colours[name], "size": 5, "opacity": 0.5},
                    showlegend=False,
                    legendgroup=name,
                    hovertemplate=f"{name}, seed {seed}: %{{y:.3f}}<extra></extra>",
                )
        if self.full:
            reached = mean_and_deviation([one.test_miou for one in self.full])[0]
            for share, text in ((1.0, "all labels"), (0.95, "95 % of it")):
                figure.add_hline(
                    y=share * reached,
                    line={"color": _INK, "width": 1.2, "dash": "dash" if share == 1 else "dot"},
                    annotation={"text": text, "font": {"size": 11}},
                    annotation_position="top left",
                )
        return self.drawn(figure)

    def difference(self) -> str:
        """Draw the paired differences to random at each budget, in points of mIoU."""
        figure = _figure("labelled images", "points above random")
        figure.add_hline(y=0, line={"color": _RIVAL_COLOUR, "width": 1.4})
        for name, of in self.curves.items():
            rival = self.curves.get(RIVAL, {})
            seeds = [seed for seed in of if seed in rival and len(rival[seed]) == len(of[seed])]
            if name == RIVAL or not seeds:
                continue
            labels = [one.labels for one in of[seeds[0]]]
            by_seed = {
                seed: [
                    100 * (own.test_miou - other.test_miou)
                    for own, other in zip(of[seed], rival[seed], strict=True)
                ]
                for seed in seeds
            }
            same = list(zip(*by_seed.values(), strict=True))
            summary = [mean_and_deviation(values) for values in same]
            figure.add_scatter(
                x=labels,
                y=[mean for mean, _ in summary],
                error_y={"array": [0 if math.isnan(sd) else sd for _, sd in summary], "thickness": 1.2},
                name=name,
                **self.curve(name),
                hovertemplate="%{y:+.1f} points",
            )
            for seed, values in by_seed.items():
                figure.add_scatter(
                    x=labels,
                    y=values,
                    mode="markers",
                    marker={"color": self.colours[name], "size": 5, "opacity": 0.5},
                    showlegend=False,
                    hovertemplate=f"{name}, seed {seed}: %{{y:+.1f}}<extra></extra>",
                )
        return self.drawn(figure, height=320)

    def clicks_per_image(self) -> str:
        """Draw the mean clicks of the images labelled between two budgets, corrected and from scratch."""
        figure = _figure("labelled images", "clicks an image")
        for name, of in self.curves.items():
            curve = self.curve(name)
            scratch = curve | {"line": curve["line"] | {"dash": "dot", "width": 1.4}}
            for field, dotted in (("correction", False), ("correction_from_scratch", True)):
                steps = [_clicks_of_steps(curve, field) for curve in of.values()]
                figure.add_scatter(
                    x=[one.labels for one in next(iter(of.values()))],
                    y=[mean_and_deviation(same)[0] for same in zip(*steps, strict=True)],
                    name=f"{name} from scratch" if dotted else name,
                    showlegend=not dotted,
                    hovertemplate="%{y:.0f} clicks",
                    **(scratch if dotted else curve),
                )
        figure.update_yaxes(rangemode="tozero")
        return self.drawn(figure, height=320)

    def classes(self, names: Sequence[str]) -> str:
        """Draw the IoU of each class at the last budget, one row per strategy."""
        rows = {name: [curve[-1] for curve in of.values()] for name, of in self.curves.items()}
        if self.full:
            rows["all labels"] = list(self.full)
        values = [
            [
                mean_and_deviation([one.class_iou[of] for one in same if of in one.class_iou])[0]
                for of in names
            ]
            for same in rows.values()
        ]
        figure = _figure("", "")
        figure.add_heatmap(
            # In a chart, too, a name is read as HTML.
            x=[escape(name) for name in names],
            y=list(rows),
            z=[[None if math.isnan(value) else value for value in row] for row in values],
            zmin=0,
            zmax=1,
            colorscale="Viridis",
            texttemplate="%{z:.2f}",
            hovertemplate="%{y}: %{x} %{z:.3f}<extra></extra>",
            xgap=2,
            ygap=2,
            colorbar={"title": "IoU", "thickness": 12, "outlinewidth": 0},
        )
        figure.update_yaxes(autorange="reversed", showgrid=False)
        figure.update_xaxes(showgrid=False, tickangle=-35 if len(names) > 8 else 0)
        return _drawn(figure, height=120 + 38 * len(rows))

    def ranking(self) -> str:
        """Draw the rank correlation of score and true error at each budget."""
        figure = _figure("labelled images", "Spearman")
        figure.add_hline(y=0, line={"color": _RIVAL_COLOUR, "width": 1.2})
        for name, of in self.curves.items():
            same = list(zip(*of.values(), strict=True))
            summary = [
                mean_and_deviation(
                    [one.ranking.spearman for one in ones if one.ranking and one.ranking.spearman is not None]
                )
                for ones in same
            ]
            figure.add_scatter(
                x=[ones[0].labels for ones in same],
                y=[None if math.isnan(mean) else mean for mean, _ in summary],
                error_y={"array": [0 if math.isnan(sd) else sd for _, sd in summary], "thickness": 1.2},
                name=name,
                **self.curve(name),
                hovertemplate="%{y:.2f}",
            )
        return self.drawn(figure, height=320)


def _figure(x_title: str, y_title: str) -> go.Figure:
    figure = go.Figure()
    axis = {"gridcolor": _GRID, "zeroline": False, "linecolor": _GRID}
    figure.update_layout(
        font={"family": "system-ui, sans-serif", "size": 13, "color": _INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 60, "r": 16, "t": 16, "b": 48},
        xaxis=axis | {"title": x_title},
        yaxis=axis | {"title": y_title},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        # All of one budget in one box would cover the chart.
        hovermode="closest",
    )
    return figure


def _drawn(figure: go.Figure, height: int = 400) -> str:
    figure.update_layout(height=height)
    drawn = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True}
    )
    return f"<figure>{drawn}</figure>"


def _transparent(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"


def _clicks(result: BudgetResult) -> float:
    return float(result.clicks.correction) if result.clicks else math.nan


def _clicks_of_steps(curve: Sequence[BudgetResult], field: str) -> list[float]:
    totals = [(one.labels, getattr(one.clicks, field) if one.clicks else math.nan) for one in curve]
    return [
        (clicks - before) / (labels - earlier)
        for (labels, clicks), (earlier, before) in zip(totals, [(0, 0), *totals], strict=False)
    ]


# Words and tables


def _what_was_done(described: LabelledSet, comparisons: Sequence[Comparison], budgets: Sequence[int]) -> str:
    seeds = sorted({seed for one in comparisons for seed in one.seeds})
    return escape(
        f"A pool of {described.pool} images, {described.test} test images that nobody labels, "
        f"{len(described.classes)} classes. The truth answers for the annotator at {_listed(budgets)} "
        f"labels; "
        f"seed{'s' if len(seeds) > 1 else ''} {_listed(seeds)}. All strategies of a seed begin with the "
        f"same images "
        "and weights. Differences are tested by a two-sided paired t-test on the area under the curve, p "
        "values "
        "corrected by Holm over the strategies of a recipe."
    )


def _comparison_table(comparisons: Sequence[Comparison], full: Sequence[BudgetResult]) -> str:
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


def _cost_table(
    comparisons: Sequence[Comparison],
    curves: Mapping[str, Curves],
    seconds_per_click: float,
    conditions: Mapping[str, Any],
) -> str:
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
            + [_first_and_last([_clicks_of_steps(of, "correction") for of in curves[one.strategy].values()])]
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
        "less what this strategy had paid when its mean curve reached that."
    )
    return _table(head, rows) + f"<p class=note>{escape(note)}</p>"


def _ranking_table(curves: Mapping[str, Curves]) -> str:
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


def _origin(results: Sequence[BudgetResult], conditions: Mapping[str, Any], command: str) -> str:
    rows = [["command", command or "called from Python"]]
    for name in ("commit", "device", "machine"):
        rows.append([name, ", ".join(sorted({str(getattr(one, name)) for one in results}))])
    rows.append(["seeds", _listed(sorted({one.seed for one in results}))])
    rows.append(["computed in", f"{sum(one.wall_s for one in results) / 60:.1f} min, all runs"])
    for name, value in conditions.items():
        if isinstance(value, Mapping):
            text = ", ".join(f"{key} {entry}" for key, entry in value.items()) or "those of a new project"
        elif isinstance(value, (list, tuple)):
            text = _listed(value)
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


def _listed(values: Sequence[object]) -> str:
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


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Simulation on {escape(title)}</title>
<style>{_STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<main>
{body}
</main>
<script>{_THEME}</script>
</body>
</html>
"""


_STYLE = """
:root { color-scheme: light dark; --ink: #20242e; --soft: #5d6475; --line: #dfe2e9; --page: #fbfbfd; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ee; --soft: #a3a9b8; --line: #333846; --page: #14161c; }
}
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 40px 20px 80px; }
h1 { font-size: 28px; line-height: 1.25; margin: 0 0 20px; }
h2 { font-size: 20px; margin: 48px 0 8px; }
p { margin: 8px 0; max-width: 960px; }
.lead { font-size: 19px; font-weight: 550; }
.note { color: var(--soft); font-size: 14px; }
figure { margin: 12px 0 20px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { padding: 6px 8px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: bottom; }
td { white-space: nowrap; }
th { font-weight: 600; color: var(--soft); }
.left, .origin th, .origin td { text-align: left; }
.origin th, .origin td { vertical-align: top; }
.origin td { white-space: normal; overflow-wrap: anywhere; }
.origin th { white-space: nowrap; width: 1%; }
"""

_THEME = """
const dark = matchMedia("(prefers-color-scheme: dark)");
function paint() {
  const ink = dark.matches ? "#c9cdd8" : "#454b5a";
  const hover = { bgcolor: dark.matches ? "#20242e" : "#ffffff", font: { color: ink }, namelength: -1 };
  for (const plot of document.querySelectorAll(".js-plotly-plot"))
    Plotly.relayout(plot, { "font.color": ink, hoverlabel: hover });
}
dark.addEventListener("change", paint);
paint();
"""
