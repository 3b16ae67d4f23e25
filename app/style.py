"""What the pages look like beyond the theme of ``.streamlit/config.toml``."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

MARK = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 112 32" width="112" height="32">'
    '<path d="M4 4h11v11H4z" fill="#5b7cfa"/><path d="M17 4h11v11H17z" fill="#e0913a"/>'
    '<path d="M4 17h11v11H4z" fill="#3fa37a"/>'
    '<path d="M17 17h11v11H17z" fill="none" stroke="#8a91a5" stroke-width="1.5" stroke-dasharray="3 2"/>'
    '<text x="38" y="23" font-family="system-ui,sans-serif" font-size="20" font-weight="650" fill="#7f8db8">'
    "Qualm</text></svg>"
)
"""The wordmark: three labelled regions and one still open. Its colours hold on light and dark."""

_STYLE_SHEET = Path(__file__).with_name("style.css")


def apply() -> None:
    """Put the style and the wordmark on the page; call once per script run, before anything else."""
    st.html(_STYLE_SHEET)
    st.logo(MARK, size="large")
