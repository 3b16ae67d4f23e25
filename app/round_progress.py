"""The bar on the Training page that follows the worker, as a Streamlit component.

The browser asks our own route for it each second. The page's script, which costs server and browser a
hundred times as much, runs only when something beside the bar changed.
"""

from __future__ import annotations

from pathlib import Path

from app.page_component import mounted, rerun_only
from app.training_state import TrainingState, training_json


def round_progress(project_id: int, state: TrainingState, *, key: str = "round-progress") -> None:
    """Draw the bar with its line of text, and run the script again once ``state`` is out of date."""
    mounted(Path(__file__))(
        key=key,
        data={"url": f"/api/projects/{project_id}/training", **training_json(state)},
        on_changed_change=rerun_only,
    )
