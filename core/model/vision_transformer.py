"""A vision transformer of timm under the DPT decoder of segmentation-models-pytorch, up to stride 4."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import timm
import torch
from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder
from torch import nn

_DEPTHS = 4


def transformer_options(encoder: str) -> dict[str, Any]:
    """Return what ``timm.create_model`` needs beside the name, so that the encoder fits under DPT.

    DPT doubles its maps from step to step, so it needs patches of a power of two pixels. DINOv2's have 14;
    it gets patches of 16 and its image grows along, so the grid of its position embedding stays. timm then
    resamples the patch embedding such that a patch seen 16/14 times as large gives the same token
    (Beyer et al., FlexiViT, CVPR 2023, section 3.4).

    Raises:
        ValueError: When the encoder is no vision transformer with square patches.
    """
    options = {"num_classes": 0, "dynamic_img_size": True}
    with torch.device("meta"):
        try:
            model = timm.create_model(encoder, **options)
        except TypeError:  # It takes images of one size only, or is of another kind.
            model = None
    embed: Any = getattr(model, "patch_embed", None)
    blocks = getattr(model, "blocks", ())
    if not (
        hasattr(model, "forward_intermediates") and hasattr(embed, "grid_size") and len(blocks) >= _DEPTHS
    ):
        raise ValueError(
            f"Encoder {encoder!r} is no vision transformer for images of any size, and DPT takes no other. "
            "Choose one such as 'vit_small_patch14_dinov2', or another decoder."
        )
    side = embed.patch_size[0]
    fitting = 2 ** round(math.log2(side))
    if side != fitting:
        options |= {"patch_size": fitting, "img_size": fitting * embed.grid_size[0]}
    return options


class VisionTransformerEncoder(nn.Module):
    """Maps after a quarter, a half, three quarters and all of the blocks, each through the last norm.

    Attributes:
        output_stride: Image sides must be multiples of it: the coarsest map of DPT has stride 32.
        patch: Pixels of a patch's side.
        width: Channels of each map.
    """

    def __init__(self, encoder: str, options: dict[str, Any]) -> None:
        super().__init__()
        self.model = timm.create_model(encoder, **options)
        self.patch: int = self.model.patch_embed.patch_size[0]
        self.output_stride = max(32, self.patch)
        self.width: int = self.model.num_features
        blocks = len(self.model.blocks)
        self._indices = [blocks * part // _DEPTHS - 1 for part in range(1, _DEPTHS + 1)]

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return four maps ``(B, width, H / patch, W / patch)`` of images ``(B, 3, H, W)``.

        The position embedding is resampled to the grid of the images.
        """
        maps: list[torch.Tensor] = self.model.forward_intermediates(
            images, indices=self._indices, norm=True, intermediates_only=True
        )
        return maps


class DPTFeatures(DPTDecoder):
    """The DPT decoder (Ranftl et al., ICCV 2021, section 3) without its last doubling.

    That doubling is bilinear and commutes with the 1×1 convolution behind it, so nothing is lost, and the
    head works at stride 4 as under the other decoders. Of the tokens only patches are read.

    Attributes:
        channels: Of the result.
    """

    def __init__(self, width: int, patch: int, channels: int = 128) -> None:
        super().__init__(
            encoder_out_channels=[width] * _DEPTHS,
            encoder_output_strides=[patch] * _DEPTHS,
            encoder_has_prefix_tokens=False,
            readout="ignore",
            # As Depth Anything has it for the small and the base transformer.
            intermediate_channels=[width // 8, width // 4, width // 2, width],
            fusion_channels=channels,
        )
        self.channels = channels

    def forward(self, pyramid: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return ``(B, channels, H / 4, W / 4)`` of four maps of one size."""
        maps = [block(tokens) for block, tokens in zip(self.reassemble_blocks, pyramid, strict=True)]
        fused = None
        for block, deeper in zip(self.fusion_blocks[:-1], maps[:0:-1], strict=True):
            fused = block(deeper, fused)
        last = self.fusion_blocks[-1]
        joined = last.residual_conv_block2(last.residual_conv_block1(maps[0]) + fused)
        features: torch.Tensor = last.project(joined)
        return features
