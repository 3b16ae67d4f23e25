import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.acquisition.gradient import GRADIENT_LENGTH
from core.acquisition.pixel_scores import PIXEL_SCORES, SampleStatistics, entropy_of
from core.cells import enlarged, label_of_cells
from core.model.linear_head import LinearHead
from core.model.network import SegmentationNetwork
from core.predict import ImagePrediction, _tiles, predict, predict_batch
from tests.core.small_network import seeded, small_network, striped_data


def one(
    device: torch.device, samples: int = 4, seed: int = 0, head: str = "np", class_count: int = 3
) -> ImagePrediction:
    image = striped_data(1, 1, side=44).images[0]
    network = small_network(class_count=class_count, head=head).to(device)
    return predict(network, image, samples=samples, generator=seeded(seed), device=device)


@pytest.fixture(scope="session")
def rounding(device: torch.device) -> float:
    """By how much two ways to the same prediction may differ: on CUDA it is made in bfloat16."""
    return 0.02 if device.type == "cuda" else 1e-5


def test_shapes_types_and_ranges(device: torch.device) -> None:
    prediction = one(device)
    assert prediction.probabilities.shape == (3, 11, 11)
    assert prediction.probabilities.sum(dim=0).allclose(torch.ones(11, 11), atol=1e-5)
    scores = prediction.pixel_scores
    assert list(scores) == list(PIXEL_SCORES)
    for unit in scores.values():
        assert unit.shape == (11, 11)
        assert 0 <= unit.min() <= unit.max() <= 1
    assert (scores["mutual_information"] <= scores["predictive_entropy"]).all()
    assert scores["mutual_information"].max() > 0
    assert prediction.embedding.norm().item() == pytest.approx(1)
    assert prediction.class_mass.sum().item() == pytest.approx(1)


def test_one_sample_or_no_latent_has_no_mutual_information(device: torch.device) -> None:
    for prediction in (one(device, samples=1), one(device, samples=7, head="linear")):
        assert not prediction.pixel_scores["mutual_information"].any()
        assert not prediction.pixel_scores["variance"].any()


def test_one_class_is_certain(device: torch.device) -> None:
    prediction = one(device, class_count=1)
    for name, score in prediction.pixel_scores.items():
        assert not score.any(), name


def test_prediction_is_seeded(device: torch.device) -> None:
    first, again, other = (one(device, seed=seed).probabilities for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_batch_predicts_what_single_images_do(device: torch.device, rounding: float) -> None:
    network = small_network().to(device)
    images = striped_data(3, 0).images
    noise = network.draw_noise(5, 1, seeded())
    together = predict_batch(network, images, noise=noise, device=device, with_gradient=True)
    for image, batched in zip(images, together, strict=True):
        alone = predict(network, image, samples=5, generator=seeded(), device=device)
        for name, score in alone.pixel_scores.items():
            assert torch.allclose(score, batched.pixel_scores[name], atol=rounding), name
        assert torch.allclose(alone.embedding, batched.embedding, atol=rounding)
        assert alone.gradient is None
        assert batched.gradient is not None
        assert batched.gradient.shape == (GRADIENT_LENGTH,)


def test_streaming_over_samples_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, device: torch.device, rounding: float
) -> None:
    at_once = one(device, samples=7)
    monkeypatch.setattr("core.predict._FLOATS_AT_ONCE", 1)
    one_by_one = one(device, samples=7)
    for name, score in at_once.pixel_scores.items():
        assert torch.allclose(score, one_by_one.pixel_scores[name], atol=rounding), name
    for half, same, count in zip(at_once.halves, one_by_one.halves, (4, 3), strict=True):
        assert half.count == same.count == count
        assert torch.allclose(half.mean(), same.mean(), atol=rounding)


class Brightness(torch.nn.Module):
    """Stands in for an encoder: the mean of each 4×4 pixels."""

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [torch.nn.functional.avg_pool2d(images, 4)]


class FirstMap(torch.nn.Module):
    def forward(self, pyramid: list[torch.Tensor]) -> torch.Tensor:
        return pyramid[0]


@pytest.mark.parametrize("tile_side", [1024, 128])
@pytest.mark.parametrize("height", [172, 171, 173, 341])
def test_an_edge_is_where_it_is_whatever_the_size(height: int, tile_side: int) -> None:
    head = LinearHead(3, 2)
    network = SegmentationNetwork(Brightness(), FirstMap(), head, 2, 32, (0.0,) * 3, (1.0,) * 3)
    with torch.no_grad():
        head.classify.weight.zero_()[1, 0] = 100
        head.classify.bias.copy_(torch.tensor([0.0, -50.0]))
    assert network.eval().stride == 4
    for edge in (40, 122, height - 7):
        image = torch.zeros(3, height, 70, dtype=torch.uint8)
        image[:, edge:] = 255
        prediction = predict(network, image, samples=1, generator=seeded(), device="cpu", tile_side=tile_side)
        for times in (1, 8):
            size = (times * height, times * 70)
            classes = enlarged(prediction.probabilities[None], *size, prediction.extent)[0].argmax(dim=0)
            assert (classes == 0).sum(dim=0).sub(times * edge).abs().max() <= times


@given(height=st.integers(1, 300), width=st.integers(1, 40), times=st.floats(0.3, 9))
def test_every_size_of_an_image_can_be_reached(height: int, width: int, times: float) -> None:
    cells = torch.rand(1, 2, -(-height // 4), -(-width // 4))
    size = (max(1, round(times * height)), max(1, round(times * width)))
    result = enlarged(cells, *size, (height / 4, width / 4))
    assert result.shape[-2:] == size
    assert result.min() >= cells.min() - 1e-6
    assert result.max() <= cells.max() + 1e-6


def test_the_label_of_a_cell_is_that_in_its_middle() -> None:
    labels = torch.arange(10, dtype=torch.uint8).expand(7, 10)
    found = label_of_cells(labels, 2, 3, (7 / 4, 10 / 4))
    assert found.tolist() == [[2, 6, 9]] * 2
    whole = label_of_cells(labels, 7, 10, (7, 10))
    assert torch.equal(whole, labels)


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
    assert (information <= entropy).all()
    assert (entropy <= 1).all()
    assert (information <= math.log(min(samples, classes)) / math.log(classes) + 1e-5).all()
    variance = statistics.variance()
    expected = logits.softmax(dim=2).double().var(dim=0, correction=0).sum(dim=1).float()
    assert torch.allclose(variance, expected, atol=1e-6)
    assert (variance >= 0).all()
    assert (variance <= 1 - 1 / classes + 1e-6).all()


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
    assert statistics.mutual_information().item() == pytest.approx(1)
    assert statistics.variance().item() == pytest.approx(0.5)


def test_the_temperature_divides_the_logits_of_every_sample(device: torch.device, rounding: float) -> None:
    network, image = small_network().to(device), striped_data(1, 1, side=44).images[0]
    seen: list[torch.Tensor] = []
    prediction = predict(
        network,
        image,
        samples=5,
        generator=seeded(),
        device=device,
        temperature=3.0,
        on_logits=seen.append,
    )
    logits = torch.cat(seen).cpu()
    assert logits.shape == (5, 1, 3, 11, 11)
    expected = (logits / 3).softmax(dim=2).mean(dim=0)[0]
    assert torch.allclose(prediction.probabilities, expected, atol=rounding)
    as_it_is = predict(network, image, samples=5, generator=seeded(), device=device)
    unsure, surer = (of.pixel_scores["predictive_entropy"].mean() for of in (prediction, as_it_is))
    assert unsure > surer


def wide_image(height: int, width: int) -> torch.Tensor:
    """Return noise over a slope, so that a tile that was put at a wrong place would show."""
    slope = torch.linspace(0, 180, width).expand(3, height, width)
    return (slope + torch.randint(0, 60, (3, height, width), generator=seeded())).to(torch.uint8)


@pytest.mark.parametrize(("height", "width"), [(160, 300), (333, 130), (129, 128), (201, 259)])
@pytest.mark.parametrize("head", ["np", "np_classifier", "linear"])
def test_tiles_say_what_the_whole_image_says(
    height: int, width: int, head: str, device: torch.device, rounding: float
) -> None:
    """The small encoder sees 14 pixels around, and tiles have no weight in their outer 16 pixels."""
    image = wide_image(height, width)
    network = small_network(head=head).to(device)
    noisy = {"samples": 3, "device": device}
    whole = predict(network, image, generator=seeded(), tile_side=1024, **noisy)
    tiled = predict(network, image, generator=seeded(), tile_side=128, **noisy)
    assert torch.allclose(whole.probabilities, tiled.probabilities, atol=rounding)
    for name, score in whole.pixel_scores.items():
        assert torch.allclose(score, tiled.pixel_scores[name], atol=rounding), name
    assert tiled.embedding.norm().item() == pytest.approx(1)
    assert (tiled.embedding @ whole.embedding).item() > 0.98


def test_an_image_as_large_as_a_tile_is_encoded_at_once(device: torch.device) -> None:
    image, network = wide_image(64, 96), small_network().to(device)
    noisy = {"samples": 2, "device": device}
    one_tile = predict(network, image, generator=seeded(), tile_side=96, **noisy)
    untiled = predict(network, image, generator=seeded(), tile_side=10_000, **noisy)
    assert torch.equal(one_tile.probabilities, untiled.probabilities)
    assert torch.equal(one_tile.embedding, untiled.embedding)


@given(length=st.integers(1, 60), side=st.integers(1, 40), multiple=st.sampled_from([8, 14, 16, 32]))
def test_tiles_cover_a_length_with_weights_that_sum_to_one(length: int, side: int, multiple: int) -> None:
    length, side = length * multiple, side * multiple
    total = torch.zeros(length)
    for tile in _tiles(length, side, multiple):
        assert tile.start % multiple == tile.end % multiple == 0
        assert tile.end - tile.start <= max(side, 2 * multiple)
        weight = tile.weight(1)
        assert (weight >= 0).all()
        total[tile.start : tile.end] += weight
    assert torch.allclose(total, torch.ones(length), atol=1e-5)


class TileTinted(SegmentationNetwork):
    """Sees something else in every tile, as image-level pooling within an encoder does."""

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features, embedding = super().encode(images)
        return torch.full_like(features, float(images.mean())), embedding


def test_tiles_that_differ_leave_no_seam(device: torch.device) -> None:
    network = small_network(head="linear").to(device)
    network.__class__ = TileTinted
    image = torch.linspace(0, 255, 512).expand(3, 128, 512).to(torch.uint8)
    seen: list[torch.Tensor] = []
    predict(
        network,
        image,
        samples=1,
        generator=seeded(),
        device=device,
        tile_side=128,
        on_logits=seen.append,
    )
    line = seen[0][0, 0, 0, 16]
    whole_range = (line.max() - line.min()).item()
    assert whole_range > 0
    assert line.diff().abs().max().item() < 0.06 * whole_range
