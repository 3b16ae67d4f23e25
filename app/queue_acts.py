"""What a person does with images picked by hand on the Queue page."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from storage import images, queue
from storage.errors import QualmError, WorkspaceBusy
from storage.wording import count_of
from storage.workspace import Workspace


class Act(NamedTuple):
    """What the person wants done with which images; ``kind`` is pin, unpin, exclude or restore."""

    kind: str
    image_ids: list[int]
    number: int | None = None
    """Of an act of the grid, which the browser sends again until it is answered: it counts them."""


class NotTried(QualmError):
    """Acts were left out because one before them could not be done."""


@dataclass
class ActLog:
    """What came of the acts of one browser session.

    A callback that asks Streamlit for something, be it a value of the session, may be ended right there by
    the next click. This is a plain object, so that an act and what is noted of it are never torn apart.
    """

    done: int = 0
    """Number of the last act of the grid that was carried out, or could not be."""
    unsaid: list[str | Exception] = field(default_factory=list)
    """What was done, or why it could not be, and is not on the screen yet."""
    excluded: list[int] = field(default_factory=list)
    """The images that the last act excluded, for the button that undoes it."""
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while acts are carried out: a click begins the next run while the one it ends is still at work."""


def carry_out_all(workspace: Workspace, log: ActLog, acts: Sequence[Act], annotator: str) -> None:
    """Carry out the acts that were not carried out before; what comes of them stands in the log."""
    with log.turn:
        for at, act in enumerate(acts, start=1):
            if act.number is not None and act.number <= log.done:
                continue
            try:
                excludes = to_bring_back(workspace, act)
                log.unsaid.append(carry_out(workspace, act, annotator))
                log.excluded = excludes
            except WorkspaceBusy as error:
                # For the others, too, it would be waited in vain, one after the other.
                log.unsaid.append(error)
                if left := len(acts) - at:
                    what = f"Nor was what came after it tried ({count_of(left, 'act')}): do it again."
                    log.unsaid.append(NotTried(what))
                log.done = max(log.done, *(one.number or 0 for one in acts))
                return
            except Exception as error:
                log.unsaid.append(error)
            log.done = max(log.done, act.number or 0)


def to_bring_back(workspace: Workspace, act: Act) -> list[int]:
    """Return the images that an act is about to exclude, and that its undo brings back.

    Raises:
        NotFound: there is no such image.
    """
    return images.ids_outside(workspace, act.image_ids, "excluded") if act.kind == "exclude" else []


def carry_out(workspace: Workspace, act: Act, annotator: str) -> str:
    """Do what the person asked for, and return it as a sentence.

    Raises:
        NotFound: there is no such image; then nothing is done.
    """
    if act.kind == "pin":
        pinned = queue.pin(workspace, act.image_ids, annotator)
        rest = len(act.image_ids) - pinned
        others = f"; {rest:,} labelled, for audit, excluded or in front already" if rest else ""
        return f"{count_of(pinned, 'image')} put in front of the queue{others}"
    if act.kind == "unpin":
        unpinned = queue.unpin(workspace, act.image_ids, annotator)
        return f"{count_of(unpinned, 'image')} back at the usual place"
    if act.kind == "exclude":
        excluded = images.set_split(workspace, act.image_ids, "excluded", annotator)
        rest = len(act.image_ids) - excluded
        others = f"; {rest:,} were before" if rest else ""
        return f"{count_of(excluded, 'image')} excluded{others}"
    return f"{count_of(images.bring_back(workspace, act.image_ids, annotator), 'image')} brought back"
