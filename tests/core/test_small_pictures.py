"""Of large files the few pixels that a round sees are kept, and nothing else changes by it."""

import io
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from core.decoded_image import UnreadableImage, decoded_image
from core.worker.small_pictures import LEAST_FREE, WORTH_KEEPING, SmallPictures
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


def test_what_was_kept_and_is_damaged_is_made_again(workspace: Workspace) -> None:
    data = noise(300, 200)
    blob = workspace.blobs.put(data)
    pictures = SmallPictures.of(workspace, SIDE)
    wanted = pictures(blob)
    (kept,) = files_of(pictures)
    whole = kept.read_bytes()
    flipped = [bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]]) for at in (0, 4, 9, len(whole) - 1)]
    for damage in (b"", b"no picture", whole[:-1], whole + b"0", *flipped):
        kept.write_bytes(damage)
        assert torch.equal(pictures(blob), wanted)
        assert kept.read_bytes() == whole


def test_a_disk_that_is_nearly_full_is_left_to_the_labels(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = noise(300, 200)
    pictures = SmallPictures.of(workspace, SIDE)
    for free, is_kept in ((LEAST_FREE, False), (LEAST_FREE + 1, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        assert torch.equal(pictures(workspace.blobs.put(data)), decoded_image(data, SIDE))
        assert bool(files_of(pictures)) == is_kept


def test_a_folder_that_cannot_be_written_keeps_no_round_from_its_images(workspace: Workspace) -> None:
    pictures = SmallPictures.of(workspace, SIDE)
    pictures.folder.write_text("in the way")
    data = noise(300, 200)
    assert torch.equal(pictures(workspace.blobs.put(data)), decoded_image(data, SIDE))
    damaged = workspace.blobs.put(data[: len(data) // 2])
    with pytest.raises(UnreadableImage):
        pictures(damaged)
