"""CamVid with the whole network trained, at 480×360: the protocol for a machine with a GPU.

The product's network (EfficientNet-Lite0 with its ImageNet weights, DeepLabV3+) is trained by the product's
loop (:class:`core.train.Training`), encoder and all, on crops of 256 pixels. mIoU is the teacher's over all
233 test images at their full size, without flips or scales.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from frozen_camvid import CLASSES, drives, read
from frozen_encoder import ENCODER
from torch import Tensor, nn

from core.acquisition.pixel_scores import SampleStatistics
from core.data import TrainingData
from core.guided_maps import GuidedMaps
from core.model.head import Head
from core.model.network import SegmentationNetwork, build_network
from core.train import Training
from core.train_config import TrainConfig
from core.uncertainty import confusion_matrix

CONFIG = TrainConfig(
    recipe="supervised",
    crop=256,
    steps=600,
    batch_size=8,
    learning_rate=3e-3,
    ema_decay=0.99,
    pixel_weights="balanced",
)
AT_ONCE = 16
"""Images that are predicted together."""

MakeHead = Callable[[int, int], Head]
Probabilities = Callable[[Tensor], Tensor]
"""Turns images ``(B, 3, h, w)`` in [0, 1] into probabilities ``(T, B, C, h / 4, w / 4)``, float32."""


@dataclass(frozen=True)
class Labelled:
    """Images with their true label maps.

    Attributes:
        images: ``(N, 3, 360, 480)`` uint8.
        labels: ``(N, 360, 480)`` uint8, void as 255.
        drives: ``(N,)`` int64, which drive an image is from.
        places: ``(N,)`` int64, its place in it.
    """

    images: Tensor
    labels: Tensor
    drives: Tensor
    places: Tensor

    def __len__(self) -> int:
        return len(self.images)


def load(data: Path, split: str) -> Labelled:
    """Read the folders ``train`` and ``trainannot``, or those of another split."""
    return Labelled(*read(data / split, data / f"{split}annot", 480, 360), *drives(data / split))


class Dropping(nn.Module):
    """A part of the network, and dropout on what it returns."""

    def __init__(self, part: nn.Module, share: float) -> None:
        super().__init__()
        self.part = part
        self.dropout = nn.Dropout(share)

    def forward(self, *inputs: Any) -> Any:
        result = self.part(*inputs)
        return [self.dropout(map_) for map_ in result] if isinstance(result, list) else self.dropout(result)


def untrained(
    head: MakeHead, seed: int, *, representation: bool = False, dropout: float = 0.0
) -> SegmentationNetwork:
    """Build the network; the seed gives its initial values, ``dropout`` is that behind the decoder.

    With dropout the encoder's maps lose half that share, as under the frozen encoder.
    """
    network = build_network(
        len(CLASSES),
        encoder=ENCODER,
        decoder="DeepLabV3Plus",  # What all rows were trained with.
        head="linear",
        representation=representation,
        generator=torch.Generator().manual_seed(seed),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network.head = head(network.head.classify.in_channels, len(CLASSES))  # type: ignore[union-attr, arg-type]
    if dropout:
        network.encoder = Dropping(network.encoder, dropout / 2)
        network.decoder = Dropping(network.decoder, dropout)
    return network


def train(
    network: SegmentationNetwork,
    config: TrainConfig,
    data: Labelled,
    labelled: Sequence[int],
    device: torch.device,
) -> tuple[SegmentationNetwork, float]:
    """Train with the product's loop and return the teacher and the seconds it took.

    All images that are not ``labelled`` are unlabelled, unless the recipe is ``supervised``.
    """
    known = set(labelled)
    training = Training(
        network,
        TrainingData(
            list(data.images),
            {index: data.labels[index] for index in sorted(known)},
            [index for index in range(len(data)) if index not in known],
        ),
        config,
        device,
    )
    began = time.perf_counter()
    training.run(lambda report: True)
    return training.teacher.eval(), time.perf_counter() - began


def in_bfloat16(probabilities: Probabilities) -> Probabilities:
    """Return the same way to probabilities, in the precision that the product predicts with on a GPU."""

    def quicker(images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda):
            return probabilities(images)

    return quicker


def batches(
    data: Labelled, chosen: Sequence[int] | None, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images in [0, 1] and label maps on the device, all or the chosen ones in their order."""
    indices = torch.arange(len(data)) if chosen is None else torch.tensor(chosen)
    for some in torch.split(indices, AT_ONCE):
        images = data.images[some].to(device).float() / 255
        yield images.contiguous(memory_format=torch.channels_last), data.labels[some].to(device)


class Confusions(NamedTuple):
    """Confusion matrices ``(C, C)`` over images at their full size."""

    bilinear: Tensor
    along_edges: Tensor
    """Of class maps that are drawn as the product draws suggestions."""


@torch.inference_mode()
def confusions(
    probabilities: Probabilities, data: Labelled, chosen: Sequence[int] | None, device: torch.device
) -> Confusions:
    """Count all or the chosen images."""
    found = Confusions(*torch.zeros(2, len(CLASSES), len(CLASSES), dtype=torch.int64))
    for images, labels in batches(data, chosen, device):
        statistics = SampleStatistics([])
        statistics.add(probabilities(images))
        mean = statistics.mean()
        height, width = labels.shape[1:]
        drawn = [
            torch.cat(list(GuidedMaps(of_image, 255 * image, (height / 4, width / 4)).pieces())).argmax(dim=0)
            for of_image, image in zip(mean, images, strict=True)
        ]
        for total, class_maps in zip(found, (enlarged(mean).argmax(dim=1), torch.stack(drawn)), strict=True):
            total += confusion_matrix(class_maps, labels, len(CLASSES)).cpu()
    return found


def enlarged(maps: Tensor) -> Tensor:
    """Enlarge ``(B, c, h, w)`` fourfold, to the size of the image."""
    return F.interpolate(maps, scale_factor=4, mode="bilinear", align_corners=False)
