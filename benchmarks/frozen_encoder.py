"""Training under a frozen encoder: the protocol for scientific comparisons on a machine without a GPU.

EfficientNet-Lite0 with its ImageNet weights sees every image once; its feature maps of stride 4 and 16 are
kept. What is trained is everything after the encoder: DeepLabV3+'s decoder with 64 channels and the head. A
training image has four views: plain, mirrored, and both in other colours (the strong views). CutMix mixes
feature maps, in boxes of 16 pixels.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.augment import photometric
from core.class_weights import mean_class_weights
from core.data import Batch, UnlabelledBatch, label_to_size
from core.model.head import Head
from core.model.network import SegmentationNetwork, build_network, make_repeatable
from core.model.representation_head import RepresentationHead
from core.model.teacher import decay_at, make_teacher, update_teacher
from core.recipes.class_queues import ClassQueues
from core.recipes.step import StepInput, StepResult
from core.train import first_unlabelled_step, learning_rate_factor
from core.train_config import TrainConfig

ENCODER = "tf_efficientnet_lite0"
DECODER = "DeepLabV3Plus"
"""Not that of a new project: all results of the protocol are of it, and of the map that it dilates."""
LOW_CHANNELS = 24
"""Channels of the map of stride 4; packed into stride 16 they are sixteen times as many."""
CHANNELS = 64
"""Of the decoder's last feature map."""
VIEWS = ("plain", "mirrored", "strong", "strong mirrored")


@dataclass(frozen=True)
class FrozenImages:
    """Feature maps and label maps of images of H×W pixels, both multiples of 16.

    Attributes:
        views: ``(4, N, 704, H/16, W/16)`` float16, packed feature maps of the training images.
        labels: ``(N, H/4, W/4)`` uint8, at the resolution of the features.
        test: ``(M, 704, H/16, W/16)`` float16.
        test_labels: ``(M, height, width)`` uint8, as large as they were read.
        groups: ``(N,)`` int64, number of the series of each training image; −1 for an image by itself.
        positions: ``(N,)`` int64, its place in the series.
    """

    views: Tensor
    labels: Tensor
    test: Tensor
    test_labels: Tensor
    groups: Tensor
    positions: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class PackedPyramid(nn.Module):
    """Stands in for the encoder: takes packed feature maps apart."""

    def forward(self, packed: Tensor) -> list[Tensor | None]:
        """Turn ``(B, 704, h, w)`` into a pyramid with the two maps that DeepLabV3+ reads."""
        low, deep = packed.float().tensor_split([LOW_CHANNELS * 16], dim=1)
        return [None, None, F.pixel_shuffle(low, 4), None, None, deep]


class FrozenNetwork(SegmentationNetwork):
    """The product's network, whose images are packed feature maps."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features ``(B, 64, 4 h, 4 w)`` and the embedding ``(B, 320)``."""
        pyramid = self.encoder(images)
        return self.decoder(pyramid), F.normalize(pyramid[-1].mean(dim=(2, 3)), dim=1)


class _TapByTap(torch.autograd.Function):
    """A depthwise convolution with dilation, one tap of the kernel after the other."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.dilation = dilation
        result = torch.zeros_like(images)
        for row, column, to, source in _taps(images.shape, weight.shape, dilation):
            result[to] += images[source] * weight[:, 0, row, column, None, None]
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        images, weight = ctx.saved_tensors
        of_images, of_weight = torch.zeros_like(images), torch.zeros_like(weight)
        for row, column, to, source in _taps(images.shape, weight.shape, ctx.dilation):
            of_images[source] += gradient[to] * weight[:, 0, row, column, None, None]
            of_weight[:, 0, row, column] = (gradient[to] * images[source]).sum(dim=(0, 2, 3))
        return of_images, of_weight, None


def _taps(
    size: Sequence[int], kernel: Sequence[int], dilation: int
) -> Iterator[tuple[int, int, tuple[Any, ...], tuple[Any, ...]]]:
    """Yield the taps that meet a pixel at all: row and column, where it adds to, and where it reads."""
    for row, column in itertools.product(range(kernel[2]), range(kernel[3])):
        to, source = [], []
        for place, centre, length in ((row, kernel[2] // 2, size[2]), (column, kernel[3] // 2, size[3])):
            offset = (place - centre) * dilation
            to.append(slice(max(0, -offset), min(length, length - offset)))
            source.append(slice(max(0, offset), min(length, length + offset)))
        if all(one.start < one.stop for one in to):
            yield row, column, (..., *to), (..., *source)


class TapByTapConv2d(nn.Conv2d):
    """A dilated depthwise convolution that is fast on small maps.

    Far taps of a 3×3 kernel of dilation 12 or 18 miss a map of 11×15 altogether, and the CPU library has a
    fast kernel only without dilation.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve ``(B, C, h, w)`` to the same shape."""
        result: Tensor = _TapByTap.apply(input, self.weight, self.dilation[0])
        return result


def _make_quick(decoder: nn.Module) -> None:
    for module in decoder.modules():
        if isinstance(module, nn.Conv2d) and module.dilation[0] > 1 and module.groups == module.in_channels:
            module.__class__ = TapByTapConv2d


def frozen_network(
    head: Callable[[int, int], Head],
    class_count: int,
    seed: int,
    representation: Callable[[int], RepresentationHead] | None = None,
    kind: type[FrozenNetwork] = FrozenNetwork,
) -> FrozenNetwork:
    """Build a network with random initial values that come from the seed.

    Args:
        head: Makes the head from the channels of the features and the number of classes.
        class_count: Number of classes.
        seed: Of the initial values.
        representation: Makes U2PL's representation head from the channels.
        kind: FrozenNetwork or one that does something to the packed feature maps.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = smp.create_model(
            DECODER,
            encoder_name=f"tu-{ENCODER}",
            encoder_weights=None,
            decoder_channels=CHANNELS,
            decoder_atrous_rates=(6, 12, 18),
        )
        make_repeatable(model.decoder)
        _make_quick(model.decoder)
        made = None if representation is None else representation(CHANNELS)
        network = kind(
            PackedPyramid(),
            model.decoder,
            head(CHANNELS, class_count),
            class_count,
            1,
            (0.0,) * 3,
            (1.0,) * 3,
            made,
        )
    return network.to(memory_format=torch.channels_last)


def kept_or_made(name: str, data: Path, make: Callable[[], dict[str, Tensor]]) -> FrozenImages:
    """Return what an earlier call with this name and folder left in the temporary folder, or make it."""
    key = hashlib.sha256(f"2 {data.resolve()} {torch.__version__}".encode()).hexdigest()[:12]
    file = Path(tempfile.gettempdir()) / f"qualm-frozen-{name}-{key}.pt"
    if not file.exists():
        partial = file.with_suffix(".partial")
        torch.save(make(), partial)
        partial.replace(file)
    return FrozenImages(**torch.load(file, mmap=True))


@torch.inference_mode()
def encoded(train: Tensor, labels: Tensor, test: Tensor) -> dict[str, Tensor]:
    """Encode images.

    Args:
        train: ``(N, 3, H, W)`` uint8, training images.
        labels: ``(N, height, width)`` uint8, their label maps.
        test: ``(M, 3, H, W)`` uint8, test images.

    Returns:
        The views, labels and test images of a :class:`FrozenImages`.
    """
    network = build_network(2, encoder=ENCODER, decoder=DECODER, head="linear").eval()
    generator = torch.Generator().manual_seed(0)

    def packed(images: Tensor) -> Tensor:
        normalised = (images - network.mean) / network.std
        pyramid = network.encoder(normalised.contiguous(memory_format=torch.channels_last))
        return torch.cat([F.pixel_unshuffle(pyramid[2], 4), pyramid[-1]], dim=1).half()

    views: list[list[Tensor]] = [[] for _ in VIEWS]
    for images in torch.split(train, 16):
        plain = images.float() / 255
        mirrored = plain.flip(3)
        strong = [photometric(view, generator) for view in (plain, mirrored)]
        for view, kept in zip((plain, mirrored, *strong), views, strict=True):
            kept.append(packed(view))
    return {
        "views": torch.stack([torch.cat(kept) for kept in views]),
        "labels": label_to_size(labels, train.shape[2] // 4, train.shape[3] // 4),
        "test": torch.cat([packed(images.float() / 255) for images in torch.split(test, 16)]),
    }


def warm_up_column(recipe: str) -> dict[str, object]:
    """Return the column for the share of the steps that recipe consistency trains on labels alone."""
    return {"warm_up": TrainConfig().warm_up} if recipe == "consistency" else {}


def labelled_indices(count: int, seed: int, of: int) -> Tensor:
    """Return ``count`` of ``of`` training images, ``(count,)``; fewer are a part of more."""
    return torch.randperm(of, generator=torch.Generator().manual_seed(1000 + seed))[:count]


def train(
    network: FrozenNetwork,
    step: Callable[[StepInput], StepResult],
    config: TrainConfig,
    data: FrozenImages,
    labelled: Tensor,
    queues: ClassQueues | None = None,
) -> tuple[SegmentationNetwork, float]:
    """Train with a recipe's step, as :class:`core.train.Training` does, and return teacher and CPU seconds.

    All training images that are not ``labelled`` are unlabelled, unless the recipe is ``supervised``.
    """
    others = torch.ones(len(data.labels), dtype=torch.bool)
    others[labelled] = False
    unlabelled = others.nonzero().flatten()
    draws = torch.Generator().manual_seed(2000 + config.seed)
    chance = torch.Generator().manual_seed(3000 + config.seed)
    label_maps = [data.labels[int(image)] for image in labelled]
    network.class_weights.copy_(
        mean_class_weights(label_maps, config.pixel_weights, network.class_count, config.batch_size)
    )
    teacher = make_teacher(network)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    network.train()
    began = time.process_time()
    for number in range(config.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * learning_rate_factor(number, config.steps)
        views = None
        if number >= first_unlabelled_step(config) and len(unlabelled):
            views = _unlabelled_views(data, unlabelled, config.batch_size, draws)
        batch = _labelled_views(data, labelled, config.batch_size, draws)
        progress = number / config.steps
        result = step(
            StepInput(
                network, teacher, batch, views, config, progress=progress, queues=queues, generator=chance
            )
        )
        optimiser.zero_grad()
        torch.autograd.backward(result.loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        network.observe(result.features, result.labels, result.by_person, chance, batch.indices)
        update_teacher(teacher, network, decay_at(number, config.ema_decay))
    return teacher, time.process_time() - began


def _labelled_views(data: FrozenImages, chosen: Tensor, count: int, generator: torch.Generator) -> Batch:
    index = chosen[torch.randint(len(chosen), (count,), generator=generator)]
    mirrored = torch.randint(2, (count,), generator=generator)
    labels = data.labels[index]
    labels = torch.where(mirrored[:, None, None] == 1, labels.flip(2), labels)
    return Batch(data.views[mirrored, index].float(), labels, index)


def _unlabelled_views(
    data: FrozenImages, chosen: Tensor, count: int, generator: torch.Generator
) -> UnlabelledBatch:
    index = chosen[torch.randint(len(chosen), (count,), generator=generator)]
    mirrored = torch.randint(2, (count,), generator=generator)
    inside = torch.ones(count, *data.labels.shape[1:], dtype=torch.bool)
    return UnlabelledBatch(
        data.views[mirrored, index].float(), data.views[mirrored + 2, index].float(), inside
    )
