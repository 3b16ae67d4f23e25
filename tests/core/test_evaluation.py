import math
from collections.abc import Iterable

import pytest
import torch

from core.evaluation import Evaluation, Overlap, evaluate, overlap
from core.model.linear_head import LinearHead
from core.model.network import SegmentationNetwork
from core.predict import predict
from core.suggestion import guided, suggestion
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
    assert 0.5 < found.quality.maps["least_confidence"].error_auroc <= 1
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


def test_a_network_whose_classes_had_weights_is_measured_at_natural_frequencies(device: torch.device) -> None:
    weights = torch.tensor([0.4, 4.0])
    network = ColourNetwork(sharpness=1.0)
    network.class_weights.copy_(weights)
    with torch.no_grad():
        network.head.classify.bias.copy_(weights.log())
    labelled = []
    for red in (50, 110, 145, 205):
        chance = torch.sigmoid(torch.tensor(2 * (4 * red / 255 - 2)))
        truth = (torch.rand(64, 64, generator=seeded(red)) > chance).to(torch.uint8)
        labelled.append((torch.full((3, 64, 64), red, dtype=torch.uint8), truth))
    found = evaluated(network, labelled, device)
    assert found.uncertainty_figures()["temperature"] == pytest.approx(1, abs=0.1)
    assert max(found.quality.ece, found.quality.classwise_ece, found.calibration.ece_before) < 0.05
    # The classes are those that a person sees suggested.
    assert found.quality.miou == pytest.approx(found.miou)


def test_a_few_pixels_from_all_over_an_image_fit_the_temperature(
    monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    monkeypatch.setattr("core.predict._FLOATS_AT_ONCE", 1)
    monkeypatch.setattr("core.evaluation.LOGITS_OF_AN_IMAGE", 40 * 3 * 3)
    data = striped_data(2, 0)
    truth = torch.zeros(48, 48, dtype=torch.uint8)
    truth[16:32], truth[32:] = 254, 1
    labelled = [(image, truth) for image in data.images]
    for of_all_images, pixels in ((2**21, 40), (180, 10)):
        monkeypatch.setattr("core.evaluation.LOGITS_OF_ALL_IMAGES", of_all_images)
        for one in evaluated(small_network(), labelled, device).labelled_logits:
            assert one.logits.shape == (3, pixels, 3)
            assert set(one.labels.tolist()) == {0, 1}
            assert not torch.equal(one.logits[0], one.logits[1])


def test_all_pixels_of_all_images_are_counted_first(device: torch.device) -> None:
    network = small_network().to(device)
    data = striped_data(4, 4)
    labelled = [(data.images[i], data.labels[i]) for i in range(4)]
    confusion = torch.zeros(3, 3, dtype=torch.int64)
    for image, truth in labelled:
        prediction = predict(network, image, samples=3, generator=seeded(), device=device)
        shown = suggestion(guided(prediction, image), image, network.class_weights, *truth.shape)
        confusion += confusion_matrix(shown.class_map, truth, 3)
    found = evaluated(network, iter(labelled), device)
    assert found.miou == pytest.approx(mean_iou(confusion))
    assert found.quality.miou == pytest.approx(mean_iou(confusion))


def test_a_class_that_may_not_be_suggested_neither_heats_nor_cools(device: torch.device) -> None:
    """Its logit is as good as minus infinity, and no temperature makes that right."""
    some, with_water = drawn_images(6), drawn_images(6)
    for _, truth in with_water:
        truth[:32] = 1
    network = ColourNetwork(sharpness=1.0)
    network.silent = [1]
    of_land = [(image, torch.where(truth == 1, 254, truth)) for image, truth in with_water]
    found, alone = evaluated(network, with_water, device), evaluated(network, of_land, device)
    assert found.calibration == alone.calibration
    assert found.quality.pixels == alone.quality.pixels < 6 * some[0][1].numel()
    assert found.class_iou[1] == 0, "what it misses of that class is missed"


def test_label_maps_may_have_another_size_void_and_unknown_classes(device: torch.device) -> None:
    truth = torch.zeros(96, 192, dtype=torch.uint8)
    truth[:32], truth[32:64], truth[64:80] = 255, 254, 9
    image = torch.randint(0, 256, (3, 48, 96), generator=seeded(), dtype=torch.uint8)
    found = evaluated(small_network(), [(image, truth)], device)
    assert set(found.class_iou) <= {0, 1, 2}
    assert found.quality.pixels == 16 * 192
    alone = overlap(small_network().to(device), [(image, truth)], samples=3, seed=0, device=device)
    assert alone == Overlap(found.miou, found.class_iou, found.images, found.counts)
    assert alone.counts.equal(found.counts)
    assert alone.counts[:, 1].sum() == 16 * 192
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


def test_an_image_that_ends_within_a_cell_is_counted_where_it_is(device: torch.device) -> None:
    image = torch.zeros(3, 50, 70, dtype=torch.uint8)
    image[:, 44:] = 255
    truth = (image[0] == 0).to(torch.uint8)
    found = evaluated(ColourNetwork(sharpness=4.0), [(image, truth)], device)
    assert min(found.class_iou.values()) > 0.99
    assert found.quality.miou > 0.99


def test_a_class_that_no_image_shows_is_not_measured_by_a_few_wrong_pixels(device: torch.device) -> None:
    image = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    image[:, 48:] = 0
    found = evaluated(ColourNetwork(sharpness=4.0), [(image, torch.zeros(64, 64, dtype=torch.uint8))], device)
    assert found.class_iou == {0: pytest.approx(0.75, abs=0.02)}
    assert found.miou == found.class_iou[0]


def test_padding_is_never_counted(device: torch.device) -> None:
    plain = drawn_images(4)
    network = ColourNetwork(sharpness=2.0).to(device)
    padded, confusion = [], torch.zeros(2, 2, dtype=torch.int64)
    for image, truth in plain:
        bigger = torch.nn.functional.pad(image[None].float(), (0, 40, 0, 16), mode="replicate")[0].byte()
        padded.append((bigger, torch.nn.functional.pad(truth, (0, 40, 0, 16), value=255)))
        prediction = predict(network, bigger, samples=1, generator=seeded(), device=device)
        shown = suggestion(guided(prediction, bigger), bigger, network.class_weights, 112, 136)
        confusion += confusion_matrix(shown.class_map[:96, :96], truth, 2)
    expected, found = evaluated(network, plain, device), evaluated(network, padded, device)
    assert found.miou == pytest.approx(mean_iou(confusion))
    assert found.quality.pixels == expected.quality.pixels == 4 * 96 * 96
    # The padding would be a third of all pixels; as a part of the image it changes its contrast a little.
    for name in ("ece", "classwise_ece", "nll", "brier"):
        assert getattr(found.quality, name) == pytest.approx(getattr(expected.quality, name), rel=0.1), name
    one, other = expected.quality.maps["least_confidence"], found.quality.maps["least_confidence"]
    for name in ("error_auroc", "error_aupr", "aurc"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=0.1), name
