"""What the unlabelled images bring: ``python benchmarks/semi.py --data ../shared/data/camvid``.

CamVid under a frozen encoder (see ``frozen_camvid.py``) with 18, 37 and 73 of 367 images labelled: learning
from labels alone against consistency and U2PL, each with the linear and the NP head, and all 367 labelled.
Every run has the same steps and labelled images per step; mIoU is the teacher's on all 233 test images at
240×180, in paired seeds: a seed fixes the labelled images, the initial values and the crops.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import frozen_camvid
from csv_rows import Row, about, write_rows
from frozen_camvid import CLASSES, FrozenCamVid, frozen_network

from core.data import label_to_size
from core.model.network import HEADS, SegmentationNetwork
from core.model.representation_head import RepresentationHead
from core.recipes import consistency, supervised, u2pl
from core.recipes.step import StepInput, StepResult
from core.train_config import TrainConfig
from core.uncertainty import class_iou, confusion_matrix, mean_iou

RESULT = ROOT / "benchmarks" / "results" / "semi.csv"
BUDGETS = (18, 37, 73)
EVERY = 367
CONFIG = TrainConfig(steps=200, batch_size=4, learning_rate=3e-3, samples_train=3, pixel_weights="even")
SAMPLES = 10
Recipe = Literal["supervised", "consistency", "u2pl"]
STEPS: dict[Recipe, Callable[[StepInput], StepResult]] = {
    "supervised": supervised.step,
    "consistency": consistency.step,
    "u2pl": u2pl.step,
}
METHODS = [(recipe, head) for recipe in STEPS for head in HEADS]


def measured(recipe: Recipe, head: str, labelled: int, seed: int, data_folder: Path) -> Row:
    """Train one network in a process of its own and return its row."""
    torch.set_num_threads(1)
    data = frozen_camvid.load(data_folder)
    network = frozen_network(
        HEADS[head],
        seed,
        representation=RepresentationHead if recipe == "u2pl" else None,
    )
    queues = u2pl.make_queues(network) if recipe == "u2pl" else None
    config = replace(CONFIG, recipe=recipe, seed=seed)
    chosen = frozen_camvid.labelled_indices(labelled, seed)
    teacher, seconds = frozen_camvid.train(network, STEPS[recipe], config, data, chosen, queues)
    confusion = test_confusion(teacher, data)
    by_class = {f"iou_{name}": float(iou) for name, iou in zip(CLASSES, class_iou(confusion), strict=True)}
    return {
        "recipe": recipe,
        "head": head,
        "labelled": labelled,
        "seed": seed,
        "miou": mean_iou(confusion),
        "cpu_seconds": seconds,
        **by_class,
        "steps": config.steps,
    }


@torch.inference_mode()
def test_confusion(network: SegmentationNetwork, data: FrozenCamVid) -> torch.Tensor:
    """Return the confusion matrix over all test images."""
    network.eval()
    confusion = torch.zeros(len(CLASSES), len(CLASSES), dtype=torch.int64)
    truth = label_to_size(data.test_labels, 180, 240)
    for images, labels in zip(torch.split(data.test, 8), torch.split(truth, 8), strict=True):
        noise = network.draw_noise(SAMPLES, 1, torch.Generator().manual_seed(0))
        logits = network.decode(network.encode(images)[0], noise)[0]
        probabilities = logits.softmax(dim=2).mean(dim=0)
        enlarged = F.interpolate(probabilities, size=labels.shape[1:], mode="bilinear", align_corners=False)
        confusion += confusion_matrix(enlarged.argmax(dim=1), labels, len(CLASSES))
    return confusion


def main(
    data: Annotated[Path, typer.Option(help="The CamVid folder.")],
    seeds: Annotated[int, typer.Option(help="How many, from 0.")] = 3,
    jobs: Annotated[int, typer.Option(help="Processes at once, one thread each.")] = 2,
    result: Annotated[Path, typer.Option(help="The CSV file.")] = RESULT,
) -> None:
    """Measure every recipe with every head on CamVid."""
    origin = about()
    frozen_camvid.load(data)
    wanted = [(recipe, head, budget) for budget in BUDGETS for recipe, head in METHODS]
    wanted += [("supervised", head, EVERY) for head in HEADS]
    rows: list[Row] = []
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        tasks = [pool.submit(measured, *one, seed, data) for seed in range(seeds) for one in wanted]
        for task in as_completed(tasks):
            rows.append({**task.result(), **origin})
            last = rows[-1]
            print(
                f"{len(rows)} of {len(tasks)}:",
                *(last[k] for k in ("recipe", "head", "labelled", "seed")),
                flush=True,
            )
            print(f"  mIoU {last['miou']:.4f}, {last['cpu_seconds']:.0f} s", flush=True)
    recipes: list[str] = list(STEPS)
    rows.sort(key=lambda row: (row["labelled"], recipes.index(str(row["recipe"])), row["head"], row["seed"]))
    write_rows(result, rows)
    print_table(rows)


def print_table(rows: list[Row]) -> None:
    table = Table(title="Test mIoU on CamVid, frozen encoder: mean ± standard deviation over seeds")
    for name in ("recipe", "head", *BUDGETS, EVERY):
        table.add_column(str(name))
    for recipe, head in METHODS:
        cells = []
        for budget in (*BUDGETS, EVERY):
            own = [
                float(str(row["miou"]))
                for row in rows
                if (row["recipe"], row["head"], row["labelled"]) == (recipe, head, budget)
            ]
            spread = statistics.stdev(own) if len(own) > 1 else 0.0
            cells.append(f"{100 * statistics.mean(own):.1f} ± {100 * spread:.1f}" if own else "")
        table.add_row(recipe, head, *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
