"""Where a round computes: the device by its name, and the CPU when the device's memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from core.model.network import SegmentationNetwork
from core.out_of_memory import free_cached_memory, is_out_of_memory
from storage.errors import InvalidInput

Result = TypeVar("Result")


def pick_device(name: str) -> torch.device:
    """Device by name; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        InvalidInput: this machine or this PyTorch does not have it.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    if name not in available:
        raise InvalidInput(f"There is no device {name!r}. Choose auto, cpu, cuda or mps.")
    if not available[name]:
        raise InvalidInput(f"PyTorch finds no {name} device on this machine. Choose --device auto or cpu.")
    return torch.device(name)


def within_memory(
    work: Callable[[SegmentationNetwork, torch.device], Result],
    network: SegmentationNetwork,
    device: torch.device,
    note: Callable[[str], None],
) -> tuple[Result, torch.device]:
    """Return what ``work`` makes of a network, and where it did: on the CPU when the device's memory is full.

    Args:
        work: Called with the network and the device it is on; again from its beginning on the CPU.
        network: Moved to ``device``, and from there when that has too little memory.
        device: Where to compute first.
        note: Takes the sentence for the person.

    Raises:
        RuntimeError: Out of memory on the CPU, or any other error of PyTorch.
    """
    try:
        return work(network.to(device), device), device
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or device.type == "cpu":
            raise
    free_cached_memory()
    note(f"Out of memory on {device.type} while scoring: going on with the CPU, slower.")
    cpu = torch.device("cpu")
    return work(network.to(cpu), cpu), cpu
