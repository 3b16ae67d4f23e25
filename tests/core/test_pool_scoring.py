"""A pool is predicted in order while the next images are read."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from core.pool_scoring import _batches, predicted_pool, predicted_within_memory, read_ahead
from core.predict import ImagePrediction, predict
from tests.core.small_network import seeded, small_network


def test_items_come_in_order_and_no_further_ahead_than_allowed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    seen = []
    for number in read_ahead(items(), ahead=3):
        seen.append(number)
        # Three wait, and one more is in the hands of the thread.
        assert len(taken) <= number + 1 + 4
    assert seen == list(range(20))


def test_what_the_reading_raises_comes_after_the_items_before() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("damaged")

    reading = read_ahead(items())
    assert next(reading) == 1
    with pytest.raises(ValueError, match="damaged"):
        next(reading)


def test_a_closed_reading_leaves_no_thread() -> None:
    before = threading.active_count()
    reading = read_ahead(iter(range(1000)), ahead=2)
    assert next(reading) == 0
    reading.close()
    assert threading.active_count() == before


def test_predictions_are_those_of_single_images() -> None:
    network = small_network()
    generator = torch.Generator().manual_seed(0)
    images: list[tuple[str, Tensor]] = [
        (name, torch.randint(256, (3, height, 64), dtype=torch.uint8, generator=generator))
        for name, height in (("a", 48), ("b", 48), ("c", 32))
    ]

    def unchanged(
        key: str, pixels: Tensor, prediction: ImagePrediction
    ) -> tuple[str, Tensor, ImagePrediction]:
        return key, pixels, prediction

    found = list(predicted_pool(network, images, unchanged, samples=3, seed=5, device="cpu", temperature=2.0))
    assert [key for key, _, _ in found] == ["a", "b", "c"]
    for (_, pixels), (_, same, prediction) in zip(images, found, strict=True):
        assert same is pixels
        alone = predict(network, pixels, samples=3, generator=seeded(5), device="cpu", temperature=2.0)
        torch.testing.assert_close(prediction.pixel_scores, alone.pixel_scores)
        torch.testing.assert_close(prediction.probabilities, alone.probabilities)


def test_images_are_predicted_one_by_one_where_memory_does_not_suffice_for_all() -> None:
    asked: list[int] = []

    def predicted(images: list[Tensor]) -> list[Any]:
        asked.append(len(images))
        if len(images) > room:
            raise RuntimeError("CUDA out of memory")
        return [float(image) for image in images]

    room = 1
    assert predicted_within_memory(predicted, [*torch.arange(3.0)]) == [0.0, 1.0, 2.0]
    assert asked == [3, 1, 1, 1]
    room = 0
    with pytest.raises(RuntimeError, match="out of memory"):
        predicted_within_memory(predicted, [torch.zeros(())])


def test_images_of_one_size_are_predicted_together_up_to_so_many_pixels() -> None:
    sizes = [(4, 6)] * 5 + [(6, 4), (4, 6), (9, 9)]
    images = [(key, torch.zeros(3, *size)) for key, size in enumerate(sizes)]
    assert [keys for keys, _ in _batches(iter(images), 3 * 24)] == [[0, 1, 2], [3, 4], [5], [6], [7]]
    assert [keys for keys, _ in _batches(iter(images), 0)] == [[key] for key in range(8)]
