"""Which files of a dataset are images, which are masks, and which belong together: from paths alone.

Known trees: ``images/ masks/`` (or ``labels/``, ``annotations/``, ``label_maps/`` …), VOC's ``JPEGImages/
SegmentationClass/``, CamVid's ``train/ trainannot/ val/ valannot/ test/ testannot/``, split folders above or
below those, and masks beside their images as ``x_mask.png`` or, where no folder of masks has an ``x``, as
``x.png`` beside ``x.jpg``. A folder of masks may hold ``x_mask.png``, too. A mask that could belong to
several images belongs to none.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import PurePosixPath

from storage.formats.archives import Problem
from storage.formats.image_file import IMAGE_SUFFIXES

_MASK_FOLDERS = {
    "masks", "mask", "labels", "label", "annotations", "annotation", "ann", "gt", "ground_truth",
    "groundtruth", "label_maps", "labelmaps", "segmentationclass", "segmentationclassaug",
    "segmentation", "segmentations",
}  # fmt: skip
_MASK_FOLDER_ENDINGS = ("annot", "_annotations", "_labels", "_masks", "_mask", "_gt")
_IMAGE_FOLDERS = {"images", "image", "imgs", "img", "jpegimages", "rgb", "photos"}
_INSTANCE_FOLDERS = {"segmentationobject", "instances"}
_BESIDE = {"submitted": {"label_maps"}, "sources": {"images", "label_maps"}}
"""Folders of an export that hold a second file of an image, and those that lie beside them. What they are for
says its manifest."""
_MASK_STEM_ENDINGS = {
    spelling
    for ending in ("_mask", "_label", "_labels", "_seg", "_gt", "_L")
    for spelling in (ending, ending.title(), ending.upper())
}
_LISTED = 3
"""Most files that a sentence names."""
SPLIT_FOLDERS = {
    "train": "train", "training": "train",
    "val": "audit", "valid": "audit", "validation": "audit", "audit": "audit",
    "test": "excluded", "testing": "excluded", "excluded": "excluded",
    "pool": "pool",
}  # fmt: skip
"""Folder names that name a split, and the split they mean here."""


@dataclass(frozen=True)
class ImageFile:
    """An image, the mask that belongs to it, and the split that its folder names."""

    path: str
    mask: str | None
    split: str | None


@dataclass(frozen=True)
class Layout:
    """What a listing of paths amounts to."""

    images: tuple[ImageFile, ...]
    masks_alone: tuple[ImageFile, ...]
    """Masks by the folder they are in, or by what an export says, whose image is not among these."""
    problems: tuple[Problem, ...]
    is_camvid: bool
    """Folders named like ``train`` and ``trainannot`` lie side by side."""
    other_files: tuple[str, ...]
    """Neither image nor mask by their names."""
    image_problems: tuple[Problem, ...] = ()
    """Those among the problems that stay where masks are ignored."""


def find_layout(paths: Sequence[str]) -> Layout:
    """Pair images with masks by place and stem; see the module's description for the trees it knows."""
    pictures = [path for path in paths if path.lower().endswith(IMAGE_SUFFIXES)]
    others = tuple(path for path in paths if not path.lower().endswith(IMAGE_SUFFIXES))
    depth = _common_depth(pictures)
    folders = {path: _folders(path)[depth:] for path in pictures}
    seconds = _folders_of_seconds(folders.values())
    pictures = [
        path
        for path in pictures
        if not _INSTANCE_FOLDERS & set(folders[path])
        and not any(folders[path][: end + 1] in seconds for end in range(len(folders[path])))
    ]

    masks = {path: _stem(path) for path in pictures if any(map(_is_mask_folder, folders[path]))}
    places = {path: _place(folders[path]) for path in pictures}
    outside = [path for path in pictures if path not in masks]
    names = _image_names(outside)
    of_image = {path: _of_image(stem, names) for path, stem in masks.items()}
    masked = {
        (places[path], _stem(stem) if stem.endswith(IMAGE_SUFFIXES) else stem)
        for path, stem in of_image.items()
    }
    masks |= _masks_beside_images({path: places[path] for path in outside}, masked)
    images = [path for path in outside if path not in masks]
    names = _image_names(images)
    # The mask that has the very name of an image goes before one that has more behind it.
    said = {(places[path], stem) for path, stem in masks.items()}
    for path, stem in masks.items():
        if (places[path], bare := _of_image(stem, names)) not in said:
            masks[path] = bare

    at_place: dict[tuple[tuple[str, ...], str], list[str]] = defaultdict(list)
    anywhere: dict[str, list[str]] = defaultdict(list)
    for path, stem in masks.items():
        at_place[places[path], stem].append(path)
        anywhere[stem].append(path)
    stem_count = Counter(_stem(path) for path in images)
    count_at_place = Counter((places[path], _stem(path)) for path in images)

    problems: list[Problem] = []
    found: list[ImageFile] = []
    for path in images:
        stem, name = _stem(path), PurePosixPath(path).name.casefold()
        place = places[path]
        is_alone = count_at_place[place, stem] == 1
        candidates = (at_place.get((place, stem)) if is_alone else None) or at_place.get((place, name))
        if not candidates and stem_count[stem] == 1:
            candidates = anywhere.get(stem) or anywhere.get(name)
        if candidates and len(candidates) > 1:
            problems.append(
                Problem(path, f"Several masks have its name ({', '.join(candidates[:3])}); none is used.")
            )
            candidates = None
        # A wrapping folder may be called anything; one of images with masks is a part of a dataset.
        split = _split(_folders(path) if masks else folders[path])
        found.append(ImageFile(path, candidates[0] if candidates else None, split))
    alone, unused = _unused_masks(masks, found)
    problems += unused
    parts = {part for of_path in folders.values() for part in of_path}
    return Layout(
        tuple(found),
        alone,
        tuple(problems),
        is_camvid=any(part.endswith("annot") and part.removesuffix("annot") in parts for part in parts),
        other_files=others,
    )


def masks_by_name(paths: Sequence[str], names: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Find the image each picture may be the mask of, for pictures that come without their images.

    Args:
        paths: Of the pictures.
        names: Of images that are there already, paths as they were imported.

    Returns:
        By path of a picture, the one name with its stem, or with its stem before ``_mask``; of several the
        one in folders of the same names. Then, by path of a picture, why names leave open which it is of.
    """
    of_stem: dict[str, list[str]] = defaultdict(list)
    at: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for name in names:
        place = _place(_folders(name))
        for stem in {_stem(name), PurePosixPath(name).name.casefold()}:
            of_stem[stem].append(name)
            at[stem, place].append(name)
    found: dict[str, str] = {}
    left_open: dict[str, str] = {}
    pictures: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        stem = _of_image(_stem(path), of_stem)
        candidates = of_stem.get(stem, [])
        at_place = at.get((stem, _place(_folders(path))), [])
        if len(candidates) == 1 or len(at_place) == 1:
            found[path] = (candidates if len(candidates) == 1 else at_place)[0]
            pictures[found[path]].append(path)
        elif candidates:
            left_open[path] = (
                f"{len(candidates):,} images of the project have the name of this mask "
                f"({_listed(candidates)}). Bring its image with it, or put it in folders named as its own."
            )
    for name, several in pictures.items():
        if len(several) > 1:
            why = f"Several pictures have the name of the image {name} ({_listed(several)}). Leave one mask."
            left_open |= dict.fromkeys(several, why)
    return {path: name for path, name in found.items() if path not in left_open}, left_open


def source_groups(paths: Sequence[str]) -> list[str | None]:
    """Return the source of each image, such as its drive or patient, as far as names tell.

    It is the part of the stem before the first ``_`` when every stem has one and these parts are between
    two and a third of the images; else the folder, when there are several besides those of splits.
    """
    prefixes = [PurePosixPath(path).stem.partition("_") for path in paths]
    if all(before and line for before, line, _ in prefixes):
        names = [before for before, _, _ in prefixes]
        if 2 <= len(set(names)) < len(paths) / 3:
            return list(names)
    depth = _common_depth(paths)
    places = []
    for path in paths:
        parts = path.split("/")[depth:-1]
        places.append("/".join(p for p in parts if p.lower() not in _IMAGE_FOLDERS | SPLIT_FOLDERS.keys()))
    return [place or None for place in places] if len(set(places)) > 1 else [None] * len(paths)


def _common_depth(paths: Sequence[str]) -> int:
    """Return how many leading folders all paths share, so that a wrapping folder's name means nothing."""
    folders = [path.split("/")[:-1] for path in paths]
    depth = 0
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        depth += 1
    return depth


def _folders(path: str) -> tuple[str, ...]:
    return tuple(part.lower() for part in path.split("/")[:-1])


def _stem(path: str) -> str:
    return PurePosixPath(path).stem.casefold()


def _image_names(paths: Sequence[str]) -> set[str]:
    """Return the names that a mask may have its image's by: with and without what says the format."""
    return {name for path in paths for name in (_stem(path), PurePosixPath(path).name.casefold())}


def _of_image(stem: str, names: Collection[str]) -> str:
    """Return which of the names of images the stem of a mask says, if need be without ``_mask``.

    It is the stem itself where neither is one.
    """
    if stem in names:
        return stem
    bare = (stem.removesuffix(ending.casefold()) for ending in _MASK_STEM_ENDINGS)
    return next((one for one in bare if one in names), stem)


def _folders_of_seconds(folders: Collection[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Return which folders, or folders around them, hold second files of an export; see ``_BESIDE``."""
    every = {parts[: end + 1] for parts in set(folders) for end in range(len(parts))}
    return {
        parts
        for parts in every
        if parts[-1] in _BESIDE and all((*parts[:-1], name) in every for name in _BESIDE[parts[-1]])
    }


def _is_mask_folder(folder: str) -> bool:
    return folder in _MASK_FOLDERS or folder.endswith(_MASK_FOLDER_ENDINGS)


def _unused_masks(
    masks: Mapping[str, str], images: Sequence[ImageFile]
) -> tuple[tuple[ImageFile, ...], list[Problem]]:
    """Return the masks that no image has the name of, and why others are not used.

    Args:
        masks: By path, with the stem of the image that each belongs to.
        images: With the masks that are used.
    """
    used = {image.mask for image in images}
    of_name: dict[str, list[ImageFile]] = defaultdict(list)
    for image in images:
        for name in (_stem(image.path), PurePosixPath(image.path).name.casefold()):
            of_name[name].append(image)
    unused = {path: of_name[stem] for path, stem in masks.items() if path not in used}
    alone = tuple(
        ImageFile(path, None, _split(_place(_folders(path)))) for path, named in unused.items() if not named
    )
    return alone, [Problem(path, _why_unused(named)) for path, named in unused.items() if named]


def _why_unused(images: Sequence[ImageFile]) -> str:
    """Say why a mask is not used, given the images that have its name."""
    if len(images) == 1:
        instead = f"has the mask {images[0].mask}" if images[0].mask else "has several masks"
        return f"The image of this name, {images[0].path}, {instead}. Leave one mask for each image."
    # Many masks may share the many images of a name, so that listing all for each would take long.
    names = _listed([image.path for image in images[: _LISTED + 1]])
    return (
        f"{len(images):,} images have the name of this mask ({names}): put images and masks in folders of "
        "the same names, or rename them."
    )


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_LISTED]) + (", …" if len(paths) > _LISTED else "")


def _masks_beside_images(
    places: Mapping[str, tuple[str, ...]], masked: AbstractSet[tuple[tuple[str, ...], str]]
) -> dict[str, str]:
    """Return masks that lie in the folders of their images, with the stem of the image each belongs to.

    Args:
        places: Of the pictures that lie in no folder of masks, by path.
        masked: Place and stem of those that do.
    """
    paths = list(places)
    known = {(str(PurePosixPath(path).parent), PurePosixPath(path).stem) for path in paths}
    jpegs = {path.rpartition(".")[0] for path in paths if path.lower().endswith((".jpg", ".jpeg"))}
    masks = {}
    for path in paths:
        folder, stem = str(PurePosixPath(path).parent), PurePosixPath(path).stem
        place = places[path]
        is_masked = any((place[:depth], stem.casefold()) in masked for depth in range(len(place) + 1))
        if path.lower().endswith(".png") and path.rpartition(".")[0] in jpegs and not is_masked:
            masks[path] = stem.casefold()
        for ending in _MASK_STEM_ENDINGS:
            if stem.endswith(ending) and (folder, stem.removesuffix(ending)) in known:
                masks[path] = stem.removesuffix(ending).casefold()
    return masks


def _place(folders: Sequence[str]) -> tuple[str, ...]:
    """Return the folders without those that only say "image" or "mask", so that both sides agree."""
    place = []
    for folder in folders:
        if folder in _MASK_FOLDERS or folder in _IMAGE_FOLDERS:
            continue
        for ending in _MASK_FOLDER_ENDINGS:
            folder = folder.removesuffix(ending)
        for ending in ("_images", "_imgs"):
            folder = folder.removesuffix(ending)
        place.append(folder)
    return tuple(place)


def split_of_folders(path: str) -> str | None:
    """Return the split that the folders of an image name, the innermost that does; None when none does."""
    return _split(_folders(path))


def _split(folders: Sequence[str]) -> str | None:
    for folder in reversed(folders):
        if folder in SPLIT_FOLDERS:
            return SPLIT_FOLDERS[folder]
    return None
