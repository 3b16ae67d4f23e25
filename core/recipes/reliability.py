"""Which pseudo-labels are reliable: the partition by entropy of U2PL."""

from __future__ import annotations

import math

import torch

from core.data import NOT_LABELLED, VOID
from core.recipes.cross_entropy import expected_cross_entropy

_BINS = 8192


def unreliable_share_at(progress: float, initial: float) -> float:
    """Return α_t = α_0 · (1 − progress), the share of the pixels whose pseudo-label is dropped.

    (U2PL, "dynamic partition adjustment"; here it changes with every step.)

    Args:
        progress: Share of the training that is done, 0…1.
        initial: α_0, 0…1.
    """
    return initial * (1 - progress)


def histogram_quantile(
    values: torch.Tensor, counted: torch.Tensor, share: float, upper: float
) -> torch.Tensor:
    """Return a bound below which at least ``share`` of the counted values lie, as a scalar tensor.

    It is exact to one of 8192 steps between 0 and ``upper``, needs no sorting and never waits for the
    device.

    Args:
        values: Any shape, float in [0, ``upper``].
        counted: Bool of the same shape.
        share: 0…1.
        upper: The largest value there can be.

    Returns:
        The upper edge of the first step that reaches the share; infinite when no counted value lies
        beyond that edge, so that with share 1 or with nothing counted every value is below.
    """
    # histc leaves out what is not between its limits.
    kept = torch.where(counted, values.detach().float().clamp(0, upper), -1.0)
    below = torch.histc(kept, bins=_BINS, min=0.0, max=upper).cumsum(dim=0)
    step = torch.searchsorted(below, share * below[-1:]).clamp(max=_BINS - 1)
    bound = (step + 1) * (upper / _BINS)
    return torch.where(below[step] >= below[-1], torch.inf, bound)[0]


def drop_unreliable(
    pseudo: torch.Tensor, entropies: torch.Tensor, share: float, class_count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Drop the ``share`` of the pseudo-labels whose entropy is highest in the batch, or less where many tie.

    The threshold is γ_t, the (1 − α_t)-quantile of the entropies of the pixels that have a
    pseudo-label (U2PL, equation 6).

    Args:
        pseudo: ``(B, h, w)`` uint8; 254 and 255 have no pseudo-label.
        entropies: ``(B, h, w)`` in nats.
        share: α_t, 0…1.
        class_count: C.

    Returns:
        The pseudo-labels with 255 where they were dropped, and where that was, ``(B, h, w)`` bool.
    """
    valid = pseudo < NOT_LABELLED
    upper = max(math.log(class_count), 1e-6)
    threshold = histogram_quantile(entropies, valid, 1 - share, upper)
    unreliable = valid & (entropies >= threshold)
    return torch.where(unreliable, VOID, pseudo).to(torch.uint8), unreliable


def balanced_cross_entropy(logits: torch.Tensor, targets: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of the kept pixels over the share that was kept (U2PL, λ_u).

    Args:
        logits: ``(T, B, C, h, w)``.
        targets: ``(B, h, w)`` uint8; 254 and 255 were not kept.
        pixels: Number of pixels that could have been kept, a scalar.

    Returns:
        A finite scalar; 0 when nothing was kept.
    """
    kept = (targets < NOT_LABELLED).sum()
    return expected_cross_entropy(logits, targets) * (pixels / kept.clamp(min=1))
