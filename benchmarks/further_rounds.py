"""What rounds on the same labels bring: ``python benchmarks/further_rounds.py --data ../shared/data/camvid``.

A worker that waits for labels can train on with those there are. The first rounds of a project as in
``image_side.py``, with the settings of a new project: after each 8 new labels one round, or three. mIoU is
that of the teacher's suggestions at the full size of the label maps, on every fourth image that no round has
the label of, and on every fourth test image. Seeds are paired: a seed fixes the labelled images and the
initial values, and both ways have the first round in common. Projects whose rows are there are not run again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from csv_rows import Row, about, print_rows, rows_alike, settings_column, write_rows
from first_rounds import miou, teachers
from image_side import show

from storage.settings import RoundSettings

RESULT = ROOT / "benchmarks" / "results" / "further_rounds.csv"
LABELLED = (8, 16)
ROUNDS = (1, 3)
"""On the same labels."""


class Project(NamedTuple):
    """How many rounds each number of labels has, and the seed."""

    rounds: int
    seed: int


def measured(project: Project, data: Path) -> list[Row]:
    """Train the rounds in a process of their own and return a row for each."""
    torch.set_num_threads(1)
    settings = RoundSettings()
    shown = show(data, settings.long_side, project.seed, LABELLED[-1])
    counts = [count for count in LABELLED for _ in range(project.rounds)]
    rows: list[Row] = []
    for number, (count, teacher, taken) in enumerate(
        teachers(settings, shown.pool, shown.class_count, shown.order, project.seed, counts), start=1
    ):
        rows.append(
            {
                "data": data.name,
                **project._asdict(),
                "round": number,
                "labels": count,
                "pool_miou": miou(teacher, shown.unseen),
                "test_miou": miou(teacher, shown.tested),
                "cpu_seconds": taken,
            }
        )
    return rows


def run_projects(
    measured: Callable[[Project, Path], list[Row]], data: Path, seeds: int, jobs: int, result: Path
) -> None:
    """Measure the projects whose rows are not there yet, each in a process of its own; write their rows."""
    origin = {**settings_column(RoundSettings()), **about()}
    rows = rows_alike(result, origin)
    done = {tuple(str(row[name]) for name in ("data", *Project._fields)) for row in rows}
    wanted = [Project(number, seed) for seed in range(seeds) for number in sorted(ROUNDS, reverse=True)]
    wanted = [each for each in wanted if (data.name, *map(str, each)) not in done]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        tasks = [pool.submit(measured, project, data) for project in wanted]
        for task in as_completed(tasks):
            found = task.result()
            rows += [{**row, **origin} for row in found]
            write_rows(result, sorted(rows, key=_place))
            print_rows(found)


def main(
    data: Annotated[Path, typer.Option(help="The folder of CamVid or of the nuclei.")],
    seeds: Annotated[int, typer.Option(help="How many, from 0.")] = 3,
    jobs: Annotated[int, typer.Option(help="Processes at once, one thread each.")] = 2,
    result: Annotated[Path, typer.Option(help="The CSV file.")] = RESULT,
) -> None:
    """Measure the first rounds of a project with one round and with three on the same labels."""
    run_projects(measured, data, seeds, jobs, result)


def _place(row: Row) -> tuple[object, ...]:
    """Return what the rows of the file are sorted by."""
    return (str(row["data"]), *(int(str(row[name])) for name in ("rounds", "seed", "round")))


if __name__ == "__main__":
    typer.run(main)
