"""Head that gives every pixel a vector for the pixel contrast."""

from __future__ import annotations

import torch
from torch import nn

_WIDTH_LIMIT = 256


class RepresentationHead(nn.Module):
    """1×1 convolution, norm, ReLU, 1×1 convolution: ``(B, F, h, w)`` to ``(B, D, h, w)``.

    D is the paper's 256, or F when that is less: two pointwise layers do not spread F numbers over
    more than about F independent directions, and queues and similarities cost in proportion to D.
    GroupNorm, so that student and teacher, who see different batches, normalise alike. (U2PL has
    3×3 convolutions with batch norm here, ten times the cost.)

    Attributes:
        width: D.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.width = min(_WIDTH_LIMIT, channels)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.GroupNorm(1, channels),
            nn.ReLU(),
            nn.Conv2d(channels, self.width, 1),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Represent the pixels of ``(B, F, h, w)``; vectors are of any length."""
        return self.layers(features)
