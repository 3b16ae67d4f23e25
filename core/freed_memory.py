"""Memory that the C library keeps between two images, for the next one needs as much."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt"):
        yield
        return
    library.mallopt(_TRIM_THRESHOLD, _BYTES)
    library.mallopt(_MMAP_THRESHOLD, _BYTES)
    try:
        yield
    finally:
        library.malloc_trim(0)
