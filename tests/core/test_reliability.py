import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from core.acquisition.pixel_scores import entropy_of
from core.recipes.reliability import (
    balanced_cross_entropy,
    drop_unreliable,
    histogram_quantile,
    unreliable_share_at,
)
from tests.core.small_network import seeded

CLASSES = 6


def probability_maps(device: torch.device) -> torch.Tensor:
    return (2 * torch.randn(3, CLASSES, 64, 64, generator=seeded())).softmax(dim=1).to(device)


def pseudo_labels(probabilities: torch.Tensor) -> torch.Tensor:
    """The most probable class; two corners of each map are 254 and 255."""
    labels = probabilities.argmax(dim=1).to(torch.uint8)
    labels[:, :9, :20], labels[:, -5:, -30:] = 254, 255
    return labels


def test_entropy_is_log_c_when_uniform_and_0_when_certain() -> None:
    uniform = torch.full((1, 7, 2, 2), 1 / 7)
    assert torch.allclose(entropy_of(uniform, dim=1), torch.tensor(math.log(7)))
    certain = F.one_hot(torch.tensor([[[0, 3], [6, 2]]]), 7).permute(0, 3, 1, 2).float()
    assert torch.equal(entropy_of(certain, dim=1), torch.zeros(1, 2, 2))


def test_entropy_does_not_depend_on_the_order_of_classes(device: torch.device) -> None:
    maps = probability_maps(device)
    order = torch.randperm(CLASSES, generator=seeded(1)).to(device)
    assert torch.allclose(entropy_of(maps[:, order], dim=1), entropy_of(maps, dim=1), atol=1e-6)


@given(st.floats(0.01, 1), st.floats(0, 1), st.floats(0, 1))
def test_the_unreliable_share_falls_from_its_initial_value_to_nothing(
    initial: float, one: float, other: float
) -> None:
    assert unreliable_share_at(0, initial) == initial
    assert unreliable_share_at(1, initial) == 0
    earlier, later = sorted((one, other))
    if later - earlier > 1e-6:
        assert unreliable_share_at(earlier, initial) > unreliable_share_at(later, initial)


@given(st.floats(0.001, 0.999))
@settings(max_examples=30, deadline=None)
def test_histogram_quantile_is_the_quantile_to_one_step(device: torch.device, share: float) -> None:
    values = (torch.rand(20_000, generator=seeded()) * 1.7).to(device)
    counted = (torch.rand(20_000, generator=seeded(1)) < 0.7).to(device)
    found = histogram_quantile(values, counted, share, upper=1.7)
    exact = torch.quantile(values[counted], share)
    assert abs(float(found - exact)) < 2 * 1.7 / 8192 + 1e-3
    assert (values[counted] < found).float().mean() >= share


def test_histogram_quantile_of_nothing_lets_everything_pass(device: torch.device) -> None:
    values = torch.rand(10, device=device)
    assert histogram_quantile(values, values > 1, 0.3, 1.0) == torch.inf


@given(st.floats(0, 0.9))
@settings(max_examples=25, deadline=None)
def test_the_kept_share_is_that_of_the_valid_pixels(device: torch.device, share: float) -> None:
    maps = probability_maps(device)
    pseudo, entropies = pseudo_labels(maps), entropy_of(maps, dim=1)
    kept, unreliable = drop_unreliable(pseudo, entropies, share, CLASSES)
    valid = pseudo < 254
    assert not (unreliable & ~valid).any()
    assert abs(float((valid & ~unreliable).sum() / valid.sum()) - (1 - share)) < 2e-3
    assert torch.equal(kept[valid & ~unreliable], pseudo[valid & ~unreliable])
    assert (kept[unreliable] == 255).all()
    assert (kept[~valid] >= 254).all()  # what had no pseudo-label gets none
    if unreliable.any():
        assert entropies[valid & ~unreliable].max() <= entropies[unreliable].min()


def test_kept_sets_are_nested_and_without_a_share_all_is_kept(device: torch.device) -> None:
    maps = probability_maps(device)
    pseudo, entropies = pseudo_labels(maps), entropy_of(maps, dim=1)
    before = torch.zeros_like(pseudo, dtype=torch.bool)
    for share in (0.0, 0.05, 0.2, 0.5):
        kept, unreliable = drop_unreliable(pseudo, entropies, share, CLASSES)
        assert (unreliable | ~before).all()
        before = unreliable
        if share == 0:
            assert torch.equal(kept, pseudo)


def test_uniform_and_single_class_predictions_are_kept_whole() -> None:
    uniform = torch.full((1, CLASSES, 4, 4), 1 / CLASSES)
    pseudo = torch.zeros(1, 4, 4, dtype=torch.uint8)
    assert torch.equal(drop_unreliable(pseudo, entropy_of(uniform, dim=1), 0.2, CLASSES)[0], pseudo)
    assert torch.equal(drop_unreliable(pseudo, torch.zeros(1, 4, 4), 0.2, 1)[0], pseudo)


def test_the_partition_never_waits_for_the_device() -> None:
    with FakeTensorMode():  # which refuses to tell a value
        pseudo = torch.zeros(2, 8, 8, dtype=torch.uint8)
        kept, _ = drop_unreliable(pseudo, torch.rand(2, 8, 8), 0.2, CLASSES)
        assert kept.shape == (2, 8, 8)


@pytest.mark.parametrize("samples", [1, 3])
def test_balanced_cross_entropy_is_the_mean_over_the_kept_share(samples: int) -> None:
    logits = torch.randn(samples, 2, CLASSES, 8, 8, generator=seeded(), requires_grad=True)
    targets = torch.randint(0, CLASSES, (2, 8, 8), generator=seeded(1)).to(torch.uint8)
    pixels = torch.tensor(targets.numel())
    each = F.cross_entropy(
        logits.flatten(0, 1), targets.repeat(samples, 1, 1).long(), reduction="none"
    ).unflatten(0, (samples, 2))
    assert torch.allclose(balanced_cross_entropy(logits, targets, pixels), each.mean())

    half = targets.clone()
    half[:, :3], half[:, 3] = 255, 254
    loss = balanced_cross_entropy(logits, half, pixels)
    assert torch.allclose(loss, 2 * each[:, :, 4:].mean())
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad[..., :4, :].any()
    assert logits.grad[..., 4:, :].any()


def test_balanced_cross_entropy_of_nothing_is_a_finite_zero() -> None:
    nothing = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    loss = balanced_cross_entropy(torch.randn(1, 1, 3, 4, 4), nothing, torch.tensor(16))
    assert loss == 0
