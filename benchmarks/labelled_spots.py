"""Labels of a few spots: ``python benchmarks/labelled_spots.py --data ../shared/data/nuclei``.

The first round of a project as in ``image_side.py``, with the settings of a new project, on 8 random images
whose label maps say nothing but what is in 16 random spots of 9 pixels across, about a hundredth of an image.
Three networks: the linear head, the default head, and the same head with the share of an image's pixels that
are labelled for what the image is worth as evidence, as it once was. Figures are those of
``batch_statistics.py``. Seeds are paired: a seed fixes images, spots, initial values and crops. Seeds whose
rows are there are not run again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from batch_statistics import of_part
from csv_rows import Row
from first_rounds import Images, trained, untrained
from image_side import show
from measured_seeds import run_command

from core.data import NOT_LABELLED
from core.model import classifier_np_head
from storage.settings import RoundSettings

RESULT = ROOT / "benchmarks" / "results" / "labelled_spots.csv"
LABELLED, SPOTS, RADIUS = 8, 16, 4
BLOCKS, PIXELS, LINEAR = "default head", "default head, evidence by pixels", "linear head"


def by_pixels(labels: Tensor) -> Tensor:
    """Return what ``evidence_weights`` does, with the share of an image's pixels that are labelled as sum."""
    labelled = (labels < NOT_LABELLED).flatten(1)
    return labelled / labelled.shape[1]


WAYS = {
    BLOCKS: ("np_classifier", classifier_np_head.evidence_weights),
    PIXELS: ("np_classifier", by_pixels),
    LINEAR: ("linear", by_pixels),
}


def only_spots(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return a label map of which only random spots are labelled."""
    height, width = labels.shape
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    kept = torch.zeros_like(labels, dtype=torch.bool)
    for place in torch.randint(height * width, (SPOTS,), generator=generator).tolist():
        row, column = divmod(place, width)
        kept |= (rows - row) ** 2 + (columns - column) ** 2 <= RADIUS**2
    return torch.where(kept, labels, NOT_LABELLED)


def measured(data: Path, seed: int) -> list[Row]:
    """Train in a process of its own, and return a row for each way."""
    torch.set_num_threads(1)
    shown = show(data, RoundSettings().long_side, seed, LABELLED)
    pool = Images(shown.pool.pixels, shown.pool.labels.clone())
    generator = torch.Generator().manual_seed(seed)
    chosen = shown.order[:LABELLED]
    for index in chosen:
        pool.labels[index] = only_spots(pool.labels[index], generator)
    share = float((pool.labels[chosen] < NOT_LABELLED).float().mean())
    rows: list[Row] = []
    for way, (head, weights) in WAYS.items():
        settings = RoundSettings.model_validate({"head": head})
        with patch.object(classifier_np_head, "evidence_weights", weights):
            network = untrained(settings, shown.class_count, seed)
            teacher = trained(network, settings, pool, shown.order, LABELLED, seed)
        figures = {**of_part("pool", teacher, shown.unseen), **of_part("test", teacher, shown.tested)}
        rows.append({"data": data.name, "way": way, "seed": seed, "labelled_share": share, **figures})
    return rows


if __name__ == "__main__":
    run_command(measured, RESULT, "Measure a first round on images that are labelled in a few spots.")
