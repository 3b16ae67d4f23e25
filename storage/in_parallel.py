"""Work on the images of an import, several at a time and reported in their order."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

OnProgress = Callable[[int, int, str], None]
"""Called as ``progress(done, of, name)`` from the calling thread; it may raise to stop the work."""

_AT_ONCE = 8
"""Images that wait, decoded, for their rows to be written; bounds the memory."""
_THREADS = min(4, os.cpu_count() or 1)

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(
    work: Callable[[T], R], items: Sequence[T], name: Callable[[T], str], progress: OnProgress | None
) -> Generator[R, None, None]:
    """Yield ``work(item)`` in order, a bounded number ahead, and report progress in this thread.

    What ``work`` or ``progress`` raises ends it.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        running: list[Future[R]] = [pool.submit(work, item) for item in items[:_AT_ONCE]]
        try:
            for done, item in enumerate(items):
                result = running.pop(0).result()
                if done + _AT_ONCE < len(items):
                    running.append(pool.submit(work, items[done + _AT_ONCE]))
                yield result
                if progress is not None:
                    progress(done + 1, len(items), name(item))
        finally:
            pool.shutdown(cancel_futures=True)
