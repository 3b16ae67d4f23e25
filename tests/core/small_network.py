"""Networks and data small enough for property tests."""

import torch
import torch.nn.functional as F
from torch import nn

from core.cells import enlarged
from core.data import TrainingData
from core.model.network import HEADS, NetworkOutput, SegmentationNetwork
from core.model.representation_head import RepresentationHead
from core.predict import ImagePrediction
from core.train import StepReport, Training


class StridedEncoder(nn.Module):
    """Two maps, at stride 4 and 8; with batch norm, so that its buffers are tested too."""

    output_stride = 8

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 16, 5, stride=4, padding=2), nn.BatchNorm2d(16), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(16, 24, 3, stride=2, padding=1), nn.BatchNorm2d(24), nn.ReLU())

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        low = self.first(images)
        return [images, low, self.second(low)]


class MergingDecoder(nn.Module):
    def forward(self, pyramid: list[torch.Tensor]) -> torch.Tensor:
        deep = nn.functional.interpolate(pyramid[2], size=pyramid[1].shape[-2:], mode="bilinear")
        return torch.cat([pyramid[1], deep], dim=1)


class SeesColours:
    """A network whose logits and representations are the mean colours of 4×4 pixels; it keeps what it saw."""

    def __call__(self, images: torch.Tensor, *, samples: int, generator: torch.Generator) -> NetworkOutput:
        self.colours = colours = F.avg_pool2d(images, 4)
        embedding = colours.mean(dim=(2, 3))
        return NetworkOutput(colours[None], colours.new_zeros(len(images)), colours, embedding, colours)


def small_network(
    class_count: int = 3, head: str = "np", seed: int = 0, representation: bool = False
) -> SegmentationNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = HEADS[head](40, class_count)
        half = (0.5, 0.5, 0.5)
        return SegmentationNetwork(
            StridedEncoder(),
            MergingDecoder(),
            made,
            class_count,
            8,
            half,
            half,
            RepresentationHead(40) if representation else None,
        )


def striped_data(images: int, labelled: int, class_count: int = 3, side: int = 48) -> TrainingData:
    """Images of coloured stripes; the colour is the class."""
    generator = torch.Generator().manual_seed(7)
    pictures, truths = [], []
    for _ in range(images):
        stripes = torch.randint(class_count, (4,), generator=generator)
        truth = stripes.repeat_interleave(side // 4)[:, None].expand(side, side).to(torch.uint8)
        noise = torch.randint(0, 60, (3, side, side), generator=generator)
        levels = torch.tensor([[20, 90, 180], [180, 30, 60], [90, 190, 20]])[truth.long() % 3]
        pictures.append((levels.permute(2, 0, 1) + noise).to(torch.uint8))
        truths.append(truth.contiguous())
    return TrainingData(pictures, {i: truths[i] for i in range(labelled)}, list(range(labelled, images)))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def run_steps(run: Training, count: int) -> list[StepReport]:
    reports: list[StepReport] = []

    def stop_after(report: StepReport) -> bool:
        reports.append(report)
        return len(reports) < count

    run.run(stop_after)
    return reports


def classes_of_pixels(prediction: ImagePrediction) -> torch.Tensor:
    """Return the most probable class of each pixel, ``(h, w)``, for cells of 4×4 pixels."""
    height, width = (round(4 * cells) for cells in prediction.extent)
    return enlarged(prediction.probabilities[None], height, width, prediction.extent)[0].argmax(dim=0)
