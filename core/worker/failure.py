"""What the screen says of an error that ended a round."""

from __future__ import annotations

import traceback
from pathlib import Path

from core.out_of_memory import is_out_of_memory
from storage.errors import DiskFull, QualmError
from storage.files import file_error
from storage.settings import RoundSettings


def failure_sentence(error: Exception, workspace: Path, settings: RoundSettings) -> str:
    """Return what happened and what to do about it; ``workspace`` is the folder of the workspace."""
    if isinstance(error, QualmError | ArithmeticError):
        return str(error)
    if isinstance(error, OSError) and Path(error.filename or "").is_relative_to(workspace):
        found = file_error(error, Path(error.filename))
        if isinstance(found, DiskFull):
            found = DiskFull(found.where, "This round is lost, and nothing else")
        return str(found)
    if is_out_of_memory(error):
        return (
            "The memory does not suffice, even with one image at a time. Choose a smaller long side "
            f"({settings.long_side:,} now) or crop ({settings.crop:,}) in the round settings, then start a "
            "new round."
        )
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}, line {where.lineno}"
    return f"The round stopped: {error or type(error).__name__} ({place}). The worker's log says more."
