"""How good a network is on labelled images it never trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.model.network import SegmentationNetwork
from core.predict import class_map_at, predict
from core.uncertainty import class_iou, confusion_matrix


@dataclass(frozen=True)
class Evaluation:
    """Counts over all images first, then the measure.

    Attributes:
        miou: Mean IoU over the classes that occur in truth or prediction, in [0, 1]; NaN when none does.
        class_iou: IoU by class index, without the classes that do not occur.
        images: How many images were counted.
    """

    miou: float
    class_iou: dict[int, float]
    images: int


def evaluate(
    network: SegmentationNetwork,
    labelled: Iterable[tuple[Tensor, Tensor]],
    *,
    samples: int,
    seed: int,
    device: torch.device,
) -> Evaluation:
    """Measure a network at the resolution of the label maps.

    Args:
        network: on ``device``; put into evaluation mode.
        labelled: image ``uint8 (3, h, w)`` as the network sees it, label map ``uint8 (H, W)`` of any size
            and the same aspect; 254 and 255 are not counted, nor are classes the network does not know.
        samples: latent samples per image.
        seed: the same latent noise is drawn for every image.
        device: where to predict.
    """
    class_count = network.class_count
    confusion = torch.zeros(class_count, class_count, dtype=torch.int64)
    images = 0
    for image, truth in labelled:
        prediction = predict(
            network, image, samples=samples, generator=torch.Generator().manual_seed(seed), device=device
        )
        class_map = class_map_at(prediction.probabilities, *truth.shape)
        known = torch.where(truth < class_count, truth, 255)
        confusion += confusion_matrix(class_map, known, class_count)
        images += 1
    by_class = {i: iou for i, iou in enumerate(class_iou(confusion).tolist()) if not math.isnan(iou)}
    return Evaluation(sum(by_class.values()) / len(by_class) if by_class else math.nan, by_class, images)
