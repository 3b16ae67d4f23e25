"""Imports that go on while pages are left and reloaded: one a project, each in a thread of the server."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread

from storage.errors import InvalidInput
from storage.import_plan import ImportPlan
from storage.importing import run_import
from storage.workspace import Workspace


class _Stopped(Exception):
    """Somebody asked for the end of the import."""


@dataclass
class RunningImport:
    """An import under way, or the last one that ended.

    Attributes:
        source: Where from: a path on this machine; None for an upload.
        of: How many images the plan has.
        done: How many of them are through.
        report: What it did, in sentences, the outcome first; None while it runs, and when it failed.
        error: Why it failed.
    """

    source: str | None
    of: int
    began: float = field(default_factory=time.monotonic)
    done: int = 0
    report: list[str] | None = None
    error: Exception | None = None
    is_stopping: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.report is not None or self.error is not None

    @property
    def is_complete(self) -> bool:
        """Whether it has done all of its plan."""
        return self.report is not None and self.done == self.of

    def stop(self) -> None:
        """End it after the image that is being written."""
        self.is_stopping = True

    def carry_out(self, workspace: Workspace, project_id: int, plan: ImportPlan, actor: str) -> None:
        """Run the import to its end; what is raised on the way is kept for whoever looks."""

        def moved(done: int, of: int, name: str) -> None:
            self.done = done
            if self.is_stopping and done < of:
                raise _Stopped

        try:
            self.report = run_import(workspace, project_id, plan, actor, progress=moved).report()
        except _Stopped:
            self.report = [
                f"Stopped after {self.done:,} of {self.of:,} images. What came in is complete; check the "
                "same source again and the rest follows."
            ]
        except Exception as error:
            self.error = error


_imports: dict[tuple[Path, int], RunningImport] = {}
_lock = Lock()


def import_of(workspace: Workspace, project_id: int) -> RunningImport | None:
    """Return the import of a project that runs or ended last; None when nothing is to be said of one."""
    return _imports.get((workspace.path, project_id))


def begin_import(workspace: Workspace, project_id: int, plan: ImportPlan, actor: str) -> RunningImport:
    """Start to carry out a plan and return at once.

    Raises:
        InvalidInput: another import into the project is running.
    """
    begun = RunningImport(
        str(plan.source) if isinstance(plan.source, (str, Path)) else None, len(plan.entries)
    )
    with _lock:
        last = import_of(workspace, project_id)
        if last is not None and not last.is_over:
            raise InvalidInput(
                "An import into this project is running already. Wait for its end, or stop it."
            )
        _imports[workspace.path, project_id] = begun
    # A daemon, for a server that ends need not wait: an import goes on where it was.
    Thread(target=begun.carry_out, args=(workspace, project_id, plan, actor), daemon=True).start()
    return begun


def forget_ended_import(workspace: Workspace, project_id: int) -> None:
    """Drop what is to be said of the last import, unless it still runs."""
    with _lock:
        last = import_of(workspace, project_id)
        if last is not None and last.is_over:
            del _imports[workspace.path, project_id]
