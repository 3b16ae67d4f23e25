"""Decoder of the neural process: pixel features conditioned on z and r."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class ConditionedDecoder(nn.Module):
    """Class logits of every pixel for T latent samples.

    The features are convolved and normalised once per image; z and r then scale and shift the
    normalised channels (FiLM), and all that is left for each sample is a ReLU and a 1×1 convolution,
    written as a linear layer over pixels, which a CPU computes three times as fast. Everything is 1×1
    (the decoder before the head has looked at the neighbourhood already), so the effect of z is the
    same at a border as in the middle. The norm stands before the conditioning on purpose: a norm after
    it would subtract whatever z adds.
    """

    def __init__(self, channels: int, latent: int, width: int, class_count: int, hidden: int = 64) -> None:
        super().__init__()
        self.shared = nn.Sequential(nn.Conv2d(channels, hidden, 1, bias=False), nn.GroupNorm(8, hidden))
        self.film = nn.Linear(latent + width, 2 * hidden)
        self.classify = nn.Linear(hidden, class_count)
        nn.init.normal_(self.film.weight, std=0.5 / (latent + width) ** 0.5)
        nn.init.zeros_(self.film.bias)

    def forward(self, features: torch.Tensor, z: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        """Decode ``(B, F, h, w)`` features with z ``(T, B, L)`` and r ``(B, D)`` to ``(T, B, C, h, w)``."""
        height, width = features.shape[-2:]
        pixels = self.shared(features).flatten(2).transpose(1, 2)
        condition = torch.cat([z, r.expand(len(z), -1, -1)], dim=2)
        scale, shift = self.film(condition)[:, :, None].chunk(2, dim=3)
        hidden = F.relu(torch.addcmul(shift, 1 + scale, pixels), inplace=True)
        return self.classify(hidden).transpose(2, 3).unflatten(3, (height, width))
