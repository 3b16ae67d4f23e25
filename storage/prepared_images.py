"""Images of a plan with their files read, checked and stored: all but their rows in the database."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage import images
from storage.checked_images import decoding, read_label_map, require_size
from storage.errors import InvalidInput
from storage.formats.archives import OpenSource, Problem
from storage.formats.image_file import KeptSource, UprightImage, read_image
from storage.formats.label_map import encode_label_map
from storage.import_plan import ImportPlan, PlannedImage
from storage.schema import NOT_LABELLED
from storage.workspace import Workspace


@dataclass(frozen=True)
class PreparedImage:
    """An entry of a plan, what its rows will say, and why they will say less than the plan."""

    entry: PlannedImage
    image: UprightImage | None = None
    """Without its pixels; None where the project has it, and where its file cannot be used."""
    blob: str | None = None
    source: images.SourceFile | None = None
    label_map: NDArray[np.uint8] | None = None
    draft_map: NDArray[np.uint8] | None = None
    truth_blob: str | None = None
    problems: tuple[Problem, ...] = ()


def prepared_image(
    workspace: Workspace, opened: OpenSource, plan: ImportPlan, entry: PlannedImage
) -> PreparedImage:
    """Read, check and store the files of an entry; the rows are written by the caller's thread.

    Raises:
        DiskFull: The disk that holds the workspace is full.
        WorkspaceError: The workspace cannot be written to.
    """
    prepared = PreparedImage(entry)
    # The file of an image that the project has is not needed, and may not be there.
    if not entry.known:
        try:
            with decoding():
                data = opened.read(entry.path)
                if hashlib.sha256(data).hexdigest() != entry.content_hash:
                    raise InvalidInput("The file changed after it was checked. Check the source again.")
                image = read_image(data)
        except InvalidInput as error:
            return PreparedImage(entry, problems=(Problem(entry.path, str(error)),))
        prepared = PreparedImage(
            entry,
            dataclasses.replace(image, blob=b""),
            workspace.blobs.put(image.blob),
            kept_source(workspace, data, image.source),
        )
    if entry.mask is None:
        return prepared
    label_map = planned_label_map(opened, plan, entry, entry.mask)
    if isinstance(label_map, Problem):
        return dataclasses.replace(prepared, problems=(label_map,))
    if entry.mask_becomes == "truth":
        return dataclasses.replace(prepared, truth_blob=workspace.blobs.put(encode_label_map(label_map)))
    if (label_map == NOT_LABELLED).all():
        problem = Problem(entry.mask, "No pixel of it has a class, so the image gets no label.")
        return dataclasses.replace(prepared, problems=(problem,))
    prepared = dataclasses.replace(prepared, label_map=label_map)
    if entry.draft is None:
        return prepared
    draft_map = planned_label_map(opened, plan, entry, entry.draft.path)
    if isinstance(draft_map, Problem):
        return dataclasses.replace(prepared, problems=(draft_map,))
    return dataclasses.replace(prepared, draft_map=draft_map)


def kept_source(workspace: Workspace, data: bytes, kept: KeptSource | None) -> images.SourceFile | None:
    """Store the file that an image comes from, where it holds more than what is stored of the image.

    Raises:
        DiskFull: The disk that holds the workspace is full.
        WorkspaceError: The workspace cannot be written to.
    """
    if kept is None:
        return None
    return images.SourceFile(workspace.blobs.put(data), kept.media_type, kept.bit_depth, kept.channels)


def planned_label_map(
    opened: OpenSource, plan: ImportPlan, entry: PlannedImage, path: str
) -> NDArray[np.uint8] | Problem:
    """Return the label map that a mask of an entry is, or why it cannot be used."""
    try:
        label_map = read_label_map(opened, path, plan.table_colours, plan.meaning)
        require_size(label_map, entry.width, entry.height, entry.rotated)
    except InvalidInput as error:
        return Problem(path, str(error))
    return label_map
