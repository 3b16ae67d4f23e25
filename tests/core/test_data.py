import pytest
import torch
import torch.nn.functional as F

from core.data import NOT_LABELLED, TrainingData, label_to_size, label_to_train, size_at_long_side


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


def test_thin_and_small_labels_are_not_lost_when_a_map_is_made_smaller() -> None:
    labels = torch.full((300, 400), NOT_LABELLED, dtype=torch.uint8)
    labels[7, 20:380] = 3
    labels[200:202, 33:35] = 5
    labels[100:150, 100:150] = 255
    small = label_to_train(labels, 30, 40)
    assert (label_to_size(labels, 30, 40) == NOT_LABELLED).sum() == 30 * 40 - 25
    assert (small[0] == 3).nonzero()[:, 0].tolist() == list(range(2, 38))
    assert small[20, 3] == 5
    assert (small == NOT_LABELLED).sum() == 30 * 40 - 25 - 36 - 1


def test_a_place_without_a_label_in_its_middle_gets_the_class_that_most_of_it_has() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.tensor([0, 1, 2, NOT_LABELLED, NOT_LABELLED, 255], dtype=torch.uint8)
    labels = values[torch.randint(0, len(values), (45, 70), generator=generator)]
    nearest, small = label_to_size(labels, 9, 14), label_to_train(labels, 9, 14)
    changed = 0
    for y in range(9):
        for x in range(14):
            cell = labels[5 * y : 5 * y + 5, 5 * x : 5 * x + 5].flatten().long()
            counts = torch.bincount(cell[cell < NOT_LABELLED], minlength=3)
            wanted = int(counts.argmax()) if nearest[y, x] == NOT_LABELLED else int(nearest[y, x])
            assert small[y, x] == wanted
            changed += int(small[y, x] != nearest[y, x])
    assert changed > 20


def test_a_map_that_is_labelled_everywhere_is_made_smaller_by_its_nearest_pixels() -> None:
    labels = torch.randint(0, 3, (31, 47), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert torch.equal(label_to_train(labels, 8, 12), label_to_size(labels, 8, 12))
    assert label_to_train(labels, 31, 47) is labels
