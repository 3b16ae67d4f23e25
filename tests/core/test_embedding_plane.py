"""Embeddings kept short keep their cosines, and a map keeps neighbours together."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core import embedding_plane


def clusters(count: int, each: int, dimensions: int, spread: float = 0.1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(count, dimensions, generator=generator), dim=1)
    member = torch.arange(count).repeat_interleave(each)
    noise = spread * torch.randn(count * each, dimensions, generator=generator) / dimensions**0.5
    return F.normalize(centres[member] + noise, dim=1), member


def test_shortened_embeddings_keep_their_cosines() -> None:
    embeddings, _ = clusters(20, 30, 300)
    short = embedding_plane.shortened(embeddings)
    assert short.shape == (600, 64)
    torch.testing.assert_close(short.norm(dim=1), torch.ones(600))
    torch.testing.assert_close(short @ short.T, embeddings @ embeddings.T, atol=0.02, rtol=0)


def test_short_embeddings_stay() -> None:
    embeddings, _ = clusters(3, 5, 16)
    torch.testing.assert_close(embedding_plane.shortened(embeddings), embeddings)


def test_copies_of_one_image_are_in_one_place() -> None:
    # t-SNE ends the process on them.
    places = embedding_plane.plane(vector(64).expand(12, -1), 0)
    assert places.isfinite().all()
    assert torch.equal(places, places[:1].expand(12, -1))


def vector(dimensions: int) -> Tensor:
    return F.normalize(torch.randn(1, dimensions, generator=torch.Generator().manual_seed(1)), dim=1)


def neighbours_kept(places: Tensor, member: Tensor) -> float:
    distances = torch.cdist(places, places).fill_diagonal_(9)
    return float((member[distances.argmin(dim=1)] == member).float().mean())


def test_neighbours_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, member = clusters(8, 20, 32)
    places = embedding_plane.plane(embeddings, 0)
    assert places.shape == (160, 2)
    assert float(places.min()) >= 0
    assert float(places.max()) <= 1
    assert neighbours_kept(places, member) > 0.95
    torch.testing.assert_close(places, embedding_plane.plane(embeddings, 0))
    monkeypatch.setattr(embedding_plane, "LAID_OUT", 80)
    assert neighbours_kept(embedding_plane.plane(embeddings, 0), member) > 0.95


def test_a_map_changes_little_from_round_to_round() -> None:
    embeddings, _ = clusters(8, 20, 32)
    first = embedding_plane.plane(embeddings, 0)
    nudged = F.normalize(
        embeddings + 0.01 * torch.randn(160, 32, generator=torch.Generator().manual_seed(2)), dim=1
    )
    before = first.clone()
    before[0] = torch.nan
    moved = (embedding_plane.plane(nudged, 0, before) - first).norm(dim=1)
    assert float(moved.median()) < 0.1


@pytest.mark.parametrize("count", [0, 1, 2, 9, 11])
def test_few_images_have_a_map_too(count: int) -> None:
    places = embedding_plane.plane(F.normalize(torch.randn(count, 8), dim=1), 0)
    assert places.shape == (count, 2)
    assert bool(places.isfinite().all())
    assert bool(((places >= 0) & (places <= 1)).all())
