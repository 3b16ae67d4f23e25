import math

import numpy as np
import pytest
import torch
from baal.active.heuristics import BALD, Certainty, Entropy, Margin
from baal.active.heuristics import Variance as BaalVariance
from hypothesis import given
from hypothesis import strategies as st

from core.acquisition import pixel_scores
from core.acquisition.gradient import GRADIENT_LENGTH, gradient_embedding
from core.acquisition.pixel_scores import PIXEL_SCORES, SampleStatistics
from storage import schema
from tests.core.small_network import seeded


def sampled(samples: int = 5, classes: int = 4, sharpness: float = 2.0, seed: int = 0) -> torch.Tensor:
    logits = sharpness * torch.randn(samples, 2, classes, 5, 7, generator=seeded(seed))
    return logits.softmax(dim=2)


def statistics_of(samples: torch.Tensor) -> SampleStatistics:
    statistics = SampleStatistics()
    statistics.add(samples)
    return statistics


def by_definition(name: str, pixel: np.ndarray) -> float:
    """Score one pixel ``(T, C)`` as the formula is written."""
    count, classes = pixel.shape
    mean = pixel.mean(axis=0)

    def entropy(p: np.ndarray) -> float:
        return -sum(float(v) * math.log(v) for v in p if v > 0) / math.log(classes)

    descending = sorted(mean, reverse=True)
    votes = np.bincount(pixel.argmax(axis=1), minlength=classes) / count
    return {
        "predictive_entropy": entropy(mean),
        "mutual_information": entropy(mean) - sum(map(entropy, pixel)) / count,
        "expected_entropy": sum(map(entropy, pixel)) / count,
        "least_confidence": 1 - descending[0],
        "margin": 1 - (descending[0] - descending[1]),
        "variance": pixel.var(axis=0).sum(),
        "vote_entropy": entropy(votes),
    }[name]


@pytest.mark.parametrize("name", list(PIXEL_SCORES))
@pytest.mark.parametrize("samples", [1, 2, 7])
def test_every_score_is_what_its_formula_says(name: str, samples: int) -> None:
    probabilities = sampled(samples)
    scores = PIXEL_SCORES[name](statistics_of(probabilities))
    assert scores.shape == (2, 5, 7)
    for image, row, column in [(0, 0, 0), (1, 4, 6), (0, 2, 3), (1, 1, 5)]:
        expected = by_definition(name, probabilities[:, image, :, row, column].double().numpy())
        assert scores[image, row, column].item() == pytest.approx(expected, abs=2e-6)


def test_the_scores_have_the_names_of_the_columns_that_keep_them() -> None:
    assert tuple(PIXEL_SCORES) == schema.PIXEL_SCORES


@given(
    samples=st.integers(1, 6),
    classes=st.integers(1, 6),
    sharpness=st.sampled_from([0.0, 1.0, 30.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_every_score_is_in_the_unit_interval(samples: int, classes: int, sharpness: float, seed: int) -> None:
    statistics = SampleStatistics()
    statistics.add_logits(sharpness * torch.randn(samples, 1, classes, 3, 3, generator=seeded(seed)))
    for name, score in PIXEL_SCORES.items():
        values = score(statistics)
        assert values.isfinite().all(), name
        assert ((values >= 0) & (values <= 1)).all(), name


@pytest.mark.parametrize("floats_at_once", [1, 100, 2**20])
def test_logits_give_what_their_softmax_gives_in_pieces_of_any_size(
    monkeypatch: pytest.MonkeyPatch, floats_at_once: int
) -> None:
    logits = 3 * torch.randn(5, 2, 4, 5, 7, generator=seeded())
    whole = statistics_of(logits.softmax(dim=2))
    monkeypatch.setattr(pixel_scores, "_FLOATS_AT_ONCE", floats_at_once)
    pieces = SampleStatistics()
    for piece in (2 * logits).split([2, 3]):
        pieces.add_logits(piece, temperature=2.0)
    for name, score in PIXEL_SCORES.items():
        assert torch.allclose(score(whole), score(pieces), atol=1e-6), name


def test_the_order_in_memory_changes_nothing() -> None:
    logits = 3 * torch.randn(5, 2, 4, 5, 7, generator=seeded())
    found = []
    for order in ([0, 1, 2, 3, 4], [1, 3, 4, 0, 2], [3, 4, 2, 1, 0]):
        back = torch.tensor(order).argsort().tolist()
        statistics = SampleStatistics()
        statistics.add_logits(logits.permute(order).contiguous().permute(back))
        found.append(torch.stack([score(statistics) for score in PIXEL_SCORES.values()]))
    assert torch.allclose(found[0], found[1], atol=1e-6)
    assert torch.allclose(found[0], found[2], atol=1e-6)


def test_samples_that_agree_have_no_mutual_information_below_zero() -> None:
    information = statistics_of(sampled(1).repeat(7, 1, 1, 1, 1)).mutual_information()
    assert 0 <= information.min() <= information.max() < 1e-6


def test_two_classes_that_tie_leave_no_margin() -> None:
    statistics = statistics_of(torch.tensor([0.4, 0.2, 0.4]).view(1, 1, 3, 1, 1))
    assert statistics.margin().item() == 1


def test_scores_may_be_asked_for_between_pieces() -> None:
    samples = sampled(7)
    pieces = SampleStatistics()
    for piece in samples.split([3, 4]):
        pieces.add(piece)
        for score in PIXEL_SCORES.values():
            score(pieces)
    for name, score in PIXEL_SCORES.items():
        assert torch.allclose(score(pieces), score(statistics_of(samples)), atol=1e-6), name


def test_merged_halves_are_the_whole() -> None:
    samples = sampled(7)
    whole = statistics_of(samples)
    even, odd = statistics_of(samples[::2]), statistics_of(samples[1::2])
    second = even.merged(odd).of_image(1)
    for name, score in PIXEL_SCORES.items():
        assert torch.allclose(score(even.merged(odd)), score(whole), atol=1e-6), name
        assert torch.allclose(score(second)[0], score(whole)[1], atol=1e-6), name
    assert whole.merged(SampleStatistics()).count == SampleStatistics().merged(whole).count == 7


def test_tied_classes_share_the_vote() -> None:
    statistics = statistics_of(torch.tensor([0.5, 0.5, 0.0, 0.0]).view(1, 1, 4, 1, 1))
    assert statistics.vote_entropy().item() == pytest.approx(0.5)


def test_only_what_is_asked_for_is_counted() -> None:
    samples = sampled()
    some = SampleStatistics(["predictive_entropy", "mutual_information"])
    some.add(samples)
    for name in ("predictive_entropy", "mutual_information"):
        assert torch.equal(PIXEL_SCORES[name](some), PIXEL_SCORES[name](statistics_of(samples)))


def test_baal_scores_the_same() -> None:
    probabilities = sampled(6, classes=5)
    statistics = statistics_of(probabilities)
    # BAAL takes (B, C, h, w, T) and leaves entropies in nats.
    theirs = probabilities.permute(1, 2, 3, 4, 0).numpy()
    nats = math.log(5)
    found = {
        "predictive_entropy": Entropy().compute_score(theirs) / nats,
        "mutual_information": BALD().compute_score(theirs) / nats,
        "least_confidence": 1 - Certainty().compute_score(theirs),
        "margin": 1 - Margin().compute_score(theirs),
        "variance": BaalVariance().compute_score(theirs).sum(axis=1),
    }
    for name, values in found.items():
        ours = PIXEL_SCORES[name](statistics).numpy()
        assert np.abs(ours - values).max() < 1e-5, name


def test_the_gradient_embedding_keeps_inner_products() -> None:
    generator = seeded()
    probabilities = torch.randn(6, 5, 4, 4, generator=generator).softmax(dim=1)
    features = torch.randn(6, 40, 4, 4, generator=generator)
    residual = probabilities.clone()
    class_map = probabilities.argmax(dim=1)
    residual.scatter_add_(1, class_map[:, None], -torch.ones(6, 1, 4, 4))
    exact = torch.einsum("bchw,bfhw->bcf", residual, features).flatten(1) / 16
    found = gradient_embedding(probabilities, class_map, features)
    assert found.shape == (6, GRADIENT_LENGTH)
    assert (found @ found.T - exact @ exact.T).abs().max() < 0.25 * exact.square().sum(dim=1).max()
    torch.testing.assert_close(
        found[2:3], gradient_embedding(probabilities[2:3], class_map[2:3], features[2:3])
    )


def test_the_gradient_of_a_sure_network_is_zero() -> None:
    probabilities = torch.eye(3)[:, :, None, None].expand(3, 3, 2, 2)
    class_map = torch.arange(3)[:, None, None].expand(3, 2, 2)
    assert not gradient_embedding(probabilities, class_map, torch.ones(3, 4, 2, 2)).any()
