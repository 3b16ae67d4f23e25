"""The tables of ``docs/benchmarks.md``, made from the result files: ``python benchmarks/tables.py``."""

from __future__ import annotations

import csv
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
POLYGONS = "polygons alone"

Rows = list[dict[str, str]]


def read(name: str) -> Rows:
    """Return the rows of a result file."""
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


OURS = "NP, latent classifier"


def uncertainty() -> str:
    """Return the table of rivals and ablations, and the paired differences to the default head."""
    rows = read("uncertainty")
    figures = {
        "mIoU": ("miou", 3),
        "error AUROC": ("error_auroc", 3),
        "AUPR": ("error_aupr", 3),
        "AURC": ("aurc", 4),
        "Spearman": ("spearman", 3),
        "AUROC of MI": ("mi_auroc", 3),
        "Spearman of MI": ("mi_spearman", 3),
        "mean MI": ("mean_mi", 4),
        "MI, small context": ("mean_mi_small_context", 4),
        "active dim.": ("active_dimensions", 1),
        "ECE": ("ece", 3),
        "class-wise ECE": ("classwise_ece", 4),
        "NLL": ("nll", 3),
        "Brier": ("brier", 3),
        "PAvPU": ("pavpu", 3),
        "ms per image": ("ms_per_image", 1),
        "passes": ("times_one_pass", 2),
    }
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = [
        [method, *(_spread(_of(rows, name, method=method), digits) for name, digits in figures.values())]
        for method in methods
    ]
    differences = []
    for method in methods:
        if method == OURS:
            continue
        cells = [method]
        for name, _ in (figures[label] for label in ("mIoU", "error AUROC", "Spearman")):
            ours, theirs = (_of(rows, name, method=one) for one in (OURS, method))
            cells.append(_spread([a - b for a, b in zip(ours, theirs, strict=True)], 3, sign=True))
        differences.append(cells)
    return "\n\n".join(
        [
            _table(["method", *figures], lines),
            f"{OURS} minus the other, paired over seeds:",
            _table(["method", "mIoU", "error AUROC", "Spearman"], differences),
            _origin(rows),
        ]
    )


def semi() -> str:
    """Return test mIoU by recipe, head and labelled images, and the paired gain over labels alone."""
    rows = read("semi")
    budgets = sorted({row["labelled"] for row in rows}, key=int)
    methods = list(dict.fromkeys((row["recipe"], row["head"]) for row in rows))

    def miou(recipe: str, head: str, labelled: str) -> list[float]:
        found = _of(rows, "miou", recipe=recipe, head=head, labelled=labelled)
        return [100 * value for value in found]

    values, gains = [], []
    for recipe, head in methods:
        values.append([recipe, head, *(_spread(miou(recipe, head, budget), 1) for budget in budgets)])
        if recipe != "supervised":
            gained = []
            for budget in budgets[:-1]:
                pairs = zip(miou(recipe, head, budget), miou("supervised", "linear", budget), strict=True)
                gained.append(_spread([a - b for a, b in pairs], 1, sign=True))
            gains.append([recipe, head, *gained])
    return "\n\n".join(
        [
            _table(["recipe", "head", *(f"{budget} labelled" for budget in budgets)], values),
            "Gain over supervised with the linear head, paired over seeds:",
            _table(["recipe", "head", *(f"{budget} labelled" for budget in budgets[:-1])], gains),
            _origin(rows),
        ]
    )


def step() -> str:
    """Return times and memory of steps and predictions."""
    rows = read("step")
    columns = {
        "what": "what",
        "implementation": "implementation",
        "channels": "channels",
        "size": "size",
        "images": "images",
        "T": "T",
        "ms": "median_ms",
        "peak MiB": "peak_mib",
        "time / released": "time_over_released",
        "memory / released": "memory_over_released",
        "time / one pass": "time_over_one_pass",
    }
    lines = [[row.get(name, "") for name in columns.values()] for row in rows]
    return "\n\n".join([_table(list(columns), lines), _origin(rows)])


def demo_rounds() -> str:
    """Return the audit mIoU of the demo's rounds."""
    rows = read("demo_rounds")
    shown = [name for name in rows[0] if name not in ("commit", "device", "machine", "command")]
    return "\n\n".join([_table(shown, [[row[name] for name in shown] for row in rows]), _origin(rows)])


def canvas() -> str:
    """Return what a person waits for at the label canvas, beside the aims and other tools."""
    rows = read("canvas")
    columns = {
        "measure": "measure",
        "tool": "tool",
        "image": "size",
        "condition": "condition",
        "n": "n",
        "p50 ms": "p50_ms",
        "p95 ms": "p95_ms",
        "main thread p95 ms": "main_p95_ms",
        "longest task ms": "longest_task_ms",
        "frames > 34 ms": "frames_over_34_ms",
        "MB": "all_mb",
        "growth %": "growth_percent",
        "load": "load",
        "aim": "aim",
        "met": "met",
        "note": "note",
    }
    lines = [[_short(row.get(name, "")) for name in columns.values()] for row in rows]
    return "\n\n".join([_table(list(columns), lines), _origin(rows)])


def correction_actions() -> str:
    """Return the actions to correct suggestions, and to draw the same label maps by polygons alone."""
    rows = read("correction_actions")
    targets = sorted({row["target"] for row in rows}, key=float)
    ways = list(dict.fromkeys(row["way"] for row in rows))
    lines = []
    for target in targets:
        found = {
            way: {
                (row["seed"], row["image"]): float(row["actions"])
                for row in rows
                if (row["target"], row["way"]) == (target, way)
            }
            for way in ways
        }
        for way, own in found.items():
            middle = [f"{value:.0f}" for value in statistics.quantiles(own.values(), n=4)]
            cells = [f"{float(target):.0%}", way, str(len(own)), _spread([*own.values()], 0), *middle]
            if way == POLYGONS:
                lines.append([*cells, "", "", "", ""])
                continue
            ratios = [actions / found[POLYGONS][image] for image, actions in own.items()]
            ratio = statistics.median(ratios)
            met = "yes" if ratio <= 0.5 else "no"
            lines.append([*cells, f"{ratio:.2f}", f"{max(ratios):.2f}", "≤ 0.5", met])
    before = _of(rows, "suggestion_agreement", target=targets[0], way=ways[0])
    head = ["agreement", "way", "images", "actions", "25 %", "median", "75 %"]
    head += ["over polygons, median", "highest", "aim", "met"]
    share = _spread([100 * one for one in before], 1)
    said = f"The suggestions agree with the truth on {share} % of the pixels."
    return "\n\n".join([_table(head, lines), said, _origin(rows)])


def queue() -> str:
    """Return what a person waits for when the queue is long, beside the aims."""
    rows = read("queue")
    columns = {
        "images": "images",
        "what": "what",
        "n": "n",
        "p50 ms": "p50_ms",
        "p95 ms": "p95_ms",
        "load": "load",
        "aim, p95": "aim_ms",
        "met": "met",
        "note": "note",
    }
    lines = [[_short(row[name]) for name in columns.values()] for row in rows]
    return "\n\n".join([_table(list(columns), lines), _origin(rows)])


TABLES: dict[str, Callable[[], str]] = {
    "uncertainty": uncertainty,
    "semi": semi,
    "step": step,
    "demo_rounds": demo_rounds,
    "canvas": canvas,
    "correction_actions": correction_actions,
    "queue": queue,
}


def with_tables(page: str) -> str:
    """Return the page with what stands between the marks of each table replaced by the table.

    Raises:
        ValueError: When the page lacks the marks of a table.
    """
    for name, table in TABLES.items():
        marks = (f"<!-- {name} -->", f"<!-- end of {name} -->")
        if not all(mark in page for mark in marks):
            raise ValueError(f"{PAGE.name} lacks the marks of the table {name!r}: {marks[0]} and {marks[1]}.")
        between = re.compile(f"{re.escape(marks[0])}.*?{re.escape(marks[1])}", re.DOTALL)
        made = f"{marks[0]}\n{table()}\n{marks[1]}"
        page = between.sub(lambda _, made=made: made, page)  # type: ignore[misc]
    return page


def _of(rows: Rows, column: str, **wanted: str) -> list[float]:
    """Return a column of the rows that match, by seed; without what was not measured."""
    own = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    own.sort(key=lambda row: int(row["seed"]))
    return [float(row[column]) for row in own if row[column] not in ("", "nan")]


def _spread(values: Sequence[float], digits: int, sign: bool = False) -> str:
    """Write mean ± standard deviation; one number when all are equal."""
    if not values:
        return ""
    mean = f"{statistics.mean(values):{'+' if sign else ''}.{digits}f}"
    if len(set(values)) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"


def _short(cell: str) -> str:
    """Write a number with as many digits as its size is worth."""
    try:
        value = float(cell)
    except ValueError:
        return cell
    return f"{value:.0f}" if abs(value) >= 100 or value.is_integer() else f"{value:.1f}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---" if place == 0 else "---:" for place in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


def _origin(rows: Rows) -> str:
    """Say where the figures come from."""
    parts = []
    for name in ("command", "commit", "device", "machine"):
        found = list(dict.fromkeys(row[name] for row in rows if row.get(name)))
        parts.append(f"{name} " + ", ".join(f"`{value}`" for value in found))
    seeds = sorted({row["seed"] for row in rows if row.get("seed")})
    return "; ".join([*parts, f"seeds {', '.join(seeds)}"]) + "."


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
