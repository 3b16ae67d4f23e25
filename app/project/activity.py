"""Who labelled how much, how long an image took, and what happened last."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import streamlit as st

from app.notices import duration, plain
from storage import activity, events, queue
from storage.activity import LabelledImage
from storage.events import EventInfo
from storage.projects import ProjectInfo
from storage.wording import count_of
from storage.workspace import Workspace

RECENT = 20
"""The pace is the median of so many images."""
EVENTS = 100


def activity_section(workspace: Workspace, project: ProjectInfo) -> None:
    """Draw the time that labelling took, by suggestion and by person, and the end of the journal."""
    labelled = activity.labelled_by_hand(workspace, project.id)
    with st.container(border=True, key="labelling-time"):
        st.markdown("**Labelling time**")
        if not labelled:
            st.caption(
                "Nothing was submitted on the Label page yet. From the first image on, this says how long "
                "one takes, and how much of that the model's suggestions save."
            )
        else:
            counts = queue.progress(workspace, project.id)
            left_over = counts.images - counts.excluded - counts.labelled
            st.markdown(plain(pace(labelled, left_over)))
            left, right = st.columns(2)
            left.dataframe(time_by_suggestion(labelled), hide_index=True, column_config=_COLUMNS)
            right.dataframe(time_by_person(labelled), hide_index=True, column_config=_COLUMNS)
            st.caption(
                "Time on an image until its first submission; a pause counts as 30 seconds at most. Imported "
                "label maps are left out."
            )
    with st.container(border=True, key="journal"):
        st.markdown(f"**What happened last** · the newest {EVENTS}")
        newest = events.recent(workspace, project.id, EVENTS)
        st.dataframe(
            [{"When": _moment(entry.at), "Who": entry.actor, "What": happening(entry)} for entry in newest],
            hide_index=True,
            column_config={
                "When": st.column_config.DatetimeColumn(format="distance", width=130),
                "Who": st.column_config.TextColumn(width=160),
                "What": st.column_config.TextColumn(width="large"),
            },
        )


_COLUMNS = {
    "Median": st.column_config.NumberColumn(
        format="%.0f s", help="Seconds that half of the images took at most."
    ),
    "Minutes": st.column_config.NumberColumn(format="%.1f", help="All images together."),
    "Last": st.column_config.DatetimeColumn(format="distance"),
}


def pace(labelled: Sequence[LabelledImage], left_over: int) -> str:
    """Return how quick labelling is, how quick it was at first, and how long the images left would take."""
    seconds = [image.seconds for image in labelled]
    sentence = f"{count_of(len(seconds), 'image')} labelled by hand in {duration(sum(seconds))}."
    newest = median(seconds[-RECENT:])
    if len(seconds) < 2 * RECENT:
        sentence += f" An image took {duration(newest)}, the median."
    else:
        sentence += (
            f" Each of the last {RECENT} took {duration(newest)}, of the first {RECENT} "
            f"{duration(median(seconds[:RECENT]))} (medians)."
        )
    if left_over:
        of_all = duration(newest * left_over)
        sentence += f" At this pace the {count_of(left_over, 'image')} without a label would take {of_all}."
    return sentence


def time_by_suggestion(labelled: Sequence[LabelledImage]) -> list[dict[str, Any]]:
    """Return a row for each round whose suggestion people saw, after one for images without a suggestion."""
    rounds = sorted(
        {image.round_number for image in labelled}, key=lambda number: -1 if number is None else number
    )
    return [
        {"Suggestion": "none" if number is None else f"of round {number}"}
        | _times([image for image in labelled if image.round_number == number])
        for number in rounds
    ]


def time_by_person(labelled: Sequence[LabelledImage]) -> list[dict[str, Any]]:
    """Return a row for each person, whoever submitted most first."""
    people: dict[str, list[LabelledImage]] = {}
    for image in labelled:
        people.setdefault(image.author, []).append(image)
    return [
        {"Person": name} | _times(own) | {"Last": _moment(own[-1].at)}
        for name, own in sorted(people.items(), key=lambda one: (-len(one[1]), one[0]))
    ]


def _times(labelled: Sequence[LabelledImage]) -> dict[str, Any]:
    seconds = [image.seconds for image in labelled]
    return {"Images": len(seconds), "Median": median(seconds), "Minutes": sum(seconds) / 60}


def _moment(at: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(at, dt.UTC)


def happening(entry: EventInfo) -> str:
    """Return what an entry of the journal says, as a sentence without its subject."""
    return _SENTENCES[entry.kind](entry.image or "an image", entry.detail)


def _audit(image: str, detail: Mapping[str, Any]) -> str:
    drawn = detail.get("drawn")
    if isinstance(drawn, list):
        returned = (
            f"returned {count_of(len(detail.get('returned', ())), 'image')} that waited for it to the pool"
        )
        if not drawn:
            return f"Made the audit smaller, and {returned}"
        sentence = f"Had {count_of(len(drawn), 'image')} drawn for the audit"
        return f"{sentence}, and {returned}" if detail.get("returned") else sentence
    # They used to be drawn one by one.
    return f"Moved {image} to audit" if drawn is None else f"Was given {image}, drawn for the audit"


def _start(_: str, detail: Mapping[str, Any]) -> str:
    number = detail["number"]
    return (
        f"Asked for round {number}: {detail['reason']}" if number else f"Ordered the pool: {detail['reason']}"
    )


def _import(_: str, detail: Mapping[str, Any]) -> str:
    masks = [
        count_of(detail[kind], one, many)
        for kind, one, many in (
            ("labels", "label map", None),
            ("drafts", "draft", None),
            ("truths", "hidden truth", "hidden truths"),
        )
        if detail.get(kind)
    ]
    parts = [count_of(detail["images"], "image"), *masks] if detail["images"] or not masks else masks
    if detail.get("problems"):
        parts.append(f"{detail['problems']:,} left out")
    return f"Imported {', '.join(parts)}, from {detail['source']}"


def _settings(_: str, detail: Mapping[str, Any]) -> str:
    if "created" in detail:
        return f"Created the project with {', '.join(detail['classes'])}"
    if "renamed" in detail:
        return "Renamed the project from {} to {}".format(*detail["renamed"])
    if "archived" in detail:
        return "Archived the project" if detail["archived"] else "Restored the project"
    if "class_added" in detail:
        return f"Added the class {detail['class_added']}"
    if "class_changed" in detail:
        return f"Changed the class {detail['class_changed']}: {_changed(detail.get('changed', {}))}"
    return f"Set {_changed(detail['changed'])}"


def _changed(values: Mapping[str, Any]) -> str:
    told = {"True": "yes", "False": "no", "None": "none"}
    return ", ".join(
        f"{name.rpartition('.')[2].replace('_', ' ')} to {told.get(str(value), value)}"
        for name, value in values.items()
    )


_SENTENCES: dict[str, Callable[[str, Mapping[str, Any]], str]] = {
    "draft": lambda image, _: f"Began {image}",
    "submit": lambda image, detail: f"Submitted {image}, revision {detail['revision']}",
    "approve": lambda image, detail: f"Approved {image}, revision {detail['revision']}",
    "skip": lambda image, _: f"Skipped {image}",
    "audit": _audit,
    "exclude": lambda image, _: f"Excluded {image}",
    "restore": lambda image, detail: f"Took {image} back to {detail['after']}",
    "pin": lambda _, detail: f"Put {count_of(len(detail['images']), 'image')} in front",
    "unpin": lambda _, detail: f"Took {count_of(len(detail['images']), 'image')} back from the front",
    "start": _start,
    "cancel": lambda _, detail: (
        f"Cancelled round {detail['number']}" if detail["number"] else "Cancelled the order of the pool"
    ),
    "import": _import,
    "export": lambda _, detail: (
        f"Exported {count_of(detail['label_maps'], 'label map')} to {detail['target']}"
    ),
    "settings": _settings,
}
