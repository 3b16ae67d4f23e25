"""After how many labels a first round pays.

    python benchmarks/first_suggestions.py --data ../shared/data/camvid --data ../shared/data/nuclei

The network and the settings of a new project, trained on 4 random images, on 8, and on 8 from the weights of
the 4. Measured is mIoU on every fourth test image, and what the imagined person of ``correction_actions.py``
needs for some of them: from nothing, and from the suggestions of each network. A seed fixes labelled images,
initial values, crops and corrected images; its rows are not made again.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from correction_hand import corrected
from csv_rows import Row
from first_rounds import EVERY, load, trained, untrained
from measured_seeds import run_command
from suggestion_edges import FULL_SIDE, as_shown, picture

from core.data import NOT_LABELLED
from core.model.network import SegmentationNetwork
from core.predict import predict
from core.suggestion import Suggestion
from core.uncertainty import class_iou, confusion_matrix, pixel_accuracy
from storage.settings import RoundSettings

RESULT = ROOT / "benchmarks" / "results" / "first_suggestions.csv"
FEW, MORE = 4, 8
CORRECTED = 8
"""Images of each seed that the imagined person corrects."""
TARGETS = (0.9, 0.95)


def measured(data: Path, seed: int) -> list[Row]:
    """Train in a process of its own, and return a row for each beginning of the work."""
    torch.set_num_threads(1)
    settings = RoundSettings()
    pool, test, class_count = load(data, settings.long_side)
    full = test if data.name == "nuclei" else load(data, FULL_SIDE)[1]
    order = torch.randperm(len(pool.pixels), generator=torch.Generator().manual_seed(seed)).tolist()
    every = range(0, len(test.pixels), EVERY)
    to_correct = np.random.default_rng(seed).permutation(list(every))[:CORRECTED].tolist()

    def shown(network: SegmentationNetwork, index: int) -> Suggestion:
        prediction = predict(
            network,
            test.pixels[index],
            samples=settings.samples_predict,
            generator=torch.Generator().manual_seed(seed),
            device="cpu",
        )
        height, width = full.labels[index].shape
        return as_shown(prediction, test.pixels[index], network.class_weights, height, width)

    few = trained(untrained(settings, class_count, seed), settings, pool, order, FEW, seed)
    went_on = untrained(settings, class_count, seed)
    went_on.load_state_dict(few.state_dict())
    networks: dict[str, SegmentationNetwork | None] = {
        "nothing": None,
        f"{FEW} labels": few,
        f"{MORE} labels": trained(untrained(settings, class_count, seed), settings, pool, order, MORE, seed),
        f"{MORE} labels, after a round on {FEW}": trained(went_on, settings, pool, order, MORE, seed + 1),
    }
    rows: list[Row] = []
    for beginning, network in networks.items():
        row: dict[str, object] = {"data": data.name, "beginning": beginning, "seed": seed}
        if network is not None:
            confusion = torch.zeros(class_count, class_count, dtype=torch.int64)
            for index in every:
                confusion += confusion_matrix(
                    shown(network, index).class_map, full.labels[index], class_count
                )
            iou = class_iou(confusion)[confusion.sum(dim=1) > 0]
            row |= {"miou": float(iou.mean()), "accuracy": pixel_accuracy(confusion)}
        presses = []
        for index in to_correct:
            truth = full.labels[index]
            suggested = (
                Suggestion(torch.full_like(truth, NOT_LABELLED), torch.zeros(1, 1))
                if network is None
                else shown(network, index)
            )
            presses.append(corrected(picture(full.pixels[index], truth, suggested), TARGETS))
        row["corrected_images"] = len(presses)
        for target in TARGETS:
            row[f"actions_{round(100 * target)}"] = statistics.mean(one[target] for one in presses)
        rows.append(row)
    return rows


if __name__ == "__main__":
    run_command(measured, RESULT, "Measure what the first suggestions are worth.")
