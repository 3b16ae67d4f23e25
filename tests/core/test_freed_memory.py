"""The C library keeps what an image freed for the next one, and gives it back at the end."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest
import torch

from core.freed_memory import freed_memory_kept

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other C libraries are left as they are")

BLOCK = 2**23
"""Floats of a tensor, 32 MiB."""
PAGES = 4 * BLOCK // resource.getpagesize()


def faults(tensors: int) -> int:
    """Return how many pages the system handed out while so many tensors came and went."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(tensors):
        torch.ones(BLOCK)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def test_what_a_tensor_freed_is_used_again_without_new_pages() -> None:
    with freed_memory_kept():
        faults(32)
        assert faults(8) < 4 * PAGES


def test_it_is_given_back_at_the_end() -> None:
    with freed_memory_kept():
        faults(32)
        kept = resident_pages()
    assert resident_pages() < kept - PAGES // 2
