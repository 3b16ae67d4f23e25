"""The table of a project's rounds on the Training page."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from app import charts
from storage.rounds import RoundInfo
from storage.schema import COLD_START

RANKING_NOTE = "Trains nothing: the pool in a new order, by the weights in use"
COLD_START_NOTE = "Trains nothing: typical and diverse images come first until there are labels"


def reason_to(reader: str, info: RoundInfo) -> str:
    """Return why a round was started, as an annotator of this name reads it."""
    by_reader = f"tarted by {reader}"
    return info.reason.removesuffix(reader) + "you" if info.reason.endswith(by_reader) else info.reason


def history_rows(past: list[RoundInfo], reader: str) -> list[dict[str, Any]]:
    """Return the table of rounds, newest first, for an annotator of this name."""
    return [
        {
            "Round": info.number,
            "State": info.state,
            "Reason": reason_to(reader, info),
            "Labels": info.metrics.get("labels"),
            "Audit mIoU": charts.audit_miou(info.metrics),
            "Range": range_text(info.metrics),
            "Round before": info.metrics.get("parent_audit_miou"),
            "Better": info.metrics.get("share_above_parent"),
            "Error AUROC": info.metrics.get("error_auroc"),
            "ECE": _shown_ece(info.metrics),
            "Minutes": (info.finished_at - info.started_at) / 60
            if info.started_at and info.finished_at
            else None,
            "Started": dt.datetime.fromtimestamp(info.started_at, dt.UTC) if info.started_at else None,
            "Note": info.error or info.note or _what_it_is(info),
        }
        for info in sorted(past, key=lambda info: -info.number)
    ]


def _shown_ece(metrics: Mapping[str, Any]) -> float | None:
    """Return the error of the probabilities as people see them: at the temperature, where there is one."""
    after = metrics.get("ece_after_temperature")
    return metrics.get("ece") if after is None or math.isnan(after) else after


def _what_it_is(info: RoundInfo) -> str:
    if info.number == COLD_START:
        return COLD_START_NOTE
    return RANKING_NOTE if info.kind == "ranks" else ""


def range_text(metrics: Mapping[str, Any]) -> str | None:
    """Return where the audit mIoU lies in most redraws of its images, and how many images there are."""
    if (between := charts.audit_miou_range(metrics)) is None:
        return None
    low, high = between
    return f"{100 * low:.0f} to {100 * high:.0f} %, {metrics['audit_images']} images"


def history_table(past: list[RoundInfo], reader: str) -> None:
    """Draw the table of rounds for an annotator of this name."""
    rows = history_rows(past, reader)
    share_bar = partial(
        st.column_config.ProgressColumn, min_value=0, max_value=1, format="percent", width=110
    )
    with st.container(key="round-history"):
        st.dataframe(
            rows,
            hide_index=True,
            placeholder="–",
            # Room for the others: before there are audit images, and a round before, these say nothing.
            column_order=[name for name in rows[0] if any(row[name] not in (None, "") for row in rows)],
            column_config={
                "Round": st.column_config.NumberColumn(width=60),
                "State": st.column_config.TextColumn(width=80),
                "Reason": st.column_config.TextColumn(width=190),
                "Labels": st.column_config.NumberColumn(width=60),
                "Audit mIoU": share_bar(
                    help="Overlap (IoU) of suggestion and label, mean over the classes that the audit images "
                    "show.",
                ),
                "Range": st.column_config.TextColumn(
                    width=140,
                    help="As many images, drawn from these again and again: nine in ten draws have an audit "
                    "mIoU in between. With more audit images it narrows.",
                ),
                "Round before": share_bar(
                    help="Audit mIoU of the round before on these images. Some are added between rounds, so "
                    "the figures of two rounds do not compare.",
                ),
                "Better": st.column_config.NumberColumn(
                    format="percent",
                    width=70,
                    help="In how many of such draws this round is above the round before. Near 50 % these "
                    "images cannot tell the two apart.",
                ),
                "Error AUROC": st.column_config.NumberColumn(
                    format="%.2f",
                    width=90,
                    help="How well uncertainty finds the wrong pixels of the audit images: 0.5 is chance, "
                    "1 is perfect.",
                ),
                "ECE": st.column_config.NumberColumn(
                    format="%.2f",
                    width=60,
                    help="Calibration error on the audit images: by how much confidence and accuracy differ, "
                    "0 is best.",
                ),
                "Minutes": st.column_config.NumberColumn(format="%.1f", width=70),
                "Started": st.column_config.DatetimeColumn(format="distance", width=110),
                "Note": st.column_config.TextColumn(width=300),
            },
        )
