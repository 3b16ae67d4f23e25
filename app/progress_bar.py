"""A bar for work that the page itself does and waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from app.notices import duration


def progress_text(what: str, done: int, of: int, seconds: float) -> str:
    """Return the line above a bar: what is done, of how much, and the time left after so many seconds."""
    left = f", about {duration(seconds / done * (of - done))} left" if done else ""
    return f"{what}: {done:,} of {of:,}{left}"


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar with the time left, moved by the callback ``(done, of, name)``, until the work has ended."""
    bar = st.progress(0.0, text=what)
    began = time.monotonic()
    shown = 0.0

    def moved(done: int, of: int, name: str) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= 0.1:
            shown = now
            bar.progress(done / of, text=progress_text(what, done, of, now - began))

    try:
        yield moved
    finally:
        bar.empty()
