"""What a round on a large pool takes: ``python benchmarks/large_pool.py [--images 5000]``.

The pool is demo scenes as JPEG files of 1280×960, each shifted by another number of pixels. Eight are
labelled with their truth. Rounds with the settings of a new project take turns: one scores as many images as
those say, the other all of them. A round suggests for the images that come next before it has scored the
others; when it does is known to a second, for so often it reports.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from csv_rows import Row, about, print_rows, write_rows
from demo_rounds import answer, finished_cold_start, finished_round

from run_app import make_demo
from storage import images, labels, projects, queue
from storage.projects import ProjectInfo
from storage.settings import RoundSettings
from storage.workspace import Workspace, open_workspace

RESULT = ROOT / "benchmarks" / "results" / "large_pool.csv"
SIZE = (1280, 960)
SCENES = 100
LABELS = 8


def add_copies(workspace: Workspace, project: ProjectInfo, count: int) -> None:
    """Add shifted copies of the demo's scenes until the project has ``count`` images."""
    scenes = images.list_images(workspace, project.id)
    shifts = np.random.default_rng(0).integers(1, min(SIZE), size=(count, 2))
    for number in range(count - len(scenes)):
        scene = scenes[number % len(scenes)]
        shift, axes = tuple(shifts[number]), (0, 1)
        with Image.open(io.BytesIO(workspace.blobs.get(scene.blob))) as picture:
            pixels = np.roll(np.array(picture.convert("RGB").resize(SIZE)), shift, axes)
        truth = Image.fromarray(images.truth(workspace, scene.id)).resize(SIZE, Image.Resampling.NEAREST)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        images.add_image(
            workspace,
            project.id,
            name=f"copy-{number:05}.jpg",
            content_hash=hashlib.sha256(file.getvalue()).hexdigest(),
            blob=workspace.blobs.put(file.getvalue()),
            media_type="image/jpeg",
            width=SIZE[0],
            height=SIZE[1],
            truth_blob=workspace.blobs.put(labels.encode_label_map(np.roll(np.array(truth), shift, axes))),
        )


def measured(count: int, rounds_each: int, device: torch.device) -> list[Row]:
    """Return one row for each number of images that a round scores."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(Path(folder))
        project = make_demo(workspace, SCENES)
        add_copies(workspace, project, count)
        answer(workspace, project, LABELS)
        finished_cold_start(workspace, project, device)
        took: dict[int, list[tuple[float, ...]]] = {}
        for _ in range(rounds_each):
            for most_scored in (RoundSettings().most_scored, count):
                settings = projects.get_project(workspace, project.id).settings
                of_round = settings.round.model_copy(update={"most_scored": most_scored, "warm_start": False})
                projects.update_settings(
                    workspace, project.id, settings.model_copy(update={"round": of_round}), actor="benchmark"
                )
                suggests_at: list[float] = []

                def watch(*_: object, seen: list[float] = suggests_at) -> None:
                    if queue.progress(workspace, project.id).suggesting_round_number is not None:
                        seen.append(time.time())

                done = finished_round(workspace, project, device, watch)
                assert done.started_at is not None
                assert done.finished_at is not None
                in_all = done.finished_at - done.started_at
                suggests = suggests_at[0] - done.started_at
                seconds = (done.metrics["train_seconds"], suggests, done.metrics["score_seconds"], in_all)
                took.setdefault(most_scored, []).append(seconds)
                print(most_scored, [round(one, 1) for one in seconds], flush=True)
        workspace.close()
    rows: list[Row] = []
    for most_scored, seconds_of_rounds in took.items():
        columns = zip(*seconds_of_rounds, strict=True)
        train, suggests, score, in_all = (statistics.median(column) for column in columns)
        rows.append(
            {
                "images": count,
                "scored": most_scored,
                "rounds": rounds_each,
                "seed": RoundSettings().seed,
                "train_seconds": train,
                "suggests_after_seconds": suggests,
                "score_seconds": score,
                "round_seconds": in_all,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=1, help="Of each kind; medians of them.")
    parser.add_argument("--csv", type=Path, default=RESULT)
    chosen = parser.parse_args()
    rows = measured(chosen.images, chosen.rounds, torch.device("cpu"))
    threads = f"{torch.get_num_threads()} threads"
    write_rows(chosen.csv, [{**row, "threads": threads, **about("cpu")} for row in rows])
    print_rows(rows)


if __name__ == "__main__":
    main()
