import pytest
import torch
import torch.nn.functional as F

from core.data import TrainingData, label_to_size, size_at_long_side


def test_a_size_is_shrunk_and_never_grows() -> None:
    assert size_at_long_side(360, 480, 256) == (192, 256)
    assert size_at_long_side(360, 480, 1000) == (360, 480)
    assert size_at_long_side(1, 5000, 256) == (1, 256)


def test_label_values_never_mix() -> None:
    labels = torch.randint(0, 2, (50, 70)).to(torch.uint8) * 254
    assert set(label_to_size(labels, 13, 21).unique().tolist()) <= {0, 254}
    assert label_to_size(labels[None], 100, 140).shape == (1, 100, 140)
    assert torch.equal(label_to_size(labels, 50, 70), labels)


def test_a_label_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="Label map 0"):
        TrainingData([torch.zeros(3, 4, 5, dtype=torch.uint8)], {0: torch.zeros(5, 4, dtype=torch.uint8)}, [])


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_labels_are_those_of_pytorchs_nearest_neighbour(dtype: torch.dtype | None) -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((1, 1), (7, 300), (361, 481), (3001, 2)):
        labels = torch.randint(0, 256, (2, *shape), dtype=torch.uint8, generator=generator)
        for size in ((1, 1), (90, 121), (288, 384), (700, 5)):
            wanted = F.interpolate(labels[:, None].float(), size=size, mode="nearest-exact")[:, 0]
            with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
                assert torch.equal(label_to_size(labels, *size), wanted.to(torch.uint8))
