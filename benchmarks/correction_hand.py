"""A person who corrects a suggestion, imagined: at each step the action that gains most pixels per press.

An action is a click, a drag, a key press, a step of a slider or a corner of a polygon. The person knows the
truth, and each tool does what it does in the editor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.graph import route_through_array
from skimage.measure import approximate_polygon, find_contours
from skimage.segmentation import flood

from storage.schema import NOT_LABELLED, VOID

LabelMap = NDArray[np.uint8]
Mask = NDArray[np.bool_]

BRUSHES = (4, 8, 16, 32, 64)
"""Diameters the person considers, in pixels; a key press makes a brush a fifth larger or smaller."""
TOLERANCES = (8, 16, 32)
"""Of the flood fill, in grey levels a channel."""
ROUGHNESS = (1.0, 2.0, 4.0, 8.0)
"""How far a polygon's side may run from the border it follows, in pixels."""
LOOKED_AT = 10
"""Wrong regions the person considers at a time, the largest first."""
LONGEST_DRAG = 24
"""Superpixels one drag passes, at most."""
FOUR = ndimage.generate_binary_structure(2, 1)


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
    """Pixels that get a class, how the hand stands then, and the clicks or corners beside key presses."""

    mask: Mask
    hand: Hand
    clicks: int


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
    confidence: NDArray[np.float32]
    superpixels: tuple[NDArray[np.uint16], ...]

    @property
    def matters(self) -> Mask:
        return self.truth != VOID

    def agreement(self, label_map: LabelMap) -> float:
        """Return the share of the pixels that matter which have their true class."""
        return float((label_map == self.truth)[self.matters].mean())


def corrected(picture: Picture, targets: tuple[float, ...], tools: frozenset[str]) -> dict[float, int]:
    """Return the presses until the label map agrees with the truth to each target.

    Args:
        picture: The image; its suggestion is taken first, at once or above a confidence.
        targets: Shares of agreement, rising.
        tools: Names of the tools the person has; a tool is a function of this module.
    """
    label_map, presses = _start(picture)
    hand = Hand()
    reached: dict[float, int] = {}
    while True:
        agreement = picture.agreement(label_map)
        for target in targets:
            if agreement >= target:
                reached.setdefault(target, presses)
        if len(reached) == len(targets):
            return reached
        best = max(
            _candidates(picture, label_map, hand, tools),
            key=lambda one: _gain(picture, label_map, one) / (one.clicks + hand.presses_to(one.hand)),
        )
        if _gain(picture, label_map, best) <= 0:
            raise RuntimeError("No action brings the label map closer to the truth.")
        presses += best.clicks + hand.presses_to(best.hand)
        hand = best.hand
        label_map[best.mask] = hand.value


def _start(picture: Picture) -> tuple[LabelMap, int]:
    """Accept all by one key, or, by a slider and a key, only what is surer than a threshold."""
    starts = [(picture.suggestion.copy(), 1)]
    for threshold in (0.3, 0.5, 0.7, 0.9):
        label_map = np.where(picture.confidence >= threshold, picture.suggestion, NOT_LABELLED)
        starts.append((label_map.astype(np.uint8), 2))
    return max(starts, key=lambda start: picture.agreement(start[0]) / start[1])


def _gain(picture: Picture, label_map: LabelMap, action: Action) -> int:
    truth = picture.truth[action.mask]
    right = np.count_nonzero(truth == action.hand.value)
    return right - int(np.count_nonzero((label_map[action.mask] == truth) & (truth != VOID)))


def _candidates(picture: Picture, label_map: LabelMap, hand: Hand, tools: frozenset[str]) -> Iterator[Action]:
    wrong = (label_map != picture.truth) & picture.matters
    wanted = np.where(wrong, picture.truth, VOID)
    if "relabel" in tools:
        yield from relabel(picture, label_map, hand)
    if "superpixel" in tools:
        yield from superpixel(picture, label_map, hand)
    for value, region in _largest_regions(wanted):
        if "brush" in tools:
            yield from brush(region, value, hand)
        if "flood" in tools:
            yield from flood_fill(picture, region, value, hand)
        if "polygon" in tools:
            yield from polygon(region, value, hand)


def _largest_regions(label_map: LabelMap, count: int = LOOKED_AT) -> list[tuple[int, Mask]]:
    """Return class and mask of the largest connected regions of a map, without void."""
    pieces, sizes, values = regions_of(label_map)
    order = [one for one in np.argsort(-sizes) if values[one] != VOID][:count]
    return [(int(values[one]), pieces == one) for one in order]


def regions_of(label_map: LabelMap) -> tuple[NDArray[np.int32], NDArray[np.int64], LabelMap]:
    """Return the connected regions of equal value: ids (H, W), their pixel counts and their values."""
    pieces = np.zeros(label_map.shape, np.int32)
    values: list[int] = []
    for value in np.unique(label_map):
        found, count = ndimage.label(label_map == value, FOUR)
        pieces[found > 0] = found[found > 0] + len(values) - 1
        values += [int(value)] * count
    return pieces, np.bincount(pieces.ravel()), np.array(values, np.uint8)


def _best_classes(
    picture: Picture, label_map: LabelMap, pieces: NDArray[np.integer]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return for each piece the class that most of it should have, and the pixels that this would gain."""
    count = int(pieces.max()) + 1
    keys = pieces.astype(np.int64) * 256 + picture.truth
    hits = np.bincount(keys.ravel(), minlength=256 * count).reshape(count, 256)
    hits[:, VOID] = 0
    right = np.bincount(pieces[(label_map == picture.truth) & picture.matters], minlength=count)
    best = hits.argmax(axis=1).astype(np.uint8)
    return best, hits.max(axis=1) - right


def relabel(picture: Picture, label_map: LabelMap, hand: Hand) -> Iterator[Action]:
    """Give a connected region of the label map another class by a click."""
    pieces, _, _ = regions_of(label_map)
    best, gains = _best_classes(picture, label_map, pieces)
    for piece in np.argsort(-gains)[:3]:
        yield Action(pieces == piece, replace(hand, tool="relabel", value=int(best[piece])), 1)


def superpixel(picture: Picture, label_map: LabelMap, hand: Hand) -> Iterator[Action]:
    """Paint one superpixel by a click, or a row of neighbours by a drag."""
    for scale, pieces in enumerate(picture.superpixels):
        best, gains = _best_classes(picture, label_map, pieces)
        neighbours = _neighbours(pieces)
        for first in np.argsort(-gains)[:4]:
            if gains[first] <= 0:
                break
            row = [int(first)]
            while len(row) < LONGEST_DRAG:
                near = [
                    one
                    for one in neighbours.get(row[-1], ())
                    if one not in row and best[one] == best[first] and gains[one] > 0
                ]
                if not near:
                    break
                row.append(max(near, key=gains.__getitem__))
            stands = replace(hand, tool="superpixel", value=int(best[first]), scale=scale)
            yield Action(np.isin(pieces, row), stands, 1)


def _neighbours(pieces: NDArray[np.integer]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for one, other in ((pieces[:, :-1], pieces[:, 1:]), (pieces[:-1], pieces[1:])):
        apart = one != other
        pairs = np.unique(np.stack([one[apart], other[apart]], axis=1), axis=0)
        for a, b in pairs.tolist():
            found.setdefault(a, set()).add(b)
            found.setdefault(b, set()).add(a)
    return found


def brush(region: Mask, value: int, hand: Hand) -> Iterator[Action]:
    """Draw one stroke along the middle of a region from end to end."""
    inside = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    path = _middle_line(region, inside)
    stroke = np.ones(region.shape, bool)
    stroke[path[:, 0], path[:, 1]] = False
    distance = ndimage.distance_transform_edt(stroke)
    for diameter in {*BRUSHES, hand.brush}:
        stands = replace(hand, tool="brush", value=value, brush=diameter)
        yield Action(distance <= diameter / 2, stands, 1)


def _middle_line(region: Mask, inside: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the pixels of a line between the two far ends of a region that keeps to its middle."""
    rows, columns = np.nonzero(region)
    one = _farthest(rows, columns, int(rows[inside[region].argmax()]), int(columns[inside[region].argmax()]))
    other = _farthest(rows, columns, *one)
    top, left = rows.min(), columns.min()
    box = (slice(top, rows.max() + 1), slice(left, columns.max() + 1))
    costs = np.where(region[box], 1 / (1 + inside[box]) ** 2, 4.0)
    path, _ = route_through_array(costs, (one[0] - top, one[1] - left), (other[0] - top, other[1] - left))
    return np.array(path) + np.array([top, left])


def _farthest(rows: NDArray[np.intp], columns: NDArray[np.intp], row: int, column: int) -> tuple[int, int]:
    place = int(((rows - row) ** 2 + (columns - column) ** 2).argmax())
    return int(rows[place]), int(columns[place])


def flood_fill(picture: Picture, region: Mask, value: int, hand: Hand) -> Iterator[Action]:
    """Click into the middle of a region: what has nearly the same colour and touches gets the class."""
    inside = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    seed = picture.pixels[row, column].astype(np.int16)
    apart = np.abs(picture.pixels.astype(np.int16) - seed).max(axis=2)
    for place, tolerance in enumerate(TOLERANCES):
        alike = (apart <= tolerance).astype(np.uint8)
        mask = flood(alike, (row, column), connectivity=1)
        yield Action(mask, replace(hand, tool="flood", value=value, tolerance=place), 1)


def polygon(region: Mask, value: int, hand: Hand) -> Iterator[Action]:
    """Draw a polygon around a region, coarse or fine."""
    for corners in outlines(region):
        mask = filled(corners, region.shape)
        yield Action(mask, replace(hand, tool="polygon", value=value), len(corners))


def outlines(region: Mask, roughness: tuple[float, ...] = ROUGHNESS) -> list[NDArray[np.float64]]:
    """Return the outer border of a region as polygons of (row, column), fine to coarse (Douglas-Peucker)."""
    contours = find_contours(np.pad(region, 1).astype(np.float32), 0.5)
    outer = max(contours, key=len) - 1
    found = []
    for tolerance in roughness:
        corners = approximate_polygon(outer, tolerance)[:-1]
        if len(corners) >= 3:
            found.append(corners)
    return found


def filled(corners: NDArray[np.float64], shape: tuple[int, int]) -> Mask:
    """Return the pixels of a polygon given as (row, column)."""
    canvas = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for y, x in corners], fill=1, outline=1)
    return np.asarray(canvas)
