"""Files derived from images and kept on disk for speed, in a folder that may be emptied at any time.

It lies beside the blobs and apart from them, takes a bounded share of the disk, and loses what was longest
unused first. A file holds its data, then what is known about it as JSON, then the length of that.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

from storage.bounded_folder import make_room, touched
from storage.errors import WorkspaceError
from storage.files import atomic_file
from storage.workspace import Workspace

MOST_BYTES = 8_000_000_000
"""What all kept files may take; half of the free space if that is less."""

_FOLDER = "cache"
_TRIES = 3
_LENGTH_BYTES = 8
# One at a time: the pixels of a large image take hundreds of megabytes while they are cut up.
_BUILDING = threading.Lock()

T = TypeVar("T")


def read_kept(
    workspace: Workspace,
    name: str,
    build: Callable[[IO[bytes]], dict[str, Any]],
    read: Callable[[Path], T],
) -> T:
    """Return what ``read`` gives for the file of that name, which ``build`` writes when it is not there yet.

    Room for other files may be made before ``read`` has opened this one: then it is built once again.

    Args:
        workspace: The workspace.
        name: The name of the file.
        build: Gets an empty file to write the data to and returns what :func:`description` will give.
        read: Gets the path of the file. It is called again where it raised ``FileNotFoundError``.

    Raises:
        DiskFull: there is no space for it.
        WorkspaceError: the folder cannot be written to, or the file is gone again each time.
    """
    for _ in range(_TRIES):
        path = _kept_file(workspace, name, build)
        with contextlib.suppress(FileNotFoundError):
            return read(path)
    raise WorkspaceError(
        f"What is kept to show images quickly is deleted sooner than it is read. Free some space on the disk "
        f"of {workspace.path}, then load the page again."
    )


def is_kept(workspace: Workspace, name: str) -> bool:
    """Return whether the file of that name is there, and remember that it was used now."""
    return touched(workspace.path / _FOLDER / name)


def _kept_file(workspace: Workspace, name: str, build: Callable[[IO[bytes]], dict[str, Any]]) -> Path:
    path = workspace.path / _FOLDER / name
    if touched(path):
        return path
    with _BUILDING:
        if not touched(path):
            _build(path, build)
            with contextlib.suppress(OSError):
                make_room(path, MOST_BYTES)
    return path


def description(path: Path) -> dict[str, Any]:
    """Return what ``build`` said about a kept file."""
    with path.open("rb") as file:
        file.seek(-_LENGTH_BYTES, os.SEEK_END)
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        file.seek(-_LENGTH_BYTES - length, os.SEEK_END)
        described: dict[str, Any] = json.loads(file.read(length))
    return described


def _build(path: Path, build: Callable[[IO[bytes]], dict[str, Any]]) -> None:
    with atomic_file(path) as file:
        described = json.dumps(build(file)).encode()
        file.write(described + len(described).to_bytes(_LENGTH_BYTES, "little"))
