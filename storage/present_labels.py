"""What an image has already of the label map that an import brings for it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from storage import labels
from storage.checked_images import CheckedImage
from storage.formats.mask_meaning import MaskMeaning
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
    values: Mapping[int, int] | None = None,
) -> bool:
    """Tell whether an earlier import has brought a label map, whatever was saved on top of it since.

    Args:
        workspace: The workspace.
        info: The image.
        author: Of the label map.
        becomes: What it becomes.
        values: How many pixels of it each label map value has; None to leave out what it shows.
    """

    def is_it(one: LabelInfo) -> bool:
        if one.author != author or (one.status == "draft") != (becomes == "draft"):
            return False
        if values is None:
            return True
        share = 1 - values.get(NOT_LABELLED, 0) / sum(values.values())
        shown = set(values) - {NOT_LABELLED, VOID}
        return set(one.class_indices) == shown and math.isclose(one.labelled_share, share, abs_tol=1e-9)

    return any(is_it(one) for one in labels.history(workspace, info.id))


def value_counts(one: CheckedImage, meaning: MaskMeaning) -> dict[int, int]:
    """Return how many pixels of a mask each label map value has."""
    counts: dict[int, int] = {}
    for code, pixels in one.counts.items():
        value = meaning.values[one.mask_kind].get(code, NOT_LABELLED) if one.mask_kind else NOT_LABELLED
        counts[value] = counts.get(value, 0) + pixels
    return counts
