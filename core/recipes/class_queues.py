"""Per-class first-in-first-out queues of negative representations, kept in buffers."""

from __future__ import annotations

import torch
from torch import nn


class ClassQueues(nn.Module):
    """The newest ``size`` negatives of every class.

    Everything lives in registered buffers, so that checkpoints hold it. All shapes are fixed: neither
    writing nor reading waits for the device. In distributed training every process has its own.

    Args:
        class_count: C.
        width: Length D of a representation.
        size: Capacity of one class.
        dtype: Of the rows. Half precision holds vectors of unit length to three digits.
    """

    rows: torch.Tensor
    """``(C, size + 1, D)``; unfilled rows are zero, and so is the last, which takes what is not stored."""
    filled: torch.Tensor
    """``(C,)`` int64, rows in use."""
    next_row: torch.Tensor
    """``(C,)`` int64, the row that is overwritten next."""

    def __init__(
        self, class_count: int, width: int, size: int = 4096, dtype: torch.dtype = torch.float16
    ) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("rows", torch.zeros(class_count, size + 1, width, dtype=dtype))
        self.register_buffer("filled", torch.zeros(class_count, dtype=torch.int64))
        self.register_buffer("next_row", torch.zeros(class_count, dtype=torch.int64))

    @torch.no_grad()
    def push(self, keys: torch.Tensor, used: torch.Tensor) -> None:
        """Append ``keys`` to the queues, overwriting the oldest rows.

        Args:
            keys: ``(C, k, D)``.
            used: ``(C, k)`` bool; the others are not stored. Of more than ``size`` the last stay.
        """
        place = used.cumsum(dim=1) - 1
        entering = used.sum(dim=1)
        stored = used & (place >= entering[:, None] - self.size)
        slot = torch.where(stored, (self.next_row[:, None] + place) % self.size, self.size)
        values = torch.where(stored[:, :, None], keys, 0).to(self.rows.dtype)
        first = torch.arange(len(slot), device=slot.device)[:, None] * (self.size + 1)
        # Whole rows: a scatter of single elements takes 20 times as long on a CPU in half precision.
        self.rows.view(-1, self.rows.shape[2]).index_copy_(0, (first + slot).flatten(), values.flatten(0, 1))
        self.next_row.copy_((self.next_row + entering) % self.size)
        self.filled.copy_((self.filled + entering).clamp(max=self.size))

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw ``count`` rows of every class with replacement, ``(C, count, D)``; zeros of an empty one.

        All classes share the draws, so that the result does not depend on how classes are numbered.
        """
        draws = torch.rand(count, generator=generator).to(self.rows.device, non_blocking=True)
        # Next to 1 the product may round up to the number of rows.
        row = (draws * self.filled[:, None]).to(torch.int64).minimum((self.filled[:, None] - 1).clamp(min=0))
        return torch.gather(self.rows, 1, row[:, :, None].expand(-1, -1, self.rows.shape[2]))
