"""Cross-entropies of logits that were sampled T times."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from core.data import NOT_LABELLED, VOID


def expected_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, pixels: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean over samples and labelled pixels of the cross-entropy, in nats.

    Args:
        logits: ``(T, B, C, h, w)``; enlarged bilinearly when the labels are larger.
        labels: ``(B, H, W)`` uint8; 254 and 255 count nothing and receive no gradient.
        pixels: Number to divide the sum over pixels by, a scalar; the labelled pixels by default.

    Returns:
        A finite scalar; 0 when nothing is labelled.
    """
    samples = logits.shape[0]
    flat = logits.float().flatten(0, 1)
    if flat.shape[-2:] != labels.shape[-2:]:
        flat = F.interpolate(flat, size=labels.shape[-2:], mode="bilinear", align_corners=False)
    target = torch.where(labels >= NOT_LABELLED, VOID, labels).to(torch.int64)
    total = F.cross_entropy(flat, target.repeat(samples, 1, 1), ignore_index=VOID, reduction="sum")
    if pixels is None:
        pixels = (target != VOID).sum()
    return total / (samples * pixels.clamp(min=1))
