"""A thousand random actions at the canvas: the server ends with what the canvas showed, and undo leads back.

``QUALM_FUZZ_SEED`` chooses the actions; a failure names the seed it ran with.
"""

import os
import random
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page

from storage import labels
from tests.e2e import labelling
from tests.e2e.camvid_site import CamVidSite

pytestmark = pytest.mark.browser

ACTIONS = 1000
SEED = int(os.environ.get("QUALM_FUZZ_SEED", "20260301"))
MOST_ACTIONS_OFFLINE = 12

# Runs in the page, where a step takes microseconds.
UNDO_ALL = """() => {
    const { run, labelBytes } = window.qualmCanvas;
    const text = (bytes) => {
        let all = '';
        for (const value of bytes) all += String.fromCharCode(value);
        return all;
    };
    const all = (command) => {
        for (let step = 0; step < 1100; step++) run(command);
        return text(labelBytes());
    };
    const before = all('redo');
    const first = all('undo');
    return { first, isBack: all('redo') === before };
}"""


class RandomPerson:
    """Does random things on a page and remembers what each image must look like on the server."""

    def __init__(self, page: Page, site: CamVidSite, seed: int) -> None:
        self.page = page
        self.site = site
        self.random = random.Random(seed)
        self.log: list[str] = []
        self.expected: dict[int, np.ndarray] = {}
        self.submitted: set[int] = set()
        self.firsts: dict[int, list[bytes]] = {}
        self.offline_left = 0
        box = page.locator(".surface").bounding_box()
        assert box is not None
        self.box = box
        tools = page.locator('[data-testid^="tool-"]')
        self.tools = tools.evaluate_all("all => all.map(one => one.dataset.testid)")
        self.open_image = self.arrived(None)
        self.actions: list[tuple[int, Callable[[], None]]] = [
            (34, self.drag),
            (10, self.click_about),
            (8, self.choose_tool),
            (10, self.choose_class),
            (9, lambda: self.run("undo")),
            (5, lambda: self.run("redo")),
            (4, self.wheel),
            (3, self.pan),
            (4, lambda: self.run(self.random.choice(["smaller", "larger", "smaller"]))),
            (2, lambda: self.run(self.random.choice(["fit", "one-to-one", "zoom-in", "zoom-out"]))),
            (2, lambda: self.run(self.random.choice(["accept-all", "fill-rest"]))),
            (2, lambda: self.run(self.random.choice(["escape", "remove-point"]))),
            (2, self.submit),
            (1, self.leave_otherwise),
            (1, self.undo_all),
            (1, self.drop_the_line),
        ]

    def act(self) -> None:
        weights = [weight for weight, _ in self.actions]
        _, action = self.random.choices(self.actions, weights)[0]
        action()
        if self.offline_left:
            self.offline_left -= 1
            if not self.offline_left:
                self.come_back()

    def note(self, *what: object) -> None:
        self.log.append(" ".join(map(str, what)))

    def run(self, command: str) -> None:
        self.note(command)
        self.page.evaluate("(command) => window.qualmCanvas.run(command)", command)

    def place(self) -> tuple[float, float]:
        return (
            self.box["x"] + self.random.randint(-5, int(self.box["width"]) + 5),
            self.box["y"] + self.random.randint(2, int(self.box["height"]) - 2),
        )

    def near(self, place: tuple[float, float]) -> tuple[float, float]:
        """A place not far off, so that not each stroke crosses the whole image."""
        left, top = self.box["x"] + 1, self.box["y"] + 1
        right, bottom = left + self.box["width"] - 2, top + self.box["height"] - 2
        x, y = place[0] + self.random.randint(-120, 120), place[1] + self.random.randint(-120, 120)
        return (min(right, max(left, x)), min(bottom, max(top, y)))

    def drag(self) -> None:
        place = self.near(self.place())
        self.note("drag", place)
        self.page.mouse.move(*place)
        self.page.mouse.down()
        for _ in range(self.random.randint(1, 3)):
            place = self.near(place)
            self.page.mouse.move(*place)
        self.page.mouse.up()

    def click_about(self) -> None:
        place = self.near(self.place())
        for _ in range(self.random.randint(1, 4)):
            self.note("click", place)
            self.page.mouse.click(*place)
            place = self.near(place)

    def choose_tool(self) -> None:
        self.run(self.random.choice(self.tools))

    def choose_class(self) -> None:
        key = self.random.choice("1234567890v")
        self.note("key", key)
        self.page.keyboard.press(key)

    def wheel(self) -> None:
        self.page.mouse.move(*self.near(self.place()))
        turn = self.random.choice([-400, -150, 150, 400])
        self.note("wheel", turn)
        self.page.mouse.wheel(0, turn)

    def pan(self) -> None:
        place = self.near(self.place())
        self.note("pan", place)
        self.page.mouse.move(*place)
        self.page.mouse.down(button="middle")
        self.page.mouse.move(*self.near(place))
        self.page.mouse.up(button="middle")

    def submit(self) -> None:
        self.leave("submit")

    def leave_otherwise(self) -> None:
        self.leave(self.random.choice(["skip", "back"]))

    def leave(self, command: str) -> None:
        left = self.open_image
        # A stroke that waits for its superpixels is painted later, also when its image was left before.
        self.page.wait_for_function("() => !window.qualmCanvas.state().waits")
        self.expected[left] = labelling.label_map(self.page)
        if command == "back":
            self.note(command)
            # It asks the server first; without one, nothing happens.
            self.page.evaluate("() => window.qualmCanvas.back()")
        else:
            self.run(command)
        state = labelling.state(self.page)
        if state["dialog"]:
            answer = self.random.choice(["stay", "skip"])
            self.note("answer", answer)
            self.page.get_by_test_id(f"answer-{answer}").click()
            command = answer
            state = labelling.state(self.page)
        if state["imageId"] != left:
            if command == "submit":
                self.submitted.add(left)
            self.open_image = self.arrived(left)

    def arrived(self, left: int | None) -> int:
        if self.offline_left and labelling.state(self.page)["imageId"] is None:
            self.come_back()
        image_id = labelling.wait_for_image(self.page, other_than=left)["imageId"]
        label_map = labelling.label_map(self.page)
        self.note("image", image_id)
        if image_id in self.expected:
            is_same = np.array_equal(label_map, self.expected[image_id])
            assert is_same, f"image {image_id} came back different"
        self.firsts.setdefault(image_id, []).append(label_map.tobytes())
        return int(image_id)

    def undo_all(self) -> None:
        self.note("undo all, redo all")
        self.page.evaluate("() => window.qualmCanvas.run('escape')")
        # What had been undone before is redone as well; only a map without a redo comes back the same.
        self.page.keyboard.press("1")
        self.drag()
        state = self.page.evaluate(UNDO_ALL)
        is_first = state["first"].encode("latin-1") in self.firsts[self.open_image]
        assert is_first, "undo to the start gives another map than the first"
        assert state["isBack"], "redo gives another map than before"

    def drop_the_line(self) -> None:
        if self.offline_left:
            return
        self.note("offline")
        self.offline_left = self.random.randint(1, MOST_ACTIONS_OFFLINE)
        self.page.context.set_offline(True)

    def come_back(self) -> None:
        self.note("online")
        self.offline_left = 0
        self.page.context.set_offline(False)

    def check(self) -> None:
        """Compare every image that was touched with what the server stored."""
        self.come_back()
        self.page.wait_for_function("() => !window.qualmCanvas.state().waits")
        self.expected[self.open_image] = labelling.label_map(self.page)
        labelling.wait_until_saved(self.page)
        for image_id, label_map in self.expected.items():
            different = int((self.site.stored(image_id) != label_map).sum())
            assert different == 0, f"image {image_id}: {different} pixels differ on the server"
        for image_id in self.submitted:
            statuses = [one.status for one in labels.history(self.site.workspace, image_id)]
            assert "submitted" in statuses, f"image {image_id} was submitted"


@pytest.fixture
def image_count() -> int:
    """More than a thousand actions reach."""
    return 60


def test_thousand_random_actions_lose_nothing(site: CamVidSite, page: Page) -> None:
    # A smaller window is drawn with less work, a thousand times over.
    page.set_viewport_size({"width": 1000, "height": 700})
    labelling.open_label_page(page, site.server.url)
    labelling.wait_until_loaded_ahead(page)
    person = RandomPerson(page, site, SEED)
    try:
        for _ in range(ACTIONS):
            person.act()
        person.check()
    except Exception as error:
        last = "\n".join(person.log[-40:])
        pytest.fail(f"QUALM_FUZZ_SEED={SEED}, {len(person.log)} notes in, the last ones:\n{last}\n{error}")
    assert len(person.submitted) >= 3, "the actions reach several images"
