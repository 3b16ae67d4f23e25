import torch

from core.model.class_memory import ClassMemory
from tests.core.small_network import seeded


def test_a_row_is_that_pixels_feature_vector(device: torch.device) -> None:
    features = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32, device=device).view(2, 3, 2, 2)
    labels = torch.full((2, 2, 2), 255, device=device)
    labels[1, 0, 1] = 1
    memory = ClassMemory(2, 3, rows_per_class=4, rows_per_push=4).to(device)
    memory.push(features, labels)
    assert torch.equal(memory.rows[1, 0], features[1, :, 0, 1])
    assert memory.filled.tolist() == [0, 1]


def test_every_stored_row_belongs_to_a_pixel_of_its_class(device: torch.device) -> None:
    features = torch.randn(3, 5, 8, 8, generator=seeded()).to(device)
    labels = torch.randint(0, 4, (3, 8, 8), generator=seeded(1)).to(device)
    memory = ClassMemory(4, 5, rows_per_class=32, rows_per_push=16).to(device)
    memory.push(features, labels, seeded(2))
    pixels = features.permute(0, 2, 3, 1)
    for index in range(4):
        own = pixels[labels == index]
        for row in memory.rows[index, : memory.filled[index]]:
            assert (own == row).all(dim=1).any()


def test_the_newest_rows_stay(device: torch.device) -> None:
    memory = ClassMemory(1, 1, rows_per_class=4, rows_per_push=3).to(device)
    for value in range(1, 8):
        memory.push(
            torch.full((1, 1, 1, 1), float(value), device=device),
            torch.zeros(1, 1, 1, dtype=torch.uint8, device=device),
        )
    assert sorted(memory.rows[0, :, 0].tolist()) == [4, 5, 6, 7]
    memory.push(
        torch.tensor([10.0, 11.0, 12.0], device=device).view(1, 1, 1, 3),
        torch.zeros(1, 1, 3, dtype=torch.uint8, device=device),
    )
    assert sorted(memory.rows[0, :, 0].tolist()) == [7, 10, 11, 12]
    assert memory.filled.tolist() == [4]


def test_not_labelled_and_void_are_never_stored(device: torch.device) -> None:
    memory = ClassMemory(3, 2).to(device)
    labels = torch.tensor([254, 255, 3, 200], dtype=torch.uint8, device=device).view(1, 2, 2)
    memory.push(torch.ones(1, 2, 2, 2, device=device), labels, seeded())
    assert memory.filled.tolist() == [0, 0, 0]
    assert not memory.rows.any()


def test_pushing_nothing_changes_nothing(device: torch.device) -> None:
    memory = ClassMemory(2, 2).to(device)
    memory.push(torch.ones(1, 2, 1, 1, device=device), torch.zeros(1, 1, 1, dtype=torch.uint8, device=device))
    before = {name: value.clone() for name, value in memory.state_dict().items()}
    memory.push(
        torch.zeros(0, 2, 4, 4, device=device), torch.zeros(0, 4, 4, dtype=torch.uint8, device=device)
    )
    memory.push(
        torch.full((1, 2, 4, 4), 9.0, device=device),
        torch.full((1, 4, 4), 255, dtype=torch.uint8, device=device),
    )
    assert all(torch.equal(before[name], value) for name, value in memory.state_dict().items())


def test_state_dict_round_trip(device: torch.device) -> None:
    memory = ClassMemory(3, 4).to(device)
    memory.push(
        torch.randn(2, 4, 9, 7, generator=seeded()).to(device),
        torch.randint(0, 3, (2, 9, 7), device=device),
        seeded(),
    )
    other = ClassMemory(3, 4).to(device)
    other.load_state_dict(memory.state_dict())
    for name, value in memory.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    assert torch.equal(other.centres()[0], memory.centres()[0])


def test_centres_average_the_filled_rows_only(device: torch.device) -> None:
    memory = ClassMemory(2, 1, rows_per_class=100).to(device)
    memory.push(
        torch.tensor([2.0, 4.0], device=device).view(1, 1, 1, 2),
        torch.zeros(1, 1, 2, dtype=torch.uint8, device=device),
    )
    centres = memory.centres()
    assert centres.means.tolist() == [[3.0], [0.0]]
    assert centres.counts.tolist() == [2, 0]
    first_only = torch.zeros(2, 100, dtype=torch.bool, device=device)
    first_only[:, 0] = True
    assert memory.centres(first_only).means.tolist() == [memory.rows[0, 0].tolist(), [0.0]]
    assert memory.centres(first_only).counts.tolist() == [1, 0]


def test_a_full_class_enters_by_a_seeded_draw_without_repetition(device: torch.device) -> None:
    features = torch.arange(400, dtype=torch.float32, device=device).view(1, 1, 20, 20)
    labels = torch.zeros(1, 20, 20, dtype=torch.uint8, device=device)
    drawn = []
    for seed in (3, 3, 4):
        memory = ClassMemory(1, 1, rows_per_class=64, rows_per_push=64).to(device)
        memory.push(features, labels, seeded(seed))
        drawn.append(memory.rows[0, :, 0].tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 64


def test_the_order_of_pixels_matters_only_to_the_draw(device: torch.device) -> None:
    features = torch.randn(2, 3, 6, 9, generator=seeded()).to(device)
    labels = torch.randint(0, 4, (2, 6, 9), generator=seeded(1)).to(device)
    labels[labels == 3] = 255
    order = torch.randperm(2 * 6 * 9, generator=seeded(2))
    shuffled = features.movedim(1, 3).flatten(0, 2)[order].view(2, 6, 9, 3).movedim(3, 1)
    plain, other = (ClassMemory(3, 3, rows_per_class=200, rows_per_push=200).to(device) for _ in range(2))
    plain.push(features, labels)
    other.push(shuffled, labels.flatten()[order].view(2, 6, 9), seeded(3))
    assert torch.equal(plain.filled, other.filled)
    assert not torch.equal(plain.rows, other.rows)
    assert torch.allclose(plain.centres().means, other.centres().means, atol=1e-6)
    for index, count in enumerate(plain.filled.tolist()):
        one, same = (memory.rows[index, :count].unique(dim=0) for memory in (plain, other))
        assert torch.equal(one, same)


def test_a_class_missing_from_a_push_keeps_its_rows(device: torch.device) -> None:
    memory = ClassMemory(3, 2, rows_per_class=8, rows_per_push=4).to(device)
    features = torch.randn(1, 2, 4, 4, generator=seeded()).to(device)
    memory.push(features, torch.full((1, 4, 4), 1, device=device), seeded())
    kept = memory.rows[1].clone()
    memory.push(features, torch.full((1, 4, 4), 2, device=device), seeded())
    assert memory.filled.tolist() == [0, 4, 4]
    assert torch.equal(memory.rows[1], kept)
    assert not memory.rows[0].any()
