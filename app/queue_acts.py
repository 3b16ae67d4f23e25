"""What a person does with images picked by hand on the Queue page."""

from __future__ import annotations

from typing import NamedTuple

from app.notices import image_count
from storage import images, queue
from storage.workspace import Workspace


class Act(NamedTuple):
    """What the person wants done with which images; ``kind`` is pin, unpin, exclude or restore."""

    kind: str
    image_ids: list[int]


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
        return f"{image_count(pinned)} put in front of the queue{others}"
    if act.kind == "unpin":
        return f"{image_count(queue.unpin(workspace, act.image_ids, annotator))} back at the usual place"
    if act.kind == "exclude":
        excluded = images.set_split(workspace, act.image_ids, "excluded", annotator)
        rest = len(act.image_ids) - excluded
        others = f"; {rest:,} were before" if rest else ""
        return f"{image_count(excluded)} excluded{others}"
    return f"{image_count(images.bring_back(workspace, act.image_ids, annotator))} brought back"
