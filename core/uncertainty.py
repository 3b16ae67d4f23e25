"""How good a prediction is, and how good its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from core.data import NOT_LABELLED, VOID

BINS = 15
"""Bins of the calibration errors."""
SWEEP = 21
"""Thresholds of a PAvPU curve."""


def confusion_matrix(class_map: torch.Tensor, truth: torch.Tensor, class_count: int) -> torch.Tensor:
    """Count pixels by true class (rows) and predicted class (columns), ``(C, C)`` int64.

    Args:
        class_map: ``(h, w)`` predicted classes 0…C−1.
        truth: ``(h, w)`` label map; pixels of 254 and 255 are not counted, whatever is predicted there.
        class_count: C.

    Raises:
        ValueError: The two differ in shape, or a true class is not below C.
    """
    if class_map.shape != truth.shape:
        raise ValueError(f"The class map is {tuple(class_map.shape)}, its label map {tuple(truth.shape)}.")
    # To count all pixels, and leave out the row of those that do not count, is several times as quick as to
    # gather the others first, and takes four bytes a pixel.
    row = torch.where(truth < NOT_LABELLED, truth, VOID).int()
    keys = row.mul_(class_count).add_(class_map.int())
    counts = keys.flatten().bincount(minlength=(VOID + 1) * class_count)
    if bool(counts[class_count**2 : VOID * class_count].any()):
        raise ValueError(f"The maps have classes beyond the {class_count} that are counted.")
    return counts[: class_count**2].view(class_count, class_count)


def class_iou(confusion: torch.Tensor) -> torch.Tensor:
    """Return intersection over union of each class, ``(C,)`` float64; NaN for a class that occurs nowhere."""
    return iou(confusion.diagonal(), confusion.sum(dim=1), confusion.sum(dim=0))


def iou(hit: torch.Tensor, true: torch.Tensor, predicted: torch.Tensor) -> torch.Tensor:
    """Return intersection over union from pixel counts of one shape, float64; NaN where there are none."""
    hit = hit.double()
    union = true + predicted - hit
    return torch.where(union > 0, hit / union, torch.nan)


def mean_iou(confusion: torch.Tensor) -> float:
    """Return the mean IoU over the classes that occur in truth or prediction; NaN when none does."""
    return float(class_iou(confusion).nanmean())


def pixel_accuracy(confusion: torch.Tensor) -> float:
    """Return the share of counted pixels that are right; NaN when none is counted."""
    return float(confusion.diagonal().sum() / confusion.sum().double())


@dataclass(frozen=True)
class PAvPUCurve:
    """How far uncertain patches coincide with inaccurate ones.

    A patch is accurate when its share of right pixels is at least θ_a, uncertain when its mean
    uncertainty is at least θ_u (Mukhoti & Gal 2018, arXiv 1811.12709). All tensors are ``(S,)`` float64
    over the sweep of θ_u from the least uncertain patch to the most uncertain one; NaN where a ratio has
    nothing to count.
    """

    threshold: torch.Tensor
    """θ_u, ascending."""
    pavpu: torch.Tensor
    """(accurate and certain + inaccurate and uncertain) / all patches."""
    accurate_if_certain: torch.Tensor
    """p(accurate | certain)."""
    uncertain_if_inaccurate: torch.Tensor
    """p(uncertain | inaccurate)."""


@dataclass(frozen=True)
class MapQuality:
    """How well one kind of uncertainty map finds the errors.

    Attributes:
        error_auroc: Area under the ROC curve of wrong against right pixels: 0.5 is chance, 1 is perfect;
            NaN when all are right or all are wrong.
        error_aupr: Average precision of the same; chance is the share of wrong pixels.
        aurc: Area under the risk–coverage curve, in [0, 1]: the share of wrong pixels among the k surest,
            averaged over k (Geifman & El-Yaniv 2017). Lower is better.
        spearman: Rank correlation over images of ``image_score`` and 1 − mIoU, in [−1, 1]; NaN for fewer
            than 3 images or when either does not vary.
        spearman_pixel_error: The same with the share of wrong pixels.
        pavpu: PAvPU over a sweep of thresholds.
        image_score: ``(N,)`` float64, mean of the map over all pixels of an image, void ones too: it is
            known before the truth is.
    """

    error_auroc: float
    error_aupr: float
    aurc: float
    spearman: float
    spearman_pixel_error: float
    pavpu: PAvPUCurve
    image_score: torch.Tensor


@dataclass(frozen=True)
class Quality:
    """Quality of predictions and of their uncertainty, over all counted pixels of all images.

    Everything is NaN, or empty, when nothing was counted.

    Attributes:
        images: N, images with a counted pixel.
        pixels: Counted pixels.
        miou: Mean IoU over the classes that occur in truth or prediction; counts first, then the measure.
        pixel_accuracy: Share of pixels that are right.
        nll: Mean −log p of the true class, nats; at most 87.4 a pixel, so one zero does not end it all.
        brier: Mean Σ_c (p_c − y_c)², in [0, 2].
        ece: Expected calibration error of the predicted class's probability, 15 bins of equal width, in
            [0, 1] (Guo et al. 2017).
        classwise_ece: Mean over the classes of the error of each class's own probability (Kull et al. 2019);
            one that is improbable and absent everywhere, as an archived class is, is none of them.
        image_error: ``(N,)`` float64, 1 − mIoU of each image.
        image_pixel_error: ``(N,)`` float64, share of wrong pixels of each image.
        maps: The quality of each kind of uncertainty map, by name.
    """

    images: int
    pixels: int
    miou: float
    pixel_accuracy: float
    nll: float
    brier: float
    ece: float
    classwise_ece: float
    image_error: torch.Tensor
    image_pixel_error: torch.Tensor
    maps: dict[str, MapQuality]


class UncertaintyQuality:
    """Collects predictions image by image and tells how good they and their uncertainty are.

    Pixels of 254 and 255 count nowhere. Memory does not grow with the pixels: counts and sums are exact,
    and an uncertainty is counted at a relative precision of 2⁻⁹ (values nearer to each other are ties,
    which the measures take in the mean over all orders). Per image a few numbers are kept.

    Args:
        class_count: C.
        patch: Side of the patches of PAvPU, in pixels; those at the border may be smaller, and a patch is
            judged by its counted pixels.
        accurate_from: θ_a of PAvPU.
    """

    def __init__(self, class_count: int, *, patch: int = 4, accurate_from: float = 0.5) -> None:
        self._class_count = class_count
        self._patch = patch
        self._accurate_from = accurate_from
        self._confusion = torch.zeros(class_count, class_count, dtype=torch.int64)
        self._nll = self._brier = 0.0
        self._confidence = CalibrationBins(1)
        self._classes = CalibrationBins(class_count)
        self._possible = torch.zeros(class_count, dtype=torch.bool)
        self._image_error: list[float] = []
        self._image_pixel_error: list[float] = []
        self._maps: dict[str, _MapCounts] = {}

    def add(
        self,
        probabilities: torch.Tensor,
        uncertainty: Mapping[str, torch.Tensor],
        truth: torch.Tensor,
        class_map: torch.Tensor | None = None,
    ) -> None:
        """Count one image.

        Args:
            probabilities: ``(C, h, w)`` float, sums to 1 over C; on any device.
            uncertainty: Maps ``(h, w)`` by name, at least 0, on any scale; the same names for each image.
            truth: ``(h, w)`` uint8 label map of classes below C; pixels of 254 and 255 are not counted.
            class_map: ``(h, w)`` the predicted classes; the most probable ones by default.

        Raises:
            ValueError: An uncertainty is negative or not a number.
        """
        probabilities, truth = probabilities.detach().cpu().float(), truth.cpu()
        counted = truth < NOT_LABELLED
        if not bool(counted.any()):
            return
        predicted = probabilities.argmax(dim=0) if class_map is None else class_map.cpu().long()
        confidence = probabilities.gather(0, predicted[None])[0]
        wrong = predicted != truth
        confusion = confusion_matrix(predicted, truth, self._class_count)
        self._confusion += confusion
        self._image_error.append(1 - mean_iou(confusion))
        self._image_pixel_error.append(1 - pixel_accuracy(confusion))

        labels = truth[counted].long()
        by_class = probabilities[:, counted]
        of_truth = by_class.gather(0, labels[None])[0]
        tiny = torch.finfo(torch.float32).tiny
        self._nll -= float(of_truth.clamp(min=tiny).log().sum(dtype=torch.float64))
        squares = by_class.square().sum(dim=0) - 2 * of_truth + 1
        self._brier += float(squares.sum(dtype=torch.float64))
        self._confidence.add(confidence[counted][None], ~wrong[counted][None])
        is_truth = labels == torch.arange(self._class_count)[:, None]
        self._classes.add(by_class, is_truth)
        self._possible |= (by_class > 0).any(dim=1) | is_truth.any(dim=1)

        patch_counted = self._patch_sums(counted)
        judged = patch_counted > 0
        wrong_share = self._patch_sums(wrong & counted)[judged] / patch_counted[judged]
        inaccurate = 1 - wrong_share < self._accurate_from
        for name, values in uncertainty.items():
            values = values.detach().cpu().float()
            if not bool((values >= 0).all()):
                raise ValueError(
                    f"The uncertainty {name!r} has values below 0 or no number. Give one that is at least 0."
                )
            patches = self._patch_sums(values * counted)[judged] / patch_counted[judged]
            counts = self._maps.setdefault(name, _MapCounts())
            counts.pixels.add(values[counted], wrong[counted])
            counts.patches.add(patches, inaccurate)
            counts.image_score.append(float(values.mean(dtype=torch.float64)))

    def _patch_sums(self, values: torch.Tensor) -> torch.Tensor:
        right, below = -values.shape[1] % self._patch, -values.shape[0] % self._patch
        padded = F.pad(values.float(), (0, right, 0, below))
        return F.avg_pool2d(padded[None], self._patch, divisor_override=1)[0]

    def result(self) -> Quality:
        """Return the measures over all images so far."""
        pixels = int(self._confusion.sum())
        image_error = torch.tensor(self._image_error, dtype=torch.float64)
        image_pixel_error = torch.tensor(self._image_pixel_error, dtype=torch.float64)
        maps = {}
        for name, counts in self._maps.items():
            image_score = torch.tensor(counts.image_score, dtype=torch.float64)
            maps[name] = MapQuality(
                error_auroc=counts.pixels.auroc(),
                error_aupr=counts.pixels.average_precision(),
                aurc=counts.pixels.area_under_risk_coverage(),
                spearman=spearman(image_score, image_error),
                spearman_pixel_error=spearman(image_score, image_pixel_error),
                pavpu=counts.patches.pavpu(),
                image_score=image_score,
            )
        return Quality(
            images=len(self._image_error),
            pixels=pixels,
            miou=mean_iou(self._confusion),
            pixel_accuracy=pixel_accuracy(self._confusion),
            nll=self._nll / pixels if pixels else math.nan,
            brier=self._brier / pixels if pixels else math.nan,
            ece=float(self._confidence.errors().mean()),
            classwise_ece=float(self._classes.errors()[self._possible].mean()),
            image_error=image_error,
            image_pixel_error=image_pixel_error,
            maps=maps,
        )


class CalibrationBins:
    """Probabilities of K kinds against how often they came true, in 15 bins of equal width."""

    def __init__(self, kinds: int) -> None:
        self._count = torch.zeros(kinds, BINS, dtype=torch.float64)
        self._surplus = torch.zeros(kinds, BINS, dtype=torch.float64)

    def add(self, probabilities: torch.Tensor, true: torch.Tensor) -> None:
        """Count float32 probabilities ``(K, n)`` in [0, 1] and which came true, ``(K, n)`` bool."""
        for kind, (probability, came_true) in enumerate(zip(probabilities, true, strict=True)):
            bins = (probability * BINS).long().clamp(0, BINS - 1)
            self._count[kind] += bins.bincount(minlength=BINS)
            self._surplus[kind] += bins.bincount((probability - came_true.float()).double(), minlength=BINS)

    def errors(self) -> torch.Tensor:
        """Return Σ share of the bin · |mean probability − frequency|, ``(K,)`` float64; NaN when empty."""
        return self._surplus.abs().sum(dim=1) / self._count.sum(dim=1)


class RankCounts:
    """Hits and misses by value, for measures that depend on the order of the values alone.

    The upper bits of a float of at least 0 are in the same order as the float itself, so they are the
    bins: 512 to each power of two, which suits entropies of 1 as well as variances of 1e-5.
    """

    _DROPPED_BITS = 14
    _BINS = 2 ** (31 - _DROPPED_BITS)

    def __init__(self) -> None:
        self._misses = torch.zeros(self._BINS, dtype=torch.int64)
        self._hits = torch.zeros(self._BINS, dtype=torch.int64)
        self._lowest, self._highest = math.inf, -math.inf

    def add(self, values: torch.Tensor, hit: torch.Tensor) -> None:
        """Count float32 values ``(n,)`` of at least 0; ``hit``, ``(n,)`` bool, is what they should find."""
        if not values.numel():
            return
        bins = self._bins_of(values)
        self._hits += bins[hit].bincount(minlength=self._BINS)
        self._misses += bins[~hit].bincount(minlength=self._BINS)
        self._lowest = min(self._lowest, float(values.min()))
        self._highest = max(self._highest, float(values.max()))

    def _bins_of(self, values: torch.Tensor) -> torch.Tensor:
        # abs() turns −0.0, whose sign bit is set, into 0.0.
        return values.abs().view(torch.int32) >> self._DROPPED_BITS

    def _filled(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return hits and misses of the bins in use, by ascending value, float64."""
        used = (self._hits + self._misses) > 0
        return self._hits[used].double(), self._misses[used].double()

    def auroc(self) -> float:
        """Return the probability that a hit has a higher value than a miss, ties counting half."""
        hits, misses = self._filled()
        lower_misses = misses.cumsum(0) - misses / 2
        pairs = hits.sum() * misses.sum()
        return float((hits * lower_misses).sum() / pairs) if pairs else math.nan

    def average_precision(self) -> float:
        """Return Σ (recall gained · precision) from the highest value down; NaN without a hit."""
        hits, misses = (counts.flip(0) for counts in self._filled())
        if not hits.sum():
            return math.nan
        precision = hits.cumsum(0) / (hits + misses).cumsum(0)
        return float((hits * precision).sum() / hits.sum())

    def area_under_risk_coverage(self) -> float:
        """Return the mean over k of the share of hits among the k lowest values; NaN when empty.

        Within a bin the expectation over all orders is taken: with E hits among the K values before it and
        e hits among its n, Σ_j (E + e·j/n)/(K + j) over j = 1…n equals
        e + (E − K·e/n)·(ψ(K + n + 1) − ψ(K + 1)).
        """
        hits, misses = self._filled()
        if not len(hits):
            return math.nan
        here = hits + misses
        before, hits_before = here.cumsum(0) - here, hits.cumsum(0) - hits
        harmonic = torch.digamma(before + here + 1) - torch.digamma(before + 1)
        return float((hits + (hits_before - before * hits / here) * harmonic).sum() / here.sum())

    def pavpu(self) -> PAvPUCurve:
        """Return the sweep over thresholds for values of patches, where a hit is an inaccurate patch."""
        if self._highest < self._lowest:
            empty = torch.empty(0, dtype=torch.float64)
            return PAvPUCurve(empty, empty, empty, empty)
        thresholds = torch.linspace(self._lowest, self._highest, SWEEP, dtype=torch.float64)
        bins = self._bins_of(thresholds.float()).long()
        hits, misses = self._hits.double(), self._misses.double()
        certain_hits, certain_misses = ((counts.cumsum(0) - counts)[bins] for counts in (hits, misses))
        return PAvPUCurve(
            threshold=thresholds,
            pavpu=(certain_misses + hits.sum() - certain_hits) / (hits.sum() + misses.sum()),
            accurate_if_certain=certain_misses / (certain_misses + certain_hits),
            uncertain_if_inaccurate=1 - certain_hits / hits.sum(),
        )


class _MapCounts:
    """What is kept of one kind of uncertainty map."""

    def __init__(self) -> None:
        self.pixels = RankCounts()
        self.patches = RankCounts()
        self.image_score: list[float] = []


def spearman(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return the rank correlation of two ``(N,)`` tensors, in [−1, 1].

    It is NaN for fewer than 3 values or when either tensor does not vary.
    """
    if len(first) < 3 or bool((first == first[0]).all()) or bool((second == second[0]).all()):
        return math.nan
    # Where it is called there was work for minutes; at the top each start of the worker would wait for it.
    from scipy.stats import spearmanr

    return float(spearmanr(first.numpy(force=True), second.numpy(force=True)).statistic)
