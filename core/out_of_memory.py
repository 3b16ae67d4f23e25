"""What to try when the memory does not suffice."""

from __future__ import annotations

import errno
from typing import NamedTuple

import torch

_SIGNS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "STATUS_ALLOC_FAILED",
    "killed by signal: Killed",
)


class Attempt(NamedTuple):
    """With how many labelled images per step, and where, to train."""

    batch_size: int
    device: torch.device


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that the device or the machine has too little memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # Where there is no room for the process that reads images.
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    text = str(error)
    # CPU allocators (of Linux, Windows and C++), MPS, and the libraries of CUDA raise a plain RuntimeError.
    return isinstance(error, RuntimeError) and any(sign in text for sign in _SIGNS)


def next_attempt(failed: Attempt, batch_size: int) -> tuple[Attempt, str] | None:
    """Return what to try after ``failed`` ran out of memory.

    The batch is halved down to 1; then the CPU starts again with the ``batch_size`` of the settings.

    Returns:
        The next attempt and a sentence for the person; None when nothing is left to try.
    """
    if failed.batch_size > 1:
        half = failed.batch_size // 2
        return (
            Attempt(half, failed.device),
            f"Out of memory on {failed.device.type}: the batch is {half} instead of {failed.batch_size}.",
        )
    if failed.device.type != "cpu":
        return (
            Attempt(batch_size, torch.device("cpu")),
            f"Out of memory on {failed.device.type} even with a batch of 1: going on with the CPU, slower.",
        )
    return None


def free_cached_memory() -> None:
    """Hand back what PyTorch keeps for later allocations."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
