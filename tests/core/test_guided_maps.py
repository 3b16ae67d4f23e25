"""Maps are brought to the image's size along its edges."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from core.cells import Extent, enlarged
from core.guided_maps import GuidedMaps


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.randint(256, (3, height, width), dtype=torch.uint8, generator=seeded(seed))


def at_image(maps: Tensor, image: Tensor, extent: Extent | None = None) -> Tensor:
    height, width = image.shape[1:]
    return torch.cat(list(GuidedMaps(maps, image, extent or (height / 4, width / 4)).pieces()))


def stripe(edge: int, contrast: int = 200, side: int = 48) -> tuple[Tensor, Tensor]:
    """Return an image that is bright from column ``edge`` on, and the share of it in each cell."""
    image = torch.full((3, side, side), 20, dtype=torch.uint8)
    image[:, :, edge:] = 20 + contrast
    bright = torch.nn.functional.avg_pool2d((image[:1] > 20).float(), 4)
    return image, torch.cat([1 - bright, bright])


@given(height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 99))
def test_probabilities_still_sum_to_one_at_any_size(height: int, width: int, seed: int) -> None:
    cells = torch.rand(3, -(-height // 4), -(-width // 4), generator=seeded(seed))
    found = at_image(cells.div(cells.sum(dim=0)), noise(height, width, seed))
    assert found.shape == (3, height, width)
    assert torch.allclose(found.sum(dim=0), torch.ones(height, width), atol=1e-4)


def test_constant_maps_stay_what_they_are() -> None:
    found = at_image(torch.tensor([0.25, 0.75])[:, None, None].expand(2, 5, 9), noise(20, 36))
    assert torch.allclose(found[0], torch.full((20, 36), 0.25), atol=1e-5)
    assert torch.allclose(found[1], torch.full((20, 36), 0.75), atol=1e-5)


@pytest.mark.parametrize("edge", [21, 22, 23, 24])
@pytest.mark.parametrize("contrast", [12, 200])
def test_a_border_lies_where_the_image_has_its_edge(edge: int, contrast: int) -> None:
    image, cells = stripe(edge, contrast)
    found = at_image(cells, image).argmax(dim=0)
    assert torch.equal(found, (image[0] > 20).long())


def test_the_image_decides_within_a_cell() -> None:
    image, cells = stripe(23)
    whole = cells.round()  # The network takes a whole cell for dark, a quarter of which is bright.
    truth = (image[0] > 20).long()
    assert not torch.equal(enlarged(whole[None], 48, 48)[0].argmax(dim=0), truth)
    assert torch.equal(at_image(whole, image).argmax(dim=0), truth)


@pytest.mark.parametrize("height", [45, 46, 47, 48])
def test_the_last_cells_may_reach_beyond_the_image(height: int) -> None:
    image, cells = stripe(22)
    cut = image[:, :height].transpose(1, 2)
    found = at_image(cells.transpose(1, 2), cut, (12.0, height / 4)).argmax(dim=0)
    assert torch.equal(found, (cut[0] > 20).long())


def test_an_image_without_contrast_guides_nothing() -> None:
    cells = torch.rand(2, 6, 6, generator=seeded()).softmax(dim=0)
    grey = at_image(cells, torch.full((3, 24, 24), 90, dtype=torch.uint8))
    assert bool(torch.isfinite(grey).all())
    assert cells.min() <= grey.min()
    assert grey.max() <= cells.max()


def test_a_darker_photograph_has_the_same_edges() -> None:
    cells = torch.rand(2, 8, 8, generator=seeded()).softmax(dim=0)
    image = noise(32, 32) // 2 * 2
    assert torch.allclose(at_image(cells, image), at_image(cells, image // 2), atol=1e-4)


def test_maps_that_come_in_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    cells, image = torch.rand(5, 6, 6, generator=seeded()), noise(24, 24)
    together = at_image(cells, image)
    maps = GuidedMaps(cells, image, (6.0, 6.0))
    monkeypatch.setattr("core.guided_maps._FLOATS_AT_ONCE", 2 * 24 * 24)
    assert [len(piece) for piece in maps.pieces()] == [2, 2, 1]
    assert torch.allclose(torch.cat(list(maps.pieces())), together, atol=1e-6)


def test_it_is_the_guided_filter_of_the_paper() -> None:
    """Against the definition for one colour, window by window."""
    cells = torch.rand(1, 7, 7, generator=seeded())
    grey = torch.rand(7, 7, generator=seeded(1))
    image = (255 * grey).round().to(torch.uint8).expand(3, 7, 7)
    found = at_image(cells, image, (7.0, 7.0))[0].double().numpy()

    colour = image[0].double().numpy()
    colour = (colour - colour.mean()) / colour.std()
    guide, values = np.pad(colour, 2, "edge"), np.pad(cells[0].double().numpy(), 2, "edge")
    slope, offset = np.zeros((9, 9)), np.zeros((9, 9))
    for row in range(9):
        for column in range(9):
            i, p = (of[row : row + 3, column : column + 3] for of in (guide, values))
            # Three equal colours share the slope, so ε is a third of what it is for one.
            slope[row, column] = ((i * p).mean() - i.mean() * p.mean()) / (i.var() + 0.03 / 3)
            offset[row, column] = p.mean() - slope[row, column] * i.mean()
    for row in range(2, 5):
        for column in range(2, 5):
            square = (slice(row, row + 3), slice(column, column + 3))
            expected = slope[square].mean() * colour[row, column] + offset[square].mean()
            assert found[row, column] == pytest.approx(expected, abs=1e-4)
