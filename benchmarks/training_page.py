"""What an open Training page costs: ``python benchmarks/training_page.py``.

Somebody may paint in one window while the Training page is open in another. Measured is what that page keeps
its browser's main thread and the server busy, in milliseconds of each second, while nothing happens and while
a round trains, at a report a second. The named peer is Streamlit's own way to follow something, a fragment
that runs each second and draws the same line, button and bar, in the same run.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import typer
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import canvas_workspace as made
from canvas_browser import Chromium, streamlit_server, temporary_folder
from canvas_measures import OURS
from canvas_workspace import WIDE
from csv_rows import Row, about, print_rows, write_rows

from storage import round_requests, rounds, workers
from storage.workspace import Workspace
from tests.e2e.server import Server

RESULT = ROOT / "benchmarks" / "results" / "training_page.csv"
REPETITIONS = 5
SECONDS = 10
"""Of one repetition."""
WORKER = "benchmark:1"
STEPS = 2000
PEER = "a Streamlit fragment each second"
FRAGMENT = """
import time
import streamlit as st

@st.fragment(run_every=1.0)
def card():
    step = int(time.time()) % 1000
    with st.container(border=True):
        st.markdown("**Round 2** training")
        st.button("Cancel")
        st.progress(step / 1000, text=f"Training: step {step} of 1,000, about 2 min left")
    st.caption("Worker: here")

card()
"""


class Reports:
    """A worker that trains nothing and reports a step with its losses each second."""

    def __init__(self, workspace: Workspace, project_id: int) -> None:
        self.workspace = workspace
        self.step = 0
        self.round = round_requests.request_round(workspace, project_id, made.PERSON, "Benchmark").id
        rounds.claim(workspace, WORKER, 600)
        workers.worker_seen(workspace, WORKER, "cpu")
        self.report()

    def report(self) -> None:
        self.step += 1
        losses = [(self.step, name, 1 / self.step) for name in ("loss", "supervised", "unlabelled")]
        audit = [(self.step, "audit_miou", 0.5)] if self.step % 10 == 1 else []
        rounds.report(
            self.workspace,
            self.round,
            WORKER,
            lease_s=600,
            step=self.step,
            steps=STEPS,
            eta_seconds=100.0,
            metrics=losses + audit,
        )


def nothing() -> None:
    """Happen each second while nothing happens."""


def processor_seconds(pid: int) -> float:
    """Return how long a process has kept a processor busy."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def busy(page: Page, pid: int, each_second: Callable[[], None]) -> tuple[float, float]:
    """Return how many milliseconds of a second the page's main thread and the server were busy."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")

    def tasks() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    began, before = time.perf_counter(), (tasks(), processor_seconds(pid))
    for _ in range(SECONDS):
        each_second()
        page.wait_for_timeout(1000)
    after, took = (tasks(), processor_seconds(pid)), time.perf_counter() - began
    return (after[0] - before[0]) / took * 1000, (after[1] - before[1]) / took * 1000


def main() -> None:
    """Measure what the Training page costs while it is watched."""
    measured: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with temporary_folder() as folder, sync_playwright() as playwright, ExitStack() as stack:
        chromium = Chromium(playwright)
        workspace, project_id = made.make_project(folder / "workspace", WIDE, 12)
        script = folder / "fragment.py"
        script.write_text(FRAGMENT, encoding="utf-8")
        ours = Server(workspace.path, ["--no-worker"])
        stack.callback(ours.end)
        ours.start()
        assert ours.process is not None
        with streamlit_server(script, folder / "fragment.log") as (address, peer):
            theirs = chromium.new_page(probe=False)
            theirs.goto(address)
            theirs.get_by_text("Cancel").wait_for()
            page = chromium.new_page(probe=False)
            page.goto(f"{ours.url}/training")
            page.locator(".st-key-round-state").wait_for()
            page.wait_for_timeout(5000)
            for condition in ("nothing happens", "a round trains"):
                each_second = nothing
                if condition == "a round trains":
                    each_second = Reports(workspace, project_id).report
                    page.locator(".st-key-loss-chart").wait_for()
                for _ in range(REPETITIONS):
                    for tool, shown, pid in (
                        (OURS, page, ours.process.pid),
                        (PEER, theirs, peer),
                    ):
                        measured.setdefault((tool, condition), []).append(busy(shown, pid, each_second))
        workspace.close()
    rows: list[Row] = []
    for (tool, condition), runs in measured.items():
        of_peer = measured[PEER, condition]
        browser, server = (statistics.median(one) for one in zip(*runs, strict=True))
        rows.append(
            {
                "page": tool,
                "condition": condition,
                "browser_ms_per_s": round(browser, 1),
                "server_ms_per_s": round(server, 1),
                "browser_ratio": round(browser / statistics.median(one for one, _ in of_peer), 2),
                "server_ratio": round(server / statistics.median(one for _, one in of_peer), 2),
                "repetitions": REPETITIONS,
                "seed": made.SEED,
                **about(),
            }
        )
    write_rows(RESULT, rows)
    print_rows(rows)


if __name__ == "__main__":
    typer.run(main)
