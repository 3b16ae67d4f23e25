"""The Queue page's promises: the order follows what was labelled, and a person can overrule it."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from storage import images, labels, projects, queue, round_requests, rounds
from storage.formats.embeddings import EmbeddingSet, encode_embeddings
from storage.import_planning import plan_import
from storage.importing import run_import
from storage.predictions import NewPrediction
from storage.workspace import Workspace, open_workspace
from tests.e2e import labelling
from tests.e2e.camvid_site import copy_sample
from tests.e2e.server import Server
from tests.storage.project_factory import make_project

pytestmark = pytest.mark.browser

COUNT = 12
ROAD, PAVEMENT = 3, 4
TWIN = 3
"""The image at this place of the ranking looks like the first one."""
FAR = (8, 10)
"""Those at these places lie apart from all others on the map."""


@dataclass
class Ranked:
    """A project whose pool is ranked, and its images in that order."""

    workspace: Workspace
    url: str
    project_id: int
    ids: list[int]

    def page(self, name: str = "", more: str = "") -> str:
        return f"{self.url}/{name}?project={self.project_id}{more}"

    def name_of(self, place: int) -> str:
        return images.image(self.workspace, self.ids[place]).name


@pytest.fixture(scope="module")
def served(camvid: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ranked]]:
    """Return a function that makes a ranked project of a name, all of them on one server."""
    folder = tmp_path_factory.mktemp("queue page")
    copy_sample(camvid, folder / "source", COUNT)
    workspace = open_workspace(folder / "workspace")
    server = Server(workspace.path, ["--no-worker"])

    def ranked(name: str) -> Ranked:
        plan = plan_import(folder / "source", workspace=workspace, masks_as="truth")
        project = projects.create_project(workspace, name, plan.classes, actor="test")
        run_import(workspace, project.id, plan, actor="test")
        settings = projects.get_project(workspace, project.id).settings
        settings.annotation.audit_every = 0
        settings.start.automatic = False
        projects.update_settings(workspace, project.id, settings, actor="test")
        return Ranked(workspace, server.url, project.id, publish(workspace, project.id))

    projects.create_project(workspace, "Empty", [projects.ClassSpec("sky")], actor="test")
    server.start()
    yield ranked
    server.end()
    workspace.close()


def publish(workspace: Workspace, project_id: int, far: tuple[int, int] = FAR) -> list[int]:
    """Label one image, once, and publish a round that ranks the others; return them by rank."""
    first, *ids = (one.id for one in images.list_images(workspace, project_id))
    if not images.image(workspace, first).labelled_revision:
        truth = images.truth(workspace, first)
        labels.save(workspace, first, truth, expected_revision=0, author="oracle", status="submitted")
    asked = round_requests.request_round(workspace, project_id, "test", "a test asked for it")
    claimed = rounds.claim(workspace, "elsewhere:1", 60.0)
    assert claimed is not None
    assert claimed.id == asked.id
    grey = io.BytesIO()
    Picture.fromarray(np.tile(np.arange(0, 240, 4, dtype=np.uint8), (45, 1))).save(grey, "PNG")
    uncertainty = workspace.blobs.put(grey.getvalue())
    predictions = [
        NewPrediction(
            image_id,
            1.0 / rank,
            rank,
            {"sentence": "unsure about road against pavement in the middle"},
            unsure_of=(ROAD, PAVEMENT),
            uncertainty_blob=uncertainty,
        )
        for rank, image_id in enumerate(ids, start=1)
    ]
    metrics = {"ranked_by": {"phase": "uncertain", "sentence": "uncertain images, spread over classes"}}
    blob = workspace.blobs.put(encode_embeddings(embeddings_of(first, ids, far)))
    rounds.publish(workspace, asked.id, "elsewhere:1", predictions, metrics, embeddings_blob=blob)
    return ids


def embeddings_of(first: int, ids: list[int], far: tuple[int, int]) -> EmbeddingSet:
    """Return embeddings at right angles to each other, but for a pair; on the map two lie apart."""
    vectors = np.eye(COUNT, dtype=np.float32)
    vectors[1 + TWIN] = np.sqrt(0.98) * vectors[1] + np.sqrt(0.02) * vectors[1 + TWIN]
    plane = np.stack([np.linspace(0.05, 0.5, COUNT), np.linspace(0.5, 0.05, COUNT)], axis=1)
    for number, place in enumerate(far):
        plane[1 + place] = 0.9 + 0.03 * number
    return EmbeddingSet(np.array([first, *ids]), vectors, plane.astype(np.float32), alike_from=0.2)


def expect_cards(page: Page, ids: list[int]) -> None:
    """Wait until these are the first cards, in this order."""
    shown = page.locator(".q-card a")
    for place, image_id in enumerate(ids):
        expect(shown.nth(place)).to_have_attribute("data-image-id", str(image_id))


def card(page: Page, image_id: int) -> Locator:
    return page.locator(f".q-card:has([data-image-id='{image_id}'])")


def test_labelling_moves_lookalikes_back_and_the_screen_says_why(
    served: Callable[[str], Ranked], page: Page
) -> None:
    site = served("Lookalikes")
    page.goto(site.page("queue"))
    expect_cards(page, site.ids)
    expect(page.locator(".st-key-queue-count")).to_contain_text("uncertain images, spread over classes")

    now = labelling.open_label_page(page, site.page())
    assert now["imageId"] == site.ids[0]
    why = page.get_by_test_id("why")
    expect(why).to_have_text("Rank 1 of 11: unsure about road against pavement in the middle")
    expect(why.locator(".named-class")).to_have_text(["road", "pavement"])
    for _ in range(3):
        page.get_by_test_id("truth-submit").click()
        now = labelling.wait_for_image(page, other_than=now["imageId"])
        # The answer brings the new order.
        labelling.wait_until_saved(page)
    twin, rest = site.ids[TWIN], [one for one in site.ids[3:] if one != site.ids[TWIN]]
    assert now["imageId"] == rest[0], "the one that looks like the first does not come now"

    page.goto(site.page("queue"))
    expect_cards(page, [*rest, twin])
    moved = card(page, twin)
    expect(moved).to_contain_text("moved back")
    expect(moved.locator(".q-card-why")).to_contain_text(f"because {site.name_of(0)} is much like it")


def test_an_open_label_page_follows_what_is_pinned_and_excluded(
    served: Callable[[str], Ranked], page: Page
) -> None:
    site = served("Overruled")
    first, second, third, *_, last = site.ids
    assert labelling.open_label_page(page, site.page())["imageId"] == first
    labelling.choose_class(page, ROAD)
    labelling.stroke(page, [(100, 100), (200, 100)])
    painted = labelling.label_map(page)
    labelling.wait_until_loaded_ahead(page)
    assert labelling.state(page)["next"] == second

    labelling.press_in_the_header(page, "Queue")
    card(page, second).hover()
    card(page, second).locator("[data-action=exclude]").click()
    expect_cards(page, [first, third])
    labelling.press_in_the_header(page, "Label")
    labelling.wait_for_image(page)
    page.wait_for_function("(id) => window.qualmCanvas.state().next === id", arg=third)

    labelling.press_in_the_header(page, "Queue")
    card(page, last).hover()
    card(page, last).locator("[data-action=pin]").click()
    expect(card(page, last)).to_contain_text("in front")
    labelling.press_in_the_header(page, "Label")
    assert labelling.wait_for_image(page)["imageId"] == first
    page.wait_for_function("(id) => window.qualmCanvas.state().next === id", arg=last)
    assert np.array_equal(labelling.label_map(page), painted)
    page.keyboard.press("Enter")
    assert labelling.wait_for_image(page, other_than=first)["imageId"] == last
    page.keyboard.press("n")
    assert labelling.wait_for_image(page, other_than=last)["imageId"] == third


def test_what_somebody_else_excludes_is_said_and_does_not_come_next(
    served: Callable[[str], Ranked], page: Page
) -> None:
    site = served("Excluded by another")
    first, second, third, *_ = site.ids
    assert labelling.open_label_page(page, site.page())["imageId"] == first
    labelling.wait_until_loaded_ahead(page)
    images.set_split(site.workspace, [first, second], "excluded", "Bo")
    page.wait_for_function("(id) => window.qualmCanvas.state().next === id", arg=third)
    assert labelling.state(page)["imageId"] == first
    labelling.choose_class(page, ROAD)
    labelling.stroke(page, [(100, 100), (200, 100)])
    expect(page.get_by_test_id("notice")).to_contain_text("Somebody excluded")
    expect(page.locator(".badge", has_text="Excluded")).to_be_visible()
    assert labelling.wait_until_saved(page)["revision"] == 1
    page.get_by_test_id("skip").click()
    assert labelling.wait_for_image(page, other_than=first)["imageId"] == third


def test_what_is_lassoed_on_the_map_can_be_labelled_next(served: Callable[[str], Ranked], page: Page) -> None:
    site = served("Map")
    lasso_far_images(page, site)
    expect(page.locator(".st-key-map-chosen")).to_contain_text("2 chosen on the map")
    far = [site.ids[place] for place in FAR]
    expect_cards(page, far)
    expect(page.locator(".q-card")).to_have_count(len(far))
    page.locator(".st-key-map-pin button").click()
    expect(card(page, far[0])).to_contain_text("in front")
    wait_until_map_rests(page)

    page.mouse.click(*point_of(page, FAR[1]))
    assert labelling.wait_for_image(page)["imageId"] == far[1]
    # A tab that has shown an image shows it again; a new one begins at the head of the queue.
    assert labelling.open_label_page(page.context.new_page(), site.page())["imageId"] == far[0]


def test_what_is_lassoed_on_the_map_can_be_excluded_and_let_go(
    served: Callable[[str], Ranked], page: Page
) -> None:
    site = served("Let go")
    lasso_far_images(page, site)
    chosen = page.locator(".st-key-map-chosen")
    expect(chosen).to_contain_text("2 chosen on the map")
    page.locator(".st-key-map-exclude button").click()
    far = [site.ids[place] for place in FAR]
    expect(page.locator(".st-key-map-restore")).to_be_visible()
    expect(card(page, far[0])).to_contain_text("excluded")
    assert {images.image(site.workspace, one).split for one in far} == {"excluded"}
    page.locator(".st-key-map-restore button").click()
    expect(page.locator(".st-key-map-restore")).to_have_count(0)
    assert {images.image(site.workspace, one).split for one in far} == {"pool"}
    wait_until_map_rests(page)
    page.get_by_role("button", name="Clear the lasso").click()
    # What is not chosen any more cannot be excluded by a button that stayed.
    expect(chosen).to_have_count(0)
    expect(page.locator(".q-card")).to_have_count(0)


def test_a_button_below_the_map_acts_on_the_lasso_that_is_on_it(
    served: Callable[[str], Ranked], page: Page
) -> None:
    site = served("Lassoed twice")
    held: list[str | bytes] = []
    holds = False

    def hold(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda message: held.append(message) if holds else server.send(message))
        sockets.append(server)

    sockets: list[WebSocketRoute] = []
    page.route_web_socket("**/_stcore/stream", hold)
    lasso_far_images(page, site)
    expect(page.locator(".st-key-map-chosen")).to_contain_text("2 chosen on the map")
    wait_until_map_rests(page)
    holds = True
    lasso(page, (0.33, 0.55), (0.73, 0.97))
    expect(page.locator(".q-map-words")).to_contain_text("3 images chosen")
    # The button is still that of the lasso before.
    page.locator(".st-key-map-exclude button").click()
    page.wait_for_timeout(100)
    holds = False
    for message in held:
        sockets[-1].send(message)
    expect(page.locator(".st-key-map-restore")).to_be_visible()
    excluded, _ = queue.ranked_images(site.workspace, site.project_id, split="excluded")
    assert {one.image.id for one in excluded} == {site.ids[place] for place in (6, 7, 9)}


def test_what_is_chosen_stays_chosen_when_a_round_moves_the_map(
    served: Callable[[str], Ranked], page: Page
) -> None:
    """The frame of the lasso would lie around other images than those that the buttons act on."""
    site = served("Moved")
    lasso_far_images(page, site)
    chosen = page.locator(".st-key-map-chosen")
    expect(chosen).to_contain_text("2 chosen on the map")
    page.locator(".st-key-map-colour").get_by_text("Score").click()
    page.wait_for_function(
        "() => document.querySelector('.q-map-plot').data.some((one) => one.marker.showscale)"
    )
    assert page.evaluate("() => document.querySelector('.q-map-plot').layout.selections?.length") == 1
    publish(site.workspace, site.project_id, far=(2, 5))
    page.locator(".st-key-map-colour").get_by_text("Split").click()
    page.wait_for_function(
        """(ids) => {
            const plot = document.querySelector('.q-map-plot');
            const bright = plot._fullData.flatMap((trace) => [...(trace.selectedpoints ?? [])]);
            return !plot.layout.selections?.length && bright.length === ids;
        }""",
        arg=len(FAR),
    )
    expect(page.locator(".q-map-words")).to_contain_text("2 images chosen")
    page.locator(".st-key-map-exclude button").click()
    expect(page.locator(".st-key-map-restore")).to_be_visible()
    excluded, _ = queue.ranked_images(site.workspace, site.project_id, split="excluded")
    assert {one.image.id for one in excluded} == {site.ids[place] for place in FAR}


def test_a_page_of_the_grid_is_kept_and_left_with_what_it_shows(
    served: Callable[[str], Ranked], page: Page
) -> None:
    workspace, url = served("Few").workspace, served("Fewer").url
    project = make_project(workspace, 130, (8, 8), name="Many", truth=False)
    site = Ranked(workspace, url, project.id, [])
    pages = page.locator(".st-key-queue-page")
    chosen = page.locator(".st-key-queue-page [aria-current]")
    page.goto(site.page("queue"))
    pages.get_by_role("button", name="Page 2", exact=True).click()
    second = [item.image.id for item in queue.ranked_images(workspace, project.id, offset=60)[0]]
    expect_cards(page, second[:2])

    page.locator(f"a[data-image-id='{second[0]}']").click()
    labelling.wait_for_image(page)
    page.get_by_role("link", name="Queue").click()
    expect(chosen).to_have_text("2")

    page.locator(".st-key-queue-name input").fill("scene")
    page.keyboard.press("Enter")
    expect(chosen).to_have_text("1")
    labelling.wait_until_run(page)
    # What this browser holds comes first, so what is shown is read from the screen.
    shown = page.locator(".q-card a").evaluate_all("(links) => links.map((one) => +one.dataset.imageId)")
    assert shown[0] != second[0]
    page.locator(f"a[data-image-id='{shown[3]}']").focus()
    page.keyboard.press("p")
    expect(card(page, shown[3])).to_contain_text("in front")
    expect(chosen).to_have_text("1")


def test_lasso_of_one_project_is_not_there_in_another(served: Callable[[str], Ranked], page: Page) -> None:
    served("Without a lasso")
    site = served("Lassoed")
    lasso_far_images(page, site)
    expect(page.locator(".st-key-map-chosen")).to_contain_text("2 chosen on the map")
    labelling.choose_option(page, page.locator(".st-key-project-picker"), "Without a lasso")
    words = page.locator(".q-map-words")
    expect(words).to_have_count(1)
    expect(words).to_contain_text("Draw around images to choose them")
    expect(page.locator(".st-key-map-chosen")).to_have_count(0)


def lasso_far_images(page: Page, site: Ranked) -> None:
    """Open the map and draw around the images that lie apart."""
    page.goto(site.page("queue"))
    page.locator(".st-key-queue-view").get_by_text("Map").click()
    page.wait_for_function("() => document.querySelector('.q-map-plot')?.data?.length")
    wait_until_map_rests(page)
    lasso(page, (0.75, 0.98), (0.02, 0.35))


def lasso(page: Page, across: tuple[float, float], down: tuple[float, float]) -> None:
    """Draw around a part of the map, from the one share of its width and of its height to the other."""
    box = page.locator(".q-map .nsewdrag").bounding_box()
    assert box is not None
    corners = [(across[x], down[y]) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    left, *others = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*left)
    page.mouse.down()
    for point in [*others, left]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def wait_until_map_rests(page: Page) -> None:
    """Wait until nothing that is still drawn moves the map on the screen."""
    labelling.wait_until_run(page)
    labelling.wait_until_still(
        page, "() => document.querySelector('.q-map .nsewdrag').getBoundingClientRect()"
    )


def point_of(page: Page, place: int) -> tuple[float, float]:
    """Return where the image at a place of the ranking lies on the screen."""
    x, y = page.evaluate(
        """(place) => {
            const plot = document.querySelector('.q-map-plot');
            const { xaxis, yaxis } = plot._fullLayout;
            const { x, y } = plot.data[0];
            const box = plot.getBoundingClientRect();
            return [
                box.left + xaxis._offset + xaxis.l2p(x[place]),
                box.top + yaxis._offset + yaxis.l2p(y[place]),
            ];
        }""",
        place,
    )
    return x, y


def lose_the_first_act(page: Page) -> list[bytes]:
    """Let the first message with an act not come to the server, and return where it is put instead."""
    lost: list[bytes] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            if not lost and isinstance(message, bytes) and b"acted" in message:
                lost.append(message)
            else:
                server.send(message)

        socket.on_message(pass_on)

    page.route_web_socket("**/_stcore/stream", between)
    return lost


def exclude_the_first(page: Page, site: Ranked) -> None:
    """Open the Queue page and press Exclude on its first card."""
    page.goto(site.page("queue"))
    expect_cards(page, site.ids)
    card(page, site.ids[0]).hover()
    card(page, site.ids[0]).locator("[data-action=exclude]").click()


def test_an_act_whose_message_is_lost_goes_again(served: Callable[[str], Ranked], page: Page) -> None:
    site = served("Lost")
    lost = lose_the_first_act(page)
    exclude_the_first(page, site)
    expect_cards(page, site.ids[1:])
    assert len(lost) == 1


def test_an_act_goes_again_when_the_page_it_was_left_on_is_back(
    served: Callable[[str], Ranked], page: Page
) -> None:
    site = served("Left")
    lost = lose_the_first_act(page)
    exclude_the_first(page, site)
    page.get_by_role("link", name="Training").click()
    expect(page.locator(".st-key-round-state")).to_be_visible()
    # For longer than a message waits for its answer.
    page.wait_for_timeout(3000)
    assert len(lost) == 1
    expect(page.locator(".st-key-round-state")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.get_by_role("link", name="Queue").click()
    expect_cards(page, site.ids[1:])


def test_no_act_is_lost_to_the_next_click(served: Callable[[str], Ranked], page: Page) -> None:
    site = served("Quick")
    page.goto(site.page("queue"))
    expect_cards(page, site.ids)
    excluded, kept = site.ids[1:6], [site.ids[0], *site.ids[6:]]
    # Some of them in one message to the server, some while it draws the page for the one before.
    page.evaluate(
        """async (ids) => {
            for (const [i, id] of ids.entries()) {
                const card = document.querySelector(`[data-image-id='${id}']`).closest('.q-card');
                card.querySelector('[data-action=exclude]').click();
                if (i > 0) await new Promise((done) => setTimeout(done, 5 * 2 ** (i - 1)));
            }
        }""",
        excluded,
    )
    expect_cards(page, kept)
    labelling.wait_until_run(page)
    ranked, _ = queue.ranked_images(site.workspace, site.project_id, split="excluded")
    assert {one.image.id for one in ranked} == set(excluded)
    # What was done is done once: bringing back is not undone by the next act.
    page.locator(".st-key-queue-bring-back button").click()
    expect_cards(page, sorted([*kept, excluded[-1]], key=site.ids.index))
    card(page, kept[-1]).hover()
    card(page, kept[-1]).locator("[data-action=pin]").click()
    expect_cards(page, [kept[-1], kept[0], excluded[-1]])
    page.reload()
    expect_cards(page, [kept[-1], kept[0], excluded[-1]])
    card(page, kept[0]).hover()
    card(page, kept[0]).locator("[data-action=exclude]").click()
    expect_cards(page, [kept[-1], excluded[-1]])


def test_cards_are_excluded_pinned_and_compared(served: Callable[[str], Ranked], page: Page) -> None:
    site = served("Cards")
    page.goto(site.page("queue"))
    expect_cards(page, site.ids)
    page.locator(".st-key-queue-heat label").click()
    heat = card(page, site.ids[0]).locator(".q-card-heat")
    expect(heat).to_be_visible()
    page.wait_for_function("() => document.querySelector('.q-card-heat').naturalWidth > 0")

    # A range with Shift, and one action for all of it.
    card(page, site.ids[1]).locator(".q-card-corner").click()
    card(page, site.ids[3]).locator(".q-card-corner").click(modifiers=["Shift"])
    bar = page.locator(".q-grid-bar")
    expect(bar).to_contain_text("3 selected")
    bar.locator("[data-action=exclude]").click()
    expect_cards(page, [site.ids[0], *site.ids[4:]])
    assert images.split_counts(site.workspace, site.project_id)["excluded"] == 3
    page.locator(".st-key-queue-bring-back button").click()
    expect_cards(page, site.ids)
    expect(page.locator(".st-key-queue-bring-back")).to_have_count(0)

    # A card's own button leaves the others ticked.
    card(page, site.ids[1]).locator(".q-card-corner").click()
    card(page, site.ids[3]).locator(".q-card-corner").click()
    card(page, site.ids[5]).hover()
    card(page, site.ids[5]).locator("[data-action=exclude]").click()
    expect_cards(page, [*site.ids[:5], *site.ids[6:]])
    expect(bar).to_contain_text("2 selected")
    page.locator(".st-key-queue-bring-back button").click()
    expect_cards(page, site.ids)
    expect(bar).to_contain_text("2 selected")
    bar.get_by_role("button", name="Clear").click()

    # One by key, from a button of the card; the next card takes the focus.
    card(page, site.ids[1]).locator("a").focus()
    page.keyboard.press("e")
    expect_cards(page, [site.ids[0], *site.ids[2:]])
    expect(card(page, site.ids[2]).locator("a")).to_be_focused()
    card(page, site.ids[2]).locator("[data-action=exclude]").focus()
    page.keyboard.press("e")
    expect_cards(page, [site.ids[0], *site.ids[3:]])

    # The same by keys: two ticked and put in front.
    card(page, site.ids[5]).locator("a").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(bar).to_contain_text("2 selected")
    page.keyboard.press("p")
    expect_cards(page, [*site.ids[5:7], site.ids[0]])
    assert [item.image.id for item in queue.ranked_images(site.workspace, site.project_id)[0] if item.pinned]

    # More like the first: the image that looks like it comes next, and there is a way back.
    card(page, site.ids[0]).hover()
    card(page, site.ids[0]).locator("[data-action=alike]").click()
    # While Streamlit draws another view, the summary of the one before is there too.
    expect(page.locator(".st-key-queue-count", has_text=site.name_of(0))).to_be_visible()
    expect_cards(page, [site.ids[0], site.ids[TWIN]])
    page.locator(".st-key-alike-back button").click()
    expect_cards(page, [*site.ids[5:7], site.ids[0]])
