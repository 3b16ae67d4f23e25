"""Which decoder learns most from few labels: ``python benchmarks/decoders.py --data ../shared/data/camvid``.

Two rounds of a project as in ``image_side.py``, with the settings of a new project but for the decoder, after
8 and 16 labels. Figures are those of ``batch_statistics.py``: of every fourth image that no round has the
label of, and of every fourth test image. Seeds are paired: a seed fixes the labelled images and the crops.
Projects whose rows are there are not run again.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from batch_statistics import LABELLED, of_part
from csv_rows import Row
from first_rounds import teachers
from image_side import show
from measured_seeds import run_command

from storage.settings import RoundSettings

RESULT = ROOT / "benchmarks" / "results" / "decoders.csv"
DECODERS = ("DeepLabV3Plus", "FPN")


def rounds(data: Path, seed: int) -> list[Row]:
    """Train the rounds under each decoder in a process of their own and return a row for each."""
    torch.set_num_threads(1)
    shown = show(data, RoundSettings().long_side, seed, LABELLED[-1])
    rows: list[Row] = []
    for decoder in DECODERS:
        settings = RoundSettings(decoder=decoder)
        trained = teachers(settings, shown.pool, shown.class_count, shown.order, seed, LABELLED)
        for count, teacher, seconds in trained:
            began = time.process_time()
            figures = {**of_part("pool", teacher, shown.unseen), **of_part("test", teacher, shown.tested)}
            of_each = (time.process_time() - began) / (len(shown.unseen.pixels) + len(shown.tested.pixels))
            rows.append(
                {
                    "data": data.name,
                    "seed": seed,
                    "labels": count,
                    "decoder": decoder,
                    **figures,
                    "cpu_seconds": seconds,
                    "ms_per_image": 1000 * of_each,
                }
            )
    return rows


if __name__ == "__main__":
    run_command(rounds, RESULT, "Measure the first rounds of a project under several decoders.")
