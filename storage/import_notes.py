"""What a person should know before an import, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import get_args

from storage.checked_images import CheckedImage, FoundBy, MaskAlone
from storage.formats.class_list import JSON_NAMES, TABLE_NAMES
from storage.formats.image_file import NoteKind
from storage.formats.manifest import MANIFEST_NAME
from storage.formats.masks import colour_text
from storage.wording import count_of

_HEIC_SUFFIXES = (".heic", ".heif")


def import_notes(
    checked: Sequence[CheckedImage],
    *,
    alone: Mapping[str, MaskAlone],
    left_open: Mapping[str, str],
    meaning: Sequence[str],
    blank: Sequence[str | None],
    filled: Sequence[str | None],
    other_files: Sequence[str],
) -> tuple[str, ...]:
    """Return what should be known of the images and masks of a source.

    Args:
        checked: The images, each file once.
        alone: The project's images that pictures may be masks of, by the path of the picture.
        left_open: Why it cannot be told which image a picture is the mask of, by its path.
        meaning: What was decided about the masks.
        blank: Paths of the masks without a pixel of a known class.
        filled: Paths of the masks in which void stands for pixels, too, that were not labelled.
        other_files: Paths that are neither image nor mask.
    """
    return (
        *_masks_alone_notes(checked, alone),
        *_taken_as_images_notes(checked),
        *_left_open_notes(checked, left_open),
        *meaning,
        *_blank_notes(blank),
        *_filled_notes(filled),
        *_palette_notes(checked),
        *_pixel_notes(checked),
        *_left_alone_notes(other_files),
    )


def _masks_alone_notes(checked: Sequence[CheckedImage], alone: Mapping[str, MaskAlone]) -> list[str]:
    """Say which masks go to images that the project has, and how those were found."""
    lines = []
    found = [path for one in checked if (path := one.file.mask) is not None and path in alone]
    ways: dict[FoundBy, str] = {
        "hash": f"as {MANIFEST_NAME} says",
        "name": "by name",
        "name of another file": f"by name, though {MANIFEST_NAME} says that those were other files: take "
        "them out of the source unless the pictures are the same",
    }
    for found_by, how in ways.items():
        masks = [path for path in found if alone[path].found_by == found_by]
        if not masks:
            continue
        come = "1 mask comes" if len(masks) == 1 else f"{len(masks):,} masks come"
        line = f"{come} without images, such as {masks[0]}, for images that the project has, {how}."
        if not all(alone[path].is_sure for path in masks):
            line += " To bring them in as images, let masks become nothing."
        lines.append(line)
    return lines


def _taken_as_images_notes(checked: Sequence[CheckedImage]) -> list[str]:
    """Say which pictures come in as images though they look like masks of images of the project."""
    paths = [one.file.path for one in checked if isinstance(one.as_mask, CheckedImage)]
    if not paths:
        return []
    come, though, these_are = (
        ("1 picture comes in as an image", "it has few values and the name", "it is a mask, put it")
        if len(paths) == 1
        else (
            f"{len(paths):,} pictures come in as images",
            "they have few values and the names",
            "they are masks, put them",
        )
    )
    return [
        f"{come}, such as {paths[0]}: {though} of what the project has, as masks do, but most pictures of "
        f"the source are photographs. If {these_are} in a folder named masks."
    ]


def _left_open_notes(checked: Sequence[CheckedImage], left_open: Mapping[str, str]) -> list[str]:
    """Say which pictures come in as images that may be masks, and why they are not taken for them."""
    paths = [one.file.path for one in checked if one.may_be_mask and one.file.path in left_open]
    if not paths:
        return []
    look = (
        "1 picture looks like a mask and comes in as an image"
        if len(paths) == 1
        else f"{len(paths):,} pictures look like masks and come in as images"
    )
    return [f"{look}, such as {paths[0]}. {left_open[paths[0]]}"]


def _blank_notes(masks: Sequence[str | None]) -> list[str]:
    if not masks:
        return []
    have, images_get = (
        ("1 mask has", "its image gets no label")
        if len(masks) == 1
        else (f"{len(masks):,} masks have", "their images get no labels")
    )
    return [f"{have} no pixel of a known class, such as {masks[0]}; {images_get}."]


def _filled_notes(masks: Sequence[str | None]) -> list[str]:
    """Say which label maps of an export count as labelled whole and were not, and how to keep them apart."""
    if not masks:
        return []
    have, come = (
        ("1 label map", "it comes in") if len(masks) == 1 else (f"{len(masks):,} label maps", "they come in")
    )
    return [
        f"Of {have}, such as {masks[0]}, a part was not labelled when it was exported, and was written "
        f"as void (255); {come} as labelled whole. To go on labelling there, export again with those pixels "
        "apart: --not-labelled-apart on the command line, “Keep pixels that are not labelled apart” on the "
        "Project page."
    ]


def _palette_notes(checked: Sequence[CheckedImage]) -> list[str]:
    """Say where masks give an index different colours, as programs do that make a palette for each file."""
    known: dict[int, tuple[str | None, int]] = {}
    for one in checked:
        for code in one.counts if one.mask_kind == "index" and one.palette else ():
            first, colour = known.setdefault(code, (one.file.mask, one.palette[code]))
            if one.palette[code] != colour:
                return [
                    f"The palettes of the masks differ: index {code} is {colour_text(colour)} in {first} and "
                    f"{colour_text(one.palette[code])} in {one.file.mask}. The index says the class, not the "
                    "colour; if the colour shall say it, save the masks as RGB."
                ]
    return []


def _pixel_notes(checked: Sequence[CheckedImage]) -> list[str]:
    """Say what is changed about pixels, once for each kind of change, what is lost before the rest."""
    of_kind: dict[NoteKind, list[tuple[str, str]]] = {}
    for one in checked:
        for note in one.image.notes:
            of_kind.setdefault(note.kind, []).append((one.file.path, note.sentence))
    # Of turned images the plan tells with their masks.
    kinds = [kind for kind in get_args(NoteKind) if kind in of_kind and kind != "turn"]
    return [_changed_line(of_kind[kind]) for kind in kinds]


def _changed_line(noted: Sequence[tuple[str, str]]) -> str:
    """Return one sentence for the images, each with what is changed, that are changed in one way."""
    (path, sentence), more = noted[0], len(noted) - 1
    line = f"{sentence.removesuffix('.')}: {path}"
    if not more:
        return f"{line}."
    is_same = all(other == sentence for _, other in noted)
    return f"{line} and {more:,} more." if is_same else f"{line}, and {more:,} more alike."


def _left_alone_notes(files: Sequence[str]) -> list[str]:
    """Say which files are not read, and what to do where they are HEIC or look like outlines."""
    known = {*JSON_NAMES, *TABLE_NAMES, MANIFEST_NAME}
    others = [path for path in files if PurePosixPath(path).name.lower() not in known]
    lines = []
    heic = [path for path in others if path.lower().endswith(_HEIC_SUFFIXES)]
    if heic:
        lines.append(
            f"{count_of(len(heic), 'photograph')} left alone, such as {heic[0]}: HEIC is not read. Let the "
            "phone write JPEG, or convert them to JPEG."
        )
    others = [path for path in others if not path.lower().endswith(_HEIC_SUFFIXES)]
    outlines = [path for path in others if path.lower().endswith((".json", ".xml"))]
    if outlines:
        lines.append(
            f"{count_of(len(outlines), 'file')} of another tool left alone, such as {outlines[0]}: outlines "
            "(COCO, labelme, VOC) are not read. Let that tool write its labels as mask PNGs, too."
        )
    elif others:
        lines.append(f"{count_of(len(others), 'other file')} left alone, such as {others[0]}.")
    return lines
