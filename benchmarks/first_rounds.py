"""What a round on a CPU is best spent on: ``python benchmarks/first_rounds.py --data ../shared/data/camvid``.

The first three rounds of a project, on 8, 16 and 24 random images of CamVid or of the nuclei, with the
network and the other settings of a new project, each round from the last one's weights. A step with
unlabelled images takes more than twice the time of one without, so schedules are compared that take as long
as each other: ``recipe/share of the steps on labels alone/steps``. mIoU is the teacher's at the size that the
network sees, on every fourth image that no round has the label of, and on every fourth test image.
Seeds are paired: a seed fixes the labelled images, the initial values and the crops. Schedules whose rows are
there are not run again.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import torch
import typer
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import frozen_camvid
import frozen_nuclei
from csv_rows import Row, about, print_rows, rows_alike, settings_column, write_rows

from core.data import TrainingData, label_to_size
from core.evaluation import overlap
from core.model.network import SegmentationNetwork, build_network
from core.train import Training
from core.train_config import TrainConfig
from storage.settings import RoundSettings

Kind = TypeVar("Kind", bound=Training)
RESULT = ROOT / "benchmarks" / "results" / "first_rounds.csv"
LABELLED = (8, 16, 24)
EVERY = 4
"""One image in so many is measured."""
SCHEDULES = ("consistency/0.8/240", "supervised/1/300")


class Images(NamedTuple):
    """Images ``(N, 3, h, w)`` and their true label maps ``(N, h, w)``, uint8."""

    pixels: Tensor
    labels: Tensor


class Project(NamedTuple):
    """The rounds of one schedule and seed."""

    recipe: str
    warm_up: float
    steps: int
    seed: int


def load(data: Path, side: int) -> tuple[Images, Images, int]:
    """Return the images of the pool and of the test, and the number of classes."""
    if (data / "dataset.json").exists():
        splits = json.loads((data / "dataset.json").read_text(encoding="utf-8"))["splits"]
        pool, test = (Images(*frozen_nuclei.read(data, sorted(splits[name]))) for name in ("train", "test"))
        return pool, test, len(frozen_nuclei.CLASSES)
    found = []
    for name in ("train", "test"):
        pixels, labels = frozen_camvid.read(data / name, data / f"{name}annot", side, side * 3 // 4)
        found.append(Images(pixels, label_to_size(labels, *pixels.shape[2:])))
    return found[0], found[1], len(frozen_camvid.CLASSES)


def untrained(settings: RoundSettings, class_count: int, seed: int) -> SegmentationNetwork:
    """Return the network of the settings; the seed gives its initial values."""
    return build_network(
        class_count,
        encoder=settings.encoder,
        decoder=settings.decoder,
        head=settings.head,
        generator=torch.Generator().manual_seed(seed),
    )


def trained(
    network: SegmentationNetwork,
    settings: RoundSettings,
    pool: Images,
    order: list[int],
    count: int,
    seed: int,
) -> SegmentationNetwork:
    """Train a round with the labels of the first ``count`` images in the order, and return the teacher."""
    return run_training(Training, network, settings, pool, order, count, seed).teacher


def run_training(
    kind: type[Kind],
    network: SegmentationNetwork,
    settings: RoundSettings,
    pool: Images,
    order: list[int],
    count: int,
    seed: int,
) -> Kind:
    """Train as :func:`trained` does, and return the training, which may be one of another ``kind``."""
    names = {field.name for field in dataclasses.fields(TrainConfig)} - {"seed"}
    config = TrainConfig(seed=seed, **{name: value for name, value in settings if name in names})
    labels = {index: pool.labels[index] for index in order[:count]}
    known = TrainingData(list(pool.pixels), labels, order[count:])
    training = kind(network, known, config, torch.device("cpu"))
    training.run(lambda report: True)
    return training


def teachers(
    settings: RoundSettings,
    pool: Images,
    class_count: int,
    order: list[int],
    seed: int,
    counts: Sequence[int] = LABELLED,
) -> Iterator[tuple[int, SegmentationNetwork, float]]:
    """Train one round after the other on so many labels, each from the last one's weights.

    Yields:
        How many images were labelled, the teacher, and the processor's seconds of the training.
    """
    parent = None
    for number, count in enumerate(counts, start=1):
        of_round = 100 * seed + number
        network = untrained(settings, class_count, of_round)
        if parent is not None:
            network.load_state_dict(parent.state_dict())
        began = time.process_time()
        parent = trained(network, settings, pool, order, count, of_round)
        yield count, parent, time.process_time() - began


def rounds(project: Project, data: Path) -> list[Row]:
    """Train the rounds in a process of their own and return a row for each."""
    torch.set_num_threads(1)
    settings = RoundSettings.model_validate(project._asdict())
    pool, test, class_count = load(data, settings.long_side)
    order = torch.randperm(len(pool.pixels), generator=torch.Generator().manual_seed(project.seed)).tolist()
    never_labelled = order[LABELLED[-1] :: EVERY]
    rows: list[Row] = []
    for number, (count, teacher, seconds) in enumerate(
        teachers(settings, pool, class_count, order, project.seed), start=1
    ):
        rows.append(
            {
                "data": data.name,
                **project._asdict(),
                "round": number,
                "labels": count,
                "pool_miou": miou(teacher, Images(pool.pixels[never_labelled], pool.labels[never_labelled])),
                "test_miou": miou(teacher, Images(test.pixels[::EVERY], test.labels[::EVERY])),
                "cpu_seconds": seconds,
            }
        )
    return rows


def miou(network: SegmentationNetwork, images: Images) -> float:
    pairs = zip(images.pixels, images.labels, strict=True)
    return overlap(network, pairs, samples=5, seed=0, device=torch.device("cpu")).miou


def main(
    data: Annotated[Path, typer.Option(help="The folder of CamVid or of the nuclei.")],
    seeds: Annotated[int, typer.Option(help="How many, from 0.")] = 3,
    jobs: Annotated[int, typer.Option(help="Processes at once, one thread each.")] = 2,
    schedule: Annotated[list[str] | None, typer.Option(help="recipe/share/steps; two by default.")] = None,
    result: Annotated[Path, typer.Option(help="The CSV file.")] = RESULT,
) -> None:
    """Measure the first rounds of a project under several schedules."""
    origin = {**settings_column(RoundSettings()), **about()}
    rows = rows_alike(result, origin)
    done = {(row["data"], *(row[name] for name in Project._fields)) for row in rows}
    wanted = []
    for seed in range(seeds):
        for text in schedule or SCHEDULES:
            recipe, share, steps = text.split("/")
            wanted.append(Project(recipe, float(share), int(steps), seed))
    wanted = [each for each in wanted if (data.name, *_cells(each)) not in done]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        tasks = [pool.submit(rounds, project, data) for project in wanted]
        for task in as_completed(tasks):
            rows += [{**row, **origin} for row in task.result()]
            write_rows(result, sorted(rows, key=_place))
            print_rows(rows[-len(LABELLED) :])


def _cells(project: Project) -> tuple[str, ...]:
    """Return a project as its row holds it."""
    return (project.recipe, f"{project.warm_up:.5g}", str(project.steps), str(project.seed))


def _place(row: Row) -> tuple[object, ...]:
    """Return what the rows of the file are sorted by."""
    cells = [str(row[name]) for name in ("data", "recipe")]
    return (*cells, *(float(str(row[name])) for name in ("warm_up", "steps", "seed", "round")))


if __name__ == "__main__":
    typer.run(main)
