"""Numbers for a person."""

from __future__ import annotations


def count_of(number: int, one: str, many: str | None = None) -> str:
    """Return a number with what it counts, such as ``1 image`` and ``2,000 images``."""
    return f"1 {one}" if number == 1 else f"{number:,} {many or one + 's'}"


def size_of(count: int) -> str:
    """Return a number of bytes, such as ``312 bytes``, ``4.0 kB`` and ``1.5 GB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"
