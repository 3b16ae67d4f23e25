"""Plotly figures of a project's rounds. Pure functions: numbers and class colours in, a figure out.

Metric names as the worker reports them: ``loss`` (the total), its parts by name (``supervised``, ``kl``,
…; those that end in ``_share`` are shares in [0, 1]), ``audit_miou`` and ``class_iou/<class index>``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from storage.projects import ClassInfo
from storage.rounds import RoundInfo

LOSS = "loss"
UNLABELLED = "unlabelled"
SHARE_ENDING = "_share"
AUDIT_MIOU = "audit_miou"
CLASS_IOU = "class_iou/"

HEIGHT = 290
"""Height of every figure in pixels, so that a live figure never moves what is below it."""

_LEGEND_LETTERS = 22
"""Beside longer names of classes there would be no room for their curves."""
_PART_COLOURS = ("#4c78a8", "#e0913a", "#54a24b", "#b279a2", "#d1605e", "#72b7b2")
_ACCENT = "#5b7cfa"
_INK = "#7b8296"
"""Text that can be read on the light and on the dark theme."""
_GRID = "rgba(128,134,150,0.25)"


def loss_figure(
    points: Sequence[tuple[int, str, float]],
    steps: int | None = None,
    weights: Mapping[str, float] | None = None,
    begun_again: int | None = None,
) -> go.Figure:
    """Loss of one round over its steps: the total, its weighted parts, and shares on an axis of their own.

    A line stands where the unlabelled images join, since the total jumps there.

    Args:
        points: ``(step, metric name, value)`` as :func:`storage.rounds.curve` returns them; measures of
            quality among them are ignored.
        steps: Steps of the whole round; fixes the x axis, so that the curve grows into it.
        weights: Factor of each part in the total; 1 for those not named.
        begun_again: Step after which the weights of the round before were gone on from, since a fresh start
            was worse.
    """
    curves = _curves(points)
    figure = _figure("step", "loss")
    parts = [name for name in curves if name not in (LOSS, AUDIT_MIOU) and not name.startswith(CLASS_IOU)]
    shares = [name for name in parts if name.endswith(SHARE_ENDING)]
    terms = [name for name in parts if name not in shares]
    for position, name in enumerate(terms):
        xs, ys = curves[name]
        weight = (weights or {}).get(name, 1.0)
        figure.add_scatter(
            x=xs,
            y=[weight * value for value in running_mean(ys)],
            mode="lines",
            name=_spoken(name) if weight == 1.0 else f"{_spoken(name)} × {weight:g}",
            line={"color": _PART_COLOURS[position % len(_PART_COLOURS)], "width": 1.4},
            hovertemplate="%{y:.3f}",
        )
    for name in shares:
        xs, ys = curves[name]
        figure.add_scatter(
            x=xs,
            y=running_mean(ys),
            mode="lines",
            name=_spoken(name),
            line={"color": "#8a91a5", "width": 1.4, "dash": "dot"},
            hovertemplate="%{y:.0%}",
            yaxis="y2",
        )
    if shares:
        figure.update_layout(
            legend_x=1.13,
            yaxis2={
                "overlaying": "y",
                "side": "right",
                "range": [0, 1.02],
                "tickformat": ".0%",
                "dtick": 0.25,
                "showgrid": False,
                "zeroline": False,
                "title": {"text": "share of pixels", "standoff": 4},
            },
        )
    if LOSS in curves:
        xs, ys = curves[LOSS]
        figure.add_scatter(
            x=xs,
            y=running_mean(ys),
            mode="lines",
            name="total",
            line={"color": _ACCENT, "width": 2.6},
            hovertemplate="%{y:.3f}",
        )
        if UNLABELLED in curves and (joined := curves[UNLABELLED][0][0]) > xs[0]:
            _mark_step(figure, joined, "unlabelled images join", steps)
    _fix_steps(figure, steps, begun_again)
    figure.update_layout(yaxis_rangemode="tozero")
    return figure


def quality_in_round_figure(
    points: Sequence[tuple[int, str, float]],
    classes: Sequence[ClassInfo],
    steps: int | None = None,
    begun_again: int | None = None,
) -> go.Figure:
    """Audit mIoU and per-class IoU of one round over its steps; arguments as in :func:`loss_figure`."""
    curves = _curves(points)
    figure = _quality_figure("step")
    for info in classes:
        if (name := f"{CLASS_IOU}{info.index}") in curves:
            xs, ys = curves[name]
            _add_class(figure, info, xs, ys)
    if AUDIT_MIOU in curves:
        xs, ys = curves[AUDIT_MIOU]
        _add_mean(figure, xs, ys)
    _fix_steps(figure, steps, begun_again)
    return figure


def measured_rounds(rounds: Sequence[RoundInfo]) -> list[RoundInfo]:
    """Return the finished rounds that trained and were measured on audit images, oldest first.

    One that only ranks has the network of another on today's audit images: that is no step of the model.
    """
    done = [info for info in rounds if info.state == "done" and info.kind != "ranks"]
    return sorted(
        (info for info in done if audit_miou(info.metrics) is not None), key=lambda info: info.number
    )


def quality_by_round_figure(rounds: Sequence[RoundInfo], classes: Sequence[ClassInfo]) -> go.Figure:
    """Audit mIoU with its range and per-class IoU of :func:`measured_rounds`."""
    measured = {
        info.number: (miou, info.metrics)
        for info in measured_rounds(rounds)
        if (miou := audit_miou(info.metrics)) is not None
    }
    figure = _quality_figure("round")
    for info in classes:
        known = [
            (number, iou)
            for number, (_, metrics) in measured.items()
            if (iou := class_iou(metrics, info.index)) is not None
        ]
        if known:
            _add_class(figure, info, [number for number, _ in known], [iou for _, iou in known])
    if measured:
        mious = [miou for miou, _ in measured.values()]
        ranges = [audit_miou_range(metrics) or (miou, miou) for miou, metrics in measured.values()]
        _add_mean(figure, list(measured), mious)
        figure.data[-1].update(
            error_y={
                "symmetric": False,
                "array": [high - miou for miou, (_, high) in zip(mious, ranges, strict=True)],
                "arrayminus": [miou - low for miou, (low, _) in zip(mious, ranges, strict=True)],
                "thickness": 1.4,
            }
        )
    last = max(measured, default=1)
    figure.update_xaxes(range=[0.5, last + 0.5], dtick=1 if last < 20 else None)
    return figure


def audit_miou(metrics: Mapping[str, Any]) -> float | None:
    """Audit mIoU in [0, 1] among a round's final metrics; None when there was nothing to measure on."""
    value = metrics.get(AUDIT_MIOU)
    return None if value is None else float(value)


def audit_miou_range(metrics: Mapping[str, Any]) -> tuple[float, float] | None:
    """Where the audit mIoU lies in most redraws of its images, in [0, 1]; None where they are too few."""
    low, high = (metrics.get(f"{AUDIT_MIOU}_{end}") for end in ("low", "high"))
    return None if low is None or high is None else (float(low), float(high))


def class_iou(metrics: Mapping[str, Any], index: int) -> float | None:
    """IoU in [0, 1] of one class among a round's final metrics; None when the audit images lack it."""
    value = (metrics.get("class_iou") or {}).get(str(index))
    return None if value is None else float(value)


def running_mean(values: Sequence[float], memory: float = 0.85) -> list[float]:
    """Exponential running mean, unbiased at its start; ``memory`` in [0, 1) is the weight of the past."""
    means: list[float] = []
    total = weight = 0.0
    for value in values:
        total = memory * total + (1 - memory) * value
        weight = memory * weight + (1 - memory)
        means.append(total / weight)
    return means


def _fix_steps(figure: go.Figure, steps: int | None, begun_again: int | None) -> None:
    if steps:
        figure.update_xaxes(range=[0, steps])
    if begun_again is not None:
        _mark_step(figure, begun_again, "fresh start was worse: on from the round before", steps)


def _mark_step(figure: go.Figure, step: int, text: str, steps: int | None) -> None:
    is_late = steps is not None and step > steps / 2
    figure.add_vline(
        step,
        line={"color": _INK, "width": 1, "dash": "dash"},
        annotation={"text": text, "font": {"color": _INK, "size": 11}},
        annotation_position="top left" if is_late else "top right",
    )


def _curves(points: Sequence[tuple[int, str, float]]) -> dict[str, tuple[list[int], list[float]]]:
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for step, name, value in sorted(points):
        xs, ys = curves.setdefault(name, ([], []))
        xs.append(step)
        ys.append(value)
    return curves


def _figure(x_title: str, y_title: str) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 52, "r": 8, "t": 6, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": _INK, "size": 12, "family": "Source Sans, system-ui, sans-serif"},
        hovermode="x unified",
        hoverlabel={"bgcolor": "#23283a", "bordercolor": "#23283a", "font": {"color": "#f2f4fa"}},
        showlegend=True,
        legend={"x": 1.02, "y": 1, "font": {"size": 11}, "itemwidth": 30, "tracegroupgap": 0},
        uirevision="keep",
    )
    line = {"gridcolor": _GRID, "zerolinecolor": _GRID}
    figure.update_xaxes(title={"text": x_title, "standoff": 6}, rangemode="tozero", showgrid=False, **line)
    figure.update_yaxes(title={"text": y_title, "standoff": 8}, **line)
    return figure


def _quality_figure(x_title: str) -> go.Figure:
    figure = _figure(x_title, "IoU")
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%", dtick=0.25)
    return figure


def _add_class(figure: go.Figure, info: ClassInfo, xs: Sequence[int], ys: Sequence[float]) -> None:
    figure.add_scatter(
        x=list(xs),
        y=list(ys),
        mode="lines+markers",
        name=info.name if len(info.name) <= _LEGEND_LETTERS else f"{info.name[: _LEGEND_LETTERS - 1]}…",
        line={"color": info.colour, "width": 1.4},
        marker={"size": 6, "line": {"color": _INK, "width": 1}},
        hovertemplate="%{y:.1%}",
    )


def _add_mean(figure: go.Figure, xs: Sequence[int], ys: Sequence[float]) -> None:
    figure.add_scatter(
        x=list(xs),
        y=list(ys),
        mode="lines+markers",
        name="audit mIoU",
        line={"color": _ACCENT, "width": 3.2},
        marker={"size": 8},
        hovertemplate="%{y:.1%}",
    )


def _spoken(name: str) -> str:
    return name.removesuffix(SHARE_ENDING).replace("_", " ")
