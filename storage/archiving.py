"""Projects that are put away and brought back; nothing of them is deleted."""

from __future__ import annotations

import time

from storage import events, rounds
from storage.projects import ProjectInfo, project_info, project_row
from storage.workspace import Workspace


def archive_project(workspace: Workspace, project_id: int, actor: str) -> ProjectInfo:
    """Take a project out of the list; its rounds that wait or are at work are cancelled, and none begins.

    Reservations stay, and whoever still has one of its images open can save and submit it.

    Raises:
        NotFound: there is no such project.
    """
    with workspace.database.writing() as session:
        project = project_row(session, project_id, lock=True)
        if project.archived_at is None:
            rounds.cancel_live_rounds(session, project_id, actor, "The project was archived.")
            project.archived_at = time.time()
            events.record(session, project_id, actor, "settings", archived=True)
        return project_info(project)


def restore_project(workspace: Workspace, project_id: int, actor: str) -> ProjectInfo:
    """Put an archived project back into the list, as it was left; a cancelled cold start is due again.

    Raises:
        NotFound: there is no such project.
    """
    with workspace.database.writing() as session:
        project = project_row(session, project_id, lock=True)
        if project.archived_at is not None:
            project.archived_at = None
            events.record(session, project_id, actor, "settings", archived=False)
        return project_info(project)
