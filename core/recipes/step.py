"""What a recipe's training step works with, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from core.data import Batch, UnlabelledBatch
from core.model.network import NetworkOutput, SegmentationNetwork
from core.recipes.class_queues import ClassQueues
from core.train_config import TrainConfig

Student = Callable[..., NetworkOutput]
"""The student network, or a wrapper of it that is called the same way."""


class StepInput(NamedTuple):
    """One training step's state and crops."""

    student: Student
    teacher: SegmentationNetwork
    labelled: Batch
    unlabelled: UnlabelledBatch | None
    """None when nothing is unlabelled, or the recipe does not ask for it."""
    config: TrainConfig
    progress: float
    """Share of the steps that are done, in [0, 1)."""
    generator: torch.Generator
    """On the CPU."""
    queues: ClassQueues | None = None
    """Negatives of the pixel contrast; only recipe ``u2pl`` has and writes them."""


class StepResult(NamedTuple):
    """What a training step hands back to the loop."""

    loss: torch.Tensor
    """Scalar to minimise."""
    parts: dict[str, torch.Tensor]
    """Detached scalars for the curves."""
    features: torch.Tensor
    """``(B, F, h, w)`` detached; the loop lets the student observe them after the optimiser's step."""
    labels: torch.Tensor
    """``(B, H, W)`` uint8 labels of those features, pseudo-labels included."""
    by_person: torch.Tensor
    """``(B,)`` bool, False where the labels are pseudo-labels."""
