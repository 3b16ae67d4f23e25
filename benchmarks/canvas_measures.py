"""The figures of the label canvas, each measured at a real page on a real server."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import canvas_workspace as made
import numpy as np
from canvas_browser import Chromium, Trace, close, process, server
from canvas_page import (
    LABELLING,
    SAVED,
    Box,
    curve,
    dab,
    event_timing,
    image_box,
    mark,
    open_label_page,
    screen_pixels,
    set_brush,
    snake,
    state,
    timed,
    timed_key,
    wait_until_saved,
)
from canvas_plain import plain_page
from canvas_workspace import HD, LARGE, WIDE, Size
from csv_rows import Row
from playwright.sync_api import Page, Request

from storage import round_requests, rounds
from storage.workspace import Workspace

IMAGES = {HD: 330, WIDE: 120, LARGE: 16}
OURS = "Qualm"
BARE = "bare canvas"
BARE_PAGE = Path(__file__).with_name("peer_bare_canvas.html").as_uri()
WORKER_S = 240
"""How long a worker may take to its first step on a busy machine."""


@dataclass
class Site:
    """A server with a project of one image size."""

    size: Size
    workspace: Workspace
    project_id: int
    url: str

    @property
    def waiting(self) -> list[int]:
        return made.waiting(self.workspace, self.project_id)


@dataclass
class Bench:
    """What every measure works with: Chromium, a folder and how thorough to be."""

    chromium: Chromium
    folder: Path
    quick: bool
    stack: ExitStack
    sites: dict[Size, Site] = field(default_factory=dict)

    def count(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def site(self, size: Size) -> Site:
        """Return the server of this image size, started at its first use."""
        if size not in self.sites:
            folder = self.folder / str(size)
            workspace, project_id = made.make_project(
                folder, size, self.count(IMAGES[size], min(IMAGES[size], 40))
            )
            url = self.stack.enter_context(server(folder))
            self.sites[size] = Site(size, workspace, project_id, url)
        return self.sites[size]


def quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share))


def times(values: Sequence[float]) -> dict[str, object]:
    """Return count, median and 95th percentile of milliseconds."""
    return {"n": len(values), "p50_ms": statistics.median(values), "p95_ms": quantile(values, 0.95)}


def row(measure: str, size: Size | str, condition: str, figures: Row) -> dict[str, object]:
    return {
        "measure": measure,
        "tool": OURS,
        "size": str(size),
        "condition": condition,
        **figures,
        "load": round(os.getloadavg()[0], 1),
    }


@contextmanager
def training(site: Site) -> Iterator[None]:
    """Let a real worker train on the site's labels with one thread, for as long as the block."""
    requested = round_requests.request_round(site.workspace, site.project_id, made.PERSON, "Benchmark")
    command = [sys.executable, "run_app.py", "worker", "--workspace", str(site.workspace.path)]
    try:
        with process([*command, "--device", "cpu"], site.workspace.path.with_name("worker.log")) as worker:
            deadline = time.monotonic() + WORKER_S
            while rounds.get_round(site.workspace, requested.id).step < 1:
                if worker.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("The worker does not train.")
                time.sleep(0.2)
            yield
    finally:
        rounds.request_cancel(site.workspace, requested.id, made.PERSON)


def submit(bench: Bench) -> Iterator[dict[str, object]]:
    """Submit → next image painted, with and without prefetching, quiet and beside a training worker."""
    for size in (HD, WIDE):
        site = bench.site(size)
        for condition in ("quiet", "worker busy"):
            with training(site) if condition == "worker busy" else nullcontext():
                for is_prefetched in (True, False):
                    took, own = _submits(bench, site, is_prefetched, bench.count(17, 5))
                    figures = times(took)
                    if own:
                        figures["event_timing_p50_ms"] = statistics.median(own)
                    name = "submit, prefetched" if is_prefetched else "submit, not prefetched"
                    yield row(name, size, condition, figures)


def _submits(bench: Bench, site: Site, is_prefetched: bool, count: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each submit, and those that Chromium's Event Timing gives."""
    made.hold_back_all(site.workspace, site.project_id)
    ahead = iter(site.waiting)
    if is_prefetched:
        made.let_go_of_all(site.workspace, site.project_id)
    else:
        made.let_go(site.workspace, next(ahead))
    page = bench.chromium.new_page()
    open_label_page(page, site.url)
    page.wait_for_timeout(3000)
    box = image_box(page, site.size)
    took, own = [], []
    for number in range(count + 2):
        page.keyboard.press("a")
        dab(page, box[0] + 20 * number, box[1] + 60)
        page.wait_for_timeout(450)
        before = state(page)
        left = before["imageId"]
        if not is_prefetched:
            if before["queueLength"]:
                raise RuntimeError("The page knows of more images already.")
            # The page learns of it only when it asks for more.
            made.let_go(site.workspace, next(ahead))
        milliseconds = timed_key(page, "Enter", "image")
        if state(page)["imageId"] == left:
            raise RuntimeError("The submit did not bring another image.")
        if number >= 2:
            took.append(milliseconds)
            if is_prefetched and (duration := event_timing(page)) is not None:
                own.append(duration)
    wait_until_saved(page)
    close(page)
    made.let_go_of_all(site.workspace, site.project_id)
    return took, own


def cold_open(bench: Bench) -> Iterator[dict[str, object]]:
    """Back to the image before, with the browser's cache off: everything is fetched, decoded and coloured."""
    for size, think_ms in ((WIDE, 800), (LARGE, 2000)):
        site = bench.site(size)
        page = _fresh_page(bench, site)
        page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
        took = []
        for _ in range(bench.count(16 if size == WIDE else 11, 4)):
            page.keyboard.press("n")
            page.wait_for_timeout(think_ms)
            took.append(timed_key(page, "PageUp", "image"))
            page.wait_for_timeout(think_ms)
        close(page)
        yield row("cold open", size, "quiet", times(took[1:]))


def _fresh_page(bench: Bench, site: Site) -> Page:
    """Open an untouched image as somebody new, with the whole queue waiting and five images loaded ahead."""
    made.hold_back_all(site.workspace, site.project_id)
    made.let_go_of_all(site.workspace, site.project_id)
    page = bench.chromium.new_page()
    open_label_page(page, f"{site.url}/?image={made.untouched(site.workspace, site.project_id)}")
    page.wait_for_timeout(5000 if site.size == LARGE else 2500)
    return page


def painting(bench: Bench) -> Iterator[dict[str, object]]:
    """One long stroke of the mouse over an accepted suggestion; swaps and tasks from a trace.

    After each of ours the same stroke on a page that does nothing but draw lines, in the same circumstances:
    about the least that this browser needs on this machine.
    """
    seconds = bench.count(10, 3)
    for size in (WIDE, LARGE):
        site = bench.site(size)
        for condition in ("quiet", "panel polling", "panel polling, worker busy"):
            with training(site) if "worker" in condition else nullcontext():
                page = _fresh_page(bench, site)
                if "panel" in condition:
                    panel = page.context.new_page()
                    panel.goto(f"{site.url}/training")
                    panel.locator(".st-key-round-state").wait_for()
                    page.bring_to_front()
                page.keyboard.press("a")
                for radius in (12, 200):
                    measure = f"painting, radius {radius}"
                    page.keyboard.press("b")
                    page.keyboard.press(f"Digit{3 if radius == 12 else 4}")
                    set_brush(page, 2 * radius)
                    box = image_box(page, size)
                    yield row(measure, size, condition, _stroke(bench, page, box, seconds))
                    width = max(1.0, 2 * radius * screen_pixels(page))
                    bare = _bare_page(bench, width)
                    figures = _stroke(bench, bare, box, seconds)
                    close(bare)
                    yield {**row(measure, size, condition, figures), "tool": BARE}
                close(page)


def _bare_page(bench: Bench, width: float) -> Page:
    """Return a page that draws lines of a width in CSS pixels, with nothing on it to wait for."""
    page = bench.chromium.new_page(probe=False)
    page.goto(f"{BARE_PAGE}?width={width:.1f}")
    return page


def _stroke(bench: Bench, page: Page, box: Box, seconds: float) -> dict[str, object]:
    page.wait_for_timeout(1500)
    with bench.chromium.traced(page) as trace, bench.chromium.mouse(page) as mouse:
        mark(page, "start")
        mouse.drag(curve(box), seconds)
        mark(page, "end")
        page.wait_for_timeout(2000)
        mark(page, "after")
    (start,), (end,), (after,) = (trace.marks[name] for name in ("start", "end", "after"))
    swaps = trace.swap_intervals(start + 200, end)
    return {
        "n": len(swaps),
        "p50_ms": statistics.median(swaps),
        "p95_ms": quantile(swaps, 0.95),
        "frames_over_34_ms": sum(one > 34 for one in swaps),
        "longest_task_ms": trace.longest_task(start, end),
        "longest_task_after_ms": trace.longest_task(end, after),
    }


@dataclass(frozen=True)
class Command:
    """Something that changes much of a large image at once.

    Attributes:
        name: What the table calls it.
        key: The key that does it; None when a press of the mouse does, in the middle of the image.
        tool: The key of its tool, and the tool's name in the editor's state.
        corners: Corners of a polygon to click first.
    """

    name: str
    key: str | None
    tool: tuple[str, str] | None = None
    corners: int = 0


COMMANDS = (
    Command("bulk accept", "a"),
    Command("polygon of 500 vertices", "Enter", tool=("p", "polygon"), corners=500),
    Command("flood fill", None, tool=("g", "flood")),
)


def commands(bench: Bench) -> Iterator[dict[str, object]]:
    """Commands on 12 megapixels: the main thread's work until the result is painted, undone after each."""
    site = bench.site(LARGE)
    page = _fresh_page(bench, site)
    for command in COMMANDS:
        try:
            figures = _command(bench, page, command, bench.count(5, 3))
        except NotThere as missing:
            yield row(command.name, LARGE, "quiet", {"note": str(missing)})
            continue
        yield row(command.name, LARGE, "quiet", figures)
    close(page)


class NotThere(Exception):
    """The editor has no such tool."""


def _command(bench: Bench, page: Page, command: Command, count: int) -> dict[str, object]:
    took = []
    left, top, width, height = image_box(page, LARGE)
    with bench.chromium.traced(page) as trace, bench.chromium.mouse(page) as mouse:
        mark(page, "start")
        for number in range(count):
            page.keyboard.press(f"Digit{1 + number % 9}")
            if command.tool is not None:
                key, name = command.tool
                page.keyboard.press(key)
                if state(page)["tool"] != name:
                    raise NotThere(f"The editor has no tool {name!r} on the key {key.upper()}.")
            for x, y in snake((left, top, width, height), command.corners) if command.corners else ():
                mouse.click(x, y)
                time.sleep(0.004)
            page.mouse.move(left + width / 2, top + height / 2)
            page.wait_for_timeout(400)
            if command.key is not None:
                took.append(timed_key(page, command.key, "paint"))
            else:
                page.mouse.down()
                # As long as a person's click takes at least.
                page.wait_for_timeout(80)
                took.append(timed(page, page.mouse.up, type="pointerup", until="paint"))
            page.wait_for_timeout(600)
            page.keyboard.press("Control+KeyZ")
            page.wait_for_timeout(2000)
        mark(page, "end")
    return {**times(took), **_work(trace)}


def _work(trace: Trace) -> dict[str, object]:
    """Return the main thread's work from each measured event to its painted result, and shortly after."""
    spans = list(zip(trace.marks["began"], trace.marks["painted"], strict=True))
    work = [trace.busy(began, painted) for began, painted in spans]
    return {
        "main_p50_ms": statistics.median(work),
        "main_p95_ms": quantile(work, 0.95),
        "longest_task_ms": max(trace.longest_task(*span) for span in spans),
        "longest_task_after_ms": max(trace.longest_task(painted, painted + 500) for _, painted in spans),
    }


def undo(bench: Bench) -> Iterator[dict[str, object]]:
    """Undo of 500 strokes on 12 megapixels, one key press after the other as fast as the page takes them."""
    site = bench.site(LARGE)
    page = _fresh_page(bench, site)
    steps = bench.count(500, 50)
    page.keyboard.press("b")
    page.keyboard.press("Digit2")
    set_brush(page, 24)
    before = _pixels_of(page, 1)
    left, top, width, height = image_box(page, LARGE)
    with bench.chromium.mouse(page) as mouse:
        for x, y in snake((left, top, width, height), steps):
            mouse.click(x, y, to=(6, 4))
            time.sleep(0.02)
    wait_until_saved(page)
    took: list[float] = []
    with bench.chromium.traced(page) as trace:
        mark(page, "start")
        for _ in range(steps):
            began = time.perf_counter()
            page.keyboard.press("Control+KeyZ")
            took.append(1000 * (time.perf_counter() - began))
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        mark(page, "end")
    if _pixels_of(page, 1) != before:
        raise RuntimeError("Not all strokes were undone.")
    (start,), (end,) = trace.marks["start"], trace.marks["end"]
    close(page)
    yield row(
        f"undo of {steps} strokes",
        LARGE,
        "quiet",
        {
            **times(took),
            "main_p50_ms": trace.busy(start, end) / steps,
            "total_ms": end - start,
            "longest_task_ms": trace.longest_task(start, end),
        },
    )


def _pixels_of(page: Page, value: int) -> int:
    """Return how many pixels of the label map have a value."""
    count: int = page.evaluate(
        "value => window.qualmCanvas.labelBytes().reduce((sum, one) => sum + (one === value), 0)", value
    )
    return count


def save(bench: Bench) -> Iterator[dict[str, object]]:
    """Saves of 12 megapixels by themselves, while the person goes on painting."""
    site = bench.site(LARGE)
    page = _fresh_page(bench, site)
    requests: list[float] = []

    def finished(request: Request) -> None:
        if request.method == "PUT" and request.url.partition("?")[0].endswith("/label"):
            requests.append(request.timing["responseEnd"])

    page.on("requestfinished", finished)
    page.keyboard.press("a")
    page.keyboard.press("b")
    set_brush(page, 24)
    wait_until_saved(page)
    requests.clear()
    box = image_box(page, LARGE)
    encodes, swaps, tasks = [], [], []
    for number in range(bench.count(16, 3)):
        page.keyboard.press(f"Digit{1 + number % 9}")
        encodes.append(_encode_ms(page))
        dab(page, box[0] + 30 * number, box[1])
        if number < 5:
            with bench.chromium.traced(page) as trace, bench.chromium.mouse(page) as mouse:
                mark(page, "start")
                mouse.drag(curve(box), 2.5)
                mark(page, "end")
            span = (trace.marks["start"][0] + 200, trace.marks["end"][0])
            swaps += trace.swap_intervals(*span)
            tasks.append(trace.longest_task(*span))
        wait_until_saved(page)
    close(page)
    totals = [statistics.median(encodes) + put for put in requests]
    yield row(
        "save",
        LARGE,
        "quiet",
        {
            **times(totals),
            "encode_p50_ms": statistics.median(encodes),
            "frames_over_34_ms": sum(one > 34 for one in swaps),
            "longest_task_ms": max(tasks),
        },
    )


def _encode_ms(page: Page) -> float:
    """Return how long the page's own encoder takes for the label map on the screen."""
    took: float = page.evaluate(
        """async () => {
            const own = performance.getEntriesByType('resource').find((one) => one.name.includes('/canvas/'));
            const { encode } = await import(new URL('run_length.js', own.name).href);
            const bytes = window.qualmCanvas.labelBytes();
            const began = performance.now();
            encode(bytes);
            return performance.now() - began;
        }"""
    )
    return took


def memory(bench: Bench) -> Iterator[dict[str, object]]:
    """Memory of the page and of all browser processes over 200 submitted images."""
    site = bench.site(HD)
    made.hold_back_all(site.workspace, site.project_id)
    made.let_go_of_all(site.workspace, site.project_id)
    url = f"{site.url}/?image={made.untouched(site.workspace, site.project_id)}"
    images = bench.count(200, 30)
    first = images // 4
    samples: list[tuple[int, float, float, float]] = []
    with plain_page(bench.folder / "profile", url) as page:
        page.wait_for(LABELLING)
        time.sleep(2.5)
        for number in range(1, images + 1):
            page.press("a")
            time.sleep(0.06)
            left = page.evaluate("() => window.qualmCanvas.state().imageId")
            page.press("Enter")
            page.wait_for(f"() => window.qualmCanvas.state().imageId !== {left}")
            time.sleep(0.09)
            if number % 10 == 0:
                page.wait_for(SAVED)
                heap = page.heap_mb()
                now = page.memory()
                samples.append((number, heap, now["tab_mb"], now["all_mb"]))
    kept = np.array([one for one in samples if one[0] >= first])
    slopes = [float(np.polyfit(kept[:, 0], kept[:, column], 1)[0]) for column in (1, 2, 3)]
    growth = slopes[2] * (images - first) / float(kept[0, 3])
    yield row(
        "memory",
        HD,
        f"images {first} to {images}",
        {
            "n": len(kept),
            "heap_mb": float(kept[-1, 1]),
            "tab_mb": float(kept[-1, 2]),
            "all_mb": float(kept[-1, 3]),
            "heap_kb_per_image": 1024 * slopes[0],
            "tab_kb_per_image": 1024 * slopes[1],
            "all_kb_per_image": 1024 * slopes[2],
            "growth_percent": 100 * growth,
        },
    )


MEASURES: dict[str, Callable[[Bench], Iterator[dict[str, object]]]] = {
    "submit": submit,
    "cold-open": cold_open,
    "painting": painting,
    "commands": commands,
    "undo": undo,
    "save": save,
    "memory": memory,
}
