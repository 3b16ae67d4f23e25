"""The batch statistics of a trained network, moved halfway to those of images as it will see them.

While it trains, its statistics are running means over crops, in other sizes and colours, of weights that
still change, and a teacher's are a mean of those. What it predicts are whole images in their own colours.
Statistics of some of these, with the weights that it ends with, fit them; those of the training are of many
more images, and what the last layers have learned with. Halfway is better than either (Schneider et al. 2020,
"Improving robustness against common corruptions by covariate shift adaptation", §3, there for images of
another kind; with the new ones alone: Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm", §3).
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

POPULATION_SHARE = 0.5
"""Share that the new statistics have; the rest is that of the training's."""
BATCH = 8
"""About so many images have their statistics taken together: few of them miss how images differ."""
TILE_SIDE = 512
"""Of a larger image a tile of this side counts, in pixels: a batch then needs the memory of a prediction."""


@torch.no_grad()
def adapt_batch_statistics(
    network: SegmentationNetwork,
    images: Sequence[Tensor],
    device: torch.device,
    generator: torch.Generator,
    *,
    tile_side: int = TILE_SIDE,
) -> None:
    """Move mean and variance of every batch normalisation halfway to those of its inputs over whole images.

    That variance is the mean of those within batches plus the variance of their means. A network without such
    a layer stays as it is, and so does any that is given a single image, which is no batch. Nothing else
    changes, and no gradient is kept.

    Args:
        network: On ``device``; it is left in the mode it was in.
        images: ``uint8 (3, h, w)`` of any sizes; those of a batch, which are mostly near in size, take that
            of the middle one.
        device: Where to compute.
        generator: On the CPU; draws which images of a size make a batch, and the places of tiles.
        tile_side: See :data:`TILE_SIDE`.

    Raises:
        RuntimeError, MemoryError: Such as the memory does not suffice; nothing has changed then.
    """
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not layers or len(images) < 2:
        return
    order = torch.randperm(len(images), generator=generator).tolist()
    tiles = sorted((_tile(images[at], tile_side, generator) for at in order), key=lambda tile: tile.shape)
    training, momenta = network.training, [layer.momentum for layer in layers]
    before = [torch.stack(_statistics(layer)) for layer in layers]
    network.eval()
    for layer in layers:
        layer.momentum = 1.0  # What it holds is of the last batch alone.
        layer.train()
    held: list[list[Tensor]] = [[] for _ in layers]
    try:
        for batch in np.array_split(np.arange(len(tiles)), math.ceil(len(tiles) / BATCH)):
            network.encode(_of_one_size([tiles[at] for at in batch], device))
            for of_layer, layer in zip(held, layers, strict=True):
                of_layer.append(torch.stack(_statistics(layer)))
    finally:
        network.train(training)
        for layer, momentum, old in zip(layers, momenta, before, strict=True):
            layer.momentum = momentum
            for value, kept in zip(_statistics(layer), old, strict=True):
                value.copy_(kept)
    for of_layer, layer in zip(held, layers, strict=True):
        means, variances = torch.stack(of_layer).unbind(dim=1)
        mean, variance = _statistics(layer)
        mean.lerp_(means.mean(dim=0), POPULATION_SHARE)
        variance.lerp_(variances.mean(dim=0) + means.var(dim=0, correction=0), POPULATION_SHARE)


def _statistics(layer: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Return mean and variance as the layer holds them, ``(C,)`` each."""
    if layer.running_mean is None or layer.running_var is None:
        raise ValueError("A batch normalisation that keeps no statistics predicts by those of the batch.")
    return layer.running_mean, layer.running_var


def _tile(image: Tensor, side: int, generator: torch.Generator) -> Tensor:
    top, left = (
        int(torch.randint(max(1, length - side + 1), (), generator=generator)) for length in image.shape[1:]
    )
    return image[:, top : top + side, left : left + side]


def _of_one_size(images: Sequence[Tensor], device: torch.device) -> Tensor:
    """Return images as ``(B, 3, h, w)`` float in [0, 1]."""
    every = [image.to(device).float() / 255 for image in images]
    # The first and the last by size may be a thumbnail or a banner, which the rest must not become.
    size = every[len(every) // 2].shape[1:]
    same = [
        image
        if image.shape[1:] == size
        else F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
        for image in every
    ]
    return torch.stack(same).contiguous(memory_format=torch.channels_last)
