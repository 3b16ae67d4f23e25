"""Cross-entropies of logits that were sampled T times."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F

from core.class_weights import balanced_class_weights
from core.data import NOT_LABELLED, VOID

INDEPENDENT_PIXELS = 300.0
"""An image says as much as so many independent pixels; neighbours say nearly the same."""
OHEM_THRESHOLD = 0.7
"""Pixels whose class has at most this probability are hard."""
OHEM_SHARE = 0.085
"""At least this share of the labelled pixels counts as hard: 100 000 of two crops of 769², as in U2PL."""


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
    flat = _at_size_of(logits, labels)
    target = torch.where(labels >= NOT_LABELLED, VOID, labels).to(torch.int64)
    total = F.cross_entropy(flat, target.repeat(samples, 1, 1), ignore_index=VOID, reduction="sum")
    if pixels is None:
        pixels = (target != VOID).sum()
    return total / (samples * pixels.clamp(min=1))


def mixture_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, class_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the cross-entropy of images under a mixture of their samples, in nats per labelled pixel.

    Per image it is −log mean_t exp(−N · CE_t) / N, with CE_t the mean over its labelled pixels and N =
    ``INDEPENDENT_PIXELS``; images count by their labelled pixels. The mean over samples asks every sample
    to explain every image, so samples grow alike and the latent dies; a mixture is content when one does
    (Foong et al. 2020, the likelihood of a latent neural process). It is at most
    :func:`expected_cross_entropy` (Jensen), and equal to it for T = 1.

    Args:
        logits: ``(T, B, C, h, w)``; enlarged bilinearly when the labels are larger.
        labels: ``(B, H, W)`` uint8; 254 and 255 count nothing and receive no gradient.
        class_weights: ``(C,)`` float weight of a pixel by its class, 1 on average over the pixels; even by
            default.

    Returns:
        A finite scalar; 0 when nothing is labelled.
    """
    samples, batch = logits.shape[:2]
    target = torch.where(labels >= NOT_LABELLED, VOID, labels).to(torch.int64)
    by_pixel = F.cross_entropy(
        _at_size_of(logits, labels),
        target.repeat(samples, 1, 1),
        class_weights,
        ignore_index=VOID,
        reduction="none",
    )
    pixels = (target != VOID).sum(dim=(1, 2))
    by_sample = by_pixel.sum(dim=(1, 2)).view(samples, batch) / pixels.clamp(min=1)
    log_mean = torch.logsumexp(-INDEPENDENT_PIXELS * by_sample, dim=0) - math.log(samples)
    return (-log_mean / INDEPENDENT_PIXELS * pixels).sum() / pixels.sum().clamp(min=1)


def ohem_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, share: float = OHEM_SHARE, threshold: float = OHEM_THRESHOLD
) -> torch.Tensor:
    """Return the expected cross-entropy of the hardest labelled pixels (online hard example mining).

    Those are the pixels whose class has a mean probability of at most ``threshold``, and at least a ``share``
    of the labelled ones, the least probable of them.

    Args:
        logits: ``(T, B, C, h, w)``; enlarged bilinearly when the labels are larger.
        labels: ``(B, H, W)`` uint8; 254 and 255 count nothing and receive no gradient.
        share: 0…1; at least one pixel counts.
        threshold: 0…1.
    """
    flat = _at_size_of(logits, labels)
    with torch.no_grad():
        labelled = labels < NOT_LABELLED
        target = torch.where(labelled, labels, 0).to(torch.int64)
        probabilities = flat.detach().softmax(dim=1).unflatten(0, logits.shape[:2]).mean(dim=0)
        of_label = probabilities.gather(1, target[:, None])[:, 0]
        of_label = torch.where(labelled, of_label, torch.inf)
        # Not kthvalue: the number of labelled pixels is not to be waited for.
        last = (share * labelled.sum()).round().long().clamp(min=1) - 1
        limit = of_label.flatten().sort().values.gather(0, last[None]).clamp(min=threshold)
        hard = torch.where(of_label <= limit, labels, VOID).to(torch.uint8)
    return expected_cross_entropy(flat.unflatten(0, logits.shape[:2]), hard)


def labelled_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, pixel_weights: Literal["balanced", "even", "hardest"]
) -> torch.Tensor:
    """Return what recipes minimise on labelled crops.

    Args:
        logits: ``(T, B, C, h, w)``.
        labels: ``(B, H, W)`` uint8.
        pixel_weights: ``balanced`` over the classes of these crops, ``even``, or only the ``hardest``
            labelled pixels, at least 8.5 % of them.
    """
    if pixel_weights == "hardest":
        return ohem_cross_entropy(logits, labels)
    if pixel_weights == "balanced":
        weights = balanced_class_weights(labels, logits.shape[2])
        return mixture_cross_entropy(logits, labels, weights)
    return mixture_cross_entropy(logits, labels)


def _at_size_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return ``(T, B, C, h, w)`` logits as ``(T·B, C, H, W)`` float."""
    flat = logits.float().flatten(0, 1)
    if flat.shape[-2:] != labels.shape[-2:]:
        flat = F.interpolate(flat, size=labels.shape[-2:], mode="bilinear", align_corners=False)
    return flat
