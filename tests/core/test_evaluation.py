import math
from collections.abc import Iterable

import pytest
import torch

from core.evaluation import Evaluation, evaluate
from core.model.linear_head import LinearHead
from core.model.network import SegmentationNetwork
from core.predict import class_map_at, predict
from core.uncertainty import confusion_matrix, mean_iou
from tests.core.small_network import StridedEncoder, seeded, small_network, striped_data

Labelled = list[tuple[torch.Tensor, torch.Tensor]]


class ColourNetwork(SegmentationNetwork):
    """Knows the red of a pixel; its logits are ``sharpness`` times those the labels are drawn from."""

    def __init__(self, sharpness: float) -> None:
        half = (0.5, 0.5, 0.5)
        super().__init__(StridedEncoder(), torch.nn.Identity(), LinearHead(2, 2), 2, 8, half, half)
        with torch.no_grad():
            self.head.classify.weight.copy_(sharpness * torch.eye(2)[..., None, None])
            self.head.classify.bias.zero_()

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        red = torch.nn.functional.avg_pool2d(images[:, :1], 4)
        return torch.cat([4 * red - 2, 2 - 4 * red], dim=1), torch.ones(len(images), 1)


def drawn_images(count: int) -> Labelled:
    """Cells of one red each, their class drawn with the probability that sharpness 1 gives it."""
    found = []
    for index in range(count):
        generator = seeded(index)
        red = torch.rand(24, 24, generator=generator)
        chance = torch.sigmoid(2 * (4 * red - 2))
        truth = (torch.rand(24, 24, generator=generator) > chance).to(torch.uint8)
        image = (255 * red).round().to(torch.uint8).expand(3, -1, -1)
        grown = [t.repeat_interleave(4, -1).repeat_interleave(4, -2) for t in (image, truth)]
        found.append((grown[0], grown[1]))
    return found


def evaluated(
    network: SegmentationNetwork,
    labelled: Iterable[tuple[torch.Tensor, torch.Tensor]],
    device: torch.device,
) -> Evaluation:
    return evaluate(network.to(device), labelled, samples=3, seed=0, device=device)


def test_an_overconfident_network_is_found_and_cooled(device: torch.device) -> None:
    found = evaluated(ColourNetwork(sharpness=4.0), drawn_images(6), device)
    assert found.calibration.temperature == pytest.approx(4, rel=0.2)
    assert found.calibration.ece_before > 0.1
    assert found.calibration.ece_after < 0.4 * found.calibration.ece_before
    assert 0.5 < found.quality.maps["entropy"].error_auroc <= 1
    assert found.quality.images == found.images == 6
    figures = found.uncertainty_figures()
    assert figures["temperature"] == found.calibration.temperature
    assert all(math.isfinite(value) for value in figures.values())
    of_three = evaluated(ColourNetwork(sharpness=4.0), drawn_images(3), device)
    assert "temperature" not in of_three.uncertainty_figures()


def test_a_calibrated_network_is_left_as_it_is(device: torch.device) -> None:
    found = evaluated(ColourNetwork(sharpness=1.0), drawn_images(6), device)
    assert found.calibration.temperature == pytest.approx(1, abs=0.1)
    assert found.calibration.ece_before < 0.05


def test_all_pixels_of_all_images_are_counted_first(device: torch.device) -> None:
    network = small_network().to(device)
    data = striped_data(4, 4)
    labelled = [(data.images[i], data.labels[i]) for i in range(4)]
    confusion = torch.zeros(3, 3, dtype=torch.int64)
    for image, truth in labelled:
        prediction = predict(network, image, samples=3, generator=seeded(), device=device)
        confusion += confusion_matrix(class_map_at(prediction.probabilities, *truth.shape), truth, 3)
    found = evaluated(network, iter(labelled), device)
    assert found.miou == pytest.approx(mean_iou(confusion))
    assert found.quality.miou == pytest.approx(mean_iou(confusion))
    assert set(found.quality.maps) == {"least_confidence", "entropy", "mutual_information", "variance"}


def test_label_maps_may_have_another_size_void_and_unknown_classes(device: torch.device) -> None:
    truth = torch.zeros(96, 192, dtype=torch.uint8)
    truth[:32], truth[32:64], truth[64:80] = 255, 254, 9
    image = torch.randint(0, 256, (3, 48, 96), generator=seeded(), dtype=torch.uint8)
    found = evaluated(small_network(), [(image, truth)], device)
    assert set(found.class_iou) <= {0, 1, 2}
    assert found.quality.pixels == 16 * 192
    assert math.isnan(found.calibration.ece_after)


def test_a_large_label_map_costs_no_more_than_a_small_one(device: torch.device) -> None:
    image = torch.randint(0, 256, (3, 48, 96), generator=seeded(), dtype=torch.uint8)
    found = evaluated(small_network(), [(image, torch.ones(600, 1200, dtype=torch.uint8))], device)
    assert found.quality.pixels == 128 * 256


def test_nothing_labelled_measures_nothing(device: torch.device) -> None:
    image = torch.randint(0, 256, (3, 48, 48), generator=seeded(), dtype=torch.uint8)
    for labelled in ([], [(image, torch.full((48, 48), 254, dtype=torch.uint8))]):
        found = evaluated(small_network(), labelled, device)
        assert math.isnan(found.miou)
        assert math.isnan(found.quality.ece)
        assert found.calibration.temperature == 1
        assert found.images == len(labelled)
        assert all(math.isnan(value) for value in found.uncertainty_figures().values())


def test_one_class_is_measured(device: torch.device) -> None:
    image = torch.randint(0, 256, (3, 48, 48), generator=seeded(), dtype=torch.uint8)
    found = evaluated(
        small_network(class_count=1), [(image, torch.zeros(48, 48, dtype=torch.uint8))] * 2, device
    )
    assert found.miou == 1
    assert found.quality.ece == pytest.approx(0, abs=1e-6)
    assert found.calibration.temperature == 1


def test_padding_is_never_counted(device: torch.device) -> None:
    plain = drawn_images(4)
    padded = []
    for image, truth in plain:
        bigger = torch.nn.functional.pad(image[None].float(), (0, 40, 0, 16), mode="replicate")[0]
        padded.append((bigger.to(torch.uint8), torch.nn.functional.pad(truth, (0, 40, 0, 16), value=255)))
    network = ColourNetwork(sharpness=2.0)
    expected, found = evaluated(network, plain, device), evaluated(network, padded, device)
    assert found.miou == pytest.approx(expected.miou, abs=1e-12)
    assert found.class_iou == pytest.approx(expected.class_iou)
    assert found.quality.pixels == expected.quality.pixels == 4 * 96 * 96
    for name in ("ece", "classwise_ece", "nll", "brier"):
        assert getattr(found.quality, name) == pytest.approx(getattr(expected.quality, name), rel=1e-4), name
    one, other = expected.quality.maps["entropy"], found.quality.maps["entropy"]
    for name in ("error_auroc", "error_aupr", "aurc"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-4), name
