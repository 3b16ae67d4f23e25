"""What a person does with images picked by hand on the Queue page."""

from __future__ import annotations

from typing import NamedTuple

from storage import images, queue
from storage.workspace import Workspace


class Act(NamedTuple):
    """What the person wants done with which images; ``kind`` is pin, unpin, exclude, restore or alike."""

    kind: str
    image_ids: list[int]


def carry_out(workspace: Workspace, act: Act, annotator: str) -> str:
    """Do what the person asked for, except ``alike``, and return it as a sentence.

    Raises:
        InvalidInput: an image cannot be pinned or moved.
        NotFound: there is no such image.
    """
    count = f"{len(act.image_ids):,} image{'s' if len(act.image_ids) > 1 else ''}"
    if act.kind == "pin":
        queue.pin(workspace, act.image_ids, annotator)
        return f"{count} put in front of the queue"
    if act.kind == "unpin":
        queue.unpin(workspace, act.image_ids, annotator)
        return f"{count} back at the usual place"
    if act.kind == "exclude":
        images.set_split(workspace, act.image_ids, "excluded", annotator)
        return f"{count} excluded: Bring back undoes it"
    images.set_split(workspace, act.image_ids, "pool", annotator)
    return f"{count} brought back"
