"""The training loop: one loop for every recipe, resumable to the bit."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from core.batch_statistics import TILE_SIDE, adapt_batch_statistics
from core.batches import Batches
from core.checkpoint_file import misfit, read_checkpoint, with_prefix, write_checkpoint_file
from core.class_weights import mean_class_weights
from core.compilation import compile_in_place, pays
from core.crops import CropDraws
from core.data import NOT_LABELLED, TrainingData
from core.distributed import average_batch_statistics, make_fabric, synchronise_batch_norm
from core.model.network import SegmentationNetwork
from core.model.teacher import decay_at, make_teacher, update_teacher
from core.out_of_memory import free_cached_memory, is_out_of_memory
from core.recipes import consistency, supervised, u2pl
from core.recipes.step import StepInput, StepResult
from core.step_generator import step_generator
from core.train_config import TrainConfig

log = logging.getLogger("qualm.worker")

_RECIPES = {"supervised": supervised.step, "consistency": consistency.step, "u2pl": u2pl.step}
_ENCODER_RATE = 0.3
"""Learning rate of the encoder, which is usually pretrained, relative to that of the new layers."""
_WORK_WITH_UNLABELLED = 7 / 3
"""Time of a step with unlabelled crops, in steps without: the student sees twice as many crops, forward and
backward (as long as two forward), and the teacher half of them, forward."""
_STATISTICS_IMAGES = 32
"""The teacher's batch statistics are adapted to so many images at most, half of them labelled."""
_OPTIMISER = "optimiser."
"""Prefix of the optimiser's tensors in a checkpoint."""
_WARM_UP_STEPS = 10
_MAX_GRADIENT_NORM = 5.0


@dataclass(frozen=True)
class StepReport:
    """One finished step.

    Attributes:
        step: Steps done so far, 1…steps.
        steps: Steps in all.
        loss: What was minimised.
        parts: Its parts by name, unweighted: ``supervised``, ``kl`` and, where unlabelled images train,
            ``unlabelled`` and ``pseudo_labelled_share`` (share of their pixels that do); recipe u2pl
            adds ``contrast``.
        seconds_left: Estimate of the time until all steps are done.
    """

    step: int
    steps: int
    loss: float
    parts: dict[str, float]
    seconds_left: float


class Training:
    """Trains a network in place, beside it a teacher.

    The student, the network that was passed, moves to the device. Predict with :attr:`teacher`.
    All chance of a step comes from generators that are seeded by the step, so a run that is saved and
    restored ends, on a CPU, with the same bits as one that was not.

    In several processes (see :func:`core.distributed.launch`) each draws crops of its own; gradients,
    batch statistics and memories are shared, so student and teacher stay equal everywhere. Negatives
    of the pixel contrast are not shared.

    Args:
        network: The student.
        data: At least one label map; no unlabelled images are fine.
        config: How to train.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps`` …

    Raises:
        ValueError: When nothing is labelled, or the recipe is u2pl and the network has no
            representation head.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        data: TrainingData,
        config: TrainConfig,
        device: torch.device | str,
        fabric: Fabric | None = None,
    ) -> None:
        if not data.labels:
            raise ValueError("Nothing is labelled yet. Label at least one image, then train.")
        self.config = config
        self._data = data
        self.device = torch.device(device)
        self.step = 0
        self._fabric = fabric or make_fabric(self.device)
        self.student = network.to(self.device).to(memory_format=torch.channels_last)
        # A parent's images have other numbers.
        self.student.head.begin(sum(bool((label < NOT_LABELLED).any()) for label in data.labels.values()))
        class_weights = mean_class_weights(
            list(data.labels.values()), config.pixel_weights, self.student.class_count, config.batch_size
        )
        self.student.class_weights.copy_(class_weights)
        self.teacher = make_teacher(self.student)
        if self._fabric.world_size > 1:
            synchronise_batch_norm(self.student, self.device)
        if pays(self.device, config.steps):
            compile_in_place(self.student)
        self.queues = u2pl.make_queues(self.student).to(self.device) if config.recipe == "u2pl" else None
        encoder = list(self.student.encoder.parameters())
        others = [
            parameter
            for name, parameter in self.student.named_parameters()
            if not name.startswith("encoder.")
        ]
        modules = {"student": self.student, "teacher": self.teacher}
        self._modules = nn.ModuleDict(modules | ({} if self.queues is None else {"queues": self.queues}))
        self._optimiser = torch.optim.AdamW(
            [{"params": encoder, "rate": _ENCODER_RATE}, {"params": others, "rate": 1.0}],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=self.device.type in ("cpu", "cuda"),
        )
        self._wrapped_student, self._wrapped_optimiser = self._fabric.setup(self.student, self._optimiser)
        draws = CropDraws(
            data,
            config.batch_size,
            self._crop_side(),
            seed=config.seed,
            rank=self._fabric.global_rank,
            unlabelled_from=first_unlabelled_step(config),
        )
        self._batches = Batches(data, draws, self.device)
        self._first_with_unlabelled = first_unlabelled_step(config) if data.unlabelled else config.steps

    def _crop_side(self) -> int:
        """Return the side of a crop, rounded up: one that ends within a cell would be learned stretched.

        One crop alone is larger than a cell of the deepest map: batch statistics are of two values at least.
        """
        whole_cells = -(-self.config.crop // self.teacher.stride) * self.teacher.stride
        least = 2 * self.teacher.size_multiple if self.config.batch_size == 1 else 0
        return max(whole_cells, least)

    def run(self, on_step: Callable[[StepReport], bool]) -> bool:
        """Train until all steps are done or ``on_step``, called after every step, returns False.

        Of several processes only rank 0 calls ``on_step``; the numbers it sees are means over all.

        Returns:
            True when all steps are done.

        Raises:
            ArithmeticError: When the loss is no longer finite.
        """
        self.student.train()
        seconds_per_work = 0.0
        first = self.step
        while self.step < self.config.steps:
            began = time.perf_counter()
            result = self._train_one_step()
            measured = torch.stack([result.loss.detach(), *result.parts.values()])
            values = torch.as_tensor(self._fabric.all_reduce(measured, reduce_op="mean")).tolist()
            if not math.isfinite(values[0]):
                raise ArithmeticError(
                    f"The loss is not a finite number at step {self.step}. Lower the learning rate."
                )
            took = time.perf_counter() - began
            # The first step also warms up kernels and allocators, so the mean forgets it quickly.
            share = 1.0 if self.step - first <= 2 else 0.1
            seconds_per_work += share * (took / self._work(self.step - 1, self.step) - seconds_per_work)
            report = StepReport(
                self.step,
                self.config.steps,
                values[0],
                dict(zip(result.parts, values[1:], strict=True)),
                seconds_per_work * self._work(self.step, self.config.steps),
            )
            go_on = on_step(report) if self._fabric.is_global_zero else True
            if not self._fabric.broadcast(go_on):
                return self.step == self.config.steps
        return True

    def _work(self, begin: int, end: int) -> float:
        """Return the time of the steps from ``begin`` up to ``end``, in steps without unlabelled crops."""
        with_unlabelled = max(0, end - max(begin, self._first_with_unlabelled))
        return end - begin + (_WORK_WITH_UNLABELLED - 1) * with_unlabelled

    def _train_one_step(self) -> StepResult:
        config = self.config
        generator = step_generator(config.seed, self.step, self._fabric.global_rank)
        labelled, unlabelled = self._batches.at(self.step, config.steps, generator)
        for group in self._optimiser.param_groups:
            group["lr"] = group["rate"] * config.learning_rate * learning_rate_factor(self.step, config.steps)
        # Encoders with stochastic depth draw from the global generator.
        with torch.random.fork_rng(devices=[]), self._fabric.autocast():
            torch.manual_seed(generator.initial_seed())
            result = _RECIPES[config.recipe](
                StepInput(
                    student=self._wrapped_student,
                    teacher=self.teacher,
                    labelled=labelled,
                    unlabelled=unlabelled,
                    config=config,
                    progress=self.step / config.steps,
                    generator=generator,
                    queues=self.queues,
                )
            )
        self._fabric.backward(result.loss)
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), _MAX_GRADIENT_NORM)
        self._wrapped_optimiser.step()
        self._wrapped_optimiser.zero_grad()
        self.student.observe(result.features, result.labels, result.by_person, generator, labelled.indices)
        if self._fabric.world_size > 1:
            average_batch_statistics(self.student, self._fabric)
        update_teacher(self.teacher, self.student, decay_at(self.step, config.ema_decay))
        self.step += 1
        if self.step == config.steps:
            self._adapt_batch_statistics()
        return result

    def _adapt_batch_statistics(self) -> None:
        """Let the teacher, which has learned all it will, see images as it will be shown them."""
        generator = step_generator(self.config.seed, self.step)

        def some_of(indices: list[int]) -> list[int]:
            drawn = torch.randperm(len(indices), generator=generator)[: _STATISTICS_IMAGES // 2]
            return [indices[place] for place in drawn.tolist()]

        labelled = some_of(list(self._data.labels))
        unlabelled = some_of(self._data.unlabelled) if self._first_with_unlabelled < self.config.steps else []
        chosen = [self._data.images[index] for index in labelled + unlabelled]
        for tile_side in (TILE_SIDE, TILE_SIDE // 2, TILE_SIDE // 4):
            try:
                with self._fabric.autocast():
                    adapt_batch_statistics(self.teacher, chosen, self.device, generator, tile_side=tile_side)
                return
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            free_cached_memory()
        log.warning("too little memory to adapt the batch statistics: they stay those of the training")

    def save(self, folder: Path) -> None:
        """Write a checkpoint into ``folder``; an earlier one there stays whole until the new one is."""
        tensors = self._modules.state_dict()
        optimiser = self._optimiser.state_dict()
        for index, state in optimiser["state"].items():
            tensors |= {f"{_OPTIMISER}{index}.{name}": value for name, value in state.items()}
        write_checkpoint_file(folder, tensors, {"step": self.step})

    def restore(self, folder: Path) -> None:
        """Continue from the checkpoint in ``folder``; the batch size may be another than it was.

        Raises:
            ValueError: When there is none, it is damaged, or it belongs to another network.
            RuntimeError, MemoryError: The device fails, or the memory does not suffice; the checkpoint is as
                good as before.
        """
        tensors, training = read_checkpoint(folder)
        moments = with_prefix(tensors, _OPTIMISER)
        saved = {name: value for name, value in tensors.items() if not name.startswith(_OPTIMISER)}
        problem = misfit(self._modules.state_dict(), saved)
        if problem is not None:
            raise ValueError(f"The checkpoint in {folder} belongs to another network: {problem}.")
        class_weights = self.student.class_weights.clone()
        self._modules.load_state_dict(saved)
        optimiser = self._optimiser.state_dict()
        optimiser["state"] = {}
        parameters = [each for group in self._optimiser.param_groups for each in group["params"]]
        for name, value in moments.items():
            index, _, key = name.partition(".")
            of = parameters[int(index)]
            # A fused optimiser walks through memory, so moments must lie there as their parameter does.
            laid_out = torch.empty_like(of).copy_(value) if value.shape == of.shape else value
            optimiser["state"].setdefault(int(index), {})[key] = laid_out
        self._optimiser.load_state_dict(optimiser)
        # What was archived since, and what weighs otherwise in a batch of another size.
        for network in (self.student, self.teacher):
            network.class_weights.copy_(class_weights)
            network.forget_silent()
        self.step = int(training["step"])


def learning_rate_factor(step: int, steps: int) -> float:
    """Return the learning rate's factor at ``step`` (from 0): a short warm-up, then poly with power 0.9."""
    warm_up = min(1.0, (step + 1) / min(_WARM_UP_STEPS, steps))
    return warm_up * (1 - step / steps) ** 0.9


def first_unlabelled_step(config: TrainConfig) -> int:
    """Return the first step whose recipe is given unlabelled crops; ``steps`` when none is."""
    warm_up = {"supervised": 1.0, "consistency": config.warm_up, "u2pl": u2pl.WARM_UP}[config.recipe]
    return math.ceil(warm_up * config.steps)
