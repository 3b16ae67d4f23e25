"""Random crops, and the strong views of the unlabelled images.

Every draw comes from a generator on the CPU that the caller owns, so the same seed gives the same
views on every device.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from core.data import NOT_LABELLED, VOID, Batch, TrainingData, UnlabelledBatch, label_to_size

_SCALES = (0.6, 1.7)
_PADDING_GREY = 128.0


class CropSampler:
    """Draws batches of scaled, mirrored square crops.

    Half of the labelled crops are centred on a pixel of a class that is drawn with a probability
    that falls with its frequency (∝ frequency^−½), so that rare classes are seen; the others are
    uniform over images and positions.
    """

    def __init__(
        self, data: TrainingData, crop: int, device: torch.device, generator: torch.Generator
    ) -> None:
        self.crop = crop
        self.generator = generator
        self.device = device
        # On CUDA pixels live on the device: crops are cut there and nothing is copied per step. Other
        # accelerators lack some of the kernels that cut crops.
        store = device if device.type == "cuda" else torch.device("cpu")
        self.images = [image.to(store) for image in data.images]
        self.labels = {index: label.to(store) for index, label in data.labels.items()}
        self.labelled_indices = sorted(data.labels)
        self.unlabelled_indices = list(data.unlabelled)
        self._label_on_cpu = {index: label.cpu() for index, label in data.labels.items()}
        counts = (
            torch.stack(
                [
                    self._label_on_cpu[i].flatten().bincount(minlength=256)[:NOT_LABELLED]
                    for i in self.labelled_indices
                ]
            )
            if self.labelled_indices
            else torch.zeros(0, NOT_LABELLED, dtype=torch.int64)
        )
        self._holds_class = counts > 0
        total = counts.sum(dim=0).double()
        self._class_weight = torch.where(total > 0, total.clamp(min=1) ** -0.5, torch.zeros_like(total))

    def labelled(self, count: int) -> Batch:
        """Draw ``count`` crops of labelled images; an image may occur more than once."""
        crops = []
        for _ in range(count):
            centre = None
            index = self.labelled_indices[self._integer(len(self.labelled_indices))]
            if self._uniform() < 0.5 and bool(self._class_weight.any()):
                index, centre = self._pixel_of_a_class()
            crops.append(self._crop(self.images[index], self.labels[index], centre))
        return self._batch(crops)

    def unlabelled(self, count: int) -> UnlabelledBatch:
        """Draw ``count`` crops of unlabelled images, each as a weak and a strong view."""
        crops = []
        for _ in range(count):
            index = self.unlabelled_indices[self._integer(len(self.unlabelled_indices))]
            crops.append(self._crop(self.images[index], None, None))
        weak, values = self._batch(crops)
        return UnlabelledBatch(weak, photometric(weak, self.generator), values != VOID)

    def _pixel_of_a_class(self) -> tuple[int, tuple[int, int]]:
        drawn_class = int(torch.multinomial(self._class_weight, 1, generator=self.generator))
        holders = self._holds_class[:, drawn_class].nonzero().flatten()
        index = self.labelled_indices[int(holders[self._integer(len(holders))])]
        pixels = (self._label_on_cpu[index] == drawn_class).nonzero()
        row, column = pixels[self._integer(len(pixels))].tolist()
        return index, (row, column)

    def _crop(
        self, image: torch.Tensor, label: torch.Tensor | None, centre: tuple[int, int] | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cut a window in source pixels, then scale it: no pixel outside the window is touched."""
        height, width = image.shape[1:]
        low, high = _SCALES
        scale = low * (high / low) ** self._uniform()
        window = max(1, round(self.crop / scale))
        top, rows = self._window(height, window, None if centre is None else centre[0])
        left, columns = self._window(width, window, None if centre is None else centre[1])
        out_height = min(self.crop, max(1, round(rows * scale)))
        out_width = min(self.crop, max(1, round(columns * scale)))
        part = image[:, top : top + rows, left : left + columns]
        pixels = F.interpolate(
            part[None].float(),
            size=(out_height, out_width),
            mode="bilinear",
            antialias=scale < 1,
            align_corners=False,
        )[0]
        if label is None:
            values = torch.full((out_height, out_width), NOT_LABELLED, dtype=torch.uint8, device=image.device)
        else:
            part_label = label[top : top + rows, left : left + columns]
            values = label_to_size(part_label, out_height, out_width)
        if self._uniform() < 0.5:
            pixels, values = pixels.flip(2), values.flip(1)
        right, below = self.crop - out_width, self.crop - out_height
        if right or below:
            before_x, before_y = self._integer(right + 1), self._integer(below + 1)
            margins = (before_x, right - before_x, before_y, below - before_y)
            pixels = F.pad(pixels, margins, value=_PADDING_GREY)
            values = F.pad(values, margins, value=VOID)
        return pixels, values

    def _window(self, length: int, window: int, centre: int | None) -> tuple[int, int]:
        """Return start and length of a window inside 0…length, around ``centre`` when there is one."""
        if window >= length:
            return 0, length
        if centre is None:
            return self._integer(length - window + 1), window
        start = centre - self._integer(window)
        return min(max(start, 0), length - window), window

    def _batch(self, crops: list[tuple[torch.Tensor, torch.Tensor]]) -> Batch:
        images = (torch.stack([pixels for pixels, _ in crops]) / 255).clamp(0, 1)
        labels = torch.stack([values for _, values in crops])
        return Batch(images.to(self.device), labels.to(self.device))

    def _integer(self, below: int) -> int:
        return int(torch.randint(below, (), generator=self.generator))

    def _uniform(self) -> float:
        return float(torch.rand((), generator=self.generator))


def photometric(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Change brightness, contrast, saturation, gamma and sharpness of each image by its own draw.

    Args:
        images: ``(B, 3, H, W)`` float in [0, 1].
        generator: On the CPU.

    Returns:
        A new tensor of the same shape, in [0, 1]. Geometry is unchanged.
    """
    batch = len(images)
    draws = torch.rand(6, batch, 1, 1, 1, generator=generator).to(images.device)
    brightness, contrast, saturation = (0.5 + draws[:3]).unbind(0)
    gamma = 2 ** (draws[3] * 1.4 - 0.7)
    grey = images.mean(dim=1, keepdim=True)
    changed = grey + saturation * (images - grey)
    level = changed.mean(dim=(1, 2, 3), keepdim=True)
    changed = (level + contrast * (changed - level)) * brightness
    changed = changed.clamp(1e-4, 1) ** gamma
    blurred = F.avg_pool2d(F.pad(changed, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    blur = draws[4] * (draws[5] < 0.5)
    return torch.lerp(changed, blurred, blur).clamp(0, 1)


def cutmix_masks(
    batch: int, height: int, width: int, generator: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Draw one rectangle per image, ``(batch, height, width)`` bool: True is taken from the next image.

    A rectangle covers 20 % to 50 % of the area (CutMix, with the half-area crop as the limit).
    """
    draws = torch.rand(batch, 4, generator=generator)
    masks = torch.zeros(batch, height, width, dtype=torch.bool)
    for mask, (area, aspect, y, x) in zip(masks, draws.tolist(), strict=True):
        share = 0.2 + 0.3 * area
        tall = min(1.0, (share * 2 ** (2 * aspect - 1)) ** 0.5)
        rows = max(1, round(height * tall))
        columns = max(1, min(width, round(width * share / tall)))
        top, left = int(y * (height - rows + 1)), int(x * (width - columns + 1))
        mask[top : top + rows, left : left + columns] = True
    return masks.to(device)


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
