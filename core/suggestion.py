"""What a person is shown of a prediction: its classes, drawn along the edges of the image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from core.border_snap import snapped_borders
from core.class_weights import NATURAL_SHARE, as_decided
from core.enlarged_class_map import enlarged_class_map
from core.guided_maps import GuidedMaps
from core.most_probable import MostProbable
from core.predict import ImagePrediction


class Suggestion(NamedTuple):
    """Of an image that the network saw at H×W pixels; on the CPU."""

    class_map: Tensor
    """``(height, width)`` uint8, see :func:`core.class_weights.as_decided`."""
    confidence: Tensor
    """``(H, W)`` float in [0, 1], the probability at natural frequencies that the class is right."""


def guided(prediction: ImagePrediction, image: Tensor) -> GuidedMaps:
    """Return the probabilities of a prediction along the edges of its image, ``uint8 (3, H, W)``."""
    return GuidedMaps(prediction.probabilities, image, prediction.extent)


@torch.inference_mode()
def suggestion(maps: GuidedMaps, image: Tensor, class_weights: Tensor, height: int, width: int) -> Suggestion:
    """Return the suggestion for an image, at any size of the same aspect.

    Where that is the size at which the network sees it, borders go to the edges beside them as well.

    Args:
        maps: The probabilities, see :func:`guided`.
        image: ``uint8 (3, H, W)``, as the network sees it.
        class_weights: ``(C,)``, what a pixel of each class weighed in training.
        height: Of the class map.
        width: Of the class map.
    """
    weights = class_weights.cpu()
    decided = _Decided(maps, weights)
    seen = MostProbable()
    natural: Tensor | float = 0.0
    for piece in decided.pieces():
        of_piece = weights[seen.count : seen.count + len(piece)]
        natural = natural + (piece / of_piece[:, None, None] ** (1 - NATURAL_SHARE)).sum(dim=0)
        seen.add(piece)
    if seen.class_map.shape == (height, width):
        class_map = torch.from_numpy(
            snapped_borders(seen.class_map.numpy(), image.cpu().permute(1, 2, 0).numpy())
        )
        shown, value = class_map, decided.of(class_map)
    else:
        class_map = enlarged_class_map(decided.pieces, seen.class_map, height, width)
        shown, value = seen.class_map, seen.highest
    confidence = value / weights[shown.long()] ** (1 - NATURAL_SHARE)
    # Beside an edge a class can be a little below 0 and the sum below one of its parts.
    confidence = confidence.clamp(min=0) / torch.maximum(confidence, torch.as_tensor(natural))
    return Suggestion(class_map, confidence)


class _Decided:
    """Maps of which the highest is the class to show."""

    def __init__(self, maps: GuidedMaps, weights: Tensor) -> None:
        self._maps = maps
        self._weights = weights

    def pieces(self) -> Iterator[Tensor]:
        """Yield a few at a time, ``(c, H, W)``, in their order."""
        count = 0
        for piece in self._maps.pieces():
            yield as_decided(piece, self._weights[count : count + len(piece)])
            count += len(piece)

    def of(self, class_map: Tensor) -> Tensor:
        """Return at each pixel the value of the class that a class map ``(H, W)`` has there."""
        values = torch.zeros(class_map.shape)
        count = 0
        for piece in self.pieces():
            index = class_map.long() - count
            picked = piece.gather(0, index.clamp(0, len(piece) - 1)[None])[0]
            values = torch.where((index >= 0) & (index < len(piece)), picked, values)
            count += len(piece)
        return values
