"""Memory that the C library keeps between two images, for the next one needs as much."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's ``mallopt``; see its manual page."""
_BYTES = 2**30


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Let what tensors on the CPU free be used again at once, and give it back at the end.

    glibc returns larger blocks to the system as they are freed, so a network's every layer gets pages that
    the system must clear first: up to a quarter of the time of a prediction. Other C libraries are left as
    they are. The thresholds stay, for the process cannot ask what they were.
    """
    library = _glibc()
    if library is not None:
        library.mallopt(_TRIM_THRESHOLD, _BYTES)
        library.mallopt(_MMAP_THRESHOLD, _BYTES)
    try:
        yield
    finally:
        give_back_freed_memory()


def give_back_freed_memory() -> None:
    """Return to the system what is free, also between what is in use.

    Threads that work on large tensors leave small ones behind, each in the middle of a block that is then too
    small for the next large one: by the hour their memory would grow by a megabyte for every image.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
