import pytest
import torch

from core.data import TrainingData, label_to_size, size_at_long_side, to_long_side


def test_images_shrink_to_the_long_side_and_never_grow() -> None:
    image = torch.full((3, 360, 480), 77, dtype=torch.uint8)
    small = to_long_side(image, 256)
    assert small.shape == (3, 192, 256)
    assert small.dtype == torch.uint8
    assert small.unique().tolist() == [77]
    assert to_long_side(image, 1000) is image
    assert size_at_long_side(1, 5000, 256) == (1, 256)


def test_label_values_never_mix() -> None:
    labels = torch.randint(0, 2, (50, 70)).to(torch.uint8) * 254
    assert set(label_to_size(labels, 13, 21).unique().tolist()) <= {0, 254}
    assert label_to_size(labels[None], 100, 140).shape == (1, 100, 140)
    assert torch.equal(label_to_size(labels, 50, 70), labels)


def test_a_label_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="Label map 0"):
        TrainingData([torch.zeros(3, 4, 5, dtype=torch.uint8)], {0: torch.zeros(5, 4, dtype=torch.uint8)}, [])
