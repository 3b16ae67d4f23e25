"""Streamlit components that consist of a script and a style sheet beside their Python face."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer


@cache
def mounted(face: Path) -> ComponentRenderer:
    """Return the component whose sources lie beside ``face``, such as ``queue_grid.py``, under its name."""
    return st.components.v2.component(
        f"qualm_{face.stem}",
        css=face.with_suffix(".css").read_text("utf-8"),
        js=face.with_suffix(".js").read_text("utf-8"),
        isolate_styles=False,
    )


def rerun_only() -> None:
    """Exist so that Streamlit accepts a trigger: the rerun it causes is all that is wanted."""
