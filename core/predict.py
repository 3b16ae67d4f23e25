"""What a trained network says about images: maps, their uncertainty, and a summary per image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from core.acquisition.pixel_scores import SampleStatistics
from core.model.network import SegmentationNetwork

_SAMPLE_BUDGET = 64 * 2**20
"""Floats the hidden maps of the samples decoded together may hold."""


@dataclass(frozen=True)
class ImagePrediction:
    """What the network says about one image of h×w pixels. All tensors are on the CPU.

    Attributes:
        class_map: ``(h, w)`` uint8, the most probable class.
        confidence: ``(h, w)`` float, probability of that class, in [0, 1].
        entropy: ``(h, w)`` float, predictive entropy / log C, in [0, 1]; 0 when C = 1.
        mutual_information: ``(h, w)`` float, mutual information of class and latent / log C; never
            above ``entropy``, and 0 with one sample or the linear head.
        embedding: ``(E,)`` float of unit length.
        class_mass: ``(C,)`` float, mean probability of each class over the image; sums to 1.
        probabilities: ``(C, h', w')`` float at feature resolution, mean over the samples.
    """

    class_map: torch.Tensor
    confidence: torch.Tensor
    entropy: torch.Tensor
    mutual_information: torch.Tensor
    embedding: torch.Tensor
    class_mass: torch.Tensor
    probabilities: torch.Tensor


def predict(
    network: SegmentationNetwork,
    image: torch.Tensor,
    *,
    samples: int,
    generator: torch.Generator,
    device: torch.device | str,
) -> ImagePrediction:
    """Predict one ``uint8`` image ``(3, h, w)``; see :func:`predict_batch`."""
    return predict_batch(network, [image], samples=samples, generator=generator, device=device)[0]


@torch.inference_mode()
def predict_batch(
    network: SegmentationNetwork,
    images: Sequence[torch.Tensor],
    *,
    samples: int,
    generator: torch.Generator,
    device: torch.device | str,
) -> list[ImagePrediction]:
    """Predict ``uint8`` images ``(3, h, w)`` of one size, with ``samples`` latents each.

    The network must be on ``device``; it is put into evaluation mode. All images of a call share the
    same latent noise, so their scores differ by the images and not by luck, and a generator in the
    same state gives an image the same prediction in any batch (to rounding).

    Entropy and mutual information are taken at feature resolution, in float32, and then enlarged:
    taken after enlarging they would count the blur between classes as uncertainty.
    """
    network.eval()
    device = torch.device(device)
    batch = (torch.stack(list(images)).to(device).float() / 255).contiguous(memory_format=torch.channels_last)
    height, width = batch.shape[-2:]
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        features, embedding = network.encode(batch)
        noise = network.draw_noise(samples, 1, generator)
        chunk = max(1, _SAMPLE_BUDGET // max(1, features[:, :64].numel()))
        pieces = [None] if noise is None else noise.split(chunk)
        statistics = SampleStatistics()
        for piece in pieces:
            statistics.add(network.decode(features, piece)[0].float().softmax(dim=2))
    scale = 1 / math.log(network.class_count) if network.class_count > 1 else 0.0
    probabilities = statistics.mean()
    maps = torch.stack([statistics.predictive_entropy(), statistics.mutual_information()], dim=1) * scale
    maps = _enlarged(maps.clamp(0, 1), height, width).cpu()
    confidence, class_map = _enlarged(probabilities, height, width).max(dim=1)
    confidence, class_map = confidence.clamp(0, 1).cpu(), class_map.to(torch.uint8).cpu()
    probabilities, embedding = probabilities.cpu(), embedding.float().cpu()
    return [
        ImagePrediction(
            class_map=class_map[i],
            confidence=confidence[i],
            entropy=maps[i, 0],
            mutual_information=maps[i, 1],
            embedding=embedding[i],
            class_mass=probabilities[i].mean(dim=(1, 2)),
            probabilities=probabilities[i],
        )
        for i in range(len(images))
    ]


def class_map_at(probabilities: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Enlarge probabilities ``(C, h, w)`` bilinearly and return the most probable class of each pixel.

    The result is ``(height, width)`` uint8. One class is enlarged at a time, so a 100-megapixel image
    needs memory for a few planes, not for C.
    """
    best = torch.full((height, width), -1.0)
    class_map = torch.zeros(height, width, dtype=torch.uint8)
    for index, plane in enumerate(probabilities):
        enlarged = _enlarged(plane[None, None].float(), height, width)[0, 0]
        class_map[enlarged > best] = index
        torch.maximum(best, enlarged, out=best)
    return class_map


def _enlarged(maps: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return F.interpolate(maps, size=(height, width), mode="bilinear", align_corners=False)
