"""Between the cells of a feature map and the pixels of its image.

A cell is as wide as the network's stride, so the last cells may reach beyond the image. An image is therefore
said to be so many cells large, which need be no whole number; a map that was enlarged as if its cells ended
where the image does would be off by a growing part of a cell.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Extent = tuple[float, float]
"""Height and width of an image in cells."""


def enlarged(maps: Tensor, height: int, width: int, extent: Extent | None = None) -> Tensor:
    """Bring maps ``(B, C, h, w)`` to the size ``(height, width)`` of their image bilinearly.

    Args:
        maps: ``(B, C, h, w)`` float; cell (0, 0) begins where the image does.
        height: Of the result.
        width: Of the result.
        extent: Cells that the image takes, each above h − 1 and w − 1 and at most h and w; by default the
            cells end where the image does.
    """
    cells = maps.shape[-2:]
    if extent is None or extent == tuple(cells):
        return F.interpolate(maps, size=(height, width), mode="bilinear", align_corners=False)
    # One cell more of the same: rounding may otherwise leave the result a pixel short.
    continued = F.pad(maps, (0, 1, 0, 1), mode="replicate")
    scales = (height / extent[0], width / extent[1])
    beyond = F.interpolate(
        continued, scale_factor=scales, mode="bilinear", align_corners=False, recompute_scale_factor=False
    )
    return beyond[..., :height, :width]


def label_of_cells(labels: Tensor, height: int, width: int, extent: Extent) -> Tensor:
    """Return the label ``(height, width)`` in the middle of each cell of a label map ``(H, W)``.

    ``extent`` is the size of the label map in cells. Of cells whose middle lies beyond the map it is that at
    its border.
    """
    rows, columns = (
        ((torch.arange(cells) + 0.5) * length / cells_of_all).long().clamp(max=length - 1)
        for cells, length, cells_of_all in zip((height, width), labels.shape, extent, strict=True)
    )
    return labels[rows[:, None], columns]
