import io
import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.canvas.classes import class_version
from app.canvas.component import FRONTEND, frontend_version
from app.canvas.whole_script import whole_script
from storage import images, labels, projects, queue, round_requests, rounds
from storage.archiving import archive_project, restore_project
from storage.errors import DiskFull
from storage.formats import run_length
from storage.formats.label_map import encode_label_map
from storage.images import image
from storage.predictions import NewPrediction
from storage.projects import ClassChange
from tests.app.four_images import HEIGHT, WIDTH, Site


def label_map(*values: int) -> np.ndarray:
    """A label map of equal vertical stripes."""
    return np.repeat(np.resize(np.array(values, np.uint8), WIDTH)[None], HEIGHT, axis=0)


def picture_of(browser: TestClient, image_id: int) -> str:
    answer = browser.get(f"/api/images/{image_id}/item")
    return str(answer.json()["item"]["image_url"]) if answer.status_code == 200 else ""


def put(
    browser: TestClient, image_id: int, pixels: np.ndarray | bytes, revision: int = 0, **more: Any
) -> httpx.Response:
    headers = {
        "if-match": f'"{revision}"',
        "x-picture": picture_of(browser, image_id),
        "x-status": "draft",
        "x-submission-id": str(uuid.uuid4()),
    }
    body = pixels if isinstance(pixels, bytes) else run_length.encode(pixels)
    query = more.pop("query", "")
    return browser.put(
        f"/api/images/{image_id}/label{query}",
        content=body,
        headers=headers | {f"x-{name.replace('_', '-')}": value for name, value in more.items()},
    )


def read(browser: TestClient, url: str) -> np.ndarray:
    response = browser.get(url)
    assert response.status_code == 200, response.text
    return run_length.decode(response.content, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)


def read_contents(response: httpx.Response) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the JSON of an answer and the contents that came behind it, by address."""
    body = io.BytesIO(response.content)
    answer = json.loads(body.read(int(response.headers["x-json-bytes"])))
    contents = {
        address: body.read(int.from_bytes(body.read(4), "little")) for address in answer.pop("contents")
    }
    assert not body.read()
    return answer, contents


def test_the_queue_hands_out_items_and_the_project_its_progress(browser: TestClient, site: Site) -> None:
    answer = browser.get(f"/api/projects/{site.project_id}/next?count=3").json()
    assert len(answer["items"]) == 3
    item = answer["items"][0]
    assert set(item) == {
        "image_id", "name", "width", "height", "image_url", "label_url", "revision", "status", "author",
        "split", "is_audit", "suggestion_url", "uncertainty_url", "suggestion_round_id",
        "suggestion_round_number", "ranking_round_number", "rank", "why", "has_truth", "tiles_url",
        "tile_side", "tile_levels", "source_url", "source_tiles_url", "channels_url", "channels",
        "superpixels_url", "unsure_of", "alike_url",
    }  # fmt: skip
    assert (item["width"], item["height"], item["revision"]) == (WIDTH, HEIGHT, 0)
    progress = browser.get(f"/api/projects/{site.project_id}/progress").json()
    assert (progress["images"], progress["audit_labelled"]) == (4, 0)
    assert progress["round"] is None
    assert set(progress["next_round"]) == {"ready", "reason", "changed", "needed"}


def test_the_progress_tells_of_other_classes(browser: TestClient, site: Site) -> None:
    def told() -> str:
        return str(browser.get(f"/api/projects/{site.project_id}/progress").json()["class_version"])

    before = told()
    assert before == told() == class_version(projects.classes(site.workspace, site.project_id))
    projects.update_classes(site.workspace, site.project_id, {0: ClassChange(colour="#123456")}, "Bo")
    assert told() != before


def test_an_archived_project_takes_what_is_open_and_hands_out_nothing(
    browser: TestClient, site: Site
) -> None:
    address = f"/api/projects/{site.project_id}/next?count=2"
    first, second = (item["image_id"] for item in browser.get(address).json()["items"])
    archive_project(site.workspace, site.project_id, "ben")
    answer = browser.get(address)
    assert answer.status_code == 422
    assert "is archived" in answer.json()["error"]
    saved = put(browser, first, label_map(0, 1), status="submitted", query="?next=2")
    assert (saved.status_code, saved.json()["revision"], saved.json()["items"]) == (200, 1, [])
    assert browser.post(f"/api/images/{second}/skip?next=2").json()["items"] == []
    restore_project(site.workspace, site.project_id, "ben")
    assert len(browser.get(address).json()["items"]) == 2


def test_two_browsers_never_get_the_same_image(open_browser: Callable[..., TestClient], site: Site) -> None:
    first, second = open_browser(), open_browser()
    url = f"/api/projects/{site.project_id}/next?count=2"
    mine = {item["image_id"] for item in first.get(url).json()["items"]}
    yours = {item["image_id"] for item in second.get(url).json()["items"]}
    assert len(mine) == len(yours) == 2
    assert not mine & yours


def test_pixels_are_the_stored_file_and_may_be_kept_for_ever(browser: TestClient, site: Site) -> None:
    stored = image(site.workspace, site.image_ids[0])
    response = browser.get(f"/api/images/{stored.id}/pixels/{stored.blob}")
    assert response.content == site.workspace.blobs.get(stored.blob)
    assert response.headers["content-type"] == "image/png"
    assert "immutable" in response.headers["cache-control"]
    other = image(site.workspace, site.image_ids[1])
    assert browser.get(f"/api/images/{stored.id}/pixels/{other.blob}").status_code == 404


def test_thumbnail_is_a_small_jpeg_kept_as_a_file(browser: TestClient, site: Site) -> None:
    stored = image(site.workspace, site.image_ids[0])
    url = f"/api/images/{stored.id}/thumbnail/{stored.blob}"
    response = browser.get(f"{url}?side=160")
    assert Image.open(io.BytesIO(response.content)).format == "JPEG"
    kept = list((site.workspace.path / "thumbnails").iterdir())
    assert [file.read_bytes() for file in kept] == [response.content]
    assert browser.get(f"{url}?side=160").content == response.content
    assert browser.get(f"{url}?side=161").status_code == 422


def test_an_unlabelled_image_reads_as_not_labelled(browser: TestClient, site: Site) -> None:
    response = browser.get(f"/api/images/{site.image_ids[0]}/label")
    assert response.headers["etag"] == '"0"'
    assert response.headers["x-label-status"] == ""
    assert (run_length.decode(response.content, WIDTH * HEIGHT) == 254).all()


def test_a_saved_label_map_comes_back_the_same(browser: TestClient, site: Site) -> None:
    image_id = site.image_ids[0]
    pixels = np.random.default_rng(1).choice(np.array([0, 1, 2, 254, 255], np.uint8), (HEIGHT, WIDTH))
    saved = put(browser, image_id, pixels, seconds="12.5").json()
    assert saved["revision"] == 1
    assert saved["status"] == "draft"
    assert saved["labelled_share"] == pytest.approx((pixels != 254).mean())
    assert np.array_equal(read(browser, f"/api/images/{image_id}/label"), pixels)
    assert labels.history(site.workspace, image_id)[0].seconds_spent == 12.5


def test_a_label_map_comes_with_the_name_of_the_request_that_brought_it(
    browser: TestClient, site: Site
) -> None:
    url = f"/api/images/{site.image_ids[0]}/label"
    assert browser.get(url).headers["x-submission-id"] == ""
    name = str(uuid.uuid4())
    put(browser, site.image_ids[0], label_map(0), submission_id=name)
    assert browser.get(url).headers["x-submission-id"] == name


@pytest.mark.parametrize("of", ["", "/api/images/1/pixels/0000", "another image"])
def test_a_label_map_of_another_picture_is_not_saved(browser: TestClient, site: Site, of: str) -> None:
    picture = picture_of(browser, site.image_ids[1]) if of == "another image" else of
    response = put(browser, site.image_ids[0], label_map(0), status="submitted", picture=picture)
    assert response.status_code == 412
    assert "another picture" in response.json()["error"]
    assert image(site.workspace, site.image_ids[0]).revision == 0


def test_a_label_map_that_is_saved_is_not_told_to_be_not_saved(
    browser: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DiskFull("Nothing was changed: free some space.")

    monkeypatch.setattr(queue, "move_back_alike", fail)
    response = put(browser, site.image_ids[0], label_map(0), status="submitted", query="?next=2")
    assert response.status_code == 200
    assert response.json()["revision"] == 1
    assert not {"items", "progress"} & response.json().keys()
    assert image(site.workspace, site.image_ids[0]).revision == 1


def test_every_revision_can_be_read_again(browser: TestClient, site: Site) -> None:
    image_id = site.image_ids[0]
    assert browser.get(f"/api/images/{image_id}/revisions").json() == {"revisions": []}
    put(browser, image_id, label_map(0))
    put(browser, image_id, label_map(1, 2), revision=1, status="submitted")
    newest, first = browser.get(f"/api/images/{image_id}/revisions").json()["revisions"]
    assert (newest["revision"], newest["status"], newest["labelled_share"]) == (2, "submitted", 1.0)
    assert (first["revision"], first["status"]) == (1, "draft")
    assert 0 <= newest["age_s"] <= first["age_s"] < 60
    assert np.array_equal(read(browser, f"/api/images/{image_id}/label/1"), label_map(0))
    assert np.array_equal(read(browser, f"/api/images/{image_id}/label/2"), label_map(1, 2))
    missing = browser.get(f"/api/images/{image_id}/label/3")
    assert missing.status_code == 404
    assert "revision 3" in missing.json()["error"]


def test_a_revision_is_not_kept_by_the_browser(browser: TestClient, site: Site) -> None:
    put(browser, site.image_ids[0], label_map(0))
    answer = browser.get(f"/api/images/{site.image_ids[0]}/label/1")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["images/{}/item", "images/{}/label", "projects/{}/progress"])
def test_a_number_that_no_row_can_have_is_not_found(browser: TestClient, path: str) -> None:
    answer = browser.get(f"/api/{path.format('9' * 20)}")
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_submitting_answers_the_next_images(browser: TestClient, site: Site) -> None:
    image_id = browser.get(f"/api/projects/{site.project_id}/next?count=2").json()["items"][0]["image_id"]
    answer = put(browser, image_id, label_map(0, 1), status="submitted", query="?next=6").json()
    assert answer["status"] == "submitted"
    assert answer["progress"]["labelled"] == 1
    assert image_id not in [item["image_id"] for item in answer["items"]]
    assert len(answer["items"]) == 3


def test_a_draft_is_answered_without_asking_how_far_the_project_is(
    browser: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes nothing there, and one comes every few seconds from everybody who draws."""
    monkeypatch.delattr(queue, "progress")
    answer = put(browser, site.image_ids[0], label_map(0), query="?next=2")
    assert answer.status_code == 200
    assert "progress" not in answer.json()
    assert len(answer.json()["items"]) == 2


def test_who_labels_an_excluded_image_is_told(browser: TestClient, site: Site) -> None:
    image_id = site.image_ids[0]
    assert put(browser, image_id, label_map(0)).json()["split"] == "pool"
    images.set_split(site.workspace, [image_id], "excluded", "ben")
    submission = str(uuid.uuid4())
    for _ in range(2):
        answer = put(
            browser, image_id, label_map(1), revision=1, status="submitted", submission_id=submission
        )
        assert (answer.json()["revision"], answer.json()["split"]) == (2, "excluded")


def test_a_repeated_request_gets_the_first_answer(browser: TestClient, site: Site) -> None:
    image_id = site.image_ids[0]
    submission = str(uuid.uuid4())
    first = put(browser, image_id, label_map(0), submission_id=submission).json()
    again = put(browser, image_id, label_map(0), submission_id=submission).json()
    assert (again["revision"], again["repeated"]) == (first["revision"], True)
    assert len(labels.history(site.workspace, image_id)) == 1


def test_an_older_revision_is_a_conflict_and_loses_nothing(browser: TestClient, site: Site) -> None:
    image_id = site.image_ids[0]
    put(browser, image_id, label_map(0))
    response = put(browser, image_id, label_map(1), revision=0)
    assert response.status_code == 409
    assert response.json()["revision"] == 1
    assert response.json()["author"].startswith("annotator-")
    assert np.array_equal(read(browser, f"/api/images/{image_id}/label"), label_map(0))


def test_an_image_of_somebody_else_is_locked(open_browser: Callable[..., TestClient], site: Site) -> None:
    holder, other = open_browser(), open_browser()
    image_id = holder.get(f"/api/projects/{site.project_id}/next?count=1").json()["items"][0]["image_id"]
    response = put(other, image_id, label_map(0))
    assert response.status_code == 423
    assert response.json()["held_by"].startswith("annotator-")
    assert other.post(f"/api/images/{image_id}/lease").status_code == 423
    assert other.get(f"/api/images/{image_id}/item").json()["held_by"] == response.json()["held_by"]
    assert holder.post(f"/api/images/{image_id}/lease").json()["leased_until"] > 0
    assert holder.get(f"/api/images/{image_id}/item").json()["held_by"] is None


def test_a_skipped_image_comes_last(browser: TestClient, site: Site) -> None:
    items = browser.get(f"/api/projects/{site.project_id}/next?count=4").json()["items"]
    image_id = items[0]["image_id"]
    answer = browser.post(f"/api/images/{image_id}/skip?next=4").json()
    assert [item["image_id"] for item in answer["items"]][-1] == image_id


def test_the_known_truth_is_answered_where_there_is_one(browser: TestClient, site: Site) -> None:
    assert np.array_equal(read(browser, f"/api/images/{site.image_ids[0]}/truth"), site.truth)
    # What is compressed here is not compressed again, and more slowly, by what stands in front.
    for kind in ("truth", "label"):
        response = browser.get(f"/api/images/{site.image_ids[0]}/{kind}")
        assert response.headers["content-encoding"] == "gzip"
    assert browser.get(f"/api/images/{site.image_ids[1]}/truth").status_code == 404


def test_the_label_map_before_is_the_nearest_vouched_one_of_group_and_size(
    browser: TestClient, site: Site
) -> None:
    def add(name: str, group: str | None = "drive ä", width: int = WIDTH) -> int:
        image_id = images.add_image(
            site.workspace,
            site.project_id,
            name=name,
            content_hash=name.rjust(64, "0"),
            blob="0" * 64,
            media_type="image/png",
            width=width,
            height=HEIGHT,
            group=group,
        )
        assert image_id is not None
        return image_id

    ids = {number: add(f"drive ä/frame_{number}.png") for number in (1, 2, 9, 10, 11, 12)}
    other_group, other_size, alone = (
        add("drive ä/frame_9a.png", "other"),
        add("x_9b", width=9),
        add("y", None),
    )
    for image_id, value, status in [
        (ids[2], 0, "submitted"),
        (ids[9], 1, "submitted"),
        (ids[10], 2, "draft"),
        (ids[12], 2, "submitted"),
        (other_group, 2, "submitted"),
    ]:
        assert put(browser, image_id, label_map(value), status=status).status_code == 200
    put(browser, ids[9], label_map(1, 2), revision=1, status="submitted")
    put(browser, ids[9], label_map(0), revision=2)

    response = browser.get(f"/api/images/{ids[11]}/previous-label")
    assert np.array_equal(read(browser, f"/api/images/{ids[11]}/previous-label"), label_map(1, 2))
    assert unquote(response.headers["x-image-name"]) == "drive ä/frame_9.png"
    images.set_split(site.workspace, [ids[11]], "audit", "test")
    assert browser.get(f"/api/images/{ids[11]}/previous-label").content == response.content
    for image_id, reason in [(ids[2], "before"), (other_size, "before"), (alone, "no group"), (999, "999")]:
        answer = browser.get(f"/api/images/{image_id}/previous-label")
        assert (answer.status_code, reason in answer.json()["error"]) == (404, True)


def test_suggestion_and_uncertainty_of_the_current_round(browser: TestClient, site: Site) -> None:
    workspace = site.workspace
    for image_id in site.image_ids[:2]:
        put(browser, image_id, label_map(0, 1), status="submitted")
    asked = round_requests.request_round(workspace, site.project_id, "test", "asked for")
    claimed = rounds.claim(workspace, "host:1", 60.0)
    assert claimed is not None
    suggestion = label_map(0, 1, 2)
    grey = io.BytesIO()
    Image.fromarray(np.zeros((8, 12), np.uint8)).save(grey, "PNG")
    uncertainty_blob = workspace.blobs.put(grey.getvalue())
    half = workspace.blobs.put(encode_label_map(suggestion[::2, ::2]))
    rest = site.image_ids[2:]
    blobs = [workspace.blobs.put(encode_label_map(suggestion)), half]
    predictions = [
        NewPrediction(
            image_id=image_id,
            score=0.5,
            rank=rank,
            why={"sentence": "unsure about sky against road"},
            map_blob=blob,
            uncertainty_blob=uncertainty_blob,
        )
        for rank, (image_id, blob) in enumerate(zip(rest, blobs, strict=True), start=1)
    ]
    rounds.publish(workspace, asked.id, "host:1", predictions, metrics={})

    item = browser.get(f"/api/images/{rest[0]}/item").json()["item"]
    assert (item["rank"], item["ranking_round_number"]) == (1, 1)
    assert item["why"].startswith("Unsure about sky") or "unsure about sky" in item["why"]
    assert np.array_equal(read(browser, item["suggestion_url"]), suggestion)
    assert browser.get(item["suggestion_url"]).headers["content-encoding"] == "gzip"
    response = browser.get(item["uncertainty_url"])
    assert response.content == grey.getvalue()
    assert "immutable" in response.headers["cache-control"]
    stretched = read(browser, f"/api/images/{rest[1]}/suggestion/{half}")
    assert np.array_equal(stretched[::2, ::2], suggestion[::2, ::2])
    assert browser.get(f"/api/images/{rest[0]}/uncertainty/{half[:10]}").status_code == 404
    assert browser.get(f"/api/images/{rest[0]}/suggestion/{'0' * 64}").status_code == 404

    # The one that is not on a screen is drawn for the audit and labelled blind.
    counts = set()
    for holding in (0, rest[1]):
        address = f"/api/projects/{site.project_id}/next?count=1&contents=1&holding={holding}"
        answer, contents = read_contents(browser.get(address))
        first = answer["items"][0]
        urls = [first[name] for name in ("image_url", "suggestion_url", "uncertainty_url") if first[name]]
        assert len(urls) == (1 if first["is_audit"] else 3)
        counts.add(len(urls))
        assert contents == {url: browser.get(url).content for url in urls}
    assert counts == {1, 3}


def test_a_missing_file_does_not_keep_the_queue_from_who_waits(browser: TestClient, site: Site) -> None:
    address = f"/api/projects/{site.project_id}/next?count=2"
    first = browser.get(address).json()["items"][0]
    blob = image(site.workspace, first["image_id"]).blob
    (site.workspace.path / "blobs" / blob[:2] / blob).unlink()
    answer, contents = read_contents(browser.get(f"{address}&contents=1"))
    assert answer["items"][0] == first
    assert contents.pop(first["image_url"]) == b""
    assert contents == {url: browser.get(url).content for url in contents}
    assert browser.get(first["image_url"]).status_code == 404


def test_nobody_waits_for_the_contents_of_an_empty_queue(browser: TestClient, site: Site) -> None:
    images.set_split(site.workspace, site.image_ids, "excluded", "test")
    answer = browser.get(f"/api/projects/{site.project_id}/next?count=2&contents=1")
    assert answer.json() == {"items": []}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"\x01\x00\x00\x00\x00", 422),
        (b"\xff\xff\xff\xff" + bytes(20), 422),
        (run_length.encode(np.zeros(7, np.uint8)), 422),
        (bytes(4 + 2 * WIDTH * HEIGHT + 1), 413),
    ],
    ids=["empty", "cut", "lying", "other size", "too large"],
)
def test_a_body_that_is_no_label_map_is_refused(
    browser: TestClient, site: Site, body: bytes, status: int
) -> None:
    response = put(browser, site.image_ids[0], body)
    assert response.status_code == status
    assert response.json()["error"]
    assert image(site.workspace, site.image_ids[0]).revision == 0


def test_a_class_that_the_project_lacks_is_refused(browser: TestClient, site: Site) -> None:
    response = put(browser, site.image_ids[0], label_map(0, 3))
    assert response.status_code == 422
    assert "3" in response.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"if-match": "new"},
        {"if-match": ""},
        {"x-status": "approved"},
        {"x-seconds": "nan"},
        {"x-seconds": "-1"},
        {"x-round": "latest"},
        {"x-submission-id": "1"},
    ],
    ids=str,
)
def test_headers_that_make_no_sense_are_refused(
    browser: TestClient, site: Site, headers: dict[str, str]
) -> None:
    response = browser.put(
        f"/api/images/{site.image_ids[0]}/label",
        content=run_length.encode(label_map(0)),
        headers={"if-match": '"0"', "x-picture": picture_of(browser, site.image_ids[0]), **headers},
    )
    assert response.status_code == 422
    assert image(site.workspace, site.image_ids[0]).revision == 0


@pytest.mark.parametrize(
    "query", ["count=0", "count=51", "count=-1", "count=x", "count=1&holding=a", "displaced=1,a"]
)
def test_numbers_that_make_no_sense_are_refused(browser: TestClient, site: Site, query: str) -> None:
    assert browser.get(f"/api/projects/{site.project_id}/next?{query}").status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "projects/999/next",
        "projects/999/progress",
        "images/999/label",
        "images/999/item",
        "images/x/label",
        "",
    ],
)
def test_what_is_not_there_is_404_with_a_sentence(browser: TestClient, path: str) -> None:
    response = browser.get(f"/api/{path}")
    assert response.status_code == 404
    assert response.json()["error"]


def test_a_full_disk_answers_507_and_saves_nothing(
    browser: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskFull

    monkeypatch.setattr("storage.files.write_atomically", full)
    response = put(browser, site.image_ids[0], label_map(0, 1))
    assert response.status_code == 507
    assert "full" in response.json()["error"]
    assert image(site.workspace, site.image_ids[0]).revision == 0
    stored = image(site.workspace, site.image_ids[0])
    assert browser.get(f"/api/images/{stored.id}/thumbnail/{stored.blob}").status_code == 200


def test_a_surprise_is_a_sentence_without_details(browser: TestClient) -> None:
    response = browser.get("/api/fail")
    assert response.status_code == 500
    assert response.json()["error"]
    assert "secret" not in response.text


def test_the_canvas_comes_as_modules_that_may_be_kept_and_import_nothing(browser: TestClient) -> None:
    for path in FRONTEND.iterdir():
        response = browser.get(f"/canvas/{frontend_version()}/{path.name}")
        if path.suffix in (".js", ".css"):
            has_all = whole_script(path) if path.suffix == ".js" else path.read_text(encoding="utf-8")
            assert response.text == has_all
            assert response.headers["content-type"].startswith(
                "text/javascript" if path.suffix == ".js" else "text/css"
            )
            assert "immutable" in response.headers["cache-control"]
        else:
            assert response.status_code == 404
    assert browser.get("/canvas/000000000000/index.js").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["../component.py", "..%2fcomponent.py", "%2e%2e%2fcomponent.py", "..%5ccomponent.py", "%2fetc%2fpasswd"],
)
def test_no_path_leads_out_of_the_frontend(browser: TestClient, path: str) -> None:
    assert browser.get(f"/canvas/{frontend_version()}/{path}").status_code == 404


def prepared(site: Site, name: str, data: bytes) -> str:
    """Put a file where zips for download lie and return its address."""
    folder = site.workspace.path / "exports" / str(site.project_id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return f"/api/projects/{site.project_id}/exports/{quote(name)}"


def test_a_zip_comes_from_the_disk_whole_or_in_part(browser: TestClient, site: Site) -> None:
    data = np.random.default_rng(0).bytes(300_000)
    url = prepared(site, "Süd 1.zip", data)
    whole = browser.get(url)
    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["content-type"] == "application/zip"
    assert whole.headers["content-disposition"] == "attachment; filename*=utf-8''S%C3%BCd%201.zip"
    assert whole.headers["content-length"] == "300000"
    assert whole.headers["cache-control"] == "no-store"
    part = browser.get(url, headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, data[100:200])
    assert browser.head(url).headers["content-length"] == "300000"


@pytest.mark.parametrize(
    "name",
    ["gone.zip", "notes.txt", "folder.zip", "..%2Fother.zip", "..%5Cother.zip", "..", ".part-1%2Fx.zip"],
)
def test_nothing_but_the_zips_of_the_project_is_answered(browser: TestClient, site: Site, name: str) -> None:
    for own in ("notes.txt", "there.zip"):
        url = prepared(site, own, b"PK")
    folder = site.workspace.path / "exports" / str(site.project_id)
    (folder.parent / "other.zip").write_bytes(b"PK")
    for unfinished in ("folder.zip", ".part-1"):
        (folder / unfinished).mkdir()
    (folder / ".part-1" / "x.zip").write_bytes(b"PK")
    assert browser.get(url).content == b"PK"
    response = browser.get(url.replace("there.zip", name))
    assert response.status_code == 404
    if "%2F" not in name and name != "..":
        assert response.json() == {"error": "This zip is not there any more. Prepare it again."}
    elsewhere = url.replace(f"/{site.project_id}/", f"/{site.project_id + 1}/")
    assert browser.get(elsewhere).status_code == 404


def test_a_zip_is_for_whom_the_page_is(open_browser: Callable[..., TestClient], site: Site) -> None:
    url = prepared(site, "labels.zip", b"PK")
    # A link opens it with a browser's own headers, without ours.
    of_link = {"accept": "text/html", "sec-fetch-site": "same-origin", "x-qualm": ""}
    assert open_browser().get(url, headers=of_link).content == b"PK"
    assert open_browser().get(url, headers=of_link | {"sec-fetch-site": "cross-site"}).status_code == 403
    assert open_browser(named=False).get(url, headers=of_link).status_code == 401
    guarded = open_browser(named=False, access_token="the access token")
    assert guarded.get(url, headers=of_link).status_code == 401
    guarded.get("/?token=the+access+token")
    guarded.get("/")
    assert guarded.get(url, headers=of_link).content == b"PK"
