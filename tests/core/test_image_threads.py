"""Images share the processor's threads among them, and come out in their order."""

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from core import image_threads
from core.image_threads import of_each, read_at_once

SMALL = torch.zeros(3, 8, 8, dtype=torch.uint8)


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0.0)
        return number

    assert list(of_each(slow_first, range(20), pixels=lambda _: SMALL, device="cpu")) == list(range(20))
    assert list(of_each(slow_first, [], pixels=lambda _: SMALL, device="cpu")) == []


def test_every_thread_has_an_image_and_no_image_has_two_threads() -> None:
    together = threading.Barrier(4, timeout=10)

    def within(number: int) -> int:
        together.wait()
        return torch.get_num_threads()

    assert list(of_each(within, range(8), pixels=lambda _: SMALL, device="cpu")) == [1] * 8
    assert torch.get_num_threads() == 4

    begins_with: list[int] = []
    later = threading.Thread(target=lambda: begins_with.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert begins_with == [4]


@pytest.mark.parametrize(("limit", "within"), [(64, 4), (128, 2), (64 * 3, 1), (1, 4)])
def test_large_images_get_more_threads_each(limit: int, within: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_threads, "PIXELS_AT_ONCE", limit)
    seen = of_each(lambda _: torch.get_num_threads(), range(3), pixels=lambda _: SMALL, device="cpu")
    assert set(seen) == {within}


def test_large_images_behind_a_small_one_are_not_worked_on_all_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image_threads, "PIXELS_AT_ONCE", 4 * 64)
    large = torch.zeros(3, 16, 16, dtype=torch.uint8)
    at_work, most = [0], [0]

    def work(number: int) -> int:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        time.sleep(0.01)
        at_work[0] -= 1
        return number

    seen = of_each(work, range(12), pixels=lambda number: large if number else SMALL, device="cpu")
    assert list(seen) == list(range(12))
    assert most[0] == 1


def test_an_accelerator_gets_image_after_image() -> None:
    seen = of_each(lambda _: threading.get_ident(), range(3), pixels=lambda _: SMALL, device="meta")
    assert set(seen) == {threading.get_ident()}


def test_what_is_raised_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise ValueError("damaged")

    reading = of_each(lambda number: number, items(), pixels=lambda _: SMALL, device="cpu")
    assert [next(reading) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="damaged"):
        next(reading)

    def inverse(number: int) -> float:
        return 1 / number

    working = of_each(inverse, [1, 2, 0, 4], pixels=lambda _: SMALL, device="cpu")
    assert [next(working), next(working)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(working)
    assert torch.get_num_threads() == 4


def test_closing_begins_nothing_more_and_leaves_no_thread() -> None:
    threads = threading.active_count()
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    working = of_each(lambda number: number, items(), pixels=lambda _: SMALL, device="cpu")
    assert next(working) == 0
    working.close()
    assert len(taken) <= 5
    assert threading.active_count() == threads
    assert torch.get_num_threads() == 4


def test_what_is_read_comes_in_order_with_what_was_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_threads.os, "cpu_count", lambda: 4)
    together = threading.Barrier(4, timeout=10)

    def inverse(number: int) -> float:
        if number < 8:
            together.wait()
        time.sleep(0.01 if number % 3 == 0 else 0.0)
        return 1 / (number - 10)

    read = list(read_at_once(inverse, range(40), pixels=lambda _: 1))
    assert [number for number, _ in read] == list(range(40))
    assert isinstance(read[10][1].exception(), ZeroDivisionError)
    assert [future.result() for number, future in read if number != 10] == [
        1 / (number - 10) for number in range(40) if number != 10
    ]
    assert list(read_at_once(inverse, [], pixels=lambda _: 1)) == []


def test_files_that_are_read_together_have_so_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_threads, "PIXELS_READ_AT_ONCE", 100)
    monkeypatch.setattr(image_threads.os, "cpu_count", lambda: 4)
    sizes = [60, 30, 10, 500, 1, 50, 49, 60, 500, 500]
    under_way: list[int] = []
    together: list[int] = []
    lock = threading.Lock()

    def read(size: int) -> None:
        with lock:
            under_way.append(size)
            together.append(sum(under_way))
        time.sleep(0.01)
        with lock:
            under_way.remove(size)

    for _, future in read_at_once(read, sizes, pixels=lambda size: size):
        future.result()
    assert sorted(together)[-3:] == [500, 500, 500], "a file above the bound is read, and alone"
    assert sorted(together)[-4] <= 100


def test_reading_that_is_given_up_ends_with_what_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_threads.os, "cpu_count", lambda: 2)
    threads = threading.active_count()
    taken: list[int] = []
    goes_on = threading.Event()

    def read(number: int) -> None:
        taken.append(number)
        if number:
            goes_on.wait(10)

    reading = read_at_once(read, range(1000), pixels=lambda _: 1)
    next(reading)
    closing = threading.Thread(target=reading.close)
    closing.start()
    time.sleep(0.05)
    goes_on.set()
    closing.join()
    assert len(taken) <= 3, "the first, and one in each of two threads"
    assert threading.active_count() == threads
