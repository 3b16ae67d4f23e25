"""Blobs stored under the SHA-256 of their bytes, and atomic writes of single files."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import tempfile
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

import fsspec
import numpy as np
from fsspec.implementations.local import LocalFileSystem

from storage.errors import DiskFull, InvalidInput, NotFound, WorkspaceError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
TEMPORARY = ".part-"
"""What the names of files begin with that are not whole yet."""
_KEY = re.compile("[0-9a-f]{64}")


def file_error(error: OSError, path: Path) -> DiskFull | WorkspaceError:
    """Return the error to raise for the person when writing at ``path`` failed with ``error``."""
    if error.errno in _FULL:
        return DiskFull(str(path.parent))
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return WorkspaceError(
            f"{path.parent} cannot be written to. Allow writing there, or choose another place."
        )
    return WorkspaceError(
        f"{path} could not be written ({error.strerror or error}). Check the disk and try again."
    )


def given_path(text: str | Path) -> Path:
    """Return a path that a person gives, with ``~`` for a home folder, once the system can look there.

    Raises:
        InvalidInput: It is none, or may not be looked at.
    """
    try:
        path = Path(text).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.stat()
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        shown = str(text)
        shown = shown if len(shown) <= 100 else f"{shown[:99]}…"
        raise InvalidInput(f"{shown} is no path that can be opened ({why}). Type another.") from error
    return path


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that readers see the old file or the whole new one, never a part.

    Missing folders are made. After a failure no temporary file is left.

    Raises:
        DiskFull: no space or quota is left.
        WorkspaceError: the folder is read-only, or the disk failed.
    """
    with atomic_file(path) as file:
        file.write(data)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Give an empty file that takes its place at ``path`` once the block has ended without an exception.

    An ``OSError`` of the block counts as one of writing. The rest is as for :func:`write_atomically`.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            # Without it a power cut could leave a file of the right name and the wrong content.
            os.fsync(file.fileno())
        os.replace(temporary, path)
        temporary = None
        fsync_folder(path.parent)
    except OSError as error:
        raise file_error(error, path) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def fsync_folder(folder: Path) -> None:
    """Wait until the disk has the names of the files in ``folder``.

    Raises:
        OSError: the disk failed.
    """
    if os.name == "nt":  # Windows cannot open a folder for fsync
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class BlobStore:
    """Immutable files named by their content, on any file system fsspec knows."""

    def __init__(self, root: str | Path) -> None:
        """Open the store at ``root``, a folder or an fsspec URL such as ``s3://bucket/blobs``."""
        if isinstance(root, Path):
            # A path may hold what a URL gives a meaning, such as "?" or "::".
            self._files, self._root = LocalFileSystem(), str(root)
        else:
            self._files, self._root = fsspec.core.url_to_fs(root)
        self._local = isinstance(self._files, LocalFileSystem)

    def place(self, key: str) -> str:
        """Return the path of the blob under ``key``, whether there is one or not."""
        return f"{self._root}/{key[:2]}/{key}"

    def put(self, data: bytes) -> str:
        """Store ``data`` and return its key, 64 hexadecimal digits.

        Raises:
            DiskFull: no space or quota is left.
            WorkspaceError: the store is read-only, or the disk failed.
        """
        key = hashlib.sha256(data).hexdigest()
        place = self.place(key)
        if not self._local:
            self._files.pipe_file(place, data)
            return key
        try:
            # A fresh time stamp keeps the sweep away until the row that names this blob is written.
            os.utime(place)
        except FileNotFoundError:
            write_atomically(Path(place), data)
        except OSError as error:
            raise file_error(error, Path(place)) from error
        return key

    def renew(self, keys: Iterable[str]) -> None:
        """Have a sweep spare blobs as if they had just been put. In a store elsewhere nothing is done.

        Raises:
            NotFound: one of them is not there.
            WorkspaceError: the store is read-only, or the disk failed.
        """
        if not self._local:
            return
        for key in keys:
            place = self.place(key)
            try:
                os.utime(place)
            except FileNotFoundError as error:
                raise _missing(key) from error
            except OSError as error:
                raise file_error(error, Path(place)) from error

    def get(self, key: str) -> bytes:
        """Return the bytes stored under ``key``.

        Raises:
            NotFound: there is no such blob.
        """
        try:
            data: bytes = self._files.cat_file(self.place(key))
        except FileNotFoundError as error:
            raise _missing(key) from error
        return data

    def exists(self, key: str) -> bool:
        """Return whether a blob is stored under ``key``."""
        return bool(self._files.exists(self.place(key)))

    def sweep(self, in_use: Iterable[str], older_than_s: float) -> int:
        """Delete what is neither in ``in_use`` nor written in the last ``older_than_s`` seconds.

        That covers temporary files of writers that were killed. The keys are gone through once, and
        8 bytes are kept of each.

        Returns:
            How many files were deleted.
        """
        # Going through the keys takes time too: what is written meanwhile must not look old.
        newest = time.time() - older_than_s
        kept = _KeyStarts(in_use)
        deleted = 0
        for place, written in self._unused(kept):
            if written is not None and written < newest and self._removed(place, newest):
                deleted += 1
        return deleted

    def _unused(self, in_use: _KeyStarts) -> Iterator[tuple[str, float | None]]:
        """Yield the path of every file whose name is not in use, and when it was written, if known."""
        if self._local:
            # One by one: what fsspec finds at once fills the memory where a million images are stored.
            for folder, _, names in os.walk(self._root):
                for name in in_use.missing(names):
                    place = f"{folder}/{name}"
                    # A temporary file may have got its name, and another sweep may be at work.
                    with contextlib.suppress(FileNotFoundError):
                        yield place, os.stat(place).st_mtime
            return
        found = {
            place.rsplit("/", 1)[-1]: (place, detail)
            for place, detail in self._files.find(self._root, detail=True).items()
        }
        for name in in_use.missing(list(found)):
            place, detail = found[name]
            written = detail.get("mtime") or detail.get("LastModified") or detail.get("created")
            stamp = written.timestamp() if hasattr(written, "timestamp") else written
            yield place, None if stamp is None else float(stamp)

    def _removed(self, place: str, newest: float) -> bool:
        """Remove a file, unless its bytes have been put again meanwhile; return whether it went."""
        if not self._local:
            self._files.rm_file(place)
            return True
        # Once it is aside, a put does not find it and writes it anew; one that found it before shows in
        # its time. A person may be accepting, bit for bit, the suggestion that is about to go.
        aside = f"{os.path.dirname(place)}/{TEMPORARY}{os.path.basename(place)}"
        try:
            os.replace(place, aside)
            if os.stat(aside).st_mtime >= newest:
                os.replace(aside, place)
                return False
            os.unlink(aside)
        except FileNotFoundError:
            return False
        return True


class _KeyStarts:
    """The first 64 bits of each of many keys, to tell the names of files that are none of them.

    A file that is not in use but begins as a key does is taken for one that is: it stays, and no blob goes
    that is in use. Among a million keys that is the lot of one file in 10¹³.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        starts = array("Q")
        rest = iter(keys)
        while part := list(islice(rest, 1000)):
            starts.frombytes(_starts_of(part).tobytes())
        self._sorted = np.frombuffer(starts, np.uint64)
        self._sorted.sort()

    def missing(self, names: Sequence[str]) -> Iterator[str]:
        """Yield those of the names that are not those of keys; what cannot be a key is not."""
        could_be = []
        for name in names:
            if _KEY.fullmatch(name):
                could_be.append(name)
            else:
                yield name
        starts = _starts_of(could_be)
        first, behind = (np.searchsorted(self._sorted, starts, side) for side in ("left", "right"))
        for at in np.flatnonzero(first == behind):
            yield could_be[at]


def _missing(key: str) -> NotFound:
    return NotFound(
        f"The file {key[:12]}… is missing from the workspace. Restore the folder blobs from a backup."
    )


def _starts_of(keys: Sequence[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(key[:16] for key in keys)), np.uint64)
