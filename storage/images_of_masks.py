"""Images of the project that masks belong to which come without theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from storage.checked_images import CheckedImage, FoundBy, MaskAlone
from storage.errors import InvalidInput
from storage.formats.archives import Problem, natural_order
from storage.formats.layout import Layout, masks_by_name
from storage.formats.manifest import Manifest
from storage.images import ImageInfo
from storage.import_plan import MasksAs


@dataclass(frozen=True)
class ImagesOfMasks:
    """The project's image that each mask without its image, or picture that may be one, belongs to."""

    found: Mapping[str, MaskAlone]
    """By the path of the mask."""
    left_open: Mapping[str, str]
    """By path, why it cannot be told which image it is."""
    among_images: bool
    """Whether the project has images at all."""

    def why_none(self, path: str) -> str:
        """Say why no image was found for a mask."""
        nameless = f"No image{' of the project' if self.among_images else ''} has the name of this mask."
        return self.left_open.get(path, nameless)


def images_by_any_hash(has: Sequence[ImageInfo], manifest: Manifest | None) -> dict[str, ImageInfo]:
    """Return images of the project by the hash of every file that is known to hold the picture of each.

    Those are the file it was imported from, the one that is stored of it and that an export brings back, and
    what an export says to be one of these.
    """
    known = {info.blob: info for info in has} | {info.content_hash: info for info in has}
    for imported, exported in manifest.same_pictures if manifest else ():
        for one, other in ((imported, exported), (exported, imported)):
            if one in known:
                known.setdefault(other, known[one])
    return known


def images_of_masks(
    layout: Layout, manifest: Manifest | None, has: Sequence[ImageInfo], known: Mapping[str, ImageInfo]
) -> ImagesOfMasks:
    """Find the images of masks by what an export says, then by their names.

    Args:
        layout: Of the source.
        manifest: Of the export that the source holds.
        has: The images of the project.
        known: Those by the hash of every file that is known to hold the picture of each.
    """
    masks = [file.path for file in layout.masks_alone]
    by_hash = {} if manifest is None else manifest.label_maps
    found = {
        path: MaskAlone(known[by_hash[path]], "hash", is_sure=True)
        for path in masks
        if by_hash.get(path) in known
    }
    left_open: dict[str, str] = {}
    pictures = [file.path for file in layout.images if file.mask is None]
    for paths, is_sure in ((masks, True), (pictures, False)):
        has_mask = {one.image.id for one in found.values()}
        free = [info for info in has if info.id not in has_mask]
        of_name = {info.name: info for info in free}
        rest = [path for path in paths if path not in found]
        named, several = masks_by_name(rest, [info.name for info in free])
        for path, name in named.items():
            found_by: FoundBy = "name of another file" if path in by_hash else "name"
            found[path] = MaskAlone(of_name[name], found_by, is_sure)
        left_open |= several
    return ImagesOfMasks(found, left_open, among_images=bool(known))


def refuse_labels_alone(masks_as: MasksAs, of_masks: ImagesOfMasks) -> None:
    """Refuse an export of label maps without images where it brings nothing.

    Raises:
        InvalidInput: The masks become nothing, or the project has none of the images.
    """
    if masks_as == "ignore":
        raise InvalidInput(
            "This export holds label maps and no images, so nothing of it is left where masks become "
            "nothing. Let them become labels or hidden truth."
        )
    if not of_masks.found:
        raise InvalidInput(
            "This export holds label maps and no images, and the project has none of theirs. Export "
            "again with the images: --images on the command line, “Put the images beside the label "
            "maps” on the Project page."
        )


def taken_for_masks(
    checked: Sequence[CheckedImage], of_masks: ImagesOfMasks
) -> tuple[list[CheckedImage], list[Problem]]:
    """Take every picture that may be a mask for one, where most pictures of the source are.

    Returns:
        What the pictures are, and why others are not used.
    """
    if not _are_mostly_masks(checked, of_masks):
        return list(checked), []
    told: list[CheckedImage] = []
    problems: list[Problem] = []
    for one in sorted(checked, key=lambda one: natural_order(one.file.path)):
        if isinstance(one.as_mask, Problem):
            problems.append(one.as_mask)
        elif one.as_mask is not None:
            told.append(one.as_mask)
        elif one.may_be_mask:
            problems.append(Problem(one.file.path, of_masks.why_none(one.file.path)))
        else:
            told.append(one)
    return told, problems


def _are_mostly_masks(checked: Sequence[CheckedImage], of_masks: ImagesOfMasks) -> bool:
    """Tell whether more pictures are masks of images that the project has than are photographs.

    One of few values alone tells little: a tile that is blank looks like a mask of one class. Nor do masks
    tell that are sure by where they are: what lies outside their folder is rather none.
    """
    found = sum(isinstance(one.as_mask, CheckedImage) for one in checked)
    photographs = sum(one.file.mask not in of_masks.found and not one.may_be_mask for one in checked)
    return found > photographs


def are_camvid_masks(of_masks: ImagesOfMasks) -> bool:
    """Tell whether a mask is in a folder like ``trainannot`` and its image came from one like ``train``."""
    return any(
        PurePosixPath(path).parent.name.lower() == f"{folder.lower()}annot"
        for path, masked in of_masks.found.items()
        if (folder := PurePosixPath(masked.image.name).parent.name)
    )
