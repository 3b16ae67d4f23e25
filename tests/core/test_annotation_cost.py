"""Clicks of the simulated annotator against counting by hand and by brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.superpixels import SEGMENTS as OFFERED
from app.superpixels import segment
from core.annotation_cost import (
    SEGMENTS,
    Annotator,
    agreement,
    cheaper,
    correct,
    correction_clicks,
    cut_into_superpixels,
    hours,
    superpixel_clicks,
)
from core.data import NOT_LABELLED, VOID
from tests.core.blocks_project import block_scene

label_maps = arrays.arrays(np.uint8, (4, 6), elements=st.sampled_from([0, 1, 2, NOT_LABELLED, VOID]))
class_maps = arrays.arrays(np.uint8, (4, 6), elements=st.integers(0, 2))
grids = arrays.arrays(np.intp, (4, 6), elements=st.integers(0, 5))


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def squares(side: int, height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width] // side
    return rows * (width // side) + columns


@given(grids, label_maps, class_maps)
def test_superpixel_clicks_are_those_counted_one_by_one(
    superpixels: np.ndarray, truth: np.ndarray, suggestion: np.ndarray
) -> None:
    from_scratch = corrected = 0
    for superpixel in set(superpixels.ravel().tolist()):
        counted = [
            (true, suggested)
            for of, true, suggested in zip(superpixels.flat, truth.flat, suggestion.flat, strict=True)
            if of == superpixel and true < NOT_LABELLED
        ]
        if not counted:
            continue
        from_scratch += 1
        dominant = [
            max(range(3), key=[pair[side] for pair in counted].count) for side in (0, 1)
        ]  # max returns the first of equals
        corrected += dominant[0] != dominant[1]
    assert superpixel_clicks(superpixels, truth) == from_scratch
    assert superpixel_clicks(superpixels, truth, suggestion) == corrected


def test_superpixels_are_those_of_the_editor() -> None:
    pixels, _ = block_scene(0)
    assert SEGMENTS == OFFERED
    for ids, segments in zip(cut_into_superpixels(pixels), OFFERED, strict=True):
        assert (np.unique(ids, return_inverse=True)[1].reshape(ids.shape) == segment(pixels, segments)).all()


def test_a_click_for_each_class_where_the_superpixels_fit() -> None:
    truth = np.zeros((16, 16), np.uint8)
    truth[:8, 8:] = 1
    truth[8:, :8] = 2
    superpixels = [squares(8, 16, 16)]
    annotator = Annotator(target=1.0)
    # The largest class fills the image; two superpixels then get theirs.
    assert correction_clicks(None, truth, superpixels, annotator, generator()) == (3, True)
    suggestion = truth.copy()
    suggestion[:8, 8:] = 0
    assert correction_clicks(suggestion, truth, superpixels, annotator, generator()) == (1 + 1, True)
    assert correction_clicks(truth, truth, superpixels, annotator, generator()) == (1, True)
    in_time, too_late = Annotator(1.0, most_clicks=2), Annotator(1.0, most_clicks=1)
    assert correction_clicks(suggestion, truth, superpixels, in_time, generator()) == (2, True)
    assert correction_clicks(suggestion, truth, superpixels, too_late, generator()) == (1, False)


def test_a_suggestion_of_no_use_costs_more_than_none() -> None:
    truth = np.zeros((16, 16), np.uint8)
    truth[:8, 8:] = 1
    noise = generator().integers(0, 2, truth.shape).astype(np.uint8)
    ways = [
        correction_clicks(start, truth, [squares(4, 16, 16)], Annotator(target=1.0), generator())
        for start in (None, noise)
    ]
    assert ways[0][0] < ways[1][0]
    assert cheaper(*ways) == cheaper(*ways[::-1]) == ways[0]
    assert cheaper((200, False), (180, True)) == (180, True), "one that reaches the target comes first"
    assert cheaper((180, True), (150, False)) == (180, True)


def test_a_wrong_region_is_relabelled_at_once() -> None:
    truth = np.zeros((16, 16), np.uint8)
    truth[2:14, 2:14] = 1
    suggestion = np.where(truth == 1, 2, 0).astype(np.uint8)
    outcome = correct(suggestion, truth, [squares(4, 16, 16)], Annotator(target=1.0), generator())
    assert (outcome.clicks, outcome.reached) == (1, True)
    assert (outcome.label_map == truth).all()


def test_void_pixels_cost_nothing_but_the_click_that_submits_them() -> None:
    truth = np.full((8, 8), VOID, np.uint8)
    assert agreement(np.zeros_like(truth), truth) == 1
    for suggestion in (None, np.zeros_like(truth)):
        cost = correction_clicks(suggestion, truth, [squares(4, 8, 8)], Annotator(), generator())
        assert cost == (1, True)
    assert superpixel_clicks(squares(4, 8, 8), truth) == 0


def test_who_cannot_reach_the_target_gives_up_at_the_most_clicks() -> None:
    truth = (np.indices((16, 16)).sum(axis=0) % 2).astype(np.uint8)
    annotator = Annotator(most_clicks=7)
    outcome = correct(np.zeros_like(truth), truth, [squares(8, 16, 16)], annotator, generator())
    assert (outcome.clicks, outcome.reached) == (7, False)


@settings(max_examples=40)
@given(label_maps, class_maps, grids)
def test_each_click_without_errors_makes_more_pixels_right(
    truth: np.ndarray, start: np.ndarray, superpixels: np.ndarray
) -> None:
    before = agreement(start, truth)
    for most in range(1, 6):
        outcome = correct(start, truth, [superpixels], Annotator(1.0, most_clicks=most), generator())
        after = agreement(outcome.label_map, truth)
        assert after >= before
        assert outcome.reached == (after == 1)
        before = after


def test_a_shaking_hand_and_errors_cost_clicks_and_depend_on_the_generator_alone() -> None:
    pixels, truth = block_scene(1)
    superpixels = cut_into_superpixels(pixels)
    sure, _ = correction_clicks(None, truth, superpixels, Annotator(), generator())
    shaky = Annotator(jitter=6.0, class_errors=0.3)
    tries = [correction_clicks(None, truth, superpixels, shaky, np.random.default_rng(n)) for n in range(8)]
    assert np.mean([clicks for clicks, _ in tries]) > sure
    assert tries[3] == correction_clicks(None, truth, superpixels, shaky, np.random.default_rng(3))


def test_hours_and_what_is_refused() -> None:
    assert hours(1800, 2.0) == 1.0
    with pytest.raises(ValueError, match="more than 0"):
        hours(1, 0)
    for named in (
        {"target": 0},
        {"target": 1.5},
        {"most_clicks": 0},
        {"jitter": -1},
        {"jitter": math.nan},
        {"class_errors": 2},
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            Annotator(**named)
    with pytest.raises(ValueError, match="equal sizes"):
        correction_clicks(
            np.zeros((2, 2), np.uint8), np.zeros((3, 2), np.uint8), [], Annotator(), generator()
        )
