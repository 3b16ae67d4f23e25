"""What a person is shown of a prediction: the most probable classes, drawn along the edges of the image."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from core.enlarged_class_map import enlarged_class_map
from core.guided_maps import GuidedMaps
from core.most_probable import MostProbable
from core.predict import ImagePrediction


class Suggestion(NamedTuple):
    """Of an image that the network saw at H×W pixels; on the CPU."""

    class_map: Tensor
    """``(height, width)`` uint8, the most probable class."""
    confidence: Tensor
    """``(H, W)`` float in [0, 1], the probability at natural frequencies that the class is right."""


def guided(prediction: ImagePrediction, image: Tensor) -> GuidedMaps:
    """Return the probabilities of a prediction along the edges of its image, ``uint8 (3, H, W)``."""
    return GuidedMaps(prediction.probabilities, image, prediction.extent)


@torch.inference_mode()
def suggestion(maps: GuidedMaps, class_weights: Tensor, height: int, width: int) -> Suggestion:
    """Return the suggestion for an image, at any size of the same aspect.

    Args:
        maps: The probabilities, see :func:`guided`.
        class_weights: ``(C,)``, what a pixel of each class weighed in training.
        height: Of the class map.
        width: Of the class map.
    """
    weights = class_weights.cpu()
    seen = MostProbable()
    natural: Tensor | float = 0.0
    for piece in maps.pieces():
        of_piece = weights[seen.count : seen.count + len(piece)]
        natural = natural + (piece / of_piece[:, None, None]).sum(dim=0)
        seen.add(piece)
    confidence = seen.highest / weights[seen.class_map.long()]
    # Beside an edge a class can be a little below 0 and the sum below one of its parts.
    confidence = confidence / torch.maximum(confidence, torch.as_tensor(natural))
    class_map = seen.class_map
    if class_map.shape != (height, width):
        class_map = enlarged_class_map(maps.pieces, class_map, height, width)
    return Suggestion(class_map, confidence)
