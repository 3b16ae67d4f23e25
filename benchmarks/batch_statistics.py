"""Adapted batch statistics: ``python benchmarks/batch_statistics.py --data ../shared/data/camvid``.

Two rounds of a project as in ``image_side.py``, with the settings of a new project, after 8 and 16 labels.
Each teacher is measured twice: as its training ends, and with the running means of the training in place of
the batch statistics that are adapted at its end; the rest is the same network. All figures are of every
fourth image that no round has the label of, and of every fourth test image, at the full size of their label
maps (those of the uncertainty at a long side of 256, without a temperature). Projects whose rows are there
are not run again.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from csv_rows import Row
from first_rounds import Images, run_training, untrained
from image_side import show
from measured_seeds import run_command

from core.evaluation import evaluate
from core.model.network import SegmentationNetwork
from core.train import Training
from storage.settings import RoundSettings

RESULT = ROOT / "benchmarks" / "results" / "batch_statistics.csv"
LABELLED = (8, 16)
CPU = torch.device("cpu")


class MeasuredTraining(Training):
    """A training that keeps what its teacher was before its statistics were adapted."""

    before: SegmentationNetwork

    def _adapt_batch_statistics(self) -> None:
        self.before = copy.deepcopy(self.teacher)
        super()._adapt_batch_statistics()


def rounds(data: Path, seed: int) -> list[Row]:
    """Train the rounds in a process of their own and return two rows for each."""
    torch.set_num_threads(1)
    settings = RoundSettings()
    shown = show(data, settings.long_side, seed, LABELLED[-1])
    parent: SegmentationNetwork | None = None
    rows: list[Row] = []
    for number, count in enumerate(LABELLED, start=1):
        of_round = 100 * seed + number
        network = untrained(settings, shown.class_count, of_round)
        if parent is not None:
            network.load_state_dict(parent.state_dict())
        training = run_training(MeasuredTraining, network, settings, shown.pool, shown.order, count, of_round)
        parent = training.teacher
        for name, teacher in (("of the training", training.before), ("adapted", training.teacher)):
            figures = {**of_part("pool", teacher, shown.unseen), **of_part("test", teacher, shown.tested)}
            rows.append({"data": data.name, "seed": seed, "labels": count, "statistics": name, **figures})
    return rows


def of_part(part: str, teacher: SegmentationNetwork, images: Images) -> dict[str, float]:
    """Return the figures of one part of the images, with its name before theirs."""
    measured = evaluate(
        teacher, zip(images.pixels, images.labels, strict=True), samples=10, seed=0, device=CPU
    )
    figures = {"miou": measured.miou} | measured.uncertainty_figures()
    kept = ("miou", "error_auroc", "aurc", "nll", "ece", "temperature")
    return {f"{part}_{name}": figures[name] for name in kept}


if __name__ == "__main__":
    run_command(
        rounds, RESULT, "Measure rounds with adapted batch statistics and with those of the training."
    )
