"""Fresh and warm starts of a round, on real storage with tiny networks."""

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from core import fresh_start
from core.checkpoint_file import read_checkpoint
from core.model.network import SegmentationNetwork
from core.round_training import RoundTraining
from core.train import Training
from core.worker import LEASE_S, network, run_round, starts
from core.worker.audit import audit_overlap
from storage import images, labels, projects, round_requests, rounds
from storage.projects import ProjectInfo
from storage.rounds import RoundInfo
from storage.settings import RoundSettings
from storage.workspace import Workspace, open_workspace
from tests.core.blocks_project import TINY, blocks_project

CPU = torch.device("cpu")
STEPS = 4
STANDSTILL: dict[str, Any] = {"learning_rate": 1e-12}
"""A training that leaves the network as it began."""
LEARNS: dict[str, Any] = {"learning_rate": 1e-2, "ema_decay": 0.0, "steps": 16}


def settings(**changes: Any) -> RoundSettings:
    return RoundSettings.model_validate(
        TINY.model_dump()
        | {"recipe": "supervised", "head": "linear", "steps": STEPS, "fresh_start": True}
        | changes
    )


def label_pool(workspace: Workspace, project: ProjectInfo, count: int) -> None:
    for info in images.list_images(workspace, project.id, "pool")[:count]:
        truth = images.truth(workspace, info.id)
        labels.save(workspace, info.id, truth, expected_revision=0, author="test", status="submitted")


def requested(workspace: Workspace, project: ProjectInfo, **changes: Any) -> RoundInfo:
    return round_requests.request_round(
        workspace, project.id, actor="test", reason="test", settings=settings(**changes)
    )


def run(workspace: Workspace, info: RoundInfo, **options: Any) -> str:
    claimed = rounds.claim(workspace, "here:1", LEASE_S)
    assert claimed is not None
    assert claimed.id == info.id
    return run_round(workspace, claimed, "here:1", CPU, **options)


Doubled = Callable[..., tuple[Workspace, ProjectInfo]]


@pytest.fixture(scope="module")
def doubled_once(empty_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that makes a workspace for ``doubled``, once for each way to train its round."""

    @functools.cache
    def make(audit: int, first: tuple[tuple[str, Any], ...]) -> Path:
        folder = shutil.copytree(empty_workspace, tmp_path_factory.mktemp("doubled") / "workspace")
        with contextlib.closing(open_workspace(folder)) as workspace:
            project = blocks_project(workspace, pool=6, train=2, audit=audit)
            assert run(workspace, requested(workspace, project, **dict(first))) == "done"
            label_pool(workspace, project, 2)
        return folder

    return make


@pytest.fixture
def doubled(doubled_once: Callable[..., Path], tmp_path: Path) -> Iterator[Doubled]:
    """Return a function to a project whose first round is done and whose labels have doubled since."""
    with contextlib.ExitStack() as opened:

        def copied(*, audit: int = 2, **first: Any) -> tuple[Workspace, ProjectInfo]:
            folder = shutil.copytree(doubled_once(audit, tuple(first.items())), tmp_path / "workspace")
            workspace = opened.enter_context(contextlib.closing(open_workspace(folder)))
            return workspace, projects.list_projects(workspace)[0]

        yield copied


def finished(workspace: Workspace, info: RoundInfo, **options: Any) -> RoundInfo:
    assert run(workspace, info, **options) == "done"
    return rounds.get_round(workspace, info.id)


def test_a_better_fresh_start_is_kept(doubled: Doubled) -> None:
    workspace, project = doubled(**STANDSTILL)
    done = finished(workspace, requested(workspace, project, **LEARNS))
    assert done.metrics["start"] == "fresh"
    assert "so this round keeps the fresh start." in str(done.note)
    assert done.metrics["audit_miou"] > done.metrics["parent_audit_miou"]
    assert done.metrics["share_above_parent"] > 0.5
    assert done.steps == len(images.list_images(workspace, project.id, "pool")), "those of scoring"
    assert str(done.checkpoint) == f"checkpoints/round-{done.id}/fresh/step-000016"
    assert [step for step, _, _ in rounds.curve(workspace, done.id, "loss")] == list(range(1, 17))


def test_a_worse_fresh_start_gives_way_to_the_parent(doubled: Doubled) -> None:
    workspace, project = doubled(**LEARNS)
    seen: list[tuple[str, int, int]] = []
    second = requested(workspace, project, **STANDSTILL)
    done = finished(workspace, second, watch=lambda state, step, steps, _: seen.append((state, step, steps)))
    first = rounds.history(workspace, project.id)[-1]
    assert done.metrics["start"] == "warm"
    reached = float(str(done.note).split(" reached ")[1].split()[0])
    assert reached < done.metrics["audit_miou"]
    assert "so this round went on from round 1." in str(done.note)
    assert f"round 1 has {first.metrics['audit_miou']:.3f}" in str(done.note)
    assert [step for step, _, _ in rounds.curve(workspace, done.id, "loss")] == list(range(1, 2 * STEPS + 1))
    assert ("training", STEPS, STEPS) in seen
    assert ("training", 2 * STEPS, 2 * STEPS) in seen
    folder = workspace.path / "checkpoints" / f"round-{done.id}"
    assert str(done.checkpoint) == f"checkpoints/round-{done.id}/warm/step-{STEPS:06d}"
    assert not list((folder / "fresh").iterdir()), "the refused weights take no room"

    third = finished(workspace, requested(workspace, project, **STANDSTILL))
    assert (third.metrics["start"], third.metrics["fresh_start_tried"]) == ("warm", False)
    assert third.note is None


def test_a_round_that_goes_on_needs_no_pretrained_weights(
    doubled: Doubled, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, project = doubled()
    asked: list[str] = []
    build = network.build_network

    def noted(*arguments: Any, **options: Any) -> SegmentationNetwork:
        asked.append(options["weights"])
        return build(*arguments, **options)

    monkeypatch.setattr(network, "build_network", noted)
    gone = {"weights": str(workspace.path / "moved.safetensors"), "fresh_start": False}
    done = finished(workspace, requested(workspace, project, **gone, **STANDSTILL))
    assert done.metrics["start"] == "warm"
    assert set(asked) == {"none"}
    assert "moved.safetensors holds no weights of encoder" in str(done.note)


def test_a_fresh_start_that_nothing_measures_is_kept(doubled: Doubled) -> None:
    workspace, project = doubled()
    for info in images.list_images(workspace, project.id, "audit"):
        blob = labels.history(workspace, info.id)[-1].blob
        (workspace.path / "blobs" / blob[:2] / blob).unlink()
    done = finished(workspace, requested(workspace, project, **STANDSTILL))
    assert (done.metrics["start"], done.metrics["audit_images"]) == ("fresh", 0)
    assert "The audit images could not be measured, so this round keeps the fresh start." in str(done.note)


@pytest.mark.parametrize(
    ("audit", "changes", "start"),
    [(1, {}, "warm"), (2, {"fresh_start": False}, "warm"), (2, {"warm_start": False}, "fresh")],
)
def test_starts_that_are_not_compared(
    doubled: Doubled, audit: int, changes: dict[str, Any], start: str
) -> None:
    workspace, project = doubled(audit=audit)
    done = finished(workspace, requested(workspace, project, **changes))
    assert done.metrics["start"] == start
    assert done.note is None
    assert [step for step, _, _ in rounds.curve(workspace, done.id, "loss")] == list(range(1, STEPS + 1))


def test_interrupted_in_either_start_it_ends_with_the_same_bits(doubled: Doubled, tmp_path: Path) -> None:
    workspace, project = doubled(**LEARNS)
    second = requested(workspace, project, learning_rate=1e-6)
    places = {0: None, 2: "fresh", STEPS: "fresh", STEPS + 2: "warm"}
    ends = []
    for steps_done, place in places.items():
        shutil.copytree(workspace.path, tmp_path / f"copy-{steps_done}")
        copy = open_workspace(tmp_path / f"copy-{steps_done}")

        def stopping(copy: Workspace = copy, steps_done: int = steps_done) -> bool:
            return len(rounds.curve(copy, second.id, "loss")) >= steps_done

        if place is not None:
            assert run(copy, second, stopping=stopping) == "stopped"
            assert fresh_start.begun(copy.path / "checkpoints" / f"round-{second.id}") == place
        done = finished(copy, second)
        steps = [step for step, _, _ in rounds.curve(copy, done.id, "loss")]
        assert steps == list(range(1, 2 * STEPS + 1)), "no step was trained twice"
        ends.append((done.metrics["start"], done.note, read_checkpoint(copy.path / str(done.checkpoint))[0]))
        copy.close()
    start, note, uninterrupted = ends[0]
    assert start == "warm"
    for again, sentence, tensors in ends[1:]:
        assert (again, sentence) == (start, note)
        assert tensors.keys() == uninterrupted.keys()
        for name, value in uninterrupted.items():
            assert torch.equal(tensors[name], value), name


def test_cancelled_between_the_two_starts(doubled: Doubled) -> None:
    workspace, project = doubled(**LEARNS)
    second = requested(workspace, project, **STANDSTILL)

    def watch(state: str, step: int, steps: int, seconds_left: float) -> None:
        if step == STEPS:
            rounds.request_cancel(workspace, second.id, actor="test")

    assert run(workspace, second, watch=watch) == "cancelled"
    assert projects.get_project(workspace, project.id).current_round_id == second.id - 1
    assert not (workspace.path / "checkpoints" / f"round-{second.id}").exists()


def test_out_of_memory_in_both_starts(doubled: Doubled, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, project = doubled(**LEARNS)
    train = Training.run

    def run_in_little_memory(training: Training, on_step: Any) -> bool:
        if training.config.batch_size > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return train(training, on_step)

    monkeypatch.setattr(Training, "run", run_in_little_memory)
    done = finished(workspace, requested(workspace, project, **STANDSTILL))
    assert done.metrics["start"] == "warm"
    assert str(done.note).count("the batch is 1 instead of 2") == 1


def test_a_parent_that_does_not_fit_beside_the_fresh_start_is_measured_on_the_cpu(
    doubled: Doubled, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, project = doubled()
    full = torch.device("meta")
    train, move = RoundTraining.run, SegmentationNetwork.to
    moved: list[SegmentationNetwork] = []

    def train_elsewhere(training: RoundTraining, device: torch.device) -> Training | None:
        trained = train(training, CPU)
        assert trained is not None
        trained.device = full
        return trained

    def move_to_a_full_device(network: SegmentationNetwork, *to: Any, **options: Any) -> Any:
        if to != (full,):
            return move(network, *to, **options)
        moved.append(network)
        if len(moved) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return network

    def measured(claim: Any, images: Any, network: Any, device: torch.device) -> Any:
        return audit_overlap(claim, images, network, CPU)

    monkeypatch.setattr(RoundTraining, "run", train_elsewhere)
    monkeypatch.setattr(SegmentationNetwork, "to", move_to_a_full_device)
    monkeypatch.setattr(starts, "audit_overlap", measured)
    done = finished(workspace, requested(workspace, project))
    assert "Out of memory on meta while scoring: going on with the CPU, slower." in str(done.note)
    assert "A fresh start reached" in str(done.note)
    assert done.metrics["device"] == "cpu"


def test_a_share_of_the_parents_weights_is_kept(workspace: Workspace, tmp_path: Path) -> None:
    project = blocks_project(workspace, pool=1, train=2)
    first = finished(workspace, requested(workspace, project))
    begun = {}
    for keep in (0.0, 0.5, 1.0):
        shutil.copytree(workspace.path, tmp_path / f"keep-{keep}")
        copy = open_workspace(tmp_path / f"keep-{keep}")
        done = finished(copy, requested(copy, project, warm_start_keep=keep, **STANDSTILL))
        begun[keep], _ = read_checkpoint(copy.path / str(done.checkpoint))
        copy.close()
    parent, _ = read_checkpoint(workspace.path / str(first.checkpoint))
    weights = [name for name, value in parent.items() if name.startswith("teacher.head.") and value.ndim > 1]
    assert weights
    for name in weights:
        assert torch.allclose(begun[1.0][name], parent[name], atol=1e-6), name
        assert not torch.allclose(begun[0.0][name], parent[name], atol=1e-2), name
        assert torch.allclose(begun[0.5][name], (begun[0.0][name] + parent[name]) / 2, atol=1e-6), name
