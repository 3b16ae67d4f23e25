import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from core.batches import Batches
from core.crops import CropDraws
from core.data import TrainingData
from core.train import Training
from core.train_config import TrainConfig
from tests.core.small_network import seeded, small_network, striped_data


class ImagesRead(Sequence[torch.Tensor]):
    """Images that are held nowhere: each look makes a new tensor."""

    def __init__(self, images: Sequence[torch.Tensor]) -> None:
        self.encoded = [(image.numpy().tobytes(), image.shape) for image in images]

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, index: int) -> torch.Tensor:  # type: ignore[override]
        pixels, shape = self.encoded[index]
        return torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(shape)


def read(data: TrainingData) -> TrainingData:
    return dataclasses.replace(data, images=ImagesRead(data.images))


def batches(data: TrainingData, device: torch.device, unlabelled_from: int = 0) -> Batches:
    return Batches(data, CropDraws(data, 2, 32, seed=0, unlabelled_from=unlabelled_from), device)


def test_images_that_are_read_give_the_same_batches_as_images_held_in_memory(device: torch.device) -> None:
    data = striped_data(6, 2)
    held, reading = batches(data, device), batches(read(data), device)
    for step in (0, 1, 2, 5):  # after a gap the reading begins anew
        one, other = held.at(step, 6, seeded(step)), reading.at(step, 6, seeded(step))
        assert one[1] is not None
        assert other[1] is not None
        for a, b in zip([*one[0], *one[1]], [*other[0], *other[1]], strict=True):
            assert torch.equal(a, b)


def test_what_a_batch_holds(device: torch.device) -> None:
    labelled, unlabelled = batches(striped_data(6, 2), device).at(0, 1, seeded())
    assert unlabelled is not None
    assert labelled.images.shape == unlabelled.weak.shape == unlabelled.strong.shape == (2, 3, 32, 32)
    assert (labelled.labels.dtype, unlabelled.inside.dtype) == (torch.uint8, torch.bool)
    for pixels in (labelled.images, unlabelled.weak, unlabelled.strong):
        assert 0 <= pixels.min() <= pixels.max() <= 1
    small = TrainingData(
        [torch.zeros(3, 20, 30, dtype=torch.uint8)] * 2, {0: torch.zeros(20, 30).byte()}, [1]
    )
    inside = Batches(small, CropDraws(small, 2, 64, seed=0), device).at(0, 1, seeded())[1]
    assert inside is not None
    assert set(inside.inside.unique().tolist()) == {False, True}


def test_nothing_unlabelled_is_read_when_nothing_asks_for_it(device: torch.device) -> None:
    made = batches(striped_data(6, 2), device, unlabelled_from=1)
    assert [made.at(step, 2, seeded())[1] is None for step in range(2)] == [True, False]
    assert batches(striped_data(2, 2), device).at(0, 1, seeded())[1] is None


def test_an_error_while_reading_arrives(device: torch.device) -> None:
    data = read(striped_data(6, 2))
    data.images.encoded[:] = [(b"", (3, 48, 48))] * 6  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="could not be read while training: ValueError, both buffer length"):
        batches(data, device).at(0, 4, seeded())


def test_a_resumed_run_that_reads_its_images_equals_one_that_holds_them(tmp_path: Path) -> None:
    config = TrainConfig(crop=32, steps=5, batch_size=2, samples_train=2, confidence=0.3, max_entropy=2.0)
    data = striped_data(6, 2)
    whole, first, second = (
        Training(small_network(), at, config, "cpu") for at in (data, read(data), read(data))
    )
    whole.run(lambda report: True)
    before = torch.get_rng_state()
    first.run(lambda report: report.step < 2)
    first.save(tmp_path)
    second.restore(tmp_path)
    second.run(lambda report: True)
    assert torch.equal(before, torch.get_rng_state())
    for name, value in whole.teacher.state_dict().items():
        assert torch.equal(second.teacher.state_dict()[name], value), name
