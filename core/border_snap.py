"""Borders between classes at the edges that an image has beside them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import watershed

REACH = 1
"""Pixels on either side of a border that are given away, so that it moves by as many at most."""
SMOOTHING = 0.7
"""σ in pixels of what is left of the image before its edges are looked for."""
SLIVER = 3
"""Pieces of fewer pixels are given away as a whole."""


def snapped_borders(class_map: NDArray[np.uint8], image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a class map whose borders lie at the strongest edges within reach.

    Pixels beside a border are given away; what is left of each class takes them back, across weak edges
    before strong ones (a watershed with the classes as markers). Pieces that have no other pixels, as thin
    lines, stay as they are and do not grow.

    Args:
        class_map: ``(H, W)``.
        image: ``(H, W, 3)``, of which it is.
    """
    size = 2 * REACH + 1
    given_away = ndimage.maximum_filter(class_map, size) != ndimage.minimum_filter(class_map, size)
    if not given_away.any():
        return class_map
    pieces = label(class_map, background=-1, connectivity=1)
    pixels = np.bincount(pieces.ravel())
    kept = np.bincount(pieces[~given_away], minlength=len(pixels))
    thin = ((kept == 0) & (pixels >= SLIVER))[pieces]
    given_away &= ~thin
    markers = np.where(given_away | thin, 0, class_map.astype(np.int32) + 1)
    taken_back = watershed(_edges(image), markers, mask=~thin)
    # What thin pieces enclose nothing comes to.
    return np.where(given_away & (taken_back > 0), taken_back - 1, class_map).astype(np.uint8)


def _edges(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how strongly the image changes at each pixel, ``(H, W)``, in the channel that changes most."""
    strength = np.zeros(image.shape[:2], np.float32)
    for channel in np.moveaxis(image, 2, 0):
        # Edges of dark places count as those of bright ones do.
        smooth = ndimage.gaussian_filter(np.sqrt(channel.astype(np.float32)), SMOOTHING)
        np.maximum(strength, np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1)), out=strength)
    return strength
