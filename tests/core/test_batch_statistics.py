import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from core.batch_statistics import BATCH, adapt_batch_statistics
from core.data import TrainingData
from core.model.network import SegmentationNetwork, build_network
from core.train import Training
from core.train_config import TrainConfig
from tests.core.small_network import run_steps, seeded, small_network, striped_data

CPU = torch.device("cpu")


def some_images(count: int, seed: int = 0, size: tuple[int, int] = (48, 64)) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8) for _ in range(count)]


def norms(network: nn.Module) -> list[_BatchNorm]:
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


def statistics(network: nn.Module) -> list[Tensor]:
    return [
        each for norm in norms(network) for each in (norm.running_mean, norm.running_var) if each is not None
    ]


def inputs_of_first_norm(network: SegmentationNetwork, batch: Tensor) -> Tensor:
    seen: list[Tensor] = []
    hook = norms(network)[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    network.encode(batch)
    hook.remove()
    return seen[0]


def test_statistics_move_halfway_to_those_of_what_a_layer_is_given_by_all_images(
    device: torch.device,
) -> None:
    network = small_network().to(device).eval()
    dark, bright = some_images(BATCH), [255 - image // 4 for image in some_images(BATCH, seed=1)]
    adapt_batch_statistics(network, dark + bright, device, seeded())
    given = inputs_of_first_norm(network, torch.stack(dark + bright).to(device) / 255)
    variance = given.transpose(0, 1).flatten(1).var(dim=1)
    first = norms(network)[0]
    # A new layer has the mean 0 and the variance 1.
    torch.testing.assert_close(first.running_mean, given.mean(dim=(0, 2, 3)) / 2, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(first.running_var, (1 + variance) / 2, rtol=1e-3, atol=1e-4)


def test_again_and_again_they_end_at_those_of_the_images_and_nothing_else_changes(
    device: torch.device,
) -> None:
    one = small_network(head="np_classifier").to(device)
    other = copy.deepcopy(one)
    for norm in norms(other):
        nn.init.constant_(norm.running_mean, 7.0)  # type: ignore[arg-type]
    before = {name: value.clone() for name, value in one.state_dict().items()}
    modes = [module.training for module in one.modules()]
    momenta = [norm.momentum for norm in norms(one)]
    for network in (one, other):
        for _ in range(25):
            adapt_batch_statistics(network, some_images(5), device, seeded())
    for mine, theirs in zip(statistics(one), statistics(other), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    changed = {name for name, value in one.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.endswith(("running_mean", "running_var", "num_batches_tracked")) for name in changed)
    assert [module.training for module in one.modules()] == modes
    assert [norm.momentum for norm in norms(one)] == momenta


def test_no_batch_is_much_smaller_than_another(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single image left over would have the weight of a whole batch."""
    network = small_network().to(device)
    sizes: list[int] = []
    encode = network.encode

    def counted(images: Tensor) -> tuple[Tensor, Tensor]:
        sizes.append(len(images))
        return encode(images)

    monkeypatch.setattr(network, "encode", counted)
    adapt_batch_statistics(network, some_images(17), device, seeded())
    assert sizes == [6, 6, 5]


def test_images_may_have_any_sizes(device: torch.device) -> None:
    images = some_images(3) + some_images(2, size=(30, 41))
    network = small_network().to(device)
    adapt_batch_statistics(network, images, device, seeded())
    assert all(bool(each.isfinite().all()) for each in statistics(network))


@pytest.mark.parametrize("odd", [(8, 8), (10, 64), (64, 10)], ids=["icon", "banner", "column"])
def test_one_image_of_an_odd_size_leaves_the_others_theirs(
    device: torch.device, monkeypatch: pytest.MonkeyPatch, odd: tuple[int, int]
) -> None:
    network = small_network().to(device)
    shapes: set[tuple[int, ...]] = set()
    encode = network.encode
    monkeypatch.setattr(
        network, "encode", lambda images: shapes.add(tuple(images.shape[2:])) or encode(images)
    )
    adapt_batch_statistics(network, [*some_images(15), *some_images(1, size=odd)], device, seeded())
    assert shapes == {(48, 64)}


def test_of_a_large_image_a_tile_is_looked_at(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has to suffice for what the network is shown at once when it predicts, and not for more."""
    network = small_network().to(device)
    seen: list[Tensor] = []
    encode = network.encode
    monkeypatch.setattr(network, "encode", lambda images: seen.append(images.cpu()) or encode(images))
    ramp = torch.arange(100, dtype=torch.uint8).expand(3, 20, 100).contiguous()
    adapt_batch_statistics(network, [ramp] * 8, device, seeded(), tile_side=24)
    assert {tuple(batch.shape) for batch in seen} == {(8, 3, 20, 24)}
    places = {round(255 * float(tile[0, 0, 0])) for batch in seen for tile in batch}
    assert len(places) > 4, "not always the same tile"
    assert max(places) <= 76


def test_a_single_image_changes_nothing(device: torch.device) -> None:
    """It may be so small that a deep layer has one value a channel, and is no batch anyhow."""
    network = small_network().to(device)
    before = [each.clone() for each in statistics(network)]
    adapt_batch_statistics(network, some_images(1, size=(8, 8)), device, seeded())
    assert all(torch.equal(mine, own) for mine, own in zip(statistics(network), before, strict=True))


def test_images_of_a_batch_are_near_in_size(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network().to(device)
    shapes: list[tuple[int, ...]] = []
    encode = network.encode

    def seen(images: Tensor) -> tuple[Tensor, Tensor]:
        shapes.append(tuple(images.shape))
        return encode(images)

    monkeypatch.setattr(network, "encode", seen)
    wide, high = some_images(8, size=(24, 48)), some_images(8, size=(48, 24))
    mixed = [image for pair in zip(wide, high, strict=True) for image in pair]
    adapt_batch_statistics(network, mixed, device, seeded())
    assert shapes == [(8, 3, 24, 48), (8, 3, 48, 24)]


def test_an_error_leaves_the_layers_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network().eval()
    before = copy.deepcopy(network.state_dict())
    encode = network.encode

    def full(images: Tensor) -> tuple[Tensor, Tensor]:
        encode(images)
        raise MemoryError

    monkeypatch.setattr(network, "encode", full)
    with pytest.raises(MemoryError):
        adapt_batch_statistics(network, some_images(2), CPU, seeded())
    assert not any(norm.training or norm.momentum == 1.0 for norm in norms(network))
    names = [name for name in before if name.endswith(("running_mean", "running_var"))]
    assert names
    assert all(torch.equal(network.state_dict()[name], before[name]) for name in names)


def test_where_the_memory_does_not_suffice_smaller_tiles_do_and_a_training_ends_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Out of memory in a step would be answered by smaller batches of it, which are not to blame."""
    room, sides = [128], []

    def given(network: SegmentationNetwork, *_: object, tile_side: int) -> None:
        sides.append(tile_side)
        if tile_side > room[0]:
            raise torch.OutOfMemoryError

    monkeypatch.setattr("core.train.adapt_batch_statistics", given)
    for expected in (128, 1):
        room[0] = expected
        sides.clear()
        assert run_steps(Training(small_network(), striped_data(3, 1), TrainConfig(crop=32, steps=1), CPU), 1)
        assert sides == [512, 256, 128]
    assert "they stay those of the training" in caplog.text


def test_a_network_without_batch_normalisation_stays_as_it_is() -> None:
    network = small_network()
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.GroupNorm(1, child.num_features))
    before = copy.deepcopy(network.state_dict())
    adapt_batch_statistics(network, some_images(2), CPU, seeded())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("recipe", ["supervised", "consistency"])
def test_a_training_ends_with_whole_images(
    recipe: str, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recipe supervised learns from labels only, so it does not look at the others for this either."""
    given: list[tuple[SegmentationNetwork, list[Tensor]]] = []
    adapted = "core.train.adapt_batch_statistics"
    monkeypatch.setattr(adapted, lambda network, images, *_, **__: given.append((network, images)))
    data = striped_data(5, 2)
    config = TrainConfig(recipe=recipe, crop=32, steps=4, batch_size=2, warm_up=0.5)  # type: ignore[arg-type]
    training = Training(small_network(), data, config, device)
    run_steps(training, 3)
    assert not given
    run_steps(training, 4)
    ((network, images),) = given
    assert network is training.teacher
    wanted = data.images[:2] if recipe == "supervised" else data.images
    assert {id(image) for image in images} == {id(image) for image in wanted}


def test_a_network_as_it_is_built_can_be_estimated() -> None:
    network = build_network(3, encoder="test_efficientnet", weights="none")
    adapt_batch_statistics(network, some_images(2), CPU, seeded())


def test_of_many_images_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    striped = striped_data(5, 2)
    many = TrainingData(
        [torch.full_like(striped.images[0], index) for index in range(90)],
        dict.fromkeys(range(40), striped.labels[0]),
        [*range(40, 90)],
    )
    chosen: list[int] = []
    given = "core.train.adapt_batch_statistics"
    monkeypatch.setattr(
        given, lambda _, images, *rest, **named: chosen.extend(int(each[0, 0, 0]) for each in images)
    )
    config = TrainConfig(crop=32, steps=1, batch_size=1, warm_up=0.0)
    run_steps(Training(small_network(), many, config, CPU), 1)
    assert len(set(chosen)) == len(chosen) == 32
    assert sum(index < 40 for index in chosen) == 16
