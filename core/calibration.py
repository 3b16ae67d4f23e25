"""Temperature scaling: one number that makes probabilities as sure as they turn out right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from core.class_weights import at_natural_frequencies
from core.uncertainty import CalibrationBins

HOTTEST = 10.0
"""Temperatures are sought in [1 / HOTTEST, HOTTEST]: perfect predictions would cool them without end."""
LOG_TEMPERATURE_STD = 0.5
"""Standard deviation of log T before any pixel is seen. A few pixels, or some without a single error, would
otherwise move the temperature as far as it goes."""
_HALVINGS = 12


class LabelledLogits(NamedTuple):
    """Logits of some pixels that a person labelled, of one image that trained nothing."""

    logits: torch.Tensor
    """``(T, n, C)`` float, T samples before their softmax."""
    labels: torch.Tensor
    """``(n,)`` int64, 0…C−1."""


class Calibration(NamedTuple):
    """A temperature and what it is worth on images that did not fit it."""

    temperature: float
    """Fitted on all images."""
    ece_before: float
    """Expected calibration error of the labelled pixels as the network says it; NaN without any."""
    ece_after: float
    """The same under the temperature that the other half of the images fitted; NaN below 2 images."""


def negative_log_likelihood(
    pixels: LabelledLogits, temperature: float | torch.Tensor, class_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean of −log p of the labels, nats; p is the mean over samples of softmax(logits / T).

    ``class_weights``, ``(C,)``, are what the classes weighed in training, even by default; p is at natural
    frequencies, see :func:`core.class_weights.at_natural_frequencies`.
    """
    log_probabilities = F.log_softmax(pixels.logits.float() / temperature, dim=2).logsumexp(dim=0)
    if class_weights is not None:
        log_probabilities = log_probabilities - class_weights.log()
    return F.nll_loss(log_probabilities.log_softmax(dim=1), pixels.labels)


@torch.inference_mode(False)
@torch.enable_grad()
def fit_temperature(pixels: LabelledLogits, class_weights: torch.Tensor | None = None) -> float:
    """Return the most probable temperature given held-out labels, under a prior around 1.

    The negative log-likelihood of n pixels decides, and weakly log T ~ N(0, ``LOG_TEMPERATURE_STD``²). The
    temperature divides the logits of every sample before their softmax, so it serves heads with and without a
    latent. (Guo et al. 2017, arXiv 1706.04599, §4.2, with the likelihood of the mean over the samples.)
    ``class_weights``, ``(C,)``, are what the classes weighed in training; even by default.

    Returns:
        A temperature in [1 / HOTTEST, HOTTEST]; 1 when nothing is labelled or no temperature is better.
    """
    if not pixels.labels.numel():
        return 1.0
    # A copy, since tensors of inference mode cannot take part in a derivative.
    pixels = LabelledLogits(pixels.logits.clone(), pixels.labels.clone())

    def loss(log_temperature: torch.Tensor) -> torch.Tensor:
        prior = (log_temperature / LOG_TEMPERATURE_STD).square() / (2 * len(pixels.labels))
        return negative_log_likelihood(pixels, log_temperature.exp(), class_weights) + prior

    low, high = -math.log(HOTTEST), math.log(HOTTEST)
    for _ in range(_HALVINGS):
        middle = torch.tensor((low + high) / 2, requires_grad=True)
        (slope,) = torch.autograd.grad(loss(middle), middle)
        if slope > 0:
            high = middle.item()
        else:
            low = middle.item()
    found = torch.tensor((low + high) / 2)
    return math.exp(found) if loss(found) < loss(torch.zeros(())) else 1.0


def cross_fitted(images: Sequence[LabelledLogits], class_weights: torch.Tensor | None = None) -> Calibration:
    """Fit the temperature on all images, and measure it on each half of them with the other half's.

    ``class_weights``, ``(C,)``, are what the classes weighed in training; even by default.
    """
    halves = [images[::2], images[1::2]]
    before, after = CalibrationBins(1), CalibrationBins(1)
    for half, other in (halves, halves[::-1]):
        temperature = fit_temperature(_joined(other), class_weights) if other else 1.0
        for image in half:
            _count(before, image, 1.0, class_weights)
            if other:
                _count(after, image, temperature, class_weights)
    temperature = fit_temperature(_joined(images), class_weights) if images else 1.0
    return Calibration(temperature, float(before.errors().mean()), float(after.errors().mean()))


def _joined(images: Sequence[LabelledLogits]) -> LabelledLogits:
    return LabelledLogits(
        torch.cat([image.logits for image in images], dim=1), torch.cat([image.labels for image in images])
    )


def _count(
    bins: CalibrationBins, pixels: LabelledLogits, temperature: float, class_weights: torch.Tensor | None
) -> None:
    probabilities = (pixels.logits.float() / temperature).softmax(dim=2).mean(dim=0)
    predicted = probabilities.argmax(dim=1)
    if class_weights is not None:
        probabilities = at_natural_frequencies(probabilities, class_weights)
    confidence = probabilities.gather(1, predicted[:, None])[:, 0]
    bins.add(confidence[None], (predicted == pixels.labels)[None])
