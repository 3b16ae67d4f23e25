"""CamVid under a frozen encoder (see ``frozen_encoder.py``), at 240×176."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from frozen_encoder import FrozenImages, encoded, kept_or_made
from PIL import Image
from torch import Tensor

from core.data import VOID

CLASSES = [
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"
]  # fmt: skip
WIDTH, HEIGHT = 240, 176


def load(data: Path) -> FrozenImages:
    """Return the features of CamVid's images; label maps of test images are 360×480.

    Args:
        data: The folder with train, trainannot, test and testannot.
    """

    def made() -> dict[str, Tensor]:
        train, labels = read(data / "train", data / "trainannot", WIDTH, HEIGHT)
        test, test_labels = read(data / "test", data / "testannot", WIDTH, HEIGHT)
        groups, positions = drives(data / "train")
        series = {"groups": groups, "positions": positions}
        return {**encoded(train, labels, test), "test_labels": test_labels, **series}

    return kept_or_made("camvid", data, made)


def read(images: Path, labels: Path, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Return images ``(N, 3, height, width)`` and label maps ``(N, 360, 480)``, both uint8, void as 255."""
    pixels, maps = [], []
    for file in sorted(images.iterdir()):
        with Image.open(file) as image:
            small = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
        pixels.append(torch.from_numpy(np.array(small)).permute(2, 0, 1))
        with Image.open(labels / f"{file.stem}.png") as label:
            label_map = np.array(label)
        label_map[label_map >= len(CLASSES)] = VOID
        maps.append(torch.from_numpy(label_map))
    return torch.stack(pixels), torch.stack(maps)


def drives(images: Path) -> tuple[Tensor, Tensor]:
    """Return the drive of each image of a folder and its place in it, ``(N,)`` each, from the file names."""
    names = [file.name.split("_")[0] for file in sorted(images.iterdir())]
    first = {name: names.index(name) for name in names}
    groups = torch.tensor([list(first).index(name) for name in names])
    return groups, torch.tensor([place - first[name] for place, name in enumerate(names)])
