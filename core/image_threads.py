"""Work on many images at once on a CPU, or read them: a thread for each image."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import chain, count, islice
from typing import TypeVar

import torch

from core.freed_memory import give_back_freed_memory

PIXELS_AT_ONCE = 2**20
"""Pixels of the images that are worked on at the same time, about, which bounds the memory."""
MOST_READERS = 8
"""Threads that read images."""
PIXELS_READ_AT_ONCE = 2**26
"""Pixels of the files that are read at the same time, about; a larger one is read alone."""
_GIVES_BACK_EVERY = 50
"""Items after which freed memory goes back to the system."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def of_each(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    pixels: Callable[[Item], torch.Tensor],
    device: torch.device | str,
) -> Generator[Result]:
    """Yield ``work(item)`` of every item, in the order of the items.

    On a CPU the threads that PyTorch may use work on an image each. A network for small images has many
    short operations, whose parts would wait for each other: two threads within an image are hardly quicker
    than one. Of images as large as ``PIXELS_AT_ONCE`` all threads work on one. A GPU gets image after image.

    Closing the generator ends the work on what has begun, and begins nothing more.

    Args:
        work: Called in any thread; what it raises is raised here, in the item's place.
        items: Iterated in the caller's thread, at most one item further than there are threads. What that
            raises is raised after the results of the items before.
        pixels: Returns the image of an item, ``(3, h, w)``. The first item's says how many threads there are;
            of larger ones that follow fewer are worked on at once.
        device: Where ``work`` computes.
    """
    rest = iter(items)
    for first in islice(rest, 1):
        height, width = pixels(first).shape[1:]
        threads = torch.get_num_threads() if torch.device(device).type == "cpu" else 1
        at_once = max(1, min(threads, PIXELS_AT_ONCE // (height * width)))
        every = chain([first], rest)
        if at_once == 1:
            yield from map(work, every)
        else:
            room = _Room(PIXELS_AT_ONCE)
            in_room = partial(room.worked_in, work, pixels)
            yield from _across_threads(in_room, every, at_once, within=threads // at_once)


def read_at_once(
    read: Callable[[Item], Result], items: Iterable[Item], *, pixels: Callable[[Item], int]
) -> Generator[tuple[Item, Future[Result]]]:
    """Yield the items, in their order, each with what ``read`` returned or raised; several are read at once.

    Pillow decodes without holding the other threads up, so this takes as many processors as there are, up to
    ``MOST_READERS``. Closing the generator ends the reading with what has begun.

    Args:
        read: Called in any thread.
        items: Iterated in the caller's thread, a few items further than what was yielded.
        pixels: Of the file of an item.
    """
    pool = ThreadPoolExecutor(min(MOST_READERS, os.cpu_count() or 1), thread_name_prefix="reads-images")
    under_way: deque[tuple[Item, int, Future[Result]]] = deque()
    taken = 0
    try:
        for item in items:
            size = pixels(item)
            while under_way and (len(under_way) >= 2 * MOST_READERS or taken + size > PIXELS_READ_AT_ONCE):
                first, its_size, future = under_way.popleft()
                wait((future,))
                yield first, future
                taken -= its_size
            under_way.append((item, size, pool.submit(read, item)))
            taken += size
        for first, _, future in under_way:
            wait((future,))
            yield first, future
    finally:
        pool.shutdown(cancel_futures=True)
        give_back_freed_memory()


def _across_threads(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: int, within: int
) -> Generator[Result]:
    """Work on ``at_once`` items, each with ``within`` threads of PyTorch."""
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(within,))
    try:
        futures = _submitted(pool, work, items)
        waiting = deque(islice(futures, at_once + 1))
        for number in count(1):
            if not waiting:
                break
            yield waiting.popleft().result()
            waiting.extend(islice(futures, 1))
            if number % _GIVES_BACK_EVERY == 0:
                give_back_freed_memory()
    finally:
        pool.shutdown(cancel_futures=True)
        # The number is a thread's own, but what a new thread begins with is what any set last.
        torch.set_num_threads(before)


class _Room:
    """Lets threads in whose images have no more than ``most`` pixels together, and one in any case."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._changed = threading.Condition()

    def worked_in(
        self, work: Callable[[Item], Result], pixels: Callable[[Item], torch.Tensor], item: Item
    ) -> Result:
        """Return ``work(item)``, begun once there is room for its image."""
        size = pixels(item).shape[1:].numel()
        with self._changed:
            self._changed.wait_for(lambda: self._taken == 0 or self._taken + size <= self._most)
            self._taken += size
        try:
            return work(item)
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()


def _submitted(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Future[Result]]:
    """Hand over item by item; what the iteration raises becomes the last result."""
    try:
        for item in items:
            yield pool.submit(work, item)
    except Exception as error:
        failed: Future[Result] = Future()
        failed.set_exception(error)
        yield failed
