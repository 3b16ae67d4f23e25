"""Other colours for the strong views, and CutMix between them.

Every draw comes from a generator on the CPU that the caller owns, so the same seed gives the same
views on every device.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from core.data import label_to_size

_BLUR = 5
"""Side of the blurring square, pixels; odd."""


def photometric(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Change brightness, contrast, saturation, gamma and sharpness of each image by its own draw.

    Args:
        images: ``(B, 3, H, W)`` float in [0, 1].
        generator: On the CPU.

    Returns:
        A new tensor of the same shape, in [0, 1]. Geometry is unchanged.
    """
    batch = len(images)
    draws = torch.rand(6, batch, 1, 1, 1, generator=generator).to(images.device, non_blocking=True)
    brightness, contrast, saturation = (0.5 + draws[:3]).unbind(0)
    gamma = 2 ** (draws[3] * 1.4 - 0.7)
    grey = images.mean(dim=1, keepdim=True)
    changed = grey + saturation * (images - grey)
    level = changed.mean(dim=(1, 2, 3), keepdim=True)
    changed = (level + contrast * (changed - level)) * brightness
    changed = (gamma * changed.clamp(1e-4, 1).log()).exp()
    square = torch.full((3, 1, _BLUR, _BLUR), _BLUR**-2, device=images.device)
    # A convolution: average pooling takes seven times as long on a CPU.
    blurred = F.conv2d(F.pad(changed, (_BLUR // 2,) * 4, mode="replicate"), square, groups=3)
    blur = draws[4] * (draws[5] < 0.5)
    return torch.lerp(changed, blurred, blur).clamp(0, 1)


def cutmix_masks(
    batch: int, height: int, width: int, generator: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Draw one rectangle per image, ``(batch, height, width)`` bool: True is taken from the next image.

    A rectangle covers 20 % to 50 % of the area, in every step. (CutMix; that of U2PL and NP-SemiSeg covers
    half of it, in every second step.)
    """
    draws = torch.rand(4, batch, 1, generator=generator).to(device, non_blocking=True)
    share = 0.2 + 0.3 * draws[0]
    tall = (share * 2 ** (2 * draws[1] - 1)).sqrt().clamp(max=1)
    rows = (height * tall).round().clamp(min=1)
    columns = (width * share / tall).round().clamp(1, width)
    top = (draws[2] * (height - rows + 1)).floor()
    left = (draws[3] * (width - columns + 1)).floor()
    row, column = torch.arange(height, device=device), torch.arange(width, device=device)
    in_rows = (row >= top) & (row < top + rows)
    in_columns = (column >= left) & (column < left + columns)
    return in_rows[:, :, None] & in_columns[:, None]


def mix_with_next(values: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Replace masked pixels by those of the next image in the batch (the last one takes the first's).

    Args:
        values: ``(B, H, W)`` or ``(B, c, H, W)``.
        masks: ``(B, h, w)`` bool; enlarged to H×W.
    """
    masks = label_to_size(masks.to(torch.uint8), *values.shape[-2:]).bool()
    if values.ndim == 4:
        masks = masks[:, None]
    return torch.where(masks, values.roll(-1, dims=0), values)
