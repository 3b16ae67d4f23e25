"""Few images labelled exactly, or more of them roughly, for the same work.

    python benchmarks/label_exactness.py --data ../shared/data/camvid --data ../shared/data/nuclei

The imagined person of ``correction_actions.py`` labels random images from nothing and stops at an agreement
with the truth. What they would paint next stays unlabelled, and what they painted over an edge stays wrong.
Each agreement has as many images as the presses for 8 images at 95 % pay for, at least 1 and at most 48. The
first round of a new project trains on them, and for comparison on the true label maps of the 8. mIoU is the
teacher's at the size that the network sees, on every fourth image of the pool behind the first 48 and on
every fourth test image. A seed fixes the order of the images, initial values and crops; its rows are not made
again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from correction_hand import label_maps
from csv_rows import Row
from first_rounds import EVERY, Images, load, miou, trained, untrained
from measured_seeds import run_command
from suggestion_edges import FULL_SIDE, picture

from core.data import NOT_LABELLED, label_to_size
from core.suggestion import Suggestion
from storage.settings import RoundSettings

RESULT = ROOT / "benchmarks" / "results" / "label_exactness.csv"
AGREEMENTS = (0.85, 0.9, 0.95, 0.98)
USUAL = 0.95
LABELLED = 8
"""Images whose presses at the usual agreement are the budget of all."""
MOST = 48
TRUTH = "truth"


def measured(data: Path, seed: int) -> list[Row]:
    """Label and train in a process of its own, and return a row for each agreement."""
    torch.set_num_threads(1)
    settings = RoundSettings()
    pool, test, class_count = load(data, settings.long_side)
    full = pool if data.name == "nuclei" else load(data, FULL_SIDE)[0]
    order = torch.randperm(len(pool.pixels), generator=torch.Generator().manual_seed(seed)).tolist()
    works = {index: _Work(full, index) for index in order[:MOST]}
    budget = sum(works[index].until(USUAL)[0] for index in order[:LABELLED])
    unseen, tested = order[MOST::EVERY], range(0, len(test.pixels), EVERY)
    rows: list[Row] = []
    for agreement in (TRUTH, *AGREEMENTS):
        labels, presses = pool.labels.clone(), 0
        count = 0
        for index in order[: LABELLED if agreement == TRUTH else MOST]:
            if not isinstance(agreement, str):
                more, label_map = works[index].until(agreement)
                if count and presses + more > budget:
                    break
                presses += more
                labels[index] = label_to_size(label_map[None], *labels.shape[1:])[0]
            count += 1
        network = untrained(settings, class_count, seed)
        teacher = trained(network, settings, Images(pool.pixels, labels), order, count, seed)
        rows.append(
            {
                "data": data.name,
                "agreement": agreement,
                "images": count,
                "presses": "" if agreement == TRUTH else presses,
                "pool_miou": miou(teacher, Images(pool.pixels[unseen], pool.labels[unseen])),
                "test_miou": miou(teacher, Images(test.pixels[tested], test.labels[tested])),
                "seed": seed,
            }
        )
    return rows


class _Work:
    """One image that is labelled from nothing, and how far the person was at each agreement."""

    def __init__(self, images: Images, index: int) -> None:
        nothing = Suggestion(torch.full_like(images.labels[index], NOT_LABELLED), torch.zeros(1, 1))
        self.picture = picture(images.pixels[index], images.labels[index], nothing)
        self.label_maps = label_maps(self.picture)
        self.reached: dict[float, tuple[int, Tensor]] = {}

    def until(self, agreement: float) -> tuple[int, Tensor]:
        """Return the presses to an agreement and the label map then."""
        while agreement not in self.reached:
            presses, label_map = next(self.label_maps)
            for each in AGREEMENTS:
                if each not in self.reached and self.picture.agreement(label_map) >= each:
                    self.reached[each] = presses, torch.from_numpy(label_map.copy())
        return self.reached[agreement]


if __name__ == "__main__":
    run_command(measured, RESULT, "Measure what few exact labels teach beside more rough ones.")
