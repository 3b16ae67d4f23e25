import pytest
import torch

from core.recipes.class_queues import ClassQueues
from tests.core.small_network import seeded


def numbered(device: torch.device, first: int, count: int, classes: int = 2) -> torch.Tensor:
    """Keys whose one value is first, first + 1, …; class c adds 100 · c."""
    values = torch.arange(first, first + count).float()
    return (values + 100 * torch.arange(classes)[:, None])[:, :, None].to(device)


def held(queues: ClassQueues, index: int) -> set[float]:
    return set(queues.rows[index, : int(queues.filled[index]), 0].tolist())


def all_used(device: torch.device, count: int) -> torch.Tensor:
    return torch.ones(2, count, dtype=torch.bool, device=device)


def test_the_oldest_rows_leave_first(device: torch.device) -> None:
    queues = ClassQueues(2, 1, size=5).to(device)
    queues.push(numbered(device, 0, 3), all_used(device, 3))
    assert held(queues, 0) == {0, 1, 2}
    queues.push(numbered(device, 3, 3), all_used(device, 3))
    assert held(queues, 0) == {1, 2, 3, 4, 5}
    assert held(queues, 1) == {101, 102, 103, 104, 105}
    queues.push(numbered(device, 6, 4), all_used(device, 4))
    assert held(queues, 0) == {5, 6, 7, 8, 9}
    assert queues.filled.tolist() == [5, 5]


def test_rows_of_a_queue_that_is_not_full_are_drawn_alike(device: torch.device) -> None:
    queues = ClassQueues(2, 1, size=1000).to(device)
    queues.push(numbered(device, 0, 4), all_used(device, 4))
    drawn = queues.sample(400, seeded())[0, :, 0]
    assert [bool(70 < int((drawn == row).sum()) < 130) for row in range(4)] == [True] * 4


def test_classes_fill_independently_and_unused_keys_are_not_stored(device: torch.device) -> None:
    queues = ClassQueues(3, 1, size=4).to(device)
    used = torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 0]], device=device).bool()
    queues.push(numbered(device, 1, 3, classes=3), used)
    assert queues.filled.tolist() == [2, 0, 1]
    assert held(queues, 0) == {1, 3}
    assert held(queues, 2) == {202}


def test_of_an_overfull_push_the_last_rows_stay(device: torch.device) -> None:
    queues = ClassQueues(2, 1, size=4).to(device)
    queues.push(numbered(device, 90, 2), all_used(device, 2))
    used = all_used(device, 11)
    used[:, 10] = False
    queues.push(numbered(device, 0, 11), used)
    assert held(queues, 0) == {6, 7, 8, 9}
    queues.push(numbered(device, 20, 1), all_used(device, 1))
    assert held(queues, 0) == {7, 8, 9, 20}


def test_pushing_in_parts_equals_pushing_at_once(device: torch.device) -> None:
    keys, used = numbered(device, 0, 12), (torch.rand(2, 12, generator=seeded()) < 0.6).to(device)
    at_once, in_parts = (ClassQueues(2, 1, size=5).to(device) for _ in range(2))
    at_once.push(keys, used)
    for part in range(0, 12, 3):
        in_parts.push(keys[:, part : part + 3], used[:, part : part + 3])
    for name, value in at_once.state_dict().items():
        assert torch.equal(in_parts.state_dict()[name], value)


def test_samples_are_rows_of_the_class(device: torch.device) -> None:
    queues = ClassQueues(3, 1, size=50).to(device)
    used = torch.zeros(3, 20, dtype=torch.bool, device=device)
    used[0, :20], used[1, :1] = True, True
    queues.push(numbered(device, 1, 20, classes=3), used)
    drawn = queues.sample(2000, seeded())
    assert drawn.shape == (3, 2000, 1)
    assert set(drawn[0].flatten().tolist()) == set(range(1, 21))
    assert set(drawn[1].flatten().tolist()) == {101}
    assert not drawn[2].any()  # an empty queue


@pytest.mark.parametrize("row_type", [torch.float32, torch.float16, torch.bfloat16])
def test_state_survives_a_round_trip(device: torch.device, row_type: torch.dtype) -> None:
    queues, other = (ClassQueues(2, 3, size=4, dtype=row_type).to(device) for _ in range(2))
    queues.push(torch.randn(2, 6, 3, generator=seeded()).to(device), all_used(device, 6))
    assert queues.rows.dtype == row_type
    other.load_state_dict(queues.state_dict())
    for each in (queues, other):
        each.push(torch.randn(2, 1, 3, generator=seeded(1)).to(device), all_used(device, 1))
    assert torch.equal(queues.rows, other.rows)
    assert torch.equal(queues.sample(9, seeded()), other.sample(9, seeded()))


def test_queues_send_no_gradient_back(device: torch.device) -> None:
    keys = torch.randn(2, 3, 4, requires_grad=True, device=device)
    queues = ClassQueues(2, 4, size=8).to(device)
    queues.push(keys, all_used(device, 3))
    assert not queues.rows.requires_grad
    assert not queues.sample(3, seeded()).requires_grad
