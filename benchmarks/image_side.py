"""How large a network sees images best: ``python benchmarks/image_side.py --data ../shared/data/camvid``.

The first three rounds of a project as in ``first_rounds.py``, with sizes that take about the same time to
train: ``long side/crop/steps``. mIoU is that of the teacher's suggestions at the full size of the label maps,
on every fourth image that no round has the label of, and on every fourth test image. Seeds are paired: a seed
fixes the labelled images and the initial values. Sizes whose rows are there are not run again.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from csv_rows import Row, about, print_rows, rows_alike, settings_column, write_rows
from first_rounds import EVERY, LABELLED, Images, load, miou, teachers

from storage.settings import RoundSettings

RESULT = ROOT / "benchmarks" / "results" / "image_side.csv"
SIZES = ("256/160/240", "384/160/240", "384/224/140")
FULL_SIDE = 480
"""Of CamVid's images."""


class Project(NamedTuple):
    """The rounds of one size and seed."""

    long_side: int
    crop: int
    steps: int
    seed: int


class Shown(NamedTuple):
    """What the rounds of a seed learn from, in the order in which it is labelled, and what measures them."""

    pool: Images
    class_count: int
    order: list[int]
    unseen: Images
    tested: Images


def show(data: Path, side: int, seed: int, most: int) -> Shown:
    """Return the images at a long side; those that measure have label maps of their full size.

    ``most`` are the images that the last round has the label of.
    """
    pool, test, class_count = load(data, side)
    full_pool, full_test, _ = load(data, FULL_SIDE)
    order = torch.randperm(len(pool.pixels), generator=torch.Generator().manual_seed(seed)).tolist()
    never_labelled = order[most::EVERY]
    unseen = Images(pool.pixels[never_labelled], full_pool.labels[never_labelled])
    tested = Images(test.pixels[::EVERY], full_test.labels[::EVERY])
    return Shown(pool, class_count, order, unseen, tested)


def rounds(project: Project, data: Path) -> list[Row]:
    """Train the rounds in a process of their own and return a row for each."""
    torch.set_num_threads(1)
    settings = RoundSettings.model_validate(project._asdict())
    shown = show(data, settings.long_side, project.seed, LABELLED[-1])
    rows: list[Row] = []
    for number, (count, teacher, taken) in enumerate(
        teachers(settings, shown.pool, shown.class_count, shown.order, project.seed), start=1
    ):
        began = time.process_time()
        figures = {"pool_miou": miou(teacher, shown.unseen), "test_miou": miou(teacher, shown.tested)}
        of_each = (time.process_time() - began) / (len(shown.unseen.pixels) + len(shown.tested.pixels))
        rows.append(
            {
                "data": data.name,
                **project._asdict(),
                "round": number,
                "labels": count,
                **figures,
                "cpu_seconds": taken,
                "ms_per_suggestion": 1000 * of_each,
            }
        )
    return rows


def main(
    data: Annotated[Path, typer.Option(help="The folder of CamVid or of the nuclei.")],
    seeds: Annotated[int, typer.Option(help="How many, from 0.")] = 5,
    jobs: Annotated[int, typer.Option(help="Processes at once, one thread each.")] = 2,
    size: Annotated[list[str] | None, typer.Option(help="long side/crop/steps; three by default.")] = None,
    result: Annotated[Path, typer.Option(help="The CSV file.")] = RESULT,
) -> None:
    """Measure the first rounds of a project at several sizes of the images."""
    origin = {**settings_column(RoundSettings()), **about()}
    rows = rows_alike(result, origin)
    done = {tuple(str(row[name]) for name in ("data", *Project._fields)) for row in rows}
    wanted = []
    for seed in range(seeds):
        for text in size or SIZES:
            long_side, crop, steps = (int(part) for part in text.split("/"))
            wanted.append(Project(long_side, crop, steps, seed))
    wanted = [each for each in wanted if (data.name, *map(str, each)) not in done]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        tasks = [pool.submit(rounds, project, data) for project in wanted]
        for task in as_completed(tasks):
            rows += [{**row, **origin} for row in task.result()]
            write_rows(result, sorted(rows, key=_place))
            print_rows(rows[-len(LABELLED) :])


def _place(row: Row) -> tuple[object, ...]:
    """Return what the rows of the file are sorted by."""
    numbers = ("long_side", "crop", "steps", "seed", "round")
    return (str(row["data"]), *(int(str(row[name])) for name in numbers))


if __name__ == "__main__":
    typer.run(main)
