"""What the unlabelled images bring: ``python benchmarks/semi.py --data ../shared/data/camvid``.

CamVid under a frozen encoder (see ``frozen_encoder.py``) with 18, 37 and 73 of 367 images labelled: learning
from labels alone against consistency and U2PL, each with every head, and all 367 labelled. All recipes have
the same steps and labelled images per step, and learning from labels alone also has half the steps, since
with few labels more of them overfit. mIoU is the teacher's on all 233 test images at 240×180, in paired
seeds: a seed fixes the labelled images, the initial values and the crops. Each finished run is written at
once, and a run whose row is there, with the same settings, is not made again; rows of other settings stay.
How alive the latent is (see ``np_figures``) stands beside it.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import frozen_camvid
import frozen_encoder
from csv_rows import Row, about, done_rows, read_rows, write_rows
from frozen_camvid import CLASSES
from frozen_encoder import FrozenImages, frozen_network
from uncertainty import np_figures

from core.data import label_to_size
from core.model.network import HEADS, SegmentationNetwork
from core.model.representation_head import RepresentationHead
from core.recipes import consistency, supervised, u2pl
from core.recipes.step import StepInput, StepResult
from core.train_config import TrainConfig
from core.uncertainty import class_iou, confusion_matrix, mean_iou

RESULT = ROOT / "benchmarks" / "results" / "semi.csv"
BUDGETS = (18, 37, 73)
MAIN_BUDGET = 37
EVERY = 367
STEPS = 400
FEWER_STEPS = 200
CONFIG = TrainConfig(batch_size=4, learning_rate=3e-3, samples_train=3, pixel_weights="balanced")
SAMPLES = 10
Recipe = Literal["supervised", "consistency", "u2pl"]
RECIPES: dict[Recipe, Callable[[StepInput], StepResult]] = {
    "supervised": supervised.step,
    "consistency": consistency.step,
    "u2pl": u2pl.step,
}
METHODS: list[tuple[Recipe, int]] = [("supervised", FEWER_STEPS), *((recipe, STEPS) for recipe in RECIPES)]


class Run(NamedTuple):
    """One training."""

    recipe: Recipe
    steps: int
    head: str
    labelled: int
    seed: int

    @classmethod
    def of(cls, row: Row) -> Run:
        """Return the training that a row is about."""
        recipe, head = (str(row[name]) for name in ("recipe", "head"))
        steps, labelled, seed = (int(str(row[name])) for name in ("steps", "labelled", "seed"))
        return cls(recipe, steps, head, labelled, seed)  # type: ignore[arg-type]


def measured(run: Run, data_folder: Path) -> Row:
    """Train one network in a process of its own and return its row."""
    torch.set_num_threads(1)
    data = frozen_camvid.load(data_folder)
    representation = RepresentationHead if run.recipe == "u2pl" else None
    network = frozen_network(HEADS[run.head], len(CLASSES), run.seed, representation)
    queues = u2pl.make_queues(network) if run.recipe == "u2pl" else None
    config = replace(CONFIG, recipe=run.recipe, steps=run.steps, seed=run.seed)
    chosen = frozen_encoder.labelled_indices(run.labelled, run.seed, len(data))
    teacher, seconds = frozen_encoder.train(network, RECIPES[run.recipe], config, data, chosen, queues)
    confusion = test_confusion(teacher, data)
    by_class = {f"iou_{name}": float(iou) for name, iou in zip(CLASSES, class_iou(confusion), strict=True)}
    return {
        **run._asdict(),
        "miou": mean_iou(confusion),
        "cpu_seconds": seconds,
        **by_class,
        **({} if run.head == "linear" else np_figures(teacher, data)),
        **settings(run.recipe),
    }


def settings(recipe: Recipe) -> Row:
    """Return the columns that must agree for a row to count as done."""
    return {
        "images_a_step": CONFIG.batch_size,
        "learning_rate": CONFIG.learning_rate,
        "pixel_weights": CONFIG.pixel_weights,
        "ema_decay": CONFIG.ema_decay,
        "confidence": CONFIG.confidence,
        "max_entropy": CONFIG.max_entropy,
        **frozen_encoder.warm_up_column(recipe),
    }


@torch.inference_mode()
def test_confusion(network: SegmentationNetwork, data: FrozenImages) -> torch.Tensor:
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
    recipe: Annotated[list[str] | None, typer.Option(help="Names; all by default.")] = None,
    labelled: Annotated[list[int] | None, typer.Option(help="Budgets; all by default.")] = None,
    result: Annotated[Path, typer.Option(help="The CSV file.")] = RESULT,
) -> None:
    """Measure every recipe with every head on CamVid."""
    origin = about()
    frozen_camvid.load(data)
    rows = [row for name in RECIPES for row in done_rows(result, {"recipe": name, **settings(name)})[0]]
    others = [row for row in read_rows(result) if row not in rows] if result.exists() else []
    done = {Run.of(row) for row in rows}
    wanted = [
        run
        for run in runs(seeds)
        if run not in done
        and run.recipe in (recipe or RECIPES)
        and run.labelled in (labelled or (*BUDGETS, EVERY))
    ]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        tasks = [pool.submit(measured, run, data) for run in wanted]
        for task in as_completed(tasks):
            rows.append({**task.result(), **origin})
            write_rows(result, [*others, *sorted(rows, key=_place)])
            print(*Run.of(rows[-1]), f"mIoU {rows[-1]['miou']:.4f}", flush=True)
    print_table(rows)


def runs(seeds: int) -> list[Run]:
    """Return all trainings, those first that most is asked of."""
    found = [
        Run(recipe, steps, head, budget, seed)
        for budget in sorted(BUDGETS, key=lambda budget: abs(budget - MAIN_BUDGET))
        for seed in range(seeds)
        for head in HEADS
        for recipe, steps in METHODS
    ]
    supervised_alone = [method for method in METHODS if method[0] == "supervised"]
    found += [
        Run(recipe, steps, head, EVERY, seed)
        for seed in range(seeds)
        for head in HEADS
        for recipe, steps in supervised_alone
    ]
    return found


def _place(row: Row) -> tuple[object, ...]:
    """Return what the rows of the file are sorted by."""
    run = Run.of(row)
    return run.labelled, METHODS.index((run.recipe, run.steps)), run.head, run.seed


def print_table(rows: list[Row]) -> None:
    table = Table(title="Test mIoU on CamVid, frozen encoder: mean ± standard deviation over seeds")
    for name in ("recipe", "steps", "head", *BUDGETS, EVERY):
        table.add_column(str(name))
    found: dict[tuple[str, int, str, int], list[float]] = {}
    for row in rows:
        found.setdefault(Run.of(row)[:4], []).append(100 * float(str(row["miou"])))
    for recipe, steps in METHODS:
        for head in HEADS:
            cells = []
            for budget in (*BUDGETS, EVERY):
                own = found.get((recipe, steps, head, budget), [])
                spread = statistics.stdev(own) if len(own) > 1 else 0.0
                cells.append(f"{statistics.mean(own):.1f} ± {spread:.1f}" if own else "")
            table.add_row(recipe, str(steps), head, *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
