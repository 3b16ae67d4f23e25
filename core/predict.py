"""What a trained network says about images: maps, their uncertainty, and a summary per image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F

from core.acquisition.gradient import gradient_embedding
from core.acquisition.pixel_scores import PIXEL_SCORES, SampleStatistics
from core.cells import Extent
from core.model.network import SegmentationNetwork

TILE_SIDE = 1024
"""Larger images are encoded in overlapping tiles of this side, in pixels."""
TILE_OVERLAP = 256
"""Pixels that neighbouring tiles share; at most half a tile."""
_FLOATS_AT_ONCE = 64 * 2**20
"""Floats that the samples decoded together may hold."""


@dataclass(frozen=True)
class ImagePrediction:
    """What the network says about one image, in h×w cells of its features. All tensors are on the CPU.

    The classes of pixels, along the edges of the image, are :func:`core.suggestion.suggestion`'s.

    Attributes:
        class_map: ``(h, w)`` int64, the most probable class.
        probabilities: ``(C, h, w)`` float, mean over the samples, as trained: by classes that are weighted.
        pixel_scores: Every pixel score by name, ``(h, w)`` float in [0, 1], see
            :data:`core.acquisition.pixel_scores.PIXEL_SCORES`. What the samples disagree on is 0 with one
            sample or the linear head.
        class_mass: ``(C,)`` float, mean probability of each class over the image; sums to 1.
        embedding: ``(E,)`` float of unit length.
        gradient: ``(G,)`` float, see :func:`core.acquisition.gradient.gradient_embedding`; None when it was
            not asked for.
        extent: Height and width of the image in cells; h and w are these, rounded up.
        halves: Statistics of the even and of the odd samples, B = 1; the odd ones are empty when there is one
            sample.
    """

    class_map: torch.Tensor
    probabilities: torch.Tensor
    pixel_scores: dict[str, torch.Tensor]
    class_mass: torch.Tensor
    embedding: torch.Tensor
    gradient: torch.Tensor | None
    extent: Extent
    halves: tuple[SampleStatistics, SampleStatistics]


@torch.inference_mode()
def predict(
    network: SegmentationNetwork,
    image: torch.Tensor,
    *,
    samples: int,
    generator: torch.Generator,
    device: torch.device | str,
    temperature: float = 1.0,
    tile_side: int = TILE_SIDE,
    on_logits: Callable[[torch.Tensor], None] | None = None,
) -> ImagePrediction:
    """Predict one ``uint8`` image ``(3, h, w)`` with ``samples`` latents; see :func:`predict_batch`."""
    return predict_batch(
        network,
        [image],
        noise=network.draw_noise(samples, 1, generator),
        device=device,
        temperature=temperature,
        tile_side=tile_side,
        on_logits=on_logits,
    )[0]


@torch.inference_mode()
def predict_batch(
    network: SegmentationNetwork,
    images: Sequence[torch.Tensor],
    *,
    noise: torch.Tensor | None,
    device: torch.device | str,
    temperature: float = 1.0,
    tile_side: int = TILE_SIDE,
    with_gradient: bool = False,
    on_logits: Callable[[torch.Tensor], None] | None = None,
) -> list[ImagePrediction]:
    """Predict ``uint8`` images ``(3, h, w)`` of one size, with T latents each.

    The network must be on ``device``; it is put into evaluation mode. All images share the same latent noise,
    so their scores differ by the images and not by luck, and an image has the same prediction in any batch
    (to rounding).

    A large image is encoded tile by tile and decoded as one, so its latent is the image's, whatever the
    tiles. What sees the whole image within the encoder sees a tile then.

    The scores are taken at feature resolution, in float32: after enlarging they would count the blur between
    classes as uncertainty.

    Args:
        network: What predicts.
        images: ``uint8 (3, h, w)`` each, all of one size.
        noise: Of T latents, ``network.draw_noise(T, 1, generator)``; None for a head without a latent, which
            has one prediction.
        device: Where to compute.
        temperature: The logits of every sample are divided by it, see :mod:`core.calibration`.
        tile_side: Images with a longer side are encoded in tiles of this side, in pixels.
        with_gradient: Whether the gradient embeddings are wanted, which only a few choices look at.
        on_logits: Shown the logits ``(t, B, C, h', w')`` of the samples, float32 on ``device`` at feature
            resolution and before the temperature, in as many pieces as there are.
    """
    if network.training:  # It would be told to hundreds of modules with every image.
        network.eval()
    device = torch.device(device)
    batch = torch.stack(list(images))
    height, width = batch.shape[-2:]
    weights = network.class_weights
    halves = (SampleStatistics(class_weights=weights), SampleStatistics(class_weights=weights))
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        features, embedding = _encoded(network, batch, device, tile_side)
        # The hidden layer of a sample, or its logits where there are many classes.
        of_sample = max(features[:, :64].numel(), features[:, 0].numel() * network.class_count)
        chunk = max(1, _FLOATS_AT_ONCE // max(1, of_sample))
        seen = 0
        for piece in [None] if noise is None else noise.split(chunk):
            logits = network.decode(features, piece)[0].float()
            if on_logits is not None:
                on_logits(logits)
            for parity, half in enumerate(halves):
                half.add_logits(logits[(seen + parity) % 2 :: 2], temperature)
            seen += len(logits)
    extent = network.extent_of(height, width)
    statistics = halves[0].merged(halves[1])
    probabilities = statistics.mean()
    class_maps = statistics.class_map()
    gradients: Sequence[torch.Tensor | None] = [None] * len(images)
    if with_gradient:
        gradients = list(gradient_embedding(probabilities, class_maps, features).cpu())
    scores = torch.stack([score(statistics) for score in PIXEL_SCORES.values()]).clamp_(0, 1)
    class_maps, probabilities, embedding, scores = (
        of.cpu() for of in (class_maps, probabilities, embedding.float(), scores)
    )
    return [
        ImagePrediction(
            class_map=class_maps[i],
            probabilities=probabilities[i],
            pixel_scores=dict(zip(PIXEL_SCORES, scores[:, i], strict=True)),
            class_mass=probabilities[i].mean(dim=(1, 2)),
            embedding=embedding[i],
            gradient=gradients[i],
            extent=extent,
            halves=(halves[0].of_image(i), halves[1].of_image(i)),
        )
        for i in range(len(images))
    ]


@torch.inference_mode()
def embed(
    network: SegmentationNetwork,
    image: torch.Tensor,
    *,
    device: torch.device | str,
    tile_side: int = TILE_SIDE,
) -> torch.Tensor:
    """Return the embedding ``(E,)`` that a prediction of a ``uint8`` image ``(3, h, w)`` has, on the CPU."""
    network.eval()
    device = torch.device(device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        _, embedding = _encoded(network, image[None], device, tile_side)
    return embedding[0].float().cpu()


def _encoded(
    network: SegmentationNetwork, images: torch.Tensor, device: torch.device, tile_side: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features and embedding of ``uint8`` images ``(B, 3, h, w)``, see ``SegmentationNetwork.encode``.

    Tiles are blended over the middle of what they share, which leaves no seam; nearer to their own
    border they saw padding instead of the image and have no weight. The embedding of a tiled image is
    the mean of its tiles' embeddings, weighted alike.
    """
    height, width = images.shape[-2:]
    if max(height, width) <= tile_side:
        return network.encode(_unit_floats(images, device))
    multiple = network.size_multiple
    rows = list(_tiles(-(-height // multiple) * multiple, tile_side, multiple))
    columns = list(_tiles(-(-width // multiple) * multiple, tile_side, multiple))
    features = embedding = torch.empty(0)
    for row in rows:
        for column in columns:
            # Beyond the image its last row and column go on, as `encode` continues an image.
            y = torch.arange(row.start, row.end).clamp(max=height - 1)
            x = torch.arange(column.start, column.end).clamp(max=width - 1)
            part, part_embedding = network.encode(_unit_floats(images[..., y[:, None], x], device))
            stride = len(y) // part.shape[-2]
            if not features.numel():
                size = (rows[-1].end // stride, columns[-1].end // stride)
                features = part.new_zeros(*part.shape[:2], *size)
                embedding = torch.zeros_like(part_embedding)
            weight = row.weight(stride)[:, None] * column.weight(stride)
            place = features[
                ..., row.start // stride : row.end // stride, column.start // stride : column.end // stride
            ]
            place += part * weight.to(part)
            embedding += part_embedding * weight.sum().to(part_embedding)
    features = features[..., : -(-height // stride), : -(-width // stride)]
    return features, F.normalize(embedding, dim=1)


class _Tile(NamedTuple):
    """One tile along one axis, in pixels; its weights and those of the other tiles sum to 1."""

    start: int
    end: int
    fade_in: tuple[float, float]
    """Where the weight begins to rise and where it is 1."""
    fade_out: tuple[float, float]
    """The ``fade_in`` of the next tile."""

    def weight(self, stride: int) -> torch.Tensor:
        """Return the weight of every cell of ``stride`` pixels."""
        centre = torch.arange(self.start, self.end, stride) + stride / 2
        rise, fall = (
            ((centre - begin) / (end - begin)).clamp(0, 1) for begin, end in (self.fade_in, self.fade_out)
        )
        return rise - fall


def _tiles(length: int, side: int, multiple: int) -> Iterator[_Tile]:
    """Cut a length into tiles of at most ``side`` that start and end at multiples of ``multiple``."""
    side = min(length, max(2, side // multiple) * multiple)
    overlap = min(TILE_OVERLAP, side // 2) // multiple * multiple
    starts = [*range(0, length - side, side - overlap), length - side]
    quarter = max(1, overlap // 4)
    fades = [(start + quarter, start + overlap - quarter) for start in starts]
    # The first tile has its full weight from before the image on, the last one until after it.
    fades[0] = (-2.0, -1.0)
    fades.append((length + 1.0, length + 2.0))
    for start, fade_in, fade_out in zip(starts, fades, fades[1:], strict=False):
        yield _Tile(start, start + side, fade_in, fade_out)


def _unit_floats(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    return (images.to(device).float() / 255).contiguous(memory_format=torch.channels_last)
