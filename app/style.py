"""What the pages look like beyond the theme of ``app/.streamlit/config.toml``."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent


def apply() -> None:
    """Put title, style and wordmark on the page; call once per script run, before anything else."""
    st.set_page_config(page_title="Qualm", page_icon=_HERE / "mark.svg", layout="wide")
    st.html(_HERE / "style.css")
    st.logo(_HERE / "wordmark.svg", size="large")
