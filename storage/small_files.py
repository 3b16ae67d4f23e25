"""Small files derived from images and predictions, made once and kept in the workspace.

Each of their folders takes a bounded share of the disk, and loses what was longest unused first.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from storage.bounded_folder import make_room, touched
from storage.errors import DiskFull, QualmError
from storage.files import write_atomically

MOST_BYTES = 2_000_000_000
"""What the files of a folder may take by default; half of the free space if that is less."""

_UNCHECKED_SHARE = 0.05
_MOST_UNCHECKED = 100_000_000
_unchecked: dict[Path, int] = {}
_unchecked_lock = threading.Lock()


def kept(path: Path) -> bytes | None:
    """Return the content of a file, None when it is not there or cannot be read."""
    with contextlib.suppress(OSError):
        if touched(path):
            return path.read_bytes()
    return None


def keep(path: Path, content: bytes, most_bytes: int) -> None:
    """Keep a file, and delete of its folder what was longest unused above ``most_bytes``.

    A full or read-only disk keeps nothing from the person: what cannot be kept is made again. A full one gets
    room back, for the folder may be what filled it.
    """
    try:
        write_atomically(path, content)
    except DiskFull:
        with contextlib.suppress(OSError):
            make_room(path, most_bytes)
    except QualmError:
        return
    else:
        _keep_to_bound(path, len(content), most_bytes)


def kept_or_made(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of a file, which ``make`` gives when it cannot be read; then it is kept."""
    content = kept(path)
    if content is None:
        content = make()
        keep(path, content, MOST_BYTES)
    return content


def _keep_to_bound(newest: Path, size: int, most_bytes: int) -> None:
    """Make room in the folder of a new file, once for every twentieth of the bound, or 100 MB, written there.

    To look through a hundred thousand files takes half a second, too long to do for each of them.
    """
    with _unchecked_lock:
        # What other processes wrote is not known at first.
        written = _unchecked.get(newest.parent, most_bytes) + size
        due = written > min(_MOST_UNCHECKED, _UNCHECKED_SHARE * most_bytes)
        _unchecked[newest.parent] = 0 if due else written
    if due:
        with contextlib.suppress(OSError):
            make_room(newest, most_bytes)
