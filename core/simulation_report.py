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
from core.simulation_comparison import (
    MARKS,
    RIVAL,
    Comparison,
    Curves,
    compared,
    curves_of,
    full_supervision,
    in_words,
    mean_curve,
)
from core.simulation_grid import FULL
from core.simulation_results import BudgetResult
from core.simulation_set import LabelledSet
from storage.files import write_atomically

_RIVAL_COLOUR = "#8a8f9c"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b61c9", "#a0522d")
"""Okabe and Ito's, which people of any colour vision tell apart, and two more."""
_INK = "#7b8296"
_GRID = "rgba(128,134,150,0.25)"
_DASHES = ("solid", "dash", "dot", "dashdot")

Key = tuple[str, str]
"""Recipe and strategy."""


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
    comparisons = compared(results)
    curves = {key: of for key, of in curves_of(results).items() if key[1] != FULL}
    figures = _Figures(curves, results)
    lead, *rest = in_words(comparisons)
    budgets = sorted({one.labels for one in results if one.strategy != FULL})
    parts = [
        f"<h1>{escape(described.name)}: which images are worth labelling?</h1>",
        f'<p class="lead">{escape(lead)}</p>',
        *(f"<p>{escape(sentence)}</p>" for sentence in rest),
        f"<p class=note>{_what_was_done(described, comparisons, budgets)}</p>",
        "<h2>Learning curves</h2>",
        "<p>Mean IoU on the test images after each round. A line is the mean over seeds, its band one "
        "standard "
        "deviation, a dot one seed.</p>",
        figures.learning("labels"),
        "<p>The same over what the labels cost: clicks to correct the suggestion of the round before, or to "
        "label from scratch where there was none. Images a model is unsure of can cost more clicks, so a "
        "win in "
        "images may be none here.</p>",
        figures.learning("clicks"),
        _section_difference(figures, comparisons),
        "<h2>Strategies compared</h2>",
        _comparison_table(comparisons, results),
        "<h2>What the labels cost</h2>",
        _cost_table(comparisons, seconds_per_click, conditions),
        figures.clicks_per_image(),
        "<h2>IoU of each class</h2>",
        f"<p>At {budgets[-1]} labels, mean over seeds. An empty field is a class that occurs neither in the "
        f"truth "
        "nor in the predictions.</p>",
        figures.classes(described.classes),
        "<h2>Does the score find the images that the model gets wrong?</h2>",
        "<p>Rank correlation (Spearman) of the image score with 1 − mIoU of the suggestion, over the images "
        "left "
        "in the pool. 1 is perfect, 0 is chance. The table counts how many of the images with the highest "
        "scores "
        "are among as many with the largest errors.</p>",
        figures.ranking(),
        _ranking_table(curves),
        "<h2>Settings and origin</h2>",
        _origin(results, conditions, command),
    ]
    write_atomically(path, _page(described.name, "\n".join(parts)).encode())


class _Figures:
    """The figures, with one colour per strategy and one kind of line per recipe."""

    def __init__(self, curves: Mapping[Key, Curves], results: Sequence[BudgetResult]) -> None:
        self.curves = curves
        self.results = results
        strategies = list(dict.fromkeys(strategy for _, strategy in curves))
        others = [name for name in strategies if name != RIVAL]
        self.colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(others)}
        self.colours[RIVAL] = _RIVAL_COLOUR
        self.recipes = list(dict.fromkeys(recipe for recipe, _ in curves))

    def name(self, key: Key) -> str:
        return f"{key[1]}, {key[0]}" if len(self.recipes) > 1 else key[1]

    def line(self, key: Key) -> dict[str, Any]:
        dash = _DASHES[self.recipes.index(key[0]) % len(_DASHES)]
        return {"color": self.colours[key[1]], "width": 2.4, "dash": dash}

    def learning(self, paid: str) -> str:
        """Draw the learning curves over ``labels`` or ``clicks``."""
        figure = _figure("labelled images" if paid == "labels" else "clicks", "test mIoU")
        for key, of in self.curves.items():
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
                    fill="toself",
                    fillcolor=_transparent(self.colours[key[1]]),
                    line={"width": 0},
                    hoverinfo="skip",
                    showlegend=False,
                    legendgroup=self.name(key),
                )
            figure.add_scatter(
                x=xs,
                y=ys,
                mode="lines+markers",
                name=self.name(key),
                legendgroup=self.name(key),
                line=self.line(key),
                hovertemplate="%{y:.3f} at %{x:.0f} " + paid,
            )
            for seed, curve in of.items():
                figure.add_scatter(
                    x=[one.labels if paid == "labels" else _clicks(one) for one in curve],
                    y=[one.test_miou for one in curve],
                    mode="markers",
                    marker={"color": self.colours[key[1]], "size": 5, "opacity": 0.5},
                    showlegend=False,
                    legendgroup=self.name(key),
                    hovertemplate=f"{self.name(key)}, seed {seed}: %{{y:.3f}}<extra></extra>",
                )
        for recipe in self.recipes:
            full = full_supervision(self.results, recipe)
            if full is not None:
                suffix = f", {recipe}" if len(self.recipes) > 1 else ""
                for share, text in ((1.0, "all labels"), (0.95, "95 % of it")):
                    figure.add_hline(
                        y=share * full[0],
                        line={"color": _INK, "width": 1.2, "dash": "dash" if share == 1 else "dot"},
                        annotation={"text": text + suffix, "font": {"size": 11}},
                        annotation_position="top left",
                    )
        return _drawn(figure)

    def difference(self) -> str:
        """Draw the paired differences to random at each budget, in points of mIoU."""
        figure = _figure("labelled images", "points of mIoU above random")
        figure.add_hline(y=0, line={"color": _RIVAL_COLOUR, "width": 1.4})
        for key, of in self.curves.items():
            rival = self.curves.get((key[0], RIVAL), {})
            seeds = [seed for seed in of if seed in rival and len(rival[seed]) == len(of[seed])]
            if key[1] == RIVAL or not seeds:
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
                mode="lines+markers",
                name=self.name(key),
                line=self.line(key),
                hovertemplate="%{y:+.1f} points",
            )
            for seed, values in by_seed.items():
                figure.add_scatter(
                    x=labels,
                    y=values,
                    mode="markers",
                    marker={"color": self.colours[key[1]], "size": 5, "opacity": 0.5},
                    showlegend=False,
                    hovertemplate=f"{self.name(key)}, seed {seed}: %{{y:+.1f}}<extra></extra>",
                )
        return _drawn(figure, height=320)

    def clicks_per_image(self) -> str:
        """Draw the mean clicks of the images labelled between two budgets, corrected and from scratch."""
        figure = _figure("labelled images", "clicks an image")
        for key, of in self.curves.items():
            for field, dash, suffix in (
                ("correction", None, "correcting"),
                ("correction_from_scratch", "dot", "from scratch"),
            ):
                steps = [_clicks_of_steps(curve, field) for curve in of.values()]
                figure.add_scatter(
                    x=[one.labels for one in next(iter(of.values()))],
                    y=[mean_and_deviation(same)[0] for same in zip(*steps, strict=True)],
                    mode="lines+markers",
                    name=f"{self.name(key)}, {suffix}",
                    line=self.line(key) | ({"dash": dash, "width": 1.4} if dash else {}),
                    hovertemplate="%{y:.0f} clicks",
                )
        figure.update_yaxes(rangemode="tozero")
        return _drawn(figure, height=320)

    def classes(self, names: Sequence[str]) -> str:
        """Draw the IoU of each class at the last budget, one row per strategy and recipe."""
        rows: dict[str, list[BudgetResult]] = {}
        for key, of in self.curves.items():
            rows[self.name(key)] = [curve[-1] for curve in of.values()]
        for recipe in self.recipes:
            of_full = [one for one in self.results if one.strategy == FULL and one.recipe == recipe]
            if of_full:
                rows[self.name((recipe, "all labels"))] = of_full
        values = [
            [
                mean_and_deviation([one.class_iou[name] for one in same if name in one.class_iou])[0]
                for name in names
            ]
            for same in rows.values()
        ]
        figure = _figure("", "")
        figure.add_heatmap(
            x=list(names),
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
        figure.update_layout(hovermode="closest")
        return _drawn(figure, height=120 + 38 * len(rows))

    def ranking(self) -> str:
        """Draw the rank correlation of score and true error at each budget."""
        figure = _figure("labelled images", "Spearman")
        figure.add_hline(y=0, line={"color": _RIVAL_COLOUR, "width": 1.2})
        for key, of in self.curves.items():
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
                mode="lines+markers",
                name=self.name(key),
                line=self.line(key),
                hovertemplate="%{y:.2f}",
            )
        return _drawn(figure, height=320)


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
        hovermode="x unified",
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


def _section_difference(figures: _Figures, comparisons: Sequence[Comparison]) -> str:
    if not any(one.against_random for one in comparisons):
        return ""
    return (
        "<h2>Difference to random</h2><p>Paired by seed; bars are one standard deviation of the "
        f"differences.</p>{figures.difference()}"
    )


def _comparison_table(comparisons: Sequence[Comparison], results: Sequence[BudgetResult]) -> str:
    with_full = any(one.share_for for one in comparisons)
    head = ["strategy", "recipe", "seeds", "last mIoU", "area", "to random", "p (Holm)", "area over clicks"]
    head += ["to random", "p (Holm)"]
    head += [f"labels for {mark:.0%}" for mark in MARKS] if with_full else []
    rows = []
    for one in comparisons:
        row = [one.strategy, one.recipe, str(len(one.seeds)), _points(*one.last), _points(*one.area)]
        row += [_difference(one.against_random), _p(one.p_holm), _points(*one.area_over_clicks)]
        row += [_difference(one.against_random_over_clicks), _p(one.p_holm_over_clicks)]
        if with_full:
            row += [_share(one.share_for.get(mark)) if one.share_for else "" for mark in MARKS]
        rows.append(row)
    for recipe in dict.fromkeys(one.recipe for one in comparisons):
        full = full_supervision(results, recipe)
        if full is not None:
            seeds = sum(one.strategy == FULL and one.recipe == recipe for one in results)
            rows.append(["all labels", recipe, str(seeds), _points(*full)] + [""] * (len(head) - 4))
    note = (
        "mIoU in points, mean ± standard deviation over seeds. The area is the mean height of the curve: "
        "trapezoid "
        "over label share, divided by its range; over clicks, in the range that all strategies of a seed "
        "cover."
    )
    if with_full:
        note += (
            " The last columns give the label share at which the mean curve reaches that share of the mIoU "
            "with all labels."
        )
    else:
        note += " How few labels reach 90, 95 and 97 % of full supervision is known with --full."
    return _table(head, rows, left=2) + f"<p class=note>{escape(note)}</p>"


def _cost_table(
    comparisons: Sequence[Comparison], seconds_per_click: float, conditions: Mapping[str, Any]
) -> str:
    rows = []
    for one in comparisons:
        if not math.isfinite(one.clicks["correction"]):
            continue
        rival = next((it for it in comparisons if (it.strategy, it.recipe) == (RIVAL, one.recipe)), None)
        scratch, corrected = one.clicks["correction_from_scratch"], one.clicks["correction"]
        equal = "" if rival is None or one is rival else "not reached"
        if rival is not None and one is not rival and one.random_clicks is not None:
            equal = _hours(rival.clicks["correction"] - one.random_clicks, seconds_per_click)
        rows.append(
            [one.strategy, one.recipe]
            + [f"{one.clicks[name]:.0f}" for name in ("superpixel_from_scratch", "superpixel")]
            + [f"{scratch:.0f}", f"{corrected:.0f}", f"{one.clicks['given_up']:.1f}"]
            + [_hours(corrected, seconds_per_click), _hours(scratch - corrected, seconds_per_click), equal]
        )
    head = [
        "strategy",
        "recipe",
        "superpixels, from scratch",
        "superpixels",
        "clicks, from scratch",
        "clicks",
    ]
    head += ["given up", "hours", "saved by suggestions", "saved against random"]
    annotator = conditions.get("annotator", {})
    note = (
        "For all labels of a run, mean over seeds. Superpixels: those whose dominant class differs from the "
        "suggestion's, one click each. Clicks: a simulated annotator corrects the largest wrong piece "
        "first, until "
        f"{annotator.get('target', 0.95):.0%} of the pixels agree, and gives up after "
        f"{annotator.get('most_clicks', 200)} clicks (jitter {annotator.get('jitter', 0):g} px, class errors "
        f"{annotator.get('class_errors', 0):.0%}). Hours are these clicks at {seconds_per_click:g} s each, "
        f"an "
        "assumption, and nothing else: neither looking nor waiting. Saved by suggestions: against labelling "
        "the same "
        "images from scratch. Saved against random: what random paid for its last mIoU, less what this "
        "strategy had "
        "paid when its mean curve reached that."
    )
    return _table(head, rows, left=2) + f"<p class=note>{escape(note)}</p>"


def _ranking_table(curves: Mapping[Key, Curves]) -> str:
    rows = []
    for (recipe, strategy), of in curves.items():
        for same in zip(*of.values(), strict=True):
            known = [one.ranking for one in same if one.ranking]
            if not known:
                continue
            chance = mean_and_deviation([one.worst / one.images for one in known])[0]
            rank = [one.spearman for one in known if one.spearman is not None]
            rows.append(
                [
                    strategy,
                    recipe,
                    str(same[0].labels),
                    _plus_minus(*mean_and_deviation(rank)),
                    f"{mean_and_deviation([one.precision for one in known])[0]:.0%}",
                    f"{known[0].worst} of {known[0].images}",
                    f"{chance:.0%}",
                    _mean([one.test_error_auroc for one in same]),
                    _mean([one.test_ece for one in same]),
                ]
            )
    head = ["strategy", "recipe", "labels", "Spearman", "precision", "worst", "chance", "error AUROC", "ECE"]
    note = "Error AUROC and calibration error are those of the pixels of the test images."
    return _table(head, rows, left=2) + f"<p class=note>{note}</p>"


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


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    def line(tag: str, values: Sequence[str]) -> str:
        fields = (
            f"<{tag}{' class=left' if place < left else ''}>{escape(value)}</{tag}>"
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
    return f"{100 * test.mean:+.1f}{spread}"


def _p(value: float) -> str:
    return "" if math.isnan(value) else "< .001" if value < 0.001 else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.1%}"


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{mean_and_deviation(known)[0]:.3f}" if known else "–"


def _hours(clicks: float, seconds_per_click: float) -> str:
    time = hours(clicks, seconds_per_click)
    return f"{time:.2f} h" if abs(time) < 10 else f"{time:.0f} h"


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
main { max-width: 900px; margin: 0 auto; padding: 40px 20px 80px; }
h1 { font-size: 28px; line-height: 1.25; margin: 0 0 20px; }
h2 { font-size: 20px; margin: 48px 0 8px; }
p { margin: 8px 0; }
.lead { font-size: 19px; font-weight: 550; }
.note { color: var(--soft); font-size: 14px; }
figure { margin: 12px 0 20px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: bottom; }
td { white-space: nowrap; }
th { font-weight: 600; color: var(--soft); }
.left, .origin th, .origin td { text-align: left; vertical-align: top; }
.origin td { white-space: normal; overflow-wrap: anywhere; }
.origin th { white-space: nowrap; width: 1%; }
"""

_THEME = """
const dark = matchMedia("(prefers-color-scheme: dark)");
function paint() {
  const ink = dark.matches ? "#c9cdd8" : "#454b5a";
  const hover = { bgcolor: dark.matches ? "#20242e" : "#ffffff", font: { color: ink } };
  for (const plot of document.querySelectorAll(".js-plotly-plot"))
    Plotly.relayout(plot, { "font.color": ink, hoverlabel: hover });
}
dark.addEventListener("change", paint);
paint();
"""
