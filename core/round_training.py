"""The training of one round: goes on from the newest checkpoint, and with less memory when it must."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import torch

from core.checkpoints import newest_checkpoint, remove_others, write_checkpoint
from core.data import TrainingData
from core.model.network import SegmentationNetwork
from core.out_of_memory import Attempt, free_cached_memory, is_out_of_memory, next_attempt
from core.train import StepReport, Training
from core.train_config import TrainConfig

log = logging.getLogger("qualm.worker")

CHECKPOINT_S = 15.0
"""Seconds of training that a killed process loses at most, and a step."""


@dataclasses.dataclass(frozen=True)
class RoundTraining:
    """How to train a round, and whom to tell.

    Attributes:
        build: Makes the network as it is before the first step.
        data: What it trains on.
        config: How.
        folder: Of the round's checkpoints.
        on_start: Called when the training stands at its first step, again after running out of memory.
        on_step: Called after every step; False saves a checkpoint and ends. What it raises ends the
            training without one.
        on_checkpoint: Called with the folder of a new checkpoint and its step, and with those of the one
            that the training goes on from: the process that wrote it may have been killed before the call.
        note: Takes sentences for the person.
        store: Calls what writes the last checkpoint, which the next round needs.
    """

    build: Callable[[], SegmentationNetwork]
    data: TrainingData
    config: TrainConfig
    folder: Path
    on_start: Callable[[Training], None]
    on_step: Callable[[Training, StepReport], bool]
    on_checkpoint: Callable[[Path, int], None]
    note: Callable[[str], None]
    store: Callable[[Callable[[], Path]], Path]

    def run(self, device: torch.device) -> Training | None:
        """Train to the last step and return the training, or None when ``on_step`` ended it earlier.

        Out of memory halves the batch, down to 1, and then changes to the CPU; see the training's
        ``device`` for where it ended.

        Raises:
            OSError: ``store`` does not get the last checkpoint written.
            RuntimeError: Out of memory with nothing left to try, or any other error of PyTorch.
        """
        attempt = Attempt(self.config.batch_size, device)
        while True:
            try:
                return self._run(attempt)
            except (RuntimeError, MemoryError, OSError) as error:
                following = next_attempt(attempt, self.config.batch_size)
                if not is_out_of_memory(error) or following is None:
                    raise
            # Past the except block the traceback no longer holds the tensors that filled the memory.
            free_cached_memory()
            attempt, sentence = following
            self.note(sentence)

    def _run(self, attempt: Attempt) -> Training | None:
        training = self._begun(attempt)
        self.on_start(training)
        saved_at = time.monotonic()

        def after_step(report: StepReport) -> bool:
            nonlocal saved_at
            go_on = self.on_step(training, report)
            if not go_on or report.step == report.steps or time.monotonic() - saved_at > CHECKPOINT_S:
                self._save(training, is_last=report.step == report.steps)
                saved_at = time.monotonic()
            return go_on

        return training if training.run(after_step) else None

    def _save(self, training: Training, *, is_last: bool) -> None:
        """Write a checkpoint; the training goes on without, but for the last, which the next round needs."""

        def write() -> Path:
            return write_checkpoint(self.folder, training.step, training.save)

        try:
            checkpoint = self.store(write) if is_last else write()
        except OSError as error:
            if is_last:
                raise
            self.note(
                f"No checkpoint could be written ({error.strerror or error}). The round trains on, and "
                "begins again from the last one if it is interrupted. Free some space."
            )
            return
        self._keep(checkpoint, training.step)

    def _begun(self, attempt: Attempt) -> Training:
        """Return a training at the newest checkpoint that can be read, or else at its first step."""
        config = dataclasses.replace(self.config, batch_size=attempt.batch_size)
        training = Training(self.build(), self.data, config, attempt.device)
        checkpoint = newest_checkpoint(self.folder)
        if checkpoint is None:
            return training
        try:
            training.restore(checkpoint)
        except ValueError as error:
            log.warning("%s", error)
            shutil.rmtree(checkpoint)
            self.note("The checkpoint was damaged, so the training began again.")
        else:
            log.info("going on from step %d", training.step)
            self._keep(checkpoint, training.step)
            return training
        del training  # A device may have no room for two.
        return self._begun(attempt)

    def _keep(self, checkpoint: Path, step: int) -> None:
        self.on_checkpoint(checkpoint, step)
        remove_others(checkpoint)
