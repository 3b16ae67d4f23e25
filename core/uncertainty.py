"""How good a prediction is, and how good its uncertainty."""

from __future__ import annotations

import torch
from torchmetrics.functional.classification import binary_auroc

from core.data import NOT_LABELLED


def confusion_matrix(class_map: torch.Tensor, truth: torch.Tensor, class_count: int) -> torch.Tensor:
    """Count pixels by true class (rows) and predicted class (columns), ``(C, C)`` int64.

    Args:
        class_map: ``(h, w)`` predicted classes 0…C−1.
        truth: ``(h, w)`` label map; pixels of 254 and 255 are not counted.
        class_count: C.
    """
    counted = truth < NOT_LABELLED
    pairs = truth[counted].long() * class_count + class_map[counted].long()
    return pairs.bincount(minlength=class_count**2).view(class_count, class_count)


def class_iou(confusion: torch.Tensor) -> torch.Tensor:
    """Return intersection over union of each class, ``(C,)`` float64; NaN for a class that occurs nowhere."""
    counts = confusion.double()
    hit = counts.diagonal()
    union = counts.sum(dim=0) + counts.sum(dim=1) - hit
    return torch.where(union > 0, hit / union, torch.nan)


def mean_iou(confusion: torch.Tensor) -> float:
    """Return the mean IoU over the classes that occur in truth or prediction; NaN when none does."""
    return float(class_iou(confusion).nanmean())


def pixel_accuracy(confusion: torch.Tensor) -> float:
    """Return the share of counted pixels that are right; NaN when none is counted."""
    return float(confusion.diagonal().sum() / confusion.sum().double())


def error_detection_auroc(uncertainty: torch.Tensor, class_map: torch.Tensor, truth: torch.Tensor) -> float:
    """Return how well uncertainty tells wrong pixels from right ones: 0.5 is chance, 1 is perfect.

    Args:
        uncertainty: ``(h, w)`` float.
        class_map: ``(h, w)`` predicted classes.
        truth: ``(h, w)`` label map; pixels of 254 and 255 are not counted.

    Returns:
        The area under the ROC curve; NaN when all counted pixels are right or all are wrong.
    """
    counted = truth < NOT_LABELLED
    wrong = class_map[counted] != truth[counted]
    if not bool(wrong.any()) or bool(wrong.all()):
        return float("nan")
    return float(binary_auroc(uncertainty[counted].float(), wrong.long()))
