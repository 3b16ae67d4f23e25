"""How far a mean IoU depends on which images it was measured on."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.redraws import (
    BLOCK,
    DRAWS,
    counts_of_blocks,
    miou_range,
    range_of_difference,
    redrawn_mious,
    share_above,
)


def counted(*images: list[tuple[int, int, int]]) -> Tensor:
    """Return counts from (hit, true, predicted) by class of each image."""
    return torch.tensor(images, dtype=torch.int64).transpose(1, 2)


GOOD = [(90, 100, 95), (40, 50, 55)]
BAD = [(20, 100, 60), (10, 50, 90)]


def test_a_draw_counts_pixels_over_its_images_first() -> None:
    counts = counted(GOOD, BAD)

    mious = redrawn_mious(counts, seed=0)

    def miou(images: list[list[tuple[int, int, int]]]) -> float:
        hit, true, predicted = counted(*images).sum(dim=0).double()
        return float((hit / (true + predicted - hit)).mean())

    possible = {miou([one, other]) for one in (GOOD, BAD) for other in (GOOD, BAD)}
    assert len(mious) == DRAWS
    assert {round(value, 9) for value in mious.tolist()} == {round(value, 9) for value in possible}


def test_a_class_counts_in_the_draws_whose_truth_has_it() -> None:
    only_first = [(50, 100, 100), (0, 0, 0)]
    both = [(100, 100, 100), (0, 10, 0)]

    mious = redrawn_mious(counted(only_first, both), seed=0)

    assert {round(value, 6) for value in mious.tolist()} == {
        round(50 / 150, 6),
        round((150 / 250 + 0) / 2, 6),
        0.5,
    }


def test_the_range_narrows_with_the_number_of_images() -> None:
    few, many = (miou_range(counted(*(count * [GOOD, BAD])), seed=0) for count in (2, 50))

    assert few is not None
    assert many is not None
    assert few.low < many.low < many.high < few.high


def test_one_image_has_no_range_nor_have_images_without_labels() -> None:
    nothing = [(0, 0, 30), (0, 0, 20)]

    assert miou_range(counted(GOOD), seed=0) is None
    assert miou_range(counted(GOOD, nothing, nothing), seed=0) is None
    assert share_above(counted(GOOD), counted(BAD), seed=0) is None


def test_a_network_is_surely_above_one_that_is_worse_on_each_image() -> None:
    better = counted(GOOD, GOOD, GOOD)
    worse = counted(BAD, BAD, BAD)

    assert share_above(better, worse, seed=0) == 1
    assert share_above(worse, better, seed=0) == 0
    assert share_above(better, better, seed=0) == 0.5


def test_networks_are_compared_in_the_same_draws() -> None:
    noise = torch.Generator().manual_seed(1)
    true = torch.randint(50, 200, (8, 1, 3), generator=noise)
    hit = (true * torch.rand(8, 1, 3, generator=noise)).long()
    one = torch.cat([hit, true, true], dim=1)
    a_little_better = torch.cat([hit + 1, true, true], dim=1)

    assert share_above(a_little_better, one, seed=0) == 1


def test_what_knows_fewer_classes_can_be_compared() -> None:
    first_class_alone = counted(GOOD, GOOD)[:, :, :1]

    assert share_above(counted(BAD, BAD), first_class_alone, seed=0) == 0


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="no image"):
        redrawn_mious(torch.zeros(0, 3, 2, dtype=torch.int64), seed=0)
    with pytest.raises(ValueError, match="cannot be compared"):
        share_above(counted(GOOD, BAD), counted(GOOD), seed=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 1000))
def test_ranges_are_within_what_single_images_reach(images: int, classes: int, seed: int) -> None:
    noise = torch.Generator().manual_seed(seed)
    true = torch.randint(1, 100, (images, classes), generator=noise)
    predicted = torch.randint(0, 100, (images, classes), generator=noise)
    hit = (torch.minimum(true, predicted) * torch.rand(images, classes, generator=noise)).long()
    counts = torch.stack([hit, true, predicted], dim=1)

    found = miou_range(counts, seed=seed)

    by_image = (
        (hit / (true + predicted - hit)).min(dim=0).values.mean(),
        (hit / (true + predicted - hit)).max(dim=0).values.mean(),
    )
    assert found is not None
    assert by_image[0] - 1e-9 <= found.low <= found.high <= by_image[1] + 1e-6


def some_counts(seed: int, gain: int = 0, images: int = 20) -> Tensor:
    """Return counts of three classes, the last of which no image of the second half shows."""
    noise = torch.Generator().manual_seed(seed)
    true, predicted = torch.randint(50, 100, (2, images, 3), generator=noise)
    true[images // 2 :, 2] = 0
    hit = torch.minimum(torch.minimum(true, predicted), torch.randint(10, 40, true.shape, generator=noise))
    return torch.stack([(hit + gain).minimum(true), true, predicted + gain], dim=1)


def test_a_difference_in_area_lies_where_images_drawn_one_by_one_say() -> None:
    paid = [0.1, 0.2, 0.5]
    own, rival = ([[some_counts(first + at, gain) for at in range(3)]] for first, gain in ((0, 4), (3, 0)))
    noise = torch.Generator().manual_seed(1)

    def area(run: list[Tensor], drawn: Tensor) -> float:
        first, second, third = (redrawn(counts[drawn]) for counts in run)
        return (0.1 * (first + second) / 2 + 0.3 * (second + third) / 2) / 0.4

    def redrawn(counts: Tensor) -> float:
        hit, true, predicted = counts.sum(dim=0).double()
        return float((hit / (true + predicted - hit))[true > 0].mean())

    differences = []
    for _ in range(2000):
        drawn = torch.randint(20, (20,), generator=noise)
        differences.append(area(own[0], drawn) - area(rival[0], drawn))
    expected = torch.tensor(differences).quantile(torch.tensor([0.05, 0.95]))

    assert range_of_difference(own, rival, paid, seed=0) == pytest.approx(expected.tolist(), abs=0.003)
    # Another run of equal difference changes nothing, one of none halves it.
    twice = range_of_difference(own * 2, rival * 2, paid, seed=0)
    assert twice == pytest.approx(range_of_difference(own, rival, paid, seed=0))
    halved = range_of_difference([*own, *rival], rival * 2, paid, seed=0)
    assert halved is not None
    assert twice is not None
    assert halved == pytest.approx([end / 2 for end in twice])


def test_a_single_budget_is_compared_at_its_mean_iou() -> None:
    own, rival = some_counts(0, gain=20), some_counts(1)
    between = range_of_difference([[own]], [[rival]], [0.3], seed=0)
    assert between is not None
    gains = redrawn_mious(own, seed=0) - redrawn_mious(rival, seed=0)
    assert between == pytest.approx(gains.quantile(torch.tensor([0.05, 0.95]).double()).tolist())
    assert range_of_difference([[own[:5]]], [[rival[:5]]], [0.3], seed=0) is None, "too few for a range"


def test_blocks_are_short_runs_of_a_group() -> None:
    groups = [None, None, "a", "a", "b", "a", *["c"] * (2 * BLOCK + 3)]
    # Neighbours in a group, whatever lies between them in the set.
    counts = torch.arange(len(groups))[:, None, None].expand(-1, 3, 2)
    blocks = counts_of_blocks(counts, groups)
    places = [[0], [1], [2, 3, 5], [4], [*range(6, 16)], [*range(16, 26)], [26, 27, 28]]
    assert blocks[:, 0, 0].tolist() == [sum(block) for block in places]
    assert blocks.shape == (7, 3, 2)
    with pytest.raises(ValueError, match="2 groups for"):
        counts_of_blocks(counts, ["a", "a"])


def test_equal_frames_of_a_video_are_as_few_images_as_it_has_blocks() -> None:
    own, rival = some_counts(0, gain=4, images=8), some_counts(1, images=8)
    video = [counts.repeat_interleave(5, dim=0) for counts in (own, rival)]
    drives = [f"drive {place // 5}" for place in range(40)]
    as_images, as_video, as_blocks = (
        range_of_difference([[first]], [[second]], [0.3], seed=0)
        for first, second in (
            (own, rival),
            video,
            [counts_of_blocks(counts, drives) for counts in video],
        )
    )
    assert as_images is not None
    assert as_video is not None
    assert as_blocks == pytest.approx(as_images)
    assert as_video.high - as_video.low < 0.7 * (as_images.high - as_images.low)
