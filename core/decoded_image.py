"""A stored picture as the pixels that a network sees."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.data import size_at_long_side

_DECODED_AT = 2
"""A JPEG that is to be shrunk is decoded at so many times the size at least, so that its edges stay sharp."""


class UnreadableImage(Exception):
    """Stored bytes that are no image any more; the text says what Pillow saw."""


def decoded_image(data: bytes, long_side: int | None = None) -> Tensor:
    """Pixels of a stored picture as ``uint8 (3, H, W)``; grey is repeated, transparency is dropped.

    Args:
        data: The bytes of its file.
        long_side: A larger picture is shrunk to it; by default each keeps its size.

    Raises:
        UnreadableImage: the bytes are damaged.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if long_side is None or max(width, height) <= long_side:
                picture = image.convert("RGB")
            else:
                height, width = size_at_long_side(height, width, long_side)
                # A JPEG is decoded at an eighth, a quarter or half of its size in a fraction of the time.
                drafted = image.draft(None, (_DECODED_AT * width, _DECODED_AT * height))
                # Its last row and column may reach beyond the picture, and would shift all others.
                within = drafted[1] if drafted else None
                picture = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR, within)
            # PyTorch would do it in threads of its own, in the way of those that predict the image before.
            pixels = np.array(picture).transpose(2, 0, 1).copy()
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for broken PNG chunks
        raise UnreadableImage(str(error)) from error
    return torch.from_numpy(pixels)
