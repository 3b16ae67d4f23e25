"""Images and label maps as the training loop holds them, and resizing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F

NOT_LABELLED = 254
"""Label value of a pixel nobody has vouched for."""
VOID = 255
"""Label value of a pixel to ignore."""


@dataclass
class TrainingData:
    """What one round trains on.

    Attributes:
        images: ``uint8`` tensors ``(3, h, w)`` of any sizes. A list is held in memory; another sequence
            is read again and again by other processes, so it must be picklable.
        labels: Image index to ``uint8`` label map ``(h, w)`` of the image's size; 254 and 255 train nothing.
        unlabelled: Indices of images that train without labels; may be empty.
    """

    images: Sequence[torch.Tensor]
    labels: dict[int, torch.Tensor]
    unlabelled: list[int]

    def __post_init__(self) -> None:
        for index, label in self.labels.items():
            size = self.images[index].shape[1:]
            if label.shape != size:
                raise ValueError(f"Label map {index} is {tuple(label.shape)}, its image {tuple(size)}.")


class ImagesOnDemand(Sequence[torch.Tensor]):
    """The images of a round that are too many for the memory.

    Args:
        held: The first images, ``uint8 (3, h, w)``.
        count: Number of those that follow.
        read: Returns one of them by its number from 0; picklable, other processes call it too.
    """

    def __init__(self, held: list[torch.Tensor], count: int, read: Callable[[int], torch.Tensor]) -> None:
        self.held = held
        self._read_count = count
        self.read = read

    def __len__(self) -> int:
        return len(self.held) + self._read_count

    def __getitem__(self, index: int) -> torch.Tensor:  # type: ignore[override]
        return self.held[index] if index < len(self.held) else self.read(index - len(self.held))


class Batch(NamedTuple):
    """Square crops on the training device."""

    images: torch.Tensor
    """``(B, 3, side, side)`` float in [0, 1]."""
    labels: torch.Tensor
    """``(B, side, side)`` uint8; 254 not labelled, 255 void or outside the image."""
    indices: torch.Tensor
    """``(B,)`` int64, the images they are cut from."""


class UnlabelledBatch(NamedTuple):
    """Two views of the same square crops of unlabelled images, on the training device."""

    weak: torch.Tensor
    """``(B, 3, side, side)`` float in [0, 1]: scaled, mirrored and cut only. The teacher sees it."""
    strong: torch.Tensor
    """``(B, 3, side, side)`` float in [0, 1]: the same pixels in other colours. The student sees it."""
    inside: torch.Tensor
    """``(B, side, side)`` bool, False where the crop reaches beyond the image."""


def size_at_long_side(height: int, width: int, side: int) -> tuple[int, int]:
    """Return height and width after shrinking to a long side of at most ``side``; each at least 1."""
    scale = min(1.0, side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def without_classes(label_map: torch.Tensor, classes: Sequence[int]) -> torch.Tensor:
    """Return a label map, ``uint8`` of any shape, whose pixels of these classes are not labelled."""
    if not classes:
        return label_map
    gone = torch.isin(label_map, torch.tensor(classes, dtype=torch.uint8))
    return label_map.masked_fill(gone, NOT_LABELLED)


def label_to_size(labels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize a label map ``(h, w)`` or a batch ``(B, h, w)`` by nearest neighbour; values never mix."""
    if labels.shape[-2:] == (height, width):
        return labels
    rows, columns = (
        _nearest(of_map, of_small, labels.device)
        for of_map, of_small in zip(labels.shape[-2:], (height, width), strict=True)
    )
    return labels[..., rows[:, None], columns]


def label_to_train(labels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize a label map ``(H, W)`` as :func:`label_to_size` does, but lose no label that is thin or small.

    A place whose nearest pixel is not labelled gets the class that most of its labelled pixels have, of
    equally many the first: a line of one pixel in a photograph of 4000 would have hardly any pixel left.
    """
    small = label_to_size(labels, height, width)
    missed = small == NOT_LABELLED
    if small.shape == labels.shape or not missed.any():
        return small
    # A smaller map has pixels that no place is nearest to; each belongs to the place that it lies in.
    rows, columns = (
        torch.arange(of_map) * of_small // of_map
        for of_map, of_small in zip(labels.shape, (height, width), strict=True)
    )
    y, x = ((labels < NOT_LABELLED) & missed[rows][:, columns]).nonzero(as_tuple=True)
    seen, counts = torch.unique(256 * (rows[y] * width + columns[x]) + labels[y, x], return_counts=True)
    by_count = torch.argsort(counts, descending=True, stable=True)
    places = seen[by_count] // 256
    order = torch.argsort(places, stable=True)
    places, values = places[order], seen[by_count][order] % 256
    is_first = torch.ones_like(places, dtype=torch.bool)
    is_first[1:] = places[1:] != places[:-1]
    small = small.clone()
    small.view(-1)[places[is_first]] = values[is_first].to(torch.uint8)
    return small


def _nearest(length: int, wanted: int, device: torch.device) -> torch.Tensor:
    """Return the places of an axis that PyTorch's ``nearest-exact`` takes, without a copy of all."""
    places = torch.arange(length, dtype=torch.float32, device=device)
    return F.interpolate(places[None, None], size=wanted, mode="nearest-exact")[0, 0].long()
