"""Images of a source as they were read, with their masks: what a plan is made from."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from storage.errors import InvalidInput, QualmError
from storage.formats.archives import OpenSource, Problem
from storage.formats.class_list import CAMVID
from storage.formats.image_file import UprightImage, read_image
from storage.formats.layout import ImageFile, split_of_folders
from storage.formats.mask_meaning import MOST_VALUES, CodeCount, MaskMeaning
from storage.formats.masks import Mask, MaskKind, read_mask, to_label_map
from storage.images import ImageInfo
from storage.projects import ClassInfo
from storage.schema import NOT_LABELLED, VOID

_MOST_CODES = 4096
"""A mask of more different values is none, and counting them would take the memory of thousands of masks."""


@dataclass(frozen=True)
class CheckedImage:
    """An image that can be read, or that the project has, and what its mask holds."""

    file: ImageFile
    content_hash: str
    """SHA-256 of the file that the image comes from, or once came from into the project."""
    image: UprightImage
    """Without its pixels."""
    mask_kind: MaskKind | None
    """None without a usable mask."""
    counts: Mapping[int, int]
    """How many pixels of the mask each code has."""
    palette: tuple[int, ...]
    problems: tuple[Problem, ...]
    """Why its mask is not used."""
    draft: str | None = None
    """Path of the draft that an export says was painted over the mask."""
    draft_counts: Mapping[int, int] = field(default_factory=dict)
    """How many of its pixels each code has."""
    may_be_mask: bool = False
    """It has as few values as a mask, and pictures of the source have names of images of the project."""
    as_mask: CheckedImage | Problem | None = None
    """What it is where it turns out to be the mask of an image of the project; None where it cannot be."""


FoundBy = Literal["hash", "name", "name of another file"]
"""By the hash of its file in an export; by their names; or by those, where an export has another hash."""


@dataclass(frozen=True)
class MaskAlone:
    """What a picture without its image is, or may be, the mask of."""

    image: ImageInfo
    """An image of the project."""
    found_by: FoundBy
    is_sure: bool
    """It is a mask by where it is; otherwise its values tell, and what most pictures beside it are."""


def checked_image(
    opened: OpenSource,
    file: ImageFile,
    table_colours: frozenset[int],
    known: Mapping[str, ImageInfo],
    alone: Mapping[str, MaskAlone],
    may_be_masks: bool,
) -> CheckedImage | Problem:
    """Read an image and its mask, or a mask of an image that the project has; say what is wrong with it.

    Args:
        opened: The source.
        file: The image, and its mask in the source.
        table_colours: Of the colour table, as ``0xRRGGBB``.
        known: The project's images by the hashes of the files that hold their pictures.
        alone: The image of the project that a picture is, or may be, the mask of, by the picture's path.
        may_be_masks: Whether any picture without a mask may be one itself.
    """
    masked = alone.get(file.path)
    try:
        with decoding():
            data = opened.read(file.path)
            if masked is not None and masked.is_sure:
                return _checked_mask_alone(file, read_codes(data, table_colours), masked)
            file_hash = hashlib.sha256(data).hexdigest()
            is_asked = may_be_masks and file.mask is None and file_hash not in known
            image = read_image(data, few_values=MOST_VALUES if is_asked else 0)
    except InvalidInput as error:
        return Problem(file.path, str(error))
    content_hash = known[file_hash].content_hash if file_hash in known else file_hash
    slim = dataclasses.replace(image, blob=b"")
    if file.mask is None:
        as_mask: CheckedImage | Problem | None = None
        if image.has_few_values and masked is not None:
            try:
                with decoding():
                    as_mask = _checked_mask_alone(file, read_codes(data, table_colours), masked)
            except InvalidInput as error:
                as_mask = Problem(file.path, str(error))
        return CheckedImage(
            file,
            content_hash,
            slim,
            None,
            {},
            (),
            (),
            may_be_mask=image.has_few_values,
            as_mask=as_mask,
        )
    try:
        with decoding():
            mask = read_codes(opened.read(file.mask), table_colours)
            require_size(mask.codes, image.width, image.height, image.rotated)
            return CheckedImage(file, content_hash, slim, mask.kind, _counts(mask), mask.palette, ())
    except InvalidInput as error:
        return CheckedImage(file, content_hash, slim, None, {}, (), (Problem(file.mask, str(error)),))


def with_draft(
    opened: OpenSource, one: CheckedImage | Problem, draft: str | None, table_colours: frozenset[int]
) -> CheckedImage | Problem:
    """Return an image with the draft over its mask; where that cannot be used, with why."""
    if draft is None or isinstance(one, Problem) or one.mask_kind is None:
        return one
    try:
        with decoding():
            mask = read_codes(opened.read(draft), table_colours)
            require_size(mask.codes, one.image.width, one.image.height, one.image.rotated)
            counts = _counts(mask)
    except InvalidInput as error:
        return dataclasses.replace(one, problems=(*one.problems, Problem(draft, str(error))))
    return dataclasses.replace(one, draft=draft, draft_counts=counts)


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Let whatever else a decoder raises at one file be the fault of that file, so that others go on.

    Raises:
        InvalidInput: The block raised an exception that is not meant for a person.
    """
    try:
        yield
    except QualmError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}".rstrip(": .")
        raise InvalidInput(
            f"The file cannot be read ({said}). Open it in another program, save it again, and import that."
        ) from error


def _checked_mask_alone(file: ImageFile, mask: Mask, masked: MaskAlone) -> CheckedImage:
    """Return the project's image with a mask that came without it.

    Raises:
        InvalidInput: The mask has another size, or too many values.
    """
    info = masked.image
    height, width = mask.codes.shape
    if (height, width) != (info.height, info.width):
        by_hash = masked.found_by == "hash"
        belongs = f"is that of {info.name}" if by_hash else f"has the name of the image {info.name}"
        raise InvalidInput(
            f"It {belongs}, but is {width} × {height}, and the image {info.width} × {info.height}; masks are "
            "never resized. Save it in the size of the image."
        )
    image = UprightImage(b"", info.media_type, width, height, rotated=False)
    of_name = split_of_folders(info.name)
    if of_name == "excluded" and info.split != "excluded":
        # That folder was only the one around all others, or somebody brought the image back, and a label
        # would become a hidden truth. That of an audit image stays one.
        of_name = None
    pair = ImageFile(info.name, file.path, file.split or of_name)
    return CheckedImage(pair, info.content_hash, image, mask.kind, _counts(mask), mask.palette, ())


def _counts(mask: Mask) -> dict[int, int]:
    """Return how many pixels each code of a mask has.

    Raises:
        InvalidInput: There are so many codes that it is no mask.
    """
    counts = mask.counts
    if len(counts) > _MOST_CODES:
        what = "colours" if mask.kind == "colour" else "values"
        raise InvalidInput(
            f"The mask has {len(counts):,} different {what}, so it looks like a photograph or has soft "
            "edges, and is left out. Save it with one exact value for each class."
        )
    return counts


def read_codes(data: bytes, table_colours: frozenset[int]) -> Mask:
    """Read a mask file into codes: colours where the colour table has all of them, else indices.

    Raises:
        InvalidInput: See :func:`storage.formats.masks.read_mask`.
    """
    mask = read_mask(data)
    # A palette that speaks the colour table's colours may number them in any order: go by colour then.
    if mask.palette and table_colours.issuperset(mask.palette[code] for code in mask.counts):
        return mask.by_colour()
    return mask


def read_label_map(
    opened: OpenSource, path: str, table_colours: frozenset[int], meaning: MaskMeaning
) -> NDArray[np.uint8]:
    """Return the label map that a mask of a source is.

    Raises:
        InvalidInput: The file cannot be read as a mask.
    """
    with decoding():
        mask = read_codes(opened.read(path), table_colours)
        return to_label_map(mask, meaning.values[mask.kind])


def require_size(pixels: NDArray[np.integer], width: int, height: int, rotated: bool) -> None:
    """Refuse the pixels of a mask, (height, width), that has another size than its image.

    Raises:
        InvalidInput: It has.
    """
    if pixels.shape != (height, width):
        turned = " The image was turned upright by its EXIF orientation." if rotated else ""
        raise InvalidInput(
            f"The mask is {pixels.shape[1]} × {pixels.shape[0]}, its image {width} × {height}.{turned} The "
            "image comes in without it; masks are never resized. Save the mask in the size of the image."
        )


def without_blank_mask(one: CheckedImage, meaning: MaskMeaning) -> CheckedImage:
    """Return an image without its mask where no pixel of that is of a class or void."""
    if one.mask_kind is None:
        return one
    values = meaning.values[one.mask_kind]
    says_something = any(values.get(code, NOT_LABELLED) != NOT_LABELLED for code in one.counts)
    return one if says_something else dataclasses.replace(one, mask_kind=None)


def code_counts(checked: Sequence[CheckedImage]) -> dict[MaskKind, dict[int, CodeCount]]:
    """Return how often each code occurs in all masks."""
    pixels: dict[MaskKind, Counter[int]] = defaultdict(Counter)
    masks: dict[MaskKind, Counter[int]] = defaultdict(Counter)
    for one in checked:
        if one.mask_kind is not None:
            for counts in (one.counts, one.draft_counts):
                pixels[one.mask_kind].update(counts)
                masks[one.mask_kind].update(counts.keys())
    return {
        kind: {code: CodeCount(count, masks[kind][code]) for code, count in counter.items()}
        for kind, counter in pixels.items()
    }


def fits_camvid(checked: Sequence[CheckedImage], classes: Sequence[ClassInfo]) -> bool:
    """Tell whether masks may hold CamVid's classes, and the project's classes may be those."""
    used = {code for one in checked if one.mask_kind == "index" for code in one.counts}
    names = {known.name.casefold() for known in classes}
    return (
        bool(used)
        and used <= {*range(len(CAMVID.classes) + 1), VOID}
        and all(one.mask_kind != "colour" for one in checked)
        and (not names or not names.isdisjoint(known.name for known in CAMVID.classes))
    )
