"""Whether a round that is killed ends as if nothing had been: ``python benchmarks/killed_round.py``.

The demo project gets labels, and its first round runs twice by ``run_app.py worker --once``: once
undisturbed, and once in a copy of the workspace whose worker is killed (SIGKILL) in the middle of training,
after which another worker goes on. Both must end with the same weights, optimiser and memories, bit for bit.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from canvas_browser import temporary_folder
from csv_rows import Row, about, print_rows, write_rows
from demo_rounds import PERSON, answer

from core.checkpoint_file import read_checkpoint
from run_app import make_demo
from storage import projects, round_requests, rounds
from storage.settings import RoundSettings
from storage.workspace import Workspace, open_workspace
from tests.e2e.server import started

RESULT = ROOT / "benchmarks" / "results" / "killed_round.csv"
SCENES = 48
ANSWERS = 12


def worker_on(workspace: Workspace) -> subprocess.Popen[bytes]:
    """Start a worker that runs one round."""
    command = [sys.executable, "run_app.py", "worker", "--workspace", str(workspace.path), "--once"]
    return started(command, workspace.path / "worker.log")


def finished(
    workspace: Workspace, round_id: int, worker: subprocess.Popen[bytes], began: float | None = None
) -> float:
    """Wait until the round is done, and return how many seconds it has trained and scored since it ``began``.

    Without that, since its worker took it.

    Raises:
        SystemExit: It ended otherwise.
    """
    worker.wait()
    done = rounds.get_round(workspace, round_id)
    if done.state != "done" or not done.started_at or not done.finished_at:
        raise SystemExit(
            f"The round ended {done.state}: {done.error}\n{(workspace.path / 'worker.log').read_text()}"
        )
    return done.finished_at - (began or done.started_at)


def ends_alike(one: Workspace, other: Workspace, round_id: int) -> tuple[int, int]:
    """Return how many tensors two rounds ended with, and how many of them differ in any bit."""
    first, second = (
        read_checkpoint(workspace.path / str(rounds.get_round(workspace, round_id).checkpoint))[0]
        for workspace in (one, other)
    )
    if first.keys() != second.keys():
        raise SystemExit(f"Only one of them has: {sorted(first.keys() ^ second.keys())}")
    return len(first), sum(not torch.equal(value, second[name]) for name, value in first.items())


def measure(folder: Path, seed: int, steps: int) -> Row:
    workspace = open_workspace(folder / "killed")
    project = make_demo(workspace, SCENES)
    settings = projects.get_project(workspace, project.id).settings
    settings.round.seed = settings.annotation.seed = seed
    settings.round.steps = steps
    projects.update_settings(workspace, project.id, settings, PERSON)
    answer(workspace, project, ANSWERS)
    asked = round_requests.request_round(workspace, project.id, actor=PERSON, reason="Benchmark")
    # To read the files of an open SQLite database ends the locks that this process has on them.
    workspace.close()
    shutil.copytree(workspace.path, folder / "twin")
    workspace, twin = open_workspace(workspace.path), open_workspace(folder / "twin")

    undisturbed = finished(twin, asked.id, worker_on(twin))
    killed = worker_on(workspace)
    while (now := rounds.get_round(workspace, asked.id)).step < steps // 2 or now.state != "training":
        if killed.poll() is not None:
            raise SystemExit((workspace.path / "worker.log").read_text())
        time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    # The killed worker's lease has to run out first.
    disturbed = finished(workspace, asked.id, worker_on(workspace), now.started_at)
    tensors, different = ends_alike(workspace, twin, asked.id)
    twin.close()
    workspace.close()
    return {
        "seed": seed,
        "steps": steps,
        "killed_at_step": now.step,
        "undisturbed_s": round(undisturbed, 1),
        "killed_s": round(disturbed, 1),
        "tensors": tensors,
        "different_tensors": different,
        **about(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=RoundSettings().steps)
    arguments = parser.parse_args()
    rows = []
    for seed in arguments.seeds:
        with temporary_folder() as folder:
            rows.append(measure(folder, seed, arguments.steps))
        write_rows(RESULT, rows)
    print_rows(rows)


if __name__ == "__main__":
    main()
