"""A workspace: the folder that holds the database, the blobs, the checkpoints and the logs."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from sqlalchemy import URL, select

from storage.database import Database
from storage.errors import InvalidInput, WorkspaceBusy, WorkspaceError, WorkspaceInUse
from storage.files import BlobStore, file_error, given_path
from storage.migrations import bring_up_to_date
from storage.schema import EarlySuggestion, Image, Label, Prediction, Round

DATABASE_FILE = "qualm.sqlite"
SECRET_KEY_FILE = "secret.key"
"""What signs the cookies of browsers; without it, whoever labelled comes back under another name."""
_FOLDERS = ("blobs", "checkpoints", "logs", "thumbnails")


@dataclass(frozen=True)
class Workspace:
    """An open workspace. Every function of ``storage`` takes one first."""

    path: Path
    database: Database
    blobs: BlobStore

    def checkpoint_folder(self, round_id: int) -> Path:
        """Return the folder for the checkpoints of a round; it may not be there."""
        return self.path / "checkpoints" / f"round-{round_id}"

    def close(self) -> None:
        """Close the database connections."""
        self.database.close()


def is_workspace(path: str | Path) -> bool:
    """Tell whether there is a workspace at ``path``, without making anything there.

    Raises:
        InvalidInput: it is no path, or may not be looked at.
    """
    return given_path(Path(path) / DATABASE_FILE).is_file()


def workspace_folder(path: str | Path) -> Path:
    """Return the absolute path of the folder of a workspace, which need not be there.

    Raises:
        InvalidInput: it is no path, may not be looked at, or is not UTF-8, which the database needs.
    """
    folder = given_path(path).absolute()
    if (shown := str(folder).encode("utf-8", "backslashreplace").decode()) != str(folder):
        raise InvalidInput(f"The path {shown} is not UTF-8 text. Choose another for the workspace.")
    return folder


def existing_workspace(path: str | Path) -> Workspace:
    """Open the workspace at ``path`` as :func:`open_workspace` does, but never make one.

    Raises:
        InvalidInput: it is no path, or may not be looked at.
        WorkspaceError: there is none.
    """
    if not is_workspace(path):
        raise WorkspaceError(
            f"There is no workspace in {given_path(path).absolute()}. Name the folder of yours with "
            "--workspace, or make one by importing images."
        )
    return open_workspace(path)


def open_workspace(path: str | Path, database_url: str | None = None) -> Workspace:
    """Open the workspace at ``path``, making its folders and bringing its database up to date.

    Args:
        path: Folder; it is made when missing.
        database_url: SQLAlchemy URL of the database; by default that of :data:`DATABASE_FILE` in the folder.

    Raises:
        InvalidInput: it is no path, may not be looked at, or is not UTF-8.
        WorkspaceError: the folder is a file, read-only, or used before and without space now, or its
            database is newer than this version.
        DiskFull: there is no space for the folders or the database.
    """
    folder = workspace_folder(path)
    try:
        if folder.exists() and not folder.is_dir():
            raise WorkspaceError(f"{folder} is a file, not a folder. Choose another path for the workspace.")
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise WorkspaceError(
            f"{error.filename} is a file where the workspace needs a folder. Choose another path."
        ) from error
    except OSError as error:
        found = file_error(error, folder / _FOLDERS[0])
        if not os.path.isfile(folder / DATABASE_FILE):  # Path's may not look at it, and would raise
            raise found from error
        raise WorkspaceError(
            f"{found} If that is not possible, copy {folder} to another disk and name the copy with "
            "--workspace: all that was saved is in it."
        ) from error
    database = Database(database_url or URL.create("sqlite", database=str(folder / DATABASE_FILE)))
    try:
        bring_up_to_date(database, folder / "migration.lock")
    except BaseException:
        database.close()
        raise
    return Workspace(folder, database, BlobStore(folder / "blobs"))


@contextlib.contextmanager
def workspace_lock(path: str | Path, role: Literal["server", "worker"], at: str = "") -> Iterator[None]:
    """Hold the only place of a ``role`` in the workspace at ``path`` while the block runs.

    ``at`` is where the holder can be reached, such as an address; whoever comes second is told.

    Raises:
        InvalidInput: it is no path, or may not be looked at.
        WorkspaceInUse: another process holds it.
    """
    folder = given_path(path).absolute()
    holder = folder / f"{role}.holder"
    lock = FileLock(folder / f"{role}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise WorkspaceInUse(_in_use(folder, role, holder)) from error
    except OSError as error:
        raise file_error(error, folder / f"{role}.lock") from error
    try:
        with contextlib.suppress(OSError):
            who = f"process {os.getpid()} on {socket.gethostname()}"
            holder.write_text(f"{who} at {at}" if at else who, encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink()
        lock.release()


def _in_use(folder: Path, role: str, holder: Path) -> str:
    try:
        who = holder.read_text(encoding="utf-8").strip()
    except OSError:
        who = ""
    cure = (
        "Open its page in the browser, or stop it first, or choose another workspace."
        if role == "server"
        else "Let it do the work, or stop it first."
    )
    return f"A {role}{f' ({who})' if who else ''} already uses the workspace {folder}. {cure}"


def blobs_in_use(workspace: Workspace) -> Iterator[str]:
    """Yield the key of every blob that rows of the database name, as often as they name it.

    All are of one state of the database.
    """
    columns = (
        (Image.blob, Image.source_blob, Image.truth_blob),
        (Label.blob,),
        (Round.snapshot_blob, Round.embeddings_blob),
        (Prediction.map_blob, Prediction.uncertainty_blob),
        (EarlySuggestion.map_blob, EarlySuggestion.uncertainty_blob),
    )
    with workspace.database.reading() as session:
        for of_table in columns:
            # A part at a time: there are several for each of perhaps a million images.
            rows = session.execute(select(*of_table), execution_options={"yield_per": 1000})
            for keys in rows:
                yield from filter(None, keys)


def sweep_blobs(workspace: Workspace, older_than_s: float = 3600.0) -> int:
    """Delete blobs that no row names and that are older than ``older_than_s`` seconds; return how many.

    The age protects blobs whose row is about to be written. During a backup it deletes none.
    """
    lock = _sweep_lock(workspace)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return 0
    try:
        return workspace.blobs.sweep(blobs_in_use(workspace), older_than_s)
    finally:
        lock.release()


@contextlib.contextmanager
def no_sweep(workspace: Workspace, wait_s: float = 120.0) -> Iterator[None]:
    """Keep every blob that a row names as the block begins, whatever rows go until it ends.

    Raises:
        WorkspaceBusy: a sweep, or another such block, did not end for ``wait_s`` seconds.
        WorkspaceError: the workspace cannot be written to.
    """
    lock = _sweep_lock(workspace)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise WorkspaceBusy(str(workspace.path / "blobs"), round(wait_s)) from error
    except OSError as error:
        raise file_error(error, Path(lock.lock_file)) from error
    try:
        yield
    finally:
        lock.release()


def _sweep_lock(workspace: Workspace) -> FileLock:
    return FileLock(workspace.path / "sweep.lock")
