"""Zip files of label maps that were prepared for download, in the workspace until nobody fetches them.

They can be larger than the memory, so they go from the disk to the browser by a route of their own.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from urllib.parse import quote

from storage.errors import NotFound
from storage.workspace import Workspace

_KEPT_S = 24 * 60 * 60
"""A zip is kept for a day at least."""


def prepared_folder(workspace: Workspace, project_id: int) -> Path:
    """Return the folder of a project's zip files; it may not be there."""
    return workspace.path / "exports" / str(project_id)


def prepared_zip(workspace: Workspace, project_id: int, name: str) -> Path:
    """Return the path of a zip file by its name.

    Raises:
        NotFound: there is none of that name.
    """
    # Looked up among those that are there, no name leads out of the folder.
    there = {path.name: path for path in prepared_folder(workspace, project_id).glob("*.zip")}
    if name not in there or not there[name].is_file():
        raise NotFound("This zip is not there any more. Prepare it again.")
    return there[name]


def zip_url(project_id: int, name: str) -> str:
    """Return the address of a zip file."""
    return f"/api/projects/{project_id}/exports/{quote(name)}"


def remove_old(folder: Path, keep: Path | None = None) -> None:
    """Remove what was prepared long ago: with images in it, it may fill the disk for labels.

    Args:
        folder: Of a project's zip files.
        keep: The one that was prepared just now.
    """
    for path in folder.glob("*.zip"):
        with contextlib.suppress(OSError):  # Somebody else removes it too, or downloads it right now.
            if path != keep and time.time() - path.stat().st_mtime > _KEPT_S:
                path.unlink()


def remove_old_of_all(workspace: Workspace) -> None:
    """Remove what was prepared long ago for any project, also one that nobody exports again."""
    for folder in (workspace.path / "exports").glob("*/"):
        # Others a person may have put there to stay.
        if folder.name.isdecimal():
            remove_old(folder)
