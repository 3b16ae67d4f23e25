"""The latent distribution of an image, and the distance between two of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn


class Gaussian(NamedTuple):
    """Diagonal normal distributions, one per image."""

    mean: torch.Tensor
    """``(B, L)``."""
    std: torch.Tensor
    """``(B, L)``, at least 0.1 when it comes from :class:`LatentEncoder`."""


class LatentEncoder(nn.Module):
    """Map an aggregated vector to the Gaussian of the image's latent z.

    σ = 0.1 + 0.9·softplus(s) is a standard deviation, everywhere. (NP-SemiSeg; NP-Match §3.)
    """

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2 * latent))

    def forward(self, pooled: torch.Tensor) -> Gaussian:
        """Turn ``(B, width)`` into the Gaussian of z."""
        mean, spread = self.layers(pooled).float().chunk(2, dim=1)
        return Gaussian(mean, 0.1 + 0.9 * F.softplus(spread))


def gaussian_kl(posterior: Gaussian, prior: Gaussian) -> torch.Tensor:
    """Return KL(posterior ‖ prior) in nats, ``(B,)``, exact for diagonal Gaussians and never negative."""
    variance_ratio = (posterior.std / prior.std).square()
    distance = ((posterior.mean - prior.mean) / prior.std).square()
    return 0.5 * (variance_ratio + distance - 1 - variance_ratio.log()).sum(dim=1)
