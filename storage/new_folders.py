"""Folders that are written under another name and get their own once they are complete."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from storage.errors import InvalidInput, WorkspaceError
from storage.files import TEMPORARY


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
def unfinished_folder(parent: Path) -> Iterator[Path]:
    """Give an empty folder in ``parent`` to write what moves out of it when it is complete.

    It is gone once the block ends; what processes that were killed left in ``parent`` goes first.

    Args:
        parent: Is made when missing.

    Raises:
        OSError: The disk is full or cannot be written to.
    """
    parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(parent)
    folder = parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    lock = _lock_of(folder)
    # Before the folder is there, so that nobody ever finds one that is being written without a held lock.
    # Where the disk knows no locks the folder only stays, should this process be killed.
    with contextlib.suppress(Timeout, NotImplementedError):
        lock.acquire(timeout=0)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _release(lock)


def remove_abandoned(parent: Path) -> None:
    """Remove the unfinished folders in ``parent`` whose processes are gone, as far as that is allowed.

    A process that ends, however it ends, loses its locks. A folder without one is not from here and stays.
    """
    for folder in parent.glob(f"{TEMPORARY}*/"):
        lock = _lock_of(folder)
        if not os.path.exists(lock.lock_file):
            continue
        try:
            lock.acquire(timeout=0)
        except (Timeout, NotImplementedError, OSError):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        _release(lock)


def _lock_of(folder: Path) -> FileLock:
    return FileLock(f"{folder}.lock")


def _release(lock: FileLock) -> None:
    """Remove the file of a lock and let go of it."""
    # While it is held, so that it is nobody else's; Windows removes it with the release.
    with contextlib.suppress(OSError):
        os.unlink(lock.lock_file)
    lock.release()


@contextlib.contextmanager
def new_folder(place: Path, writer: str) -> Iterator[Path]:
    """Give an empty folder beside ``place`` that moves there once the block has ended without an exception.

    After a failure nothing is left of it; what a killed process left goes with the next one beside it.

    Args:
        place: As :func:`place_of_new_folder` returned it.
        writer: As there.

    Raises:
        InvalidInput: Something has come there meanwhile.
        OSError: The disk is full or cannot be written to.
    """
    with unfinished_folder(place.parent) as temporary:
        yield temporary
        place_of_new_folder(place, writer)
        with contextlib.suppress(FileNotFoundError):
            place.rmdir()
        os.rename(temporary, place)
