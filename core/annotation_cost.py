"""What an image costs to label, in clicks of a simulated annotator who knows the truth.

Two measures. *Superpixel clicks* count the superpixels that must be clicked once each, as in "Revisiting
Superpixels for Active Learning" (Cai et al., CVPR 2021). *Correction clicks* let a greedy annotator repair
a label map until it agrees with the truth (NoC@95 of interactive segmentation): it always goes for the
largest wrong piece. To look at an image and submit it is an action too, so no image costs less than one
correction click. Neither is a person: both are lower bounds of what a hand would need with these tools,
and they serve to compare images and strategies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import flood, slic

from core.data import NOT_LABELLED, VOID

SEGMENTS = (200, 600, 2000)
"""Superpixels an image is cut into, about: the scales that the editor offers."""
BRUSHES = (4, 8, 16, 32)
"""Diameters of the brush, in pixels."""
COUNTED_SCALE = 1
"""Place in ``SEGMENTS`` of the superpixels that superpixel clicks count."""

LabelMap = NDArray[np.uint8]
Superpixels = NDArray[np.intp]


@dataclass(frozen=True)
class Annotator:
    """How the simulated annotator clicks.

    Attributes:
        target: Share of the counted pixels that must have their true class, in (0, 1].
        most_clicks: The annotator gives up after so many; an image given up costs exactly these.
        jitter: σ of the normal distance between aim and click along each axis, in pixels.
        class_errors: Share of the clicks that give a wrong class, in [0, 1].
    """

    target: float = 0.95
    most_clicks: int = 200
    jitter: float = 0.0
    class_errors: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.target <= 1:
            raise ValueError(f"The target is a share above 0 and up to 1, not {self.target:g}.")
        if self.most_clicks < 1:
            raise ValueError(f"An annotator clicks at least once, not {self.most_clicks} times.")
        if not 0 <= self.jitter < math.inf:
            raise ValueError(f"The jitter is at least 0 pixels, not {self.jitter:g}.")
        if not 0 <= self.class_errors <= 1:
            raise ValueError(f"The share of class errors lies in 0 to 1, not at {self.class_errors:g}.")


@dataclass(frozen=True)
class Correction:
    """What became of a label map.

    Attributes:
        clicks: Clicks until the target, or ``Annotator.most_clicks`` when it was not reached.
        reached: Whether the target was reached.
        label_map: (H, W) ``uint8`` at the end.
    """

    clicks: int
    reached: bool
    label_map: LabelMap


def cut_into_superpixels(pixels: NDArray[np.uint8]) -> tuple[Superpixels, ...]:
    """Cut an image, (H, W, 3), by SLIC (Achanta et al. 2012) at each scale of ``SEGMENTS``.

    Returns:
        Ids (H, W) from 0 on, one array a scale, coarse to fine; cut as the editor cuts them.
    """
    bright = np.sqrt(pixels.astype(np.float32) / 255)
    return tuple(
        slic(bright, segments, compactness=15.0, sigma=1.0, start_label=0).astype(np.intp)
        for segments in SEGMENTS
    )


def agreement(label_map: LabelMap, truth: LabelMap) -> float:
    """Return the share of the pixels with a true class which have it; 1 when no pixel has one."""
    counted = truth < NOT_LABELLED
    return float((label_map == truth)[counted].mean()) if counted.any() else 1.0


def superpixel_clicks(superpixels: Superpixels, truth: LabelMap, suggestion: LabelMap | None = None) -> int:
    """Count the superpixels that need a click, one each.

    The dominant class of a superpixel is the most frequent one among its pixels with a true class (the
    lowest index of equals); a superpixel without such a pixel needs no click. From scratch every other
    superpixel is clicked; with a suggestion, those where the suggestion's dominant class differs from the
    truth's.

    Args:
        superpixels: Ids (H, W) from 0 on.
        truth: (H, W) ``uint8``; 254 and 255 are not counted.
        suggestion: (H, W) ``uint8`` of classes; None for a start from scratch.
    """
    counted = truth < NOT_LABELLED
    true_counts = _class_counts(superpixels[counted], truth[counted], int(superpixels.max()) + 1)
    occupied = true_counts.any(axis=1)
    if suggestion is None:
        return int(occupied.sum())
    suggested_counts = _class_counts(superpixels[counted], suggestion[counted], len(true_counts))
    differs = true_counts.argmax(axis=1) != suggested_counts.argmax(axis=1)
    return int((occupied & differs).sum())


def _class_counts(ids: NDArray[np.intp], values: NDArray[np.uint8], superpixels: int) -> NDArray[np.intp]:
    """Count values by superpixel, ``(superpixels, 256)``."""
    pairs = ids * 256 + values
    return np.bincount(pairs, minlength=256 * superpixels).reshape(superpixels, 256)


def correct(
    label_map: LabelMap,
    truth: LabelMap,
    superpixels: Sequence[Superpixels],
    annotator: Annotator,
    generator: np.random.Generator,
) -> Correction:
    """Repair a label map by clicks until it agrees with the truth.

    Each click aims at the centre (the point farthest from the border) of the largest connected piece of
    wrong pixels that want the same class, and gives that class to one of: the superpixel under the click, at
    any scale; the connected region of the label map under it; a dab of the brush. The annotator takes what
    would gain most right pixels at the point of aim; where nothing gains a pixel the piece is left as it is.
    Jitter moves the click away from the aim, and an error gives another class of the image; both may do
    harm that costs further clicks.

    Args:
        label_map: (H, W) ``uint8`` to begin with: a suggestion, or 254 everywhere.
        truth: (H, W) ``uint8``; 254 and 255 do not matter.
        superpixels: Ids (H, W) at each scale.
        annotator: How they click and when they stop.
        generator: Draws jitter and errors.
    """
    label_map = label_map.copy()
    matters = truth < NOT_LABELLED
    classes = np.unique(truth[matters])
    left_alone = ~matters
    clicks = 0
    while agreement(label_map, truth) < annotator.target:
        piece = _largest_wrong_piece(label_map, truth, left_alone)
        if piece is None or clicks == annotator.most_clicks:
            return Correction(annotator.most_clicks, False, label_map)
        aim = _centre(piece)
        wanted = int(truth[aim])
        reaches = _reaches(aim, label_map, superpixels)
        gains = [_gain(reach, label_map, truth, wanted) for reach in reaches]
        tool = int(np.argmax(gains))
        if gains[tool] <= 0:
            left_alone |= piece
            continue
        point = _jittered(aim, annotator.jitter, truth.shape, generator)
        given = _mistaken(wanted, classes, annotator.class_errors, generator)
        hit = reaches if point == aim else _reaches(point, label_map, superpixels)
        label_map[hit[tool]] = given
        clicks += 1
    return Correction(clicks, True, label_map)


def correction_clicks(
    suggestion: LabelMap | None,
    truth: LabelMap,
    superpixels: Sequence[Superpixels],
    annotator: Annotator,
    generator: np.random.Generator,
) -> tuple[int, bool]:
    """Return the clicks from a suggestion, the one that accepts it included, or from scratch; at least one.

    Beside them stands whether they reached the target; where they did not they are ``annotator.most_clicks``.

    Raises:
        ValueError: The sizes differ.
    """
    if suggestion is not None and suggestion.shape != truth.shape:
        raise ValueError(
            f"The suggestion is {suggestion.shape} and the truth {truth.shape}; give equal sizes."
        )
    start = np.full_like(truth, NOT_LABELLED) if suggestion is None else suggestion
    done = correct(start, truth, superpixels, annotator, generator)
    # From scratch the last click submits, too, and where there is nothing to draw one click does.
    clicks = max(1, done.clicks) if suggestion is None else done.clicks + 1
    return min(clicks, annotator.most_clicks), done.reached and clicks <= annotator.most_clicks


def cheaper(first: tuple[int, bool], second: tuple[int, bool]) -> tuple[int, bool]:
    """Return of two costs of :func:`correction_clicks` the lower one, and first what reaches the target."""
    return min(first, second, key=lambda cost: (not cost[1], cost[0]))


def hours(clicks: float, seconds_per_click: float) -> float:
    """Return how long clicks take, in hours.

    Raises:
        ValueError: A click takes no time or less.
    """
    if seconds_per_click <= 0:
        raise ValueError(f"A click takes more than 0 seconds, not {seconds_per_click:g}.")
    return clicks * seconds_per_click / 3600


def _largest_wrong_piece(
    label_map: LabelMap, truth: LabelMap, left_alone: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """Return the largest 4-connected piece of wrong pixels of one true class, as a mask (H, W)."""
    wanted = np.where((label_map != truth) & ~left_alone, truth, VOID)
    pieces = label(wanted, background=VOID, connectivity=1)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest = int(sizes.argmax())
    return pieces == largest if sizes[largest] else None


def _centre(piece: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the pixel of a mask farthest from what is outside, (row, column)."""
    rows, columns = np.flatnonzero(piece.any(axis=1)), np.flatnonzero(piece.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    inside = np.pad(piece[top : rows[-1] + 1, left : columns[-1] + 1], 1)
    depth = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return top + int(row), left + int(column)


def _reaches(
    point: tuple[int, int], label_map: LabelMap, superpixels: Sequence[Superpixels]
) -> list[NDArray[np.bool_]]:
    """Return what a click at a point would change with each tool, as masks (H, W)."""
    rows, columns = np.ogrid[: label_map.shape[0], : label_map.shape[1]]
    distance = np.hypot(rows - point[0], columns - point[1])
    return [
        *(ids == ids[point] for ids in superpixels),
        flood(label_map, point, connectivity=1),
        *(distance < diameter / 2 for diameter in BRUSHES),
    ]


def _gain(reach: NDArray[np.bool_], label_map: LabelMap, truth: LabelMap, given: int) -> int:
    """Return how many more pixels are right once ``reach`` has the class ``given``."""
    true, now = truth[reach], label_map[reach]
    return int((true == given).sum()) - int(((now == true) & (true < NOT_LABELLED)).sum())


def _jittered(
    aim: tuple[int, int], sigma: float, shape: tuple[int, ...], generator: np.random.Generator
) -> tuple[int, int]:
    if sigma == 0:
        return aim
    row, column = np.rint(generator.normal(aim, sigma)).astype(int)
    return int(np.clip(row, 0, shape[0] - 1)), int(np.clip(column, 0, shape[1] - 1))


def _mistaken(wanted: int, classes: NDArray[np.uint8], share: float, generator: np.random.Generator) -> int:
    others = classes[classes != wanted]
    if share == 0 or not len(others) or generator.random() >= share:
        return wanted
    return int(generator.choice(others))
