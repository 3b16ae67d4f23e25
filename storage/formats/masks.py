"""Masks as other tools write them: index PNGs, palette PNGs, and RGB masks with a colour table.

A mask is read into *codes* without deciding yet what they mean: the index of each pixel, or its colour
packed as ``0xRRGGBB``. Palette PNGs are read by index, never by their colours, as VOC does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from storage.errors import InvalidInput
from storage.formats.channels import pgm_maximum, pgm_values
from storage.formats.image_file import decode, is_jpeg, open_image, upright
from storage.schema import NOT_LABELLED

MaskKind = Literal["index", "colour"]


@dataclass(frozen=True)
class Mask:
    """The codes of a mask, (height, width), and the palette of a palette PNG."""

    kind: MaskKind
    codes: NDArray[np.integer[Any]]
    palette: tuple[int, ...] = ()
    """Colour of each index as ``0xRRGGBB``."""

    @property
    def counts(self) -> dict[int, int]:
        """How many pixels each code has."""
        if self.codes.dtype == np.uint8:
            pixels = np.bincount(self.codes.reshape(-1), minlength=256)
            return {int(code): int(pixels[code]) for code in np.flatnonzero(pixels)}
        codes, pixels = np.unique(self.codes, return_counts=True)
        return dict(zip(codes.tolist(), pixels.tolist(), strict=True))

    def by_colour(self) -> Mask:
        """Return the mask with each index replaced by its palette colour."""
        return Mask("colour", np.asarray(self.palette, dtype=np.uint32)[self.codes])


@dataclass(frozen=True)
class ColouredClass:
    """A row of a colour table."""

    name: str
    colour: int
    """``0xRRGGBB``."""


def read_mask(data: bytes) -> Mask:
    """Read a mask file into codes.

    Raises:
        InvalidInput: The file is damaged, no image, a JPEG (whose values are not exact), or holds
            fractions.
    """
    image = open_image(data)
    if is_jpeg(image):
        raise InvalidInput("A JPEG does not keep the exact values of a mask. Save the mask as PNG.")
    image_format = image.format  # A picture that was turned has none.
    decode(image)
    if (maximum := pgm_maximum(data)) is not None:
        return _index_mask(pgm_values(np.asarray(image), maximum))
    palette: tuple[int, ...] = ()
    if image.mode == "P" and (colours := image.getpalette("RGB")) is not None:
        palette = tuple(
            red << 16 | green << 8 | blue
            for red, green, blue in zip(colours[::3], colours[1::3], colours[2::3], strict=True)
        )
    # A mask may carry an orientation of its own; the image beside it is turned upright as well.
    image = upright(image)
    if image.mode == "F":
        raise InvalidInput("The mask holds fractions. Save it with whole class indices as 8-bit PNG.")
    if image.mode in {"1", "L", "P", "LA", "PA", "La"}:
        codes = np.asarray(image.getchannel(0) if len(image.getbands()) > 1 else image).astype(np.uint8)
        if image_format == "PNG":
            codes //= _png_stretch(data)
        missing = int(codes.max(initial=0)) + 1 - len(palette)
        return Mask("index", codes, palette + (0,) * missing if palette and missing > 0 else palette)
    if image.mode.startswith("I"):
        return _index_mask(np.asarray(image))
    channels = np.asarray(image.convert("RGB")).astype(np.uint32)
    return Mask("colour", channels[..., 0] << 16 | channels[..., 1] << 8 | channels[..., 2])


def _png_stretch(data: bytes) -> int:
    """Return what Pillow multiplies the values of a PNG by: those of few bits of grey, to end at 255."""
    bits, colour_type = data[24], data[25]
    return {2: 85, 4: 17}.get(bits, 1) if colour_type == 0 else 1


def _index_mask(values: NDArray[np.integer[Any]]) -> Mask:
    fits = values.min() >= 0 and values.max() < 256
    return Mask("index", values.astype(np.uint8 if fits else np.int64))


def to_label_map(mask: Mask, meaning: Mapping[int, int]) -> NDArray[np.uint8]:
    """Return the label map of a mask, ``uint8`` (height, width).

    ``meaning`` gives the label map value of each code; codes without one become 254, not labelled.
    """
    known = np.array(sorted(meaning), dtype=np.int64)
    if known.size == 0:
        return np.full(mask.codes.shape, NOT_LABELLED, np.uint8)
    values = np.array([meaning[code] for code in known.tolist()], dtype=np.uint8)
    if mask.codes.dtype == np.uint8:
        table = np.full(256, NOT_LABELLED, np.uint8)
        in_range = (known >= 0) & (known < 256)
        table[known[in_range]] = values[in_range]
        label_map: NDArray[np.uint8] = table[mask.codes]
        return label_map
    places = np.searchsorted(known, mask.codes).clip(max=known.size - 1)
    label_map = values[places]
    label_map[known[places] != mask.codes] = NOT_LABELLED
    return label_map


def read_colour_table(text: str) -> list[ColouredClass]:
    """Read lines of ``R G B name`` (CamVid), ``name,R,G,B`` or ``name:R,G,B:parts:actions`` (CVAT).

    Empty lines, ``#`` comments and a header without numbers are passed over. Several colours may share a
    name.

    Raises:
        InvalidInput: A line is none of these or a colour has two names; the number of the line is named.
    """
    rows: list[ColouredClass] = []
    names: dict[int, str] = {}
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        content = line.strip()
        if not content or content.startswith(("#", "//")):
            continue
        match = (
            re.fullmatch(r"(?P<r>\d+)[\s,]+(?P<g>\d+)[\s,]+(?P<b>\d+)[\s,]+(?P<name>.+)", content)
            or re.fullmatch(r"(?P<name>[^:]+):\s*(?P<r>\d+)\s*,\s*(?P<g>\d+)\s*,\s*(?P<b>\d+)(:.*)?", content)
            or re.fullmatch(r"(?P<name>.+?)\s*,\s*(?P<r>\d+)\s*,\s*(?P<g>\d+)\s*,\s*(?P<b>\d+)", content)
        )
        if match is None:
            if not rows and not re.search(r"\d", content):
                continue
            raise InvalidInput(f"Line {number} of the colour table is not “R G B name”: {content[:60]}")
        red, green, blue = (int(match[channel]) for channel in "rgb")
        if max(red, green, blue) > 255:
            raise InvalidInput(f"Line {number} of the colour table has a value above 255: {content[:60]}")
        name, colour = match["name"].strip(), red << 16 | green << 8 | blue
        if names.setdefault(colour, name) != name:
            raise InvalidInput(
                f"Line {number} of the colour table gives {name} the colour of {names[colour]}. "
                "Give each class a colour of its own."
            )
        rows.append(ColouredClass(name, colour))
    return rows


def colour_text(colour: int) -> str:
    """Return ``0xRRGGBB`` as ``#rrggbb``."""
    return f"#{colour:06x}"


def colour_number(text: str) -> int:
    """Return ``#rrggbb`` as ``0xRRGGBB``."""
    return int(text.removeprefix("#"), 16)
