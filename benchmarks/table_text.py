"""Rows of result files, and how tables of them are written."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
AT_ONCE = "consistency at once"
Rows = list[dict[str, str]]
Columns = dict[str, tuple[str, float, int]]
"""By head: the column's name, a factor, and how many digits follow the point."""


def read(name: str) -> Rows:
    """Return the rows of a result file, those from before ``consistency`` had a warm-up named for it."""
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row.get("recipe") == "consistency" and not row.get("warm_up"):
            row["recipe"] = AT_ONCE
    return rows


def column(rows: Rows, name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def values_of(rows: Rows, column: str, **wanted: str) -> list[float]:
    """Return a column of the rows that match, by seed; without what was not measured."""
    own = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    own.sort(key=lambda row: int(row["seed"]))
    return [float(row[column]) for row in own if row.get(column) not in (None, "", "nan")]


def percent_of(rows: Rows, column: str, **wanted: str) -> list[float]:
    return [100 * value for value in values_of(rows, column, **wanted)]


def values_by_column(rows: Rows, columns: Columns, **wanted: str) -> list[list[float]]:
    """Return for each column its values in the rows that match, by seed."""
    return [
        [factor * value for value in values_of(rows, name, **wanted)] for name, factor, _ in columns.values()
    ]


def spreads(values: Sequence[Sequence[float]], columns: Columns, sign: bool = False) -> list[str]:
    digits = [places for _, _, places in columns.values()]
    return [spread(own, places, sign) for own, places in zip(values, digits, strict=True)]


def spread(values: Sequence[float], digits: int, sign: bool = False) -> str:
    """Write mean ± standard deviation; one number when all are equal."""
    if not values:
        return ""
    mean = f"{statistics.mean(values):{'+' if sign else ''}.{digits}f}"
    if len(set(values)) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"


def lowest_to_highest(values: Sequence[float], digits: int) -> str:
    """Write what was measured once a run and stands beside every seed of it: the lowest to the highest."""
    ends = [f"{end:.{digits}f}" for end in (min(values), max(values))] if values else []
    return " to ".join(dict.fromkeys(ends))


def listed(
    rows: Rows, columns: dict[str, str], written: Callable[[str], str] = str, as_it_is: str = ""
) -> str:
    """Return rows as lines of a table, by columns from head to name; ``as_it_is`` is written unchanged."""
    lines = [
        [row.get(name, "") if name == as_it_is else written(row.get(name, "")) for name in columns.values()]
        for row in rows
    ]
    return "\n\n".join([table(list(columns), lines), origin(rows)])


def short(cell: str) -> str:
    """Write a number with as many digits as its size is worth."""
    try:
        value = float(cell)
    except ValueError:
        return cell
    return f"{value:.0f}" if abs(value) >= 100 or value.is_integer() else f"{value:.1f}"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---" if place == 0 else "---:" for place in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


def origin(rows: Rows) -> str:
    """Say where the figures come from."""
    parts = []
    for name in ("command", "commit", "device", "machine"):
        found = list(dict.fromkeys(row[name] for row in rows if row.get(name)))
        parts.append(f"{name} " + ", ".join(f"`{value}`" for value in found))
    seeds = sorted({row["seed"] for row in rows if row.get("seed")}, key=int)
    return "; ".join([*parts, f"seeds {', '.join(seeds)}"]) + "."
