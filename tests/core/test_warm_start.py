from pathlib import Path

import pytest
import torch

from core.train import Training
from core.train_config import TrainConfig
from core.warm_start import load_teacher, shrink_and_perturb
from tests.core.small_network import seeded, small_network, striped_data

CONFIG = TrainConfig(crop=32, steps=2, batch_size=2, samples_train=2, confidence=0.3, max_entropy=2.0)


@pytest.fixture
def parent(tmp_path: Path) -> Training:
    """A training that ran, saved in ``tmp_path``."""
    run = Training(small_network(), striped_data(6, 2), CONFIG, "cpu")
    run.run(lambda report: True)
    run.save(tmp_path)
    return run


def test_the_whole_parent_is_copied_to_the_bit(parent: Training, tmp_path: Path) -> None:
    network = small_network(seed=5)
    assert load_teacher(network, tmp_path) == []
    for name, value in parent.teacher.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_nothing_kept_leaves_the_fresh_parameters_and_the_parents_buffers(
    parent: Training, tmp_path: Path
) -> None:
    network, fresh = small_network(seed=5), small_network(seed=5)
    shrink_and_perturb(network, tmp_path, keep=0.0)
    for name, value in network.named_parameters():
        assert torch.equal(value, fresh.get_parameter(name)), name
    for name, value in network.named_buffers():
        assert torch.equal(value, parent.teacher.get_buffer(name)), name
    assert network.head.target.filled.any()


def test_a_share_lies_between_the_two(parent: Training, tmp_path: Path) -> None:
    network, fresh = small_network(seed=5), small_network(seed=5)
    shrink_and_perturb(network, tmp_path, keep=0.4)
    for name, value in network.named_parameters():
        expected = 0.4 * parent.teacher.get_parameter(name) + 0.6 * fresh.get_parameter(name)
        assert torch.allclose(value, expected, atol=1e-6), name
        assert value.requires_grad


@pytest.mark.parametrize("keep", [0.5, 1.0])
def test_a_new_class_keeps_its_fresh_values(parent: Training, tmp_path: Path, keep: float) -> None:
    network = small_network(class_count=4, seed=5)
    fresh = small_network(class_count=4, seed=5).head.decoder.classify.weight
    kept = shrink_and_perturb(network, tmp_path, keep)
    grown = network.head.decoder.classify.weight
    assert "head.decoder.classify.weight" in kept
    assert torch.equal(grown[3], fresh[3])
    expected = keep * parent.teacher.head.decoder.classify.weight + (1 - keep) * fresh[:3]
    assert torch.allclose(grown[:3], expected, atol=1e-6)
    assert network.head.target.filled.tolist() == [*parent.teacher.head.target.filled.tolist(), 0]


def test_what_cannot_be_used_is_refused(parent: Training, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        shrink_and_perturb(small_network(), tmp_path, keep=1.5)
    with pytest.raises(ValueError, match="cannot be read"):
        shrink_and_perturb(small_network(), tmp_path / "missing", keep=0.5)


def test_a_warm_start_resumes_with_the_same_bits(parent: Training, tmp_path: Path) -> None:
    config = TrainConfig(**{**vars(CONFIG), "steps": 4, "seed": 1})

    def warm() -> Training:
        network = small_network(seed=5)
        shrink_and_perturb(network, tmp_path, keep=0.5)
        return Training(network, striped_data(6, 3), config, "cpu")

    whole, first, second = warm(), warm(), warm()
    whole.run(lambda report: True)
    first.run(lambda report: report.step < 2)
    first.save(tmp_path / "next")
    second.restore(tmp_path / "next")
    second.run(lambda report: True)
    for name, value in whole.teacher.state_dict().items():
        assert torch.equal(second.teacher.state_dict()[name], value), name


@pytest.mark.parametrize("head", ["np", "np_classifier", "linear"])
def test_a_teacher_never_suggests_a_class_it_does_not_know(tmp_path: Path, head: str) -> None:
    run = Training(small_network(head=head), striped_data(3, 2), CONFIG, "cpu")
    run.save(tmp_path)
    network = small_network(class_count=5, head=head).eval()
    load_teacher(network, tmp_path)
    shown = torch.rand(2, 3, 32, 32, generator=seeded())
    with torch.inference_mode():
        logits = network(shown, samples=3, generator=seeded()).logits
    assert set(logits.argmax(dim=2).unique().tolist()) <= {0, 1, 2}


def test_a_silent_class_leaves_the_memories(parent: Training, tmp_path: Path) -> None:
    network = small_network(seed=5)
    network.silent = [0]
    load_teacher(network, tmp_path)
    for memory in (network.head.context, network.head.target):
        assert memory.filled[0] == 0
        assert not memory.rows[0].any()
        assert memory.filled[1:].any()
