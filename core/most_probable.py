"""The most probable class of each pixel, a few classes at a time."""

from __future__ import annotations

import torch
from torch import Tensor


class MostProbable:
    """The highest of maps that arrive in pieces, so that not all of them need be in memory at full size.

    Attributes:
        count: Maps so far.
        highest: ``(..., H, W)``, the highest value of each pixel.
        class_map: ``(..., H, W)`` uint8, which map has it; of equal ones the first.
    """

    def __init__(self) -> None:
        self.count = 0
        self.highest = torch.empty(0)
        self.class_map = torch.empty(0, dtype=torch.uint8)

    def add(self, maps: Tensor) -> None:
        """Add the next maps ``(..., c, H, W)``."""
        highest, index = maps.max(dim=-3)
        index = (index + self.count).to(torch.uint8)
        if self.count:
            self.class_map = torch.where(highest > self.highest, index, self.class_map)
            self.highest = torch.maximum(highest, self.highest)
        else:
            self.class_map, self.highest = index, highest
        self.count += maps.shape[-3]
