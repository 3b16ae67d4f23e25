"""Where an export is written: a new folder or a zip file, under its name only when it is complete."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from storage.errors import InvalidInput
from storage.files import fsync_folder
from storage.new_folders import new_folder, unfinished_folder

WRITER = "an export"
"""What makes the folder, in a sentence that refuses it."""
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


class ExportTarget(Protocol):
    """Where the files of an export go."""

    def write(self, path: str, data: bytes) -> None:
        """Write a file under its path in the export.

        Raises:
            OSError: It cannot be written.
        """


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, path: str, data: bytes) -> None:
        place = self._root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def write(self, path: str, data: bytes) -> None:
        entry = zipfile.ZipInfo(path, _FIXED_TIME)
        entry.create_system = 3
        entry.external_attr = 0o644 << 16
        # Images are compressed already.
        entry.compress_type = zipfile.ZIP_DEFLATED if path.endswith(".json") else zipfile.ZIP_STORED
        self._archive.writestr(entry, data)


def refuse_existing(path: Path) -> None:
    """Refuse a path under which something is.

    Raises:
        InvalidInput: Something is.
    """
    if path.exists() or path.is_symlink():
        raise InvalidInput(
            f"{path} exists already, and {WRITER} never overwrites. Choose another name, or move it away."
        )


def write_zip(path: Path, write_all: Callable[[ExportTarget], None], is_new: bool) -> None:
    """Write a zip file; one that is not ``is_new`` takes the place of an older one.

    Raises:
        InvalidInput: Something else came under its name meanwhile.
        OSError: It cannot be written; nothing is left behind.
    """
    with unfinished_folder(path.parent) as folder:
        temporary = folder / "export.zip"
        with temporary.open("xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                write_all(_Zip(archive))
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        if is_new:
            refuse_existing(path)
        os.replace(temporary, path)
    fsync_folder(path.parent)


def write_folder(path: Path, write_all: Callable[[ExportTarget], None]) -> None:
    """Write a new folder.

    Raises:
        InvalidInput: Something else came under its name meanwhile.
        OSError: It cannot be written; nothing is left behind.
    """
    with new_folder(path, WRITER) as temporary:
        write_all(_Folder(temporary))
        temporary.chmod(0o755)
        for folder, _, _ in os.walk(temporary):
            fsync_folder(Path(folder))
    fsync_folder(path.parent)
