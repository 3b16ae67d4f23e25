"""A person who corrects a suggestion, imagined: at each step the action that gains most pixels per press.

An action is a click, a drag, a key press, a step of a slider or a corner of a polygon. The person knows the
truth, and each tool does what it does in the editor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours, label
from skimage.morphology import skeletonize
from skimage.segmentation import flood

from storage.schema import NOT_LABELLED, VOID

LabelMap = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[slice, slice]

BRUSHES = (4, 8, 16, 32)
"""Diameters the person considers, in pixels; a key press makes a brush a fifth larger or smaller."""
TOLERANCES = (8, 16, 32)
"""Of the flood fill, in grey levels a channel; a key press goes from one to the next."""
ROUGHNESS = (1.0, 2.0, 4.0, 8.0)
"""How far a polygon's side may run from the border it follows, in pixels."""
LOOKED_AT = 8
"""Wrong regions the person considers at a time, the largest first."""
LONGEST_ROW = 24
"""Superpixels that one drag passes, at most."""
LONGEST_STROKE = 300
"""Pixels that one stroke of the brush goes, at most."""


@dataclass(frozen=True)
class Hand:
    """What is chosen in the editor; choosing something else costs presses."""

    tool: str = "brush"
    value: int = 0
    brush: int = 24
    scale: int = 1
    tolerance: int = 1

    def presses_to(self, other: Hand) -> int:
        """Return the key presses until the editor stands as ``other`` wants it."""
        sizes = 0
        if self.brush != other.brush:
            sizes = max(1, round(abs(math.log(other.brush / self.brush)) / math.log(1.2)))
        return (
            (self.tool != other.tool)
            + (self.value != other.value)
            + sizes
            + abs(self.scale - other.scale)
            + abs(self.tolerance - other.tolerance)
        )


@dataclass(frozen=True)
class Action:
    """Pixels of a box that get a class.

    Attributes:
        box: Rows and columns of the image.
        mask: Which pixels of the box.
        clicks: Clicks, drags or corners; presses of keys come on top.
        stand: Fields of :class:`Hand` that must stand so: at least ``tool`` and ``value``.
    """

    box: Box
    mask: Mask
    clicks: int
    stand: dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """One image to label.

    Attributes:
        pixels: (H, W, 3) ``uint8``.
        truth: (H, W) ``uint8``; 255 where it does not matter.
        suggestion: (H, W) ``uint8``.
        confidence: (H, W) in [0, 1].
        superpixels: Ids (H, W) at each scale, coarse to fine.
    """

    pixels: NDArray[np.uint8]
    truth: LabelMap
    suggestion: LabelMap
    confidence: NDArray[np.floating]
    superpixels: tuple[NDArray[np.uint16], ...]

    @cached_property
    def matters(self) -> Mask:
        return np.not_equal(self.truth, VOID)

    def agreement(self, label_map: LabelMap) -> float:
        """Return the share of the pixels that matter which have their true class."""
        return float((label_map == self.truth)[self.matters].mean())


def corrected(picture: Picture, targets: tuple[float, ...]) -> dict[float, int]:
    """Return the presses until the label map agrees with the truth to each target."""
    reached: dict[float, int] = {}
    for presses, label_map in label_maps(picture):
        agreement = picture.agreement(label_map)
        for target in targets:
            if agreement >= target:
                reached.setdefault(target, presses)
        if len(reached) == len(targets):
            break
    return reached


def label_maps(picture: Picture) -> Iterator[tuple[int, LabelMap]]:
    """Yield the presses so far and the label map, before the first action and after each.

    The suggestion is taken first, at once or above a confidence. Then the person relabels regions, paints
    superpixels, draws the brush, fills by colour and draws polygons, whatever gains most.

    Raises:
        RuntimeError: Nothing brings the label map closer to the truth.
    """
    label_map, presses = _start(picture)
    person = _Person(picture, label_map)
    while True:
        yield presses, label_map
        presses += person.act()


def _start(picture: Picture) -> tuple[LabelMap, int]:
    """Accept all by one key, or, by a slider and a key, only what is surer than a threshold."""
    starts = [(picture.suggestion.copy(), 1)]
    for threshold in (0.3, 0.5, 0.7, 0.9):
        label_map = np.where(picture.confidence >= threshold, picture.suggestion, NOT_LABELLED)
        starts.append((label_map.astype(np.uint8), 2))
    return max(starts, key=lambda start: picture.agreement(start[0]) / start[1])


@dataclass
class _Person:
    """The hand over one image, and the actions considered before, which cost most of the time to find."""

    picture: Picture
    label_map: LabelMap
    hand: Hand = Hand()
    by_region: dict[tuple[Any, ...], list[Action]] = field(default_factory=dict)
    by_class: dict[int, tuple[bytes, list[Action]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scales = [_Scale(ids) for ids in self.picture.superpixels]
        values = np.unique(self.picture.truth[self.picture.matters]).tolist()
        self.depths = {
            value: ndimage.distance_transform_edt(np.pad(self.picture.truth == value, 1))[1:-1, 1:-1]
            for value in values
        }

    def act(self) -> int:
        """Do what gains most pixels per press and return the presses.

        Raises:
            RuntimeError: Nothing brings the label map closer to the truth.
        """
        best, most, cost = None, 0.0, 0
        for action in self._actions():
            presses = action.clicks + self.hand.presses_to(replace(self.hand, **action.stand))
            gain = self._gain(action) / presses
            if gain > most:
                best, most, cost = action, gain, presses
        if best is None:
            raise RuntimeError("No action brings the label map closer to the truth.")
        self.hand = replace(self.hand, **best.stand)
        self.label_map[best.box][best.mask] = self.hand.value
        return cost

    def _gain(self, action: Action) -> int:
        truth = self.picture.truth[action.box][action.mask]
        now = self.label_map[action.box][action.mask]
        right = int(np.count_nonzero(truth == action.stand["value"]))
        return right - int(np.count_nonzero((now == truth) & (truth != VOID)))

    def _actions(self) -> Iterator[Action]:
        yield from self._relabel()
        for number, scale in enumerate(self.scales):
            yield from self._superpixels(number, scale)
        wrong = (self.label_map != self.picture.truth) & self.picture.matters
        wanted = np.where(wrong, self.picture.truth, VOID).astype(np.uint8)
        for value in self.depths:
            yield from self._strokes_of_class(value, wanted == value)
        for value, box, mask in _largest_regions(wanted):
            key = (value, box[0].start, box[1].start, mask.shape, mask.tobytes())
            if key not in self.by_region:
                fills = flood_fill(self.picture.pixels, box, mask, value)
                self.by_region[key] = [*fills, *polygon(box, mask, value)]
            yield from self.by_region[key]

    def _strokes_of_class(self, value: int, wanted: Mask) -> list[Action]:
        key = np.packbits(wanted).tobytes()
        known = self.by_class.get(value)
        if known is None or known[0] != key:
            found = list(strokes(wanted, self.depths[value], value)) if wanted.any() else []
            self.by_class[value] = known = (key, found)
        return known[1]

    def _relabel(self) -> Iterator[Action]:
        """Give a connected region of the label map another class by a click."""
        pieces = label(self.label_map, background=-1, connectivity=1) - 1
        best, gains = self._best_classes(pieces)
        for piece in np.argsort(-gains)[:3]:
            box, mask = _cut_out(pieces == piece)
            yield Action(box, mask, 1, {"tool": "relabel", "value": int(best[piece])})

    def _superpixels(self, number: int, scale: _Scale) -> Iterator[Action]:
        """Paint one superpixel by a click, or a row of neighbours by a drag."""
        best, gains = self._best_classes(scale.ids)
        for first in np.argsort(-gains)[:4].tolist():
            if gains[first] <= 0:
                break
            row = [first]
            while len(row) < LONGEST_ROW:
                near = [
                    one
                    for one in scale.neighbours.get(row[-1], ())
                    if one not in row and best[one] == best[first] and gains[one] > 0
                ]
                if not near:
                    break
                row.append(max(near, key=gains.__getitem__))
            box, mask = _cut_out(np.isin(scale.ids, row))
            yield Action(box, mask, 1, {"tool": "superpixel", "value": int(best[first]), "scale": number})

    def _best_classes(self, pieces: NDArray[np.integer]) -> tuple[LabelMap, NDArray[np.int64]]:
        """Return for each piece the class most of it should have, and the pixels that this would gain."""
        count = int(pieces.max()) + 1
        keys = pieces.astype(np.int64) * 256 + self.picture.truth
        hits = np.bincount(keys.ravel(), minlength=256 * count).reshape(count, 256)
        hits[:, VOID] = 0
        is_right = (self.label_map == self.picture.truth) & self.picture.matters
        right = np.bincount(pieces[is_right], minlength=count)
        return hits.argmax(axis=1).astype(np.uint8), hits.max(axis=1) - right


class _Scale:
    """Superpixels of one scale, and which ones touch."""

    def __init__(self, ids: NDArray[np.uint16]) -> None:
        self.ids = ids
        self.neighbours: dict[int, set[int]] = {}
        for one, other in ((ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:])):
            apart = one != other
            for a, b in np.unique(np.stack([one[apart], other[apart]], axis=1), axis=0).tolist():
                self.neighbours.setdefault(a, set()).add(b)
                self.neighbours.setdefault(b, set()).add(a)


def strokes(wanted: Mask, depth: NDArray[np.float64], value: int) -> Iterator[Action]:
    """Draw the brush over wrong pixels of a class, nowhere over its border.

    Args:
        wanted: Pixels of the class that do not have it.
        depth: How far each pixel of the class is from another class; 0 outside.
        value: The class.
    """
    away = ndimage.distance_transform_edt(~wanted)
    for diameter in BRUSHES:
        reach = diameter / 2
        ways = label((depth >= reach) & (away < reach), connectivity=2)
        covered = np.bincount(ways.ravel())
        covered[0] = 0
        for way in np.argsort(-covered)[:3]:
            if covered[way] == 0:
                break
            box, centres = _cut_out(ways == way, margin=diameter)
            path = _at_most(skeletonize(centres), LONGEST_STROKE)
            mask = ndimage.distance_transform_edt(~path) < reach
            yield Action(box, mask, 1, {"tool": "brush", "value": value, "brush": diameter})


def _at_most(path: Mask, length: int) -> Mask:
    """Return the first ``length`` pixels of a thin line, from one of its ends on."""
    if np.count_nonzero(path) <= length:
        return path
    rows, columns = np.nonzero(path)
    reached = np.zeros_like(path)
    reached[rows[0], columns[0]] = True
    eight = np.ones((3, 3), bool)
    while np.count_nonzero(reached) < length:
        reached = ndimage.binary_dilation(reached, eight, iterations=8, mask=path)
    return reached


def flood_fill(pixels: NDArray[np.uint8], box: Box, region: Mask, value: int) -> Iterator[Action]:
    """Click into the middle of a region: what has nearly the same colour and touches gets the class."""
    inside = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    seed = (int(row) + box[0].start, int(column) + box[1].start)
    apart = np.abs(pixels.astype(np.int16) - pixels[seed]).max(axis=2)
    for place, tolerance in enumerate(TOLERANCES):
        filled_box, mask = _cut_out(flood((apart <= tolerance).astype(np.uint8), seed, connectivity=1))
        yield Action(filled_box, mask, 1, {"tool": "flood", "value": value, "tolerance": place})


def polygon(box: Box, region: Mask, value: int) -> Iterator[Action]:
    """Draw a polygon around a region, coarse or fine."""
    for corners in outlines(region):
        mask = filled(corners, region.shape)
        yield Action(box, mask, len(corners), {"tool": "polygon", "value": value})


def outlines(region: Mask, roughness: tuple[float, ...] = ROUGHNESS) -> list[NDArray[np.float64]]:
    """Return the outer border of a region as polygons of (row, column), fine to coarse (Douglas-Peucker)."""
    contours = find_contours(np.pad(region, 1).astype(np.float32), 0.5)
    outer = max(contours, key=len) - 1
    found = [approximate_polygon(outer, tolerance)[:-1] for tolerance in roughness]
    return [corners for corners in found if len(corners) >= 3]


def filled(corners: NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    """Return the pixels of a polygon given as (row, column)."""
    canvas = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for y, x in corners], fill=1, outline=1)
    return np.asarray(canvas)


def _largest_regions(wanted: LabelMap) -> list[tuple[int, Box, Mask]]:
    """Return class, box and mask of the largest connected regions of a map, without void."""
    pieces = label(wanted, background=VOID, connectivity=1)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    found = []
    for piece in np.argsort(-sizes)[:LOOKED_AT]:
        if sizes[piece]:
            box, mask = _cut_out(pieces == piece)
            found.append((int(wanted[box][mask][0]), box, mask))
    return found


def _cut_out(mask: Mask, margin: int = 0) -> tuple[Box, Mask]:
    """Return the box around the set pixels, with a margin inside the image, and the mask within it."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + 1 + margin),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + 1 + margin),
    )
    return box, mask[box]
