"""What a pixel weighs in training by its class, and probabilities without these weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

NATURAL_SHARE = 0.3
"""How far the classes a person is shown are decided on at natural frequencies: 0 not at all, 1 wholly."""


def balanced_class_weights(labels: torch.Tensor, class_count: int) -> torch.Tensor:
    """Return weights ``(C,)`` ∝ n_c^−½ of a pixel by its class, 1 on average over the labelled pixels.

    n_c is the number of pixels of class c in ``labels``, ``(B, H, W)`` uint8; a class without pixels has
    weight 0. Without weights a short training learns nothing of classes that fill a hundredth of the image.
    """
    return _balanced(_pixels_by_class(labels, class_count))


def mean_class_weights(
    label_maps: Sequence[torch.Tensor],
    pixel_weights: Literal["balanced", "even", "hardest"],
    class_count: int,
    batch_size: int,
) -> torch.Tensor:
    """Return what a pixel of each class weighs in a training, ``(C,)`` float, 1 on average over the pixels.

    ``balanced`` weighs the classes of each batch by themselves, so a class that few images show weighs less
    than its share of all pixels would tell; the mean over batches of whole images is taken. Other
    ``pixel_weights`` do not go by class: 1 for all, and 1 also for a class that no label shows. Crops show
    rare classes oftener than whole images; that stays out, since with it confidences were no better
    (a trial).

    Args:
        label_maps: ``(H, W)`` uint8 each; 254 and 255 count nothing.
        pixel_weights: As recipes take it.
        class_count: C.
        batch_size: Images of a batch.
    """
    pixels = torch.zeros(class_count, dtype=torch.float64)
    weighed = torch.zeros_like(pixels)
    if pixel_weights == "balanced":
        for first in range(0, len(label_maps), batch_size):
            batch = label_maps[first : first + batch_size]
            counts = torch.stack([_pixels_by_class(one.cpu(), class_count) for one in batch]).sum(dim=0)
            pixels += counts
            weighed += counts * _balanced(counts)
    return torch.where(pixels > 0, weighed / pixels.clamp(min=1), 1.0).float()


def at_natural_frequencies(probabilities: torch.Tensor, class_weights: torch.Tensor) -> torch.Tensor:
    """Return what probabilities ``(B, C, …)`` were without the weights ``(C,)`` of their classes in training.

    A loss that weighs class c by w_c is least at probabilities ∝ w_c · p(c), so p ∝ probability / w_c
    (Saerens et al. 2002, eq. 2.4; Menon et al. 2021, arXiv 2007.07314, §4). The most probable class may be
    another one.
    """
    unweighted = probabilities / class_weights.view(-1, *[1] * (probabilities.ndim - 2))
    return unweighted / unweighted.sum(dim=1, keepdim=True)


def as_decided(probabilities: torch.Tensor, class_weights: torch.Tensor) -> torch.Tensor:
    """Return maps ``(C, …)`` of which the highest is the class to show, from probabilities as trained.

    Trained with balanced weights a network lets rare classes spread over their borders, which mIoU hardly
    minds and a person has to paint over; at natural frequencies it loses them. This lies in between.
    """
    return probabilities / class_weights.view(-1, *[1] * (probabilities.ndim - 1)) ** NATURAL_SHARE


def _pixels_by_class(labels: torch.Tensor, class_count: int) -> torch.Tensor:
    # Unlike `bincount` it does not make the processor wait for a GPU.
    return torch.histc(labels.float(), bins=256, min=0, max=255)[:class_count]


def _balanced(counts: torch.Tensor) -> torch.Tensor:
    weights = torch.where(counts > 0, counts.clamp(min=1).rsqrt(), 0.0)
    return weights * counts.sum() / (weights * counts).sum().clamp(min=1)
