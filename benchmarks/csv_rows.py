"""Rows of a result file: figures, and where they come from."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from core import provenance
from core.train_config import TrainConfig
from storage.settings import RoundSettings

Row = Mapping[str, object]


def about(device: str = "cpu") -> dict[str, object]:
    """Return the columns that every row of a result file ends with."""
    script = Path(sys.argv[0])
    command = ["python", f"benchmarks/{script.name}", *sys.argv[1:]]
    return {
        "commit": provenance.commit(),
        "device": device,
        "machine": provenance.machine(),
        "command": shlex.join(command),
    }


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a result file without their empty cells."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]


def settings_column(settings: RoundSettings) -> Row:
    """Return the column that says, as a hash, by which settings of a round networks were trained."""
    names = {"encoder", "decoder", "head", "weights", "samples_predict", "long_side"}
    names |= {field.name for field in dataclasses.fields(TrainConfig)} & set(RoundSettings.model_fields)
    trained = settings.model_dump_json(include=names - {"seed"})
    return {"settings": hashlib.sha256(trained.encode()).hexdigest()[:8]}


def rows_alike(path: Path, settings: Row) -> list[Row]:
    """Return the rows of a result file, none when there is no file.

    Args:
        path: Of the file.
        settings: A :func:`settings_column` that all rows must have, or they could not stand side by side.

    Raises:
        SystemExit: One has another, or does not say which.
    """
    rows: list[Row] = list(read_rows(path)) if path.exists() else []
    if any(row.get("settings") != settings["settings"] for row in rows):
        raise SystemExit(
            f"{path} has rows that were measured with other settings of a round, or that do not say with "
            "which. Name another file with --result, or remove them first."
        )
    return rows


def done_rows(path: Path, settings: Row) -> tuple[list[Row], list[Row]]:
    """Return the rows of a result file that were measured with these settings, and the others.

    Both are empty when there is no file.
    """
    wanted = {name: _cell(value) for name, value in settings.items()}
    done: list[Row] = []
    others: list[Row] = []
    for row in read_rows(path) if path.exists() else []:
        agrees = all(row.get(name) == value for name, value in wanted.items())
        (done if agrees else others).append(row)
    return done, others


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows whose columns may differ; a missing value is an empty cell, a float has five digits."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    last = [name for name in about() if name in columns]
    columns = [name for name in columns if name not in last] + last
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})
    partial.replace(path)


def print_rows(rows: Sequence[Row]) -> None:
    """Print rows whose columns may differ as a table; a float has four digits."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*columns)
    for row in rows:
        cells = [row.get(name, "") for name in columns]
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in cells))
    Console(width=180).print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
