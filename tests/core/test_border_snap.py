"""Borders between classes go to the edges beside them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from core.border_snap import REACH, SLIVER, snapped_borders


def halves(at: int, left: int = 60, right: int = 180) -> NDArray[np.uint8]:
    """An image of two grey halves, the second from column ``at`` on."""
    image = np.full((20, 30, 3), left, np.uint8)
    image[:, at:] = right
    return image


def classes_from(at: int) -> NDArray[np.uint8]:
    class_map = np.zeros((20, 30), np.uint8)
    class_map[:, at:] = 1
    return class_map


def test_a_border_goes_to_the_edge_beside_it() -> None:
    for off in (-REACH, 0, REACH):
        assert np.array_equal(snapped_borders(classes_from(15 + off), halves(15)), classes_from(15))


def test_an_edge_of_a_dark_place_is_one_too() -> None:
    assert np.array_equal(snapped_borders(classes_from(14), halves(15, 0, 6)), classes_from(15))


def test_a_border_moves_no_further_than_its_reach() -> None:
    moved = snapped_borders(classes_from(15), halves(22))
    changed = np.flatnonzero((moved != classes_from(15)).any(axis=0))
    assert set(changed.tolist()) <= {15 - REACH, 15}


def test_thin_lines_stay_and_slivers_go() -> None:
    class_map = np.zeros((20, 30), np.uint8)
    class_map[10, 4:26] = 3
    class_map[3, 3] = 2
    moved = snapped_borders(class_map, halves(0))
    assert np.array_equal(moved == 3, class_map == 3)
    assert 2 not in moved
    assert SLIVER > 1


@settings(max_examples=40, deadline=None)
@given(
    class_map=arrays.arrays(np.uint8, (9, 11), elements=st.integers(0, 3)),
    image=arrays.arrays(np.uint8, (9, 11, 3)),
)
def test_what_a_pixel_gets_was_within_reach(class_map: NDArray[np.uint8], image: NDArray[np.uint8]) -> None:
    before = class_map.copy()
    moved = snapped_borders(class_map, image)
    assert np.array_equal(class_map, before)
    assert moved.dtype == np.uint8
    around = np.pad(class_map, REACH, mode="edge")
    for y, x in np.argwhere(moved != class_map):
        window = around[y : y + 2 * REACH + 1, x : x + 2 * REACH + 1]
        assert len(np.unique(window)) > 1


def test_one_class_stays_as_it_is() -> None:
    class_map = np.full((5, 6), 7, np.uint8)
    assert np.array_equal(snapped_borders(class_map, np.zeros((5, 6, 3), np.uint8)), class_map)
