"""The maps of predicted images as they are stored."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterable

import torch
from PIL import Image
from torch import Tensor

from core.model.network import SegmentationNetwork
from core.pool_scoring import predicted_pool
from core.predict import ImagePrediction
from core.suggestion import guided, suggestion
from core.worker.claim import Claim
from storage import labels
from storage.images import StoredImage

Maps = tuple[bytes, bytes]
"""The suggestion and the chance that it is wrong, as PNG each."""


def maps_of(
    claim: Claim,
    readable: Iterable[tuple[StoredImage, Tensor]],
    network: SegmentationNetwork,
    device: torch.device,
    temperature: float = 1.0,
) -> Generator[tuple[int, Maps]]:
    """Predict images, ``uint8 (3, h, w)``, by a network on ``device``; yield their ids and :data:`Maps`."""
    yield from predicted_pool(
        network,
        readable,
        lambda image, pixels, prediction: (
            image.id,
            encoded_maps(image, prediction, pixels, network.class_weights),
        ),
        samples=claim.settings.samples_predict,
        seed=claim.seed,
        device=device,
        temperature=temperature,
    )


def encoded_maps(
    image: StoredImage, prediction: ImagePrediction, pixels: Tensor, class_weights: Tensor
) -> Maps:
    """Return the suggestion at the image's full size and the chance that it is wrong, as PNG each.

    Args:
        image: What the person sees.
        prediction: Of it.
        pixels: What the network saw of it, ``uint8 (3, h, w)``; the chance has this size.
        class_weights: ``(C,)``, of the network.
    """
    found = suggestion(guided(prediction, pixels), pixels, class_weights, image.height, image.width)
    return labels.encode_label_map(found.class_map.numpy()), grey_png(1 - found.confidence)


def grey_png(unit_map: Tensor) -> bytes:
    """PNG (mode L) of a float map ``(h, w)`` in [0, 1]: 0…255 = 0…1."""
    grey = (unit_map.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(grey).save(file, format="PNG")
    return file.getvalue()
