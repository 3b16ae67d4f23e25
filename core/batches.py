"""The batches of every training step, from images in memory or read while the training runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from core.augment import photometric
from core.crops import CropDraws, StepCrops, cut
from core.data import VOID, Batch, TrainingData, UnlabelledBatch

HELD_SHARE = 0.5
"""Images stay on a CUDA device while they take at most this share of its free memory."""
READING_PROCESSES = 2
"""Processes that read and decode the images of the next steps."""


class Batches:
    """Makes the batches of any training step; the same step gives the same batches.

    Images in a list are held: on a CUDA device when they fit there, so that nothing is copied per
    step, else in the machine's memory. Images that are held nowhere, or do not fit, are read by a
    :class:`~torch.utils.data.DataLoader` a few steps ahead. What a batch holds does not depend on it.

    Args:
        data: At least one label map.
        draws: Where the crops lie.
        device: Where the crops are cut.
    """

    def __init__(self, data: TrainingData, draws: CropDraws, device: torch.device) -> None:
        self._draws = draws
        self._device = device
        self._images = data.images
        self._held = _held(data.images, device)
        self._labels = {index: label.to(_store(device)) for index, label in data.labels.items()}
        self._read: Iterator[list[Tensor] | str] | None = None
        self._next_read = -1

    def at(self, step: int, steps: int, generator: torch.Generator) -> tuple[Batch, UnlabelledBatch | None]:
        """Return the labelled and the unlabelled crops of ``step`` out of 0…``steps`` − 1.

        Args:
            step: Steps asked for in order are the quickest when images are read.
            steps: Nothing is read ahead beyond.
            generator: Draws the colours of the strong views.

        Raises:
            OSError: An image that is held nowhere cannot be read.
        """
        crops = self._draws.at(step)
        images = self._images_of(crops, step, steps)
        side, count = self._draws.side, len(crops.labelled.images)
        labels = [self._labels[index] for index in crops.labelled.images]
        indices = torch.tensor(crops.labelled.images).to(self._device, non_blocking=True)
        labelled = Batch(*cut(crops.labelled, images[:count], labels, side, self._device), indices)
        if crops.unlabelled is None:
            return labelled, None
        weak, values = cut(crops.unlabelled, images[count:], None, side, self._device)
        return labelled, UnlabelledBatch(weak, photometric(weak, generator), values != VOID)

    def _images_of(self, crops: StepCrops, step: int, steps: int) -> list[Tensor]:
        if self._held is not None:
            return [self._held[index] for index in crops.images()]
        if self._read is None or step != self._next_read:
            self._read = iter(_loader(self._images, self._draws, range(step, steps), self._device))
        images = next(self._read)
        self._next_read = step + 1
        if self._next_read == steps or isinstance(images, str):
            self._read = None  # ends the reading processes
        if isinstance(images, str):
            raise OSError(f"An image could not be read while training: {images}.")
        return images


class _ImagesOfSteps(Dataset[list[Tensor] | str]):
    """By step, the images its crops are cut from, or what went wrong.

    An error that the loader itself handed over would keep its processes alive in its traceback.
    """

    def __init__(self, images: Sequence[Tensor], draws: CropDraws) -> None:
        self.images = images
        self.draws = draws

    def __getitem__(self, step: int) -> list[Tensor] | str:
        try:
            return [self.images[index] for index in self.draws.at(step).images()]
        except Exception as error:
            return f"{type(error).__name__}, {error}"


def _loader(
    images: Sequence[Tensor], draws: CropDraws, steps: range, device: torch.device
) -> DataLoader[Any]:
    return DataLoader(
        _ImagesOfSteps(images, draws),
        batch_size=None,
        sampler=steps,
        num_workers=READING_PROCESSES,
        pin_memory=device.type == "cuda",
        # Without it the loader would draw from the global generator.
        generator=torch.Generator(),
    )


def _held(images: Sequence[Tensor], device: torch.device) -> list[Tensor] | None:
    """Return the images where crops are cut from them; None when they must be read."""
    if not isinstance(images, list):
        return None
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if sum(image.nbytes for image in images) > HELD_SHARE * free:
            return None
    return [image.to(_store(device)) for image in images]


def _store(device: torch.device) -> torch.device:
    return device if device.type == "cuda" else torch.device("cpu")
