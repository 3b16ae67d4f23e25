"""Small files derived from images and predictions, made once and kept in the workspace."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from storage.errors import QualmError
from storage.files import write_atomically


def kept_or_made(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of a file, which ``make`` gives when it cannot be read.

    A full or read-only disk keeps nothing from the person: what cannot be kept is made again.
    """
    with contextlib.suppress(OSError):
        return path.read_bytes()
    content = make()
    with contextlib.suppress(QualmError):
        write_atomically(path, content)
    return content
