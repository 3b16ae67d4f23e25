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
    """Map the description of an image, and how much evidence stands behind it, to the Gaussian of z.

    σ = 0.1 + 0.9·softplus(s) is a standard deviation, everywhere. (NP-SemiSeg and NP-Match.) Without the
    evidence a mean of two rows would look as trustworthy as a mean of five hundred.
    """

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width + 1, width), nn.ReLU(), nn.Linear(width, 2 * latent))

    def forward(self, vector: torch.Tensor, evidence: torch.Tensor) -> Gaussian:
        """Turn ``(B, width)`` and ``(B,)`` evidence in [0, 1] into the Gaussian of z."""
        described = torch.cat([vector, evidence[:, None]], dim=1)
        mean, spread = self.layers(described).float().chunk(2, dim=1)
        return Gaussian(mean, 0.1 + 0.9 * F.softplus(spread))


def gaussian_kl(posterior: Gaussian, prior: Gaussian) -> torch.Tensor:
    """Return KL(posterior ‖ prior) in nats, ``(B,)``, exact for diagonal Gaussians and never negative."""
    variance_ratio = (posterior.std / prior.std).square()
    distance = ((posterior.mean - prior.mean) / prior.std).square()
    return 0.5 * (variance_ratio + distance - 1 - variance_ratio.log()).sum(dim=1)
