"""Folders of files that can be made again: each takes a bounded share of the disk.

What was longest unused is deleted first. A reader who comes too late makes the file again, so nobody who
reads needs to be waited for.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from storage.files import TEMPORARY

_ABANDONED_S = 3600.0


def touched(path: Path) -> bool:
    """Return whether the file is there, and remember that it was used now."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:
        # A workspace on a read-only disk shows what is there; it only forgets what was used last.
        return path.exists()
    return True


def make_room(newest: Path, most_bytes: int) -> None:
    """Delete the files beside ``newest`` that were longest unused until the folder keeps to the bound.

    Args:
        newest: A file that stays.
        most_bytes: What all files of its folder may take; half of the free space if that is less.

    Raises:
        OSError: The folder cannot be read.
    """
    files = []
    with os.scandir(newest.parent) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                state = entry.stat()
                if not entry.name.startswith(TEMPORARY):
                    files.append((state.st_mtime, state.st_size, entry.path))
                elif state.st_mtime < time.time() - _ABANDONED_S:
                    os.unlink(entry)
    taken = sum(size for _, size, _ in files)
    most = min(most_bytes, (taken + shutil.disk_usage(newest.parent).free) // 2)
    for _, size, path in sorted(files):
        if taken <= most:
            return
        if path != str(newest):
            with contextlib.suppress(OSError):
                os.unlink(path)
                taken -= size
