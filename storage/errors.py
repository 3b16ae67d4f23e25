"""What can go wrong, each with a sentence that says what happened and what to do."""

from __future__ import annotations

NOTHING_CHANGED = "Nothing was changed"
"""What is left of work that failed and was one piece; of work in many pieces more is to be said."""


class QualmError(Exception):
    """Base of every error meant for the person; ``str(error)`` is the sentence to show."""


class WorkspaceError(QualmError):
    """The workspace folder or its database cannot be used."""


class WorkspaceBusy(WorkspaceError):
    """Others kept writing to the database for too long."""

    def __init__(self, where: str, waited_s: int, kept: str = NOTHING_CHANGED) -> None:
        self.where = where
        self.waited_s = waited_s
        super().__init__(
            f"{where} was in use for over {waited_s} seconds. {kept}: try again, and close any other program "
            "that has it open, such as a backup."
        )


class WorkspaceInUse(WorkspaceError):
    """Another process already has this role in the workspace."""


class NotFound(QualmError):
    """There is no such project, class, image, label or round."""


class InvalidInput(QualmError):
    """A name, a setting or another value does not fit."""


class InvalidLabelMap(InvalidInput):
    """A label map has the wrong type, size or values."""


class ProjectArchived(InvalidInput):
    """The project is put away: what is open can be saved, and nothing new begins."""


class RoundRefused(QualmError):
    """A round cannot start now."""


class LabelConflict(QualmError):
    """Someone saved a newer revision than the one the saver started from."""

    def __init__(self, revision: int, author: str | None) -> None:
        self.revision = revision
        self.author = author
        super().__init__(
            f"{author or 'Someone'} saved revision {revision} of this image in the meantime. "
            "Nothing was overwritten: load that revision and apply your changes again."
        )


class LeaseLost(QualmError):
    """The image or the round is reserved for somebody else."""

    def __init__(self, held_by: str | None, message: str | None = None) -> None:
        self.held_by = held_by
        super().__init__(
            message
            or f"{held_by or 'Someone else'} is working on this image now. "
            "Nothing was overwritten: take the next image, or ask them to skip this one."
        )


class DiskFull(QualmError):
    """The disk, or the quota on it, is full."""

    def __init__(self, where: str = "the workspace", kept: str = NOTHING_CHANGED) -> None:
        self.where = where
        super().__init__(f"The disk that holds {where} is full. {kept}: free some space and try again.")
