"""How soon an image is on the Label page: ``python benchmarks/label_page.py``.

Two servers with the same images: as it is, the canvas in one script, and the named peer, each of its modules
a file of its own, which the browser asks for as it meets the imports. They take turns. A *first* visit has a
new browser session; one *again* is its third, when it has kept the files and what was compiled of them. The
way to the server is this machine's own, or has a round trip of ``FAR_MS`` by Chromium's network emulation.
Seconds are those from the address to an image on the canvas that can be labelled.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import typer
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from canvas_browser import Chromium, process, temporary_folder
from canvas_workspace import HD, SEED, make_project
from csv_rows import about, print_rows, write_rows

from tests.e2e.labelling import open_label_page
from tests.e2e.server import free_port, wait_for

RESULT = ROOT / "benchmarks" / "results" / "label_page.csv"
REPETITIONS = 7
IMAGES = 8 * REPETITIONS
FAR_MS = 40
ONE_SCRIPT, MODULES = "one script", "a file a module"
EACH_ALONE = """
import sys
import app.canvas.component
app.canvas.component.whole_script = lambda path: path.read_text(encoding="utf-8")
from run_app import cli
cli(sys.argv[1:])
"""


@contextmanager
def server(folder: Path, way: str) -> Iterator[str]:
    """Serve a project of its own and give the address."""
    workspace = folder / way.replace(" ", "-")
    make_project(workspace, HD, IMAGES)[0].close()
    port = free_port()
    program = ["run_app.py"] if way == ONE_SCRIPT else ["-c", EACH_ALONE]
    options = ["--workspace", str(workspace), "--port", str(port), "--no-worker", "--no-browser"]
    log = folder / f"{port}.log"
    with process([sys.executable, *program, "serve", *options], log) as running:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", running, log)
        yield f"http://127.0.0.1:{port}"


def seconds(page: Page, address: str, round_trip_ms: int) -> float:
    """Return how long it takes until an image can be labelled."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    at_any_speed = {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
    devtools.send("Network.emulateNetworkConditions", {**at_any_speed, "latency": round_trip_ms})
    began = time.perf_counter()
    open_label_page(page, address)
    return time.perf_counter() - began


def main() -> None:
    """Measure visits of the Label page in both ways, near and far."""
    times: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    with sync_playwright() as playwright, temporary_folder() as folder, ExitStack() as servers:
        browser = Chromium(playwright)
        addresses = {way: servers.enter_context(server(folder, way)) for way in (ONE_SCRIPT, MODULES)}
        for address in addresses.values():  # The first visit of all waits for the server, too.
            page = browser.new_page(probe=False)
            open_label_page(page, address)
            page.context.close()
        for round_trip_ms in (0, FAR_MS):
            for _ in range(REPETITIONS):
                for way, address in addresses.items():
                    page = browser.new_page(probe=False)
                    for visit in ("first", "second", "again"):
                        times[way, visit, round_trip_ms].append(seconds(page, address, round_trip_ms))
                        page.goto("about:blank")
                    page.context.close()
        browser.browser.close()
    medians = {case: statistics.median(of_case) for case, of_case in times.items()}
    rows = [
        {
            "canvas": way,
            "visit": visit,
            "round_trip_ms": round_trip_ms,
            "seconds": round(medians[way, visit, round_trip_ms], 2),
            "ratio": round(medians[way, visit, round_trip_ms] / medians[MODULES, visit, round_trip_ms], 2),
            "repetitions": REPETITIONS,
            "seed": SEED,
            **about(),
        }
        for way, visit, round_trip_ms in medians
        if visit != "second"
    ]
    write_rows(RESULT, rows)
    print_rows(rows)


if __name__ == "__main__":
    typer.run(main)
