"""A copy of a workspace that is one state of it, made while others work in it.

First the database is copied, as it is at one moment. Whatever its rows name was written before them and
never changes, so it can be copied at leisure: blobs, from which the sweep keeps away meanwhile, and
checkpoints, of which those that are removed meanwhile are ones that a round can do without. Thumbnails,
superpixels, small pictures, zip files for download and logs stay behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, select

from storage.database import Database
from storage.errors import InvalidInput, NotFound
from storage.files import BlobStore, file_error, fsync_folder
from storage.in_parallel import OnProgress
from storage.new_folders import new_folder, place_of_new_folder
from storage.schema import LIVE_ROUND_STATES, Round
from storage.wording import size_of
from storage.workspace import (
    DATABASE_FILE,
    SECRET_KEY_FILE,
    Workspace,
    blobs_in_use,
    no_sweep,
    workspace_folder,
)

_WRITER = "a backup"
_TRIES = 5
"""A round at work replaces its checkpoint, perhaps the one that is being copied."""


@dataclass(frozen=True)
class BackupResult:
    """What a backup wrote."""

    path: Path
    files: int
    size: int
    """Bytes of all files."""
    not_whole: tuple[str, ...]
    """Keys of the blobs that are missing, damaged or unreadable in the workspace itself."""

    def report(self) -> list[str]:
        """Return the result in sentences."""
        lines = [f"{self.files:,} files, {size_of(self.size)}, backed up to {self.path}."]
        if self.not_whole:
            number = len(self.not_whole)
            are = "1 file of the workspace is" if number == 1 else f"{number:,} files of the workspace are"
            lines.append(
                f"{are} missing, damaged or unreadable, such as {self.not_whole[0][:12]}…; the backup is no "
                "better there. Restore the folder blobs from an earlier one."
            )
        command = f"python3 run_app.py serve --workspace {shlex.quote(str(self.path))}"
        lines.append(f"To go on from it, copy it to where you work, or open it as it is: {command}")
        return lines


def back_up(workspace: Workspace, target: str | Path, progress: OnProgress | None = None) -> BackupResult:
    """Copy a workspace to a new folder, itself a workspace, while others may work in it.

    The folder appears under its name only when it is complete.

    Args:
        workspace: The workspace.
        target: A folder that does not exist or is empty, or a link to one.
        progress: Called after each file that rows of the database name, with its key.

    Raises:
        InvalidInput: The target exists and is not an empty folder, is where a disk begins, lies in the
            workspace, or is no path a workspace can have; or the database is not a file.
        DiskFull: There is no space; nothing is left behind.
        WorkspaceBusy: Another backup is at work.
        WorkspaceError: The database is damaged, or the target cannot be written.
    """
    if workspace.database.sqlite_file is None:
        raise InvalidInput(
            "The database of this workspace is on a server of its own. Stop Qualm, then copy that database "
            "with its own tools, such as pg_dump, and this folder."
        )
    place = place_of_new_folder(workspace_folder(target), _WRITER)
    if place.resolve().is_relative_to(workspace.path.resolve()):
        raise InvalidInput(
            f"{place} lies in the workspace that is to be backed up. Choose a place outside of "
            f"{workspace.path}, best on another disk."
        )
    try:
        with no_sweep(workspace), new_folder(place, _WRITER) as folder:
            workspace.database.copy_to(folder / DATABASE_FILE)
            url = URL.create("sqlite", database=str(folder / DATABASE_FILE))
            copied = Workspace(folder, Database(url), BlobStore(folder / "blobs"))
            with contextlib.closing(copied):
                # These first, since nothing keeps rounds from removing theirs.
                _copy_checkpoints(workspace, copied)
                not_whole = _copy_blobs(workspace, copied, progress)
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(workspace.path / SECRET_KEY_FILE, folder / SECRET_KEY_FILE)
                (folder / SECRET_KEY_FILE).chmod(0o600)
            folder.chmod(stat.S_IMODE(workspace.path.stat().st_mode))
            files, size = _fsync_all(folder)
        fsync_folder(place.parent)
    except OSError as error:
        raise file_error(error, place) from error
    return BackupResult(place, files, size, not_whole)


def _copy_blobs(workspace: Workspace, copied: Workspace, progress: OnProgress | None) -> tuple[str, ...]:
    """Copy the blobs that rows of the copied database name; return the keys of those that are not whole."""
    of = sum(1 for _ in blobs_in_use(copied))
    not_whole: dict[str, None] = {}
    for done, key in enumerate(blobs_in_use(copied), start=1):
        if key not in not_whole and not copied.blobs.exists(key) and not _copy_blob(workspace, copied, key):
            not_whole[key] = None
        if progress is not None:
            progress(done, of, key)
    return tuple(not_whole)


def _copy_blob(workspace: Workspace, copied: Workspace, key: str) -> bool:
    """Copy a blob as it is, if it can be read; return whether it is whole."""
    try:
        data = workspace.blobs.get(key)
    except (NotFound, OSError):
        return False
    place = Path(copied.blobs.place(key))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return hashlib.sha256(data).hexdigest() == key


def _copy_checkpoints(workspace: Workspace, copied: Workspace) -> None:
    """Copy the checkpoints of rounds that the copied database knows, those of the newest first.

    A round begun since has the number that another may get in the copy, which must not find its checkpoints.
    """
    going_on = Round.state.in_(("done", *LIVE_ROUND_STATES))
    with copied.database.reading() as session:
        ids = session.scalars(select(Round.id).where(going_on).order_by(Round.id.desc())).all()
    for round_id in ids:
        _copy_while_it_changes(workspace.checkpoint_folder(round_id), copied.checkpoint_folder(round_id))


def _copy_while_it_changes(source: Path, target: Path) -> None:
    """Copy a folder as it is at one moment; leave it out when it goes, or never stays as it is."""
    for _ in range(_TRIES):
        if not source.is_dir():
            return
        with contextlib.suppress(FileNotFoundError):
            _copy_folder(source, target)
            if _names(source) == _names(target):
                return
        shutil.rmtree(target)


def _copy_folder(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for name in os.listdir(source):
        # A name that begins with a dot is of something that is not whole yet.
        if name.startswith("."):
            continue
        if (source / name).is_dir():
            _copy_folder(source / name, target / name)
        else:
            shutil.copyfile(source / name, target / name)


def _names(folder: Path) -> set[Path]:
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return {path for path in found if not any(part.startswith(".") for part in path.parts)}


def _fsync_all(root: Path) -> tuple[int, int]:
    """Wait until the disk has every file and folder under ``root``; return how many files and bytes.

    At the end, when it has most of them: file by file it would take many times as long.
    """
    count = size = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with open(os.path.join(folder, name), "rb+") as file:
                os.fsync(file.fileno())
                size += os.fstat(file.fileno()).st_size
            count += 1
        fsync_folder(Path(folder))
    return count, size
