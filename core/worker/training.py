"""Training from one start: with checkpoints, and with the audit images measured on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from core import fresh_start
from core.checkpoints import newest_checkpoint
from core.model.network import SegmentationNetwork
from core.out_of_memory import free_cached_memory, is_out_of_memory
from core.round_training import RoundTraining
from core.train import StepReport, Training
from core.worker.audit import AUDIT_LIMIT, quick_audit_overlap
from core.worker.claim import Claim, Stopping
from core.worker.images import RoundImages
from core.worker.maps import maps_of
from core.worker.network import new_network
from core.worker.snapshot import LoadedSnapshot
from storage.rounds import RoundInfo

EVALUATIONS = 7
"""How often the audit images are evaluated during training."""
_TIMED_IMAGES = 8
"""As many as there are threads, if these are fewer: each has an image of its own."""


def trained_from(
    parent: RoundInfo | None,
    claim: Claim,
    images: RoundImages,
    snapshot: LoadedSnapshot,
    device: torch.device,
) -> Training:
    """Train to the last step from the parent's weights, or from fresh ones without a parent.

    Goes on from the newest checkpoint of this start. The training's ``device`` says where it ended.

    Raises:
        LeaseLost, Cancelled: See :meth:`core.worker.claim.Claim.check`.
        Stopping: The process was asked to end; a checkpoint is saved.
    """
    start: fresh_start.Start = "fresh" if parent is None else "warm"
    went_on = start == "warm" and fresh_start.tried(claim.folder)
    progress = _Progress(claim, images, steps_before=claim.settings.steps if went_on else 0)
    checkpoints = fresh_start.begin(claim.folder, start)

    def network_to_begin_from() -> SegmentationNetwork:
        network = new_network(claim, snapshot.learned.class_count, parent)
        # What goes on from a checkpoint began as that did, whatever can be found by now.
        if start == "fresh" and newest_checkpoint(checkpoints) is None:
            is_random = bool(network.warnings)
            claim.stored(lambda: fresh_start.keep_began_at_random(claim.folder, is_random))
        return network

    training = RoundTraining(
        network_to_begin_from,
        snapshot.data,
        claim.train_config(),
        checkpoints,
        on_start=progress.begin,
        on_step=progress.after_step,
        on_checkpoint=progress.after_checkpoint,
        note=claim.note,
        store=claim.stored,
    ).run(device)
    if training is None:
        raise Stopping
    return training


@dataclasses.dataclass
class _Progress:
    """Reports a training, measures it, and estimates when the round is done.

    Attributes:
        steps_before: The person sees the steps of a fresh start that was worse before those of this one.
        seconds_per_prediction: Of one image of the pool, when it is scored.
        seconds_per_evaluation: Of the audit images.
        fits: Whether the device has room to predict beside the training.
    """

    claim: Claim
    images: RoundImages
    steps_before: int
    seconds_per_prediction: float = 0.0
    seconds_per_evaluation: float = 0.0
    fits: bool = True

    def begin(self, training: Training) -> None:
        """Estimate the time of scoring from a few images, predicted twice: the first time warms up."""
        self.fits = True
        self.claim.begin_curve(training.step + self.steps_before)
        some = self.images.to_score[: min(torch.get_num_threads(), _TIMED_IMAGES)]
        with self._as_far_as_it_fits():
            for _ in range(2):
                began = time.monotonic()
                predicted = list(
                    maps_of(self.claim, self.images.readable(some), training.teacher, training.device)
                )
                self.seconds_per_prediction = (time.monotonic() - began) / max(1, len(predicted))

    def after_step(self, training: Training, report: StepReport) -> bool:
        every = max(1, report.steps // EVALUATIONS)
        step, steps = report.step + self.steps_before, report.steps + self.steps_before
        audited = len(self.images.audit)
        self.claim.curve.append((step, "loss", report.loss))
        self.claim.curve.extend((step, name, value) for name, value in report.parts.items())
        try:
            if audited and self.fits and (report.step % every == 0 or report.step == 1):
                with self._as_far_as_it_fits():
                    self._evaluate(training, step)
            # The measure at the end has all audit images, and mostly the round before as well.
            evaluations = (report.steps - report.step) // every + 2 * max(1, audited / AUDIT_LIMIT)
            eta = (
                report.seconds_left
                + evaluations * self.seconds_per_evaluation
                + len(self.images.to_score) * self.seconds_per_prediction
            )
            self.claim.report("training", step, steps, eta)
            self.claim.check()
        except Stopping:
            return False
        return True

    def after_checkpoint(self, checkpoint: Path, step: int) -> None:
        steps = self.claim.settings.steps + self.steps_before
        self.claim.report_checkpoint(checkpoint, step + self.steps_before, steps)

    @contextlib.contextmanager
    def _as_far_as_it_fits(self) -> Iterator[None]:
        """Do without what is predicted here where the memory does not suffice: the training itself fits."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self.fits = False
            self.claim.note(
                "Too little memory to measure the audit images while it trains; that comes at its end."
            )
        if not self.fits:
            free_cached_memory()

    def _evaluate(self, training: Training, step: int) -> None:
        began = time.monotonic()
        measured = quick_audit_overlap(self.claim, self.images, training.teacher, training.device)
        self.claim.curve.append((step, "audit_miou", measured.miou))
        self.claim.curve.extend(
            (step, f"class_iou/{index}", iou) for index, iou in measured.class_iou.items()
        )
        self.seconds_per_evaluation = time.monotonic() - began
