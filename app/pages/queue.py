"""The Queue page: what is labelled next, everything that is in the project, and how alike it is.

Hooks for end-to-end tests: ``.st-key-queue-view`` (Grid or Map), ``.st-key-queue-split``,
``.st-key-queue-state``, ``.st-key-queue-unsure-<project id>``, ``.st-key-queue-sort``,
``.st-key-queue-name``, ``.st-key-queue-heat``, ``.st-key-queue-page``, ``.st-key-queue-count``,
``.st-key-queue-bring-back``; each card is
``.st-key-queue-grid a[data-image-id][data-rank][data-split][data-state]``, in the order of the grid, inside
``.q-card`` with ``.q-card-corner input`` and ``button[data-action]``; ``.q-grid-bar`` says what is ticked and
holds the same buttons. On the map ``.st-key-embedding-map-<project id> .q-map``, ``.st-key-map-colour``,
``.st-key-map-pin``, ``.st-key-map-exclude`` and ``.st-key-map-restore``. ``?alike=ID`` shows the images
most like one, with ``.st-key-alike-back``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import session
from app.choice_options import PIXEL_SCORE
from app.embedding_map import MOST_CHOSEN, chosen_on_map, embedding_map
from app.notices import empty_state, errors_as_sentences, no_images, plain
from app.queue_acts import Act, ActLog, carry_out_all
from app.queue_grid import Card, card_of, queue_grid
from storage import embeddings, images, projects, queue, rounds
from storage.images import ImageInfo
from storage.queue import ProjectProgress, QueueItem
from storage.rounds import RoundInfo
from storage.schema import COLD_START, SPLITS
from storage.wording import count_of
from storage.workspace import Workspace

PAGE_SIZE = 60
MOST_ALIKE = 60
STATES = ("unlabelled", "draft", "submitted", "skipped")
ORDERS = {"place": "Place in the queue", "name": "Name", "newest": "Newest label"}
SCORE_ORDERS = {"novelty": "Novelty", **{key: option.name for key, option in PIXEL_SCORE.items()}}


def current_round(workspace: Workspace, project_id: int) -> RoundInfo | None:
    """Return the round whose ranking is on the screen."""
    current_id = projects.get_project(workspace, project_id).current_round_id
    return None if current_id is None else rounds.get_round(workspace, current_id)


def ranking_line(current: RoundInfo | None) -> str:
    """Return how the order of the queue came about."""
    if current is None:
        return "no ranking before the first round: shuffled"
    name = "cold start" if current.number == COLD_START else f"round {current.number}"
    sentence = (current.metrics.get("ranked_by") or {}).get("sentence")
    if not sentence and current.number == COLD_START:
        sentence = "typical and diverse images first, until a round has trained"
    if not sentence:
        return f"ranked by {name}"
    shown = plain(str(sentence))
    # The cold start tells a whole sentence, a round what it looked for.
    return f"ranked by {name}{'.' if shown[0].isupper() else ':'} {shown}"


def score_shown(item: QueueItem, order: str) -> float | None:
    """Return the score that the grid is sorted by, or else the one that the round ranked by."""
    if order == "novelty":
        return item.novelty
    return item.scores.get(order) if order in PIXEL_SCORE else item.score


def score_of_round(current: RoundInfo) -> str:
    """Return the pixel score that a round ranked by: that of its settings, unless that says nothing."""
    ranked_by = current.metrics.get("ranked_by") or {}
    return str(ranked_by.get("pixel_score") or current.config.pixel_score)


def name_of_score(order: str, current: RoundInfo | None) -> str:
    """Return what :func:`score_shown` is."""
    if order in SCORE_ORDERS:
        return SCORE_ORDERS[order]
    if current is None or current.number == COLD_START:
        return "Typicality"
    return PIXEL_SCORE[score_of_round(current)].name


def act_log() -> ActLog:
    """Return what came of the acts of this browser session."""
    log: ActLog = st.session_state.setdefault("queue-acts", ActLog())
    return log


def say_what_was_done(log: ActLog) -> None:
    """Say what came of the last acts; what a click keeps from being said is said in the next run."""
    for said in [*log.unsaid]:
        if isinstance(said, str):
            st.toast(said, icon=":material/check:")
            forget(log, said)


def say_what_failed(log: ActLog, place: DeltaGenerator) -> None:
    """Say at a place why acts could not be done; to be called last, for what ends a run takes it away."""
    for failed in [*log.unsaid]:
        if isinstance(failed, Exception):
            with place:
                say_why(failed)
            forget(log, failed)


def say_why(failed: Exception) -> None:
    """Say why an act could not be done."""
    with errors_as_sentences():
        raise failed


def forget(log: ActLog, said: str | Exception) -> None:
    """Take off the log what was said; another run that just ends may have done so, too."""
    log.unsaid[:] = [one for one in log.unsaid if one is not said]


def act_button(
    workspace: Workspace,
    log: ActLog,
    label: str,
    kind: str,
    *,
    image_ids: Callable[[], list[int]],
    key: str,
    icon: str,
    is_primary: bool = False,
) -> None:
    """Draw a button that does something with images: those that ``image_ids`` names once it is pressed."""
    annotator = session.annotator()

    def pressed() -> None:
        # The next click may end this in here, while nothing is done yet.
        if chosen := image_ids():
            carry_out_all(workspace, log, [Act(kind, chosen)], annotator)

    st.button(label, key=key, icon=icon, type="primary" if is_primary else "secondary", on_click=pressed)


def open_on_label_page(project_id: int, image_id: int) -> None:
    """Go to the Label page and open the image there."""
    st.switch_page("pages/annotate.py", query_params={"project": str(project_id), "image": str(image_id)})


def draw_cards(workspace: Workspace, project_id: int, cards: Sequence[Card]) -> None:
    """Draw the grid and do what the person asks of it."""
    log, annotator = act_log(), session.annotator()
    answer = queue_grid(cards, log, lambda acts: carry_out_all(workspace, log, acts, annotator))
    if answer.alike is not None:
        st.query_params["alike"] = str(answer.alike)
        st.rerun()
    if answer.opened is not None:
        open_on_label_page(project_id, answer.opened)


def pages_below(count: int) -> None:
    """Draw the page numbers under a grid of more than one page."""
    pages = -(-count // PAGE_SIZE)
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.pagination(pages, key="queue-page", persist_state="session", width=480)


def page_of(shown: object) -> int:
    """Return the page of the grid, the first again once ``shown``, what it shows, is another."""
    if st.session_state.get("queue-shown") != shown:
        st.session_state["queue-shown"] = shown
        # Not dropped: the browser would keep its page and send it with the next click.
        st.session_state["queue-page"] = 1
    return int(st.session_state.get("queue-page", 1))


def show_grid(workspace: Workspace, project_id: int, current: RoundInfo | None, images_in_all: int) -> None:
    """Draw filters, order, and the images that fit."""
    ranks = current is not None and current.number != COLD_START
    classes = {one.index: one.name for one in projects.classes(workspace, project_id) if not one.archived}
    orders = {**ORDERS, **SCORE_ORDERS} if ranks else ORDERS
    with st.container(horizontal=True, vertical_alignment="bottom", key="queue-filters"):
        view_switch()
        split = choose("Split", SPLITS, "All splits", key="queue-split", width=125)
        state = choose("State", STATES, "All states", key="queue-state", width=130)
        unsure_of = st.selectbox(
            "Unsure of",
            list(classes),
            index=None,
            format_func=lambda index: classes.get(index, ""),
            placeholder="Any class",
            key=f"queue-unsure-{project_id}",
            persist_state="session",
            disabled=not ranks,
            help="Images in which the model is least sure of this class."
            if ranks
            else "The first round says what it is unsure of.",
            width=170,
        )
        order = st.selectbox(
            "Order",
            list(orders),
            format_func=lambda name: orders.get(name, ""),
            key="queue-sort",
            persist_state="session",
            width=190,
        )
        name = st.text_input(
            "Name",
            placeholder="Part of the name",
            key="queue-name",
            icon=":material/search:",
            persist_state="session",
            width=190,
        ).strip()
        with_heat = heat_switch(ranks)

    page = page_of((project_id, split, state, unsure_of, name, order))
    items, count = queue.ranked_images(
        workspace,
        project_id,
        split=split,
        state=state,
        name=name or None,
        unsure_of=unsure_of,
        order=order,
        offset=(page - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
        annotator=session.annotator(),
    )
    if count and not items:  # those of the last page are elsewhere now
        st.session_state["queue-page"] = 1
        st.rerun()
    # In a row of its own it would move the grid, which then is drawn anew and loses the focus.
    with st.container(horizontal=True, vertical_alignment="center", key="queue-summary"):
        count_line(f"**{count:,}** of {count_of(max(count, images_in_all), 'image')}", current)
        undo_of_exclusion(workspace, project_id)
    if not items:
        with empty_state("No image matches", "Widen the filters above to see more of the project."):
            st.button("Clear filters", key="queue-clear", on_click=clear_filters, args=(project_id,))
        return
    # The bars of all pages and filters have one scale, that of the highest score in the project.
    highest = order
    if current is not None and ranks and order not in SCORE_ORDERS:
        highest = score_of_round(current)
    top, _ = queue.ranked_images(workspace, project_id, order=highest, limit=1)
    full = max([score_shown(item, order) or 0.0 for item in [*top, *items]])
    cards = cards_of(items, current, order=order, full=full, with_heat=with_heat)
    draw_cards(workspace, project_id, cards)
    pages_below(count)


def count_line(images_shown: str, current: RoundInfo | None) -> None:
    """Say how many images are shown, and how their order came about."""
    with st.container(key="queue-count"):
        st.markdown(f"{images_shown}, {ranking_line(current)}")


def undo_of_exclusion(workspace: Workspace, project_id: int) -> None:
    """Draw the button that takes the last act back, where that took images of this project away."""
    log = act_log()
    excluded = log.excluded
    if not excluded or images.image(workspace, excluded[0]).project_id != project_id:
        return
    act_button(
        workspace,
        log,
        f"Bring back {count_of(len(excluded), 'image')}",
        "restore",
        image_ids=lambda: excluded,
        key="queue-bring-back",
        icon=":material/undo:",
    )


def cards_of(
    items: Sequence[QueueItem], current: RoundInfo | None, *, order: str, full: float, with_heat: bool
) -> list[Card]:
    """Return the cards of items with the score that they are sorted by."""
    return [
        card_of(
            item,
            annotator=session.annotator(),
            score=score_shown(item, order),
            score_name=name_of_score(order, current),
            full=full,
            with_heat=with_heat,
            has_alike=current is not None and current.embeddings_blob is not None,
        )
        for item in items
    ]


def choose(label: str, options: Sequence[str], placeholder: str, *, key: str, width: int) -> str | None:
    """Draw a filter that may be left open, and return its value."""
    return st.selectbox(
        label,
        options,
        index=None,
        placeholder=placeholder,
        key=key,
        persist_state="session",
        width=width,
    )


def clear_filters(project_id: int) -> None:
    """Show all images of the project again."""
    for key in ("queue-split", "queue-state", f"queue-unsure-{project_id}"):
        st.session_state[key] = None
    st.session_state["queue-name"] = ""


def heat_switch(ranks: bool) -> bool:
    """Draw the switch for the uncertainty over the thumbnails, and return whether it is on."""
    return st.toggle(
        "Uncertainty",
        key="queue-heat",
        persist_state="session",
        disabled=not ranks,
        help="Draw on each thumbnail where the model is unsure: violet a little, yellow as much as can be. "
        "The round keeps it for the front of the queue; audit images stay blind.",
    )


def show_map(
    workspace: Workspace, project_id: int, current: RoundInfo | None, progress: ProjectProgress
) -> None:
    """Draw the map of all images, and the chosen ones below it."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="queue-filters"):
        view_switch()
        colour = st.segmented_control(
            "Colour",
            ["split", "score"],
            format_func=str.capitalize,
            default="split",
            required=True,
            key="map-colour",
            persist_state="session",
        )
        with_heat = heat_switch(current is not None and current.number != COLD_START)
    if not any(one.embeddings_blob for one in rounds.history(workspace, project_id)):
        empty_state(
            "No map yet",
            "The map puts images that look alike next to each other. A round draws it: the cold start soon "
            "after an import, or the first training. The **Training** page says what the worker does now.",
            ("pages/training.py", "Go to Training", ":material/model_training:"),
        )
        return
    seen = embeddings.of_project(workspace, project_id)
    on_map = 0 if seen is None else len(seen.image_ids)
    count_line(f"**{on_map:,}** of {count_of(progress.images, 'image')}", current)
    counts = (progress.pool, progress.train, progress.audit, progress.excluded)
    # A second cold start has the round, and perhaps the counts, of the first.
    shown = (current.id, current.embeddings_blob) if current else (0, None)
    version = " ".join(map(str, (*shown, *counts)))
    answer = embedding_map(project_id=project_id, version=version, colour=colour)
    if answer.opened is not None:
        open_on_label_page(project_id, answer.opened)
    if answer.chosen:
        show_chosen(workspace, project_id, current, answer.chosen, answer.chosen_count, with_heat)


def show_chosen(
    workspace: Workspace,
    project_id: int,
    current: RoundInfo | None,
    chosen: Sequence[int],
    count: int,
    with_heat: bool,
) -> None:
    """Draw the images of a lasso as cards, and what to do with all of them."""
    page = page_of((project_id, tuple(chosen)))
    items, found = queue.ranked_images(
        workspace,
        project_id,
        image_ids=chosen,
        order="place",
        offset=(page - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
        annotator=session.annotator(),
    )
    with st.container(horizontal=True, vertical_alignment="center", key="map-chosen"):
        more = f" The lasso holds {count:,}: these are the first in the queue." if count > MOST_CHOSEN else ""
        st.markdown(f"**{found:,}** chosen on the map.{more}", width="content")
        # While this is still on the screen there may be another lasso, and that is the one a person means.
        button = partial(act_button, workspace, act_log(), image_ids=lambda: chosen_on_map(project_id))
        button("Put in front of the queue", "pin", key="map-pin", icon=":material/keep:", is_primary=True)
        button("Exclude", "exclude", key="map-exclude", icon=":material/block:")
        _, excluded = queue.ranked_images(workspace, project_id, image_ids=chosen, split="excluded", limit=1)
        if excluded:
            button("Bring back", "restore", key="map-restore", icon=":material/undo:")
    full = max([item.score or 0.0 for item in items], default=0.0)
    cards = cards_of(items, current, order="place", full=full, with_heat=with_heat)
    draw_cards(workspace, project_id, cards)
    pages_below(found)


def show_alike(workspace: Workspace, project_id: int, current: RoundInfo | None, compared: ImageInfo) -> None:
    """Draw one image and those most like it."""
    with st.container(horizontal=True, vertical_alignment="center", key="queue-filters"):
        if st.button("Back to the queue", key="alike-back", icon=":material/arrow_back:"):
            del st.query_params["alike"]
            st.rerun()
        with st.container(key="queue-count", width="stretch"):
            st.markdown(
                f"Images most like **{plain(compared.name)}**; bars show how alike they look to the model"
            )
        with_heat = heat_switch(current is not None and current.number != COLD_START)
    alike = dict(embeddings.most_alike(workspace, compared.id, MOST_ALIKE))
    if not alike:
        empty_state(
            "Nothing to compare it with yet",
            "No round has looked at this image. One that does will compare it; pinned images come first.",
        )
        return
    likeness = {compared.id: 1.0, **alike}
    items, _ = queue.ranked_images(
        workspace,
        project_id,
        image_ids=list(likeness),
        order="given",
        limit=len(likeness),
        annotator=session.annotator(),
    )
    cards = [
        card_of(
            item,
            annotator=session.annotator(),
            score=likeness[item.image.id],
            score_name="How alike: the cosine of what the encoder sees",
            full=1.0,
            with_heat=with_heat,
            has_alike=item.image.id != compared.id,
        )
        for item in items
    ]
    draw_cards(workspace, project_id, cards)


def view_switch() -> str:
    """Draw the switch between the grid and the map, and return what is chosen."""
    view: str = st.segmented_control(
        "View",
        ["Grid", "Map"],
        default="Grid",
        required=True,
        key="queue-view",
        persist_state="session",
    )
    return view


def show() -> None:
    """Draw the page for the current project."""
    workspace, project_id = session.require_project()
    progress = queue.progress(workspace, project_id)
    if not progress.images:
        no_images()
        return
    st.session_state.pop(session.OPENED_IMAGE, None)
    log = act_log()
    say_what_was_done(log)
    failures = st.container()

    current = current_round(workspace, project_id)
    compared = session.image_of_address("alike", project_id)
    if compared is not None:
        show_alike(workspace, project_id, current, compared)
    elif st.session_state.get("queue-view", "Grid") == "Map":
        show_map(workspace, project_id, current, progress)
    else:
        show_grid(workspace, project_id, current, progress.images)
    say_what_failed(log, failures)


show()
