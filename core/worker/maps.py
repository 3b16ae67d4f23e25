"""The prediction of one image, and its maps as they are stored."""

from __future__ import annotations

import torch
from torch import Tensor

from core.model.network import SegmentationNetwork
from core.predict import ImagePrediction, predict
from core.round_data import grey_png
from core.suggestion import guided, suggestion
from core.worker.claim import Claim
from storage import labels
from storage.images import ImageInfo


def predicted(
    claim: Claim,
    network: SegmentationNetwork,
    pixels: Tensor,
    device: torch.device,
    temperature: float = 1.0,
) -> ImagePrediction:
    """Predict an image, ``uint8 (3, h, w)``, by a network that is on ``device``."""
    return predict(
        network,
        pixels,
        samples=claim.settings.samples_predict,
        generator=torch.Generator().manual_seed(claim.seed),
        device=device,
        temperature=temperature,
    )


def encoded_maps(
    image: ImageInfo, prediction: ImagePrediction, pixels: Tensor, class_weights: Tensor
) -> tuple[bytes, bytes]:
    """Return the suggestion at the image's full size and the chance that it is wrong, as PNG each.

    Args:
        image: What the person sees.
        prediction: Of it.
        pixels: What the network saw of it, ``uint8 (3, h, w)``; the chance has this size.
        class_weights: ``(C,)``, of the network.
    """
    found = suggestion(guided(prediction, pixels), class_weights, image.height, image.width)
    return labels.encode_label_map(found.class_map.numpy()), grey_png(1 - found.confidence)
