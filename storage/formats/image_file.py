"""From the bytes of an image file to upright 8-bit pixels in a file that every browser shows.

A file that is that already is stored as it is, byte for byte. Everything else is written anew: rotated
JPEGs as JPEG of quality 95 without chroma subsampling, the rest as PNG. Whatever was changed is said in
``notes``.
"""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import ExifTags, Image

from storage.errors import InvalidInput
from storage.formats.channels import Channels, first_view, read_channels, shown_channels
from storage.formats.image_size import require_readable
from storage.formats.quick_png import encode_png
from storage.formats.window import summary, windowed

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".ppm")

# MPO is what phones write: a JPEG with more of them behind it, such as a gain map, that no browser looks at.
_JPEGS = {"JPEG", "MPO"}
_MEDIA_TYPES = {"PNG": "image/png", "WEBP": "image/webp"} | dict.fromkeys(_JPEGS, "image/jpeg")
_SHOWN_MODES = {"image/jpeg": {"L", "RGB"}, "image/png": {"1", "L", "P", "RGB"}, "image/webp": {"RGB"}}
_FIRST_ROWS = 16
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture of each EXIF orientation upright."""
_DEEP_MODES = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}


NoteKind = Literal["frames", "depth", "transparency", "colours", "turn", "window", "channels"]
"""What is changed about pixels: first what is lost, then what is only shown otherwise."""


@dataclass(frozen=True)
class PixelNote:
    """What was changed about the pixels of an image."""

    kind: NoteKind
    sentence: str


_TURNED = PixelNote("turn", "Turned upright as its EXIF orientation says.")
_TRANSPARENT = PixelNote("transparency", "Transparent pixels are shown black.")


@dataclass(frozen=True)
class KeptSource:
    """What an imported file holds beyond the 8-bit picture of it, for the rest to be seen as well."""

    media_type: str
    bit_depth: int
    """Bits a channel."""
    channels: tuple[str, ...]
    """Their names, one for each."""


@dataclass(frozen=True)
class UprightImage:
    """An image as it is stored."""

    blob: bytes
    """The file to store: upright, 8 bits a channel, JPEG, PNG or WebP."""
    media_type: str
    width: int
    height: int
    rotated: bool
    """The EXIF orientation asked for a rotation or mirroring, and it was applied."""
    notes: tuple[PixelNote, ...] = ()
    """What was changed; none when the file is stored as it came."""
    source: KeptSource | None = None
    """Given when the file itself is to be kept too, since the picture lost depth or channels."""
    has_few_values: bool = False
    """Its file has no more different values than were asked about."""

    @property
    def note(self) -> str | None:
        """All that was changed, a sentence or several; None for nothing."""
        return " ".join(one.sentence for one in self.notes) or None


def open_image(data: bytes) -> Image.Image:
    """Open an image file without decoding its pixels.

    Raises:
        InvalidInput: The file is empty, no known image, or larger than :data:`MAX_PIXELS`.
    """
    if not data:
        raise InvalidInput("The file is empty (0 bytes). Copy it again.")
    try:
        image = Image.open(io.BytesIO(data))
    except Exception as error:
        # Decoders of hostile or broken bytes raise whatever they trip over.
        raise InvalidInput(
            "This is no image that can be read, or its first bytes are damaged. JPEG, PNG, WebP, TIFF and "
            "BMP are known."
        ) from error
    require_readable(*image.size)
    return image


def is_jpeg(image: Image.Image) -> bool:
    """Tell whether an opened image file is a JPEG, whatever is behind its picture."""
    return image.format in _JPEGS


def decode(image: Image.Image) -> None:
    """Decode all pixels of an opened image.

    Raises:
        InvalidInput: The data is cut short or damaged, with the decoder's reason.
    """
    try:
        image.load()
    except MemoryError as error:
        raise InvalidInput("The image does not fit into the memory of this machine. Cut it up.") from error
    except Exception as error:
        raise InvalidInput(f"The image is cut short or damaged ({error}). Copy it again.") from error


def read_image(data: bytes, few_values: int = 0) -> UprightImage:
    """Check an image file completely and return what is to be stored.

    The EXIF orientation is applied here, once. More than 8 bits a channel are narrowed and of more than
    three channels the first are shown, as :func:`storage.formats.channels.first_view` does it; then
    ``source`` says that the file is to be kept. Of several frames or pages the first is taken; transparent
    pixels become black.

    Args:
        data: The file.
        few_values: Tell whether it has at most so many different values, as masks do and photographs do not.

    Raises:
        InvalidInput: The file is empty, damaged, cut short, no image, or larger than :data:`MAX_PIXELS`.
    """
    channels = read_channels(data)
    if channels is not None:
        return dataclasses.replace(
            _picture_of(channels), has_few_values=_have_few_values(channels, few_values)
        )
    image = open_image(data)
    notes: list[PixelNote] = []
    rotated = _orientation(image) != 1
    frames = _frames(image)
    sixteen_bit_colour = image.format == "PNG" and data[24] == 16 and image.mode not in _DEEP_MODES
    media_type = _MEDIA_TYPES.get(image.format or "")
    as_it_is = (
        media_type is not None
        and image.mode in _SHOWN_MODES[media_type]
        and "transparency" not in image.info
        and not (rotated or sixteen_bit_colour or frames > 1)
    )
    if as_it_is and media_type:
        width, height = image.size
        # A reduced decode still reads every byte, so it finds cut files, at a fraction of the time.
        image.draft(image.mode, (max(width // 8, 1), max(height // 8, 1)))
        decode(image)
        has_few_values = _has_few_values(image, few_values)
        return UprightImage(data, media_type, width, height, rotated=False, has_few_values=has_few_values)

    decode(image)
    has_few_values = _has_few_values(image, few_values)
    came_as_jpeg = is_jpeg(image)
    icc_profile = image.info.get("icc_profile")
    if frames > 1:
        notes.append(_of_frames(frames))
    if rotated:
        notes.append(_TURNED)
        image = upright(image)
    if sixteen_bit_colour:
        notes.append(PixelNote("depth", "Holds 16 bits a colour channel; the upper 8 are kept."))
    if image.mode in _DEEP_MODES:
        values = np.asarray(image)
        low, high = summary(values).window
        image = Image.fromarray(windowed(values, low, high))
        icc_profile = None
        shown = f"Holds more than 8 bits; {low:g}…{high:g} is shown as black…white."
        notes.append(PixelNote("depth", shown))
    elif image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        image, was_transparent = _flattened(image)
        if was_transparent:
            notes.append(_TRANSPARENT)
    elif image.mode not in {"L", "RGB"}:
        if image.mode not in {"1", "P"}:
            notes.append(PixelNote("colours", f"Colours are converted from {image.mode} to RGB."))
            icc_profile = None
        image = image.convert("L" if image.mode == "1" else "RGB")

    buffer = io.BytesIO()
    if came_as_jpeg:
        image.save(buffer, "JPEG", quality=95, subsampling=0, icc_profile=icc_profile)
    else:
        image.save(buffer, "PNG", icc_profile=icc_profile)
    return UprightImage(
        buffer.getvalue(),
        "image/jpeg" if came_as_jpeg else "image/png",
        image.width,
        image.height,
        rotated=rotated,
        notes=tuple(notes),
        has_few_values=has_few_values,
    )


def _has_few_values(image: Image.Image, most: int) -> bool:
    """Tell whether a decoded image has at most so many values; those of a JPEG are not exact."""
    if most == 0 or is_jpeg(image):
        return False
    if image.mode.startswith("I;16"):
        return len(np.unique(np.asarray(image))) <= most
    # It gives up at the first value too many, which a photograph has in its first rows.
    return image.getcolors(most) is not None


def _have_few_values(channels: Channels, most: int) -> bool:
    """Tell whether channels are one of whole numbers, as of a mask, with at most so many values."""
    values = channels.values[0]
    if most == 0 or len(channels.names) - channels.has_alpha != 1 or values.dtype.kind not in "ui":
        return False
    # Few rows of a photograph have more already, and all of it takes long to sort.
    return len(np.unique(values[:_FIRST_ROWS])) <= most and len(np.unique(values)) <= most


def _frames(image: Image.Image) -> int:
    if is_jpeg(image):
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception as error:
        # Looking for more frames meets whatever is broken behind the first.
        raise InvalidInput(f"The image is cut short or damaged ({error}). Copy it again.") from error


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1  # Broken metadata must not cost a sound picture, whatever its reader trips over.
    return value if value in range(1, 9) else 1


def upright(image: Image.Image) -> Image.Image:
    """Return a decoded image turned and mirrored as its EXIF orientation asks.

    Nothing else of its metadata is looked at: values of a type that does not belong to their tag are common,
    and must not cost a sound picture.
    """
    # Pillow turns TIFF while it decodes and then says that it is upright, so one read before does not count.
    method = _TURNS.get(_orientation(image))
    return image if method is None else image.transpose(method)


def _of_frames(count: int) -> PixelNote:
    return PixelNote("frames", f"Holds {count} frames or pages; the first is taken.")


def _picture_of(channels: Channels) -> UprightImage:
    pixels, windows = first_view(channels)
    shown = shown_channels(channels)
    notes = []
    if channels.pages > 1:
        notes.append(_of_frames(channels.pages))
    if channels.rotated:
        notes.append(_TURNED)
    low, high = windows[0]
    as_window = f"{low:g}…{high:g} is shown as black…white at first."
    if len(shown) == 1:
        notes.append(PixelNote("window", f"Holds more than 8 bits; {as_window}"))
    elif channels.is_colour and channels.bit_depth > 8:
        notes.append(PixelNote("window", f"Holds {channels.bit_depth} bits a colour channel; {as_window}"))
    if len(channels.names) > len(shown) or not (channels.is_colour or len(shown) == 1):
        first = ", ".join(channels.names[one] for one in shown)
        held = f"Holds {len(channels.names)} channels of {channels.bit_depth} bits"
        are = "is" if len(shown) == 1 else "are"
        notes.append(PixelNote("channels", f"{held}; at first {first} {are} shown."))
    if channels.has_alpha:
        notes.append(_TRANSPARENT)
    height, width = pixels.shape[:2]
    return UprightImage(
        encode_png(pixels, "picture"),
        "image/png",
        width,
        height,
        rotated=channels.rotated,
        notes=tuple(notes),
        source=KeptSource(channels.media_type, channels.bit_depth, channels.names),
    )


def _flattened(image: Image.Image) -> tuple[Image.Image, bool]:
    with_alpha = image.convert("RGBA")
    lowest, _ = with_alpha.getchannel("A").getextrema()
    if lowest == 255:
        return with_alpha.convert("RGB"), False
    ground = Image.new("RGBA", with_alpha.size, (0, 0, 0, 255))
    return Image.alpha_composite(ground, with_alpha).convert("RGB"), True
