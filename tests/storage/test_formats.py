"""Wire format, image files, masks, archives and layouts."""

import contextlib
import errno
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageOps

from storage.errors import InvalidInput
from storage.formats import layout as layout_module
from storage.formats import run_length
from storage.formats.archives import ArchiveLimits, OpenSource, natural_order
from storage.formats.image_file import read_image
from storage.formats.label_map import count_values
from storage.formats.layout import find_layout, masks_by_name, source_groups
from storage.formats.masks import Mask, read_colour_table, read_mask, to_label_map
from storage.workspace import DATABASE_FILE

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "run_length.json").read_text())


def mpo_of(pixels: np.ndarray, **options: object) -> bytes:
    """Return a picture as phones write it: a JPEG with a smaller one behind it."""
    image, buffer = Image.fromarray(pixels), io.BytesIO()
    image.save(buffer, "MPO", save_all=True, append_images=[image.reduce(2)], **options)
    assert Image.open(buffer).format == "MPO"
    return buffer.getvalue()


def file_of(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def zip_of(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


# Run lengths


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_run_lengths_have_the_golden_bytes(case: dict) -> None:
    values = np.array(case["values"], dtype=np.uint8)
    assert run_length.encode(values).hex() == case["hex"]
    np.testing.assert_array_equal(run_length.decode(bytes.fromhex(case["hex"]), values.size), values)


@given(arrays.arrays(np.uint8, st.integers(0, 400), elements=st.integers(0, 255)), st.integers(1, 3000))
def test_run_lengths_give_back_what_went_in(values: np.ndarray, stretch: int) -> None:
    stretched = np.repeat(values, stretch)
    np.testing.assert_array_equal(run_length.decode(run_length.encode(stretched), stretched.size), stretched)


@pytest.mark.parametrize("block", [5, 7, 64])
def test_run_lengths_do_not_depend_on_how_much_is_worked_on_at_once(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    generator = np.random.default_rng(block)
    for longest in (1, 2, 100, 500):
        runs = generator.integers(1, longest + 1, 60)
        values = np.repeat(generator.integers(0, 3, 60).astype(np.uint8), runs)
        whole = run_length.encode(values)
        with monkeypatch.context() as patched:
            patched.setattr(run_length, "_BLOCK", block)
            assert run_length.encode(values) == whole
            np.testing.assert_array_equal(run_length.decode(whole, values.size), values)


@pytest.mark.parametrize("shape", [(1, 1), (40, 50), (1100, 1000)])
def test_values_of_a_label_map_are_counted(shape: tuple[int, int]) -> None:
    label_map = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    label_map[shape[0] // 2 :] = 7
    assert count_values(label_map) == np.bincount(label_map.ravel(), minlength=256).tolist()


@given(st.binary(max_size=60), st.integers(0, 1000))
def test_any_bytes_decode_to_the_size_or_are_refused(data: bytes, size: int) -> None:
    with contextlib.suppress(ValueError):
        assert run_length.decode(data, size).shape == (size,)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"", 0),
        (b"\x01\x00\x00", 1),
        (b"\xff\xff\xff\xff" + bytes(8), 4),
        (b"\x01\x00\x00\x00\x05\x00", 0),
        (b"\x01\x00\x00\x00\x05\x02", 1),
        (b"\x01\x00\x00\x00\x05\x01\x01", 1),
        (b"\x01\x00\x00\x00\x05\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 4),
        (b"\x00\x00\x00\x00\x01", 0),
    ],
)
def test_broken_run_lengths_are_refused(data: bytes, size: int) -> None:
    with pytest.raises(ValueError, match="run-length data"):
        run_length.decode(data, size)


# Image files


def test_an_upright_jpeg_is_stored_byte_for_byte() -> None:
    data = file_of(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8), "JPEG")
    image = read_image(data)
    assert (image.blob, image.media_type, image.width, image.height) == (data, "image/jpeg", 80, 60)
    assert image.note is None


def test_a_jpeg_with_more_pictures_behind_it_is_a_jpeg() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    data = mpo_of(pixels)
    image = read_image(data)
    assert (image.blob, image.media_type, image.width, image.height) == (data, "image/jpeg", 80, 60)
    assert image.note is None
    with pytest.raises(InvalidInput, match="cut short or damaged"):
        read_image(data[: data.index(b"\xff\xd9") - 100])
    with pytest.raises(InvalidInput, match="as PNG"):
        read_mask(data)

    exif = Image.Exif()
    exif[0x0112] = 6
    image = read_image(mpo_of(pixels, exif=exif))
    assert (image.media_type, image.width, image.height, image.rotated) == ("image/jpeg", 60, 80, True)
    assert image.note == "Turned upright as its EXIF orientation says."
    assert Image.open(io.BytesIO(image.blob)).format == "JPEG"


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_orientation_is_applied_once(orientation: int) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = [255, 0, 0]
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    as_taken = Image.fromarray(upright).transpose(Image.Transpose(inverse))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    as_taken.save(buffer, "JPEG", quality=95, exif=exif)

    image = read_image(buffer.getvalue())
    assert image.rotated
    assert (image.width, image.height) == (32, 16)
    shown = Image.open(io.BytesIO(image.blob))
    assert shown.getexif().get(0x0112, 1) == 1
    pixels = np.asarray(shown).astype(int)
    assert pixels[3, 5, 0] > 200
    assert pixels[3, 28, 0] < 60
    assert pixels[13, 5, 0] < 60
    assert not read_image(image.blob).rotated


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_images_and_masks_of_every_kind_are_turned_once(kind: str, orientation: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, exif=exif, lossless=True)
    image = read_image(buffer.getvalue())
    as_seen = np.asarray(ImageOps.exif_transpose(Image.open(buffer)))
    assert image.rotated
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(image.blob))), as_seen)
    codes = as_seen.astype(int) @ (1 << 16, 1 << 8, 1)
    np.testing.assert_array_equal(read_mask(buffer.getvalue()).codes, codes)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_metadata_of_wrong_types_costs_no_picture(kind: str) -> None:
    # Orientation 6, and a resolution that is text where two numbers belong; written by hand, for Pillow
    # would not write it.
    tags = [(0x0112, 3, 1, struct.pack("<HH", 6, 0)), (0x011A, 2, 4, b"abc\x00"), (0x829A, 2, 4, b"1/x\x00")]
    rows = b"".join(struct.pack("<HHI", tag, of_type, count) + value for tag, of_type, count, value in tags)
    tiff = b"II*\x00" + struct.pack("<IH", 8, len(tags)) + rows + b"\x00" * 4
    buffer = io.BytesIO()
    Image.new("RGB", (7, 5)).save(buffer, kind, exif=b"Exif\x00\x00" + tiff)
    with pytest.raises((struct.error, TypeError, AttributeError)):
        ImageOps.exif_transpose(Image.open(buffer))
    image = read_image(buffer.getvalue())
    assert (image.width, image.height, image.rotated) == (5, 7, True)
    if kind == "PNG":
        assert read_mask(buffer.getvalue()).codes.shape == (7, 5)


def test_sixteen_bits_are_windowed_to_eight_and_the_note_says_so() -> None:
    ramp = np.linspace(1000, 3000, 64 * 64).reshape(64, 64).astype(np.uint16)
    image = read_image(file_of(ramp))
    pixels = np.asarray(Image.open(io.BytesIO(image.blob)))
    assert pixels.dtype == np.uint8
    assert pixels.min() == 0
    assert pixels.max() == 255
    assert image.note
    assert "more than 8 bits" in image.note


def test_a_flat_sixteen_bit_image_is_accepted() -> None:
    assert read_image(file_of(np.full((5, 5), 700, np.uint16))).width == 5


def test_sixteen_bit_colour_becomes_eight() -> None:
    raw = b"".join(b"\x00" + struct.pack(">6H", 65535, 0, 0, 0, 0, 65535) for _ in range(2))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )
    image = read_image(png)
    assert image.note
    assert "16 bits" in image.note
    pixels = np.asarray(Image.open(io.BytesIO(image.blob)))
    assert pixels.tolist() == [[[255, 0, 0], [0, 0, 255]]] * 2


def test_transparent_pixels_become_black() -> None:
    pixels = np.full((4, 4, 4), 200, np.uint8)
    pixels[0, 0, 3] = 0
    image = read_image(file_of(pixels))
    assert image.note == "Transparent pixels are shown black."
    assert np.asarray(Image.open(io.BytesIO(image.blob)))[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_one_pixel_is_an_image(kind: str) -> None:
    image = read_image(file_of(np.full((1, 1, 3), 9, np.uint8), kind))
    assert (image.width, image.height) == (1, 1)
    assert image.media_type in {"image/png", "image/webp"}


def test_bad_files_are_refused_with_the_reason() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    jpeg, png = file_of(noise, "JPEG"), file_of(noise)
    for data, reason in [
        (b"", "0 bytes"),
        (b"hello", "no image"),
        (jpeg[: len(jpeg) // 2], "cut short or damaged"),
        (png[: len(png) // 2], "cut short or damaged"),
        (png[:20], "no image|damaged"),
        (jpeg[:200] + bytes(len(jpeg) - 200), "damaged"),
    ]:
        with pytest.raises(InvalidInput, match=reason):
            read_image(data)


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    png = bytearray(file_of(np.zeros((8, 8), np.uint8)))
    for width, height in [(30_000, 30_000), (200_000, 200_000)]:
        png[16:24] = struct.pack(">II", width, height)
        png[29:33] = struct.pack(">I", zlib.crc32(bytes(png[12:29])))
        with pytest.raises(InvalidInput, match="500 megapixels"):
            read_image(bytes(png))


def test_a_label_map_of_more_pixels_than_pillow_allows_is_read() -> None:
    decode = "import storage.labels, PIL.Image; print(PIL.Image.MAX_IMAGE_PIXELS)"
    shown = subprocess.run([sys.executable, "-c", decode], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "None"


# Masks


def test_palette_masks_are_read_by_index() -> None:
    indices = np.array([[0, 1], [2, 255]], np.uint8)
    image = Image.fromarray(indices)
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90] + [0] * 759)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    mask = read_mask(buffer.getvalue())
    assert mask.kind == "index"
    np.testing.assert_array_equal(mask.codes, indices)
    assert mask.palette[:3] == (0x0A141E, 0x28323C, 0x46505A)
    assert mask.counts == {0: 1, 1: 1, 2: 1, 255: 1}


def test_masks_of_every_depth_keep_their_values() -> None:
    bits = np.array([[True, False], [False, True]])
    assert read_mask(file_of(bits)).counts == {0: 2, 1: 2}
    deep = np.array([[0, 300], [7, 65535]], np.uint16)
    np.testing.assert_array_equal(read_mask(file_of(deep)).codes, deep)
    small = read_mask(file_of(np.array([[0, 3]], np.uint16)))
    assert small.codes.dtype == np.uint8
    colour = read_mask(file_of(np.array([[[1, 2, 3], [0, 0, 0]]], np.uint8)))
    assert colour.counts == {0x010203: 1, 0: 1}


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("colour_type", ["grey", "palette"])
@pytest.mark.parametrize("orientation", [1, 3])
def test_a_png_mask_of_few_bits_keeps_its_values(bits: int, colour_type: str, orientation: int) -> None:
    values = np.arange(1 << bits, dtype=np.uint8).repeat(8)
    packed = np.packbits(np.unpackbits(values[:, None], axis=1)[:, 8 - bits :])
    exif = Image.Exif()
    exif[0x0112] = orientation
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", len(values), 1, bits, 0 if colour_type == "grey" else 3, 0, 0, 0)),
        (b"PLTE", bytes(range(3 << bits)) if bits < 8 else bytes(768)),
        (b"eXIf", exif.tobytes()[6:]),
        (b"IDAT", zlib.compress(b"\0" + packed.tobytes())),
        (b"IEND", b""),
    ]
    png = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        if kind != b"PLTE" or colour_type == "palette":
            png += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    mask = read_mask(png)
    assert mask.kind == "index"
    np.testing.assert_array_equal(mask.codes[0], values if orientation == 1 else values[::-1])


@pytest.mark.parametrize("most", [1, 11, 100, 255])
def test_a_pgm_mask_keeps_its_values_whatever_its_maximum(most: int) -> None:
    values = np.arange(most + 1, dtype=np.uint8)[None]
    binary = b"P5\n# classes\n%d 1 %d\n" % (most + 1, most) + values.tobytes()
    text = b"P2 %d 1 %d\n" % (most + 1, most) + b" ".join(b"%d" % value for value in values[0])
    for data in (binary, text):
        mask = read_mask(data)
        np.testing.assert_array_equal(mask.codes, values)
        assert mask.codes.dtype == np.uint8


def test_a_jpeg_is_no_mask() -> None:
    with pytest.raises(InvalidInput, match="as PNG"):
        read_mask(file_of(np.zeros((8, 8), np.uint8), "JPEG"))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint32])
def test_codes_without_meaning_become_not_labelled(dtype: type) -> None:
    mask = Mask("index", np.array([[0, 7], [9, 200]], dtype))
    np.testing.assert_array_equal(to_label_map(mask, {0: 3, 9: 255, 500: 1}), [[3, 254], [255, 254]])
    np.testing.assert_array_equal(to_label_map(mask, {}), np.full((2, 2), 254))


def test_colour_tables_are_read_in_three_spellings() -> None:
    text = "\ufeff# comment\n64 128 64\tAnimal\n\n255 0 0 traffic light\n"
    assert [(row.name, row.colour) for row in read_colour_table(text)] == [
        ("Animal", 0x408040),
        ("traffic light", 0xFF0000),
    ]
    cvat = "# label:color_rgb:parts:actions\nroad:128,64,128::\n"
    assert [(row.name, row.colour) for row in read_colour_table(cvat)] == [("road", 0x804080)]
    csv = "name,r,g,b\nSky, 128, 128, 128\n"
    assert [(row.name, row.colour) for row in read_colour_table(csv)] == [("Sky", 0x808080)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2 3 a\n4 5 x b", "Line 2"),
        ("1 2 300 a", "above 255"),
        ("1 2 3 a\n1 2 3 b", "the colour of a"),
    ],
)
def test_wrong_colour_tables_name_their_line(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        read_colour_table(text)


# Archives


def test_unsafe_and_hidden_entries_stay_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    path.write_bytes(
        zip_of(
            {
                "../up.png": b"1",
                "a/../../up.png": b"1",
                "/etc/absolute.png": b"1",
                "C:\\windows\\x.png": b"1",
                "..\\back.png": b"1",
                "__MACOSX/._a.png": b"1",
                ".hidden/a.png": b"1",
                "good/a.png": b"good",
                "win\\b.png": b"also good",
            }
        )
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with OpenSource(path) as source:
        assert source.paths == ("good/a.png", "win/b.png")
        assert source.read("good/a.png") == b"good"
        reasons = {problem.name: problem.sentence for problem in source.problems}
    assert "climbs out" in reasons["../up.png"]
    assert "climbs out" in reasons["a/../../up.png"]
    assert "climbs out" in reasons["..\\back.png"]
    assert "absolute" in reasons["/etc/absolute.png"]
    assert "absolute" in reasons["C:\\windows\\x.png"]
    assert "link" in reasons["link.png"]
    assert len(reasons) == 6


def test_links_that_are_not_followed_are_named_and_a_linked_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(b"a")
    root = tmp_path / "set"
    root.mkdir()
    (root / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "circle").symlink_to(root, target_is_directory=True)
    (root / ".hidden").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "a.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    (root / "gone.png").symlink_to(tmp_path / "elsewhere" / "gone.png")
    with OpenSource(root) as source:
        assert source.paths == ("a.png",)
        assert source.read("a.png") == b"a"
        reasons = {problem.name: problem.sentence for problem in source.problems}
    assert "link to a folder" in reasons["circle"]
    assert "link to a folder" in reasons["linked"]
    assert "not there" in reasons["gone.png"]
    assert len(reasons) == 3


def test_a_workspace_inside_the_folder_is_left_out_as_a_whole(tmp_path: Path) -> None:
    for name in ("a.png", "results/b.png", "results/workspace/thumbnails/a.jpg", "results/workspace/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / "results" / "workspace" / DATABASE_FILE).touch()
    with OpenSource(tmp_path) as source:
        assert source.paths == ("a.png", "results/b.png")
        assert [(problem.name, problem.sentence) for problem in source.problems] == [
            ("results/workspace", "It is a Qualm workspace and was left out.")
        ]
    with pytest.raises(InvalidInput, match="is a Qualm workspace, not a folder of images"):
        OpenSource(tmp_path / "results" / "workspace")


def test_a_file_that_nobody_may_look_at_is_left_out_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is every file of a folder that may be listed and not entered."""
    for name in ("closed/a.png", "closed/b.png", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    real = os.stat

    def refused(path: str | Path | int, *arguments: object, **named: object) -> os.stat_result:
        if not isinstance(path, int) and Path(path).parent.name == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *arguments, **named)

    monkeypatch.setattr(os, "stat", refused)
    with OpenSource(tmp_path) as source:
        assert source.paths == ("c.png",)
        assert {problem.name for problem in source.problems} == {"closed/a.png", "closed/b.png"}
        assert all("cannot be read: Permission denied" in problem.sentence for problem in source.problems)


def test_zip_bombs_are_refused_from_the_directory() -> None:
    bomb = zip_of({f"{i}.png": bytes(30 << 20) for i in range(3)})
    with pytest.raises(InvalidInput, match="zip bombs"):
        OpenSource([("bomb.zip", bomb)])
    many = zip_of({f"{i}.png": b"x" for i in range(20)})
    with pytest.raises(InvalidInput, match="more than 10"):
        OpenSource([("many.zip", many)], ArchiveLimits(entries=10))
    with pytest.raises(InvalidInput, match="GiB"):
        OpenSource([("large.zip", many)], ArchiveLimits(total_bytes=10))
    one = zip_of({"small.png": b"x" * 10, "big.png": bytes(1000)})
    with OpenSource([("one.zip", one)], ArchiveLimits(entry_bytes=500)) as source:
        assert source.paths == ("small.png",)
        assert "too much" in source.problems[0].sentence


def test_a_zip_whose_directory_lies_about_sizes_is_caught_while_reading() -> None:
    payload = bytes(200_000)
    data = bytearray(zip_of({"a.png": payload, "b.png": b"fine"}))
    directory = data.find(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 100)
    with OpenSource([("liar.zip", bytes(data))]) as source:
        with pytest.raises(InvalidInput, match=r"damaged|announces"):
            source.read("a.png")
        assert source.read("b.png") == b"fine"


def test_a_damaged_zip_is_refused_and_a_damaged_entry_is_named(tmp_path: Path) -> None:
    data = zip_of({"a.png": b"a" * 1000, "b.png": b"b" * 1000}, zipfile.ZIP_STORED)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(data[:300])
    with pytest.raises(InvalidInput, match=r"broken\.zip is neither"):
        OpenSource(broken)
    damaged = bytearray(data)
    damaged[200] ^= 255
    with OpenSource([("x.zip", bytes(damaged))]) as source:
        with pytest.raises(InvalidInput, match="damaged"):
            source.read("a.png")
        assert source.read("b.png") == b"b" * 1000
    with pytest.raises(InvalidInput, match="no folder or zip"):
        OpenSource(tmp_path / "nowhere")


def test_names_without_the_utf8_bit_and_decomposed_names_are_understood(tmp_path: Path) -> None:
    data = zip_of({"straße-图.png": b"1"})
    without_bit = data.replace(struct.pack("<H", 0x800), struct.pack("<H", 0))
    with OpenSource([("old.zip", without_bit)]) as source:
        assert source.paths == ("straße-图.png",)
    (tmp_path / "u\u0308ber.png").write_bytes(b"2")
    with OpenSource(tmp_path) as source:
        assert source.paths == ("\u00fcber.png",)
        assert source.read("\u00fcber.png") == b"2"


def test_names_that_are_no_text_stay_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "fine.png").write_bytes(b"1")
    (tmp_path / os.fsdecode(b"\xe4x.png")).write_bytes(b"2")
    inner = tmp_path / os.fsdecode(b"\xfc")
    inner.mkdir()
    (inner / "y.png").write_bytes(b"3")
    with OpenSource(tmp_path) as source:
        assert source.paths == ("fine.png",)
        problems = {problem.name: problem.sentence for problem in source.problems}
    assert sorted(problems) == ["\\udce4x.png", "\\udcfc/y.png"]
    assert all("not UTF-8" in sentence and "Rename" in sentence for sentence in problems.values())
    with OpenSource([("\udce4x.png", b"1"), ("fine.png", b"2")]) as source:
        assert source.paths == ("fine.png",)
        assert [problem.name for problem in source.problems] == ["\\udce4x.png"]

    data = zip_of({"öx.png": b"1", "fine.png": b"2"})
    directory = data.index(b"PK\x01\x02")
    wrong = "öx".encode(), b"\xe4\xe4x"
    with OpenSource([("a.zip", data[:directory].replace(*wrong) + data[directory:])]) as source:
        with pytest.raises(InvalidInput, match="damaged"):
            source.read("öx.png")
        assert source.read("fine.png") == b"2"
    with pytest.raises(InvalidInput, match=r"a\.zip holds a file name .*Unpack it"):
        OpenSource([("a.zip", data.replace(*wrong))])


def test_paths_sort_as_people_count() -> None:
    assert sorted(["f10", "f2", "F1", "g", "f2b"], key=natural_order) == ["F1", "f2", "f2b", "f10", "g"]


# Layouts


@pytest.mark.parametrize(
    ("image", "mask", "split"),
    [
        ("images/a.jpg", "masks/a.png", None),
        ("set/images/deep/a.jpg", "set/labels/deep/a.png", None),
        ("set/images/train/a.jpg", "set/annotations/train/a.png", "train"),
        ("set/val/images/a.jpg", "set/val/masks/a.png", "audit"),
        ("camvid/test/a.jpg", "camvid/testannot/a.png", "excluded"),
        ("VOC2012/JPEGImages/a.jpg", "VOC2012/SegmentationClass/a.png", None),
        ("a.jpg", "a_mask.png", None),
        ("a.jpg", "a_Mask.png", None),
        ("A.JPG", "A_GT.PNG", None),
        ("b/a.jpg", "b/a.png", None),
        ("x/a.png", "x/a_L.png", None),
        ("a.jpg", "masks/a.jpg.png", None),
        ("images/a.png", "masks/a_mask.png", None),
        ("train/a.jpg", "train_masks/A_Mask.png", "train"),
        ("images/a_gt.png", "masks/a_gt_seg.png", None),
        ("images/a.jpg", "masks/a.jpg_mask.png", None),
        ("images/A.JPG", "label_maps/a.PNG", None),
        ("images/pool/a.png", "label_maps/pool/a.png", "pool"),
    ],
)
def test_masks_are_found_in_every_known_tree(image: str, mask: str, split: str | None) -> None:
    layout = find_layout([image, mask, "readme.txt"])
    assert [(found.path, found.mask, found.split) for found in layout.images] == [(image, mask, split)]
    assert layout.problems == ()
    assert layout.other_files == ("readme.txt",)


def test_equal_stems_are_told_apart_by_their_folders_and_never_guessed() -> None:
    paths = ["images/x/1.jpg", "images/y/1.jpg", "masks/x/1.png", "masks/y/1.png"]
    assert [found.mask for found in find_layout(paths).images] == ["masks/x/1.png", "masks/y/1.png"]
    guess = find_layout(["images/x/1.jpg", "images/y/1.jpg", "masks/1.png"])
    assert [found.mask for found in guess.images] == [None, None]
    (problem,) = guess.problems
    assert problem.name == "masks/1.png"
    assert problem.sentence == (
        "2 images have the name of this mask (images/x/1.jpg, images/y/1.jpg): put images and masks in "
        "folders of the same names, or rename them."
    )
    double = find_layout(["images/1.jpg", "masks/1.png", "labels/1.png"])
    assert double.images[0].mask is None
    assert "Several masks" in double.problems[0].sentence
    assert {problem.sentence for problem in double.problems[1:]} == {
        "The image of this name, images/1.jpg, has several masks. Leave one mask for each image."
    }


def test_names_that_repeat_in_every_folder_are_looked_up_and_not_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[object] = []
    place, listed = layout_module._place, layout_module._listed
    monkeypatch.setattr(layout_module, "_place", lambda folders: looked_at.append(folders) or place(folders))
    scenes = [f"scene{i}/rgb.jpg" for i in range(200)]
    masks = [f"scene{i}/rgb_mask.png" for i in range(200)]
    assert masks_by_name(masks, scenes) == (dict(zip(masks, scenes, strict=True)), {})
    assert len(looked_at) == 400

    lengths: list[int] = []
    monkeypatch.setattr(layout_module, "_listed", lambda paths: lengths.append(len(paths)) or listed(paths))
    images = [f"scene{i}/images/rgb.jpg" for i in range(200)]
    problems = find_layout([*images, *(f"other{i}/masks/rgb.png" for i in range(200))]).problems
    assert len(problems) == 200
    assert "200 images have the name of this mask (scene0/images/rgb.jpg, " in problems[0].sentence
    assert "scene2/images/rgb.jpg, …)" in problems[0].sentence
    assert sum(lengths) <= 5 * 200


def test_a_photograph_beside_another_of_its_name_is_no_mask_where_a_folder_has_the_mask() -> None:
    layout = find_layout(["images/dup.jpg", "images/dup.png", "masks/dup.png"])
    assert [(found.path, found.mask) for found in layout.images] == [
        ("images/dup.jpg", None),
        ("images/dup.png", None),
    ]
    assert "2 images have the name of this mask" in layout.problems[0].sentence
    named = find_layout(["images/a.jpg", "images/a.png", "masks/a.jpg.png", "masks/a.png.png"])
    assert [found.mask for found in named.images] == ["masks/a.jpg.png", "masks/a.png.png"]
    # Folders of masks elsewhere in the source change nothing.
    apart = find_layout(["one/1.jpg", "one/1.png", "two/images/1.jpg", "two/masks/1.png"])
    assert [found.mask for found in apart.images] == ["one/1.png", "two/masks/1.png"]


def test_an_ending_counts_only_where_no_image_has_it_in_its_name() -> None:
    layout = find_layout(["images/a.jpg", "more/a_gt.jpg", "masks/a_gt.png", "masks/b_mask.png"])
    assert [(found.path, found.mask) for found in layout.images] == [
        ("images/a.jpg", None),
        ("more/a_gt.jpg", "masks/a_gt.png"),
    ]
    assert [found.path for found in layout.masks_alone] == ["masks/b_mask.png"]
    for exact in ("masks/a.png", "a_mask.png"):
        layout = find_layout(["a.jpg", exact, "masks/a_mask.png"])
        assert [(found.path, found.mask) for found in layout.images] == [("a.jpg", exact)]
        assert [found.path for found in layout.masks_alone] == ["masks/a_mask.png"]
    layout = find_layout(["images/a.jpg", "masks/a_mask.png", "masks/a_seg.png"])
    assert "Several masks have its name (masks/a_mask.png, masks/a_seg.png)" in layout.problems[0].sentence
    layout = find_layout(["images/a.jpg", "images/a.png", "masks/a_mask.png"])
    assert [found.mask for found in layout.images] == [None, None]
    assert "2 images have the name of this mask" in layout.problems[0].sentence


@pytest.mark.parametrize(
    ("paths", "splits"),
    [
        (["test/a.jpg", "test/b.jpg"], [None, None]),
        (["field/test/images/a.jpg"], [None]),
        (["test/train/a.jpg", "test/b.jpg"], ["train", None]),
        (["test/a.jpg", "more/b.jpg"], ["excluded", None]),
        (["test/images/a.jpg", "test/masks/a.png"], ["excluded"]),
        (["CamVid/test/a.png", "CamVid/testannot/a.png"], ["excluded"]),
    ],
)
def test_a_folder_around_all_images_names_a_split_only_where_masks_are_in_it(
    paths: list[str], splits: list[str | None]
) -> None:
    assert [found.split for found in find_layout(paths).images] == splits


def test_a_folder_of_labels_alone_is_a_folder_of_images() -> None:
    assert [found.path for found in find_layout(["my_labels/a.png", "my_labels/b.png"]).images] == [
        "my_labels/a.png",
        "my_labels/b.png",
    ]


def test_groups_come_from_prefixes_then_from_folders() -> None:
    drives = [f"{drive}_{frame}.jpg" for drive in ("a", "b") for frame in range(5)]
    assert source_groups(drives) == ["a"] * 5 + ["b"] * 5
    assert source_groups([f"img_{i}.jpg" for i in range(9)]) == [None] * 9
    assert source_groups(["p1/a.jpg", "p2/b.jpg"]) == ["p1", "p2"]
    assert source_groups(["train/images/a.jpg", "val/images/b.jpg"]) == [None, None]


def test_an_even_map_has_the_same_run_lengths_as_any() -> None:
    for size in (1, 127, 128, 921_600):
        assert run_length.encode_even(254, size) == run_length.encode(np.full(size, 254, np.uint8))


def test_a_damaged_entry_of_an_lzma_zip_is_refused_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.png", bytes(range(256)) * 40)
    data = bytearray(path.read_bytes())
    data[40:60] = b"\xff" * 20
    path.write_bytes(data)
    with OpenSource(path) as opened, pytest.raises(InvalidInput, match="The zip file is damaged here"):
        opened.read("a.png")


def test_a_file_of_a_folder_is_no_larger_than_one_of_a_zip_may_be(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(b"x" * 501)
    (tmp_path / "small.png").write_bytes(b"x" * 500)
    with OpenSource(tmp_path, ArchiveLimits(entry_bytes=500)) as opened:
        assert opened.read("small.png") == b"x" * 500
        with pytest.raises(InvalidInput, match=r"is 0\.0 GiB, too much for one image\. Cut it"):
            opened.read("large.png")
