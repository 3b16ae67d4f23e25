"""Plain pixel classifier, the baseline of the neural-process head."""

from __future__ import annotations

import torch
from torch import nn

from core.model.head import Head, HeadOutput, Latent


class LinearHead(Head):
    """One 1×1 convolution. It has no latent, hence always T = 1, and nothing to observe."""

    def __init__(self, channels: int, class_count: int) -> None:
        super().__init__()
        self.classify = nn.Conv2d(channels, class_count, 1)

    def forward(
        self,
        features: torch.Tensor,
        noise: torch.Tensor | None = None,
        *,
        latent: Latent = "context",
        context_set: torch.Tensor | None = None,
    ) -> HeadOutput:
        """Classify ``(B, F, h, w)`` features; the rest says nothing to a head without a latent."""
        logits = self.classify(features)[None]
        return HeadOutput(logits, logits.new_zeros(features.shape[0]))
