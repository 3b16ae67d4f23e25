"""The grid of thumbnails on the Queue page, as a Streamlit component.

A card is a real link (it opens in a new tab like any other); a plain click stays in this browser session
and comes back as the trigger ``opened``, or ``alike`` for images like it. What is ticked stays in the
browser until the person acts on it: ``acted`` then says what to do with which images. The browser fetches
the pictures from our own routes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from app.items import reason, thumbnail_url
from app.page_component import mounted, rerun_only
from app.queue_acts import Act, ActLog
from storage.queue import QueueItem

NO_SCORE = {
    "pool": "not scored yet",
    "train": "not scored",
    "audit": "labelled blind",
    "excluded": "not scored",
}
"""What stands in the place of a missing score in each split: a round scores only the pool."""


@dataclass(frozen=True)
class Card:
    """One image of the grid, as the browser shows it."""

    image_id: int
    name: str
    thumbnail: str
    """Address of the thumbnail."""
    heat: str | None
    """Address of the uncertainty to lie over it."""
    href: str
    """Address of the image on the Label page."""
    rank: int | None
    score: float | None
    score_name: str
    """What the score is."""
    score_share: float
    """Length of the score's bar in [0, 1]."""
    no_score: str
    """What stands in the place of a missing score."""
    split: str
    state: str
    """Text of the state badge."""
    state_kind: str
    """One of the ``q-badge-*`` kinds, for its colour."""
    why: str
    pinned: bool
    can_pin: bool
    has_alike: bool
    """Whether images like it can be found."""
    moved_back: bool
    """Whether an image like it was labelled since the round."""


class Answer(NamedTuple):
    """What came back in the one run after the person did something."""

    opened: int | None
    alike: int | None
    """The image whose like the person wants to see."""


def state_of(item: QueueItem, annotator: str, now: float) -> tuple[str, str]:
    """Return the text of an item's state badge and the kind that gives its colour."""
    image = item.image
    if image.leased_by and (image.leased_until or 0) > now:
        return "with you" if image.leased_by == annotator else f"with {image.leased_by}", "leased"
    if image.skipped_at and item.status == "draft":
        return "skipped draft", "draft"
    if item.status:
        return item.status, item.status
    return "skipped" if image.skipped_at else "unlabelled", "unlabelled"


def card_of(
    item: QueueItem,
    *,
    annotator: str,
    score: float | None,
    score_name: str,
    full: float,
    with_heat: bool,
    has_alike: bool,
) -> Card:
    """Return what the grid shows of one item.

    Args:
        item: The image with its place in the queue.
        annotator: Who looks.
        score: The number beside the bar.
        score_name: What it is.
        full: The score at which the bar is full.
        with_heat: Lay the uncertainty over the thumbnail where there is one.
        has_alike: Offer to show images like it.
    """
    image = item.image
    state, kind = state_of(item, annotator, time.time())
    heat = f"/api/images/{image.id}/uncertainty-thumbnail/{item.uncertainty_blob}"
    return Card(
        image_id=image.id,
        name=image.name,
        thumbnail=thumbnail_url(item),
        heat=heat if with_heat and item.uncertainty_blob and not item.is_audit else None,
        href=f"/?project={image.project_id}&image={image.id}",
        rank=item.rank,
        score=score,
        score_name=score_name,
        score_share=min(1.0, max(0.0, score / full)) if score and full > 0 else 0.0,
        no_score=NO_SCORE[item.split],
        split=item.split,
        state=state,
        state_kind=kind,
        why=reason(item),
        pinned=item.pinned,
        can_pin=item.split == "pool",
        has_alike=has_alike and item.split != "excluded",
        moved_back=item.like is not None and item.split == "pool",
    )


def queue_grid(
    cards: Sequence[Card], log: ActLog, on_acts: Callable[[Sequence[Act]], None], *, key: str = "queue-grid"
) -> Answer:
    """Draw the cards and return where the person wants to go from them.

    Args:
        cards: The images, in the order of the grid.
        log: What the browser is told of what was done.
        on_acts: Does what the person asks for, as far as the log does not know it. It is called before the
            page runs, as the next click ends a run that has not come to the grid yet, and must ask Streamlit
            for nothing, as the next click would end it there.
        key: Of the component.
    """

    def acted() -> None:
        # Of messages that come quickly Streamlit keeps the newest, so each holds what was not answered too.
        # One that comes when the page was left has no state here any more, and goes again when it is back.
        sent = st.session_state.get(key, {}).get("acted") or []
        on_acts([Act(str(one["kind"]), [int(id_) for id_ in one["ids"]], int(one["number"])) for one in sent])

    result = mounted(Path(__file__))(
        key=key,
        data={"cards": [asdict(card) for card in cards], "done": log.done},
        on_opened_change=rerun_only,
        on_alike_change=rerun_only,
        on_acted_change=acted,
    )
    opened, alike = result.get("opened"), result.get("alike")
    return Answer(int(opened) if opened is not None else None, int(alike) if alike is not None else None)
