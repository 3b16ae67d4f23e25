"""A press of a button that outlives the run in which it comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import streamlit as st


@dataclass
class KeptPress:
    """Whether a button was pressed, until what it stands for is done.

    Streamlit tells of a press in one run only, and the next click or a part of the page that is out of date
    may end that before it comes to the button.
    """

    waits: bool = False

    def note(self) -> None:
        """Keep the press. As a callback it is done once it has begun, for it asks Streamlit for nothing."""
        self.waits = True

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Forget the press once what is inside is done or refused, but not where the run ends within it."""
        try:
            yield
        except Exception:
            self.waits = False
            raise
        self.waits = False


def kept_press(name: str, project_id: int) -> KeptPress:
    """Return the press of the button of a name, in this browser session and for a project."""
    press: KeptPress = st.session_state.setdefault(f"pressed-{name}-{project_id}", KeptPress())
    return press
