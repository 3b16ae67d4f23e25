"""How well scores rank the unlabelled images: ``python benchmarks/ranking.py --data ../shared/data/camvid``.

CamVid under a frozen encoder (see ``frozen_encoder.py``), 37 of 367 images labelled. Every pixel score under
every aggregation orders the other 330 images; the order is compared with their true errors, at the resolution
of the features. Networks: plain softmax, the NP whose latent is the classifier, and MC dropout in all that is
trained; its mean mutual information is what BAAL calls BALD with a mean reduction. A finished network is
written at once, and one whose rows are there is not trained again.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import frozen_camvid
import frozen_encoder
from csv_rows import Row, about, done_rows, write_rows
from frozen_camvid import CLASSES
from frozen_encoder import FrozenImages, FrozenNetwork, frozen_network
from uncertainty import NATS, DropoutBeforeDecoder, Probabilities, decoded, dropping, switch_dropout

from core.acquisition.aggregation import AGGREGATIONS
from core.acquisition.pixel_scores import PIXEL_SCORES, SampleStatistics
from core.model.classifier_np_head import ClassifierNPHead
from core.model.linear_head import LinearHead
from core.ranking_quality import ranking_quality
from core.recipes import supervised
from core.train_config import TrainConfig
from core.uncertainty import confusion_matrix, mean_iou, pixel_accuracy

RESULT = ROOT / "benchmarks" / "results" / "ranking.csv"
LABELLED = 37
WORST = 33
"""A tenth of the pool."""
SAMPLES = 20
CONFIG = TrainConfig(recipe="supervised", steps=200, batch_size=4, learning_rate=3e-3)
MC_DROPOUT = "MC dropout, whole network"
NETWORKS: dict[str, Callable[[int], FrozenNetwork]] = {
    "softmax, linear head": lambda seed: frozen_network(LinearHead, len(CLASSES), seed),
    "NP, latent classifier": lambda seed: frozen_network(ClassifierNPHead, len(CLASSES), seed),
    MC_DROPOUT: lambda seed: frozen_network(dropping, len(CLASSES), seed, kind=DropoutBeforeDecoder),
}
Scores = dict[tuple[str, str], list[float]]
"""Scores of all images by pixel score and aggregation."""
SETTINGS: Row = {
    "labelled": LABELLED,
    "T": SAMPLES,
    "steps": CONFIG.steps,
    "images_a_step": CONFIG.batch_size,
    "pixel_weights": CONFIG.pixel_weights,
}
"""Columns that must agree for a row to count as done."""


def measured(name: str, seed: int, data_folder: Path) -> list[Row]:
    """Train one network in a process of its own and return a row for each score and aggregation."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    data = frozen_camvid.load(data_folder)
    labelled = frozen_encoder.labelled_indices(LABELLED, seed, len(data))
    network = NETWORKS[name](seed)
    config = replace(CONFIG, seed=seed)
    teacher, _ = frozen_encoder.train(network, supervised.step, config, data, labelled)
    teacher.eval()
    if name == MC_DROPOUT:
        switch_dropout(teacher, True)
    probabilities = decoded(teacher, SAMPLES, encoded_once=name != MC_DROPOUT)
    pool = torch.tensor(sorted(set(range(len(data.labels))) - set(labelled.tolist())))
    scores, error, pixel_error = scored(probabilities, pool, data, teacher.class_weights)
    found = ranking_rows(scores, error, pixel_error)
    return [{"network": name, "seed": seed, **row, **SETTINGS} for row in found]


@torch.inference_mode()
def scored(
    probabilities: Probabilities, pool: Tensor, data: FrozenImages, class_weights: Tensor
) -> tuple[Scores, list[float], list[float]]:
    """Return the pool's scores, and each image's 1 − mIoU and pixel error.

    ``class_weights``, ``(C,)``, are what the classes weighed in training.
    """
    scores: Scores = {}
    error, pixel_error = [], []
    for image in pool.tolist():
        sampled = SampleStatistics(class_weights=class_weights)
        sampled.add(probabilities(data.views[0, image : image + 1]))
        maps = torch.cat([score(sampled) for score in PIXEL_SCORES.values()])
        class_map = sampled.mean()[0].argmax(dim=0)
        add_scores(scores, maps, class_map)
        confusion = confusion_matrix(class_map, data.labels[image], len(CLASSES))
        error.append(1 - mean_iou(confusion))
        pixel_error.append(1 - pixel_accuracy(confusion))
    return scores, error, pixel_error


def add_scores(scores: Scores, maps: Tensor, class_map: Tensor) -> None:
    """Add an image's scores by every aggregation; ``maps``, ``(scores, h, w)``, are as in PIXEL_SCORES."""
    everywhere = torch.ones_like(class_map, dtype=torch.bool)
    for aggregation, aggregate in AGGREGATIONS.items():
        found = aggregate(maps, class_map, everywhere).tolist()
        for pixel_score, value in zip(PIXEL_SCORES, found, strict=True):
            scores.setdefault((pixel_score, aggregation), []).append(value)


def ranking_rows(scores: Scores, error: list[float], pixel_error: list[float]) -> list[Row]:
    """Return a row for each score and aggregation: how well it finds the images with the largest errors."""
    mean_mi = NATS * statistics.mean(scores["mutual_information", "mean"])
    rows: list[Row] = []
    for (pixel_score, aggregation), values in scores.items():
        by_iou = ranking_quality(values, error, WORST)
        if math.isnan(by_iou.spearman):
            continue  # a score that does not vary, such as the mutual information of one sample
        by_pixels = ranking_quality(values, pixel_error, WORST)
        rows.append(
            {
                "pixel_score": pixel_score,
                "aggregation": aggregation,
                "spearman": by_iou.spearman,
                "precision": by_iou.precision,
                "spearman_pixel_error": by_pixels.spearman,
                "precision_pixel_error": by_pixels.precision,
                "worst": WORST,
                "images": len(error),
                "mean_mi": mean_mi,
            }
        )
    return rows


def main(
    data: Annotated[Path, typer.Option(help="The CamVid folder.")],
    seeds: Annotated[int, typer.Option(help="How many, from 0.")] = 3,
    jobs: Annotated[int, typer.Option(help="Processes at once, one thread each.")] = 2,
    result: Annotated[Path, typer.Option(help="The CSV file.")] = RESULT,
) -> None:
    """Measure how scores rank CamVid's unlabelled images."""
    origin = about()
    frozen_camvid.load(data)
    rows, _ = done_rows(result, SETTINGS)
    done = {(row["network"], int(str(row["seed"]))) for row in rows}
    wanted = [(name, seed) for seed in range(seeds) for name in NETWORKS if (name, seed) not in done]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        tasks = [pool.submit(measured, name, seed, data) for name, seed in wanted]
        for number, task in enumerate(as_completed(tasks), start=1):
            rows += [{**row, **origin} for row in task.result()]
            write_rows(result, sorted(rows, key=_place))
            print(f"{number} of {len(tasks)}", rows[-1]["network"], rows[-1]["seed"], flush=True)
    print_table(rows)


def _place(row: Row) -> tuple[int, ...]:
    """Return what the rows of the file are sorted by."""
    network = list(NETWORKS).index(str(row["network"]))
    score = list(PIXEL_SCORES).index(str(row["pixel_score"]))
    return network, score, list(AGGREGATIONS).index(str(row["aggregation"])), int(str(row["seed"]))


def print_table(rows: list[Row]) -> None:
    table = Table(title="Spearman of score and 1 − mIoU of the image, mean over seeds")
    for name in ("network", "pixel score", *AGGREGATIONS):
        table.add_column(name)
    for name in NETWORKS:
        for pixel_score in PIXEL_SCORES:
            cells = []
            for aggregation in AGGREGATIONS:
                wanted = (name, pixel_score, aggregation)
                own = [
                    float(str(row["spearman"]))
                    for row in rows
                    if (row["network"], row["pixel_score"], row["aggregation"]) == wanted
                ]
                cells.append(f"{statistics.mean(own):.3f}" if own else "")
            table.add_row(name, pixel_score, *cells)
    Console(width=150).print(table)


if __name__ == "__main__":
    typer.run(main)
