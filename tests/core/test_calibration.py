import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.calibration import (
    HOTTEST,
    LabelledLogits,
    cross_fitted,
    fit_temperature,
    negative_log_likelihood,
)
from core.uncertainty import CalibrationBins
from tests.core.small_network import seeded


def drawn(
    temperature: float, samples: int = 1, pixels: int = 20_000, classes: int = 4, seed: int = 0
) -> LabelledLogits:
    """Return logits of which the labels were drawn at a temperature: that one calibrates them."""
    generator = seeded(seed)
    shared = 3 * torch.randn(1, pixels, classes, generator=generator)
    logits = shared + torch.randn(samples, pixels, classes, generator=generator)
    probabilities = (logits / temperature).softmax(dim=2).mean(dim=0)
    return LabelledLogits(logits, probabilities.multinomial(1, generator=generator)[:, 0])


def calibration_error(pixels: LabelledLogits, temperature: float) -> float:
    probabilities = (pixels.logits / temperature).softmax(dim=2).mean(dim=0)
    confidence, predicted = probabilities.max(dim=1)
    bins = CalibrationBins(1)
    bins.add(confidence[None], (predicted == pixels.labels)[None])
    return bins.errors().item()


@pytest.mark.parametrize("samples", [1, 6])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_recovered(temperature: float, samples: int) -> None:
    assert fit_temperature(drawn(temperature, samples)) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_calibration_improves_on_the_pixels_that_fitted_it(temperature: float) -> None:
    pixels = drawn(temperature, samples=3)
    before, after = calibration_error(pixels, 1.0), calibration_error(pixels, fit_temperature(pixels))
    assert after < 0.3 * before


@given(seed=st.integers(0, 1000), pixels=st.integers(1, 30), samples=st.integers(1, 3))
@settings(max_examples=25)
def test_the_likelihood_never_gets_worse(seed: int, pixels: int, samples: int) -> None:
    generator = seeded(seed)
    some = LabelledLogits(
        5 * torch.randn(samples, pixels, 3, generator=generator),
        torch.randint(3, (pixels,), generator=generator),
    )
    found = fit_temperature(some)
    assert 1 / HOTTEST <= found <= HOTTEST
    assert negative_log_likelihood(some, found) <= negative_log_likelihood(some, 1.0)


def test_nothing_to_learn_leaves_the_temperature_at_1() -> None:
    nothing = LabelledLogits(torch.zeros(3, 0, 4), torch.zeros(0, dtype=torch.int64))
    undecided = LabelledLogits(torch.ones(3, 7, 4), torch.zeros(7, dtype=torch.int64))
    one_class = LabelledLogits(torch.randn(3, 7, 1), torch.zeros(7, dtype=torch.int64))
    assert fit_temperature(nothing) == fit_temperature(undecided) == fit_temperature(one_class) == 1


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_perfect_and_hopeless_predictions_stay_within_bounds(scale: float) -> None:
    logits = scale * torch.eye(4).repeat(1000, 1)[None]
    right, wrong = torch.arange(4).repeat(1000), torch.arange(4).roll(1).repeat(1000)
    assert 1 / HOTTEST <= fit_temperature(LabelledLogits(logits, right)) <= 1
    assert fit_temperature(LabelledLogits(logits, wrong)) == pytest.approx(HOTTEST, rel=0.01)


def test_a_few_pixels_hardly_move_the_temperature() -> None:
    # The margins, the pixels and how many of them are wrong.
    for margin, count, wrong in [(1.0, 4, 0), (1.0, 4, 4), (4.0, 2048, 0)]:
        labels = torch.zeros(count, dtype=torch.int64)
        labels[:wrong] = 1
        logits = torch.tensor([margin, 0.0]).repeat(1, count, 1)
        assert 0.3 < fit_temperature(LabelledLogits(logits, labels)) < 3


def test_predictions_of_inference_mode_are_taken() -> None:
    with torch.inference_mode():
        pixels = drawn(2.0, pixels=2000)
        assert fit_temperature(pixels) == pytest.approx(2, rel=0.2)
    assert fit_temperature(pixels) == pytest.approx(2, rel=0.2)


def test_cross_fitting_measures_on_images_that_fitted_nothing() -> None:
    images = [drawn(2.5, samples=2, pixels=1500, seed=seed) for seed in range(6)]
    found = cross_fitted(images)
    assert found.temperature == pytest.approx(2.5, rel=0.1)
    assert found.ece_after < 0.4 * found.ece_before
    # Each half's temperature would be right for itself and is wrong for the other half.
    opposed = [drawn((0.3, 3.0)[i % 2], pixels=1500, seed=i) for i in range(6)]
    assert cross_fitted(opposed).ece_after > cross_fitted(opposed).ece_before


def test_one_image_or_none_cannot_be_cross_fitted() -> None:
    pixels = drawn(2.5, samples=4, pixels=1500)
    alone = cross_fitted([pixels])
    assert alone.temperature == pytest.approx(2.5, rel=0.15)
    assert alone.ece_before == pytest.approx(calibration_error(pixels, 1.0))
    assert math.isnan(alone.ece_after)
    assert cross_fitted([]).temperature == 1
