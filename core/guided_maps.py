"""Maps of a network at the size of their image, along the edges that the image has.

A network's maps have a cell where the image has 4×4 pixels or more, and bilinear enlarging draws every border
as a soft curve between cells. The image knows better where a border is. This is the guided filter (He, Sun &
Tang 2013) in its quick form (He & Sun 2015): around each cell a map is fitted by a linear function of the
image's colours, and the functions, enlarged, are applied to the colours of single pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from core.cells import Extent, enlarged

EVEN = 0.03
"""Colours that vary by less than this share of the image's variance are no edge (ε of the paper)."""
_FLOATS_AT_ONCE = 64 * 2**20
"""Floats that the maps enlarged together may hold."""


class GuidedMaps:
    """Maps of one image as linear functions of its colours, one function a cell.

    They are linear in the maps: those that sum to 1 still do, and a constant one stays what it is. Where the
    image is even, a map is smoothed over 5×5 cells. Beside an edge there can be values a little outside the
    map's range.

    Args:
        maps: ``(C, h, w)`` float.
        image: ``(3, H, W)`` in 0…255, the image they are of.
        extent: Height and width of the image in cells, as in :func:`core.cells.enlarged`.
    """

    def __init__(self, maps: Tensor, image: Tensor, extent: Extent) -> None:
        colours = image.float()
        # In units of the image's own contrast: a dark photograph has the same edges.
        self._colours = (colours - colours.mean()) / colours.std(correction=0).clamp(min=1)
        self._extent = extent
        cells = _of_cells(self._colours, maps.shape[-2:], extent)
        self._slopes, self._offsets = _linear_functions(maps.float(), cells)

    def pieces(self) -> Iterator[Tensor]:
        """Yield the maps at the image's size, ``(c, H, W)`` of a few at a time, in their order."""
        height, width = self._colours.shape[1:]
        count = max(1, _FLOATS_AT_ONCE // (height * width))
        for offsets, slopes in zip(self._offsets.split(count), self._slopes.split(count, dim=1), strict=True):
            piece = enlarged(offsets[None], height, width, self._extent)[0]
            for slope, colour in zip(slopes, self._colours, strict=True):
                piece.addcmul_(enlarged(slope[None], height, width, self._extent)[0], colour)
            yield piece


def _of_cells(colours: Tensor, cells: torch.Size, extent: Extent) -> Tensor:
    """Return the mean colours of the cells, ``(3, h, w)``; at the border the image goes on as it ends."""
    height, width = colours.shape[1:]
    rows, columns = (round(length / of_it) for length, of_it in zip((height, width), extent, strict=True))
    beyond = (0, max(0, cells[1] * columns - width), 0, max(0, cells[0] * rows - height))
    continued = F.pad(colours[None], beyond, mode="replicate")
    return F.avg_pool2d(continued, (rows, columns))[0]


def _linear_functions(maps: Tensor, colours: Tensor) -> tuple[Tensor, Tensor]:
    """Return slopes ``(3, C, h, w)`` and offsets ``(C, h, w)`` that make maps of colours ``(3, h, w)``.

    In each square of 3×3 cells the function is a ridge regression of the map on the three colours, with ε the
    penalty of the slopes. A cell is in nine squares and has the mean of their functions.
    """
    mean_colours, mean_maps = _smoothed(colours), _smoothed(maps)
    variance = _smoothed(colours[:, None] * colours) - mean_colours[:, None] * mean_colours
    covariance = _smoothed(colours[:, None] * maps) - mean_colours[:, None] * mean_maps
    left = variance.permute(2, 3, 0, 1) + EVEN * torch.eye(3, device=colours.device)
    slopes = torch.linalg.solve(left, covariance.permute(2, 3, 0, 1)).permute(2, 3, 0, 1)
    offsets = mean_maps - (slopes * mean_colours[:, None]).sum(dim=0)
    return _smoothed(slopes), _smoothed(offsets)


def _smoothed(maps: Tensor) -> Tensor:
    """Return the mean of each 3×3 cells of ``(..., h, w)``; at the border the map goes on as it ends."""
    flat = maps.reshape(1, -1, *maps.shape[-2:])
    return F.avg_pool2d(F.pad(flat, (1, 1, 1, 1), mode="replicate"), 3, stride=1).reshape(maps.shape)
