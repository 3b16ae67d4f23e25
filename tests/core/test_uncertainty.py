import math

import pytest
import scipy.stats
import torch
import torchmetrics.functional.classification as torchmetrics
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_uncertainty.metrics import AURC, BrierScore, CategoricalNLL, ClasswiseCalibrationError, PAvPU

from core.uncertainty import (
    PAvPUCurve,
    Quality,
    RankCounts,
    UncertaintyQuality,
    class_iou,
    confusion_matrix,
    mean_iou,
    pixel_accuracy,
    spearman,
)
from tests.core.small_network import seeded

CLASSES = 5


def test_confusion_ignores_not_labelled_and_void() -> None:
    truth = torch.tensor([[0, 1, 254], [1, 255, 2]], dtype=torch.uint8)
    predicted = torch.tensor([[0, 0, 1], [1, 1, 2]], dtype=torch.uint8)
    confusion = confusion_matrix(predicted, truth, 4)
    assert confusion.sum() == 4
    assert confusion[1].tolist() == [1, 1, 0, 0]
    assert class_iou(confusion)[:3].tolist() == pytest.approx([0.5, 0.5, 1])
    assert math.isnan(class_iou(confusion)[3])
    assert mean_iou(confusion) == pytest.approx(2 / 3)
    assert pixel_accuracy(confusion) == pytest.approx(0.75)


@settings(max_examples=60, deadline=None)
@given(
    class_count=st.integers(1, 254),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    dtype=st.sampled_from([torch.uint8, torch.int64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_confusion_is_what_one_counts_pixel_by_pixel(
    class_count: int, height: int, width: int, dtype: torch.dtype, seed: int
) -> None:
    generator = seeded(seed)
    values = torch.tensor([*range(class_count), 254, 255], dtype=torch.uint8)
    truth = values[torch.randint(class_count + 2, (height, width), generator=generator)]
    predicted = torch.randint(class_count, (height, width), generator=generator).to(dtype)
    expected = torch.zeros(class_count, class_count, dtype=torch.int64)
    for true, guess in zip(truth.flatten().tolist(), predicted.flatten().tolist(), strict=True):
        if true < 254:
            expected[true, guess] += 1
    assert torch.equal(confusion_matrix(predicted, truth, class_count), expected)
    # Two label maps are compared too, and then what does not count lies beyond the classes in both.
    assert confusion_matrix(truth, truth, class_count).sum() == (truth < 254).sum()


@pytest.mark.parametrize("class_count", [1, 3, 200, 253])
def test_a_confusion_of_other_classes_or_sizes_is_refused(class_count: int) -> None:
    known, beyond = (torch.full((2, 3), value, dtype=torch.uint8) for value in (0, class_count))
    with pytest.raises(ValueError, match="beyond"):
        confusion_matrix(known, beyond, class_count)
    with pytest.raises(ValueError, match="beyond"):
        confusion_matrix(beyond, known + class_count - 1, class_count)
    with pytest.raises(ValueError, match=r"\(1, 3\)"):
        confusion_matrix(known[:1], known, class_count)


def test_no_pixel_is_gathered_to_be_counted() -> None:
    """Of an image of 12 megapixels that alone takes the better part of a second."""
    truth = torch.randint(12, (30, 40), generator=seeded(0), dtype=torch.uint8)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiled:
        confusion_matrix(truth.long(), truth, 12)
    assert not {"aten::index", "aten::nonzero"} & {event.key for event in profiled.key_averages()}


def test_nothing_counted_is_not_a_number() -> None:
    confusion = confusion_matrix(torch.zeros(2, 2), torch.full((2, 2), 255), 3)
    assert math.isnan(mean_iou(confusion))
    assert math.isnan(pixel_accuracy(confusion))


class World:
    """Images of random quality: probabilities, uncertainty, truth with void and unlabelled pixels."""

    def __init__(self, images: int = 6, size: tuple[int, int] = (40, 61), seed: int = 0) -> None:
        generator = seeded(seed)
        self.images = []
        for index in range(images):
            logits = 2 * torch.randn(CLASSES, *size, generator=generator)
            truth = (logits + (1 + index) * torch.randn(CLASSES, *size, generator=generator)).argmax(dim=0)
            truth = truth.to(torch.uint8)
            truth[:5, :9] = 254
            truth[12:20, 30:] = 255
            self.images.append((logits.softmax(dim=0), truth))

    def pixels(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return counted probabilities ``(n, C)`` and their truth ``(n,)``."""
        counted = [truth < 254 for _, truth in self.images]
        probabilities = [p[:, c].T for (p, _), c in zip(self.images, counted, strict=True)]
        truths = [t[c].long() for (_, t), c in zip(self.images, counted, strict=True)]
        return torch.cat(probabilities), torch.cat(truths)

    def quality(self, patch: int = 4, accurate_from: float = 0.5) -> Quality:
        quality = UncertaintyQuality(CLASSES, patch=patch, accurate_from=accurate_from)
        for probabilities, truth in self.images:
            entropy = -torch.xlogy(probabilities, probabilities).sum(dim=0)
            doubt = 1 - probabilities.max(dim=0).values
            quality.add(probabilities, {"entropy": entropy, "doubt": doubt}, truth)
        return quality.result()


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def quality(world: World) -> Quality:
    return world.quality()


def test_error_detection_equals_torchmetrics(world: World, quality: Quality) -> None:
    probabilities, truth = world.pixels()
    wrong = (probabilities.argmax(dim=1) != truth).long()
    assert quality.pixels == len(truth)
    for name, value in (
        ("doubt", 1 - probabilities.max(dim=1).values),
        ("entropy", -torch.xlogy(probabilities, probabilities).sum(dim=1)),
    ):
        # torchmetrics squeezes values outside [0, 1] by a sigmoid, which would tie some of them
        value = value / 2
        auroc = torchmetrics.binary_auroc(value, wrong).item()
        aupr = torchmetrics.binary_average_precision(value, wrong).item()
        assert quality.maps[name].error_auroc == pytest.approx(auroc, abs=2e-4)
        assert quality.maps[name].error_aupr == pytest.approx(aupr, abs=5e-4)


def test_risk_coverage_equals_torch_uncertainty(world: World, quality: Quality) -> None:
    metric = AURC()
    metric.update(*world.pixels())
    assert quality.maps["doubt"].aurc == pytest.approx(metric.compute().item(), abs=5e-4)


def test_calibration_and_likelihood_equal_torchmetrics_and_torch_uncertainty(
    world: World, quality: Quality
) -> None:
    probabilities, truth = world.pixels()
    ece = torchmetrics.multiclass_calibration_error(probabilities, truth, CLASSES, n_bins=15, norm="l1")
    assert quality.ece == pytest.approx(ece.item(), abs=1e-5)
    assert quality.ece > 0.05
    for metric, value in (
        (ClasswiseCalibrationError(CLASSES, num_bins=15), quality.classwise_ece),
        (BrierScore(CLASSES), quality.brier),
        (CategoricalNLL(), quality.nll),
    ):
        metric.update(probabilities, truth)
        assert value == pytest.approx(metric.compute().item(), abs=1e-5)
    accuracy = torchmetrics.multiclass_accuracy(probabilities, truth, CLASSES, average="micro")
    assert quality.pixel_accuracy == pytest.approx(accuracy.item())
    jaccard = torchmetrics.multiclass_jaccard_index(probabilities.argmax(dim=1), truth, CLASSES)
    assert quality.miou == pytest.approx(jaccard.item(), abs=1e-6)


def at_threshold(curve: PAvPUCurve, index: int) -> tuple[float, float]:
    return float(curve.threshold[index]), float(curve.pavpu[index])


@pytest.mark.parametrize("patch", [3, 4])
def test_pavpu_equals_torch_uncertainty_at_every_threshold(world: World, patch: int) -> None:
    """θ_a is 0.51, which no patch meets exactly: torch-uncertainty asks for more, the paper for as much."""
    curve = world.quality(patch, accurate_from=0.51).maps["doubt"].pavpu
    for index in range(1, len(curve.threshold) - 1, 3):
        threshold, value = at_threshold(curve, index)
        metric = PAvPU(patch_size=patch, acc_threshold=0.51, unc_threshold=threshold)
        for probabilities, truth in world.images:
            metric.update(probabilities[None], truth[None], ignore_mask=truth[None] >= 254)
        assert value == pytest.approx(metric.compute().item(), abs=2e-3)


def four_patches() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """2×2 patches of 2×2 pixels with 1, 0, 0 and 4 wrong ones, of uncertainty .2, .6, .1 and .9."""
    truth = torch.zeros(4, 4, dtype=torch.uint8)
    truth[0, 0] = 1
    truth[2:, 2:] = 1
    of_class_0 = torch.full((4, 4), 0.95)
    uncertainty = torch.tensor([[0.2, 0.6], [0.1, 0.9]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
    return torch.stack([of_class_0, 1 - of_class_0]), uncertainty, truth


def test_an_archived_class_does_not_make_the_others_look_calibrated() -> None:
    probabilities, _, truth = four_patches()
    two, three = UncertaintyQuality(2), UncertaintyQuality(3)
    two.add(probabilities, {}, truth)
    three.add(torch.cat([probabilities, torch.zeros_like(probabilities[:1])]), {}, truth)
    assert three.result().classwise_ece == two.result().classwise_ece > 0


def test_pavpu_of_four_patches_by_hand() -> None:
    """θ_u goes from .1 to .9 in 20 steps of .04; patches are certain below it."""
    probabilities, uncertainty, truth = four_patches()
    quality = UncertaintyQuality(2, patch=2)
    quality.add(probabilities, {"u": uncertainty}, truth)
    curve = quality.result().maps["u"].pavpu
    assert curve.threshold[[0, 5, 20]].tolist() == pytest.approx([0.1, 0.3, 0.9])
    # All uncertain; then patches .6 and .9 uncertain; then .9 alone, the one that is inaccurate.
    assert curve.pavpu[[0, 5, 15]].tolist() == [0.25, 0.75, 1]
    assert math.isnan(curve.accurate_if_certain[0])
    assert curve.accurate_if_certain[[5, 15, 20]].tolist() == [1, 1, 1]
    assert curve.uncertain_if_inaccurate[[0, 5, 15]].tolist() == [1, 1, 1]


def test_a_patch_of_which_half_is_right_is_accurate() -> None:
    probabilities, uncertainty, truth = four_patches()
    truth[0, 1] = 1
    quality = UncertaintyQuality(2, patch=2)
    quality.add(probabilities, {"u": uncertainty}, truth)
    assert quality.result().maps["u"].pavpu.pavpu[15].item() == 1


def test_an_image_is_ranked_by_all_of_its_pixels() -> None:
    probabilities, uncertainty, truth = four_patches()
    truth[:2] = torch.tensor([255, 255, 254, 254])
    quality = UncertaintyQuality(2)
    quality.add(probabilities, {"u": uncertainty}, truth)
    assert quality.result().maps["u"].image_score.tolist() == pytest.approx([0.45])


def test_void_patches_are_not_judged_and_void_pixels_do_not_dilute() -> None:
    probabilities, uncertainty, truth = four_patches()
    truth[:2, 2:] = 255
    truth[2:, 2:] = torch.tensor([[255, 254], [1, 255]])
    uncertainty[2, 2:] = 77
    quality = UncertaintyQuality(2, patch=2)
    quality.add(probabilities, {"u": uncertainty}, truth)
    result = quality.result()
    assert result.pixels == 9
    assert result.maps["u"].pavpu.threshold[-1].item() == pytest.approx(0.9)
    assert result.maps["u"].pavpu.pavpu[[0, 15]].tolist() == pytest.approx([1 / 3, 1])


@given(seed=st.integers(0, 10_000), patch=st.integers(1, 7), accurate_from=st.floats(0.1, 0.9))
@settings(max_examples=10)
def test_shares_lie_between_0_and_1(seed: int, patch: int, accurate_from: float) -> None:
    result = World(images=1, size=(21, 37), seed=seed).quality(patch, accurate_from)
    for quality in result.maps.values():
        for curve in (
            quality.pavpu.pavpu,
            quality.pavpu.accurate_if_certain,
            quality.pavpu.uncertain_if_inaccurate,
        ):
            known = curve[~curve.isnan()]
            assert ((known >= 0) & (known <= 1)).all()
        for share in (quality.error_auroc, quality.error_aupr, quality.aurc):
            assert 0 <= share <= 1
    assert 0 <= result.ece <= 1
    assert 0 <= result.brier <= 2


@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1e-6, 1.0, 1e6]))
@settings(max_examples=20)
def test_order_is_kept_on_every_scale(seed: int, scale: float) -> None:
    values = scale * torch.rand(500, generator=seeded(seed)).clamp(min=1e-3)
    hit = torch.rand(500, generator=seeded(seed + 1)) < 0.3
    counts = RankCounts()
    for piece in range(0, 500, 125):
        counts.add(values[piece : piece + 125], hit[piece : piece + 125])
    expected = torchmetrics.binary_auroc(values / scale, hit.long()).item()
    assert counts.auroc() == pytest.approx(expected, abs=1e-3)


def test_ties_count_half() -> None:
    counts = RankCounts()
    counts.add(torch.tensor([0.0, -0.0] * 3), torch.tensor([True, False, False, True, False, False]))
    assert counts.auroc() == 0.5
    assert counts.average_precision() == pytest.approx(1 / 3)
    assert counts.area_under_risk_coverage() == pytest.approx(1 / 3)


def test_perfect_and_reversed_uncertainty() -> None:
    values = torch.tensor([0.0, 0.1, 0.2, 0.9])
    wrong = torch.tensor([False, False, False, True])
    perfect, reversed_ = RankCounts(), RankCounts()
    perfect.add(values, wrong)
    reversed_.add(values, wrong.flip(0))
    assert (perfect.auroc(), reversed_.auroc()) == (1, 0)
    assert (perfect.average_precision(), reversed_.average_precision()) == (1, 0.25)
    assert perfect.area_under_risk_coverage() == pytest.approx(1 / 16)
    assert reversed_.area_under_risk_coverage() == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_images_are_ranked_as_scipy_ranks_them(world: World, quality: Quality) -> None:
    errors = []
    for probabilities, truth in world.images:
        errors.append(1 - mean_iou(confusion_matrix(probabilities.argmax(dim=0), truth, CLASSES)))
    assert quality.image_error.tolist() == pytest.approx(errors)
    of_map = quality.maps["entropy"]
    assert of_map.spearman == pytest.approx(scipy.stats.spearmanr(of_map.image_score, errors)[0], abs=1e-5)
    by_pixels = scipy.stats.spearmanr(of_map.image_score, quality.image_pixel_error)[0]
    assert of_map.spearman_pixel_error == pytest.approx(by_pixels, abs=1e-5)
    first, second = torch.tensor([1.0, 2, 2, 4, 7]), torch.tensor([3.0, 1, 9, 9, 9])
    assert spearman(first, second) == pytest.approx(scipy.stats.spearmanr(first, second)[0], abs=1e-5)
    assert math.isnan(spearman(first, torch.ones(5)))
    assert math.isnan(spearman(first[:2], second[:2]))


def test_images_are_ranked_by_both_errors() -> None:
    """Two wrong pixels of ten leave a mean IoU of 0.4 where a class is invented, three one of 0.51."""
    predicted = torch.tensor([[0] * 8 + [1] * 2, [0] * 2 + [1] * 8, [0] * 10])
    truth = torch.tensor([[0] * 10, [0] * 5 + [1] * 5, [0] * 10], dtype=torch.uint8)
    quality = UncertaintyQuality(2)
    for image, score in enumerate((0.2, 0.3, 0.0)):
        probabilities = torch.nn.functional.one_hot(predicted[image], 2).T[:, None].float()
        quality.add(probabilities, {"u": torch.full((1, 10), score)}, truth[image, None])
    found = quality.result().maps["u"]
    assert (found.spearman, found.spearman_pixel_error) == pytest.approx((0.5, 1))


def test_certain_predictions_give_finite_numbers() -> None:
    """One-hot probabilities, half of them wrong, and an uncertainty that is zero everywhere."""
    truth = torch.tensor([[0, 0, 1, 1]], dtype=torch.uint8)
    probabilities = torch.tensor([1.0, 0.0])[:, None, None].expand(2, 1, 4)
    quality = UncertaintyQuality(2)
    quality.add(probabilities, {"u": torch.zeros(1, 4)}, truth)
    result = quality.result()
    assert result.ece == 0.5
    assert result.brier == 1
    assert 40 < result.nll < 50
    assert result.maps["u"].error_auroc == 0.5
    assert result.maps["u"].pavpu.pavpu.isfinite().all()


def test_nothing_counted_leaves_the_measures_open() -> None:
    quality = UncertaintyQuality(2)
    probabilities = torch.full((2, 3, 3), 0.5)
    quality.add(probabilities, {"u": torch.zeros(3, 3)}, torch.full((3, 3), 254, dtype=torch.uint8))
    result = quality.result()
    assert result.images == result.pixels == 0
    assert all(math.isnan(value) for value in (result.miou, result.nll, result.ece, result.classwise_ece))
    all_right = UncertaintyQuality(2)
    all_right.add(probabilities, {"u": torch.ones(3, 3)}, torch.zeros(3, 3, dtype=torch.uint8))
    found = all_right.result().maps["u"]
    assert math.isnan(found.error_auroc)
    assert math.isnan(found.error_aupr)
    assert found.aurc == 0
    assert found.pavpu.uncertain_if_inaccurate.isnan().all()


@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_an_uncertainty_below_zero_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="'u' has values below 0"):
        UncertaintyQuality(2).add(
            torch.full((2, 1, 1), 0.5), {"u": torch.full((1, 1), value)}, torch.zeros(1, 1, dtype=torch.uint8)
        )
