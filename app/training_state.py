"""What the worker does for a project now, in the words of the Training page."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from app.notices import duration
from storage import images, rounds
from storage.classes_to_learn import too_few_classes
from storage.projects import ProjectInfo
from storage.rounds import RoundInfo
from storage.schema import COLD_START, LIVE_ROUND_STATES
from storage.start_advice import HOW_TO_START_ONE, WHY_IT_FAILED, start_advice
from storage.workers import WorkerInfo, live_workers, projects_at_work
from storage.workspace import Workspace

NO_LABEL = "Submit at least one label map on the Label page first."


@dataclass(frozen=True)
class TrainingState:
    """What the card on top of the Training page shows.

    Attributes:
        newest: The round that the card is about.
        may_train_now: Whether a round can be asked for.
        may_rank_again: Whether there is a model that could rank the pool again, and no training to wait for.
        lacks_classes: Whether none can before there is another class.
        text: What is done, of how much, and the time left; or what has to happen before a round starts.
        share: How much of that is done, in [0, 1]; None where nothing is counted.
        workers: Workers that are there now.
    """

    newest: RoundInfo | None
    may_train_now: bool
    may_rank_again: bool
    lacks_classes: bool
    text: str
    share: float | None
    workers: list[WorkerInfo]

    @property
    def mark(self) -> str:
        """Hash of all that is shown beside :attr:`text` and :attr:`share`."""
        newest = self.newest
        drawn = (
            newest and (newest.id, newest.state, newest.cancel_requested, newest.note, newest.error),
            self.may_train_now,
            self.may_rank_again,
            self.lacks_classes,
            [(worker.name, worker.device) for worker in self.workers],
        )
        return hashlib.sha256(repr(drawn).encode()).hexdigest()[:16]


def training_state(workspace: Workspace, project: ProjectInfo) -> TrainingState:
    """Return what the worker does for a project now."""
    # Every browser asks this each second, and a project may have had a thousand rounds.
    latest = rounds.live_or_newest(workspace, project.id)
    newest, workers = newest_of(latest), live_workers(workspace, project.id)
    live = [info for info in latest if info.state in LIVE_ROUND_STATES]
    too_few = too_few_classes(workspace, project.id)
    # A cold start need not be waited for, since a round may be asked for behind it, nor one that gives way.
    may_train_now = (
        all(info.number == COLD_START or info.kind != "trains" for info in live)
        and not too_few
        and images.any_labelled(workspace, project.id, "train")
    )
    may_rank_again = (
        not too_few
        and all(info.kind == "trains_on" for info in live)
        and rounds.any_trained(workspace, project.id)
    )
    if newest is not None and live:
        done = min(1.0, newest.step / newest.steps) if newest.steps else 0.0
        text = progress_text(newest)
        if workers and newest.state == "queued" and (others := projects_at_work(workspace)):
            text += f", which is at work on the project {others[0]}"
        return TrainingState(newest, may_train_now, may_rank_again, bool(too_few), text, done, workers)
    if too_few:
        return TrainingState(newest, False, False, True, f"{too_few}.", None, workers)
    advice = start_advice(workspace, project.id)
    # Of the Training page nobody needs to be told there.
    reason = advice.reason.replace(HOW_TO_START_ONE, "see below").replace(WHY_IT_FAILED, "see below")
    text = reason if may_train_now else NO_LABEL
    counts = project.settings.start.automatic and advice.changed < advice.needed
    share = advice.changed / advice.needed if counts else None
    return TrainingState(newest, may_train_now, may_rank_again, False, text, share, workers)


def training_json(state: TrainingState) -> dict[str, Any]:
    """Return what the browser asks for each second."""
    return {"text": state.text, "share": state.share, "mark": state.mark}


def newest_of(past: list[RoundInfo]) -> RoundInfo | None:
    """Return the round with the highest number, or the cold start while that one waits behind it."""
    live = [info for info in past if info.state in LIVE_ROUND_STATES]
    if live:
        return min(live, key=lambda info: info.number)
    return max(past, key=lambda info: info.number, default=None)


def progress_text(live: RoundInfo) -> str:
    """Return the line above the bar: what is done, of how much, and the time left."""
    if live.state == "queued" or (live.waits_for_worker and not live.steps):
        return "Waiting for the worker"
    trains = live.state == "training" and live.number != COLD_START
    unit = "step" if trains else "image"
    if live.waits_for_worker:
        return f"Waiting for a worker to go on at {unit} {live.step:,} of {live.steps:,}"
    doing = live.state.capitalize() if live.number != COLD_START else "Looking at the images"
    text = f"{doing}: {unit} {live.step:,} of {live.steps:,}" if live.steps else "Preparing"
    return text if live.eta_seconds is None else f"{text}, about {duration(live.eta_seconds)} left"
