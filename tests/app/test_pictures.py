"""Views of deep images and tiles of large ones show exactly the pixels they stand for."""

import hashlib
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from starlette.testclient import TestClient

from app import levels, picture_cache
from app.levels import level_sizes, overview_level
from storage import images
from storage.formats.window import windowed
from storage.import_planning import plan_import
from storage.importing import run_import
from storage.workspace import blobs_in_use
from tests.app.four_images import Site

CELLS = np.random.default_rng(3).integers(0, 4000, (5, 20, 30)).astype(np.uint16)


def picture(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def file_of(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def tiff(values: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **({"photometric": "minisblack"} | options))
    return buffer.getvalue()


@pytest.fixture
def bring_in(browser: TestClient, site: Site) -> Callable[..., dict[str, Any]]:
    """Return a function that imports one file and gives the item of its image."""

    def one(name: str, data: bytes) -> dict[str, Any]:
        plan = plan_import([(name, data)], workspace=site.workspace, project_id=site.project_id)
        assert not plan.problems
        run_import(site.workspace, site.project_id, plan, "test")
        newest = images.list_images(site.workspace, site.project_id)[-1]
        item: dict[str, Any] = browser.get(f"/api/images/{newest.id}/item").json()["item"]
        return item

    return one


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let images of 20,000 pixels count as large, with tiles of 64 pixels."""
    monkeypatch.setattr(levels, "LARGE_PIXELS", 20_000)
    monkeypatch.setattr(levels, "OVERVIEW_PIXELS", 12_000)
    monkeypatch.setattr(levels, "TILE_SIDE", 64)
    monkeypatch.setattr("app.tiles.TILE_SIDE", 64)
    monkeypatch.setattr("app.items.TILE_SIDE", 64)


def stitched(browser: TestClient, item: dict[str, Any], level: int, url: str, query: str = "") -> np.ndarray:
    width, height = level_sizes(item["width"], item["height"])[level]
    side = item["tile_side"]
    rows = []
    for row in range(-(-height // side)):
        tiles = []
        for column in range(-(-width // side)):
            answer = browser.get(f"{url}/{level}/{column}/{row}{query}")
            assert answer.status_code == 200, answer.text
            assert "immutable" in answer.headers["cache-control"]
            tiles.append(picture(answer.content))
        rows.append(np.hstack(tiles))
    whole = np.vstack(rows)
    assert whole.shape[:2] == (height, width)
    return whole


def test_a_plain_image_has_neither_tiles_nor_views(browser: TestClient, site: Site) -> None:
    stored = images.image(site.workspace, site.image_ids[0])
    item = browser.get(f"/api/images/{stored.id}/item").json()["item"]
    absent = ("tiles_url", "tile_side", "tile_levels", "source_url", "source_tiles_url", "channels_url")
    assert [item[name] for name in (*absent, "channels")] == [None] * 7
    assert item["image_url"] == f"/api/images/{stored.id}/pixels/{stored.blob}"
    for path in ("view/", "channels/", "overview/", "tiles/"):
        place = "/0/0/0" if path == "tiles/" else ""
        answer = browser.get(f"/api/images/{stored.id}/{path}{stored.blob}{place}")
        assert answer.status_code == 404
        assert stored.name in answer.json()["error"]


def test_the_first_view_is_the_stored_picture(
    browser: TestClient, bring_in: Callable[..., dict[str, Any]]
) -> None:
    for name, data in [
        ("grey.tif", tiff(CELLS[0])),
        ("grey.png", file_of(CELLS[0])),
        ("cells.tif", tiff(CELLS)),
        ("colour.tif", tiff(np.moveaxis(CELLS[:3], 0, 2), photometric="rgb")),
    ]:
        item = bring_in(name, data)
        answer = browser.get(item["source_url"])
        assert answer.headers["content-type"] == "image/png"
        assert "immutable" in answer.headers["cache-control"]
        np.testing.assert_array_equal(
            picture(answer.content), picture(browser.get(item["image_url"]).content)
        )


def test_a_view_shows_the_chosen_channel_in_its_window(
    browser: TestClient, bring_in: Callable[..., dict[str, Any]]
) -> None:
    item = bring_in("cells.tif", tiff(CELLS))
    assert (len(item["channels"]), item["tiles_url"]) == (5, None)
    grey = picture(browser.get(f"{item['source_url']}?channel=4&low=100&high=3000&gamma=2.2").content)
    share = np.clip((CELLS[4] - 100.0) / 2900, 0, 1)
    np.testing.assert_array_equal(grey, np.round(255 * share ** (1 / 2.2)))
    query = "?channel=3,0&low=10,20&high=2000&gamma=1,0.5"
    colours = picture(browser.get(item["source_url"] + query).content)
    np.testing.assert_array_equal(colours[..., 0], windowed(CELLS[3], 10, 2000))
    np.testing.assert_array_equal(colours[..., 1], windowed(CELLS[0], 20, 2000, 0.5))
    assert not colours[..., 2].any()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_image_is_upright_in_every_channel(
    browser: TestClient, bring_in: Callable[..., dict[str, Any]], orientation: int
) -> None:
    tag = (274, 3, 1, orientation, True)
    item = bring_in("turned.tif", tiff(CELLS[:2], planarconfig="separate", extratags=[tag]))
    turn = Image.Transpose
    as_taken = {2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE,
                6: turn.ROTATE_270, 7: turn.TRANSVERSE, 8: turn.ROTATE_90}  # fmt: skip
    expected = Image.fromarray(windowed(CELLS[1], 0, 4000))
    if orientation in as_taken:
        expected = expected.transpose(as_taken[orientation])
    shown = browser.get(f"{item['source_url']}?channel=1&low=0&high=4000").content
    np.testing.assert_array_equal(picture(shown), np.asarray(expected))
    assert (item["width"], item["height"]) == expected.size


def test_the_figures_of_the_channels(browser: TestClient, bring_in: Callable[..., dict[str, Any]]) -> None:
    answer = browser.get(bring_in("cells.tif", tiff(CELLS))["channels_url"])
    assert "immutable" in answer.headers["cache-control"]
    figures = answer.json()
    assert (figures["bit_depth"], figures["shown"], len(figures["channels"])) == (16, [0, 1, 2], 5)
    for values, known in zip(CELLS, figures["channels"], strict=True):
        assert (known["least"], known["most"]) == (values.min(), values.max())
        assert (known["low"], known["high"]) == pytest.approx(np.percentile(values, (0.5, 99.5)))
        assert known["percentiles"]["50"] == pytest.approx(np.median(values))
        assert known["histogram"] == np.histogram(values, 256)[0].tolist()


@pytest.mark.parametrize(
    "query",
    [
        "channel=x", "channel=-1", "channel=0,1,2,3", "channel=0,", "low=nan", "low=inf", "low=1e999",
        "high=1;2", "low=5&high=5", "low=1e6", "gamma=0", "gamma=11", "low=1,2", "channel=0,1&gamma=1,1,1",
    ],
)  # fmt: skip
def test_a_view_that_makes_no_sense_is_refused(
    browser: TestClient, bring_in: Callable[..., dict[str, Any]], query: str
) -> None:
    answer = browser.get(f"{bring_in('cells.tif', tiff(CELLS))['source_url']}?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_a_channel_or_a_source_that_is_not_there_is_404(
    browser: TestClient, site: Site, bring_in: Callable[..., dict[str, Any]]
) -> None:
    item = bring_in("cells.tif", tiff(CELLS))
    answer = browser.get(f"{item['source_url']}?channel=5")
    assert (answer.status_code, "0 to 4" in answer.json()["error"]) == (404, True)
    assert browser.get(f"/api/images/{item['image_id']}/view/{'0' * 64}").status_code == 404
    source = images.image(site.workspace, item["image_id"]).source
    assert source is not None
    (site.workspace.path / "blobs" / source.blob[:2] / source.blob).unlink()
    (site.workspace.path / "cache" / f"{source.blob}.values").unlink()
    answer = browser.get(item["source_url"])
    assert (answer.status_code, "backup" in answer.json()["error"]) == (404, True)


@pytest.mark.usefixtures("low_limits")
@pytest.mark.parametrize("shape", [(200, 301, 3), (129, 192), (64, 800, 3)])
def test_tiles_put_together_are_the_image(
    browser: TestClient, bring_in: Callable[..., dict[str, Any]], shape: tuple[int, ...]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    item = bring_in("large.png", file_of(pixels))
    assert item["tile_side"] == 64
    assert item["tile_levels"] == len(level_sizes(shape[1], shape[0]))
    expected = Image.fromarray(pixels)
    for level in range(item["tile_levels"]):
        np.testing.assert_array_equal(stitched(browser, item, level, item["tiles_url"]), np.asarray(expected))
        if level == overview_level(shape[1], shape[0]):
            np.testing.assert_array_equal(
                picture(browser.get(item["image_url"]).content), np.asarray(expected)
            )
            assert expected.width * expected.height <= 12_000
        expected = expected.reduce(2)


@pytest.mark.usefixtures("low_limits")
@pytest.mark.parametrize("behind", [{}, {"save_all": True, "append_images": [Image.new("RGB", (9, 9))]}])
def test_tiles_of_a_jpeg_are_where_they_belong(
    browser: TestClient, bring_in: Callable[..., dict[str, Any]], behind: dict[str, Any]
) -> None:
    columns, rows = np.meshgrid(np.arange(250), np.arange(150))
    buffer = io.BytesIO()
    pixels = np.dstack([columns, rows, 255 - columns]).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "MPO" if behind else "JPEG", quality=95, **behind)
    data = buffer.getvalue()
    item = bring_in("large.jpg", data)
    whole = stitched(browser, item, 0, item["tiles_url"])
    assert np.abs(whole.astype(int) - picture(data)).max() <= 4
    assert browser.get(f"{item['tiles_url']}/0/0/0").headers["content-type"] == "image/jpeg"


@pytest.mark.usefixtures("low_limits")
def test_tiles_of_a_view_put_together_are_the_view(
    browser: TestClient, bring_in: Callable[..., dict[str, Any]]
) -> None:
    values = np.random.default_rng(0).integers(0, 60_000, (2, 131, 201)).astype(np.uint16)
    item = bring_in("large.tif", tiff(values))
    query = "?channel=1&low=100&high=50000&gamma=1.5"
    whole = stitched(browser, item, 0, item["source_tiles_url"], query)
    np.testing.assert_array_equal(whole, windowed(values[1], 100, 50_000, 1.5))
    half = np.pad(values[1].astype(np.int64), ((0, 1), (0, 1)), mode="edge")
    half = (half[::2, ::2] + half[1::2, ::2] + half[::2, 1::2] + half[1::2, 1::2] + 2) // 4
    np.testing.assert_array_equal(
        stitched(browser, item, 1, item["source_tiles_url"], query),
        windowed(half.astype(np.uint16), 100, 50_000, 1.5),
    )
    overview = picture(browser.get(item["source_url"] + query).content)
    np.testing.assert_array_equal(overview, windowed(half.astype(np.uint16), 100, 50_000, 1.5))


@pytest.mark.usefixtures("low_limits")
def test_a_tile_outside_the_image_is_404_with_a_sentence(
    browser: TestClient, bring_in: Callable[..., dict[str, Any]]
) -> None:
    item = bring_in("large.png", file_of(np.zeros((150, 150, 3), np.uint8)))
    for place in ("0/3/0", "0/0/3", "9/0/0", "0/0/99999999999", "0/-1/0", "0/0/x"):
        answer = browser.get(f"{item['tiles_url']}/{place}")
        assert answer.status_code == 404
        assert answer.json()["error"]


@pytest.mark.usefixtures("low_limits")
def test_many_who_ask_at_once_wait_for_one_pyramid(
    browser: TestClient,
    site: Site,
    bring_in: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item = bring_in("large.png", file_of(np.zeros((150, 150, 3), np.uint8)))
    built = []
    build = picture_cache._build

    def counted(path: Path, *rest: Any) -> None:
        built.append(path)
        build(path, *rest)

    monkeypatch.setattr(picture_cache, "_build", counted)
    codes: list[int] = []
    urls = [f"{item['tiles_url']}/0/{number}/0" for number in range(3)]
    threads = [
        threading.Thread(target=lambda url=url: codes.append(browser.get(url).status_code)) for url in urls
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 3
    assert len(built) == 1


@pytest.mark.usefixtures("low_limits")
def test_a_thumbnail_of_a_large_image_cuts_no_tiles(
    browser: TestClient, site: Site, bring_in: Callable[..., dict[str, Any]]
) -> None:
    item = bring_in("large.png", file_of(np.full((150, 200, 3), 90, np.uint8)))
    blob = images.image(site.workspace, item["image_id"]).blob
    address = f"/api/images/{item['image_id']}"

    def small(side: int) -> Image.Image:
        return Image.open(io.BytesIO(browser.get(f"{address}/thumbnail/{blob}?side={side}").content))

    assert small(160).size == (160, 120)
    assert not (site.workspace.path / "cache" / f"{blob}.tiles").exists()
    assert browser.get(f"{address}/overview/{blob}").status_code == 200
    assert small(320).size == (100, 75), "the overview, which is there by now, is small here"


def test_the_cache_loses_what_was_longest_unused_and_nothing_else(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(name: str) -> Path:
        def build(file: Any) -> dict[str, str]:
            file.write(bytes(1000))
            return {"name": name}

        return picture_cache.read_kept(site.workspace, name, build, lambda path: path)

    monkeypatch.setattr(picture_cache, "MOST_BYTES", 3500)
    before = set(blobs_in_use(site.workspace))
    for number, name in enumerate("abc"):
        os.utime(keep(name), (number, number))
    keep("a")
    abandoned = site.workspace.path / "cache" / ".part-killed"
    abandoned.touch()
    os.utime(abandoned, (1, 1))
    keep("d")
    folder = site.workspace.path / "cache"
    assert sorted(path.name for path in folder.iterdir()) == ["a", "c", "d"]
    assert picture_cache.description(folder / "d") == {"name": "d"}
    assert all(site.workspace.blobs.exists(blob) for blob in before)


def test_a_build_that_fails_leaves_nothing(site: Site) -> None:
    def build(file: Any) -> dict[str, str]:
        file.write(bytes(10))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        picture_cache.read_kept(site.workspace, hashlib.sha256(b"").hexdigest(), build, Path.read_bytes)
    assert list((site.workspace.path / "cache").iterdir()) == []


@pytest.mark.usefixtures("low_limits")
def test_a_file_that_goes_before_it_is_read_is_made_again(
    browser: TestClient,
    site: Site,
    bring_in: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item = bring_in("deep.tif", tiff(CELLS))
    large = bring_in("large.png", file_of(np.full((150, 150, 3), 7, np.uint8)))
    urls = [f"{large['tiles_url']}/0/0/0", item["channels_url"], item["source_url"]]
    going = {"now": 1}

    def touched(path: Path) -> bool:
        # Room is made for another file in the moment between the look and the reading.
        if path.exists() and going["now"]:
            path.unlink()
            going["now"] -= 1
            return True
        return path.exists()

    monkeypatch.setattr(picture_cache, "touched", touched)
    for url in urls:
        assert browser.get(url).status_code == 200, url
        going["now"] = 1
        assert browser.get(url).status_code == 200, url
        assert going["now"] == 0
    built: list[Path] = []
    going["now"] = 1
    monkeypatch.setattr(picture_cache, "make_room", lambda newest, _: built.append(newest) or newest.unlink())
    answer = browser.get(urls[0])
    assert answer.status_code == 503
    assert "Free some space" in answer.json()["error"]
    assert len(built) < 5
