import gzip
import io
import json
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from starlette.testclient import TestClient

from app import picture_routes, superpixels
from storage.images import image
from storage.workspace import Workspace
from tests.app.four_images import HEIGHT, WIDTH, Site

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "superpixels.json").read_text())


def decode(body: bytes) -> np.ndarray:
    width, height = struct.unpack_from("<II", body)
    return np.frombuffer(body, "<u2", offset=8).reshape(height, width)


def store(workspace: Workspace, pixels: np.ndarray, form: str = "PNG") -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return workspace.blobs.put(buffer.getvalue())


def cut(workspace: Workspace, blob: str, segments: int) -> bytes:
    return superpixels.superpixels(workspace, blob, segments, lambda: workspace.blobs.get(blob))


def scene(height: int, width: int) -> np.ndarray:
    """Smooth colours with a bright disk in them."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([columns * 200 // width, rows * 200 // height, np.full_like(rows, 60)], -1)
    pixels[np.hypot(rows - height / 2, columns - width / 2) < min(height, width) / 4] = 240
    return pixels.astype(np.uint8)


def assert_dense_and_connected(ids: np.ndarray) -> None:
    assert np.array_equal(np.unique(ids), np.arange(ids.max() + 1))
    for number, box in enumerate(ndimage.find_objects(ids.astype(int) + 1)):
        assert ndimage.label(ids[box] == number)[1] == 1


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_the_body_has_the_golden_bytes(case: dict) -> None:
    ids = np.array(case["ids"], np.uint16).reshape(case["height"], case["width"])
    assert superpixels.encode(ids).hex() == case["hex"]


@pytest.mark.parametrize("segments", superpixels.SEGMENTS)
def test_superpixels_cover_the_image_and_are_connected(workspace: Workspace, segments: int) -> None:
    blob = store(workspace, scene(120, 200))
    ids = decode(gzip.decompress(cut(workspace, blob, segments)))
    assert ids.shape == (120, 200)
    assert segments / 2 < ids.max() + 1 < segments * 1.5
    assert_dense_and_connected(ids)


def test_superpixels_keep_to_the_edge_of_a_disk(workspace: Workspace) -> None:
    pixels = scene(120, 200)
    ids = superpixels.segment(pixels, 200)
    disk = pixels[..., 2] == 240
    inside = np.bincount(ids.ravel(), disk.ravel())
    strays = np.minimum(inside, np.bincount(ids.ravel()) - inside)
    assert strays.sum() < 0.05 * disk.sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 7)], ids=str)
def test_the_smallest_images_have_superpixels_too(workspace: Workspace, shape: tuple[int, int]) -> None:
    blob = store(workspace, np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
    ids = decode(gzip.decompress(cut(workspace, blob, 200)))
    assert ids.shape == shape
    assert_dense_and_connected(ids)


@pytest.mark.parametrize(
    "pixels",
    [
        scene(60, 80)[..., 0],
        scene(60, 80)[..., 0] > 100,
        np.full((60, 80), 7, np.uint8),
    ],
    ids=["grey", "black and white", "one value"],
)
def test_images_without_colour_have_superpixels(workspace: Workspace, pixels: np.ndarray) -> None:
    ids = decode(gzip.decompress(cut(workspace, store(workspace, pixels), 200)))
    assert ids.shape == (60, 80)
    assert ids.max() > 50
    assert_dense_and_connected(ids)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_large_image_is_cut_on_a_smaller_grid(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(superpixels, "MOST_CELLS", 5_000)
    blob = store(workspace, scene(150, 300), form)
    ids = decode(gzip.decompress(cut(workspace, blob, 200)))
    assert ids.shape == (50, 100)
    assert_dense_and_connected(ids)


def test_a_second_request_does_not_compute_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = store(workspace, scene(60, 80))
    first = cut(workspace, blob, 200)
    monkeypatch.delattr(superpixels, "segment")
    assert cut(workspace, blob, 200) == first
    assert [file.read_bytes() for file in (workspace.path / "superpixels").iterdir()] == [first]


def test_requests_at_once_compute_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = store(workspace, scene(60, 80))
    calls = []
    may_end = threading.Event()

    def segment(pixels: np.ndarray, segments: int) -> np.ndarray:
        calls.append(segments)
        may_end.wait()
        return np.zeros(pixels.shape[:2], np.uint16)

    monkeypatch.setattr(superpixels, "segment", segment)
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(cut(workspace, blob, 200))) for _ in range(4)]
    for thread in threads:
        thread.start()
    may_end.set()
    for thread in threads:
        thread.join()
    assert calls == [200]
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert superpixels._turns == {}


def test_a_full_disk_does_not_keep_superpixels_from_the_person(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = store(workspace, scene(60, 80))
    (workspace.path / "superpixels").write_text("in the way")
    assert decode(gzip.decompress(cut(workspace, blob, 200))).shape == (60, 80)


def test_the_route_answers_bytes_that_may_be_kept_for_ever(browser: TestClient, site: Site) -> None:
    stored = image(site.workspace, site.image_ids[0])
    url = f"/api/images/{stored.id}/superpixels/{stored.blob}"
    response = browser.get(f"{url}?segments=200")
    assert response.headers["content-encoding"] == "gzip"
    assert "immutable" in response.headers["cache-control"]
    assert decode(response.content).shape == (HEIGHT, WIDTH)
    assert browser.get(f"{url}?segments=201").status_code == 422
    assert "200, 600, 2000" in browser.get(f"{url}?segments=201").json()["error"]
    assert browser.get(f"{url}?segments=many").status_code == 422
    other = image(site.workspace, site.image_ids[1])
    assert browser.get(f"/api/images/{stored.id}/superpixels/{other.blob}").status_code == 404
    assert browser.get(f"/api/images/999/superpixels/{stored.blob}").status_code == 404


def test_a_large_image_is_cut_by_its_overview(
    browser: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = image(site.workspace, site.image_ids[0])
    url = f"/api/images/{stored.id}/superpixels/{stored.blob}?segments=200"
    small = np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).save(buffer, "PNG")
    monkeypatch.setattr(picture_routes, "is_large", lambda width, height: width * height >= HEIGHT * WIDTH)
    monkeypatch.setattr(picture_routes, "overview", lambda *_: (buffer.getvalue(), "image/png"))
    assert decode(browser.get(url).content).shape == small.shape[:2]


def test_the_server_starts_without_scikit_image() -> None:
    code = "import sys, app.routes; sys.exit('skimage' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
