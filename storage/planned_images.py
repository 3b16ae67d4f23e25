"""What an import would make of an image and its mask, after what the project has of them already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from storage.checked_images import CheckedImage
from storage.formats.manifest import Manifest
from storage.formats.mask_meaning import MaskMeaning
from storage.images import ImageInfo
from storage.import_plan import LeftOutMask, MaskBecomes, MasksAs, PlannedDraft, PlannedImage
from storage.present_labels import is_label_newest, present_label, value_counts, was_brought
from storage.workspace import Workspace

_AUTHOR = "import"
"""Author of the labels that an import saves, where no export says who it was."""


@dataclass(frozen=True)
class KnownImage:
    """An image that the project has, and where."""

    workspace: Workspace
    image: ImageInfo


def planned_image(
    one: CheckedImage,
    group: str | None,
    split: str,
    masks_as: MasksAs,
    manifest: Manifest | None,
    known: KnownImage | None,
    meaning: MaskMeaning,
    read: Callable[[str], NDArray[np.uint8] | None],
) -> PlannedImage:
    """Return what becomes of an image and of its mask.

    Args:
        one: The image.
        group: What it shares with images that look alike.
        split: Where the source wants it.
        masks_as: What masks shall become.
        manifest: What the export says that it comes from.
        known: The image, where the project has it.
        meaning: Of the masks.
        read: Returns the label map that a mask of the source is, by its path; None where it cannot be read.
    """
    mask = one.file.mask
    author = manifest.authors.get(str(mask), _AUTHOR) if manifest else _AUTHOR
    becomes = _becomes(one, split, masks_as, manifest)
    present = present_label(known.workspace, known.image) if known and becomes else None
    draft = _planned_draft(one.draft, manifest) if manifest and becomes == "label" else None
    left_out, over_revision = None, None
    if known and becomes == "truth" and known.image.truth_blob is not None:
        becomes = None
    elif known and becomes and becomes != "truth" and present:
        has = partial(was_brought, known.workspace, known.image)
        values = value_counts(one.counts, one.mask_kind, meaning)
        of_draft = value_counts(one.draft_counts, one.mask_kind, meaning)
        filled = manifest.filled if manifest else frozenset()
        has_mask = partial(has, author, becomes, partial(read, str(mask)), values, is_filled=mask in filled)
        if mask is not None and not has_mask():
            left_out = LeftOutMask(mask, present)
        elif draft and not has(
            draft.author, "draft", partial(read, draft.path), of_draft, is_filled=draft.path in filled
        ):
            # An import that was stopped has brought the label alone, or one of an export without drafts. On
            # top of a label that somebody has corrected since, the draft would hide the correction.
            if is_label_newest(known.image) and (mask is None or has_mask(is_newest=True)):
                over_revision = known.image.revision
            else:
                left_out = LeftOutMask(draft.path, present)
        becomes = None
    is_exported = manifest is not None and one.file.path in manifest.groups
    # Where an image is that somebody has labelled, drawn for the audit or taken out is no import's business.
    if known and not (becomes and known.image.split == "pool" and not present):
        split = known.image.split
    elif becomes != "label" and split == "train":
        split = "pool"
    elif becomes == "label" and split == "pool":
        split = "train"
    elif becomes is None and split == "audit" and not is_exported:
        split = "pool"
    blind = manifest is None or mask not in manifest.with_suggestion
    if draft and over_revision:
        mask, becomes, author, blind, draft = draft.path, "draft", draft.author, draft.blind, None
    return PlannedImage(
        path=one.file.path,
        name=one.file.path if manifest is None else manifest.names.get(one.file.path, one.file.path),
        content_hash=one.content_hash,
        width=one.image.width,
        height=one.image.height,
        split=split,
        is_audit=(
            manifest is not None
            and split == "excluded"
            and not manifest.measures.isdisjoint((one.file.path, str(one.file.mask)))
        ),
        group=group,
        mask=mask if becomes else None,
        mask_becomes=becomes,
        author=author,
        blind=blind,
        draft=draft if becomes else None,
        over_revision=over_revision,
        rotated=one.image.rotated,
        note=one.image.note,
        known=known is not None,
        left_out=left_out,
    )


def _becomes(
    one: CheckedImage, split: str, masks_as: MasksAs, manifest: Manifest | None
) -> MaskBecomes | None:
    if one.mask_kind is None:
        return None
    if masks_as == "truth":
        return "truth"
    if manifest is not None and one.file.mask in manifest.label_maps:
        return "draft" if one.file.mask in manifest.drafts else "label"
    return "truth" if split == "excluded" else "label"


def _planned_draft(path: str | None, manifest: Manifest) -> PlannedDraft | None:
    if path is None:
        return None
    return PlannedDraft(path, manifest.authors.get(path, _AUTHOR), path not in manifest.with_suggestion)
