"""Stored pictures become the pixels that a network sees."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from core.decoded_image import UnreadableImage, decoded_image


def smooth(height: int, width: int) -> Image.Image:
    coarse = np.random.default_rng(0).integers(
        0, 256, (max(1, height // 80), max(1, width // 80), 3), dtype=np.uint8
    )
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def stored(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, quality=95)
    return file.getvalue()


@pytest.mark.parametrize(("kind", "apart"), [("PNG", 1), ("JPEG", 4)])
@pytest.mark.parametrize(("height", "width"), [(480, 720), (1601, 1200), (32, 2000)])
def test_a_large_picture_is_shrunk_to_the_long_side(kind: str, apart: int, height: int, width: int) -> None:
    data = stored(smooth(height, width), kind)
    whole = decoded_image(data)
    assert whole.shape == (3, height, width)
    found = decoded_image(data, 100)
    assert found.dtype == torch.uint8
    assert max(found.shape[1:]) == 100
    expected = F.interpolate(whole[None].float(), size=found.shape[1:], mode="bilinear", antialias=True)[0]
    assert (found - expected).abs().mean() < apart / 2
    assert (found - expected).abs().max() <= 4 * apart


def test_a_smaller_picture_keeps_its_size() -> None:
    data = stored(smooth(48, 64), "JPEG")
    assert torch.equal(decoded_image(data, 64), decoded_image(data))
    assert decoded_image(data, 1000).shape == (3, 48, 64)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_a_picture_of_other_colours_has_three_channels(mode: str) -> None:
    data = stored(smooth(480, 320).convert(mode), "PNG")
    assert decoded_image(data).shape == (3, 480, 320)
    assert decoded_image(data, 60).shape == (3, 60, 40)


@pytest.mark.parametrize("long_side", [None, 20])
def test_a_damaged_picture_is_refused(long_side: int | None) -> None:
    data = stored(smooth(480, 320), "JPEG")
    for bad in (b"", b"no image", data[: len(data) // 2]):
        with pytest.raises(UnreadableImage):
            decoded_image(bad, long_side)
