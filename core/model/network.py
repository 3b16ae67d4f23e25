"""Encoder, decoder and head as one network."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, NamedTuple

import segmentation_models_pytorch as smp
import timm
import torch
import torch.nn.functional as F
from torch import nn

from core.cells import Extent
from core.model.classifier_np_head import ClassifierNPHead
from core.model.dilated_convolution import speed_up_dilated
from core.model.encoder_weights import EncoderWeights, find_encoder_weights
from core.model.head import Head, Latent
from core.model.linear_head import LinearHead
from core.model.np_head import NPHead
from core.model.representation_head import RepresentationHead
from core.model.vision_transformer import DPTFeatures, VisionTransformerEncoder, transformer_options

HeadName = Literal["linear", "np", "np_classifier"]
HEADS: dict[str, Callable[[int, int], Head]] = {
    "linear": LinearHead,
    "np": NPHead,
    "np_classifier": ClassifierNPHead,
}
"""By name what makes a head for features of F channels and C classes, ``(F, C)``."""
_DECODER_OPTIONS: dict[str, dict[str, Any]] = {
    # A quarter of the usual cost on a CPU. The rates suit the encoder's stride of 16.
    "deeplabv3plus": {"decoder_channels": 128, "decoder_atrous_rates": (6, 12, 18)},
    # A quarter again, and as good as 256 and 128 with few labels, see docs/benchmarks.md.
    "fpn": {"decoder_pyramid_channels": 128, "decoder_segmentation_channels": 64},
}
_PAN_SIZE = 128
"""PAN halves the encoder's last map, of stride 16, three times."""
_SILENT = -1e4
"""The logit of a class that is never predicted: its probability is 0, and all that is made of it finite."""
_LARGE_ENOUGH = 64
"""An image of this side, in pixels, has a cell in each of an encoder's maps."""


class NetworkOutput(NamedTuple):
    """What the network says about a batch of images."""

    logits: torch.Tensor
    """``(T, B, C, h, w)`` at feature resolution."""
    kl: torch.Tensor
    """``(B,)`` nats, zero for a head without a latent per image."""
    features: torch.Tensor
    """``(B, F, h, w)``, what :meth:`SegmentationNetwork.observe` takes."""
    embedding: torch.Tensor
    """``(B, E)``, unit length: the encoder's last feature map, averaged over the image."""
    representation: torch.Tensor | None = None
    """``(B, D, h, w)``, what the pixel contrast compares; None without a representation head."""


class SegmentationNetwork(nn.Module):
    """A segmentation-models-pytorch encoder–decoder up to its last feature map, then a head.

    Attributes:
        class_count: C.
        size_multiple: Images are continued to a multiple of so many pixels before they are encoded.
        warnings: Sentences for the person, for example that no pretrained weights were found.
        silent: Classes that it never predicts, whatever it learned.
        class_weights: ``(C,)`` float, what a pixel of each class weighs in training, 1 before any. The
            network's prior of class c is ``class_weights[c]`` times its share of the labels.
    """

    mean: torch.Tensor
    std: torch.Tensor
    class_weights: torch.Tensor

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        head: Head,
        class_count: int,
        size_multiple: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        representation: RepresentationHead | None = None,
    ) -> None:
        super().__init__()
        self.class_count = class_count
        self.warnings: list[str] = []
        self.silent: list[int] = []
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.representation = representation
        self.size_multiple = size_multiple
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.register_buffer("class_weights", torch.ones(class_count))

    def forward(
        self,
        images: torch.Tensor,
        *,
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> NetworkOutput:
        """Segment images ``(B, 3, H, W)``, float in [0, 1], with ``samples`` draws of the latent.

        In training the context is a random subset of its memory, and a classifier that could be drawn is
        the trained one. Any H and W are taken: the image is continued at its right and lower border and the
        result cut.
        """
        features, embedding = self.encode(images)
        noise = context_set = None
        if self.head.draws_in_training or not self.training:
            noise = self.draw_noise(samples, len(images), generator)
        if self.training:
            context_set = self.head.draw_context_set(generator)
        logits, kl = self.decode(features, noise, context_set)
        represented = None if self.representation is None else self.representation(features)
        return NetworkOutput(logits, kl, features, embedding, represented)

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features ``(B, F, h, w)`` and the embedding ``(B, E)`` of images in [0, 1]."""
        height, width = images.shape[-2:]
        right = -width % self.size_multiple
        below = -height % self.size_multiple
        normalised = (images - self.mean) / self.std
        if right or below:
            normalised = F.pad(normalised, (0, right, 0, below), mode="replicate")
        pyramid = self.encoder(normalised)
        features = self.decoder(pyramid)
        stride = normalised.shape[-1] // features.shape[-1]
        embedding = F.normalize(pyramid[-1].float().mean(dim=(2, 3)), dim=1)
        return features[..., : -(-height // stride), : -(-width // stride)], embedding

    @cached_property
    def stride(self) -> int:
        """Pixels that a cell of the features is wide and high. To be asked for in evaluation mode."""
        side = math.ceil(_LARGE_ENOUGH / self.size_multiple) * self.size_multiple
        with torch.inference_mode():
            features, _ = self.encode(self.mean.new_zeros(1, 3, side, side))
        return side // features.shape[-1]

    def extent_of(self, height: int, width: int) -> Extent:
        """Return how many cells of the features an image takes. To be asked for in evaluation mode."""
        return height / self.stride, width / self.stride

    def draw_noise(self, samples: int, batch: int, generator: torch.Generator | None) -> torch.Tensor | None:
        """Return the noise of ``samples`` latents for ``batch`` images; None for a head without a latent."""
        return self.head.draw_noise(samples, batch, generator)

    def decode(
        self,
        features: torch.Tensor,
        noise: torch.Tensor | None,
        context_set: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits ``(T, B, C, h, w)`` and KL ``(B,)`` of features; T is the noise's first length.

        The latent is the target's in training and the context's in evaluation, see :class:`NPHead`.
        """
        latent: Latent = "target" if self.training else "context"
        logits, kl = self.head(features, noise, latent=latent, context_set=context_set)
        if self.silent:
            silent = torch.tensor(self.silent).to(logits.device, non_blocking=True)
            logits = logits.index_fill(2, silent, _SILENT)
        return logits, kl

    @torch.no_grad()
    def observe(
        self,
        features: torch.Tensor,
        labels: torch.Tensor,
        by_person: torch.Tensor,
        generator: torch.Generator | None = None,
        images: torch.Tensor | None = None,
    ) -> None:
        """Let the head remember labelled pixels, see :meth:`core.model.head.Head.observe`.

        Args:
            features: ``(B, F, h, w)`` of :class:`NetworkOutput`.
            labels: ``(B, H, W)`` uint8 at any resolution; 254 and 255 are not remembered.
            by_person: ``(B,)`` bool, False for pseudo-labels.
            generator: Draws the pixels that are remembered.
            images: ``(n,)`` int64, which image each of the first n maps shows, those labelled by a person;
                a head that counts labelled images counts none without it.
        """
        self.head.observe(features, labels, by_person, generator, images)

    def forget_silent(self) -> None:
        """Let the silent classes leave the memories, for no label would ever renew their rows."""
        self.head.forget_classes(self.silent)


def build_network(
    class_count: int,
    *,
    encoder: str = "tf_efficientnet_lite0",
    decoder: str = "FPN",
    head: HeadName = "np_classifier",
    weights: str = "auto",
    representation: bool = False,
    generator: torch.Generator | None = None,
) -> SegmentationNetwork:
    """Build a network for ``class_count`` classes.

    Args:
        class_count: C, 1…254.
        encoder: A timm model name, or that of an encoder that segmentation-models-pytorch alone has.
        decoder: A segmentation-models-pytorch architecture such as ``FPN``, ``DeepLabV3Plus``, ``Unet``,
            or ``DPT`` for a vision transformer of timm.
        head: ``np_classifier`` (the latent is the classifier), ``np`` (one latent per image) or ``linear``.
        weights: ``auto`` (embedded, cached or downloaded; random with a warning when there are none),
            ``none``, or a file or directory with weights of this encoder.
        representation: Whether to add the head that recipe ``u2pl`` trains; prediction needs none.
        generator: Seeds the random initial values; the global generator is left as it was.

    Raises:
        ValueError: When encoder, decoder or weights do not exist or do not fit; the text says which.
    """
    if not 1 <= class_count <= 254:
        raise ValueError(f"A network needs 1 to 254 classes, not {class_count}.")
    options = transformer_options(encoder) if decoder.lower() == "dpt" and timm.is_model(encoder) else {}
    found = find_encoder_weights(encoder, weights, options)
    seed = 0 if generator is None else int(torch.randint(2**31, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if options:
            parts = _transformer_with_dpt(encoder, options)
        else:
            parts = _encoder_decoder(encoder, decoder, found)
        found.load_into(parts.encoder)
        speed_up_dilated(parts.encoder)
        make_repeatable(parts.decoder)
        network = SegmentationNetwork(
            parts.encoder,
            parts.decoder,
            HEADS[head](parts.channels, class_count),
            class_count,
            parts.size_multiple,
            found.mean,
            found.std,
            RepresentationHead(parts.channels) if representation else None,
        )
    network.warnings.extend(found.warnings)
    return network


class _EncoderDecoder(NamedTuple):
    encoder: nn.Module
    decoder: nn.Module
    channels: int
    size_multiple: int


def _transformer_with_dpt(encoder: str, options: dict[str, Any]) -> _EncoderDecoder:
    transformer = VisionTransformerEncoder(encoder, options)
    decoder = DPTFeatures(transformer.width, transformer.patch)
    return _EncoderDecoder(transformer, decoder, decoder.channels, transformer.output_stride)


def _encoder_decoder(encoder: str, decoder: str, found: EncoderWeights) -> _EncoderDecoder:
    try:
        model: Any = smp.create_model(
            decoder,
            encoder_name=found.smp_name,
            encoder_weights=None,
            **_DECODER_OPTIONS.get(decoder.lower(), {}),
        )
    except (KeyError, RuntimeError, ValueError, TypeError) as problem:
        raise ValueError(
            f"Encoder {encoder!r} with decoder {decoder!r} cannot be built: {problem}. "
            "Choose others in the round settings."
        ) from problem
    channels = model.segmentation_head[0].in_channels
    size_multiple = _PAN_SIZE if decoder.lower() == "pan" else model.encoder.output_stride
    return _EncoderDecoder(model.encoder, model.decoder, channels, size_multiple)


def make_repeatable(decoder: nn.Module) -> None:
    """Turn dropout off and let one crop be trained on, both in place.

    The latent is then the one source of chance behind the encoder, so a generator repeats it. Behind a
    global pooling there is one value per image and channel, too few for batch statistics.
    """
    for module in decoder.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.p = 0.0
        if isinstance(module, nn.Sequential) and any(_pools_all(layer) for layer in module):
            _replace_batch_norm(module)


def _pools_all(layer: nn.Module) -> bool:
    return isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size in (1, (1, 1))


def _replace_batch_norm(module: nn.Module) -> None:
    for name, layer in module.named_children():
        if isinstance(layer, nn.BatchNorm2d):
            setattr(module, name, nn.GroupNorm(1, layer.num_features))
        else:
            _replace_batch_norm(layer)
