"""The one file of a checkpoint: tensors by name, and what else there is as JSON in its header."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from core.out_of_memory import is_out_of_memory

CHECKPOINT_FILE = "checkpoint.safetensors"


def write_checkpoint_file(
    folder: Path, tensors: Mapping[str, torch.Tensor], training: dict[str, Any]
) -> None:
    """Write a checkpoint into ``folder``; an earlier one there stays whole until the new one is.

    Raises:
        SafetensorError, OSError: The disk is full or cannot be written to.
    """
    written = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{CHECKPOINT_FILE}.partial"
    save_file(written, partial, metadata={"training": json.dumps(training)})
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(folder / CHECKPOINT_FILE)


def read_checkpoint(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors of a checkpoint by name, on the CPU, and its JSON.

    Raises:
        ValueError: When there is none or it is damaged.
        MemoryError: The memory does not suffice.
    """
    file = folder / CHECKPOINT_FILE
    try:
        with safe_open(file, framework="pt") as opened:
            training = json.loads(opened.metadata()["training"])
            return {name: opened.get_tensor(name) for name in opened.keys()}, training  # noqa: SIM118
    except Exception as problem:  # safetensors raises its own and several built-in types
        if is_out_of_memory(problem):
            raise
        raise ValueError(f"The checkpoint {file} cannot be read: {problem}") from problem


def misfit(own: Mapping[str, torch.Tensor], saved: Mapping[str, torch.Tensor]) -> str | None:
    """Return what keeps a saved state from being loaded in place of ``own``; None when nothing does."""
    for name in sorted(own.keys() | saved.keys()):
        if name not in saved or name not in own:
            return f"{name} is {'missing' if name in own else 'not known here'}"
        if saved[name].shape != own[name].shape:
            return f"{name} is {tuple(saved[name].shape)}, not {tuple(own[name].shape)}"
    return None


def with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with ``prefix``, named without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
