"""Small convolutional net that turns decoder features into the vectors the class memory keeps."""

from __future__ import annotations

import torch
from torch import nn


class PixelProjector(nn.Module):
    """Three 1×1 convolutions from ``channels`` to ``width`` features per pixel.

    GroupNorm keeps the scale comparable between images, which the memory needs: its rows come from
    many images. (NP-SemiSeg, the "small ConvNet" shared by the latent and the deterministic path.)
    """

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 1),
            nn.GroupNorm(4, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.GroupNorm(4, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Project ``(B, F, h, w)`` to ``(B, width, h, w)``."""
        return self.layers(features)
