"""How quick the label canvas is: ``python benchmarks/canvas.py``.

Drives Chromium against a real server, at sizes of 1280×720, 2048×1024 and 4000×3000, and measures what a
person waits for: the next image after a submit, an image opened by hand, frames while painting, large
commands, saves; and memory over 200 images. With ``--peers-python`` it measures other tools in the same run.
"""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Error, sync_playwright
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from canvas_browser import Chromium, temporary_folder
from canvas_measures import MEASURES, OURS, Bench
from canvas_peers import peers
from canvas_workspace import SEED
from csv_rows import about, write_rows

RESULT = ROOT / "benchmarks" / "results" / "canvas.csv"
AIMS: dict[str, dict[str, float]] = {
    "submit, prefetched": {"p50_ms": 20, "p95_ms": 35},
    "submit, not prefetched": {"p50_ms": 80, "p95_ms": 120},
    "painting, radius 12": {"p95_ms": 18, "frames_over_34_ms": 2, "longest_task_ms": 50},
    "painting, radius 200": {"p95_ms": 18, "frames_over_34_ms": 2, "longest_task_ms": 50},
    "bulk accept": {"main_p95_ms": 50},
    "polygon of 500 vertices": {"main_p95_ms": 50},
    "flood fill": {"main_p95_ms": 50},
    "undo of 500 strokes": {"main_p50_ms": 50, "longest_task_ms": 50},
    "save": {"p95_ms": 250, "longest_task_ms": 50},
    "memory": {"growth_percent": 10},
}
"""Upper limits of the columns, by measure."""
COLD_OPEN_AIMS = {"2048x1024": 200, "4000x3000": 500}


def with_aim(row: dict[str, object]) -> dict[str, object]:
    """Add what the row should not exceed, and whether it does not."""
    limits = AIMS.get(str(row["measure"]), {})
    if row["measure"] == "cold open":
        limits = {"p50_ms": COLD_OPEN_AIMS[str(row["size"])]}
    if row["tool"] != OURS or not limits:
        return row
    aim = ", ".join(f"{name} ≤ {limit:g}" for name, limit in limits.items())
    if "note" in row:
        return {**row, "aim": aim, "met": "not measured"}
    met = all(float(str(row[name])) <= limit for name, limit in limits.items())
    return {**row, "aim": aim, "met": "yes" if met else "no"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions: whether it runs, not figures")
    parser.add_argument("--only", nargs="+", choices=[*MEASURES, "peers"], default=[*MEASURES, "peers"])
    parser.add_argument(
        "--peers-python", type=Path, help="a Python with labelme and streamlit-drawable-canvas"
    )
    parser.add_argument("--label-studio", type=Path, help="the command label-studio")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    console = Console(width=200)
    rows: list[dict[str, object]] = []
    failed: list[str] = []
    origin = about()
    # Told to stop, it takes its servers and its browser along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with temporary_folder() as folder, sync_playwright() as playwright, ExitStack() as stack:
        bench = Bench(Chromium(playwright), folder, arguments.quick, stack)
        for name in arguments.only:
            if name == "peers":
                found = peers(bench, arguments.peers_python, arguments.label_studio)
            else:
                found = MEASURES[name](bench)
            try:
                for measured in found:
                    rows.append({**with_aim(measured), "seed": SEED, **origin})
                    console.print(printed(rows[-1]))
                    write_rows(arguments.out, rows)
            except (RuntimeError, OSError, Error):
                # The other figures do not depend on this one.
                console.print_exception()
                failed.append(name)
    table = Table("measure", "size", "condition", "figures", "aim", "met")
    for one in rows:
        table.add_row(
            *(str(one.get(name, "")) for name in ("measure", "size", "condition")),
            figures(one),
            str(one.get("aim", "")),
            str(one.get("met", "")),
        )
    console.print(table)
    if failed:
        sys.exit(f"Not measured to the end: {', '.join(failed)}. The messages above say why.")


def figures(row: dict[str, object]) -> str:
    """Write the figures of a row in one line."""
    shown = {name: value for name, value in row.items() if isinstance(value, int | float)}
    return ", ".join(f"{name} {value:.4g}" for name, value in shown.items() if name != "seed")


def printed(row: dict[str, object]) -> str:
    words = " · ".join(str(row[name]) for name in ("tool", "measure", "size", "condition"))
    return f"{words}: {figures(row)} {row.get('note', '')} {row.get('met', '')}"


if __name__ == "__main__":
    main()
