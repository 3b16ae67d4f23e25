"""The figures of a report: learning curves, what labels cost, classes, and how well images are ranked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from core.learning_curve import mean_and_deviation
from core.simulate.comparison import RIVAL, Curves, mean_curve
from core.simulate.results import BudgetResult, clicks_per_image

_RIVAL_COLOUR = "#8a8f9c"
_COLOURS = ("#1f8fd1", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b61c9", "#a0522d")
"""After Okabe and Ito, whom people of any colour vision can follow; the blue is lighter for dark pages."""
_MARKS = ("circle", "diamond", "square", "triangle-up")
"""What tells strategies of the same colour apart."""
_LEGEND_ROW, _LEGEND_COLUMNS = 20, 3
"""Height in pixels of a row of a legend, and how many names stand in it."""
_INK = "#7b8296"
_GRID = "rgba(128,134,150,0.25)"


class Figures:
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
                steps = [clicks_per_image(curve, field) for curve in of.values()]
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
