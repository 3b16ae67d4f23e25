"""How soon the first page stands: ``python benchmarks/first_page.py``.

Starts the server on an empty workspace several times and opens it in Chromium: seconds from the command
to the address, and from the address to the first page. The named peer is a bare Streamlit page that writes
one line, started and opened the same way in the same run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import typer
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from canvas_browser import streamlit_command
from csv_rows import about, print_rows, write_rows

from run_app import chromium_path
from tests.e2e.server import free_port

RESULT = ROOT / "benchmarks" / "results" / "first_page.csv"
REPETITIONS = 7


def qualm(folder: Path, port: int) -> tuple[list[str], str]:
    """Return the command of our server and the text its first page shows."""
    command = [sys.executable, "run_app.py", "serve", "--no-worker", "--no-browser"]
    return [*command, "--workspace", str(folder / "workspace"), "--port", str(port)], "No project is open"


def bare_streamlit(folder: Path, port: int) -> tuple[list[str], str]:
    """Return the command of a one-line Streamlit page and its text."""
    script = folder / "bare.py"
    script.write_text("import streamlit as st\nst.write('A bare page')\n")
    return streamlit_command(script, port), "A bare page"


def seconds(make: Callable[[Path, int], tuple[list[str], str]], browser: Browser) -> tuple[float, float]:
    """Return seconds from command to answering server, and from opening the address to its text."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command, text = make(Path(folder), port)
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.02)
            ready = time.perf_counter()
            page = browser.new_context().new_page()
            page.goto(f"http://127.0.0.1:{port}", wait_until="commit")
            page.get_by_text(text).first.wait_for()
            shown = time.perf_counter()
            page.context.close()
        finally:
            process.terminate()
            process.wait()
    return ready - began, shown - ready


def main() -> None:
    """Measure how soon the first page is there, beside a bare Streamlit."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(has_window=True), args=["--no-sandbox"]
        )
        # The peers take turns, so that a busy moment of the machine meets both.
        runs: dict[str, list[tuple[float, float]]] = {"Qualm": [], "bare Streamlit": []}
        for _ in range(REPETITIONS):
            runs["Qualm"].append(seconds(qualm, browser))
            runs["bare Streamlit"].append(seconds(bare_streamlit, browser))
        browser.close()
    medians = {
        name: [statistics.median(times) for times in zip(*pairs, strict=True)] for name, pairs in runs.items()
    }
    rows = [
        {
            "server": name,
            "start_s": round(ready, 2),
            "first_page_s": round(shown, 2),
            "first_page_ratio": round(shown / medians["bare Streamlit"][1], 2),
            "repetitions": REPETITIONS,
            **about(),
        }
        for name, (ready, shown) in medians.items()
    ]
    write_rows(RESULT, rows)
    print_rows(rows)


if __name__ == "__main__":
    typer.run(main)
