"""What a person does at the measured Label page, and how long the page took for it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from canvas_workspace import Size
from playwright.sync_api import Page

Box = tuple[float, float, float, float]
LABELLING = "() => Boolean(window.qualmCanvas) && window.qualmCanvas.state().phase === 'labelling'"
"""JavaScript that says whether an image is on the canvas."""
SAVED = """() => {
    const now = window.qualmCanvas.state();
    return !now.unsaved && !now.unsent && now.saveState === 'saved';
}"""
"""JavaScript that says whether every change is on the server."""


def open_label_page(page: Page, url: str) -> None:
    """Open the Label page and wait until an image is on the canvas."""
    page.goto(url)
    page.wait_for_function(LABELLING)


def state(page: Page) -> dict[str, Any]:
    """Return the editor's own account of what it shows."""
    found: dict[str, Any] = page.evaluate("() => window.qualmCanvas.state()")
    return found


def wait_until_saved(page: Page) -> None:
    """Wait until every change is on the server."""
    page.wait_for_function(SAVED)


def timed(
    page: Page, action: Callable[[], object], *, type: str, until: str, code: str | None = None
) -> float:
    """Return the milliseconds from an event to the frame after the one that drew its result.

    Args:
        page: The page with the probe.
        action: Called once; it must cause the event.
        type: ``keydown`` or ``pointerup``.
        until: ``image`` waits until another image is shown, ``paint`` until the canvas is drawn again.
        code: Only a key of this place on the keyboard.
    """
    page.evaluate("armed => window.qualmProbe.arm(armed)", {"type": type, "until": until, "code": code})
    action()
    page.wait_for_function("() => window.qualmProbe.paintedAt > 0")
    took: float = page.evaluate("() => window.qualmProbe.paintedAt - window.qualmProbe.startedAt")
    return took


def timed_key(page: Page, key: str, until: str) -> float:
    """Return the milliseconds from a key press to the frame after the one that drew its result."""
    code = f"Key{key.upper()}" if len(key) == 1 else key
    return timed(page, lambda: page.keyboard.press(key), type="keydown", until=until, code=code)


def event_timing(page: Page) -> float | None:
    """Return Chromium's own duration of the last measured key press, None when it took under 16 ms."""
    page.wait_for_timeout(60)
    found: float | None = page.evaluate(
        "() => window.qualmProbe.eventTimings[window.qualmProbe.startedAt] ?? null"
    )
    return found


def mark(page: Page, name: str) -> None:
    """Put a mark of this name in the trace."""
    page.evaluate("name => performance.mark(`probe-${name}`) && null", name)


def image_box(page: Page, size: Size) -> Box:
    """Return left, top, width and height of the shown image in client coordinates, a margin inside."""
    corners = page.evaluate(
        "([x, y]) => [window.qualmCanvas.toScreen(0, 0), window.qualmCanvas.toScreen(x, y)]",
        [size.width, size.height],
    )
    (left, top), (right, bottom) = ((corner["x"], corner["y"]) for corner in corners)
    margin = 0.08 * (right - left)
    return left + margin, top + margin, right - left - 2 * margin, bottom - top - 2 * margin


def screen_pixels(page: Page) -> float:
    """Return how many CSS pixels wide a pixel of the shown image is."""
    width: float = page.evaluate(
        "() => window.qualmCanvas.toScreen(1, 0).x - window.qualmCanvas.toScreen(0, 0).x"
    )
    return width


def curve(box: Box, pace_s: float = 0.008) -> Iterator[tuple[float, float]]:
    """Draw for ever along a curve that visits all of a box, at about one box width a second."""
    left, top, width, height = box
    for count in itertools.count():
        angle = 2 * math.pi * count * pace_s
        yield (
            left + width * (0.5 + 0.5 * math.sin(0.47 * angle)),
            top + height * (0.5 + 0.5 * math.sin(0.31 * angle + 1)),
        )


def snake(box: Box, count: int) -> list[tuple[float, float]]:
    """Return ``count`` corners that wind through a box, none close to another."""
    left, top, width, height = box
    columns = math.ceil(math.sqrt(count * width / height))
    rows = math.ceil(count / columns)
    corners = []
    for number in range(count):
        row, column = divmod(number, columns)
        column = columns - 1 - column if row % 2 else column
        # A zigzag, so that no three neighbours lie on one line.
        bend = 0.3 * (number % 2)
        corners.append((left + width * column / columns, top + height * (row + bend) / rows))
    return corners


def dab(page: Page, x: float, y: float) -> None:
    """Paint one dot."""
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 6, y + 4)
    page.mouse.up()


def set_brush(page: Page, diameter: int) -> int:
    """Press the size keys until the brush is as close as they get, and return its diameter."""
    for _ in range(80):
        size = int(state(page)["brush"])
        if abs(size - diameter) <= max(1, 0.1 * diameter):
            break
        page.keyboard.press("BracketLeft" if size > diameter else "BracketRight")
    return size
