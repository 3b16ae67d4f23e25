"""Nuclei of the Data Science Bowl 2018 under a frozen encoder (see ``frozen_encoder.py``), at 256×256.

Microscopy of several kinds in one set: most images show bright nuclei on black, some are stained tissue, few
are bright and grey. Images of all sizes are stretched to the same square.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from frozen_encoder import FrozenImages, encoded, kept_or_made
from PIL import Image
from torch import Tensor

CLASSES = ["background", "nucleus"]
SIDE = 256


def load(data: Path) -> FrozenImages:
    """Return the features of the nuclei's images, 464 for training; label maps of test images are 256×256.

    Args:
        data: The folder with images, masks and dataset.json.
    """

    def made() -> dict[str, Tensor]:
        splits = json.loads((data / "dataset.json").read_text(encoding="utf-8"))["splits"]
        train, labels = read(data, sorted(splits["train"]))
        test, test_labels = read(data, sorted(splits["test"]))
        alone = torch.full((len(train),), -1)
        series = {"groups": alone, "positions": torch.zeros_like(alone)}
        return {**encoded(train, labels, test), "test_labels": test_labels, **series}

    return kept_or_made("nuclei", data, made)


def read(data: Path, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return images ``(N, 3, 256, 256)`` and label maps ``(N, 256, 256)``, both uint8."""
    pixels, maps = [], []
    for name in names:
        with Image.open(data / "images" / f"{name}.jpg") as image:
            square = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        pixels.append(torch.from_numpy(np.array(square)).permute(2, 0, 1))
        with Image.open(data / "masks" / f"{name}.png") as label:
            maps.append(torch.from_numpy(np.array(label.resize((SIDE, SIDE), Image.Resampling.NEAREST))))
    return torch.stack(pixels), torch.stack(maps)
