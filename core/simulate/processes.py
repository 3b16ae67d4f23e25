"""Runs of a simulation at the same time, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch

from core.simulate.cell_task import CellTask, Told, run_cell
from storage.errors import QualmError

MOST_JOBS = 4
"""The most runs at once where nobody says how many: each takes more than a gigabyte of memory."""
_LOOKS_EVERY_S = 0.2

_MOST_S_TO_END = 5.0
"""Seconds that a run which is ended from outside has to leave its round in order."""

_telling: Any = None
"""In a process of a run: the queue for what it tells."""
_is_at_work = False
"""In a process of a run: whether there is a round to leave in order."""


def usual_jobs(device: torch.device) -> int:
    """Return how many runs at once pay: networks for small images hardly train quicker on two processors."""
    return min(MOST_JOBS, os.cpu_count() or 1) if device.type == "cpu" else 1


def run_in_processes(tasks: Sequence[CellTask], jobs: int, hear: Callable[[Told], None]) -> None:
    """Run every task, so many at once.

    The processors are shared out among them. What ends this, an error of a run or Ctrl+C, ends all; what they
    have done is kept, as it is when a process is killed.

    Raises:
        QualmError: A run failed, or its process was killed.
    """
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    threads = max(1, (os.cpu_count() or 1) // jobs)
    before = {*multiprocessing.active_children()}
    pool = ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(told, threads))
    try:
        running = [pool.submit(_run, task) for task in tasks]
        while not all(one.done() for one in running) and not any(map(_has_failed, running)):
            _hear_all(told, hear)
        for one in running:
            if one.done():
                one.result()
        _hear_all(told, hear)
    except BaseException as error:
        for child in {*multiprocessing.active_children()} - before:
            child.terminate()
        if not isinstance(error, BrokenProcessPool):
            raise
        raise QualmError(
            "The process of a run was ended from outside, most likely for want of memory. Run the same "
            "command again with fewer --jobs: it goes on where it stopped."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _has_failed(one: Future[None]) -> bool:
    return one.done() and one.exception() is not None


def _hear_all(told: Any, hear: Callable[[Told], None]) -> None:
    """Wait a moment for what is told, and hear all of it."""
    wait = _LOOKS_EVERY_S
    while True:
        try:
            hear(told.get(timeout=wait))
        except queue.Empty:
            return
        wait = 0.0


def _begin(told: Any, threads: int) -> None:
    global _telling
    _telling = told
    # Ctrl+C reaches every process of a terminal; this one is ended by the one that began it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave_in_order)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)


def _end_with_parent() -> None:
    """Two simulations would work on one run if the killed one's processes went on."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _leave_in_order(*_: object) -> None:
    """End the run as Ctrl+C would, so that its round does not take it for a worker that died."""
    if not _is_at_work:
        os._exit(1)
    last = threading.Timer(_MOST_S_TO_END, os._exit, (1,))
    last.daemon = True
    last.start()
    raise KeyboardInterrupt


def _run(task: CellTask) -> None:
    global _is_at_work
    try:
        _is_at_work = True
        run_cell(task, _telling.put)
    except KeyboardInterrupt:
        # Raised further it would be this task's result, and the process would wait for the next one.
        os._exit(1)
    finally:
        _is_at_work = False
