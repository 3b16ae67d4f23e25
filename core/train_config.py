"""How a network is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainConfig:
    """How to train; the fields mean what they mean in the round settings."""

    recipe: Literal["supervised", "consistency", "u2pl"] = "consistency"
    crop: int = 192
    steps: int = 150
    batch_size: int = 4
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    ema_decay: float = 0.97
    kl_weight: float = 0.005
    unlabelled_weight: float = 1.0
    warm_up: float = 0.25
    confidence: float = 0.8
    max_entropy: float = 0.4
    unreliable_share: float = 0.2
    contrast_weight: float = 0.1
    pixel_weights: Literal["balanced", "even", "hardest"] = "balanced"
    samples_train: int = 3
    seed: int = 0
