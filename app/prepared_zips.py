"""Zip files of label maps that were prepared for download, in the workspace until nobody fetches them.

They can be larger than the memory, so they go from the disk to the browser by a route of their own.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from storage.errors import NotFound
from storage.workspace import Workspace


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
