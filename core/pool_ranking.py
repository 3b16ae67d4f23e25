"""The order of what a round has scored of its pool, and what the screen says about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from core.acquisition.aggregation import ImageScore
from core.acquisition.batch_choice import BY_CHANCE, ORDERED_EXACTLY, rank
from core.acquisition.candidates import Candidates
from core.acquisition.novelty import alike_from, nearest_cosine, unlike_labelled
from core.acquisition.phase import phase, rank_stability

TYPICAL_CHOICE = "typiclust"
BY_TYPICALITY = frozenset({TYPICAL_CHOICE, "probcover"})
"""Choices that ask for images like many others, whatever their scores."""
BY_DISTANCE = frozenset({"k_centre"})
"""Choices that ask for images unlike those there are, whatever their scores."""
_FIRST_IMAGES = {
    **dict.fromkeys(BY_CHANCE, "Images come at random"),
    **dict.fromkeys(BY_TYPICALITY, "Typical images come first"),
    **dict.fromkeys(BY_DISTANCE, "Images far from those that are labelled come first"),
}
TYPICAL_SHARE = 0.005
"""An image is called typical when this share of the pool is much like it: half of what is so on average."""
COUNTED_EXACTLY = 20_000
"""Images of a larger pool with which each image is compared to say about how many are like it."""
_COMPARED_AT_ONCE = 512
"""Images compared with all those together; their cosines then take 40 MB at most."""


class Frame(NamedTuple):
    """Where an image stands in the video or series that it belongs to."""

    group: str | None
    """Name of the series; None for an image that belongs to none."""
    position: int
    """Place among all images of the series, the labelled ones too, from 0."""


@dataclass(frozen=True)
class PoolRanking:
    """How N images of the pool are ordered.

    Attributes:
        order: A permutation of 0…N − 1, the image to label first in front.
        novelty: ``(N,)`` 1 − cosine with the most alike labelled image; None when none is labelled.
        unlike: ``(N,)`` bool, images unlike anything labelled.
        grounds: N clauses that say why the choice that was followed puts an image where it is, beside what
            the model is unsure of in it; empty ones where that is the ground itself.
        ranked_by: What the screen says: ``choice``, ``phase``, ``sentence``, ``images_per_class``,
            ``rank_stability``.
    """

    order: list[int]
    novelty: Tensor | None
    unlike: Tensor
    grounds: list[str]
    ranked_by: dict[str, Any]


@dataclass(frozen=True)
class ColdStart:
    """How a pool is ordered before anything is labelled.

    Attributes:
        order: A permutation of 0…N − 1.
        alike: ``(N,)`` int64, how many other images of the pool are much like each; above
            ``COUNTED_EXACTLY`` images about so many.
    """

    order: list[int]
    alike: Tensor


def rank_pool(
    scored: Sequence[ImageScore],
    labelled_embeddings: Tensor,
    frames: Sequence[Frame],
    images_by_class: Sequence[int],
    *,
    choice: str,
    batch: int,
    near_duplicate: float,
    uncertain_from: int,
    progress: float,
    generator: torch.Generator,
) -> PoolRanking:
    """Order the pool by the model's uncertainty, or by typical images while there are too few labels for it.

    Args:
        scored: One entry an image of the pool.
        labelled_embeddings: ``(L, E)`` of unit length, of the images that are labelled.
        frames: Of each image of the pool, see :func:`frames_of`.
        images_by_class: For each class that was seen, the labelled images in which it occurs.
        choice: A name in :data:`core.acquisition.batch_choice.CHOICES`; one that asks for no scores is
            always followed.
        batch: Images chosen together.
        near_duplicate: Cosine from which on two images do not belong into one batch.
        uncertain_from: Images per class from which on uncertainty chooses.
        progress: Share of the planned rounds that are over, in [0, 1].
        generator: On the CPU.
    """
    stability = rank_stability([one.half_scores for one in scored]) if _vary(scored) else None
    now = phase(images_by_class, uncertain_from=uncertain_from, stability=stability)
    without_scores = choice in BY_CHANCE | BY_TYPICALITY | BY_DISTANCE
    followed = choice if now.name == "uncertain" or without_scores else TYPICAL_CHOICE
    sentence = f"{_FIRST_IMAGES[choice]}, as the settings say." if without_scores else now.sentence
    ranked_by = {
        "choice": followed,
        "phase": now.name,
        "sentence": sentence,
        "images_per_class": now.images_per_class,
        "rank_stability": now.rank_stability,
    }
    if not scored:
        return PoolRanking([], None, torch.zeros(0, dtype=torch.bool), [], ranked_by)
    numbers, positions = group_numbers(frames)
    candidates = Candidates.of(
        scored,
        groups=numbers,
        positions=positions,
        labelled_embeddings=labelled_embeddings,
    )
    order = rank(
        candidates,
        followed,
        batch=batch,
        progress=progress,
        near_duplicate=near_duplicate,
        generator=generator,
    )
    threshold = alike_from(candidates.embeddings, generator)
    unlike, novelty = torch.zeros(len(scored), dtype=torch.bool), None
    if len(labelled_embeddings):
        nearest = nearest_cosine(candidates.embeddings, labelled_embeddings)
        unlike, novelty = unlike_labelled(nearest, threshold), 1 - nearest
    grounds = _grounds(followed, candidates.embeddings, threshold, generator)
    if followed not in BY_CHANCE:
        for index in order[max(ORDERED_EXACTLY, batch) :]:
            grounds[index] = ""  # From there on the scores order the images.
    return PoolRanking(order, novelty, unlike, grounds, ranked_by)


def rank_cold(
    embeddings: Tensor,
    labelled_embeddings: Tensor,
    frames: Sequence[Frame],
    *,
    batch: int,
    near_duplicate: float,
    generator: torch.Generator,
) -> ColdStart:
    """Order a pool of which no model knows anything: typical images of what is not labelled yet, all unlike.

    Args:
        embeddings: ``(N, E)`` of unit length.
        labelled_embeddings: ``(L, E)``, of images whose labels were imported to train.
        frames: See :func:`rank_pool`.
        batch: Images chosen together.
        near_duplicate: Cosine from which on two images do not belong into one batch.
        generator: On the CPU.
    """
    if not len(embeddings):
        return ColdStart([], torch.zeros(0, dtype=torch.int64))
    numbers, positions = group_numbers(frames)
    candidates = Candidates(
        torch.zeros(len(embeddings), dtype=torch.float64),
        embeddings,
        groups=numbers,
        positions=positions,
        labelled_embeddings=labelled_embeddings,
    )
    order = rank(
        candidates,
        TYPICAL_CHOICE,
        batch=batch,
        progress=0.0,
        near_duplicate=near_duplicate,
        generator=generator,
    )
    threshold = alike_from(embeddings, generator)
    return ColdStart(order, _images_alike(embeddings, threshold, generator))


def typical_sentence(alike: int, of: int) -> str:
    """Return why a cold start asks for an image that ``alike`` of ``of`` others are much like."""
    said = _typicality(alike, of)
    if of == 0:
        return said
    if of >= COUNTED_EXACTLY:
        return f"{said}: about {alike:,} of {of:,} other images look much like it"
    if alike == 0:
        return f"{said}: shows the model what it would not meet elsewhere"
    return f"{said}: {alike:,} of {of:,} other images look much like it"


def _typicality(alike: int, of: int) -> str:
    if of == 0:
        return "the only image that waits"
    if alike == 0 and of < COUNTED_EXACTLY:
        return "unlike the other images"
    return "typical" if alike >= max(2.0, TYPICAL_SHARE * of) else "of a rare kind"


def _grounds(choice: str, embeddings: Tensor, threshold: float, generator: torch.Generator) -> list[str]:
    """Return for each image a clause that says why it is asked for; empty where scores are followed."""
    count = len(embeddings)
    if choice in BY_CHANCE:
        return ["drawn at random"] * count
    if choice in BY_TYPICALITY:
        alike = _images_alike(embeddings, threshold, generator)
        return [_typicality(number, count - 1) for number in alike.tolist()]
    return ["far from what is labelled or comes before it" if choice in BY_DISTANCE else ""] * count


def frames_of(groups: Sequence[str | None]) -> list[Frame]:
    """Return where each image of a project stands, of the series names of all its images in their order."""
    sizes: Counter[str] = Counter()
    frames = []
    for group in groups:
        frames.append(Frame(group, 0 if group is None else sizes[group]))
        if group is not None:
            sizes[group] += 1
    return frames


def group_numbers(frames: Sequence[Frame]) -> tuple[Tensor, Tensor]:
    """Return series and place in it of N images, ``(N,)`` int64 each; an image without a series has −1."""
    known: dict[str, int] = {}
    numbers = [-1 if group is None else known.setdefault(group, len(known)) for group, _ in frames]
    positions = [frame.position for frame in frames]
    return torch.tensor(numbers, dtype=torch.int64), torch.tensor(positions, dtype=torch.int64)


def _vary(scored: Sequence[ImageScore]) -> bool:
    """Return whether the two halves of the samples differ at all: they do not for a single prediction."""
    return any(even != odd for even, odd in (one.half_scores for one in scored))


def _images_alike(embeddings: Tensor, threshold: float, generator: torch.Generator) -> Tensor:
    """Return how many other images are above a cosine, ``(N,)``; of a large pool, as a sample of it tells."""
    count = len(embeddings)
    some = torch.randperm(count, generator=generator)[:COUNTED_EXACTLY]
    compared = embeddings[some].T
    found = torch.cat(
        [(rows @ compared > threshold).sum(dim=1) for rows in embeddings.split(_COMPARED_AT_ONCE)]
        or [torch.zeros(0, dtype=torch.int64)]
    )
    found[some] -= 1  # An image is not one of the others.
    return (found.clamp(min=0) * (count / max(1, len(some)))).round().long()
