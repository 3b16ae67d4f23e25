"""Scores of single pixels from class probabilities: how unsure the network is there.

The samples may be draws of a latent, passes with dropout, members of an ensemble, or one plain softmax
(T = 1). A score is in [0, 1], higher where the network is less sure; entropies are divided by log C, so
that numbers of classes compare.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import torch

from core.class_weights import at_natural_frequencies

_FLOATS_AT_ONCE = 2**20
"""Floats that are worked on together on a CPU: few enough for its cache, and so many that its threads seldom
wait for each other, which costs most where other processes want the cores too."""
_TINY = torch.finfo(torch.float32).tiny


def entropy_of(probabilities: torch.Tensor, dim: int) -> torch.Tensor:
    """Return −Σ p·log p over ``dim``, in nats and float32; 0·log 0 is 0."""
    probabilities = probabilities.float()
    # `xlogy` does the same five times as slowly on a CPU.
    return probabilities.clamp(min=_TINY).log_().mul_(probabilities).sum(dim=dim).clamp_(max=0).neg_()


class SampleStatistics:
    """Running sums over T samples of class probabilities that arrive in pieces.

    Memory does not grow with T. The sums of two halves of the samples can be :meth:`merged`.

    Args:
        scores: Names of the pixel scores that will be asked for; others may be missing then.
        class_weights: ``(C,)``, what a pixel of each class weighed in training, for the least confidence;
            even by default.
    """

    def __init__(
        self, scores: Collection[str] | None = None, class_weights: torch.Tensor | None = None
    ) -> None:
        self.count = 0
        self._class_weights = class_weights
        self._with_squares = scores is None or "variance" in scores
        self._with_votes = scores is None or "vote_entropy" in scores
        self._probabilities = torch.zeros(0)
        self._entropy = torch.zeros(0)
        self._squares = torch.zeros(0)
        self._votes = torch.zeros(0)
        self._mean: torch.Tensor | None = None
        self._predictive_entropy: torch.Tensor | None = None
        self._highest: torch.return_types.max | None = None
        """What several scores are made of, worked out once for the samples so far."""

    def add(self, probabilities: torch.Tensor) -> None:
        """Add probabilities ``(t, B, C, h, w)``."""
        self._add(probabilities, None)

    def add_logits(self, logits: torch.Tensor, temperature: float = 1.0) -> None:
        """Add the softmax of finite logits ``(t, B, C, h, w)`` / ``temperature``: cheaper, more exact."""
        self._add(logits, temperature)

    def _add(self, samples: torch.Tensor, temperature: float | None) -> None:
        """Add logits, or probabilities when they have no temperature."""
        count, batch, classes, height, width = samples.shape
        if not count:
            return
        if not self.count:
            size = (batch, height, width)
            self._probabilities = samples.new_zeros(batch, classes, height, width, dtype=torch.float32)
            self._entropy = samples.new_zeros(size, dtype=torch.float32)
            self._squares = torch.zeros_like(self._entropy) if self._with_squares else self._squares
            self._votes = torch.zeros_like(self._probabilities) if self._with_votes else self._votes
        self.count += count
        self._mean = self._predictive_entropy = self._highest = None
        pixels = height * width
        at_once = pixels
        if samples.device.type == "cpu":
            at_once = max(1, _FLOATS_AT_ONCE // (count * classes))
        for image in range(batch):
            of_image = samples[:, image].flatten(2)
            total = self._probabilities[image].flatten(1)
            entropy = self._entropy[image].flatten()
            for first in range(0, pixels, at_once):
                some = slice(first, first + at_once)
                piece = of_image[..., some].float()
                if piece.stride(2) != 1:
                    # Neighbouring pixels side by side, or every step below is twice as slow.
                    piece = piece.contiguous()
                behind = piece
                if self._with_votes or temperature is not None:
                    behind = piece - piece.amax(dim=1, keepdim=True)
                if self._with_votes:
                    # 1 − 1 for the most probable class, 0 − 1 for others, after the sign is taken.
                    self._votes[image].flatten(1)[:, some] += behind.sign().sum(dim=0).add_(count)
                if temperature is None:
                    chances, logs = piece, piece.clamp(min=_TINY).log_()
                else:
                    # A softmax whose parts are used again: log p = `logs` − log `whole`, and p sums to 1.
                    logs = behind if temperature == 1 else behind.div_(temperature)
                    chances = logs.exp()
                    whole = chances.sum(dim=1, keepdim=True)
                    chances /= whole
                    entropy[some] += whole.log_().sum(dim=(0, 1))
                total[:, some] += chances.sum(dim=0)
                entropy[some] -= logs.mul_(chances).sum(dim=(0, 1))
                if self._with_squares:
                    squares = torch.mul(chances, chances, out=logs)
                    self._squares[image].flatten()[some] += squares.sum(dim=(0, 1))

    def merged(self, other: SampleStatistics) -> SampleStatistics:
        """Return the statistics of both sets of samples together; both see the same images."""
        if not other.count:
            return self
        if not self.count:
            return other
        both = self._like()
        both.count = self.count + other.count
        both._probabilities = self._probabilities + other._probabilities
        both._entropy = self._entropy + other._entropy
        both._squares = self._squares + other._squares
        both._votes = self._votes + other._votes
        return both

    def of_image(self, index: int) -> SampleStatistics:
        """Return the statistics of one image of the batch, B = 1, on the CPU."""
        own = self._like()
        own.count = self.count
        own._probabilities = self._probabilities[index : index + 1].cpu()
        own._entropy = self._entropy[index : index + 1].cpu()
        own._squares = self._squares[index : index + 1].cpu()
        own._votes = self._votes[index : index + 1].cpu()
        return own

    def _like(self) -> SampleStatistics:
        new = SampleStatistics(class_weights=self._class_weights)
        new._with_squares, new._with_votes = self._with_squares, self._with_votes
        return new

    def mean(self) -> torch.Tensor:
        """Return the mean probability, ``(B, C, h, w)``."""
        if self._mean is None:
            self._mean = self._probabilities / self.count
        return self._mean

    def class_map(self) -> torch.Tensor:
        """Return the most probable class by the mean, ``(B, h, w)`` int64; of equal ones any."""
        return self._most_probable().indices[:, 0]

    def _most_probable(self) -> torch.return_types.max:
        """Return the highest mean probability and its class, ``(B, 1, h, w)`` each."""
        if self._highest is None:
            # On a CPU `argmax` takes six times as long as `max`.
            self._highest = self.mean().max(dim=1, keepdim=True)
        return self._highest

    def predictive_entropy(self) -> torch.Tensor:
        """Return the entropy of the mean / log C, ``(B, h, w)``: total uncertainty."""
        if self._predictive_entropy is None:
            self._predictive_entropy = self._normalised(entropy_of(self.mean(), dim=1))
        return self._predictive_entropy

    def expected_entropy(self) -> torch.Tensor:
        """Return the mean of the entropies / log C, ``(B, h, w)``: what every sample is unsure of."""
        return self._normalised(self._entropy / self.count)

    def mutual_information(self) -> torch.Tensor:
        """Return predictive − expected entropy, ``(B, h, w)``: BALD (Houlsby et al. 2011).

        It is the part of the uncertainty that the samples disagree on: at least 0, at most the
        predictive entropy, and exactly 0 for one sample.
        """
        if self.count == 1:
            return torch.zeros_like(self._entropy)
        total = self.predictive_entropy()
        return torch.minimum((total - self.expected_entropy()).clamp(min=0), total)

    def least_confidence(self) -> torch.Tensor:
        """Return the chance that the most probable class is wrong, ``(B, h, w)`` in [0, 1].

        It is 1 − its mean probability, at natural frequencies when the classes had weights in training.
        """
        mean = self.mean()
        if self._class_weights is None:
            return (1 - self._most_probable().values[:, 0]).clamp(0, 1)
        natural = at_natural_frequencies(mean, self._class_weights.to(mean.device))
        return (1 - natural.gather(1, self._most_probable().indices)[:, 0]).clamp(0, 1)

    def margin(self) -> torch.Tensor:
        """Return 1 − (highest − second mean probability), ``(B, h, w)``; 0 when C = 1."""
        mean = self.mean()
        if mean.shape[1] == 1:
            return torch.zeros_like(self._entropy)
        # Twice the highest takes a third of `topk`'s time.
        first, place = self._most_probable()
        second = mean.scatter(1, place, -1.0).amax(dim=1, keepdim=True)
        return (1 - (first - second))[:, 0].clamp(0, 1)

    def variance(self) -> torch.Tensor:
        """Return the variance over the samples summed over the classes, ``(B, h, w)`` in [0, 1 − 1/C].

        Σ_c Var_t p_t(c) = mean_t ‖p_t‖² − ‖p̄‖², with 1/T as in a population; exactly 0 for one sample.
        """
        if self.count == 1:
            return torch.zeros_like(self._squares)
        return (self._squares / self.count - self.mean().square().sum(dim=1)).clamp(min=0)

    def vote_entropy(self) -> torch.Tensor:
        """Return the entropy of the samples' votes / log C, ``(B, h, w)`` (Dagan & Engelson 1995).

        A sample votes for its most probable class, for several when they tie.
        """
        return self._normalised(entropy_of(self._votes / self._votes.sum(dim=1, keepdim=True), dim=1))

    def _normalised(self, nats: torch.Tensor) -> torch.Tensor:
        classes = self._probabilities.shape[1]
        return (nats / math.log(classes)).clamp(0, 1) if classes > 1 else torch.zeros_like(nats)


PIXEL_SCORES: dict[str, Callable[[SampleStatistics], torch.Tensor]] = {
    "predictive_entropy": SampleStatistics.predictive_entropy,
    "mutual_information": SampleStatistics.mutual_information,
    "expected_entropy": SampleStatistics.expected_entropy,
    "least_confidence": SampleStatistics.least_confidence,
    "margin": SampleStatistics.margin,
    "variance": SampleStatistics.variance,
    "vote_entropy": SampleStatistics.vote_entropy,
}
"""Every pixel score ``(B, h, w)`` by name."""
OF_DISAGREEMENT = frozenset({"mutual_information", "variance", "vote_entropy"})
"""Scores that are 0 where all samples say the same, as a single one does."""
