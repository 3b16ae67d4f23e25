"""Per-class first-in-first-out memory of pixel features, kept in buffers."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor

from core.distributed import gathered, processes
from core.model.memory import Memory


class Centres(NamedTuple):
    """What a memory says about each class."""

    means: torch.Tensor
    """``(C, D)`` mean of the rows, zero without any."""
    counts: torch.Tensor
    """``(C,)`` int64, rows behind each mean."""


class ClassMemory(Memory):
    """The newest ``rows_per_class`` feature vectors of every class.

    Everything lives in registered buffers, so the memory is saved, moved and averaged with the
    module that holds it. All shapes are fixed: writing never waits for the device.

    Args:
        class_count: C.
        width: Length D of a feature vector.
        rows_per_class: Capacity M of one class.
        rows_per_push: At most so many pixels of one class enter per push; at most M.

    Raises:
        ValueError: When ``rows_per_push`` exceeds ``rows_per_class``.
    """

    rows: torch.Tensor
    """``(C, M, D)`` float; unfilled rows are zero."""
    filled: torch.Tensor
    """``(C,)`` int64, rows in use."""
    next_row: torch.Tensor
    """``(C,)`` int64, the row that is overwritten next."""

    def __init__(
        self, class_count: int, width: int, rows_per_class: int = 512, rows_per_push: int = 64
    ) -> None:
        super().__init__()
        if rows_per_push > rows_per_class:
            raise ValueError(f"rows_per_push ({rows_per_push}) exceeds rows_per_class ({rows_per_class}).")
        self.rows_per_push = rows_per_push
        self.register_buffer("rows", torch.zeros(class_count, rows_per_class, width))
        self.register_buffer("filled", torch.zeros(class_count, dtype=torch.int64))
        self.register_buffer("next_row", torch.zeros(class_count, dtype=torch.int64))

    @torch.no_grad()
    def forget(self, classes: list[int]) -> None:
        """Drop the rows of classes."""
        for state in (self.rows, self.filled, self.next_row):
            state[classes] = 0

    @torch.no_grad()
    def push(
        self, features: torch.Tensor, labels: torch.Tensor, generator: torch.Generator | None = None
    ) -> None:
        """Append the features of labelled pixels to the rows of their class.

        When several processes train together, each hands in its share of ``rows_per_push`` and all
        append the same rows, so that their memories stay equal.

        Args:
            features: ``(B, D, h, w)``.
            labels: ``(B, h, w)`` integers; values that are no class index (254, 255) are not stored.
            generator: Draws which pixels enter when a class has more than ``rows_per_push``;
                without it the last ones in memory order do.
        """
        ranks = processes()
        entering, count = self._entering(features, labels, generator, max(1, self.rows_per_push // ranks))
        if ranks > 1:
            entering, count = _of_all_processes(entering, count)
        self._append(entering, count)

    def _entering(
        self, features: Tensor, labels: Tensor, generator: torch.Generator | None, limit: int
    ) -> tuple[Tensor, Tensor]:
        """Vectors that enter each class, ``(C, limit, D)``, and how many of them count, ``(C,)``."""
        class_count, _, width = self.rows.shape
        if labels.numel() == 0:
            return self.rows.new_zeros(class_count, limit, width), torch.zeros_like(self.filled)
        vectors = features.detach().permute(0, 2, 3, 1).reshape(-1, width).to(self.rows.dtype)
        flat = labels.reshape(-1).to(torch.int64)
        if generator is not None:
            shuffled = torch.randperm(len(flat), generator=generator, device=generator.device)
            shuffled = shuffled.to(flat.device, non_blocking=True)
            vectors, flat = vectors[shuffled], flat[shuffled]
        ordered_labels, order = torch.sort(flat, stable=True)
        classes = torch.arange(class_count, device=flat.device)
        start = torch.searchsorted(ordered_labels, classes)
        end = torch.searchsorted(ordered_labels, classes, right=True)
        count = (end - start).clamp(max=limit)
        source = (end - count)[:, None] + torch.arange(limit, device=flat.device)
        return vectors[order[source.clamp(max=len(flat) - 1)]], count

    def _append(self, vectors: Tensor, count: Tensor) -> None:
        """Write the first ``count`` ``(C,)`` of the vectors ``(C, P, D)`` of each class, P ≤ M."""
        capacity, width = self.rows.shape[1:]
        place = torch.arange(vectors.shape[1], device=count.device)
        slot = (self.next_row[:, None] + place) % capacity
        slot = slot[:, :, None].expand(-1, -1, width)
        kept = torch.gather(self.rows, 1, slot)
        self.rows.scatter_(1, slot, torch.where((place < count[:, None])[:, :, None], vectors, kept))
        self.next_row.copy_((self.next_row + count) % capacity)
        self.filled.copy_((self.filled + count).clamp(max=capacity))

    def centres(self, chosen: torch.Tensor | None = None) -> Centres:
        """Average the filled rows of each class, or those of them that are ``chosen``, ``(C, M)`` bool."""
        row = torch.arange(self.rows.shape[1], device=self.rows.device)
        used = row < self.filled[:, None]
        if chosen is not None:
            used = used & chosen
        counts = used.sum(dim=1)
        total = (self.rows * used[:, :, None]).sum(dim=1)
        return Centres(total / counts.clamp(min=1)[:, None], counts)

    @torch.no_grad()
    def adopt_new(self, other: Self) -> None:
        """Copy the rows ``other`` has filled and this memory has not, and its counters.

        Averaging a fresh row with an unfilled one would drag the class centre towards zero.
        """
        row = torch.arange(self.rows.shape[1], device=self.rows.device)
        fresh = (row >= self.filled[:, None]) & (row < other.filled[:, None])
        self.rows.copy_(torch.where(fresh[:, :, None], other.rows, self.rows))
        self.filled.copy_(other.filled)
        self.next_row.copy_(other.next_row)


def _of_all_processes(vectors: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Join the vectors ``(C, P, D)`` of all R processes to ``(C, R · P, D)``, those that count first."""
    # One tensor and one exchange: the count rides along as one more row.
    row = count.to(vectors.dtype)[:, None, None].expand(-1, 1, vectors.shape[2])
    received = gathered(torch.cat([vectors, row], dim=1))
    counts = torch.stack([each[:, -1, 0] for each in received], dim=1).to(count.dtype)
    together = torch.cat([each[:, :-1] for each in received], dim=1)
    place = torch.arange(vectors.shape[1], device=count.device)
    unused = (place >= counts[:, :, None]).flatten(1)
    order = unused.to(torch.uint8).argsort(dim=1, stable=True)
    return together.gather(1, order[:, :, None].expand_as(together)), counts.sum(dim=1)
