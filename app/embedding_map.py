"""The map of a project's images by what a round's encoder sees in them, as a Streamlit component.

Plotly draws it with WebGL. The browser fetches the points, and a picture of the image under the cursor,
from our own routes; what comes back through Streamlit is a click (``opened``) and what was lassoed
(``chosen``).
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import plotly
import streamlit as st
from plotly.offline import get_plotlyjs

from app.page_component import mounted, rerun_only

MOST_CHOSEN = 2000
"""Images one lasso hands to the page, the first in the queue."""


class MapAnswer(NamedTuple):
    """What the person did on the map."""

    opened: int | None
    """The image that was clicked, in the one run after the click."""
    chosen: list[int]
    """Images in the lasso in the order of the queue, at most ``MOST_CHOSEN``."""
    chosen_count: int
    """How many the lasso holds."""


def plotly_version() -> str:
    """Return the version of the installed package, which brings the script."""
    return str(plotly.__version__)


@lru_cache(maxsize=1)
def plotly_gzip() -> bytes:
    """Return Plotly's script, gzipped."""
    return gzip.compress(get_plotlyjs().encode(), 6)


def embedding_map(*, project_id: int, version: str, colour: str) -> MapAnswer:
    """Draw the map and return what the person did on it.

    Args:
        project_id: The project.
        version: Changes whenever the points have to be fetched again.
        colour: ``split`` or ``score``.
    """
    result = mounted(Path(__file__))(
        key=_key(project_id),
        data={
            "points_url": f"/api/projects/{project_id}/map",
            "version": version,
            "plotly_url": f"/api/plotly/{plotly_version()}",
            "colour": colour,
            "most_chosen": MOST_CHOSEN,
        },
        on_opened_change=rerun_only,
        on_chosen_change=rerun_only,
    )
    opened, chosen = result.get("opened"), result.get("chosen") or {"ids": [], "count": 0}
    return MapAnswer(int(opened) if opened is not None else None, _ids_in(chosen), int(chosen["count"]))


def chosen_on_map(project_id: int) -> list[int]:
    """Return the images in the lasso of now, in a callback: those the page was drawn for may be others."""
    return _ids_in(st.session_state.get(_key(project_id), {}).get("chosen") or {"ids": []})


def _ids_in(chosen: Mapping[str, Any]) -> list[int]:
    return [int(image_id) for image_id in chosen["ids"]]


def _key(project_id: int) -> str:
    # A lasso is of one project: under another key the next one begins without it.
    return f"embedding-map-{project_id}"
