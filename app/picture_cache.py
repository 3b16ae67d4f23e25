"""Files derived from images and kept on disk for speed, in a folder that may be emptied at any time.

It lies beside the blobs and apart from them, takes a bounded share of the disk, and loses what was longest
unused first. A file holds its data, then what is known about it as JSON, then the length of that.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from storage.files import file_error
from storage.workspace import Workspace

MOST_BYTES = 8_000_000_000
"""What all kept files may take; half of the free space if that is less."""

_FOLDER = "cache"
_TEMPORARY = ".part-"
_ABANDONED_S = 3600.0
_LENGTH_BYTES = 8
# One at a time: the pixels of a large image take hundreds of megabytes while they are cut up.
_BUILDING = threading.Lock()


def kept_file(workspace: Workspace, name: str, build: Callable[[IO[bytes]], dict[str, Any]]) -> Path:
    """Return the file of that name, which ``build`` writes when it is not there yet.

    ``build`` gets an empty file to write the data to and returns what :func:`description` will give.

    Raises:
        DiskFull: there is no space for it.
        WorkspaceError: the folder cannot be written to.
    """
    path = workspace.path / _FOLDER / name
    if _touched(path):
        return path
    with _BUILDING:
        if not _touched(path):
            try:
                _build(path, build)
                _make_room(path)
            except OSError as error:
                raise file_error(error, path) from error
    return path


def description(path: Path) -> dict[str, Any]:
    """Return what ``build`` said about a kept file."""
    with path.open("rb") as file:
        file.seek(-_LENGTH_BYTES, os.SEEK_END)
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        file.seek(-_LENGTH_BYTES - length, os.SEEK_END)
        described: dict[str, Any] = json.loads(file.read(length))
    return described


def _touched(path: Path) -> bool:
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:
        # A workspace on a read-only disk shows what is there; it only forgets what was used last.
        return path.exists()
    return True


def _build(path: Path, build: Callable[[IO[bytes]], dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            described = json.dumps(build(file)).encode()
            file.write(described + len(described).to_bytes(_LENGTH_BYTES, "little"))
            file.flush()
            # Without it a power cut could leave a file of the right name and the wrong content.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _make_room(newest: Path) -> None:
    """Delete the files that were longest unused until the rest keeps to the bound."""
    files = []
    for path in newest.parent.iterdir():
        with contextlib.suppress(OSError):
            state = path.stat()
            if not path.name.startswith(_TEMPORARY):
                files.append((state.st_mtime, state.st_size, path))
            elif state.st_mtime < time.time() - _ABANDONED_S:
                path.unlink()
    taken = sum(size for _, size, _ in files)
    most = min(MOST_BYTES, (taken + shutil.disk_usage(newest.parent).free) // 2)
    for _, size, path in sorted(files):
        if taken <= most:
            return
        if path != newest:
            with contextlib.suppress(OSError):
                path.unlink()
                taken -= size
