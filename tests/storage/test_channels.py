"""Images of more than 8 bits or three colours keep every value, upright and under their channel's name."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from storage import images
from storage.errors import InvalidInput
from storage.formats import channels as channels_module
from storage.formats import image_size
from storage.formats.channels import Channels, read_channels
from storage.formats.image_file import read_image
from storage.formats.masks import read_mask
from storage.formats.quick_png import encode_png
from storage.formats.window import PERCENTILES, summary, windowed
from storage.import_planning import plan_import
from storage.importing import run_import
from storage.projects import ClassSpec, create_project
from storage.workspace import Workspace, blobs_in_use, sweep_blobs

SIZE = (6, 10)


def values_of(*shape: int, dtype: type = np.uint16) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, 4000, shape).astype(dtype)


def tiff(values: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def png_16(values: np.ndarray, orientation: int = 1) -> bytes:
    """A PNG of 16 bits a channel, (H, W) or (H, W, 3), with an eXIf chunk."""
    height, width = values.shape[:2]
    raw = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in values)
    exif = Image.Exif()
    exif[0x0112] = orientation

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 16, 2 if values.ndim == 3 else 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\x00\x00"))
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


def pgm(values: np.ndarray, kind: bytes, most: int) -> bytes:
    """A greymap whose header says that ``most`` is white, as text (P2) or binary (P5)."""
    height, width = values.shape
    text = b" ".join(str(value).encode() for value in values.ravel())
    binary = values.astype(">u2" if most > 255 else "u1").tobytes()
    return (
        kind
        + b"\n# made by hand, 1 2 3\n%d %d\n%d\n" % (width, height, most)
        + (text if kind == b"P2" else binary)
    )


def read(data: bytes) -> Channels:
    found = read_channels(data)
    assert found is not None
    return found


def shown(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(read_image(data).blob)))


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (values_of(5, *SIZE), {"photometric": "minisblack", "planarconfig": "separate"}),
        (values_of(*SIZE, 5), {"photometric": "minisblack", "planarconfig": "contig"}),
        (values_of(5, *SIZE), {"photometric": "minisblack"}),
        (values_of(5, *SIZE), {"photometric": "minisblack", "ome": True, "metadata": {"axes": "CYX"}}),
        (values_of(5, *SIZE), {"imagej": True, "metadata": {"axes": "CYX"}}),
        (values_of(5, *SIZE), {"photometric": "minisblack", "compression": "lzw", "predictor": True}),
        (values_of(5, *SIZE).astype(np.float32), {"photometric": "minisblack", "planarconfig": "separate"}),
        (values_of(5, *SIZE, dtype=np.int16), {"photometric": "minisblack", "byteorder": ">"}),
    ],
    ids=["planar", "contiguous", "pages", "ome", "imagej", "lzw", "float", "big-endian"],
)
def test_channels_are_read_however_they_lie(values: np.ndarray, options: dict[str, object]) -> None:
    found = read(tiff(values, **options))
    by_channel = values if values.shape[0] == 5 else np.moveaxis(values, 2, 0)
    np.testing.assert_array_equal(found.values, by_channel)
    assert found.names == tuple(f"channel {number}" for number in range(1, 6))
    assert found.bit_depth == 8 * values.dtype.itemsize


def test_channels_bear_the_names_of_the_file() -> None:
    names = ["DAPI", "GFP", "mCherry"]
    ome = tiff(values_of(3, *SIZE), ome=True, metadata={"axes": "CYX", "Channel": {"Name": names}})
    image_j = tiff(values_of(3, *SIZE), imagej=True, metadata={"axes": "CYX", "Labels": names})
    assert read(ome).names == read(image_j).names == tuple(names)
    assert read(tiff(values_of(*SIZE, 3))).names == ("red", "green", "blue")


PLANAR = {"photometric": "rgb", "planarconfig": "separate"}


@pytest.mark.parametrize("metadata", [{}, {"axes": "CYX"}], ids=["unnamed", "CYX"])
@pytest.mark.parametrize("count", [3, 4])
def test_planes_of_one_page_are_its_channels_whatever_their_axis_is_called(
    count: int, metadata: dict[str, str]
) -> None:
    values = values_of(count, *SIZE)
    data = tiff(values, **PLANAR, metadata=metadata)
    np.testing.assert_array_equal(read(data).values, values)
    kept = read_image(data).source
    assert kept is not None
    assert (kept.bit_depth, len(kept.channels)) == (16, count)
    frames = tiff(np.stack([values, values + np.uint16(1)]), **PLANAR, metadata={"axes": "TCYX"})
    np.testing.assert_array_equal(read(frames).values, values)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (tiff(values_of(3, *SIZE), **PLANAR, metadata={"axes": "ZYX"}), "axes ZYX"),
        (tiff(values_of(*SIZE, 4), photometric="separated"), "SEPARATED"),
    ],
    ids=["axes", "inks"],
)
def test_a_deep_tiff_that_is_not_read_is_refused_and_not_shown_in_stripes(data: bytes, why: str) -> None:
    with pytest.raises(InvalidInput, match=rf"TIFF of 16 bits .*{why}.*page for each channel"):
        read_image(data)


def test_of_time_and_depth_the_first_is_taken_and_the_note_says_so() -> None:
    values = values_of(3, 4, 2, *SIZE)
    data = tiff(values, ome=True, metadata={"axes": "TZCYX"})
    np.testing.assert_array_equal(read(data).values, values[0, 0])
    image = read_image(data)
    assert image.note is not None
    assert image.note.startswith("Holds 12 frames or pages; the first is taken.")
    stack = values_of(20, *SIZE)
    for data in (tiff(stack, photometric="minisblack"), tiff(stack[:5], metadata=None)):
        np.testing.assert_array_equal(read(data).values, stack[:1])


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_where_zero_is_white_the_values_are_turned_round(bits: int) -> None:
    dtype = np.uint32 if bits == 32 else np.uint16
    most = dtype(2**bits - 1)
    values = values_of(*SIZE, dtype=dtype)
    options = {"photometric": "miniswhite", "bitspersample": bits}
    np.testing.assert_array_equal(read(tiff(values, **options)).values, most - values[None])
    stack = tiff(np.stack([values, values // 2]), **options)
    np.testing.assert_array_equal(read(stack).values, [most - values, most - values // 2])
    if bits == 16:
        opacity = np.where(values > 2000, most, values)
        both = np.stack([values, opacity], axis=2)
        found = read(tiff(both, **options, planarconfig="contig", extrasamples=["unassalpha"]))
        np.testing.assert_array_equal(found.values, [most - values, opacity])


def test_where_zero_is_white_8_and_16_bits_look_alike() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    eight, sixteen = (
        shown(tiff(deep, photometric="miniswhite")) for deep in (values, values.astype(np.uint16) * 257)
    )
    assert (eight[0, 0], eight[-1, -1]) == (sixteen[0, 0], sixteen[-1, -1]) == (255, 0)


@pytest.mark.parametrize("kind", [b"P5", b"P2"])
@pytest.mark.parametrize(("most", "bits"), [(300, 9), (4095, 12), (65535, 16)])
def test_a_pgm_keeps_its_values_whatever_its_maximum(kind: bytes, most: int, bits: int) -> None:
    values = np.random.default_rng(most).integers(0, most + 1, SIZE).astype(np.uint16)
    values[0, :2] = 0, most
    data = pgm(values, kind, most)
    found = read(data)
    np.testing.assert_array_equal(found.values, values[None])
    assert found.bit_depth == bits
    np.testing.assert_array_equal(read_mask(data).codes, values)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "colour png", "tiff", "channels"])
def test_deep_images_are_turned_upright_value_by_value(kind: str, orientation: int) -> None:
    values = values_of(*SIZE, *{"colour png": (3,), "channels": (5,)}.get(kind, ()))
    if kind.endswith("png"):
        data = png_16(values, orientation)
    else:
        layout = {"planarconfig": "contig"} if kind == "channels" else {}
        tag = (274, 3, 1, orientation, True)
        data = tiff(values, photometric="minisblack", extratags=[tag], **layout)
    exif = Image.Exif()
    exif[0x0112] = orientation
    places = Image.fromarray(np.arange(SIZE[0] * SIZE[1], dtype=np.int32).reshape(SIZE))
    places.info["exif"] = exif.tobytes()
    upright = np.asarray(ImageOps.exif_transpose(places))

    found = read(data)
    as_stored = np.atleast_3d(values).reshape(SIZE[0] * SIZE[1], -1)
    np.testing.assert_array_equal(found.values, np.moveaxis(as_stored[upright], 2, 0))
    image = read_image(data)
    assert (image.height, image.width) == upright.shape
    assert image.rotated == (orientation != 1)


def test_the_picture_of_one_channel_is_its_window() -> None:
    values = values_of(*SIZE)
    low, high = np.percentile(values, (PERCENTILES[0], PERCENTILES[-1]))
    expected = np.round(np.clip((values - low) / (high - low), 0, 1) * 255)
    for data in (png_16(values), tiff(values)):
        np.testing.assert_array_equal(shown(data), expected)


def test_the_picture_of_many_channels_shows_the_first_three_each_in_its_window() -> None:
    values = values_of(5, *SIZE) * np.array([1, 4, 9, 1, 1], np.uint16)[:, None, None]
    pixels = shown(tiff(values, photometric="minisblack"))
    for number in range(3):
        np.testing.assert_array_equal(
            pixels[..., number], windowed(values[number], *summary(values[number]).window)
        )
    two = shown(tiff(values[:2], photometric="minisblack"))
    assert two.shape == (*SIZE, 3)
    assert not two[..., 2].any()


def test_colours_of_16_bits_keep_their_proportions_and_8_bit_colours_beside_more_channels_theirs() -> None:
    colours = values_of(*SIZE, 3) * np.uint16(16)
    for data in (png_16(colours), tiff(colours)):
        np.testing.assert_array_equal(shown(data), np.round(colours / 65535 * 255))
        kept = read_image(data).source
        assert kept is not None
        assert (kept.bit_depth, kept.channels) == (16, ("red", "green", "blue"))
    near_infrared = values_of(*SIZE, 4, dtype=np.uint8)
    data = tiff(near_infrared, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(shown(data), near_infrared[..., :3])
    assert read(data).names == ("red", "green", "blue", "channel 4")


def test_colours_of_12_bits_in_16_are_not_shown_black() -> None:
    colours = values_of(*SIZE, 3) * np.array([1, 1, 0.5])
    colours = colours.astype(np.uint16)
    windows = [summary(colours[..., number]).window for number in range(3)]
    low, high = min(one for one, _ in windows), max(one for _, one in windows)
    for data in (png_16(colours), tiff(colours, photometric="rgb")):
        np.testing.assert_array_equal(shown(data), windowed(colours, low, high))


def test_a_fourth_channel_that_is_opaque_nowhere_is_no_alpha() -> None:
    values = values_of(4, *SIZE)
    for extra in ("unassalpha", "assocalpha"):
        data = tiff(values, photometric="rgb", planarconfig="separate", extrasamples=[extra])
        found, image = read(data), read_image(data)
        assert (found.has_alpha, found.names) == (False, ("red", "green", "blue", "channel 4"))
        np.testing.assert_array_equal(shown(data), shown(tiff(values[:3], **PLANAR)))
        assert image.note is not None
        assert "Transparent" not in image.note


@pytest.mark.parametrize(("dtype", "opaque"), [(np.float32, 1.0), (np.int16, 32767)])
def test_alpha_of_every_type_is_opaque_at_its_full_scale(dtype: type, opaque: float) -> None:
    values = np.full((*SIZE, 4), opaque, dtype)
    values[..., :3] = values_of(*SIZE, 3) / 4000
    values[0, 0, 3] = 0
    data = tiff(values, photometric="rgb", extrasamples=["unassalpha"])
    assert shown(data)[0, 0].tolist() == [0, 0, 0]
    assert dtype is np.int16 or shown(data)[1:].max() == 255


def test_transparent_deep_pixels_are_black() -> None:
    values = values_of(*SIZE, 4) + np.uint16(20_000)
    values[0, 0, 3], values[1:, :, 3] = 0, 65535
    data = tiff(values, photometric="rgb", extrasamples=["unassalpha"])
    assert shown(data)[0, 0].tolist() == [0, 0, 0]
    assert shown(data)[2].any()
    assert read(data).names[-1] == "alpha"


@pytest.mark.parametrize(
    "data",
    [
        tiff(values_of(*SIZE, dtype=np.uint8)),
        tiff(values_of(*SIZE, 3, dtype=np.uint8)),
        tiff(values_of(*SIZE, 4, dtype=np.uint8), photometric="rgb", extrasamples=["unassalpha"]),
        tiff(values_of(4, *SIZE, 3, dtype=np.uint8)),
        encode_png(values_of(*SIZE, 3, dtype=np.uint8), "picture"),
    ],
    ids=["grey", "colour", "alpha", "pages", "png"],
)
def test_what_8_bits_hold_keeps_no_source(data: bytes) -> None:
    assert read_channels(data) is None
    assert read_image(data).source is None


@pytest.mark.parametrize(
    "whole", [tiff(values_of(64, 64)), png_16(values_of(64, 64, 3))], ids=["tiff", "png"]
)
def test_cut_deep_files_give_the_sentences_of_others(whole: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"cut short or damaged|first bytes are damaged"):
        read_image(whole[: len(whole) // 2])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_mangled_deep_files_are_read_or_refused_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_size, "MAX_PIXELS", 100_000)
    monkeypatch.setattr(channels_module, "MAX_CHANNEL_BYTES", 1_000_000)
    generator = np.random.default_rng(5)
    values = values_of(5, *SIZE)
    whole = [
        tiff(values, photometric="minisblack", planarconfig="separate"),
        tiff(values, photometric="minisblack", compression="zlib"),
        tiff(values, ome=True, metadata={"axes": "CYX"}),
        png_16(values[0]),
    ]
    for number in range(200):
        data = bytearray(whole[number % 4])
        for place in generator.integers(0, min(len(data), 400), 3):
            data[place] = generator.integers(0, 256)
        with contextlib.suppress(InvalidInput):
            image = read_image(bytes(data))
            assert np.asarray(Image.open(io.BytesIO(image.blob))).shape[:2] == (image.height, image.width)


def test_channels_too_large_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiff(values_of(5, *SIZE), photometric="minisblack", planarconfig="separate")
    monkeypatch.setattr(channels_module, "MAX_CHANNEL_BYTES", 2 * 5 * SIZE[0] * SIZE[1] - 1)
    with pytest.raises(InvalidInput, match=r"5 channels of 16 bits.*Save fewer"):
        read_image(data)


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">u2", "<i2", ">i2", "<u4", "<i4", "<f4", ">f4", "<f8"])
def test_values_of_every_type_are_windowed_by_one_formula(dtype: str) -> None:
    generator = np.random.default_rng(0)
    values = generator.integers(0 if "u" in dtype else -100, 100, (40, 30)).astype(dtype)
    numbers = values.astype(np.float64)
    found = summary(values)
    np.testing.assert_allclose(list(found.percentiles.values()), np.percentile(numbers, PERCENTILES))
    assert (found.least, found.most) == (numbers.min(), numbers.max())
    assert found.histogram == tuple(np.histogram(numbers, 256)[0])
    expected = np.round(np.clip((numbers + 20) / 70, 0, 1) ** (1 / 2.2) * 255)
    np.testing.assert_array_equal(windowed(values, -20, 50, 2.2), expected)


def test_values_that_are_no_numbers_are_black_and_count_nothing() -> None:
    values = np.array([[np.nan, 1.0], [3.0, np.inf]], np.float32)
    assert (summary(values).least, summary(values).most) == (1.0, 3.0)
    assert windowed(values, 1, 3).tolist() == [[0, 0], [255, 255]]
    assert summary(np.full((2, 2), np.nan)).window == (0.0, 0.0)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0)])
def test_no_values_are_all_zeros(dtype: str, shape: tuple[int, ...]) -> None:
    found = summary(np.empty(shape, dtype))
    assert (found.least, found.most, found.window, sum(found.histogram)) == (0.0, 0.0, (0.0, 0.0), 0)
    assert set(found.percentiles.values()) == {0.0}
    assert windowed(np.empty(shape, dtype), *found.window).shape == shape


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (7, 5, 3), (1200, 1000)])
@pytest.mark.parametrize("content", ["regions", "picture"])
def test_a_quick_png_holds_exactly_its_pixels(shape: tuple[int, ...], content: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    data = encode_png(pixels, content)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    assert encode_png(pixels.copy(), content) == data


def test_the_source_is_kept_with_the_image_and_never_swept(workspace: Workspace) -> None:
    deep = tiff(values_of(2, *SIZE), ome=True, metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}})
    plain = encode_png(values_of(*SIZE, dtype=np.uint8), "picture")
    project_id = create_project(workspace, "cells", [ClassSpec("cell")], "ada").id
    plan = plan_import([("a.tif", deep), ("b.png", plain)], workspace=workspace, project_id=project_id)
    assert not list(blobs_in_use(workspace))
    assert any("2 channels of 16 bits; at first DAPI, GFP are shown" in line for line in plan.report())
    run_import(workspace, project_id, plan, "ada")
    first, second = images.list_images(workspace, project_id)
    assert second.source is None
    assert first.source is not None
    assert (first.source.media_type, first.source.bit_depth) == ("image/tiff", 16)
    assert first.source.channels == ("DAPI", "GFP")
    assert sweep_blobs(workspace, older_than_s=-60) == 0
    assert workspace.blobs.get(first.source.blob) == deep
    assert run_import(workspace, project_id, plan, "ada").already_there == 2
