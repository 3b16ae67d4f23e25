"""Predictions, scores and candidates that were never near a network."""

from __future__ import annotations

import torch

from core.acquisition.candidates import Candidates
from core.acquisition.gradient import gradient_embedding
from core.acquisition.pixel_scores import PIXEL_SCORES, SampleStatistics
from core.predict import ImagePrediction
from tests.core.small_network import seeded


def prediction_of(samples: torch.Tensor) -> ImagePrediction:
    """Predict ``(C, h, w)`` for an image by probabilities ``(T, C, h, w)``, seen at this resolution."""
    even, odd = SampleStatistics(), SampleStatistics()
    even.add(samples[::2, None])
    odd.add(samples[1::2, None])
    both = even.merged(odd)
    mean = both.mean()
    return ImagePrediction(
        class_map=both.class_map()[0],
        embedding=torch.ones(1),
        class_mass=mean[0].mean(dim=(1, 2)),
        probabilities=mean[0],
        pixel_scores={name: score(both)[0] for name, score in PIXEL_SCORES.items()},
        gradient=gradient_embedding(mean, both.class_map(), torch.ones(1, 2, *mean.shape[2:]))[0],
        extent=(float(mean.shape[2]), float(mean.shape[3])),
        halves=(even, odd),
    )


def random_candidates(count: int, seed: int = 0, labelled: int = 3, length: int = 6) -> Candidates:
    """Candidates in all of which is drawn at random; every fifth belongs to no group."""
    generator = seeded(seed)
    places = torch.arange(count)
    mass = torch.rand(count, 4, generator=generator)
    return Candidates(
        scores=torch.rand(count, generator=generator, dtype=torch.float64),
        embeddings=unit_vectors(count, length, generator),
        class_scores=torch.rand(count, 4, generator=generator),
        class_mass=mass / mass.sum(dim=1, keepdim=True),
        gradients=torch.randn(count, 8, generator=generator),
        groups=torch.where(places % 5 == 4, -1, places // 10),
        positions=places,
        labelled_embeddings=unit_vectors(labelled, length, generator),
    )


def unit_vectors(count: int, length: int, generator: torch.Generator) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(count, length, generator=generator), dim=1)
