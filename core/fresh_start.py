"""When a round tries fresh weights, and where its two attempts keep their checkpoints.

A network that goes on from round to round learns later labels worse than a fresh one (Ash and Adams 2020,
"On warm-starting neural network training"). So when the labels have doubled, a round begins fresh, and goes
on from its parent only when the audit images say that the parent is better.

The round's folder has the checkpoints of a fresh start in ``fresh`` and those of a warm one in ``warm``.
Which of the two are there says, after a process was killed, how far the round is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

Start = Literal["fresh", "warm"]

GROWTH = 2
"""A fresh start is due when there are so many times the labels of the last one."""
MIN_AUDIT_IMAGES = 2
"""With fewer audit images nobody could say which start is better."""

_RANDOM = "began-at-random"


def is_due(labels: int, lineage: Iterable[Mapping[str, Any]], audit_images: int) -> bool:
    """Return whether a round should try fresh weights though it has a parent.

    Args:
        labels: Of the round.
        lineage: Metrics of its parent, of that one's parent and so on to the first round; of each
            ``labels`` and, when it tried fresh weights, a true ``fresh_start_tried``. The first round
            always counts as fresh.
        audit_images: Labelled ones, on which the two would be compared.
    """
    last = 0
    for metrics in lineage:
        last = metrics.get("labels", 0)
        if metrics.get("fresh_start_tried"):
            break
    return labels >= GROWTH * last and audit_images >= MIN_AUDIT_IMAGES


def begun(folder: Path) -> Start | None:
    """Return the start that the round of this folder is at; None when it has not begun to train."""
    if (folder / "warm").exists():
        return "warm"
    return "fresh" if tried(folder) else None


def tried(folder: Path) -> bool:
    """Return whether the round of this folder tried fresh weights, whatever came of it."""
    return (folder / "fresh").exists()


def keep_began_at_random(folder: Path, is_so: bool) -> None:
    """Keep for the processes that follow whether the fresh start of the round began at random values."""
    marker = folder / "fresh" / _RANDOM
    if is_so:
        marker.touch()
    else:
        marker.unlink(missing_ok=True)


def began_at_random(folder: Path) -> bool:
    """Return whether the fresh start of the round began at random values for want of pretrained weights."""
    return (folder / "fresh" / _RANDOM).exists()


def begin(folder: Path, start: Start) -> Path:
    """Make and return the folder for the checkpoints of a start.

    A warm one after a fresh one removes the checkpoints of the fresh one, in an order that leaves no doubt
    when the process is killed in between.
    """
    checkpoints = folder / start
    checkpoints.mkdir(parents=True, exist_ok=True)
    if start == "warm":
        for checkpoint in (folder / "fresh").glob("step-*"):
            shutil.rmtree(checkpoint)
    return checkpoints
