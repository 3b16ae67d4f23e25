import math

import pytest
import torch

from core.uncertainty import class_iou, confusion_matrix, error_detection_auroc, mean_iou, pixel_accuracy


def test_confusion_ignores_not_labelled_and_void() -> None:
    truth = torch.tensor([[0, 1, 254], [1, 255, 2]], dtype=torch.uint8)
    predicted = torch.tensor([[0, 0, 1], [1, 1, 2]], dtype=torch.uint8)
    confusion = confusion_matrix(predicted, truth, 4)
    assert confusion.sum() == 4
    assert confusion[1].tolist() == [1, 1, 0, 0]
    assert class_iou(confusion)[:3].tolist() == pytest.approx([0.5, 0.5, 1])
    assert math.isnan(class_iou(confusion)[3])
    assert mean_iou(confusion) == pytest.approx(2 / 3)
    assert pixel_accuracy(confusion) == pytest.approx(0.75)


def test_nothing_counted_is_not_a_number() -> None:
    confusion = confusion_matrix(torch.zeros(2, 2), torch.full((2, 2), 255), 3)
    assert math.isnan(mean_iou(confusion))
    assert math.isnan(pixel_accuracy(confusion))


def test_error_detection() -> None:
    truth = torch.tensor([[0, 0, 1, 255]], dtype=torch.uint8)
    predicted = torch.tensor([[0, 0, 0, 0]], dtype=torch.uint8)
    assert error_detection_auroc(torch.tensor([[0.1, 0.2, 0.9, 0.0]]), predicted, truth) == 1
    assert error_detection_auroc(torch.tensor([[0.5, 0.9, 0.1, 0.0]]), predicted, truth) == 0
    assert math.isnan(error_detection_auroc(torch.rand(1, 4), truth, truth))
