"""A claimed round: its row in the database, and the word whether this process may go on with it."""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from core.train_config import TrainConfig
from core.worker.round_notes import RoundNotes
from storage import projects, rounds
from storage.early_suggestions import EarlyMaps, suggest_early
from storage.errors import DiskFull, InvalidInput, LeaseLost, WorkspaceBusy
from storage.files import file_error
from storage.predictions import NewPrediction
from storage.rounds import RoundInfo
from storage.workspace import Workspace

log = logging.getLogger("qualm.worker")

Result = TypeVar("Result")

LEASE_S = 10.0
"""A round whose worker was silent for so long may be claimed by another."""
HEARTBEAT_S = 2.0
REPORT_S = 1.0
STORED_AGAIN_S = 20.0
STORED_WITHIN_S = 12 * 3600.0
"""A night: somebody will have made room by then, or has ended the round."""
_ROUNDS_OF_A_SEED = 1000
_TOLD_AGAIN = ("checkpoint", "note")
"""What a report has that no later one makes up for."""

OnRoundStep = Callable[[str, int, int, float], None]
"""Called with state, step, steps and seconds left whenever they are reported."""


class Cancelled(Exception):
    """The person asked to cancel, or the round is not worth going on with; its note says why."""


class Stopping(Exception):
    """The process was asked to end."""


class Published(NamedTuple):
    """What a round leaves, as :func:`storage.rounds.publish` takes it."""

    predictions: list[NewPrediction]
    metrics: dict[str, Any]
    embeddings_blob: str | None


class Claim:
    """A round that this process holds by lease.

    Args:
        workspace: The workspace.
        info: The round as :func:`storage.rounds.claim` returned it.
        worker: Name under which it was claimed.
        stopping: When it returns True, the round is left to the next worker.
        watch: Told what is reported.

    Attributes:
        settings: Of the round.
        trained: The round whose training it is about: itself, or the one by whose weights it ranks again.
        seed: Of all chance in the round but one.
        pool_seed: Of the choice of images that take part without a label, which would otherwise be those that
            a random order of the pool puts first.
        folder: Of the round's checkpoints; not made here.
        class_names: In the order of the class indices, as they are when the round begins.
        archived: Indices of the classes that nobody labels any more: they neither train nor are suggested.
        curve: Points as (step, name, value) that the next report takes along.
    """

    def __init__(
        self,
        workspace: Workspace,
        info: RoundInfo,
        worker: str,
        stopping: Callable[[], bool],
        watch: OnRoundStep | None,
    ) -> None:
        self.workspace = workspace
        self.info = info
        self.settings = info.config
        # No round of one seed draws what another round of its neighbour does, but for one that ranks again:
        # images keep their suggestions, and what a person has rejected of these stays rejected.
        self.trained = rounds.trained_round(workspace, info)
        self.seed = info.config.seed * _ROUNDS_OF_A_SEED + self.trained.number
        self.pool_seed = int(np.random.SeedSequence([self.seed, 1]).generate_state(1)[0])
        self.folder = workspace.checkpoint_folder(info.id)
        classes = projects.classes(workspace, info.project_id)
        self.class_names = [entry.name for entry in classes]
        self.archived = [entry.index for entry in classes if entry.archived]
        self.curve: list[tuple[int, str, float]] = []
        self._worker = worker
        self._stopping = stopping
        self._watch = watch
        self._notes = RoundNotes(info.note)
        self._reported_at = -math.inf
        self._reporting = threading.Lock()
        self._untold: dict[str, Any] = {}
        self._cancel_requested = threading.Event()
        self._lease_lost: LeaseLost | None = None

    def train_config(self) -> TrainConfig:
        """Return what the settings say of training, with the seed of this round."""
        names = {field.name for field in dataclasses.fields(TrainConfig)} - {"seed"}
        settings = {name: value for name, value in self.settings if name in names}
        return TrainConfig(seed=self.seed, **settings)

    def renew_lease(self) -> None:
        """Say that the worker lives; called from the heartbeat's thread."""
        try:
            self._told()
        except LeaseLost as error:
            self._lease_lost = error

    def check(self) -> None:
        """Raise when this process must not go on with the round.

        Raises:
            LeaseLost: Another worker has it.
            Cancelled: The person asked to cancel.
            Stopping: The process was asked to end.
        """
        if self._lease_lost is not None:
            raise self._lease_lost
        if self._cancel_requested.is_set():
            raise Cancelled
        if self._stopping():
            raise Stopping

    def announce_steps(self) -> None:
        """Store how many steps the training will have, unless an earlier worker did."""
        if self.info.steps == 0:
            self._told(step=0, steps=self.settings.steps)

    def report(self, state: str, step: int, steps: int, eta: float) -> None:
        """Report at most once a second, and the last step in any case.

        Args:
            state: ``training`` or ``scoring``.
            step: Steps done in this state.
            steps: Steps of this state.
            eta: Seconds until the round is done.

        Raises:
            LeaseLost: Another worker has the round.
        """
        now = time.monotonic()
        if now - self._reported_at < REPORT_S and step != steps:
            return
        self._reported_at = now
        if self._told(state=state, step=step, steps=steps, eta_seconds=eta, metrics=self.curve):
            self.curve.clear()
        if self._watch is not None:
            self._watch(state, step, steps, eta)

    def begin_scoring(self, images: int) -> None:
        """Report that so many images will be scored; what is measured before them belongs to it."""
        self._told(state="scoring", step=0, steps=images)

    def begin_curve(self, step: int) -> None:
        """Forget the points behind ``step``, where the training stands: it will come by there again.

        Raises:
            DiskFull, WorkspaceBusy, LeaseLost, Cancelled, Stopping: See :meth:`stored`.
        """
        self.curve = [point for point in self.curve if point[0] <= step]
        self.stored(lambda: rounds.forget_points(self.workspace, self.info.id, self._worker, behind=step))

    def report_scoring(self, count: int, of: int, began: float, afterwards: float = 0.0) -> None:
        """Report that ``count`` of ``of`` images are scored since the monotonic time ``began``, seconds.

        What comes ``afterwards`` takes as long as so many images.
        """
        left = of - count + afterwards
        self.report("scoring", count, of, left * (time.monotonic() - began) / count)

    def report_checkpoint(self, checkpoint: Path, step: int, steps: int) -> None:
        """Store where the next worker would go on: a folder in the workspace, and its step as it is shown.

        The points of the curve up to there go along.

        Args:
            checkpoint: The folder.
            step: Steps of training done.
            steps: Steps of training.

        Raises:
            LeaseLost: Another worker has the round.
        """
        place = checkpoint.relative_to(self.workspace.path).as_posix()
        # A worker that takes over from one that died while it scored stands at the end of training again.
        if self._told(state="training", step=step, steps=steps, checkpoint=place, metrics=self.curve):
            self.curve.clear()

    def note(self, sentence: str) -> None:
        """Tell the person, once."""
        if self._notes.add(sentence):
            log.info("round %d: %s", self.info.number, sentence)
            self._told(note=self._notes.text)

    def note_damaged_image(self, name: str) -> None:
        """Tell the person that an image takes no part, since its file cannot be read."""
        if self._notes.add_damaged_image(name):
            self._told(note=self._notes.text)

    def note_damaged_label_map(self, name: str) -> None:
        """Tell the person that the label map of an image takes no part, and how to mend it."""
        if self._notes.add_damaged_label_map(name):
            self._told(note=self._notes.text)

    def stored(self, store: Callable[[], Result]) -> Result:
        """Store what the round has found, again and again while the disk is full or the database in use.

        So that what has trained for long is not lost; the person is told. After :data:`STORED_WITHIN_S` it is
        given up.

        Args:
            store: Can be called again after it failed.

        Raises:
            DiskFull, WorkspaceBusy, OSError: It could not be stored for so long, or for another reason.
            LeaseLost, Cancelled, Stopping: See :meth:`check`; the next worker goes on from the checkpoint.
        """
        until = time.monotonic() + STORED_WITHIN_S
        while True:
            try:
                return store()
            except (DiskFull, WorkspaceBusy, OSError) as error:
                problem = file_error(error, self.folder) if isinstance(error, OSError) else error
                if not isinstance(problem, DiskFull | WorkspaceBusy) or time.monotonic() > until:
                    raise
                self.note(f"{problem} The round is not lost: it tries again by itself.")
                # When it was noted first, there may have been no room for that either.
                self._told(note=self._notes.text)
            again = time.monotonic() + STORED_AGAIN_S
            while time.monotonic() < again:
                self.check()
                time.sleep(min(0.2, STORED_AGAIN_S))

    def suggest_early(self, maps: Mapping[int, tuple[bytes, bytes]]) -> None:
        """Show suggestions before the round is done; see :func:`storage.early_suggestions.suggest_early`.

        Where they cannot be stored the round goes on: they come with all others.

        Args:
            maps: By image id the suggestion and the chance that it is wrong, as PNG each.

        Raises:
            LeaseLost: Another worker has the round.
        """
        put = self.workspace.blobs.put
        try:
            early = [EarlyMaps(number, put(map_png), put(doubt)) for number, (map_png, doubt) in maps.items()]
            suggest_early(self.workspace, self.info.id, self._worker, early)
        except (DiskFull, WorkspaceBusy, OSError):
            log.exception("round %d cannot suggest early; going on", self.info.number)

    def publish(self, done: Published) -> None:
        """End the round as done; see :func:`storage.rounds.publish`.

        Raises:
            LeaseLost, Cancelled, Stopping: See :meth:`check`; no screen shows its order.
            InvalidInput: A score is not a finite number.
            DiskFull, WorkspaceBusy: See :meth:`stored`.
        """
        # The next round goes on from the checkpoint that the row names.
        self.stored(self._tell)
        self.check()
        maps = [key for one in done.predictions for key in (one.map_blob, one.uncertainty_blob)]
        keys = [key for key in (*maps, done.embeddings_blob) if key is not None]

        def publish() -> bool:
            # While the disk was full, what no row names has grown old enough for a sweep.
            self.workspace.blobs.renew(keys)
            return rounds.publish(self.workspace, self.info.id, self._worker, *done)

        if not self.stored(publish):
            raise Cancelled

    def end_cancelled(self) -> None:
        """End the round as the person asked."""
        rounds.cancelled(self.workspace, self.info.id, self._worker)

    def fail(self, sentence: str) -> None:
        """End the round with a sentence for the person."""
        rounds.fail(self.workspace, self.info.id, self._worker, sentence)

    def _told(self, **progress: Any) -> bool:
        """Renew the lease and store the progress, and hear whether to go on; return whether it was stored.

        A database that does not answer for once is not worth a round: the checkpoint and the note come with
        the next report, and when it stays away the lease runs out.

        Raises:
            LeaseLost: Another worker has it.
        """
        try:
            self._tell(**progress)
        except (LeaseLost, InvalidInput):
            raise
        except Exception:
            log.exception("the progress of round %d could not be stored; going on", self.info.number)
            return False
        return True

    def _tell(self, **progress: Any) -> None:
        """Renew the lease and store the progress, with what could not be stored before.

        Raises:
            LeaseLost: Another worker has it.
            InvalidInput: A worker cannot report this.
            DiskFull, WorkspaceBusy: It is not stored.
        """
        # The heartbeat reports too, and must not put an older checkpoint in the place of a newer one.
        with self._reporting:
            self._untold |= {name: value for name, value in progress.items() if name in _TOLD_AGAIN}
            whole = self._untold | progress
            go_on = rounds.report(self.workspace, self.info.id, self._worker, lease_s=LEASE_S, **whole)
            self._untold.clear()
        if not go_on:
            self._cancel_requested.set()
