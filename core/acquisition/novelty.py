"""How unlike an image is to those that are labelled."""

from __future__ import annotations

import math

import torch

from core.acquisition.coverage import nearest_squared
from core.acquisition.near_duplicates import NEAR_DUPLICATE

ALIKE_SHARE = 0.01
"""Two images count as alike when they are more so than 99 in 100 pairs of the pool, and near-duplicates do:
of the frames of a video, or of a few images, more than one pair in a hundred are."""
NOVEL_SHARE = 0.25
"""At most this share of the pool is called unlike anything labelled; of all, it would say nothing."""
_PAIRS = 200_000


def nearest_cosine(embeddings: torch.Tensor, labelled: torch.Tensor) -> torch.Tensor:
    """Return the cosine of each of ``(N, E)`` with the nearest of ``(L, E)``, ``(N,)``; −1 when L = 0.

    All embeddings are of unit length. 1 − cosine is an image's novelty.
    """
    return (1 - nearest_squared(embeddings, labelled) / 2).clamp(-1, 1)


def alike_from(embeddings: torch.Tensor, generator: torch.Generator) -> float:
    """Return the cosine above which two different rows of ``(N, E)`` are alike.

    One in a hundred pairs exceeds it, or more where more are near-duplicates; without a pair to go by, only
    near-duplicates are alike. Of a large pool 200 000 pairs are drawn.
    """
    count = len(embeddings)
    if count < 2:
        return NEAR_DUPLICATE
    if count * (count - 1) // 2 <= _PAIRS:
        first, second = torch.triu_indices(count, count, 1).unbind()
    else:
        first = torch.randint(count, (_PAIRS,), generator=generator)
        second = (first + torch.randint(1, count, (_PAIRS,), generator=generator)) % count
    cosines = torch.cat(
        [
            torch.linalg.vecdot(embeddings[some], embeddings[others])
            for some, others in zip(first.split(8192), second.split(8192), strict=True)
        ]
    )
    rarely_exceeded = float(cosines.kthvalue(math.ceil((1 - ALIKE_SHARE) * len(cosines))).values)
    return min(rarely_exceeded, NEAR_DUPLICATE)


def unlike_labelled(cosines: torch.Tensor, threshold: float) -> torch.Tensor:
    """Return ``(N,)`` bool: which images of the pool deserve to be called unlike anything labelled.

    Their nearest labelled image is not alike, and three quarters of the pool have a nearer one: with few
    labels nearly all images are unlike them, and saying so would tell nothing apart.

    Args:
        cosines: ``(N,)``, see :func:`nearest_cosine`.
        threshold: See :func:`alike_from`.
    """
    if not len(cosines):
        return torch.zeros(0, dtype=torch.bool)
    most = max(1, math.floor(NOVEL_SHARE * len(cosines)))
    return (cosines < threshold) & (cosines <= cosines.kthvalue(most).values)
