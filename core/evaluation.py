"""How good a network is on labelled images it never trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from core.calibration import Calibration, LabelledLogits, cross_fitted
from core.cells import Extent, enlarged, label_of_cells
from core.class_weights import at_natural_frequencies
from core.data import VOID, label_to_size, size_at_long_side, without_classes
from core.image_threads import of_each
from core.model.network import SegmentationNetwork
from core.predict import predict
from core.step_generator import step_generator
from core.suggestion import Suggestion, guided, suggestion
from core.uncertainty import Quality, UncertaintyQuality, confusion_matrix, iou

QUALITY_SIDE = 256
"""Uncertainty is measured at this long side at most, in pixels, which bounds its cost."""
CALIBRATED_FROM = 4
"""Images from which on the temperature they ask for is believed."""
PIXELS_OF_AN_IMAGE = 512
"""Pixels of one image that take part in fitting a temperature, at most."""
LOGITS_OF_AN_IMAGE = 2**18
"""Logits of these pixels at most; with many classes and samples there are fewer pixels."""
LOGITS_OF_ALL_IMAGES = 2**21
"""Logits that take part in fitting a temperature, about; the images give equal shares."""


@dataclass(frozen=True)
class Overlap:
    """Counts over all images first, then the measure.

    Attributes:
        miou: Mean IoU over the classes that the truth has, in [0, 1]; NaN when it has none. A few wrong
            pixels of a class that none of these images shows would otherwise take as much from the mean as a
            class that is never found, and with four audit images make it jump from round to round.
        class_iou: IoU by class index, of the classes that the truth has.
        images: How many images were counted.
        counts: ``(images, 3, C)`` int64, of each image and class the hit, true and suggested pixels.
    """

    miou: float
    class_iou: dict[int, float]
    images: int
    counts: Tensor = field(compare=False, repr=False)


@dataclass(frozen=True)
class Evaluation(Overlap):
    """The overlap, and how good the probabilities and the uncertainty are.

    Attributes:
        quality: Of the probabilities at natural frequencies and temperature 1, and of the map
            ``least_confidence`` that is drawn from them, at a long side of at most ``QUALITY_SIDE``.
        labelled_logits: A random choice of the labelled pixels of each image.
        class_weights: ``(C,)``, of the network.
    """

    quality: Quality
    labelled_logits: list[LabelledLogits]
    class_weights: Tensor

    @cached_property
    def calibration(self) -> Calibration:
        """The temperature these images ask for, and what it is worth on images that did not fit it."""
        return cross_fitted(self.labelled_logits, self.class_weights)

    def uncertainty_figures(self) -> dict[str, float]:
        """Return the single numbers of ``quality`` and of ``calibration``.

        The calibration is there from ``CALIBRATED_FROM`` images on; fewer cannot be believed.
        """
        figures = {
            "ece": self.quality.ece,
            "classwise_ece": self.quality.classwise_ece,
            "nll": self.quality.nll,
            "brier": self.quality.brier,
        }
        if "least_confidence" in self.quality.maps:
            shown = self.quality.maps["least_confidence"]
            figures |= {
                "error_auroc": shown.error_auroc,
                "error_aupr": shown.error_aupr,
                "aurc": shown.aurc,
                "spearman": shown.spearman,
                "pavpu": float(shown.pavpu.pavpu.nanmean()),
            }
        if self.quality.images >= CALIBRATED_FROM:
            figures |= {
                "temperature": self.calibration.temperature,
                "ece_before_temperature": self.calibration.ece_before,
                "ece_after_temperature": self.calibration.ece_after,
            }
        return figures


def overlap(
    network: SegmentationNetwork,
    labelled: Iterable[tuple[Tensor, Tensor]],
    *,
    samples: int,
    seed: int,
    device: torch.device,
) -> Overlap:
    """Measure the suggestions of a network alone, to the same figures as :func:`evaluate`, in less time."""
    network.eval()
    counts = _Counts(network.class_count)

    def suggested(one: tuple[Tensor, Tensor]) -> tuple[Suggestion, Tensor]:
        image, truth = one
        noise = torch.Generator().manual_seed(seed)
        prediction = predict(network, image, samples=samples, generator=noise, device=device)
        return suggestion(guided(prediction, image), image, network.class_weights, *truth.shape), truth

    for shown, truth in of_each(suggested, labelled, pixels=lambda one: one[0], device=device):
        counts.add(shown, truth)
    return counts.overlap()


def evaluate(
    network: SegmentationNetwork,
    labelled: Iterable[tuple[Tensor, Tensor]],
    *,
    samples: int,
    seed: int,
    device: torch.device,
) -> Evaluation:
    """Measure a network at the resolution of the label maps.

    Args:
        network: on ``device``; put into evaluation mode.
        labelled: image ``uint8 (3, h, w)`` as the network sees it, label map ``uint8 (H, W)`` of any size
            and the same aspect; 254 and 255 are not counted, nor are classes the network does not know. Those
            that it knows and may not suggest count for the overlap alone.
        samples: latent samples per image.
        seed: the same latent noise is drawn for every image.
        device: where to predict.
    """
    network.eval()
    class_count, class_weights = network.class_count, network.class_weights.cpu()
    counts = _Counts(class_count)
    quality = UncertaintyQuality(class_count)
    labelled_logits: list[LabelledLogits] = []
    pixel_limit = min(PIXELS_OF_AN_IMAGE, max(1, LOGITS_OF_AN_IMAGE // (samples * class_count)))

    def looked_at(numbered: tuple[int, tuple[Tensor, Tensor]]) -> _LookedAt:
        number, (image, truth) = numbered
        # A class that the network may not suggest is wrong with certainty, which no temperature can mend.
        known = counts.known(without_classes(truth, network.silent))
        calibration_pixels = _LabelledPixels(
            known, network.extent_of(*image.shape[1:]), pixel_limit, step_generator(seed, number)
        )
        prediction = predict(
            network,
            image,
            samples=samples,
            generator=torch.Generator().manual_seed(seed),
            device=device,
            on_logits=calibration_pixels.see,
        )
        height, width = truth.shape
        along_edges = guided(prediction, image)
        shown = suggestion(along_edges, image, class_weights, height, width)
        size = size_at_long_side(height, width, QUALITY_SIDE)
        probabilities = torch.cat([enlarged(piece[None], *size)[0] for piece in along_edges.pieces()])
        return _LookedAt(
            truth,
            shown,
            F.normalize(probabilities.clamp(min=0), p=1, dim=0),
            enlarged(1 - shown.confidence[None, None], *size)[0, 0],
            label_to_size(known, *size),
            calibration_pixels.picked(),
        )

    for one in of_each(looked_at, enumerate(labelled), pixels=lambda numbered: numbered[1][0], device=device):
        counts.add(one.shown, one.truth)
        quality.add(
            at_natural_frequencies(one.probabilities[None], class_weights)[0],
            {"least_confidence": one.wrong},
            one.labels,
            label_to_size(one.shown.class_map, *one.labels.shape),
        )
        labelled_logits.append(one.logits)
    return Evaluation(
        **vars(counts.overlap()),
        quality=quality.result(),
        labelled_logits=_equal_shares(labelled_logits),
        class_weights=class_weights,
    )


class _LookedAt(NamedTuple):
    """A labelled image and what the network says of it; h×w is at a long side of ``QUALITY_SIDE`` at most."""

    truth: Tensor
    """``(H, W)``, the label map."""
    shown: Suggestion
    """At its size."""
    probabilities: Tensor
    """``(C, h, w)``, as trained."""
    wrong: Tensor
    """``(h, w)``, the chance that the suggestion is."""
    labels: Tensor
    """``(h, w)``, of the classes that the network knows."""
    logits: LabelledLogits


class _Counts:
    """Counts the pixels of suggestions by class, at the resolution of the label maps."""

    def __init__(self, class_count: int) -> None:
        self._class_count = class_count
        self._by_image: list[Tensor] = []

    def known(self, truth: Tensor) -> Tensor:
        """Return a label map in which classes that the network does not know are void."""
        return torch.where(truth < self._class_count, truth, VOID)

    def add(self, shown: Suggestion, truth: Tensor) -> None:
        counted = confusion_matrix(shown.class_map, self.known(truth), self._class_count)
        self._by_image.append(torch.stack([counted.diagonal(), counted.sum(dim=1), counted.sum(dim=0)]))

    def overlap(self) -> Overlap:
        none = torch.zeros(0, 3, self._class_count, dtype=torch.int64)
        counts = torch.stack(self._by_image) if self._by_image else none
        hit, true, suggested = counts.sum(dim=0)
        measured = iou(hit, true, suggested).tolist()
        by_class = {index: measured[index] for index in true.nonzero()[:, 0].tolist()}
        miou = sum(by_class.values()) / len(by_class) if by_class else math.nan
        return Overlap(miou, by_class, len(counts), counts)


class _LabelledPixels:
    """Picks the logits of a few labelled pixels, drawn at random, from the pieces it is shown."""

    def __init__(self, truth: Tensor, extent: Extent, limit: int, generator: torch.Generator) -> None:
        self._truth = truth
        self._extent = extent
        self._limit = limit
        self._generator = generator
        self._pieces: list[Tensor] = []

    def see(self, logits: Tensor) -> None:
        """Pick from logits ``(t, 1, C, h, w)``."""
        if not self._pieces:
            height, width = logits.shape[-2:]
            labels = label_of_cells(self._truth, height, width, self._extent).flatten()
            (labelled,) = torch.nonzero(labels != VOID, as_tuple=True)
            order = torch.randperm(len(labelled), generator=self._generator)
            self._pixels = labelled[order[: self._limit]]
            self._labels = labels[self._pixels].long()
        picked = logits[:, 0].flatten(2).index_select(2, self._pixels.to(logits.device))
        self._pieces.append(picked.transpose(1, 2).cpu())

    def picked(self) -> LabelledLogits:
        """Return what was picked from all samples."""
        return LabelledLogits(torch.cat(self._pieces), self._labels)


def _equal_shares(images: list[LabelledLogits]) -> list[LabelledLogits]:
    logits = sum(image.logits.numel() for image in images)
    share = min(1.0, LOGITS_OF_ALL_IMAGES / max(1, logits))
    kept = [math.ceil(share * len(image.labels)) for image in images]
    return [
        LabelledLogits(image.logits[:, :count], image.labels[:count])
        for image, count in zip(images, kept, strict=True)
    ]
