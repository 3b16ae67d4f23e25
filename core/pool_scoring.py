"""Predictions of a whole pool, in order: the next images are read while the network is busy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import TypeVar

import torch

from core.image_threads import of_each
from core.model.network import SegmentationNetwork
from core.out_of_memory import free_cached_memory, is_out_of_memory
from core.predict import ImagePrediction, predict_batch

READ_AHEAD = 8
"""Images that may wait for the network."""
_PIXELS_AT_ONCE = 2**21
"""Pixels of the images that a GPU predicts together; a CPU has a thread for each image."""

Key = TypeVar("Key")
Item = TypeVar("Item")
Result = TypeVar("Result")


def predicted_pool(
    network: SegmentationNetwork,
    images: Iterable[tuple[Key, torch.Tensor]],
    summary: Callable[[Key, torch.Tensor, ImagePrediction], Result],
    *,
    samples: int,
    seed: int,
    device: torch.device | str,
    temperature: float = 1.0,
    with_gradient: bool = False,
) -> Generator[Result]:
    """Predict images as they come, and yield what ``summary`` makes of each, in their order.

    Every image sees the same latent noise, so that scores differ by the images alone. A CPU predicts several
    images at once, see :mod:`core.image_threads`. On CUDA the network runs in bfloat16, and images of one
    size that follow each other are predicted together. Closing the generator ends the reading.

    Args:
        network: What predicts; on ``device``.
        images: Keys and ``uint8 (3, h, w)``; iterated in a thread of its own, at most a few images ahead.
            What it raises is raised here, after the images before.
        summary: Of a key, its pixels and their prediction; called in any thread.
        samples: T, latents per image.
        seed: Of the latents' noise.
        device: Where to compute.
        temperature: See :func:`core.predict.predict_batch`.
        with_gradient: Likewise.
    """
    with torch.inference_mode():
        noise = network.draw_noise(samples, 1, torch.Generator().manual_seed(seed))
    network.eval()

    predicted = partial(
        predict_batch,
        network,
        noise=noise,
        device=device,
        temperature=temperature,
        with_gradient=with_gradient,
    )

    def summaries(batch: tuple[list[Key], list[torch.Tensor]]) -> list[Result]:
        return [
            summary(*one) for one in zip(*batch, predicted_within_memory(predicted, batch[1]), strict=True)
        ]

    together = torch.device(device).type == "cuda"
    batches = _batches(read_ahead(images), _PIXELS_AT_ONCE if together else 0)
    for made in of_each(summaries, batches, pixels=lambda batch: batch[1][0], device=device):
        yield from made


def predicted_within_memory(
    predicted: Callable[[list[torch.Tensor]], list[ImagePrediction]], images: list[torch.Tensor]
) -> list[ImagePrediction]:
    """Return the predictions of images: one image after the other where memory does not suffice for all.

    Raises:
        RuntimeError, MemoryError: It does not suffice for one either, or the error is another.
    """
    try:
        return predicted(images)
    except (RuntimeError, MemoryError) as error:
        if len(images) == 1 or not is_out_of_memory(error):
            raise
    free_cached_memory()
    return [one for image in images for one in predicted([image])]


def read_ahead(items: Iterable[Item], ahead: int = READ_AHEAD) -> Generator[Item]:
    """Yield the items while a thread iterates over them, at most ``ahead`` items further.

    What the iteration raises is raised after the items before it. Once the generator is closed, the thread
    ends at its next item, and this waits for it.
    """
    waiting: queue.Queue[tuple[Item] | BaseException | None] = queue.Queue(ahead)
    closed = threading.Event()

    def put(entry: tuple[Item] | BaseException | None) -> bool:
        while not closed.is_set():
            try:
                waiting.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for item in items:
                if not put((item,)):
                    return
        except BaseException as error:
            put(error)
        else:
            put(None)

    thread = threading.Thread(target=read, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (entry := waiting.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry[0]
    finally:
        closed.set()
        thread.join()


def _batches(
    images: Iterator[tuple[Key, torch.Tensor]], pixels_at_once: int
) -> Iterator[tuple[list[Key], list[torch.Tensor]]]:
    """Group images of one size that follow each other, up to so many pixels and at least one image."""
    keys: list[Key] = []
    group: list[torch.Tensor] = []
    for key, pixels in images:
        size = pixels.shape[1] * pixels.shape[2]
        if group and (pixels.shape != group[0].shape or (len(group) + 1) * size > pixels_at_once):
            yield keys, group
            keys, group = [], []
        keys.append(key)
        group.append(pixels)
    if group:
        yield keys, group
