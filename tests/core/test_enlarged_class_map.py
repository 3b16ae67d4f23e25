"""A large class map equals the one by enlarging every map."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from core.enlarged_class_map import enlarged_class_map

sides = st.integers(1, 12)


def is_highest(maps: Tensor, class_map: Tensor) -> bool:
    """Return whether a class map is that of maps enlarged bilinearly, to rounding."""
    size = class_map.shape
    enlarged = torch.nn.functional.interpolate(maps[None], size=size, mode="bilinear", align_corners=False)[0]
    chosen = enlarged.gather(0, class_map[None].long())[0]
    return bool((enlarged.amax(dim=0) - chosen <= 1e-5).all())


@given(
    size=st.tuples(sides, sides),
    result=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    classes=st.integers(1, 5),
    coarse=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_it_is_the_highest_of_the_enlarged_maps(
    size: tuple[int, int], result: tuple[int, int], classes: int, coarse: bool, seed: int
) -> None:
    maps = torch.rand(classes, *size, generator=torch.Generator().manual_seed(seed))
    maps = maps.mul(2).round() if coarse else maps
    found = enlarged_class_map(lambda: torch.split(maps, 2), maps.argmax(dim=0).byte(), *result)
    assert found.shape == result
    assert found.dtype == torch.uint8
    assert is_highest(maps, found)


def test_blocks_and_even_images_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    maps = torch.zeros(3, 20, 20)
    maps[1, :, :], maps[2, 4:7, 9:] = 1, 2

    def pieces() -> list[Tensor]:
        asked.append(1)
        return [maps]

    at_once = enlarged_class_map(pieces, maps.argmax(dim=0).byte(), 100, 90)
    assert is_highest(maps, at_once)
    monkeypatch.setattr("core.enlarged_class_map._PIXELS_AT_ONCE", 900)
    asked.clear()
    assert torch.equal(at_once, enlarged_class_map(pieces, maps.argmax(dim=0).byte(), 100, 90))
    assert len(asked) < 10  # Blocks without a border are not worked out.
