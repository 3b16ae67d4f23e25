"""The grid of thumbnails on the Queue page, as a Streamlit component.

A card is a real link (it opens in a new tab like any other); a plain click stays in this browser session
and comes back as the trigger ``opened``. The browser fetches the thumbnails from our own route.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer


@dataclass(frozen=True)
class Card:
    """One image of the grid, as the browser shows it."""

    image_id: int
    name: str
    thumbnail: str
    """Address of the thumbnail."""
    href: str
    """Address of the image on the Label page."""
    rank: int | None
    score: float | None
    score_share: float
    """Length of the score's bar in [0, 1]."""
    split: str
    state: str
    """Text of the state badge."""
    state_kind: str
    """One of the ``q-badge-*`` kinds, for its colour."""
    why: str


def queue_grid(cards: Sequence[Card], *, key: str = "queue-grid") -> int | None:
    """Draw the cards and return the id of the image that was clicked, in the one run after the click."""
    result = _mounted()(
        key=key, data={"cards": [asdict(card) for card in cards]}, on_opened_change=_rerun_only
    )
    opened = result.get("opened")
    return int(opened) if opened is not None else None


def _rerun_only() -> None:
    """Exist so that Streamlit accepts the trigger: the rerun it causes is all that is wanted."""


@lru_cache(maxsize=1)
def _mounted() -> ComponentRenderer:
    sources = Path(__file__)
    return st.components.v2.component(
        "qualm_queue_grid",
        css=sources.with_suffix(".css").read_text("utf-8"),
        js=sources.with_suffix(".js").read_text("utf-8"),
        isolate_styles=False,
    )
