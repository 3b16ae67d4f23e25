"""Weights of classes in training, and what they do to probabilities, confidence and calibration."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from core.acquisition.pixel_scores import SampleStatistics
from core.calibration import LabelledLogits, cross_fitted, fit_temperature
from core.checkpoint_file import CHECKPOINT_FILE, read_checkpoint
from core.class_weights import at_natural_frequencies, balanced_class_weights, mean_class_weights
from core.predict import predict
from core.train import Training
from core.train_config import TrainConfig
from core.uncertainty import UncertaintyQuality
from core.warm_start import load_teacher
from tests.core.small_network import run_steps, seeded, small_network, striped_data


def test_balanced_weights_raise_rare_classes_and_keep_the_mean(device: torch.device) -> None:
    labels = torch.tensor([[[0] * 90 + [2] * 10 + [254] * 30 + [255] * 5]], dtype=torch.uint8, device=device)
    weights = balanced_class_weights(labels, 4)
    assert float(weights[2] / weights[0]) == pytest.approx(3)
    assert weights[1] == weights[3] == 0
    assert (90 * weights[0] + 10 * weights[2]).item() == pytest.approx(100)
    even = torch.arange(4, dtype=torch.uint8, device=device).repeat(10).view(1, 5, 8)
    assert torch.allclose(balanced_class_weights(even, 4), torch.ones(4, device=device))
    assert not balanced_class_weights(torch.full_like(even, 254), 4).any()


def test_mean_weights_are_those_of_the_batches() -> None:
    maps = [torch.randint(3, (8, 8), generator=seeded(i), dtype=torch.uint8) for i in range(4)]
    maps[3][:] = 0
    maps[1][:4] = 255
    in_one_batch = mean_class_weights(maps, "balanced", 4, batch_size=4)
    joined = torch.cat(maps)[None]
    assert torch.allclose(in_one_batch[:3], balanced_class_weights(joined, 4)[:3])
    assert in_one_batch[3] == 1
    by_batch = mean_class_weights(maps, "balanced", 3, batch_size=2)
    counts = torch.stack([torch.bincount(one[one < 3].flatten().long(), minlength=3) for one in maps])
    assert float((by_batch * counts.sum(dim=0)).sum()) == pytest.approx(float(counts.sum()))
    weighed = sum(
        counts[i : i + 2].sum(dim=0) * balanced_class_weights(torch.stack(maps[i : i + 2]), 3) for i in (0, 2)
    )
    assert torch.allclose(by_batch, weighed / counts.sum(dim=0))
    for other in ("even", "hardest"):
        assert torch.equal(mean_class_weights(maps, other, 3, batch_size=2), torch.ones(3))


@given(seed=st.integers(0, 1000), classes=st.integers(1, 6))
@settings(max_examples=30)
def test_weighted_probabilities_are_turned_back(seed: int, classes: int) -> None:
    natural = torch.randn(2, classes, 3, 4, generator=seeded(seed)).softmax(dim=1)
    weights = torch.rand(classes, generator=seeded(seed + 1)) + 0.1
    weighted = natural * weights.view(-1, 1, 1)
    weighted /= weighted.sum(dim=1, keepdim=True)
    assert torch.allclose(at_natural_frequencies(weighted, weights), natural, atol=1e-5)
    assert torch.allclose(at_natural_frequencies(natural, torch.ones(classes)), natural, atol=1e-6)


def test_least_confidence_is_the_chance_that_the_suggested_class_is_wrong() -> None:
    # A pixel in ten is a pole; poles weighed ten times as much, so one is suggested where none is likely.
    weighted = torch.tensor([0.45, 0.55]).view(1, 1, 2, 1, 1)
    plain, statistics = SampleStatistics(), SampleStatistics(class_weights=torch.tensor([0.5, 5.0]))
    for either in (plain, statistics):
        either.add(weighted)
        assert int(either.mean().argmax(dim=1)) == 1
    assert float(plain.least_confidence()) == pytest.approx(0.45)
    assert float(statistics.least_confidence()) == pytest.approx(1 - 0.11 / (0.9 + 0.11))
    assert float(statistics.merged(SampleStatistics()).of_image(0).least_confidence()) == pytest.approx(
        1 - 0.11 / (0.9 + 0.11)
    )


def test_weights_change_how_sure_a_class_is_and_not_which_it_is(device: torch.device) -> None:
    image = striped_data(1, 1, side=44).images[0]
    network = small_network().to(device)
    even = predict(network, image, samples=3, generator=seeded(), device=device)
    weights = torch.tensor([0.3, 1.0, 4.0])
    network.class_weights.copy_(weights)
    found = predict(network, image, samples=3, generator=seeded(), device=device)
    assert torch.equal(found.probabilities, even.probabilities)
    for name, score in even.pixel_scores.items():
        same = torch.allclose(found.pixel_scores[name], score, atol=0.05)
        assert same == (name != "least_confidence"), name
    cells = found.probabilities.argmax(dim=0)
    for half in found.halves:
        right = at_natural_frequencies(half.mean(), weights)[0].gather(0, cells[None])[0]
        same = half.mean()[0].argmax(dim=0) == cells
        assert torch.allclose(half.least_confidence()[0][same], 1 - right[same], atol=1e-5)


def test_a_training_tells_the_network_its_weights(tmp_path: Path, device: torch.device) -> None:
    data = striped_data(4, 3)
    config = TrainConfig(recipe="supervised", steps=2, batch_size=2, crop=32)
    run = Training(small_network(), data, config, device)
    expected = mean_class_weights(list(data.labels.values()), "balanced", 3, 2)
    assert torch.allclose(run.student.class_weights.cpu(), expected)
    run_steps(run, 2)
    run.save(tmp_path)
    later = small_network()
    load_teacher(later, tmp_path)
    assert torch.allclose(later.class_weights, expected)


def test_a_checkpoint_without_weights_is_read_as_even(tmp_path: Path) -> None:
    run = Training(small_network(), striped_data(2, 2), TrainConfig(steps=1, batch_size=2, crop=32), "cpu")
    run.save(tmp_path)
    tensors = {name: one for name, one in read_checkpoint(tmp_path)[0].items() if "class_weights" not in name}
    save_file(tensors, tmp_path / CHECKPOINT_FILE, metadata={"training": '{"step": 0}'})
    later = small_network()
    load_teacher(later, tmp_path)
    assert torch.equal(later.class_weights, torch.ones(3))


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_temperature_is_fitted_at_natural_frequencies(temperature: float) -> None:
    generator = seeded()
    weights = torch.tensor([0.4, 1.0, 6.0])
    logits = 3 * torch.randn(1, 20_000, 3, generator=generator)
    natural = at_natural_frequencies((logits[0] / temperature).softmax(dim=1), weights)
    labels = natural.multinomial(1, generator=generator)[:, 0]
    pixels = LabelledLogits(logits, labels)
    assert fit_temperature(pixels, weights) == pytest.approx(temperature, rel=0.05)
    halves = [LabelledLogits(logits[:, i::2], labels[i::2]) for i in range(2)]
    found = cross_fitted(halves, weights)
    assert found.ece_after < 0.02 < found.ece_before
    assert fit_temperature(pixels) != pytest.approx(temperature, rel=0.2)


def test_calibration_is_that_of_the_suggested_class() -> None:
    weighted, weights = torch.tensor([0.4, 0.1, 0.5]), torch.tensor([0.5, 1.0, 5.0])
    pixels = LabelledLogits(weighted.log().expand(1, 6, 3), torch.ones(6, dtype=torch.int64))
    natural = at_natural_frequencies(weighted[None], weights)[0]
    assert cross_fitted([pixels], weights).ece_before == pytest.approx(float(natural[2]))


def test_quality_takes_a_class_map_that_is_not_the_most_probable() -> None:
    probabilities = torch.tensor([0.8, 0.2]).view(2, 1, 1).expand(2, 4, 4)
    suggested = torch.ones(4, 4, dtype=torch.uint8)
    truth = torch.zeros(4, 4, dtype=torch.uint8)
    truth[0] = 1
    counted = UncertaintyQuality(2)
    counted.add(probabilities, {}, truth, suggested)
    found = counted.result()
    assert found.pixel_accuracy == pytest.approx(0.25)
    assert found.ece == pytest.approx(0.05, abs=1e-6)
