"""Choices by score and chance: the best, the best with noise, and chance alone.

Noise of a Gumbel distribution added to log-weights and the highest sums taken is a draw without
replacement with probabilities in proportion to the weights (Kirsch et al. 2023, arXiv 2106.12059).
"""

from __future__ import annotations

import math

import torch

from core.acquisition.candidates import Candidates

_STRATIFIED_SHARE = 0.66
_FIRST_BETA, _LAST_BETA = 1.0, 100.0
_SMALLEST = 1e-12
STRIDE = 5
"""Improved random draws every fifth image of a group before any other of it."""


def top(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Choose the highest scores, highest first; ties by index."""
    return highest(candidates.scores.double(), taken, count)


def power(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Draw images with probability in proportion to their score (power sampling, β = 1)."""
    return _drawn(_log(candidates.scores), taken, count, generator)


def softmax(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Draw images with probability in proportion to exp(score / σ), σ the scores' standard deviation.

    Kirsch et al. divide by 1, which suits scores in nats that spread over the whole range; those here do
    not, and their draws would hardly differ from random ones.
    """
    scores = candidates.scores.double()
    spread = scores.std(correction=0).clamp(min=_SMALLEST) if len(scores) else 1.0
    return _drawn(scores / spread, taken, count, generator)


def rank_sampling(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Draw images with probability in proportion to 1 / rank (soft-rank sampling, β = 1)."""
    order = candidates.scores.double().masked_fill(taken, -math.inf).sort(descending=True, stable=True)
    ranks = torch.empty(len(candidates), dtype=torch.float64)
    ranks[order.indices] = torch.arange(1, len(candidates) + 1, dtype=torch.float64)
    return _drawn(-ranks.log(), taken, count, generator)


def clasp_pe(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Choose by class-stratified, noisy scores (ClaSP PE, nnActive, arXiv 2601.13677).

    66 % of the batch is split evenly over the classes with a score, in random order; each takes its best
    images by log S_c + Gumbel(0, 1/β). The rest is chosen by log S + Gumbel(0, 1/β). β grows from 1
    to 100 with ``progress``, so early rounds explore.

    Raises:
        ValueError: When there are no class scores.
    """
    class_scores = needed(candidates.class_scores, "class_scores", "clasp_pe")
    # A class that nowhere has a score, such as an archived one, has no images to ask for.
    class_scores = class_scores[:, (class_scores > 0).any(dim=0)]
    class_count = class_scores.shape[1]
    count = min(count, int((~taken).sum()))
    beta = _FIRST_BETA * (_LAST_BETA / _FIRST_BETA) ** progress
    taken = taken.clone()
    chosen: list[int] = []

    def take(values: torch.Tensor, quota: int) -> None:
        best = _drawn(_log(values) * beta, taken, quota, generator)
        taken[best] = True
        chosen.extend(best)

    stratified = math.floor(_STRATIFIED_SHARE * count) if class_count else 0
    for place, class_index in enumerate(torch.randperm(class_count, generator=generator).tolist()):
        quota = stratified // class_count + (place < stratified % class_count)
        if quota:
            take(class_scores[:, class_index], quota)
    if count > len(chosen):
        take(candidates.scores, count - len(chosen))
    return chosen


def random(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Draw images, all alike."""
    order = torch.randperm(len(candidates), generator=generator)
    return order[~taken[order]][:count].tolist()


def improved_random(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Draw a class, each as likely as the next, then an image by how much of the class it shows.

    What shows is what the network predicts (``class_mass``). Of each group every fifth image by position,
    from a random one on, is drawn before the others, since neighbours in a video show the same.

    Raises:
        ValueError: When there are no class masses.
    """
    mass = needed(candidates.class_mass, "class_mass", "improved_random").double()
    mass = mass.masked_fill(taken[:, None], 0)
    weights = (mass / mass.sum(dim=0).clamp(min=_SMALLEST)).sum(dim=1)
    order = torch.tensor(_drawn(_log(weights), taken, len(candidates), generator), dtype=torch.int64)
    return order[_later(candidates, generator)[order].sort(stable=True).indices][:count].tolist()


def highest(keys: torch.Tensor, taken: torch.Tensor, count: int) -> list[int]:
    """Return the indices of the ``count`` highest keys that are not taken, highest first; ties by index."""
    count = min(count, int((~taken).sum()))
    keys = keys.masked_fill(taken, -math.inf)
    if count * 20 < len(keys):
        # The best few are found without sorting all; those that tie with the last go in by index.
        last = keys.topk(count).values[-1] if count else torch.tensor(math.inf)
        places = (keys >= last).nonzero()[:, 0]
        return places[keys[places].sort(descending=True, stable=True).indices][:count].tolist()
    return keys.sort(descending=True, stable=True).indices[:count].tolist()


def needed(values: torch.Tensor | None, name: str, choice: str) -> torch.Tensor:
    """Return what a choice cannot do without.

    Raises:
        ValueError: When it is not given.
    """
    if values is None:
        raise ValueError(f"The choice {choice} needs the candidates' {name}.")
    return values


def _log(values: torch.Tensor) -> torch.Tensor:
    return values.double().clamp(min=_SMALLEST).log()


def _drawn(
    log_weights: torch.Tensor, taken: torch.Tensor, count: int, generator: torch.Generator
) -> list[int]:
    exponential = torch.empty(len(log_weights), dtype=torch.float64).exponential_(generator=generator)
    return highest(log_weights - exponential.clamp(min=_SMALLEST).log(), taken, count)


def _later(candidates: Candidates, generator: torch.Generator) -> torch.Tensor:
    """Return ``(N,)`` 0 for images outside of groups and every fifth of a group, 1 for others."""
    later = torch.zeros(len(candidates), dtype=torch.int64)
    if candidates.groups is None or candidates.positions is None or not len(candidates):
        return later
    groups = candidates.groups
    offsets = torch.randint(STRIDE, (int(groups.max()) + 2,), generator=generator)
    grouped = groups >= 0
    later[grouped] = ((candidates.positions[grouped] + offsets[groups[grouped]]) % STRIDE > 0).long()
    return later
