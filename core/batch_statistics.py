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

BATCH = 8
"""About so many images have their statistics taken together: few of them miss how images differ."""
TILE_SIDE = 512
"""Of a larger image a tile of this side counts, in pixels: a batch then needs the memory of a prediction."""


@torch.no_grad()
def estimate_batch_statistics(
    network: SegmentationNetwork,
    images: Sequence[Tensor],
    device: torch.device,
    generator: torch.Generator,
    *,
    tile_side: int = TILE_SIDE,
) -> None:
    """Set mean and variance of every batch normalisation to their means over batches of whole images.

    A network without one stays as it is, and so does any that is given a single image, which has no batch.
    Nothing else changes, and no gradient is kept.

    Args:
        network: On ``device``; it is left in the mode it was in.
        images: ``uint8 (3, h, w)`` of any sizes; those of a batch, which are near in size, take that of its
            first.
        device: Where to compute.
        generator: On the CPU; draws which images of a size make a batch, and the places of tiles.
        tile_side: See :data:`TILE_SIDE`.
    """
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not layers or len(images) < 2:
        return
    order = torch.randperm(len(images), generator=generator).tolist()
    tiles = sorted((_tile(images[at], tile_side, generator) for at in order), key=lambda tile: tile.shape)
    before = [(layer.training, layer.momentum) for layer in layers]
    training = network.training
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # Of all batches the same share.
        layer.train()
    try:
        for batch in np.array_split(np.arange(len(tiles)), math.ceil(len(tiles) / BATCH)):
            network.encode(_of_one_size([tiles[index] for index in batch], device))
    finally:
        network.train(training)
        for layer, (mode, momentum) in zip(layers, before, strict=True):
            layer.momentum = momentum
            layer.train(mode)


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
        image
        if image.shape[1:] == size
        else F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
        for image in every
    ]
    return torch.stack(same).contiguous(memory_format=torch.channels_last)
