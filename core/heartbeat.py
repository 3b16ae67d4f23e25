"""Something done every few seconds beside the work, so that others see that this process lives."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger("qualm.worker")


@contextmanager
def repeated(every_s: float, action: Callable[[], None]) -> Iterator[None]:
    """Run ``action`` now and every ``every_s`` seconds in a thread while the block runs.

    An error of the action is logged, and it is tried again at its next turn.
    """
    end = threading.Event()

    def repeat() -> None:
        while True:
            try:
                action()
            except Exception as error:
                log.warning("the heartbeat failed, trying again: %s", error)
            if end.wait(every_s):
                return

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
