"""Pixel contrast of U2PL: anchors against negatives that unreliable predictions tell apart."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F

from core.recipes.class_queues import ClassQueues

LOW_RANK = 3
"""r_l: a pixel's classes of lower rank are likely, so it is a negative of none of them."""
HIGH_RANK = 20
"""r_h: classes from this rank on are too easy to tell from the pixel."""
ANCHORS = 256
"""M, anchors of one class at most."""
NEGATIVES = 50
"""N, negatives of one anchor."""
TEMPERATURE = 0.5
"""τ."""
ANCHOR_CONFIDENCE = 0.3
"""δ_p: an anchor's class has more than this probability."""
PUSHED = 512
"""Negatives that enter the queue of one class per step at most."""
_CANDIDATES = 512


class Pixels(NamedTuple):
    """What the student and the teacher say about P pixels of C classes."""

    representations: torch.Tensor
    """``(P, D)`` of the student."""
    keys: torch.Tensor
    """``(P, D)`` of the teacher."""
    probabilities: torch.Tensor
    """``(P, C)`` of the teacher."""
    labels: torch.Tensor
    """``(P,)`` integer: a person's label or a reliable pseudo-label; 254 and 255 are none."""
    by_person: torch.Tensor
    """``(P,)`` bool: the pixel is of a labelled image."""
    unreliable: torch.Tensor
    """``(P,)`` bool: the pixel's pseudo-label was dropped for its entropy."""


class Contrast(NamedTuple):
    """The loss and the classes it is a mean of."""

    loss: torch.Tensor
    """Scalar, 0 without live classes."""
    live: torch.Tensor
    """``(C,)`` bool: classes that have an anchor in the batch and a negative in their queue."""


def pixel_contrast(pixels: Pixels, queues: ClassQueues, generator: torch.Generator) -> Contrast:
    """Push the batch's negatives into the queues, then contrast its anchors with them.

    The loss is the mean over live classes and their anchors of
    −log(e^{cos(z, z⁺)/τ} / (e^{cos(z, z⁺)/τ} + Σ_N e^{cos(z, z⁻)/τ})), where z⁺ is the mean key of the
    class (U2PL, equation 4). Gradients flow into the representations only. It is a local loss: with
    several processes the averaging of gradients makes the mean.
    """
    class_count = pixels.probabilities.shape[1]
    device_type = pixels.keys.device.type
    # Under autocast the sum over the keys of a class would be rounded to half precision.
    with torch.no_grad(), torch.autocast(device_type, enabled=False):
        keys = F.normalize(pixels.keys.float(), dim=1)
        negative = negative_mask(pixels.probabilities, pixels.labels, pixels.unreliable, pixels.by_person)
        queues.push(*_rows_of(keys, sample_rows(negative, PUSHED, generator)))

        anchor = anchor_mask(pixels.probabilities, pixels.labels)
        member = anchor.to(keys.dtype)
        # The mean's length does not matter to a cosine, so the sum will do.
        positives = F.normalize(member.T @ keys, dim=1)
        chosen, used = sample_rows(anchor, ANCHORS, generator)
        candidates = queues.sample(_CANDIDATES, generator).float()
        drawn = torch.randint(_CANDIDATES, (chosen.shape[1], NEGATIVES), generator=generator)
        drawn = drawn.to(keys.device, non_blocking=True).expand(class_count, -1, -1)

    with torch.autocast(device_type, enabled=False):
        anchors = pixels.representations.index_select(0, chosen.flatten()).unflatten(0, chosen.shape)
        anchors = F.normalize(anchors.float(), dim=2)
        to_positive = anchors @ positives[:, :, None]
        to_negatives = (anchors @ candidates.mT).gather(2, drawn)
        similarities = torch.cat([to_positive, to_negatives], dim=2) / TEMPERATURE
        losses = similarities.logsumexp(dim=2) - similarities[:, :, 0]

    by_class = (losses * used).sum(dim=1) / used.sum(dim=1).clamp(min=1)
    live = used.any(dim=1) & (queues.filled > 0)
    return Contrast((by_class * live).sum() / live.sum().clamp(min=1), live)


def anchor_mask(probabilities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return ``(P, C)`` bool: pixels labelled with a class that the teacher finds probable, > δ_p."""
    classes = torch.arange(probabilities.shape[1], device=labels.device)
    return (labels[:, None] == classes) & (probabilities > ANCHOR_CONFIDENCE)


def class_rank(probabilities: torch.Tensor) -> torch.Tensor:
    """Return the rank of every class at every pixel, ``(P, C)`` int64, 0 for the most probable."""
    return probabilities.argsort(dim=1, descending=True, stable=True).argsort(dim=1)


def negative_mask(
    probabilities: torch.Tensor, labels: torch.Tensor, unreliable: torch.Tensor, by_person: torch.Tensor
) -> torch.Tensor:
    """Return ``(P, C)`` bool: the pixel is a negative of the class.

    A person's pixel is a negative of the classes it is not, but that rank below r_l. A pixel with an
    unreliable prediction is one of the classes of ranks r_l … r_h − 1, as in U2PL. With few
    classes r_l falls, so that a rank from it on remains; one that is improbable everywhere, as an archived
    class is, does not count as a class then.
    """
    class_count = probabilities.shape[1]
    low = ((probabilities > 0).any(dim=0).sum() - 1).clamp(1, LOW_RANK)
    rank = class_rank(probabilities)
    classes = torch.arange(class_count, device=labels.device)
    labelled = (by_person & (labels < class_count))[:, None]
    tempting = labelled & (labels[:, None] != classes) & (rank < low)
    unlikely = (unreliable & ~by_person)[:, None] & (rank >= low) & (rank < HIGH_RANK)
    return tempting | unlikely


def sample_rows(
    mask: torch.Tensor, count: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw up to ``count`` pixels of every class without replacement.

    Args:
        mask: ``(P, C)`` bool, the pixels of each class; P is at least 1.
        count: At most P are drawn.
        generator: On the CPU. All classes share the draws.

    Returns:
        Indices ``(C, k)`` and which of them are of the class, ``(C, k)`` bool; k = min(count, P).
    """
    scores = torch.rand(len(mask), generator=generator).to(mask.device, non_blocking=True)
    best = torch.where(mask.T, scores, -1.0).topk(min(count, len(mask)), dim=1)
    return best.indices, best.values >= 0


def _rows_of(
    keys: torch.Tensor, sampled: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    indices, used = sampled
    return keys[indices], used
