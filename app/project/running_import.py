"""Imports, of which a project has one at a time, whoever began it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal, get_args

from app.project.running_work import RunningWork
from storage.errors import InvalidInput
from storage.import_plan import ImportPlan, ImportResult, MasksAs
from storage.importing import run_import
from storage.workspace import Workspace

Kind = Literal["Folder or zip on the server", "Upload"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class AskedImport:
    """What the form of an import asks for.

    Attributes:
        kind: Where from.
        path: The path on the server; empty for an upload.
        files: Numbers that the uploaded files have in their browser session.
        masks_as: What masks become.
        follow_splits: Whether folders keep their split.
    """

    kind: Kind = KINDS[0]
    path: str = ""
    files: tuple[str, ...] = ()
    masks_as: MasksAs = "labels"
    follow_splits: bool = True


@dataclass(frozen=True)
class RunningImport:
    """An import under way, or the last one that ended.

    Attributes:
        asked: What was asked for.
        plan: What it carries out, as long as somebody else holds that, with the files of an upload in it.
        work: Its course and what came of it.
    """

    asked: AskedImport
    plan: weakref.ref[ImportPlan]
    work: RunningWork[ImportResult]

    def report(self) -> list[str]:
        """Return what it did, in sentences, the outcome first; it has ended.

        Raises:
            QualmError: Why it failed.
        """
        if self.work.was_stopped:
            return [
                f"Stopped after {self.work.done:,} of {self.work.of:,} images. What came in is complete; "
                "check the same source again and the rest follows."
            ]
        return self.work.outcome().report()


_imports: dict[tuple[Path, int], RunningImport] = {}
_lock = Lock()


def import_of(workspace: Workspace, project_id: int) -> RunningImport | None:
    """Return the import of a project that runs or ended last; None when nothing is to be said of one."""
    return _imports.get((workspace.path, project_id))


def begin_import(
    workspace: Workspace, project_id: int, plan: ImportPlan, asked: AskedImport, actor: str
) -> None:
    """Start to carry out a plan and return at once.

    Raises:
        InvalidInput: another import into the project is running.
    """
    begun = RunningImport(asked, weakref.ref(plan), RunningWork("Importing", of=len(plan.entries)))
    with _lock:
        last = import_of(workspace, project_id)
        if last is not None and not last.work.is_over:
            raise InvalidInput(
                "An import into this project is running already. Wait for its end, or stop it."
            )
        _imports[workspace.path, project_id] = begun
    begun.work.begin(lambda progress: run_import(workspace, project_id, plan, actor, progress=progress))


def forget_ended_import(workspace: Workspace, project_id: int) -> None:
    """Drop what is to be said of the last import, unless it still runs."""
    with _lock:
        last = import_of(workspace, project_id)
        if last is not None and last.work.is_over:
            del _imports[workspace.path, project_id]
