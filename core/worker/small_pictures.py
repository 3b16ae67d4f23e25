"""Images at the long side of a round. Of large files the few pixels are kept from round to round."""

from __future__ import annotations

import shutil
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.decoded_image import decoded_image
from storage.files import BlobStore
from storage.small_files import keep, kept
from storage.workspace import Workspace

FOLDER = "small_pictures"
"""In the workspace; it may be emptied at any time. It needs another name once pixels are made otherwise."""
MOST_BYTES = 16_000_000_000
"""What the folder may take; half of the free space if that is less."""
WORTH_KEEPING = 4
"""A picture is kept where its file is so many times as large as its pixels, so that what is kept for one long
side takes a quarter of the images' own space at most. To decode a PNG of twelve megapixels takes 0.4 s."""
LEAST_FREE = 2_000_000_000
"""Bytes of the disk that are left to what must not be lost: with less, nothing is kept."""
_SIZE = struct.Struct("<II")
_CHECKSUM = struct.Struct("<I")


@dataclass(frozen=True)
class SmallPictures:
    """Reads images by their blobs, also in the processes that read ahead.

    Attributes:
        blobs: Of the workspace.
        folder: Of what is kept.
        long_side: A larger image is shrunk to it, in pixels.
    """

    blobs: BlobStore
    folder: Path
    long_side: int

    @classmethod
    def of(cls, workspace: Workspace, long_side: int) -> SmallPictures:
        """Return what reads the images of a workspace."""
        return cls(workspace.blobs, workspace.path / FOLDER, long_side)

    def __call__(self, blob: str) -> Tensor:
        """Return an image, ``uint8 (3, h, w)``; the same bits whether they were kept or not.

        Raises:
            UnreadableImage: Its bytes are damaged.
            NotFound: Its file is gone.
        """
        path = self.folder / f"{blob}-{self.long_side}.rgb"
        content = kept(path)
        if content is not None and (known := _decoded(content)) is not None:
            return known
        data = self.blobs.get(blob)
        pixels = decoded_image(data, self.long_side)
        if len(data) >= WORTH_KEEPING * pixels.numel() and self._has_room():
            keep(path, _encoded(pixels), MOST_BYTES)
        return pixels

    def _has_room(self) -> bool:
        try:
            return shutil.disk_usage(self.folder.parent).free > LEAST_FREE
        except OSError:
            return False


def _encoded(pixels: Tensor) -> bytes:
    """Return height and width, the bytes of ``uint8 (3, h, w)``, and the checksum of all before it."""
    body = _SIZE.pack(*pixels.shape[1:]) + pixels.numpy().tobytes()
    return body + _CHECKSUM.pack(zlib.crc32(body))


def _decoded(content: bytes) -> Tensor | None:
    """Return what was kept; None when it is damaged, as after a failure of the disk."""
    body, checksum = content[: -_CHECKSUM.size], content[-_CHECKSUM.size :]
    if len(body) < _SIZE.size or _CHECKSUM.pack(zlib.crc32(body)) != checksum:
        return None
    height, width = _SIZE.unpack_from(body)
    pixels = np.frombuffer(body, np.uint8, offset=_SIZE.size).reshape(3, height, width)
    return torch.from_numpy(pixels.copy())
