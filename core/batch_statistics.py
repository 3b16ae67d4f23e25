"""The batch statistics of a trained network, estimated from images as it will see them.

While it trains, its statistics are running means over crops, in other sizes and colours, of weights that
still change, and a teacher's are a mean of those. What it predicts are whole images in their own colours.
Estimated from such images with the weights that it ends with, they are right for them (Wu and Johnson 2021,
"Rethinking 'Batch' in BatchNorm", §3; Touvron et al. 2019, "Fixing the train-test resolution discrepancy").
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from core.model.network import SegmentationNetwork
from core.predict import TILE_SIDE

BATCH = 4
"""About so many images have their statistics taken together: of one alone they miss how images differ."""


@torch.no_grad()
def estimate_batch_statistics(
    network: SegmentationNetwork,
    images: Sequence[Tensor],
    chosen: Sequence[int],
    device: torch.device,
    generator: torch.Generator,
    *,
    tile_side: int = TILE_SIDE,
) -> None:
    """Set mean and variance of every batch normalisation to their means over batches of whole images.

    A network without one stays as it is. Nothing else changes, and no gradient is kept.

    Args:
        network: On ``device``; it is left in the mode it was in.
        images: ``uint8 (3, h, w)`` of any sizes; those of a batch take the size of its first.
        chosen: Indices of those that count, at least one.
        device: Where to compute.
        generator: On the CPU; draws the place of the tile.
        tile_side: Of an image with a longer side one tile of this side counts, in pixels, as large as the
            network is shown at once when it predicts.
    """
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not layers:
        return
    training, momenta = network.training, [layer.momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # Of all batches the same share.
        layer.train()
    for batch in np.array_split(chosen, math.ceil(len(chosen) / BATCH)):
        tiles = [_tile(images[index], tile_side, generator) for index in batch]
        network.encode(_of_one_size(tiles, device))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.train(training)


def _tile(image: Tensor, side: int, generator: torch.Generator) -> Tensor:
    top, left = (
        int(torch.randint(max(1, length - side + 1), (), generator=generator)) for length in image.shape[1:]
    )
    return image[:, top : top + side, left : left + side]


def _of_one_size(images: Sequence[Tensor], device: torch.device) -> Tensor:
    """Return images as ``(B, 3, h, w)`` float in [0, 1]."""
    every = [image.to(device).float() / 255 for image in images]
    size = every[0].shape[1:]
    same = [
        image if image.shape[1:] == size else F.interpolate(image[None], size, mode="bilinear")[0]
        for image in every
    ]
    return torch.stack(same).contiguous(memory_format=torch.channels_last)
