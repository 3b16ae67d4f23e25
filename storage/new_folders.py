"""Folders that are written under another name and get their own once they are complete."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from storage.errors import InvalidInput, WorkspaceError


def place_of_new_folder(path: Path, writer: str) -> Path:
    """Return where a folder at ``path`` will lie: of a link that is where it leads.

    Args:
        path: Absolute; nothing is there, or an empty folder.
        writer: Who would overwrite what is there, such as ``an export``.

    Raises:
        InvalidInput: Something else is there, or a disk is mounted there.
        WorkspaceError: What is there cannot be looked at.
    """
    place = path.resolve() if path.is_symlink() else path
    try:
        if os.path.ismount(place):
            # The new folder takes the place of the empty one, which the system refuses of a mount point.
            raise InvalidInput(
                f"{place} is where a disk begins, which no folder can replace. Name a new folder in it."
            )
        if not place.exists() or (place.is_dir() and not any(place.iterdir())):
            return place
    except OSError as error:
        raise WorkspaceError(
            f"{place} cannot be looked into ({error.strerror}). Allow that, or choose another name."
        ) from error
    raise InvalidInput(
        f"{place} exists already, and {writer} never overwrites. Choose another name, or move it away."
    )


@contextlib.contextmanager
def new_folder(place: Path, writer: str) -> Iterator[Path]:
    """Give an empty folder beside ``place`` that moves there once the block has ended without an exception.

    After a failure nothing is left of it.

    Args:
        place: As :func:`place_of_new_folder` returned it.
        writer: As there.

    Raises:
        InvalidInput: Something has come there meanwhile.
        OSError: The disk is full or cannot be written to.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".part-", dir=place.parent))
    try:
        yield temporary
        place_of_new_folder(place, writer)
        with contextlib.suppress(FileNotFoundError):
            place.rmdir()
        os.rename(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
