"""Scores of single pixels from class probabilities: how unsure the network is there."""

from __future__ import annotations

import torch


def entropy_of(probabilities: torch.Tensor, dim: int) -> torch.Tensor:
    """Return −Σ p·log p over ``dim``, in nats and float32; 0·log 0 is 0."""
    probabilities = probabilities.float()
    return -torch.xlogy(probabilities, probabilities).sum(dim=dim)


def predictive_entropy(samples: torch.Tensor) -> torch.Tensor:
    """Return the entropy of the mean, ``(B, h, w)`` nats, of samples ``(T, B, C, h, w)``: total uncertainty."""
    return entropy_of(samples.float().mean(dim=0), dim=1)


def mutual_information(samples: torch.Tensor) -> torch.Tensor:
    """Return entropy of the mean − mean of the entropies, ``(B, h, w)`` nats, at least 0.

    Samples are ``(T, B, C, h, w)``. It is the part of the uncertainty that the latent carries (BALD).
    """
    expected = entropy_of(samples, dim=2).mean(dim=0)
    return (predictive_entropy(samples) - expected).clamp(min=0)
