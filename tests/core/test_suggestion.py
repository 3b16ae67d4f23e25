"""What a person is shown of a prediction."""

import pytest
import torch
from torch import Tensor

from core.guided_maps import GuidedMaps
from core.most_probable import MostProbable
from core.predict import predict
from core.suggestion import guided, suggestion
from tests.core.small_network import small_network


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def maps_of(classes: int, side: int = 24) -> tuple[GuidedMaps, Tensor]:
    cells = (3 * torch.randn(classes, side // 4, side // 4, generator=seeded())).softmax(dim=0)
    image = torch.randint(256, (3, side, side), dtype=torch.uint8, generator=seeded(1))
    maps = GuidedMaps(cells, image, (side / 4, side / 4))
    return maps, torch.cat(list(maps.pieces()))


def test_it_is_the_most_probable_class_along_the_edges() -> None:
    maps, at_image = maps_of(5)
    found = suggestion(maps, torch.ones(5), 24, 24)
    assert found.class_map.dtype == torch.uint8
    assert torch.equal(found.class_map, at_image.argmax(dim=0).to(torch.uint8))
    assert torch.allclose(found.confidence, at_image.amax(dim=0).clamp(max=1), atol=1e-5)


def test_it_has_the_size_of_the_image_that_the_person_sees() -> None:
    maps, at_image = maps_of(4)
    larger = torch.nn.functional.interpolate(at_image[None], size=(70, 72), mode="bilinear")[0]
    found = suggestion(maps, torch.ones(4), 70, 72)
    assert torch.equal(found.class_map, larger.argmax(dim=0).to(torch.uint8))
    assert found.confidence.shape == (24, 24)


def test_a_few_classes_at_a_time_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, _ = maps_of(7)
    weights = torch.linspace(0.5, 3, 7)
    together = suggestion(maps, weights, 50, 50)
    monkeypatch.setattr("core.guided_maps._FLOATS_AT_ONCE", 2 * 24 * 24)
    in_pieces = suggestion(maps, weights, 50, 50)
    assert torch.equal(together.class_map, in_pieces.class_map)
    assert torch.allclose(together.confidence, in_pieces.confidence, atol=1e-6)


def test_confidence_is_at_natural_frequencies() -> None:
    maps, at_image = maps_of(3)
    weights = torch.tensor([0.5, 1.0, 4.0])
    natural = at_image / weights[:, None, None]
    expected = natural.gather(0, at_image.argmax(dim=0)[None])[0] / natural.sum(dim=0)
    found = suggestion(maps, weights, 24, 24)
    inside = (at_image >= 0).all(dim=0)
    assert torch.allclose(found.confidence[inside], expected[inside], atol=1e-5)
    assert bool(((found.confidence > 0) & (found.confidence <= 1)).all())


def test_of_a_prediction_on_any_device(device: torch.device) -> None:
    network = small_network().to(device)
    image = torch.randint(256, (3, 44, 46), dtype=torch.uint8, generator=seeded())
    prediction = predict(network, image, samples=2, generator=seeded(), device=device)
    found = suggestion(guided(prediction, image), network.class_weights, 88, 92)
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
