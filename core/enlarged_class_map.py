"""The most probable class of each pixel of a large image, without enlarging every class's map."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from core.most_probable import MostProbable

_PIXELS_AT_ONCE = 2**22
"""Pixels of the result that are looked at together, which bounds the memory."""


def enlarged_class_map(
    pieces: Callable[[], Iterable[Tensor]], class_map: Tensor, height: int, width: int
) -> Tensor:
    """Return which of several maps is the highest when enlarged bilinearly, ``(height, width)`` uint8.

    A pixel's value is a mean of its four neighbours', the same for all maps. Where one map is the highest at
    all four, it is so between them, too, and nothing has to be worked out: in a photograph of 24 megapixels
    that holds for nearly all.

    Args:
        pieces: Gives the maps, ``(c, h, w)`` a few at a time, in their order, each time it is called.
        class_map: ``(h, w)`` uint8, which of them is the highest; of equal ones the first.
        height: Of the result.
        width: Of the result.
    """
    rows, columns = _neighbours(height, class_map.shape[0]), _neighbours(width, class_map.shape[1])
    mixed = _unlike_a_neighbour(class_map)
    result = class_map[rows.low][:, columns.low]
    block = max(1, _PIXELS_AT_ONCE // width)
    for first in range(0, height, block):
        y, x = mixed[rows.low[first : first + block]][:, columns.low].nonzero(as_tuple=True)
        found = MostProbable()
        for piece in pieces() if len(y) else ():
            found.add(_bilinear(piece, rows.at(first + y), columns.at(x))[:, None])
        if found.count:
            result[first + y, x] = found.class_map[0]
    return result


class _Neighbours(NamedTuple):
    """For each place along an axis of the result the two places of the maps that it is between."""

    low: Tensor
    high: Tensor
    share: Tensor
    """Of the higher one, in [0, 1)."""

    def at(self, places: Tensor) -> _Neighbours:
        return _Neighbours(*(of_all[places] for of_all in self))


def _neighbours(length: int, places: int) -> _Neighbours:
    # As `F.interpolate` has it with `align_corners=False`.
    at = ((torch.arange(length) + 0.5) * (places / length) - 0.5).clamp(min=0)
    low = at.long().clamp(max=places - 1)
    return _Neighbours(low, (low + 1).clamp(max=places - 1), at - low)


def _unlike_a_neighbour(class_map: Tensor) -> Tensor:
    """Return where the next pixel to the right, below or between these two is of another class."""
    height, width = class_map.shape
    below = class_map[torch.arange(1, height + 1).clamp(max=height - 1)]
    right = torch.arange(1, width + 1).clamp(max=width - 1)
    return (class_map != below) | (class_map != class_map[:, right]) | (class_map != below[:, right])


def _bilinear(maps: Tensor, rows: _Neighbours, columns: _Neighbours) -> Tensor:
    """Return the values ``(c, n)`` of maps ``(c, h, w)`` at n pixels."""
    flat = maps.flatten(1)
    width = maps.shape[2]
    upper, lower = (
        torch.lerp(flat[:, row * width + columns.low], flat[:, row * width + columns.high], columns.share)
        for row in (rows.low, rows.high)
    )
    return torch.lerp(upper, lower, rows.share)
