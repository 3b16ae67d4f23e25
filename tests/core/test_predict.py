import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.acquisition.pixel_scores import SampleStatistics, entropy_of
from core.predict import ImagePrediction, class_map_at, predict, predict_batch
from tests.core.small_network import seeded, small_network, striped_data


def one(samples: int = 4, seed: int = 0, head: str = "np", class_count: int = 3) -> ImagePrediction:
    image = striped_data(1, 1, side=44).images[0]
    network = small_network(class_count=class_count, head=head)
    return predict(network, image, samples=samples, generator=seeded(seed), device="cpu")


def test_shapes_types_and_ranges() -> None:
    prediction = one()
    assert prediction.class_map.shape == (44, 44)
    assert prediction.class_map.dtype == torch.uint8
    assert prediction.class_map.max() < 3
    for unit in (prediction.confidence, prediction.entropy, prediction.mutual_information):
        assert unit.shape == (44, 44)
        assert 0 <= unit.min() <= unit.max() <= 1
    assert (prediction.mutual_information <= prediction.entropy + 1e-6).all()
    assert prediction.mutual_information.max() > 0
    assert prediction.embedding.norm().item() == pytest.approx(1)
    assert prediction.class_mass.sum().item() == pytest.approx(1)
    assert prediction.probabilities.shape == (3, 11, 11)


def test_one_sample_or_no_latent_has_no_mutual_information() -> None:
    assert not one(samples=1).mutual_information.any()
    assert not one(samples=7, head="linear").mutual_information.any()


def test_one_class_is_certain() -> None:
    prediction = one(class_count=1)
    assert not prediction.entropy.any()
    assert (prediction.confidence == 1).all()


def test_prediction_is_seeded() -> None:
    assert torch.equal(one(seed=3).entropy, one(seed=3).entropy)
    assert not torch.equal(one(seed=3).entropy, one(seed=4).entropy)


def test_a_batch_predicts_what_single_images_do() -> None:
    network = small_network()
    images = striped_data(3, 0).images
    together = predict_batch(network, images, samples=5, generator=seeded(), device="cpu")
    for image, batched in zip(images, together, strict=True):
        alone = predict(network, image, samples=5, generator=seeded(), device="cpu")
        assert torch.allclose(alone.entropy, batched.entropy, atol=1e-5)
        assert torch.allclose(alone.embedding, batched.embedding, atol=1e-5)


def test_streaming_over_samples_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = one(samples=7)
    monkeypatch.setattr("core.predict._SAMPLE_BUDGET", 1)
    one_by_one = one(samples=7)
    assert torch.allclose(at_once.entropy, one_by_one.entropy, atol=1e-5)
    assert torch.allclose(at_once.mutual_information, one_by_one.mutual_information, atol=1e-5)


def test_full_size_map_is_the_argmax_of_enlarged_probabilities() -> None:
    probabilities = torch.randn(5, 9, 13, generator=seeded()).softmax(dim=0)
    enlarged = torch.nn.functional.interpolate(probabilities[None], size=(70, 101), mode="bilinear")[0]
    assert torch.equal(class_map_at(probabilities, 70, 101), enlarged.argmax(dim=0).to(torch.uint8))


@given(
    samples=st.integers(1, 6),
    classes=st.integers(2, 6),
    sharpness=st.sampled_from([0.0, 1.0, 30.0, 1e4]),
    seed=st.integers(0, 1000),
)
def test_uncertainty_is_ordered_and_finite(samples: int, classes: int, sharpness: float, seed: int) -> None:
    logits = sharpness * torch.randn(samples, 1, classes, 3, 3, generator=seeded(seed))
    statistics = SampleStatistics()
    statistics.add(logits.softmax(dim=2))
    entropy, information = statistics.predictive_entropy(), statistics.mutual_information()
    assert entropy.isfinite().all()
    assert (information >= 0).all()
    assert (information <= entropy + 1e-5).all()
    assert (entropy <= math.log(classes) + 1e-5).all()
    assert (information <= math.log(min(samples, classes)) + 1e-5).all()


def test_statistics_do_not_depend_on_order_or_pieces() -> None:
    samples = torch.randn(6, 2, 3, 4, 4, generator=seeded()).softmax(dim=2)
    whole, pieces = SampleStatistics(), SampleStatistics()
    whole.add(samples)
    for piece in samples.flip(0).split([1, 3, 2]):
        pieces.add(piece)
    assert torch.allclose(whole.mutual_information(), pieces.mutual_information(), atol=1e-6)
    assert torch.allclose(whole.mean(), pieces.mean(), atol=1e-6)


def test_one_hot_probabilities_have_no_entropy() -> None:
    assert entropy_of(torch.eye(4), dim=1).tolist() == [0, 0, 0, 0]
    statistics = SampleStatistics()
    opposite = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(2, 1, 2, 1, 1)
    statistics.add(opposite)
    assert statistics.mutual_information().item() == pytest.approx(math.log(2))
