"""What an image has already of the label map that an import brings for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from storage import labels
from storage.errors import QualmError
from storage.formats.mask_meaning import MaskMeaning
from storage.formats.masks import MaskKind
from storage.images import ImageInfo
from storage.import_plan import MaskBecomes, Present
from storage.labels import LabelInfo
from storage.schema import NOT_LABELLED, VOID
from storage.workspace import Workspace


def present_label(workspace: Workspace, info: ImageInfo) -> Present | None:
    """Return whether an image has a label or, without one, a draft.

    Returns:
        None as well where all that was drawn was taken back: that is no work to lose.
    """
    if info.labelled_revision:
        return "label"
    if info.revision and labels.history(workspace, info.id)[0].labelled_share:
        return "draft"
    return None


def is_label_newest(info: ImageInfo) -> bool:
    """Tell whether an image has a label and nothing was saved on top of it."""
    return 0 < info.labelled_revision == info.revision


def was_brought(
    workspace: Workspace,
    info: ImageInfo,
    author: str,
    becomes: MaskBecomes,
    read: Callable[[], NDArray[np.uint8] | None],
    values: Mapping[int, int] | None = None,
    *,
    is_filled: bool = False,
    is_newest: bool = False,
) -> bool:
    """Tell whether an earlier import has brought a label map, whatever was saved on top of it since.

    It is the same when every pixel of it is: one that was corrected may show as much of every class.

    Args:
        workspace: The workspace.
        info: The image.
        author: Of the label map.
        becomes: What it becomes.
        read: Returns it, or None where it cannot be read and so is not the same; called only where one that
            the image has may be.
        values: How many pixels of it each label map value has, where that is known without reading it.
        is_filled: Void stands for pixels that were not labelled in it, too, as exports write them by default.
        is_newest: Nothing may have been saved on top of it.
    """

    def may_be_it(one: LabelInfo) -> bool:
        if one.author != author or (one.status == "draft") != (becomes == "draft"):
            return False
        if values is None:
            return True
        share = 1 - values.get(NOT_LABELLED, 0) / sum(values.values())
        shown = set(values) - {NOT_LABELLED, VOID}
        if is_filled:
            return set(one.class_indices) == shown
        return set(one.class_indices) == shown and math.isclose(one.labelled_share, share, abs_tol=1e-9)

    history = labels.history(workspace, info.id)
    blobs = {one.blob for one in (history[:1] if is_newest else history) if may_be_it(one)}
    if not blobs:
        return False
    label_map = read()
    return label_map is not None and any(_is_same(workspace, blob, label_map, is_filled) for blob in blobs)


def _is_same(workspace: Workspace, blob: str, label_map: NDArray[np.uint8], is_filled: bool) -> bool:
    try:
        present = labels.decode_label_map(workspace.blobs.get(blob))
    except QualmError:
        return False
    if is_filled:
        present = np.where(present == NOT_LABELLED, np.uint8(VOID), present)
    return np.array_equal(present, label_map)


def value_counts(counts: Mapping[int, int], kind: MaskKind | None, meaning: MaskMeaning) -> dict[int, int]:
    """Return how many pixels of a mask each label map value has, given that of its codes."""
    found: dict[int, int] = {}
    for code, pixels in counts.items():
        value = meaning.values[kind].get(code, NOT_LABELLED) if kind else NOT_LABELLED
        found[value] = found.get(value, 0) + pixels
    return found
