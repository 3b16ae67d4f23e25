"""Further rounds in the loop itself: ``python benchmarks/asked_rounds.py --data ../shared/data/camvid``.

``further_rounds.py`` labels images at random; here the labels are those that the loop asks for. A new project
with the settings and the cold start of the application, the true masks in the person's place, trains after 8
labels and after 16, one round or three each time. mIoU is that of the teacher on all test images, at full
size. Seeds are paired: up to 8 labels both ways are the same project. Projects whose rows are there are not
run again.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from csv_rows import Row
from further_rounds import LABELLED, Project, run_projects

from core.simulate import simulate
from core.simulate.grid import Grid
from storage.settings import RoundSettings

RESULT = ROOT / "benchmarks" / "results" / "asked_rounds.csv"
AS_THE_APPLICATION = ("choice_batch", "uncertain_from")
"""Settings for which a simulation has defaults of its own."""


def measured(project: Project, data: Path) -> list[Row]:
    """Run the loop in a process of its own and return a row for each number of labels."""
    torch.set_num_threads(1)
    settings = RoundSettings()
    grid = Grid(
        strategies=(settings.batch_choice,),
        recipes=(settings.recipe,),
        seeds=(project.seed,),
        budgets=LABELLED,
        further_rounds=project.rounds - 1,
        overrides={name: getattr(settings, name) for name in AS_THE_APPLICATION},
    )
    with tempfile.TemporaryDirectory() as folder:
        reached = simulate(
            _in_the_layout_of_camvid(data, Path(folder) / data.name),
            grid,
            out=Path(folder) / "results",
            start="typical",
            device="cpu",
            console=Console(file=io.StringIO()),
        )
    return [
        {
            "data": data.name,
            **project._asdict(),
            "labels": one.labels,
            "round": one.round,
            "test_miou": one.test_miou,
            "spearman": one.ranking.spearman if one.ranking else None,
        }
        for one in reached
    ]


def _in_the_layout_of_camvid(data: Path, folder: Path) -> Path:
    """Return a folder that the import knows; that of the nuclei is made of links."""
    if not (data / "dataset.json").exists():
        return data
    splits = json.loads((data / "dataset.json").read_text(encoding="utf-8"))["splits"]
    for split in ("train", "test"):
        for kind, name, ending in (("images", split, "jpg"), ("masks", f"{split}annot", "png")):
            (folder / name).mkdir(parents=True)
            for key in splits[split]:
                linked = data.resolve() / kind / f"{key}.{ending}"
                (folder / name / linked.name).symlink_to(linked)
    return folder


def main(
    data: Annotated[Path, typer.Option(help="The folder of CamVid or of the nuclei.")],
    seeds: Annotated[int, typer.Option(help="How many, from 0.")] = 3,
    jobs: Annotated[int, typer.Option(help="Processes at once, one thread each.")] = 2,
    result: Annotated[Path, typer.Option(help="The CSV file.")] = RESULT,
) -> None:
    """Measure the loop with one round and with three on the same labels."""
    run_projects(measured, data, seeds, jobs, result)


if __name__ == "__main__":
    typer.run(main)
