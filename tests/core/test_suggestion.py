"""What a person is shown of a prediction."""

import pytest
import torch
from torch import Tensor

from core.border_snap import snapped_borders
from core.class_weights import as_decided, at_natural_frequencies
from core.guided_maps import GuidedMaps
from core.most_probable import MostProbable
from core.predict import predict
from core.suggestion import guided, suggestion
from tests.core.small_network import small_network


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


SIDE = 24
IMAGE = torch.randint(256, (3, SIDE, SIDE), dtype=torch.uint8, generator=seeded(1))


def maps_of(classes: int) -> tuple[GuidedMaps, Tensor]:
    cells = (3 * torch.randn(classes, SIDE // 4, SIDE // 4, generator=seeded())).softmax(dim=0)
    maps = GuidedMaps(cells, IMAGE, (SIDE / 4, SIDE / 4))
    return maps, torch.cat(list(maps.pieces()))


def at_edges(class_map: Tensor) -> Tensor:
    return torch.from_numpy(snapped_borders(class_map.byte().numpy(), IMAGE.permute(1, 2, 0).numpy()))


def test_it_is_the_most_probable_class_along_the_edges() -> None:
    maps, at_image = maps_of(5)
    found = suggestion(maps, IMAGE, torch.ones(5), SIDE, SIDE)
    assert found.class_map.dtype == torch.uint8
    assert torch.equal(found.class_map, at_edges(at_image.argmax(dim=0)))
    assert not torch.equal(found.class_map, at_image.argmax(dim=0).byte())
    of_shown = at_image.gather(0, found.class_map.long()[None])[0]
    assert torch.allclose(found.confidence, of_shown.clamp(0, 1), atol=1e-5)


def test_it_has_the_size_of_the_image_that_the_person_sees() -> None:
    maps, at_image = maps_of(4)
    larger = torch.nn.functional.interpolate(at_image[None], size=(70, 72), mode="bilinear")[0]
    found = suggestion(maps, IMAGE, torch.ones(4), 70, 72)
    assert torch.equal(found.class_map, larger.argmax(dim=0).to(torch.uint8))
    assert found.confidence.shape == (24, 24)


def test_a_few_classes_at_a_time_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, _ = maps_of(7)
    weights = torch.linspace(0.5, 3, 7)
    sides = (SIDE, 50)
    together = [suggestion(maps, IMAGE, weights, side, side) for side in sides]
    monkeypatch.setattr("core.guided_maps._FLOATS_AT_ONCE", 2 * SIDE * SIDE)
    in_pieces = [suggestion(maps, IMAGE, weights, side, side) for side in sides]
    for one, other in zip(together, in_pieces, strict=True):
        assert torch.equal(one.class_map, other.class_map)
        assert torch.allclose(one.confidence, other.confidence, atol=1e-6)


def test_confidence_is_at_natural_frequencies() -> None:
    maps, at_image = maps_of(3)
    weights = torch.tensor([0.5, 1.0, 4.0])
    natural = at_image / weights[:, None, None]
    inside = (at_image >= 0).all(dim=0)
    found = suggestion(maps, IMAGE, weights, SIDE, SIDE)
    expected = natural.gather(0, found.class_map.long()[None])[0] / natural.sum(dim=0)
    assert torch.allclose(found.confidence[inside], expected[inside], atol=1e-5)
    larger = suggestion(maps, IMAGE, weights, 2 * SIDE, 2 * SIDE)
    shown = as_decided(at_image, weights).argmax(dim=0)
    expected = natural.gather(0, shown[None])[0] / natural.sum(dim=0)
    assert torch.allclose(larger.confidence[inside], expected[inside], atol=1e-5)
    for one in (found, larger):
        assert bool(((one.confidence >= 0) & (one.confidence <= 1)).all())


def test_classes_are_decided_on_between_trained_and_natural_frequencies() -> None:
    weights = torch.tensor([1.0, 4.0])
    surely_rare, at_a_border, surely_not = (0.2, 0.8), (0.45, 0.55), (0.9, 0.1)
    probabilities = torch.tensor([surely_rare, at_a_border, surely_not]).T
    assert probabilities.argmax(dim=0).tolist() == [1, 1, 0]
    assert as_decided(probabilities, weights).argmax(dim=0).tolist() == [1, 0, 0]
    assert at_natural_frequencies(probabilities[None], weights)[0].argmax(dim=0).tolist() == [0, 0, 0]


def test_of_a_prediction_on_any_device(device: torch.device) -> None:
    network = small_network().to(device)
    image = torch.randint(256, (3, 44, 46), dtype=torch.uint8, generator=seeded())
    prediction = predict(network, image, samples=2, generator=seeded(), device=device)
    found = suggestion(guided(prediction, image), image, network.class_weights, 88, 92)
    assert found.class_map.shape == (88, 92)
    assert found.confidence.shape == (44, 46)
    assert found.class_map.device.type == found.confidence.device.type == "cpu"


def test_the_first_of_equal_maps_is_the_most_probable() -> None:
    found = MostProbable()
    for maps in ([[0.1], [0.4]], [[0.4], [0.2]], [[0.6], [0.6]]):
        found.add(torch.tensor(maps)[:, None])
    assert found.count == 6
    assert found.class_map.tolist() == [[4]]
    assert found.highest.item() == pytest.approx(0.6)
