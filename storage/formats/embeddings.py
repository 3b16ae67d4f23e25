"""Embeddings of a project's images by one round, as an npz file."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EmbeddingSet:
    """Where a round sees N images, near to those that look alike to its encoder.

    Attributes:
        image_ids: ``(N,)`` int64, ascending.
        vectors: ``(N, E)`` float32 of unit length: a cosine is a dot product.
        plane: ``(N, 2)`` float32 in [0, 1], a projection that keeps neighbours together, for a map.
        alike_from: cosine that one in a hundred pairs of the images exceeds; up to it two images count as
            different.
    """

    image_ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    plane: NDArray[np.float32]
    alike_from: float


def encode_embeddings(embeddings: EmbeddingSet) -> bytes:
    """Return the file; vectors and plane are kept as float16."""
    file = io.BytesIO()
    np.savez(
        file,
        image_ids=embeddings.image_ids.astype(np.int64),
        vectors=embeddings.vectors.astype(np.float16),
        plane=embeddings.plane.astype(np.float16),
        alike_from=np.float64(embeddings.alike_from),
    )
    return file.getvalue()


def decode_embeddings(data: bytes) -> EmbeddingSet:
    """Read what :func:`encode_embeddings` wrote.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            found = EmbeddingSet(
                file["image_ids"],
                file["vectors"].astype(np.float32),
                file["plane"].astype(np.float32),
                float(file["alike_from"]),
            )
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"the embeddings are damaged: {error}") from error
    count = len(found.image_ids)
    if found.vectors.ndim != 2 or len(found.vectors) != count or found.plane.shape != (count, 2):
        raise ValueError("the embeddings are damaged: not one vector and one point for every image")
    return found
