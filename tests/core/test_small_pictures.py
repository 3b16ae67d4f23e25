"""Of large files the few pixels that a round sees are kept, and nothing else changes by it."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.round_data import UnreadableImage, decoded_image
from core.worker.small_pictures import WORTH_KEEPING, SmallPictures
from storage.errors import NotFound
from storage.workspace import Workspace
from tests.core.blocks_project import png

SIDE = 64


def noise(height: int, width: int) -> bytes:
    """A PNG that no compression makes smaller."""
    return png(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def files_of(pictures: SmallPictures) -> list[Path]:
    return sorted(pictures.folder.iterdir()) if pictures.folder.exists() else []


def test_a_large_picture_is_decoded_once(workspace: Workspace) -> None:
    data = noise(300, 200)
    blob = workspace.blobs.put(data)
    pictures = SmallPictures.of(workspace, SIDE)
    wanted = decoded_image(data, SIDE)
    assert torch.equal(pictures(blob), wanted)
    (kept,) = files_of(pictures)
    Path(workspace.blobs.place(blob)).unlink()
    again = pictures(blob)
    assert torch.equal(again, wanted)
    again.zero_()
    assert torch.equal(pictures(blob), wanted), "whoever changes what was read changes nothing that is kept"
    assert kept.stat().st_size * WORTH_KEEPING < 1.1 * len(data)
    with pytest.raises(NotFound):
        SmallPictures.of(workspace, SIDE // 2)(blob)


def test_what_is_hardly_larger_than_its_pixels_is_not_kept(workspace: Workspace) -> None:
    file = io.BytesIO()
    Image.new("RGB", (1000, 800)).save(file, format="JPEG")
    pictures = SmallPictures.of(workspace, SIDE)
    for data in (noise(60, 60), noise(100, 80), file.getvalue()):
        assert torch.equal(pictures(workspace.blobs.put(data)), decoded_image(data, SIDE))
    assert files_of(pictures) == []


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"no picture"])
def test_what_was_kept_and_is_damaged_is_made_again(workspace: Workspace, damage: bytes) -> None:
    data = noise(300, 200)
    blob = workspace.blobs.put(data)
    pictures = SmallPictures.of(workspace, SIDE)
    pictures(blob)
    (kept,) = files_of(pictures)
    kept.write_bytes(damage)
    for _ in range(2):
        assert torch.equal(pictures(blob), decoded_image(data, SIDE))
    assert kept.stat().st_size > len(damage)


def test_a_folder_that_cannot_be_written_keeps_no_round_from_its_images(workspace: Workspace) -> None:
    pictures = SmallPictures.of(workspace, SIDE)
    pictures.folder.write_text("in the way")
    data = noise(300, 200)
    assert torch.equal(pictures(workspace.blobs.put(data)), decoded_image(data, SIDE))
    damaged = workspace.blobs.put(data[: len(data) // 2])
    with pytest.raises(UnreadableImage):
        pictures(damaged)
