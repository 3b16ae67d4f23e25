"""The Queue page: what is labelled next, and everything that is in the project.

Hooks for end-to-end tests: ``.st-key-queue-split``, ``.st-key-queue-state``, ``.st-key-queue-name``,
``.st-key-queue-sort``, ``.st-key-queue-page``, ``.st-key-queue-count``; each card is
``.st-key-queue-grid a[data-image-id][data-rank][data-split][data-state]``, in the order of the grid.
"""

from __future__ import annotations

import time

import streamlit as st

from app import session
from app.notices import empty_state, no_images, no_project
from app.queue_grid import Card, queue_grid
from storage import queue
from storage.queue import QueueItem
from storage.schema import COLD_START, SPLITS

PAGE_SIZE = 60
STATES = ("unlabelled", "draft", "submitted", "skipped")
ORDERS = {"place": "Rank", "name": "Name", "newest": "Newest label"}


def state_of(item: QueueItem, annotator: str, now: float) -> tuple[str, str]:
    """Return the text of an item's state badge and the kind that gives its colour."""
    image = item.image
    if image.leased_by and (image.leased_until or 0) > now:
        return "with you" if image.leased_by == annotator else f"with {image.leased_by}", "leased"
    if item.status:
        return item.status, item.status
    if image.skipped_at:
        return "skipped", "unlabelled"
    return "unlabelled", "unlabelled"


def card(item: QueueItem, *, annotator: str, top_score: float, now: float) -> Card:
    """Return what the grid shows of one item; the bar of its score is relative to ``top_score``."""
    image = item.image
    state, kind = state_of(item, annotator, now)
    return Card(
        image_id=image.id,
        name=image.name,
        thumbnail=f"/api/images/{image.id}/thumbnail/{image.blob}?side=320",
        href=f"/?project={image.project_id}&image={image.id}",
        rank=item.rank,
        score=item.score,
        score_share=min(1.0, max(0.0, item.score / top_score)) if item.score and top_score > 0 else 0.0,
        split=item.split,
        state=state,
        state_kind=kind,
        why=item.why.removeprefix(f"Rank {item.rank or 0:,} of {item.ranked:,}: "),
    )


def show() -> None:
    """Draw the page for the current project."""
    project_id = session.current_project_id()
    if project_id is None:
        no_project()
        return
    workspace = session.workspace()
    progress = queue.progress(workspace, project_id)
    if not progress.images:
        no_images()
        return
    st.session_state.pop(session.OPENED_IMAGE, None)

    with st.container(horizontal=True, vertical_alignment="bottom", key="queue-filters"):
        split = st.selectbox(
            "Split",
            SPLITS,
            index=None,
            placeholder="All splits",
            key="queue-split",
            width=140,
        )
        state = st.selectbox(
            "State", STATES, index=None, placeholder="All states", key="queue-state", width=150
        )
        order = st.selectbox(
            "Order", list(ORDERS), format_func=lambda name: ORDERS[name], key="queue-sort", width=150
        )
        name = st.text_input(
            "Name", placeholder="Part of the name", key="queue-name", icon=":material/search:", width=240
        )
        summary = st.container(key="queue-count", width="stretch")

    shown_filters = (project_id, split, state, name.strip(), order)
    if st.session_state.get("queue-shown-filters") != shown_filters:
        st.session_state["queue-shown-filters"] = shown_filters
        st.session_state.pop("queue-page", None)
    page = int(st.session_state.get("queue-page", 1))
    items, count = queue.ranked_images(
        workspace,
        project_id,
        split=split,
        state=state,
        name=name.strip() or None,
        order=order,
        offset=(page - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )
    with summary:
        if progress.current_round_number is None:
            ranking = "no ranking before the first round: shuffled"
        elif progress.current_round_number == COLD_START:
            ranking = "typical and diverse images first, until a round has trained"
        else:
            ranking = f"ranked by round {progress.current_round_number}"
        st.markdown(f"**{count:,}** of {progress.images:,} images, {ranking}", text_alignment="right")

    if not items:
        empty_state("No image matches", "Widen the filters above to see more of the project.")
        return
    first, _ = queue.ranked_images(workspace, project_id, limit=1)
    top_score = max([item.score or 0.0 for item in [*first, *items]])
    now, annotator = time.time(), session.annotator()
    opened = queue_grid([card(item, annotator=annotator, top_score=top_score, now=now) for item in items])
    if opened is not None:
        st.switch_page("pages/annotate.py", query_params={"project": str(project_id), "image": str(opened)})
    pages = -(-count // PAGE_SIZE)
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.pagination(pages, key="queue-page", width=480)


show()
