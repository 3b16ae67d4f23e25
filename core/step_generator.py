"""Chance that needs no memory: every training step has generators of its own."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch


def step_generator(
    seed: int, step: int, rank: int = 0, use: Literal["crops", "recipe"] = "recipe"
) -> torch.Generator:
    """Return a CPU generator that depends on nothing but the arguments.

    Steps can thus be prepared ahead, repeated and resumed in any order and by any process.

    Args:
        seed: Of the training, ≥ 0.
        step: From 0.
        rank: Of the process among those that train together.
        use: ``crops`` draws what is read and cut, ``recipe`` everything else of the step.
    """
    # PyTorch's generator takes 32 bits of a seed; SeedSequence mixes all four numbers into them.
    mixed = np.random.SeedSequence([seed, step, rank, use == "crops"]).generate_state(1)
    return torch.Generator().manual_seed(int(mixed[0]))
