"""What a head remembers beside its parameters."""

from __future__ import annotations

from typing import Self

from torch import nn


class Memory(nn.Module):
    """Buffers that training writes without gradients; a teacher takes over what it does not hold yet."""

    def adopt_new(self, other: Self) -> None:
        """Copy what ``other`` holds in places where this one holds nothing or something else."""
        raise NotImplementedError
