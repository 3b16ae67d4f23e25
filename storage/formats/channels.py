"""Images of more than 8 bits or more than three colours: every value of every channel, upright.

TIFF (channels side by side, one behind the other, or as pages; OME and ImageJ axes) and 16-bit PNG and
PGM. What a browser shows of them is made here too, so that the picture stored at import and the first
view of the values are the same.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from storage.errors import InvalidInput
from storage.formats.image_size import MAX_CHANNEL_BYTES, require_readable
from storage.formats.window import ValueSummary, summary, windowed

_TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_PNG_START = b"\x89PNG\r\n\x1a\n"
# Three numbers: width, height, and the one that is kept; comments may stand before each.
_PGM_HEADER = re.compile(rb"P[25](?:(?:\s|#[^\r\n]*[\r\n])+(\d{1,10})){3}\s")
_CHANNEL_PAGES = 16
"""Pages of an array saved without the names of its axes that still count as channels; more are a stack."""
_NAME_LENGTH = 100
_COLOURS = ("red", "green", "blue")
_WELL_BELOW = 1 / 4
"""A share of the range of the bits; values that all lie below it came from fewer bits than hold them."""


@dataclass(frozen=True)
class Channels:
    """All values of an image that 8 bits and three colours cannot hold."""

    values: NDArray[np.generic]
    """(C, H, W), upright, in the type of the file, more being brighter; alpha, if any, comes last."""
    names: tuple[str, ...]
    bit_depth: int
    is_colour: bool
    """The first three are red, green and blue; otherwise each channel is a measurement of its own."""
    has_alpha: bool
    media_type: str
    """Of the file the values came from."""
    rotated: bool
    pages: int
    """Frames or pages of the file; the values are those of the first."""


def read_channels(data: bytes) -> Channels | None:
    """Return the channels of an image file; None when 8 bits and three colours hold all of it.

    None as well when the file is damaged or its channels cannot be read: the ordinary reader says why, or
    reads what it can. A TIFF of more than 8 bits is not left to it.

    Raises:
        InvalidInput: The image, or its channels together, are larger than what is read, or a TIFF of more
            than 8 bits a sample cannot be read.
    """
    try:
        if data.startswith(_TIFF_STARTS):
            return _read_tiff(data)
        if data.startswith(_PNG_START) and data[24:25] == b"\x10":
            return _read_png(data)
        if data[:2] in (b"P2", b"P5"):
            return _read_pgm(data)
    except InvalidInput:
        raise
    except Exception as error:
        # Decoders of hostile or broken bytes raise whatever they trip over.
        if data.startswith(_TIFF_STARTS):
            _refuse_deep(data, error)
    return None


def _refuse_deep(data: bytes, error: Exception) -> None:
    """Refuse a TIFF of more than 8 bits that cannot be read here.

    The ordinary reader takes the bytes of such samples for samples of their own, and shows stripes.

    Raises:
        InvalidInput: It has more than 8 bits a sample.
    """
    bits = _bits_a_sample(data)
    if bits > 8:
        said = f"{type(error).__name__}: {error}".rstrip(": .")
        raise InvalidInput(
            f"This TIFF of {bits} bits a sample is cut short or damaged, or of a kind that is not read "
            f"({said}). Copy it again, or open it in another program and save it as TIFF without "
            "compression, a page for each channel, and import that."
        ) from error


def _bits_a_sample(data: bytes) -> int:
    """Return the bits of a sample that a TIFF file tells of; 0 where not even that can be read."""
    from tifffile import TiffFile

    with contextlib.suppress(Exception), io.BytesIO(data) as file, TiffFile(file) as tiff:
        return int(np.max(tiff.pages.first.bitspersample))
    with contextlib.suppress(Exception), Image.open(io.BytesIO(data)) as image:
        return int(np.max(image.tag_v2[258]))  # type: ignore[attr-defined]
    return 0


def shown_channels(channels: Channels) -> tuple[int, ...]:
    """Return which channels are shown at first: one as grey, or two or three as red, green and blue."""
    return tuple(range(min(3, len(channels.names) - channels.has_alpha)))


def summaries(channels: Channels) -> list[ValueSummary]:
    """Return what the values of every channel are like."""
    return [summary(channel) for channel in channels.values]


def first_windows(channels: Channels, known: Sequence[ValueSummary]) -> list[tuple[float, float]]:
    """Return the values of every channel shown as black and as white at first.

    The three colours of a picture share a window, so that it keeps its colours: the whole range of its
    bits, or what holds the windows of all three where their values stay well below it, as those of 12 bits
    in 16 do. Every other channel has its own.
    """
    windows = [one.window for one in known]
    if channels.is_colour:
        full = _full_scale(channels.values, channels.bit_depth)
        # Of 8 bits the dark is dark: it is shown as that of any other picture.
        is_narrow = channels.bit_depth > 8 and max(one.most for one in known[:3]) < _WELL_BELOW * full
        keeps_range = channels.values.dtype.kind == "u" and not is_narrow
        lows, highs = zip(*windows[:3], strict=True)
        windows[:3] = [(0.0, full) if keeps_range else (min(lows), max(highs))] * 3
    return windows


def _full_scale(values: NDArray[np.generic], bit_depth: int) -> float:
    """Return the value that stands for all of a colour, or for opaque."""
    if values.dtype.kind == "f":
        return 1.0
    return 2.0 ** (bit_depth - (values.dtype.kind == "i")) - 1


def composite(
    planes: Sequence[NDArray[np.generic]], windows: Sequence[tuple[float, float]], gammas: Sequence[float]
) -> NDArray[np.uint8]:
    """Return one channel (H, W) as grey, or two or three as the red, green and blue of (H, W, 3)."""
    shown = [
        windowed(plane, low, high, gamma)
        for plane, (low, high), gamma in zip(planes, windows, gammas, strict=True)
    ]
    if len(shown) == 1:
        return shown[0]
    return np.dstack([*shown, *[np.zeros_like(shown[0])] * (3 - len(shown))])


def first_view(channels: Channels) -> tuple[NDArray[np.uint8], list[tuple[float, float]]]:
    """Return what is shown of an image at first, (H, W) or (H, W, 3), and the windows of its channels.

    Transparent pixels become black.
    """
    chosen = shown_channels(channels)
    windows = first_windows(channels, summaries(channels))
    pixels = composite(
        [channels.values[one] for one in chosen], [windows[one] for one in chosen], [1.0] * len(chosen)
    )
    if channels.has_alpha:
        opacity = windowed(channels.values[-1], 0, _full_scale(channels.values, channels.bit_depth))
        opacity = opacity.astype(np.uint16)
        opacity = opacity if pixels.ndim == 2 else opacity[..., None]
        pixels = ((pixels * opacity + 127) // 255).astype(np.uint8)
    return pixels, windows


def _names(count: int, given: Sequence[str], is_colour: bool, has_alpha: bool) -> tuple[str, ...]:
    names = [name.strip()[:_NAME_LENGTH] for name in given[:count]]
    if not names and is_colour:
        names = list(_COLOURS)
    if count == 1 and not names:
        return ("grey",)
    names += [f"channel {number}" for number in range(len(names) + 1, count + 1)]
    names = [name or f"channel {number}" for number, name in enumerate(names, start=1)]
    return (*names[:-1], "alpha") if has_alpha else tuple(names)


def _upright(values: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """Return (C, H, W) turned and mirrored as an EXIF orientation asks."""
    if orientation >= 5:
        values = values.swapaxes(1, 2)
    if orientation in (2, 3, 6, 7):
        values = values[:, :, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[:, ::-1]
    return values


def _require_size(width: int, height: int, channels: int, value_bytes: int) -> None:
    require_readable(width, height)
    if width * height * channels * value_bytes > MAX_CHANNEL_BYTES:
        raise InvalidInput(
            f"The image ({width:,} × {height:,}) has {channels} channels of {8 * value_bytes} bits, more "
            f"than {MAX_CHANNEL_BYTES / 1e9:g} GB together, the most that is read. Save fewer channels, or "
            "cut it into tiles and import those."
        )


def _read_png(data: bytes) -> Channels:
    import imagecodecs

    with Image.open(io.BytesIO(data)) as header:
        orientation = header.getexif().get(ExifTags.Base.Orientation, 1)
        _require_size(*header.size, 4, 2)
    pixels = imagecodecs.png_decode(data)
    values = np.moveaxis(np.atleast_3d(pixels), 2, 0)
    has_alpha, is_colour = len(values) in (2, 4), len(values) >= 3
    return Channels(
        _upright(values, orientation),
        _names(len(values), (), is_colour, has_alpha),
        16,
        is_colour,
        has_alpha,
        "image/png",
        orientation in range(2, 9),
        1,
    )


def pgm_maximum(data: bytes) -> int | None:
    """Return the value, 1 to 65535, that a PGM file says is white; None when it is no PGM file."""
    header = _PGM_HEADER.match(data)
    return int(header[1]) if header else None


def pgm_values(pixels: NDArray[np.integer[Any]], maximum: int) -> NDArray[np.integer[Any]]:
    """Return the values of a PGM file in the range 0…``maximum``, the shape and type of ``pixels``.

    ``pixels`` are as Pillow reads them: stretched to 0…255, or to 0…65535 where the maximum is above 255.
    """
    stretched = 255 if maximum < 256 else 65535
    # The stretch rounds by less than half a step of the values, so rounding back gives them exactly.
    return ((pixels.astype(np.int64) * maximum + stretched // 2) // stretched).astype(pixels.dtype)


def _read_pgm(data: bytes) -> Channels | None:
    maximum = pgm_maximum(data)
    with Image.open(io.BytesIO(data)) as image:
        _require_size(*image.size, 1, 4)
        if maximum is None or not image.mode.startswith("I"):
            return None
        values = pgm_values(np.asarray(image), maximum)[None].astype(np.uint16)
    return Channels(
        values, ("grey",), maximum.bit_length(), False, False, "image/x-portable-graymap", False, 1
    )


def _read_tiff(data: bytes) -> Channels | None:
    # Only images in TIFF need the library, and the web process starts sooner without it.
    from tifffile import PHOTOMETRIC, TiffFile

    # Its objects refer to each other in circles, so the file is let go of here and not by them.
    with io.BytesIO(data) as file, TiffFile(file) as tiff:
        series = tiff.series[0]
        page = series.keyframe
        colour = page.photometric == PHOTOMETRIC.RGB
        bit_depth = int(np.max(page.bitspersample))
        if not colour and page.photometric not in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE):
            if bit_depth > 8:
                raise ValueError(f"its colours are {getattr(page.photometric, 'name', page.photometric)}")
            return None
        planes = _channel_planes(series)
        count = len(planes) * page.samplesperpixel
        may_be_alpha = len(planes) == 1 and any(int(kind) in (1, 2) for kind in page.extrasamples[-1:])
        is_colour = colour and len(planes) == 1
        shallow = page.dtype is not None and page.dtype.kind in "bu" and bit_depth <= 8
        if shallow and count - may_be_alpha == (3 if is_colour else 1):
            return None
        if page.dtype is None or page.dtype.kind not in "uif":
            if bit_depth > 8:
                raise ValueError(f"its values are {page.dtype or f'of {bit_depth} bits'}")
            return None
        _require_size(page.imagewidth, page.imagelength, count, page.dtype.itemsize)
        values = _planes(series, planes)
        if values.size == 0 or values.shape != (count, page.imagelength, page.imagewidth):
            raise ValueError(f"the values have the shape {values.shape}")
        # A fourth channel is called so, too; one that is opaque nowhere would make all of the picture dark.
        has_alpha = may_be_alpha and bool((values[-1] >= _full_scale(values, bit_depth)).any())
        if page.photometric == PHOTOMETRIC.MINISWHITE and values.dtype.kind == "u":
            # As everywhere else, more is brighter; alpha has no such turn.
            grey = values[: count - has_alpha]
            np.subtract(values.dtype.type(2**bit_depth - 1), grey, out=grey)
        if values.dtype == np.float16:
            values = values.astype(np.float32)
        tag = page.tags.get("Orientation")
        orientation = int(tag.value) if tag is not None and tag.value in range(1, 9) else 1
        given = _given_names(tiff, count) if len(planes) == count else []
        return Channels(
            _upright(values, orientation),
            _names(count, given, is_colour, has_alpha),
            bit_depth,
            is_colour,
            has_alpha,
            "image/tiff",
            orientation != 1,
            max(len(tiff.pages) // len(planes), 1),
        )


def _leading_axes(series: Any) -> tuple[str, tuple[int, ...]]:
    """Return the axes of a series that run over its pages, and their lengths."""
    axes = str(series.axes)
    inside = str(series.keyframe.axes)
    count = len(axes) - len(inside)
    # What a page calls its samples, the description of the file may call channels, or not name at all.
    fits = count >= 0 and all(
        axis == of_page or (of_page == "S" and axis in "CQ")
        for axis, of_page in zip(axes[count:], inside, strict=True)
    )
    if not fits or tuple(series.shape[count:]) != tuple(series.keyframe.shape):
        raise ValueError(f"axes {axes} do not hold pages of {inside}")
    return axes[:count], tuple(series.shape[:count])


def _channel_planes(series: Any) -> list[int]:
    """Return which planes of the series are the channels of its first time point and slice."""
    axes, shape = _leading_axes(series)
    unnamed = axes == "Q" and series.keyframe.samplesperpixel == 1 and shape[0] <= _CHANNEL_PAGES
    first = [
        range(length) if axis in "CS" or unnamed else range(1)
        for axis, length in zip(axes, shape, strict=True)
    ]
    if not axes:
        return [0]
    grid = np.meshgrid(*first, indexing="ij")
    return [int(place) for place in np.ravel_multi_index([one.ravel() for one in grid], shape)]


def _planes(series: Any, places: Sequence[int]) -> NDArray[np.generic]:
    """Return planes one behind the other as (channels, H, W)."""
    first = _plane(series, places[0])
    if len(places) == 1:
        return first
    # Filled plane by plane, so that the memory of only one comes on top.
    values = np.empty((len(places) * len(first), *first.shape[1:]), first.dtype)
    values[: len(first)] = first
    for number, place in enumerate(places[1:], start=1):
        values[number * len(first) : (number + 1) * len(first)] = _plane(series, place)
    return values


def _plane(series: Any, place: int) -> NDArray[np.generic]:
    """Return one plane as (samples, H, W)."""
    axes = str(series.keyframe.axes)
    _, shape = _leading_axes(series)
    if len(series.pages) == math.prod(shape):
        page = series.pages[place]
        if len(page.dataoffsets) < math.prod(series.keyframe.chunked):
            # The library would fill in what is not there.
            raise ValueError("the file lacks strips or tiles")
        values = page.asarray()
    else:
        # One page that is said to go on: the planes lie behind each other in the file.
        if series.nbytes > MAX_CHANNEL_BYTES:
            raise ValueError("the stack is too large to be read at once")
        values = series.asarray().reshape(-1, *series.keyframe.shape)[place]
    # Whatever axis a page has beside its samples, such as depth, gives its first place.
    for number in reversed(range(len(axes))):
        if axes[number] not in "SYX":
            values = values.take(0, axis=number)
    order = [axis for axis in axes if axis in "SYX"]
    if "S" not in order:
        return np.asarray(values)[None]
    return np.asarray(np.moveaxis(values, order.index("S"), 0))


def _given_names(tiff: Any, count: int) -> list[str]:
    """Return the names of the channels that OME or ImageJ wrote, as far as they fit."""
    if tiff.is_ome:
        from tifffile import xml2dict

        image = xml2dict(tiff.ome_metadata)["OME"]["Image"]
        pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
        listed = pixels.get("Channel", [])
        listed = listed if isinstance(listed, list) else [listed]
        return [str(one.get("Name") or "") for one in listed][:count]
    if tiff.is_imagej:
        labels = (tiff.imagej_metadata or {}).get("Labels") or []
        labels = [labels] if isinstance(labels, str) else labels
        return [str(label) for label in labels] if len(labels) == count else []
    return []
