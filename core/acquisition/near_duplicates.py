"""Images that show nearly the same are not labelled in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import torch

NEAR_DUPLICATE = 0.95
"""Cosine of two embeddings from which on two images count as near-duplicates.

With ImageNet's EfficientNet-Lite0, CamVid frames one second apart have a median of 0.91, frames of
different places stay below 0.89 in 99 of 100 pairs.
"""
NEIGHBOURING = 1
"""Images of one group that are at most so many positions apart count as near-duplicates too."""
_LOOK_AHEAD = 4


def defer_near_duplicates(
    order: Sequence[int],
    embeddings: torch.Tensor,
    batch: int,
    near_duplicate: float = NEAR_DUPLICATE,
    groups: torch.Tensor | None = None,
    positions: torch.Tensor | None = None,
) -> list[int]:
    """Move near-duplicates of an image in the same batch behind that batch.

    A batch looks at most four batches ahead for replacements; when it finds none it stays short and
    the next one begins. The time grows with the number of images, not faster.

    Args:
        order: Indices of rows of ``embeddings``, each once.
        embeddings: ``(N, E)`` of unit length.
        batch: Images of one batch, at least 1.
        near_duplicate: Cosine from which on two images are near-duplicates; 1 turns all of this off.
        groups: ``(N,)`` int64, number of the group of each image, −1 for none.
        positions: ``(N,)`` int64, place in the group.

    Returns:
        The same indices in their new order.
    """
    if near_duplicate >= 1:
        return list(order)
    waiting: list[int] = []
    ahead = iter(order)
    result: list[int] = []
    while True:
        waiting += islice(ahead, _LOOK_AHEAD * batch - len(waiting))
        if not waiting:
            return result
        vectors, free = embeddings[waiting], torch.ones(len(waiting), dtype=torch.bool)
        group = None if groups is None else groups[waiting]
        position = None if positions is None else positions[waiting]
        kept: list[int] = []
        # By what is kept, one after the other: of many that are alike few are.
        while len(kept) < batch and bool(free.any()):
            place = int(free.byte().argmax())
            kept.append(place)
            near = vectors @ vectors[place] >= near_duplicate
            if group is not None and position is not None and group[place] >= 0:
                near |= (group == group[place]) & ((position - position[place]).abs() <= NEIGHBOURING)
            near[place] = True
            free &= ~near
        result += [waiting[place] for place in kept]
        in_batch = set(kept)
        waiting = [index for place, index in enumerate(waiting) if place not in in_batch]
