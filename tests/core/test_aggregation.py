import inspect

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from core.acquisition.aggregation import AGGREGATIONS, Aggregation, score_image
from core.acquisition.pixel_scores import PIXEL_SCORES
from core.predict import predict_batch
from storage.settings import RoundSettings
from tests.core.image_scores import prediction_of
from tests.core.small_network import seeded, small_network, striped_data


def by_definition(
    name: str, scores: list[list[float]], classes: list[list[int]], valid: list[list[bool]]
) -> float:
    """Aggregate one map as the definition is written, pixel by pixel."""
    height, width = len(scores), len(scores[0])
    pixels = [(y, x) for y in range(height) for x in range(width) if valid[y][x]]
    values = sorted((scores[y][x] for y, x in pixels), reverse=True)

    def average(chosen: list[float]) -> float:
        return sum(chosen) / len(chosen)

    def patches() -> list[tuple[int, float]]:
        side = max(1, round(min(height, width) / 8))
        found = []
        for top in range(height - side + 1):
            for left in range(width - side + 1):
                inside = [
                    scores[y][x] for y, x in pixels if top <= y < top + side and left <= x < left + side
                ]
                if inside:
                    found.append((len(inside), average(inside)))
        most = max(count for count, _ in found)
        return [one for one in found if one[0] >= min(side * side / 2, most)]

    def alone(y: int, x: int) -> bool:
        around = [
            classes[a][b]
            for a in range(max(0, y - 1), min(height, y + 2))
            for b in range(max(0, x - 1), min(width, x + 2))
        ]
        return len(set(around)) == 1

    if name == "mean":
        return average(values)
    if name == "top_share":
        return average(values[: max(1, round(0.1 * len(values)))])
    if name == "quantile":
        ascending = values[::-1]
        return next(v for i, v in enumerate(ascending, 1) if i >= 0.95 * len(values) - 1e-9)
    if name == "patch_max":
        return max(value for _, value in patches())
    if name == "class_balanced":
        present = {classes[y][x] for y, x in pixels}
        return average([average([scores[y][x] for y, x in pixels if classes[y][x] == c]) for c in present])
    inner = [scores[y][x] for y, x in pixels if alone(y, x)]
    return average(inner or values)


@pytest.mark.parametrize("name", list(AGGREGATIONS))
@given(
    height=st.integers(1, 18),
    width=st.integers(1, 18),
    hidden=st.sampled_from([0.0, 0.3, 0.9]),
    seed=st.integers(0, 99),
)
def test_every_aggregation_is_what_its_definition_says(
    name: str, height: int, width: int, hidden: float, seed: int
) -> None:
    generator = seeded(seed)
    scores = torch.rand(2, height, width, generator=generator)
    classes = torch.randint(3, (-(-height // 4), -(-width // 4)), generator=generator)
    classes = classes.repeat_interleave(4, 0).repeat_interleave(4, 1)[:height, :width]
    valid = torch.rand(height, width, generator=generator) >= hidden
    valid[0, 0] = True
    found = AGGREGATIONS[name](scores, classes, valid)
    assert found.shape == (2,)
    for one, values in zip(found.tolist(), scores, strict=True):
        expected = by_definition(name, values.tolist(), classes.tolist(), valid.tolist())
        assert one == pytest.approx(expected, abs=1e-5)


def highest_pixel(scores: torch.Tensor, classes: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    return scores.amax(dim=(1, 2))


def highest_patch_of_a_fixed_size(
    scores: torch.Tensor, classes: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    return F.avg_pool2d(scores, 3, stride=1).amax(dim=(1, 2))


def mean_of_larger_and_larger_maps(aggregation: Aggregation) -> list[float]:
    """Aggregate maps of 24×36, 48×72 and 120×180 that differ in nothing but their size."""
    found = []
    for times in (3, 6, 15):
        height, width = 8 * times, 12 * times
        generator = seeded(1)
        # Neighbours are alike, as in an uncertainty map.
        scores = F.avg_pool2d(torch.rand(50, height + 2, width + 2, generator=generator), 3, stride=1)
        classes = torch.randint(3, (2 * times, 3 * times), generator=generator)
        classes = classes.repeat_interleave(4, 0).repeat_interleave(4, 1)
        every_pixel = torch.ones(height, width, dtype=torch.bool)
        found.append(float(aggregation(scores, classes, every_pixel).mean()))
    return found


@pytest.mark.parametrize("name", list(AGGREGATIONS))
def test_no_aggregation_grows_with_the_image(name: str) -> None:
    small, medium, large = mean_of_larger_and_larger_maps(AGGREGATIONS[name])
    assert medium < small + 0.01
    assert large < medium + 0.01


@pytest.mark.parametrize("aggregation", [highest_pixel, highest_patch_of_a_fixed_size])
def test_a_highest_score_would_grow_with_the_image(aggregation: Aggregation) -> None:
    small, medium, large = mean_of_larger_and_larger_maps(aggregation)
    assert medium > small + 0.02
    assert large > medium + 0.02


def test_the_settings_offer_every_aggregation() -> None:
    assert set(RoundSettings.model_json_schema()["properties"]["aggregation"]["enum"]) == set(AGGREGATIONS)


def test_an_image_is_scored_as_the_settings_say_by_default() -> None:
    defaults = {name: one.default for name, one in inspect.signature(score_image).parameters.items()}
    assert defaults["pixel_score"] == RoundSettings().pixel_score
    assert defaults["aggregation"] == RoundSettings().aggregation


def test_class_scores_rise_where_the_class_is_thought_of() -> None:
    samples = torch.zeros(1, 3, 8, 8)
    samples[:, 0, :4] = 1
    samples[:, 1, 4:], samples[:, 2, 4:] = 0.6, 0.4
    score = score_image(prediction_of(samples), "margin", "top_share")
    assert score.score == pytest.approx(0.8)
    assert score.class_scores.tolist() == pytest.approx([0, 0.48, 0.32])
    assert score.class_mass.tolist() == pytest.approx([0.5, 0.3, 0.2])


@pytest.mark.parametrize("pixel_score", list(PIXEL_SCORES))
def test_an_image_has_every_score_by_one_aggregation(pixel_score: str) -> None:
    samples = (2 * torch.randn(4, 3, 6, 9, generator=seeded())).softmax(dim=1)
    prediction = prediction_of(samples)
    score = score_image(prediction, pixel_score, "mean")
    for name, values in prediction.pixel_scores.items():
        assert score.scores[name] == pytest.approx(values.mean().item(), abs=1e-6)
    assert score.score == score.scores[pixel_score]
    expected = [
        prediction_of(half).pixel_scores[pixel_score].mean().item() for half in (samples[::2], samples[1::2])
    ]
    assert score.half_scores == pytest.approx(expected, abs=1e-6)


def test_classes_are_balanced_as_the_network_predicts_them() -> None:
    samples = torch.tensor([0.9, 0.08, 0.02]).view(1, 3, 1, 1).repeat(1, 1, 8, 8)
    samples[..., :1, :] = torch.tensor([0.38, 0.5, 0.12]).view(3, 1, 1)
    assert score_image(prediction_of(samples), "margin", "class_balanced").score == pytest.approx(0.53)


def test_one_sample_has_two_equal_halves() -> None:
    samples = torch.randn(1, 3, 6, 9, generator=seeded()).softmax(dim=1)
    score = score_image(prediction_of(samples))
    assert score.half_scores == (score.score, score.score)


def test_pixels_that_do_not_count_change_nothing() -> None:
    samples = (2 * torch.randn(4, 3, 8, 8, generator=seeded())).softmax(dim=1)
    valid = torch.ones(8, 8, dtype=torch.bool)
    valid[5:] = False
    changed = samples.clone()
    changed[..., 5:, :] = 1 / 3
    for name in ("mean", "top_share", "quantile", "patch_max", "class_balanced"):
        one, other = (
            score_image(prediction_of(s), aggregation=name, valid=valid) for s in (samples, changed)
        )
        assert one.score == pytest.approx(other.score), name
    assert score_image(prediction_of(samples), valid=valid & False).score == 0


@pytest.mark.parametrize("head", ["linear", "np", "np_classifier"])
def test_a_prediction_brings_all_that_a_score_needs(head: str, device: torch.device) -> None:
    image = striped_data(1, 1, side=44).images[0]
    network = small_network(head=head).to(device)
    noise = network.draw_noise(5, 1, seeded())
    (prediction,) = predict_batch(network, [image], noise=noise, device=device, with_gradient=True)
    score = score_image(prediction, "predictive_entropy", "top_share")
    assert set(score.scores) == set(PIXEL_SCORES)
    assert all(0 <= value <= 1 for value in score.scores.values())
    assert score.class_scores.shape == score.class_mass.shape == (3,)
    assert score.gradient is not None
    assert score.gradient.isfinite().all()
    counts = [half.count for half in prediction.halves]
    assert counts == ([1, 0] if head == "linear" else [3, 2])
    if head != "np_classifier":  # which has no spread before an image is labelled
        assert (score.half_scores[0] == score.half_scores[1]) == (head == "linear")
