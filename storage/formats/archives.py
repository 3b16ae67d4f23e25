"""Safe reading of what a person hands over: a folder, a zip file, or files uploaded by a browser.

All three look the same from outside: a naturally sorted list of relative paths and ``read(path)``. What
cannot or must not be read (paths that climb out, encrypted entries, zip bombs) becomes a sentence in
``problems`` and the rest goes on. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import io
import lzma
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO

from storage.errors import InvalidInput
from storage.files import given_path
from storage.workspace import DATABASE_FILE

Source = str | Path | Sequence[tuple[str, bytes]]
"""A folder, a zip file, or uploaded files as (name, bytes); an uploaded zip counts as its contents."""

_IGNORED_NAMES = {"__MACOSX", "Thumbs.db", "desktop.ini"}
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class ArchiveLimits:
    """What a zip file may unpack to, and a file of a folder hold, so that neither can fill memory.

    Images hardly shrink in a zip file, so honest archives stay far below the ratio.
    """

    entries: int = 1_000_000
    total_bytes: int = 200 * 2**30
    entry_bytes: int = 2 * 2**30
    ratio: float = 200.0
    ratio_from_bytes: int = 64 * 2**20
    """Below this many unpacked bytes any ratio is harmless."""


@dataclass(frozen=True)
class Problem:
    """Something that stays out of an import or was changed by it, and why."""

    name: str
    sentence: str


@dataclass(frozen=True)
class _File:
    size: int
    read: Callable[[], bytes]


class OpenSource:
    """An open source: ``paths`` in natural order, ``read``, and ``problems`` found while listing.

    Paths are relative, use forward slashes and are Unicode-composed (NFC), so that names written by
    macOS match names written elsewhere. Hidden files and ``__MACOSX`` are left out. ``read`` may be
    called from several threads.
    """

    def __init__(self, source: Source, limits: ArchiveLimits | None = None) -> None:
        """Open and list ``source``.

        Raises:
            InvalidInput: It does not exist, is neither folder nor zip, cannot be read, is a workspace, or is
                a zip bomb.
        """
        self.problems: list[Problem] = []
        self._files: dict[str, _File] = {}
        self._archives: list[zipfile.ZipFile] = []
        self._limits = limits or ArchiveLimits()
        try:
            if isinstance(source, (str, Path)):
                self._add_path(given_path(source))
            else:
                self._add_uploads(source)
        except BaseException:
            self.close()
            raise
        self.paths: tuple[str, ...] = tuple(sorted(self._files, key=natural_order))

    def __enter__(self) -> OpenSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the zip files; ``read`` is over after this."""
        for archive in self._archives:
            archive.close()

    def size(self, path: str) -> int:
        """Return the announced size of a file in bytes."""
        return self._files[path].size

    def read(self, path: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            InvalidInput: It cannot be read, with the reason.
        """
        if path not in self._files:
            raise InvalidInput("The file is no longer there. Put it back, or check the source again.")
        return self._files[path].read()

    def _add(self, path: str, file: _File) -> None:
        if (shown := _printable(path)) != path:
            self.problems.append(
                Problem(
                    shown, "The name is not UTF-8 text; the file is left out. Rename it and import again."
                )
            )
        elif path in self._files:
            self.problems.append(Problem(path, "There are two files of this name; the first one is used."))
        else:
            self._files[path] = file

    def _add_path(self, path: Path) -> None:
        if path.is_dir():
            self._add_folder(path)
        elif path.is_file():
            try:
                archive_file = path.open("rb")
            except OSError as error:
                raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error
            self._add_zip(archive_file, path.name, path.stat().st_size)
        else:
            raise InvalidInput(f"There is no folder or zip file at {path}. Check the path.")

    def _add_folder(self, root: Path) -> None:
        def note(error: OSError) -> None:
            self.problems.append(
                Problem(_printable(str(error.filename)), f"Cannot be read: {error.strerror}.")
            )

        for folder, folder_names, file_names in os.walk(root, onerror=note):
            if DATABASE_FILE in file_names:
                self._leave_workspace_out(root, Path(folder))
                folder_names.clear()
                continue
            folder_names[:] = [name for name in folder_names if not _is_ignored((name,))]
            for name in folder_names:
                # Not asked of Path, which raises where the folder it lies in may be listed and not entered.
                if os.path.islink(full := Path(folder, name)):
                    # It may lead back to where it lies, and then there would be no end.
                    self._leave_out(
                        root,
                        full,
                        "It is a link to a folder, which an import does not follow. Import that folder, or "
                        "put a copy of it in the place of the link.",
                    )
            for name in file_names:
                if not _is_ignored((name,)):
                    self._add_file(root, Path(folder, name))

    def _add_file(self, root: Path, full: Path) -> None:
        try:
            found = full.stat()
        except OSError as error:
            if isinstance(error, FileNotFoundError) and os.path.islink(full):
                reason = "It is a link to a file that is not there. Put the file in its place."
            else:
                reason = f"It cannot be read: {error.strerror}. Allow reading it and import again."
            self._leave_out(root, full, reason)
            return
        if stat.S_ISREG(found.st_mode):
            relative = unicodedata.normalize("NFC", full.relative_to(root).as_posix())
            self._add(relative, _File(found.st_size, partial(_read_file, full, self._limits)))

    def _leave_workspace_out(self, root: Path, folder: Path) -> None:
        """Note a workspace, whose thumbnails are copies of images and no images of their own.

        Raises:
            InvalidInput: It is the very folder to be imported.
        """
        if folder == root:
            raise InvalidInput(
                f"{_printable(str(root))} is a Qualm workspace, not a folder of images. Put the images in a "
                "folder of their own and import that."
            )
        self._leave_out(root, folder, "It is a Qualm workspace and was left out.")

    def _leave_out(self, root: Path, path: Path, reason: str) -> None:
        self.problems.append(Problem(_printable(path.relative_to(root).as_posix()), reason))

    def _add_uploads(self, uploads: Sequence[tuple[str, bytes]]) -> None:
        for name, data in uploads:
            path = unicodedata.normalize("NFC", name.replace("\\", "/"))
            if path.lower().endswith(".zip"):
                self._add_zip(io.BytesIO(data), name, len(data))
            elif reason := _why_unsafe(path):
                self.problems.append(Problem(name, reason))
            elif path in self._files:
                # A browser hands files over without their folders.
                sentence = (
                    "Another file of this name is uploaded, too, so this one is left out. Upload a zip of "
                    "the folders instead."
                )
                self.problems.append(Problem(path, sentence))
            elif not _is_ignored(PurePosixPath(path).parts):
                self._add(path, _File(len(data), partial(bytes, data)))

    def _add_zip(self, file: BinaryIO, name: str, packed_bytes: int) -> None:
        try:
            archive = zipfile.ZipFile(file)
        except UnicodeDecodeError as error:
            file.close()
            raise InvalidInput(
                f"{name} holds a file name that is not the UTF-8 text it is said to be. Unpack it and import "
                "the folder instead."
            ) from error
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            file.close()
            raise InvalidInput(
                f"{name} is neither a folder nor a zip file that can be opened ({error}). "
                "If it was copied or downloaded, try that again; it may be cut short."
            ) from error
        self._archives.append(archive)
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        self._refuse_bomb(name, entries, packed_bytes)
        for entry in entries:
            shown = _entry_name(entry)
            path = unicodedata.normalize("NFC", shown.replace("\\", "/"))
            if reason := _why_unsafe(path) or _why_unreadable(entry, self._limits):
                self.problems.append(Problem(shown, reason))
            elif not _is_ignored(PurePosixPath(path).parts):
                self._add(
                    PurePosixPath(path).as_posix(),
                    _File(entry.file_size, partial(_read_entry, archive, entry)),
                )

    def _refuse_bomb(self, name: str, entries: Iterable[zipfile.ZipInfo], packed_bytes: int) -> None:
        limits = self._limits
        sizes = [entry.file_size for entry in entries]
        total = sum(sizes)
        if len(sizes) > limits.entries:
            raise InvalidInput(
                f"{name} holds {len(sizes):,} files, more than {limits.entries:,}. "
                "Unpack it and import the folder instead."
            )
        if total > limits.total_bytes:
            raise InvalidInput(
                f"{name} would unpack to {total / 2**30:,.0f} GiB, more than "
                f"{limits.total_bytes / 2**30:,.0f} GiB. Unpack it and import the folder instead."
            )
        # Measured against the file itself, not against the sizes it claims: entries may overlap.
        if total > limits.ratio_from_bytes and total > limits.ratio * packed_bytes:
            raise InvalidInput(
                f"{name} would unpack to {total / max(packed_bytes, 1):,.0f} times its size, as zip bombs "
                "do and images do not. If you trust it, unpack it and import the folder instead."
            )


def natural_order(path: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key that puts ``frame2`` before ``frame10``."""
    # Of numbers without leading zeros the longer one is larger; any text sorts after any number.
    after_numbers = 1 << 30
    parts = [
        (len(part.lstrip("0")), part.lstrip("0"))
        if part.isascii() and part.isdigit()
        else (after_numbers, part.casefold())
        for part in re.split(r"([0-9]+)", path)
        if part
    ]
    return parts, path


def _printable(name: str) -> str:
    """Return a name as text that can be stored and shown: what is no text in it is written as an escape."""
    return name.encode("utf-8", "backslashreplace").decode()


def _is_ignored(parts: Iterable[str]) -> bool:
    return any(part.startswith(".") or part in _IGNORED_NAMES for part in parts)


def _why_unsafe(path: str) -> str | None:
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "The path is absolute, which a zip file must not ask for; the file is left out."
    if ".." in path.split("/"):
        return "The path climbs out of its folder with ..; the file is left out."
    if any(ord(character) < 32 for character in path):
        return "The name holds control characters; the file is left out."
    return None


def _why_unreadable(entry: zipfile.ZipInfo, limits: ArchiveLimits) -> str | None:
    if entry.flag_bits & 0x1:
        return "It is encrypted. Unpack the zip file with its password and import the folder."
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "It is a link to another file, not an image; it is left out."
    if entry.file_size > limits.entry_bytes:
        return f"It would unpack to {entry.file_size / 2**30:,.1f} GiB, too much for one image."
    if entry.file_size > limits.ratio_from_bytes and entry.file_size > limits.ratio * entry.compress_size:
        return "It would unpack to very many times its size, as zip bombs do; it is left out."
    return None


def _entry_name(entry: zipfile.ZipInfo) -> str:
    # Bit 11 says the name is UTF-8. Many programs write UTF-8 and forget the bit; zipfile then reads the
    # bytes as code page 437. A name that turns out to be valid UTF-8 was almost surely meant as that.
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _read_file(path: Path, limits: ArchiveLimits) -> bytes:
    try:
        with path.open("rb") as file:
            if (size := os.fstat(file.fileno()).st_size) > limits.entry_bytes:
                raise InvalidInput(
                    f"The file is {size / 2**30:,.1f} GiB, too much for one image. Cut it into tiles and "
                    "import those."
                )
            return file.read()
    except OSError as error:
        raise InvalidInput(f"The file cannot be read: {error.strerror}.") from error


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    # The directory may lie about sizes, so what really comes out is counted while it is unpacked.
    parts: list[bytes] = []
    total = 0
    try:
        with archive.open(entry) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                total += len(chunk)
                if total > entry.file_size:
                    raise InvalidInput("It unpacks to more than the zip file announces; it is left out.")
                parts.append(chunk)
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        UnicodeDecodeError,  # the name again, before the data
    ) as error:
        raise InvalidInput(f"The zip file is damaged here: {error}.") from error
    if total != entry.file_size:
        raise InvalidInput("It unpacks to less than the zip file announces; the zip file is damaged here.")
    return b"".join(parts)
