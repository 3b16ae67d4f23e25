"""What it is worth to draw suggestions along the edges of the image.

    python benchmarks/suggestion_edges.py --data ../shared/data/camvid --data ../shared/data/nuclei

The network and the settings of a new project's first round, trained on 16 random images. Each of its
predictions is enlarged to the image's full size in several ways, each with one more part of what the product
does: bilinearly; along the image's edges (``core/guided_maps.py``); with its classes decided on nearer to
their natural frequencies (``core/class_weights.py``); and, where the network sees the image at its full size,
with borders at the edges beside them (``core/border_snap.py``). Measured are all on every fourth test image,
and on some of them the actions that the imagined person of ``correction_actions.py`` needs. *Near a border*
are pixels at most ``NEAR`` away from another class of the truth. A seed fixes labelled images, initial
values, crops and corrected images; its rows are not made again.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import find_boundaries
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from bilinear import bilinear_suggestion
from correction_hand import Picture, corrected
from csv_rows import Row
from first_rounds import EVERY, load, trained, untrained
from measured_seeds import run_command

from app.superpixels import SEGMENTS, segment
from core.class_weights import as_decided, at_natural_frequencies
from core.data import NOT_LABELLED
from core.enlarged_class_map import enlarged_class_map
from core.predict import ImagePrediction, predict
from core.suggestion import Suggestion, guided, suggestion
from core.uncertainty import class_iou, confusion_matrix, pixel_accuracy
from storage.settings import RoundSettings

RESULT = ROOT / "benchmarks" / "results" / "suggestion_edges.csv"
LABELLED = 16
CORRECTED = 12
"""Images of each seed that the imagined person corrects."""
NEAR = 6
FULL_SIDE = 480
"""Of CamVid's images; the nuclei have 256 pixels and are not made larger."""
TARGETS = (0.95, 0.98)

Draw = Callable[[ImagePrediction, Tensor, Tensor, int, int], Suggestion]


def bilinearly(
    prediction: ImagePrediction, pixels: Tensor, weights: Tensor, height: int, width: int
) -> Suggestion:
    return bilinear_suggestion(prediction.probabilities, weights.cpu(), height, width, prediction.extent)


def along_edges(
    prediction: ImagePrediction, pixels: Tensor, weights: Tensor, height: int, width: int
) -> Suggestion:
    return drawn(prediction, pixels, weights, height, width, torch.ones_like(weights))


def decided(
    prediction: ImagePrediction, pixels: Tensor, weights: Tensor, height: int, width: int
) -> Suggestion:
    return drawn(prediction, pixels, weights, height, width, weights)


def drawn(
    prediction: ImagePrediction, pixels: Tensor, weights: Tensor, height: int, width: int, deciding: Tensor
) -> Suggestion:
    """Draw along the edges; ``deciding``, ``(C,)``, is what pixels are taken to have weighed in training."""
    maps = torch.cat(list(guided(prediction, pixels).pieces()))
    to_decide = as_decided(maps, deciding)
    seen = to_decide.argmax(dim=0)
    natural = at_natural_frequencies(maps.clamp(min=0)[None], weights)[0]
    class_map = seen.to(torch.uint8)
    if class_map.shape != (height, width):
        class_map = enlarged_class_map(lambda: [to_decide], class_map, height, width)
    return Suggestion(class_map, natural.gather(0, seen[None])[0])


def as_shown(
    prediction: ImagePrediction, pixels: Tensor, weights: Tensor, height: int, width: int
) -> Suggestion:
    return suggestion(guided(prediction, pixels), pixels, weights, height, width)


WAYS: dict[str, Draw] = {
    "bilinear": bilinearly,
    "along edges": along_edges,
    "decided anew": decided,
    "as shown": as_shown,
}


def measured(data: Path, seed: int) -> list[Row]:
    """Train in a process of its own, and return a row for each way."""
    torch.set_num_threads(1)
    settings = RoundSettings()
    pool, test, class_count = load(data, settings.long_side)
    full = test if data.name == "nuclei" else load(data, FULL_SIDE)[1]
    order = torch.randperm(len(pool.pixels), generator=torch.Generator().manual_seed(seed)).tolist()
    network = trained(untrained(settings, class_count, seed), settings, pool, order, LABELLED, seed)
    every = range(0, len(test.pixels), EVERY)
    to_correct = set(np.random.default_rng(seed).permutation(list(every))[:CORRECTED].tolist())
    confusion = {way: torch.zeros(class_count, class_count, dtype=torch.int64) for way in WAYS}
    near_right: dict[str, list[Tensor]] = {way: [] for way in WAYS}
    actions: dict[str, list[dict[float, int]]] = {way: [] for way in WAYS}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for index in every:
        pixels, truth = test.pixels[index], full.labels[index]
        height, width = truth.shape
        prediction = predict(
            network,
            pixels,
            samples=settings.samples_predict,
            generator=torch.Generator().manual_seed(seed),
            device="cpu",
        )
        counted = truth < NOT_LABELLED
        apart = distance_transform_edt(~find_boundaries(truth.numpy()))
        near = torch.from_numpy(apart <= NEAR) & counted
        for way, draw in WAYS.items():
            began = time.perf_counter()
            shown = draw(prediction, pixels, network.class_weights, height, width)
            seconds[way].append(time.perf_counter() - began)
            confusion[way] += confusion_matrix(shown.class_map, truth, class_count)
            near_right[way].append((shown.class_map == truth)[near])
            if index in to_correct:
                actions[way].append(corrected(picture(full.pixels[index], truth, shown), TARGETS))
    rows: list[Row] = []
    for way in WAYS:
        iou = class_iou(confusion[way])[confusion[way].sum(dim=1) > 0]
        rows.append(
            {
                "data": data.name,
                "way": way,
                "seed": seed,
                "labels": LABELLED,
                "test_images": len(every),
                "miou": float(iou.mean()),
                "accuracy": pixel_accuracy(confusion[way]),
                "near_border": float(torch.cat(near_right[way]).float().mean()),
                "corrected_images": len(actions[way]),
                **{
                    f"actions_{round(100 * target)}": statistics.mean(one[target] for one in actions[way])
                    for target in TARGETS
                },
                "ms_per_suggestion": 1000 * statistics.median(seconds[way]),
            }
        )
    return rows


def picture(pixels: Tensor, truth: Tensor, shown: Suggestion) -> Picture:
    colours = pixels.permute(1, 2, 0).contiguous().numpy()
    confidence = F.interpolate(shown.confidence[None, None], size=truth.shape, mode="bilinear")[0, 0]
    return Picture(
        pixels=colours,
        truth=truth.numpy(),
        suggestion=shown.class_map.numpy(),
        confidence=confidence.numpy(),
        superpixels=tuple(segment(colours, count) for count in SEGMENTS),
    )


if __name__ == "__main__":
    run_command(measured, RESULT, "Measure suggestions drawn along the edges beside bilinear ones.")
