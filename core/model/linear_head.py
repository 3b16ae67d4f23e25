"""Plain pixel classifier, the baseline of the neural-process head."""

from __future__ import annotations

import torch
from torch import nn

from core.model.np_head import HeadOutput


class LinearHead(nn.Module):
    """One 1×1 convolution. It has no latent, hence always T = 1, and nothing to observe."""

    def __init__(self, channels: int, class_count: int) -> None:
        super().__init__()
        self.classify = nn.Conv2d(channels, class_count, 1)

    def forward(self, features: torch.Tensor) -> HeadOutput:
        """Classify ``(B, F, h, w)`` features."""
        logits = self.classify(features)[None]
        return HeadOutput(logits, logits.new_zeros(features.shape[0]))
