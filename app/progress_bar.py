"""A bar for work that the page itself does and waits for."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from app.notices import duration


def progress_bar(what: str) -> Callable[[int, int, str], None]:
    """Return a callback ``(done, of, name)`` that moves a bar with the time left; the bar goes at the end."""
    bar = st.progress(0.0, text=what)
    began = time.monotonic()
    shown = 0.0

    def moved(done: int, of: int, name: str) -> None:
        nonlocal shown
        now = time.monotonic()
        if done >= of:
            bar.empty()
        elif now - shown >= 0.1:
            shown = now
            left = f", about {duration((now - began) / done * (of - done))} left" if done else ""
            bar.progress(done / of, text=f"{what}: {done:,} of {of:,}{left}")

    return moved
