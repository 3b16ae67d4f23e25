"""The points of the embedding map, and the pictures that the Queue page lays over thumbnails."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app import heat_thumbnails
from app.canvas.component import FRONTEND
from app.embedding_map import plotly_version
from app.map_points import map_points_json, thinned
from storage import images
from storage.embeddings import MapPoints
from tests.app.four_images import Site


def points(count: int, labelled: int) -> MapPoints:
    """Return a map of images whose places fall with their ids; the first ones are labelled."""
    split = np.array(["train"] * labelled + ["pool"] * (count - labelled))
    place = np.where(split == "pool", np.arange(count, 0, -1), np.nan).astype(float)
    ids = np.arange(1, count + 1)
    x = np.linspace(0, 1, count, dtype=np.float32)
    return MapPoints(1, ids, x, 1 - x, split, place / count, place)


def array(answer: dict, name: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(answer[name]), dtype)


def test_points_come_in_the_order_of_the_queue_with_the_labelled_last() -> None:
    answer = map_points_json(points(6, labelled=2))
    assert array(answer, "ids", "<i4").tolist() == [6, 5, 4, 3, 1, 2]
    assert array(answer, "place", "<f4")[:4].tolist() == [1, 2, 3, 4]
    assert np.isnan(array(answer, "score", "<f4")[4:]).all()
    assert [answer["splits"][one] for one in array(answer, "split", "u1")] == ["pool"] * 4 + ["train"] * 2
    assert array(answer, "x", "<f4")[0] == 1
    assert (answer["round"], answer["count"], answer["shown"]) == (1, 6, 6)


def test_too_many_points_are_thinned_but_never_the_labelled_ones() -> None:
    everything = points(1000, labelled=30)
    kept = thinned(everything, 100)
    assert len(kept) == len(set(kept)) == 100
    assert set(range(30)) <= set(kept)
    assert np.array_equal(kept, thinned(everything, 100)), "the same ones each time"
    answer = map_points_json(everything, most=100)
    assert (answer["count"], answer["shown"], len(array(answer, "ids", "<i4"))) == (1000, 100, 100)


def test_a_project_without_embeddings_has_no_points(browser: TestClient, site: Site) -> None:
    answer = browser.get(f"/api/projects/{site.project_id}/map").json()
    assert (answer["round"], answer["shown"], answer["ids"]) == (None, 0, "")


def test_the_map_s_summary_of_an_image_reserves_nothing(browser: TestClient, site: Site) -> None:
    summary = browser.get(f"/api/images/{site.image_ids[1]}/summary").json()
    assert (summary["name"], summary["split"], summary["score"]) == ("street 1.png", "pool", None)
    assert browser.get(summary["thumbnail"]).headers["content-type"] == "image/jpeg"
    assert images.image(site.workspace, site.image_ids[1]).leased_by is None


def test_plotly_is_served_once_for_ever(browser: TestClient) -> None:
    answer = browser.get(f"/api/plotly/{plotly_version()}")
    assert "immutable" in answer.headers["cache-control"]
    assert "plotly.js" in answer.text[:200]
    assert browser.get("/api/plotly/0").status_code == 404


def heat_of(browser: TestClient, site: Site, image_id: int) -> tuple[int, bytes]:
    grey = io.BytesIO()
    Image.fromarray(np.array([[0, 64, 128, 255]], np.uint8)).save(grey, "PNG")
    blob = site.workspace.blobs.put(grey.getvalue())
    answer = browser.get(f"/api/images/{image_id}/uncertainty-thumbnail/{blob}")
    return answer.status_code, answer.content


def test_uncertainty_is_drawn_in_the_canvas_s_colours(browser: TestClient, site: Site) -> None:
    stops = re.findall(r"^  \[([\d., ]+)\],$", (FRONTEND / "palette.js").read_text(), re.MULTILINE)
    assert (
        tuple(tuple(float(number) for number in stop.split(",")) for stop in stops)
        == heat_thumbnails.HEAT_STOPS
    )
    for _ in range(2):
        status, png = heat_of(browser, site, site.image_ids[0])
        assert status == 200
        colours = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[0]
        assert colours[0, 3] == 0, "clear where the model is sure"
        assert colours[-1].tolist() == [255, 240, 110, 245]
        assert colours[2].tolist() == pytest.approx([200, 50, 100, 190], abs=3)


def test_an_audit_image_shows_no_uncertainty(browser: TestClient, site: Site) -> None:
    # Nor does it while it is excluded: it would measure again when that is undone.
    for split in ("audit", "excluded"):
        images.set_split(site.workspace, [site.image_ids[0]], split, "ann")
        assert heat_of(browser, site, site.image_ids[0])[0] == 404
    assert browser.get(f"/api/images/{site.image_ids[1]}/uncertainty-thumbnail/{'0' * 64}").status_code == 404
    assert browser.get(f"/api/images/{site.image_ids[1]}/uncertainty-thumbnail/../x").status_code == 404
