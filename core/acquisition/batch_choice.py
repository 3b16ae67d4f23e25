"""From scores to the order in which images are labelled. Pure functions; all chance is in a generator."""

from __future__ import annotations

from typing import Protocol

import torch

from core.acquisition import coverage, stochastic, typical
from core.acquisition.candidates import Candidates
from core.acquisition.near_duplicates import NEAR_DUPLICATE, defer_near_duplicates

ORDERED_EXACTLY = 256
"""How many images are chosen batch by batch; by then the next round has ordered the others anew."""


class Choice(Protocol):
    """Chooses one batch."""

    def __call__(
        self,
        candidates: Candidates,
        count: int,
        *,
        taken: torch.Tensor,
        progress: float,
        generator: torch.Generator,
    ) -> list[int]:
        """Return ``count`` indices of candidates, the best first, or all that are free when they are fewer.

        Args:
            candidates: N images.
            count: Images of the batch, at least 0.
            taken: ``(N,)`` bool, images that are not chosen; those who spread count them as labelled.
            progress: Share of the planned rounds that are over, in [0, 1].
            generator: On the CPU; the same state gives the same batch.
        """


CHOICES: dict[str, Choice] = {
    "clasp_pe": stochastic.clasp_pe,
    "top": stochastic.top,
    "power": stochastic.power,
    "softmax": stochastic.softmax,
    "rank_sampling": stochastic.rank_sampling,
    "k_centre": coverage.k_centre,
    "score_diversity": coverage.score_diversity,
    "badge": coverage.badge,
    "typiclust": typical.typiclust,
    "probcover": typical.probcover,
    "improved_random": stochastic.improved_random,
    "random": stochastic.random,
}
"""Every choice of a batch by name; ``clasp_pe`` is the default."""
BY_GRADIENT = {"badge"}
"""Choices that look at :attr:`core.acquisition.candidates.Candidates.gradients`."""
_IN_ONE_GO = {"top", "power", "softmax", "rank_sampling", "improved_random", "random"}
"""Choices whose first images are the same however many are asked for, and that cost no more for all."""
BY_CHANCE = {"random", "improved_random"}
"""Rivals that must stay what they are: their near-duplicates are not deferred."""


def rank(
    candidates: Candidates,
    choice: str,
    *,
    batch: int,
    progress: float,
    near_duplicate: float = NEAR_DUPLICATE,
    generator: torch.Generator,
) -> list[int]:
    """Order all images, the one to label first in front.

    One batch is chosen after the other. Choices that would cost too much for a large pool do so for the
    first :data:`ORDERED_EXACTLY` images, or one batch if that is more; the others follow by score, equal
    scores in random order. A near-duplicate of an image in the same batch waits for the next one, unless
    the choice is random.

    Args:
        candidates: N images, see :class:`core.acquisition.candidates.Candidates`.
        choice: A name in :data:`CHOICES`.
        batch: Images that are chosen together, at least 1.
        progress: Share of the planned rounds that are over, in [0, 1].
        near_duplicate: Cosine from which on two images are near-duplicates; 1 turns deferring off.
        generator: On the CPU; the same state gives the same order.

    Returns:
        A permutation of 0…N − 1.

    Raises:
        ValueError: When ``batch`` is below 1, there is no such choice, or it needs what the candidates lack.
    """
    if batch < 1:
        raise ValueError(f"A batch holds at least 1 image, not {batch}.")
    if choice not in CHOICES:
        raise ValueError(f"There is no choice {choice!r}; there are {', '.join(CHOICES)}.")
    taken = torch.zeros(len(candidates), dtype=torch.bool)
    order: list[int] = []
    wanted = len(candidates) if choice in _IN_ONE_GO else min(max(ORDERED_EXACTLY, batch), len(candidates))
    while len(order) < wanted:
        if choice == "clasp_pe":
            count = batch
        elif choice == "typiclust":
            # Each call clusters anew, so calls get larger: the first batches are what they would be alone.
            count = max(batch, len(order))
        else:
            count = wanted
        chosen = CHOICES[choice](
            candidates, min(count, wanted - len(order)), taken=taken, progress=progress, generator=generator
        )
        taken[chosen] = True
        order += chosen
    shuffled = torch.randperm(len(candidates), generator=generator)
    shuffled = shuffled[~taken[shuffled]]
    order += shuffled[candidates.scores[shuffled].sort(descending=True, stable=True).indices].tolist()
    if choice in BY_CHANCE:
        return order
    return defer_near_duplicates(
        order, candidates.embeddings, batch, near_duplicate, candidates.groups, candidates.positions
    )
