"""Scores of single pixels from class probabilities: how unsure the network is there."""

from __future__ import annotations

import torch


def entropy_of(probabilities: torch.Tensor, dim: int) -> torch.Tensor:
    """Return −Σ p·log p over ``dim``, in nats and float32; 0·log 0 is 0."""
    probabilities = probabilities.float()
    return -torch.xlogy(probabilities, probabilities).sum(dim=dim).clamp(max=0)


class SampleStatistics:
    """Uncertainty from class probabilities of T samples that arrive in pieces.

    Three running sums are kept, so T may be as large as one likes.
    """

    def __init__(self) -> None:
        self._count = 0
        self._probabilities = torch.zeros(())
        self._squares = torch.zeros(())
        self._entropy = torch.zeros(())

    def add(self, samples: torch.Tensor) -> None:
        """Add probabilities ``(t, B, C, h, w)``."""
        samples = samples.float()
        self._count += len(samples)
        self._probabilities = samples.sum(dim=0) + self._probabilities.to(samples.device)
        self._squares = samples.square().sum(dim=(0, 2)) + self._squares.to(samples.device)
        self._entropy = entropy_of(samples, dim=2).sum(dim=0) + self._entropy.to(samples.device)

    def mean(self) -> torch.Tensor:
        """Return the mean probability, ``(B, C, h, w)``."""
        return self._probabilities / self._count

    def predictive_entropy(self) -> torch.Tensor:
        """Return the entropy of the mean, ``(B, h, w)`` nats in [0, log C]: total uncertainty."""
        return entropy_of(self.mean(), dim=1)

    def mutual_information(self) -> torch.Tensor:
        """Return entropy of the mean − mean of the entropies, ``(B, h, w)`` nats (BALD).

        It is the part of the uncertainty that the latent carries: at least 0, at most the
        predictive entropy, and exactly 0 for one sample.
        """
        if self._count == 1:
            return torch.zeros_like(self._entropy)
        total = self.predictive_entropy()
        return torch.minimum((total - self._entropy / self._count).clamp(min=0), total)

    def variance(self) -> torch.Tensor:
        """Return the variance over the samples summed over the classes, ``(B, h, w)`` in [0, 1 − 1/C].

        Σ_c Var_t p_t(c) = mean_t ‖p_t‖² − ‖p̄‖², with 1/T as in a population; exactly 0 for one sample.
        """
        if self._count == 1:
            return torch.zeros_like(self._squares)
        return (self._squares / self._count - self.mean().square().sum(dim=1)).clamp(min=0)
