"""Images that are rendered and not read, as those of the demo and of simulations."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from storage import events, images
from storage.errors import InvalidInput
from storage.formats.image_file import read_image
from storage.formats.label_map import encode_label_map
from storage.import_plan import ImportResult
from storage.in_parallel import OnProgress
from storage.prepared_images import kept_source
from storage.workspace import Workspace


class RenderedEntry(Protocol):
    """A rendered image with its exact label map."""

    @property
    def name(self) -> str:
        """Its name in the project."""

    @property
    def image_file(self) -> bytes:
        """The image as JPEG or PNG."""

    @property
    def truth(self) -> NDArray[np.uint8]:
        """Its label map, (height, width)."""

    @property
    def group(self) -> str | None:
        """What it shares with images that look alike."""


def add_rendered(
    workspace: Workspace,
    project_id: int,
    entries: Iterable[RenderedEntry],
    actor: str,
    progress: OnProgress | None = None,
) -> ImportResult:
    """Add rendered images to the pool, each with its label map as hidden truth.

    Args:
        workspace: The workspace.
        project_id: The project.
        entries: The images; they may be rendered while they are read.
        actor: Who did it, for the journal.
        progress: Called after each image, with 0 for how many there are.

    Raises:
        InvalidInput: A file is no image, or its label map has another size.
        NotFound: There is no such project.
    """
    started = time.monotonic()
    imported = already_there = 0
    for done, entry in enumerate(entries, start=1):
        image = read_image(entry.image_file)
        if entry.truth.shape != (image.height, image.width):
            raise InvalidInput(f"The label map of {entry.name} has another size than the image.")
        image_id = images.add_image(
            workspace,
            project_id,
            name=entry.name,
            content_hash=hashlib.sha256(entry.image_file).hexdigest(),
            blob=workspace.blobs.put(image.blob),
            media_type=image.media_type,
            width=image.width,
            height=image.height,
            group=entry.group,
            truth_blob=workspace.blobs.put(encode_label_map(entry.truth)),
            source=kept_source(workspace, entry.image_file, image.source),
        )
        if image_id is None:
            already_there += 1
        else:
            imported += 1
        if progress is not None:
            progress(done, 0, entry.name)
    with workspace.database.writing() as session:
        events.record(session, project_id, actor, "import", images=imported, source="rendered")
    return ImportResult(
        imported,
        labelled=0,
        drafts=0,
        truths=imported,
        already_there=already_there,
        problems=(),
        seconds=time.monotonic() - started,
    )
