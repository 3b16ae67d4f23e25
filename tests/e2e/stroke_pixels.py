"""What a brush stroke must paint, worked out pixel by pixel and independently of the canvas."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def stroke_pixels(path: Sequence[tuple[float, float]], radius: float, height: int, width: int) -> np.ndarray:
    """Return bool (height, width): pixels whose centre is within ``radius`` of a line."""
    y, x = np.mgrid[:height, :width] + 0.5
    painted = np.zeros((height, width), bool)
    for (x0, y0), (x1, y1) in pairwise(path):
        dx, dy = x1 - x0, y1 - y0
        along = ((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-30)
        along = np.clip(along, 0.0, 1.0)
        painted |= np.hypot(x - x0 - along * dx, y - y0 - along * dy) <= radius
    return painted
