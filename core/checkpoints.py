"""Folders with the checkpoints of a training: one is always whole, the newest counts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

ATTEMPTS_FILE = "attempts"


def write_checkpoint(folder: Path, step: int, save: Callable[[Path], None]) -> Path:
    """Write the checkpoint of a step atomically.

    Args:
        folder: of the round; made when missing.
        step: becomes the folder's name, ``step-000120``.
        save: writes the files into a folder that exists.

    Returns:
        The folder ``folder/step-…``; one that is there already is kept.

    Raises:
        OSError: The disk is full or cannot be written to; nothing half-written stays.
    """
    final = folder / f"step-{step:06d}"
    if final.exists():
        return final
    partial = folder / f".{final.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        save(partial)
        partial.rename(final)
    except SafetensorError as error:
        # It hides the number of the system's error in its text.
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(final)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if os.name != "nt":  # Windows cannot open a folder for fsync
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return final


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint of the highest step of a round; None when there is none."""
    return max(folder.glob("step-*"), default=None)


def remove_others(kept: Path) -> None:
    """Remove every other checkpoint of the round, also what a killed process left half-written."""
    for other in [*kept.parent.glob("step-*"), *kept.parent.glob(".step-*.partial")]:
        if other != kept:
            shutil.rmtree(other, ignore_errors=True)


def count_attempt(folder: Path, begins_from: str | None) -> int:
    """Count how often in a row a process began from the same checkpoint, and count this one.

    A round that kills its process again and again, as on a machine without memory, is found by this.

    Args:
        folder: of the round; made when missing.
        begins_from: the round's newest checkpoint; None at its start.

    Returns:
        1 for the first attempt from this checkpoint, or from the start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ATTEMPTS_FILE
    place = begins_from or "the start"
    try:
        count, _, before = file.read_text(encoding="utf-8").partition(" ")
        attempt = int(count) + 1 if before == place else 1
    except (OSError, ValueError):
        attempt = 1
    file.write_text(f"{attempt} {place}", encoding="utf-8")
    return attempt


def forget_attempts(folder: Path) -> None:
    """Forget them, because the round is done or the process stopped on purpose."""
    (folder / ATTEMPTS_FILE).unlink(missing_ok=True)
