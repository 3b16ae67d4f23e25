"""Square crops of images and label maps: drawn on the CPU, cut on the training device in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from core.data import NOT_LABELLED, VOID, TrainingData
from core.step_generator import step_generator

_SCALES = (0.6, 1.7)
_PADDING_GREY = 128 / 255
_CENTRED_SHARE = 0.5
_PIXELS_PER_CLASS = 256
"""Pixels of a class that are kept per image for crops to be centred on."""


class Crops(NamedTuple):
    """Where B crops lie, before any image is read."""

    images: list[int]
    """B indices of images."""
    scale: Tensor
    """``(B,)`` crop pixels per image pixel."""
    place: Tensor
    """``(B, 2)`` in [0, 1): row and column of the crop among all its possible places."""
    centre: Tensor
    """``(B, 2)`` row and column of a pixel the crop shall hold at ``place``; NaN without one."""
    mirrored: Tensor
    """``(B,)`` bool."""


class StepCrops(NamedTuple):
    """The crops of one training step."""

    labelled: Crops
    unlabelled: Crops | None

    def images(self) -> list[int]:
        """Return the indices of all images, those of the labelled crops first."""
        return self.labelled.images + (self.unlabelled.images if self.unlabelled else [])


class CropDraws:
    """Draws the crops of a step; the same step draws the same crops, whenever and wherever it is asked.

    Half of the labelled crops hold a pixel of a class that is drawn with a probability that falls with
    its frequency (∝ frequency^−½), so that rare classes are seen; the others are uniform over images
    and positions. Scales are log-uniform in 0.6…1.7, every second crop is mirrored.

    Args:
        data: At least one label map.
        batch_size: Labelled crops per step, and as many unlabelled ones.
        side: Of a crop, pixels.
        seed: Of the training.
        rank: Of this process.
        unlabelled_from: First step with unlabelled crops.
    """

    def __init__(
        self,
        data: TrainingData,
        batch_size: int,
        side: int,
        *,
        seed: int,
        rank: int = 0,
        unlabelled_from: int = 0,
    ) -> None:
        self.batch_size = batch_size
        self.side = side
        self.seed = seed
        self.rank = rank
        self._labelled = sorted(data.labels)
        self._unlabelled = list(data.unlabelled)
        self._unlabelled_from = unlabelled_from
        self._pixels, frequency = _pixels_of_classes(data.labels, seed)
        self._class_weight = frequency.clamp(min=1) ** -0.5 * (frequency > 0)

    def at(self, step: int) -> StepCrops:
        """Return the crops of a step, counted from 0."""
        generator = step_generator(self.seed, step, self.rank, "crops")
        labelled = self._draw(self._labelled, generator)
        if self._pixels:
            centred = torch.rand(self.batch_size, generator=generator) < _CENTRED_SHARE
            classes = torch.multinomial(
                self._class_weight, self.batch_size, replacement=True, generator=generator
            )
            chosen = torch.rand(self.batch_size, 2, generator=generator).tolist()
            for crop in centred.nonzero().flatten().tolist():
                holders = self._pixels[int(classes[crop])]
                image, pixels = holders[int(chosen[crop][0] * len(holders))]
                labelled.images[crop] = image
                labelled.centre[crop] = pixels[int(chosen[crop][1] * len(pixels))]
        unlabelled = bool(self._unlabelled) and step >= self._unlabelled_from
        return StepCrops(labelled, self._draw(self._unlabelled, generator) if unlabelled else None)

    def _draw(self, indices: list[int], generator: torch.Generator) -> Crops:
        low, high = _SCALES
        uniform = torch.rand(self.batch_size, 4, generator=generator)
        chosen = torch.randint(len(indices), (self.batch_size,), generator=generator)
        return Crops(
            images=[indices[index] for index in chosen.tolist()],
            scale=low * (high / low) ** uniform[:, 0],
            place=uniform[:, 1:3],
            centre=torch.full((self.batch_size, 2), torch.nan),
            mirrored=uniform[:, 3] < 0.5,
        )


def cut(
    crops: Crops, images: Sequence[Tensor], labels: Sequence[Tensor] | None, side: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cut square crops out of images, scaled and mirrored; images of one size are cut together.

    A crop is a weighted sum of image rows, then of columns: two batched matrix products. The weights
    are those of bilinear interpolation where the crop enlarges and of its antialiased form (a triangle
    as wide as a crop pixel) where it shrinks. Labels are taken from the nearest pixel.

    Args:
        crops: B of them.
        images: Their B images, ``uint8 (3, h, w)``.
        labels: Their label maps, ``uint8 (h, w)``; None when they have none.
        side: Of the crops.
        device: Where the crops are made.

    Returns:
        Pixels ``(B, 3, side, side)`` float in [0, 1], grey outside the image; and label
        values ``(B, side, side)`` uint8, 255 outside the image, 254 inside without labels.
    """
    pixels = torch.empty(len(images), 3, side, side, device=device)
    values = torch.empty(len(images), side, side, dtype=torch.uint8, device=device)
    groups: dict[tuple[int, ...], list[int]] = {}
    for position, image in enumerate(images):
        groups.setdefault(tuple(image.shape[1:]), []).append(position)
    for size, members in groups.items():
        at = torch.tensor(members)
        rows, columns = (part.to(device, non_blocking=True) for part in _coordinates(crops, at, size, side))
        reach = crops.scale[at, None, None].reciprocal().clamp(min=1).to(device, non_blocking=True)
        by_row, by_column = _weights(rows, size[0], reach), _weights(columns, size[1], reach)
        stacked = torch.stack([images[member] for member in members]).to(device, non_blocking=True)
        by_column = by_column / 255
        cut_out = by_row[:, None] @ (stacked.flatten(1, 2).float() @ by_column.mT).unflatten(1, (3, -1))
        inside = _is_inside(rows, size[0])[:, :, None] & _is_inside(columns, size[1])[:, None]
        at = at.to(device, non_blocking=True)
        pixels[at] = torch.where(inside[:, None], cut_out, _PADDING_GREY)
        if labels is None:
            values[at] = torch.where(inside, NOT_LABELLED, VOID).to(torch.uint8)
        else:
            maps = torch.stack([labels[member] for member in members]).to(device, non_blocking=True)
            each = torch.arange(len(members), device=device)[:, None, None]
            row = rows.long().clamp(0, size[0] - 1)[:, :, None]
            column = columns.long().clamp(0, size[1] - 1)[:, None]
            values[at] = torch.where(inside, maps[each, row, column], VOID)
    return pixels, values


def _coordinates(crops: Crops, at: Tensor, size: tuple[int, ...], side: int) -> tuple[Tensor, Tensor]:
    """Rows and columns, ``(B, side)`` each, of the crops' pixel centres in image pixels (0 = its edge).

    An image smaller than the crop's window lies somewhere in the crop, whole.
    """
    length = torch.tensor(size, dtype=torch.float32)
    scale, place, centre = crops.scale[at, None], crops.place[at], crops.centre[at]
    window = side / scale
    room = length - window
    start = torch.where(centre.isnan(), place * room, centre + 0.5 - place * window)
    start = start.clamp(room.clamp(max=0), room.clamp(min=0))
    offset = (torch.arange(side) + 0.5) / scale
    rows, columns = start[:, :1] + offset, start[:, 1:] + offset
    return rows, torch.where(crops.mirrored[at, None], columns.flip(1), columns)


def _weights(coordinates: Tensor, length: int, reach: Tensor) -> Tensor:
    """Weights ``(B, side, length)`` of a row or column of pixels; they sum to 1 within the image."""
    centres = torch.arange(length, device=coordinates.device) + 0.5
    weights = (1 - (coordinates[:, :, None] - centres).abs() / reach).clamp(min=0)
    return weights / weights.sum(dim=2, keepdim=True).clamp(min=1e-6)


def _is_inside(coordinates: Tensor, length: int) -> Tensor:
    return (coordinates >= 0) & (coordinates < length)


def _pixels_of_classes(
    labels: dict[int, Tensor], seed: int
) -> tuple[dict[int, list[tuple[int, Tensor]]], Tensor]:
    """Return where each class is, and how many pixels it has, ``(254,)``.

    By class: an image that shows it, and rows and columns ``(n, 2)`` of at most 256 of its pixels there.
    """
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.zeros(NOT_LABELLED)
    found: dict[int, list[tuple[int, Tensor]]] = {}
    for image, label in sorted(labels.items()):
        flat = label.cpu().flatten()
        counts = flat.bincount(minlength=256)
        frequency += counts[:NOT_LABELLED]
        shuffled = torch.randperm(len(flat), generator=generator)
        by_class = shuffled[flat[shuffled].sort(stable=True).indices].split(counts.tolist())
        for value in counts[:NOT_LABELLED].nonzero().flatten().tolist():
            pixels = by_class[value][:_PIXELS_PER_CLASS]
            place = torch.stack([pixels // label.shape[1], pixels % label.shape[1]], dim=1)
            found.setdefault(value, []).append((image, place))
    return found, frequency
