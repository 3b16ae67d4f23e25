"""Long work that goes on while pages are left and reloaded, in a thread of the server."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Generic, TypeVar

import streamlit as st

from app.notices import duration
from storage.errors import QualmError
from storage.in_parallel import OnProgress

_log = logging.getLogger(__name__)

SHORT_S = 0.5
"""Work that takes no longer is waited for, so that no bar flashes up."""

R = TypeVar("R")


class _Stopped(Exception):
    """Somebody asked for the end of the work."""


@dataclass
class RunningWork(Generic[R]):
    """Work under way, or work that has ended.

    A run of a page ends with the next click, wherever it is, and takes with it what it was doing; so nothing
    that takes longer than a moment is done there.

    Attributes:
        what: What stands above its bar.
        of: How many things there are to do; 0 until that is known.
        done: How many of them are through.
        result: What came of it; None while it runs, and when it failed or was stopped.
        error: Why it failed.
    """

    what: str
    of: int = 0
    done: int = 0
    result: R | None = None
    error: Exception | None = None
    is_stopping: bool = False
    _began: float = field(default_factory=time.monotonic)
    _ended: Event = field(default_factory=Event)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._ended.is_set()

    @property
    def was_stopped(self) -> bool:
        """Whether it ended before its time because somebody wished that."""
        return self.is_over and self.result is None and self.error is None

    @property
    def progress(self) -> str:
        """How far it is, and the time left."""
        if not self.of:
            return self.what
        seconds = time.monotonic() - self._began
        left = f", about {duration(seconds / self.done * (self.of - self.done))} left" if self.done else ""
        return f"{self.what}: {self.done:,} of {self.of:,}{left}"

    def begin(self, work: Callable[[OnProgress], R]) -> None:
        """Start the work, which calls what it is given after each thing that is done, and return at once."""
        # A daemon, for a server that ends need not wait: all of it can be done again.
        Thread(target=self._carry_out, args=(work,), daemon=True).start()

    def stop(self) -> None:
        """End it after what is being done now."""
        self.is_stopping = True

    def go_on(self) -> None:
        """End the work here when that was asked for; the work itself calls it, between two of its parts."""
        if self.is_stopping:
            raise _Stopped

    def wait_a_moment(self) -> None:
        """Give it the time that short work takes."""
        self._ended.wait(SHORT_S)

    def outcome(self) -> R:
        """Return what came of work that has ended and was not stopped.

        Raises:
            Exception: Why it failed.
        """
        if self.error is not None:
            raise self.error.with_traceback(None)
        assert self.result is not None
        return self.result

    def _carry_out(self, work: Callable[[OnProgress], R]) -> None:
        def moved(done: int, of: int, name: str) -> None:
            self.done, self.of = done, of
            if self.is_stopping and done < of:
                raise _Stopped

        try:
            self.result = work(moved)
        except _Stopped:
            pass
        except Exception as error:
            if not isinstance(error, QualmError):
                _log.exception("%s failed", self.what)
            self.error = _without_frames(error)
        finally:
            self._ended.set()


def _without_frames(error: Exception) -> Exception:
    """Return an error that is kept for whoever looks, without what the frames it came through hold."""
    cause: BaseException | None = error
    while cause is not None:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    return error


def running_bar(work: RunningWork[R], key: str, note: str = "You may look at other pages meanwhile.") -> None:
    """Draw how far work is and the button that stops it, until it is over; then the page is drawn again.

    Args:
        work: What runs, whoever looks.
        key: Beginning of the keys, of which a page has one for each kind of work.
        note: What may be done while it runs.
    """
    st.fragment(_running_bar, run_every=0.5)(work, key, note, Event())


def _running_bar(work: RunningWork[R], key: str, note: str, is_drawn: Event) -> None:
    # Not while the page is drawn for the first time: what was pressed below would not be heard.
    if work.is_over and is_drawn.is_set():
        st.rerun(scope="app")
    is_drawn.set()
    with st.container(key=f"{key}-progress"):
        st.progress(work.done / work.of if work.of else 0.0, text=work.progress)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Stopping" if work.is_stopping else "Stop",
                key=f"{key}-stop",
                icon=":material/stop_circle:",
                disabled=work.is_stopping,
                on_click=work.stop,
            )
            st.caption(note)
