"""The worker on real storage, with real networks of tiny settings."""

import errno
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

import core.pool_scoring
import core.round_training
import core.worker.audit
import core.worker.claim
import core.worker.network
import core.worker.round
import core.worker.scoring
import core.worker.small_pictures
import core.worker.snapshot
import core.worker.training
from core.acquisition.aggregation import ImageScore
from core.checkpoint_file import read_checkpoint
from core.checkpoints import newest_checkpoint
from core.decoded_image import decoded_image
from core.model import encoder_weights
from core.model.network import SegmentationNetwork
from core.pool_ranking import PoolRanking
from core.predict import predict_batch
from core.train import Training
from core.worker import LEASE_S, loop, pick_device, run_round, run_worker
from core.worker.claim import Claim
from core.worker.device import within_memory
from core.worker.small_pictures import SmallPictures
from storage import embeddings, images, labels, projects, queue, round_requests, rounds, workers
from storage.errors import DiskFull, InvalidInput, NotFound, QualmError, RoundRefused, WorkspaceBusy
from storage.files import BlobStore
from storage.predictions import NewPrediction
from storage.projects import ClassChange, ClassSpec, ProjectInfo
from storage.rounds import RoundInfo
from storage.schema import PIXEL_SCORES, Prediction
from storage.settings import ProjectSettings, RoundSettings
from storage.workspace import Workspace, open_workspace, sweep_blobs
from tests.core.blocks_project import HEIGHT, TINY, WIDTH, add_picture, block_scene, blocks_project, png

CPU = torch.device("cpu")
FULL = torch.device("meta")
"""Stands for a device whose memory is full."""
ROOT = Path(__file__).resolve().parents[2]
ME = "here:1"


def claimed_round(workspace: Workspace, project: ProjectInfo) -> RoundInfo:
    round_requests.request_round(workspace, project.id, actor="test", reason="test")
    claimed = rounds.claim(workspace, ME, LEASE_S)
    assert claimed is not None
    return claimed


def ended_here(workspace: Workspace) -> RoundInfo:
    """Go on with the round that waits, to its end."""
    claimed = rounds.claim(workspace, ME, LEASE_S)
    assert claimed is not None
    assert run_round(workspace, claimed, ME, CPU) == "done"
    return rounds.get_round(workspace, claimed.id)


def claimed_cold_start(workspace: Workspace, project: ProjectInfo) -> RoundInfo:
    requested = round_requests.request_cold_start(workspace, project.id)
    claimed = rounds.claim(workspace, ME, LEASE_S)
    assert claimed is not None
    assert claimed.id == requested.id
    return claimed


def tiny(**changes: object) -> RoundSettings:
    return RoundSettings.model_validate(TINY.model_dump() | changes)


def until(condition: Callable[[], bool], seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


give_way = loop._give_way


@pytest.fixture(autouse=True)
def keep_the_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that runs in this process leaves its session and niceness as they are."""
    monkeypatch.setattr(loop, "_give_way", lambda: None)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute as the worker processes of these tests do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def start_worker(workspace: Workspace) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start real worker processes that save a checkpoint after every step.

    With ``dies_at``, one kills itself while it writes the checkpoint of that step.
    """
    processes: list[subprocess.Popen[str]] = []
    program = (
        "import logging, os, pathlib, signal, sys, core.round_training, core.worker\n"
        "from core.train import Training\n"
        "logging.basicConfig(level=logging.INFO)\n"
        "core.round_training.CHECKPOINT_S = 0\n"
        "folder, dies_at = pathlib.Path(sys.argv[1]), int(sys.argv[2])\n"
        "save = Training.save\n"
        "def save_or_die(training, folder):\n"
        "    save(training, folder)\n"
        "    if training.step == dies_at:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "Training.save = save_or_die\n"
        "core.worker.run_worker(folder, device='cpu', poll_s=0.1)\n"
    )

    def start(dies_at: int = 0) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(workspace.path), str(dies_at)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_round_ranks_the_pool_and_publishes(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=8, audit=2)
    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"

    done = rounds.get_round(workspace, claimed.id)
    assert done.state == "done"
    assert (done.metrics["audit_images"], done.metrics["labels"], done.metrics["unlabelled"]) == (2, 3, 8)
    audited = [done.metrics[f"audit_miou{end}"] for end in ("_low", "", "_high")]
    assert 0 <= audited[0] <= audited[1] <= audited[2] <= 1
    assert "share_above_parent" not in done.metrics, "it has no parent"
    assert set(done.metrics["class_iou"]) <= {"0", "1"}
    assert projects.get_project(workspace, project.id).current_round_id == done.id
    assert (workspace.path / str(done.checkpoint) / "checkpoint.safetensors").exists()

    ranked, _ = queue.ranked_images(workspace, project.id, split="pool")
    ranked.sort(key=lambda item: item.rank or 0)
    assert [item.rank for item in ranked] == list(range(1, 9))
    assert all(item.why for item in ranked)
    for item in ranked[:5]:
        suggestion = labels.decode_label_map(workspace.blobs.get(str(item.map_blob)))
        assert suggestion.shape == (HEIGHT, WIDTH)
        assert suggestion.max() <= 1
        assert workspace.blobs.get(str(item.uncertainty_blob)).startswith(b"\x89PNG")
    assert all(item.map_blob is None for item in ranked[5:]), "only the front of the queue keeps its maps"

    curves = {name for _, name, _ in rounds.curve(workspace, done.id)}
    assert {"loss", "supervised", "unlabelled", "kl", "audit_miou"} <= curves
    assert [step for step, _, _ in rounds.curve(workspace, done.id, "loss")] == [1, 2, 3, 4, 5, 6]


def test_a_round_says_how_it_ranked_and_where_it_sees_the_images(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=8, train=3, audit=2)
    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"
    ranked_by = rounds.get_round(workspace, claimed.id).metrics["ranked_by"]
    assert (ranked_by["phase"], ranked_by["choice"], ranked_by["images_per_class"]) == (
        "typical",
        "typiclust",
        3,
    )
    assert "3 labelled images" in ranked_by["sentence"]

    seen = embeddings.of_round(workspace, claimed.id)
    assert seen is not None
    every = images.list_images(workspace, project.id)
    assert seen.image_ids.tolist() == sorted(image.id for image in every)
    assert np.allclose(np.linalg.norm(seen.vectors, axis=1), 1, atol=1e-2)
    items, _ = queue.ranked_images(workspace, project.id, split="pool")
    for item in items:
        assert set(item.scores) == set(PIXEL_SCORES)
        assert all(0 <= score <= 1 for score in item.scores.values())
        assert item.novelty is not None
        assert item.novelty >= 0


def test_a_score_of_a_network_that_saw_few_of_its_labels_gives_way_to_entropy(workspace: Workspace) -> None:
    changed = {"pixel_score": "mutual_information", "uncertain_from": 0, "steps": 2, "batch_size": 1}
    project = blocks_project(workspace, pool=2, train=8, settings=TINY.model_copy(update=changed))
    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"
    done = rounds.get_round(workspace, claimed.id)
    assert done.metrics["ranked_by"]["pixel_score"] == "predictive_entropy"
    assert "too short to see half of the labelled images, so the mutual information is 0" in str(done.note)


@pytest.mark.parametrize("given", [{"head": "linear"}, {"samples_predict": 1}])
def test_a_score_that_a_single_prediction_has_not_gives_way_to_entropy(
    workspace: Workspace, given: dict[str, object]
) -> None:
    """All images would have the score 0, and the queue would be the order of the import."""
    changed = {**given, "pixel_score": "variance", "batch_choice": "top", "uncertain_from": 0}
    project = blocks_project(workspace, pool=6, settings=TINY.model_copy(update=changed))
    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"
    done = rounds.get_round(workspace, claimed.id)
    assert done.metrics["ranked_by"]["pixel_score"] == "predictive_entropy"
    note = done.note
    assert note is not None
    assert "variance of a single prediction is 0 everywhere" in note
    items = [item for item in queue.ranked_images(workspace, project.id)[0] if item.rank]
    scores = [item.score for item in items]
    assert len(set(scores)) == len(scores) == 6
    assert scores == sorted(scores, key=lambda score: -(score or 0))


def test_an_archived_class_neither_trains_nor_is_suggested(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=4, audit=2)
    projects.add_class(workspace, project.id, ClassSpec(name="water"), "test")
    projects.update_classes(workspace, project.id, {0: ClassChange(archived=True)}, "test")
    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"
    assert "0" not in rounds.get_round(workspace, claimed.id).metrics["class_iou"]
    for item in queue.ranked_images(workspace, project.id, split="pool")[0]:
        assert 0 not in labels.decode_label_map(workspace.blobs.get(str(item.map_blob)))
        assert item.unsure_of is None or 0 not in item.unsure_of


def test_a_pool_without_labels_is_put_in_order(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=10, train=0)
    claimed = claimed_cold_start(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"
    done = rounds.get_round(workspace, claimed.id)
    assert done.number == 0
    assert done.metrics["ranked_by"]["phase"] == "typical"
    items, _ = queue.ranked_images(workspace, project.id)
    assert [item.rank for item in items] == list(range(1, 11))
    assert all("look much like it" in item.why or "unlike the other" in item.why for item in items)
    assert all(item.map_blob is None for item in items)
    assert embeddings.of_round(workspace, done.id) is not None

    # The first round that trains begins from nothing, and its order replaces that of the cold start.
    image = queue.next_images(workspace, project.id, ME, 1)[0].image
    truth = images.truth(workspace, image.id)
    labels.save(workspace, image.id, truth, expected_revision=0, author=ME, status="submitted", blind=True)
    trained = round_requests.request_round(workspace, project.id, ME, "test")
    claimed = rounds.claim(workspace, ME, LEASE_S)
    assert claimed is not None
    assert run_round(workspace, claimed, ME, CPU) == "done"
    assert (trained.number, trained.parent_id) == (1, None)
    assert projects.get_project(workspace, project.id).current_round_id == trained.id


def test_labelled_audit_images_leave_the_cold_start_as_it_is(workspace: Workspace, tmp_path: Path) -> None:
    audited = open_workspace(tmp_path / "audited")
    orders = []
    for place, audit in ((workspace, 0), (audited, 6)):
        project = blocks_project(place, pool=10, train=0, audit=audit)
        assert run_round(place, claimed_cold_start(place, project), ME, CPU) == "done"
        orders.append([item.image.name for item in queue.ranked_images(place, project.id)[0] if item.rank])
    assert orders[0] == orders[1]


def test_a_worker_for_one_round_does_not_end_with_the_cold_start(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=8, train=2)
    round_requests.request_cold_start(workspace, project.id)
    round_requests.request_round(workspace, project.id, ME, "test")
    assert run_worker(workspace.path, device="cpu", once=True) == 2
    assert [(row.number, row.state) for row in rounds.history(workspace, project.id)] == [
        (1, "done"),
        (0, "done"),
    ]


def test_the_audit_images_judge_the_uncertainty_and_calibrate_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    temperatures: list[float] = []

    def watched(*args: Any, **options: Any) -> Any:
        temperatures.append(options["temperature"])
        return predict_batch(*args, **options)

    monkeypatch.setattr(core.pool_scoring, "predict_batch", watched)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=3, audit=4))
    assert run_round(workspace, claimed, ME, CPU) == "done"
    metrics = rounds.get_round(workspace, claimed.id).metrics
    assert metrics["temperature"] != 1
    assert temperatures[-3:] == [metrics["temperature"]] * 3
    for share in (
        "ece",
        "classwise_ece",
        "error_auroc",
        "error_aupr",
        "aurc",
        "pavpu",
        "ece_after_temperature",
    ):
        assert 0 <= metrics[share] <= 1, share
    assert -1 <= metrics["spearman"] <= 1
    assert 0 < metrics["brier"] < 2
    assert metrics["nll"] > 0


def test_in_training_large_audit_images_are_measured_small_and_in_the_end_whole(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: dict[str, set[tuple[int, ...]]] = {"overlap": set(), "evaluate": set()}

    def watched(name: str) -> Callable[..., Any]:
        measure = getattr(core.worker.audit, name)

        def watch(network: SegmentationNetwork, labelled: Any, **options: Any) -> Any:
            pairs = list(labelled)
            sizes[name] |= {tuple(truth.shape) for _, truth in pairs}
            return measure(network, pairs, **options)

        return watch

    for name in sizes:
        monkeypatch.setattr(core.worker.audit, name, watched(name))
    monkeypatch.setattr(core.worker.audit, "CURVE_SIDE", 32)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2, audit=2))
    assert run_round(workspace, claimed, ME, CPU) == "done"
    assert sizes == {"overlap": {(24, 32)}, "evaluate": {(HEIGHT, WIDTH)}}


def test_a_choice_by_gradients_gets_them(workspace: Workspace) -> None:
    settings = TINY.model_copy(update={"batch_choice": "badge", "uncertain_from": 0})
    claimed = claimed_round(workspace, blocks_project(workspace, pool=4, settings=settings))
    assert run_round(workspace, claimed, ME, CPU) == "done", rounds.get_round(workspace, claimed.id).error
    assert rounds.get_round(workspace, claimed.id).metrics["ranked_by"]["choice"] == "badge"


def test_a_pool_too_large_for_the_memory_is_read_while_it_trains(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.worker.snapshot, "HELD_BYTES", 0)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=3))
    damaged = next(
        image for image in images.list_images(workspace, claimed.project_id) if image.split == "pool"
    )
    blob_path(workspace, damaged.blob).write_bytes(b"damaged")
    assert run_round(workspace, claimed, ME, CPU) == "done"
    assert rounds.get_round(workspace, claimed.id).metrics["unlabelled"] >= 3


def test_labelled_images_too_many_for_the_memory_train_to_the_same_bits(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, one_thread: None
) -> None:
    round_requests.request_round(workspace, blocks_project(workspace, pool=3).id, actor="test", reason="test")
    shutil.copytree(workspace.path, tmp_path / "twin")
    ends = []
    for used in (workspace, open_workspace(tmp_path / "twin")):
        done = ended_here(used)
        assert (done.metrics["labels"], done.metrics["unlabelled"]) == (3, 3)
        ends.append(read_checkpoint(used.path / str(done.checkpoint))[0])
        monkeypatch.setattr(core.worker.snapshot, "HELD_BYTES", 0)
    used.close()
    for name, value in ends[0].items():
        assert torch.equal(ends[1][name], value), name


def test_of_a_large_pool_the_front_of_the_queue_is_scored_and_some_by_chance(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=16, settings=tiny(most_scored=6))
    pool = {image.id for image in images.list_images(workspace, project.id) if image.split == "pool"}
    assert run_round(workspace, claimed_cold_start(workspace, project), ME, CPU) == "done"
    first = scored_ids(workspace, project)
    pinned = min(pool - set(first))
    queue.pin(workspace, [pinned], "test")
    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"
    second = scored_ids(workspace, project)
    assert len(first) == len(second) == 6
    assert {pinned, *first[:2]} <= set(second)
    assert set(second) - set(first) - {pinned}, "some that no round has looked at"
    info = rounds.get_round(workspace, claimed.id)
    assert info.metrics["ranked_by"]["sentence"].endswith(
        " 6 of 16 images were looked at, the others come later."
    )
    handed_out = queue.next_images(workspace, project.id, "ada", 30)
    assert pool == {item.image.id for item in handed_out}, "the others follow"
    in_pool = [item for item in handed_out if item.split == "pool"]
    ids = [item.image.id for item in in_pool]
    scored = {*second} & {*ids}  # audit images are drawn by chance from all
    assert {*ids[: len(scored)]} == scored
    # The cold start has seen some of the others, and those that are unlike the labelled ones come first.
    why = [item.why for item in in_pool if item.rank is None]
    unlike = [said.startswith("Not scored by the last round: it comes early") for said in why]
    assert any(unlike)
    assert unlike == sorted(unlike, reverse=True)


def test_what_people_pinned_or_began_is_scored_and_has_a_suggestion(workspace: Workspace) -> None:
    settings = tiny(most_scored=5, keep_predictions=4)
    project = blocks_project(workspace, pool=16, settings=settings)
    pool = [image.id for image in images.list_images(workspace, project.id) if image.split == "pool"]
    queue.pin(workspace, pool[6:9], "test")
    begun = labels.read(workspace, pool[0])[0]
    labels.save(workspace, pool[0], begun, expected_revision=0, author="test", status="draft")
    assert queue.asked_for(workspace, project.id) == [*pool[6:9], pool[0]]
    assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    items, _ = queue.ranked_images(workspace, project.id, image_ids=[*pool[6:9], pool[0]])
    assert all(item.rank is not None for item in items)
    assert all(item.map_blob is not None for item in items)
    assert len(scored_ids(workspace, project)) == 5


def scored_ids(workspace: Workspace, project: ProjectInfo) -> list[int]:
    """Return the images that the current round has ranked, in its order."""
    items, _ = queue.ranked_images(workspace, project.id, split="pool", limit=100)
    ranked = [item for item in items if item.rank is not None]
    return [item.image.id for item in sorted(ranked, key=lambda item: item.rank or 0)]


def test_of_a_large_pool_as_many_images_are_read_as_the_crops_need(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.worker.snapshot, "IMAGES_A_CROP", 1)
    # Of eight steps two are the labels' own; six crops without a label each come from another image.
    settings = tiny(steps=8, warm_up=0.25, batch_size=1)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=9, settings=settings))
    assert run_round(workspace, claimed, ME, CPU) == "done"
    assert rounds.get_round(workspace, claimed.id).metrics["unlabelled"] == 6


def test_large_pictures_are_decoded_in_the_first_round_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = blocks_project(workspace, pool=0, train=0, settings=tiny(fresh_start=False))
    for number, split in enumerate(["pool", "pool", "train", "train", "audit"]):
        pixels, truth = block_scene(number, 240, 320)
        image_id = add_picture(workspace, project, f"{number}.png", png(pixels), truth, split)
        if split != "pool":
            labels.save(
                workspace, image_id, truth, expected_revision=0, author="test", status="submitted", blind=True
            )
    decoded: list[int] = []

    def note(data: bytes, long_side: int | None = None) -> torch.Tensor:
        decoded.append(len(data))
        return decoded_image(data, long_side)

    monkeypatch.setattr(core.worker.small_pictures, "decoded_image", note)
    assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    assert len(decoded) == 5
    assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    assert len(decoded) == 5


def test_an_image_of_a_large_pool_is_found_without_a_copy_of_all_keys(workspace: Workspace) -> None:
    class Keys(list[str]):
        def __getitem__(self, index: Any) -> Any:
            assert isinstance(index, int)
            return super().__getitem__(index)

    good = workspace.blobs.put(png(block_scene(0)[0]))
    small_pictures = SmallPictures.of(workspace, 64)
    read = core.worker.snapshot._Reader(small_pictures, Keys([good, *["0" * 64] * 9]), 0)
    assert read(0).shape == read(3).shape == (3, HEIGHT, WIDTH)
    # A labelled image is never replaced: its label map would be another's.
    read = core.worker.snapshot._Reader(small_pictures, Keys(["0" * 64, "0" * 64, good]), 1)
    assert read(1).shape == (3, HEIGHT, WIDTH)
    with pytest.raises(NotFound):
        read(0)


def test_without_audit_labels_nothing_is_measured(workspace: Workspace) -> None:
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2))
    run_round(workspace, claimed, ME, CPU)
    metrics = rounds.get_round(workspace, claimed.id).metrics
    assert metrics["audit_images"] == 0
    assert "audit_miou" not in metrics


def test_the_second_round_begins_from_the_first(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = blocks_project(workspace, pool=2)
    run_round(workspace, claimed_round(workspace, project), ME, CPU)
    begun_from: list[Path] = []
    monkeypatch.setattr(
        core.worker.network, "shrink_and_perturb", lambda network, folder, keep: begun_from.append(folder)
    )
    assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    first = rounds.history(workspace, project.id)[-1]
    assert begun_from == [workspace.path / str(first.checkpoint)]
    starts = [info.metrics["start"] for info in rounds.history(workspace, project.id)]
    assert starts == ["warm", "fresh"]


def test_pretrained_weights_that_come_later_are_begun_from(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A warm start never reads them, so a network that began at random would stay so for good."""
    monkeypatch.setattr(encoder_weights, "_cached_or_downloaded", lambda encoder: None)
    project = blocks_project(workspace, pool=2, settings=TINY.model_copy(update={"weights": "auto"}))

    def newest_after_a_round() -> tuple[RoundInfo, str, float]:
        assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
        newest = rounds.history(workspace, project.id)[0]
        weights, _ = read_checkpoint(workspace.path / str(newest.checkpoint))
        stem = weights["teacher.encoder.model.conv_stem.weight"]
        return newest, str(newest.note), float(stem.mean())

    for start in ("fresh", "warm"):
        newest, note, _ = newest_after_a_round()
        assert newest.metrics["start"] == start
        assert "No pretrained weights of encoder 'test_efficientnet' were found" in note
    pretrained = timm.create_model("test_efficientnet").state_dict()
    pretrained["conv_stem.weight"].fill_(7.0)
    file = tmp_path / "test_efficientnet.pth"
    torch.save(pretrained, file)
    monkeypatch.setattr(encoder_weights, "_cached_or_downloaded", lambda encoder: file)
    newest, note, stem = newest_after_a_round()
    assert newest.metrics["start"] == "fresh"
    assert "Round 2 began without pretrained weights, which are there now, so this round begins" in note
    assert stem == pytest.approx(7.0, abs=0.1)
    assert newest_after_a_round()[0].metrics["start"] == "warm"
    projects.change_settings(workspace, project.id, {"round": {"weights": str(file)}}, "test")
    newest, note, _ = newest_after_a_round()
    assert newest.metrics["start"] == "fresh"
    assert "Round 4 began with other pretrained weights, so this round begins" in note
    file.unlink()
    assert newest_after_a_round()[0].metrics["start"] == "warm", "nothing of them would be left"
    for weights in ("none", str(file)):
        projects.change_settings(workspace, project.id, {"round": {"weights": weights}}, "test")
        assert newest_after_a_round()[0].metrics["start"] == "warm"
    torch.save(pretrained, file)
    assert newest_after_a_round()[0].metrics["start"] == "warm", "it began with these"
    other = shutil.copy(file, tmp_path / "other.pth")
    projects.change_settings(workspace, project.id, {"round": {"weights": f"{other}.gone"}}, "test")
    assert newest_after_a_round()[0].metrics["start"] == "warm"
    shutil.copy(file, f"{other}.gone")
    assert newest_after_a_round()[0].metrics["start"] == "fresh", "by now they are there"


def test_a_round_that_cannot_go_on_from_the_last_one_says_so(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=2)
    run_round(workspace, claimed_round(workspace, project), ME, CPU)
    shutil.rmtree(workspace.path / "checkpoints")
    assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    assert "Round 1 could not be gone on from" in str(rounds.history(workspace, project.id)[0].note)
    projects.change_settings(workspace, project.id, {"round": {"head": "linear"}}, "test")
    assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    assert "Round 2 has another head" in str(rounds.history(workspace, project.id)[0].note)


def test_a_database_that_does_not_answer_for_once_ends_no_round(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, refused = rounds.report, iter([False, True, False, True])

    def answers_now_and_then(*named: Any, **progress: Any) -> bool:
        if progress.get("metrics") and next(refused, False):
            raise OperationalError("UPDATE round", None, Exception("database is locked"))
        return report(*named, **progress)

    monkeypatch.setattr(rounds, "report", answers_now_and_then)
    monkeypatch.setattr(core.worker.claim, "REPORT_S", 0.0)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2))
    assert run_round(workspace, claimed, ME, CPU) == "done"
    assert [step for step, _, _ in rounds.curve(workspace, claimed.id, "loss")] == [1, 2, 3, 4, 5, 6]


def test_a_checkpoint_that_could_not_be_told_is_told_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = rounds.report
    refused: list[str] = []

    def answers_now_and_then(*named: Any, **progress: Any) -> bool:
        for name in ("checkpoint", "note"):
            if progress.get(name) and name not in refused:
                refused.append(name)
                raise WorkspaceBusy("the database", 30)
        return report(*named, **progress)

    monkeypatch.setattr(rounds, "report", answers_now_and_then)
    project = blocks_project(workspace, pool=2)
    for begun in ("fresh", "warm"):
        claimed = claimed_round(workspace, project)
        assert run_round(workspace, claimed, ME, CPU) == "done"
        done = rounds.get_round(workspace, claimed.id)
        assert done.metrics["start"] == begun
        assert done.checkpoint is not None
        assert (workspace.path / done.checkpoint).is_dir()
    assert "checkpoint" in refused


def test_a_database_in_use_at_the_first_step_ends_no_round(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget, calls = rounds.forget_points, iter([True])

    def busy_at_first(*named: Any, **options: Any) -> None:
        if next(calls, False):
            raise WorkspaceBusy("the database", 30)
        forget(*named, **options)

    monkeypatch.setattr(rounds, "forget_points", busy_at_first)
    monkeypatch.setattr(core.worker.claim, "STORED_AGAIN_S", 0.0)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2))
    assert run_round(workspace, claimed, ME, CPU) == "done"


def test_suggestions_outlive_a_sweep_while_there_is_no_room_to_publish(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, calls = rounds.publish, iter([True])
    aged: list[Path] = []

    def busy_at_first(*named: Any) -> bool:
        if next(calls, False):
            raise WorkspaceBusy("the database", 30)
        assert sweep_blobs(workspace) == 0
        return publish(*named)

    def age(self: object, names: str) -> None:
        for path in (workspace.path / "blobs").rglob("?" * 64):
            os.utime(path, (1, 1))
            aged.append(path)

    monkeypatch.setattr(rounds, "publish", busy_at_first)
    monkeypatch.setattr(core.worker.claim, "STORED_AGAIN_S", 0.0)
    monkeypatch.setattr(core.worker.claim.Claim, "note", age)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2))
    assert run_round(workspace, claimed, ME, CPU) == "done"
    assert aged
    with workspace.database.reading() as session:
        maps = session.scalars(select(Prediction.map_blob)).all()
    assert maps
    assert all(workspace.blobs.exists(str(key)) for key in maps)


def test_a_training_without_room_to_measure_trains_as_it_was_asked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*named: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(core.worker.training, "quick_audit_overlap", full)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2, audit=2))
    assert run_round(workspace, claimed, ME, CPU) == "done"
    done = rounds.get_round(workspace, claimed.id)
    assert "Too little memory to measure the audit images" in str(done.note)
    assert "batch" not in str(done.note)
    assert done.metrics["audit_images"] == 2


def test_the_disk_is_not_filled_round_after_round(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=4, train=2, settings=tiny(steps=2, keep_predictions=2))
    kept: list[tuple[int, int, int]] = []
    left = claimed_round(workspace, project)
    assert run_round(workspace, left, ME, CPU, stopping=lambda: True) == "stopped"
    rounds.request_cancel(workspace, left.id, actor="test")
    assert rounds.claim(workspace, ME, LEASE_S) is None
    for _ in range(6):
        for path in (workspace.path / "blobs").rglob("?" * 64):
            os.utime(path, (1, 1))  # the sweep spares what is younger than an hour
        assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
        stored = {path.name: path.stat().st_size for path in (workspace.path / "blobs").rglob("?" * 64)}
        with workspace.database.reading() as session:
            rows = session.query(Prediction).count()
        of_snapshots = {str(info.snapshot_blob) for info in rounds.history(workspace, project.id)}
        of_rounds = stored.keys() - of_snapshots
        kept.append((rows, len(of_rounds), sum(stored[key] for key in of_rounds)))
    assert [rows for rows, _, _ in kept] == [4, 8, 12, 12, 12, 12]
    assert max(count for _, count, _ in kept) <= 2 * 6 + 3 * (2 * 2 + 1), (
        "pictures, truths, labels; three rounds"
    )
    assert max(size for _, _, size in kept[3:]) < 1.1 * kept[2][2]
    past = rounds.history(workspace, project.id)
    assert [info.state for info in past] == ["done"] * 6 + ["cancelled"]
    assert [len(rounds.curve(workspace, info.id, "loss")) for info in past[:6]] == [2] * 6
    assert all(rounds.snapshot(workspace, info.id).labels for info in past)
    folders = {path.name for path in (workspace.path / "checkpoints").iterdir()}
    assert folders == {f"round-{info.id}" for info in past[:3]}


def test_a_round_is_done_though_tidying_up_fails(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "the disk is ill")

    monkeypatch.setattr(core.worker.round, "sweep_blobs", broken)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2, train=2))
    assert run_round(workspace, claimed, ME, CPU) == "done"
    assert rounds.get_round(workspace, claimed.id).state == "done"


class TestEarlySuggestions:
    @pytest.fixture(autouse=True)
    def early_of_few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(core.worker.scoring, "EARLY", 3)
        monkeypatch.setattr(core.worker.scoring, "LARGE_POOL", 8)

    def suggested(self, workspace: Workspace, project: ProjectInfo) -> dict[int, str]:
        items, _ = queue.ranked_images(workspace, project.id, split="pool")
        return {item.image.id: item.map_blob for item in items if item.map_blob is not None}

    def test_what_comes_next_has_them_before_the_others_are_scored(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(core.worker.claim, "REPORT_S", 0.0)
        project = blocks_project(workspace, pool=8, audit=1, settings=tiny(keep_predictions=1))
        cold = claimed_cold_start(workspace, project)
        pool = [info.id for info in images.list_images(workspace, project.id, "pool")]
        order = [NewPrediction(number, 0.5, rank, {}) for rank, number in enumerate(pool[::-1], start=1)]
        rounds.publish(workspace, cold.id, ME, order, {})
        queue.open_image(workspace, pool[3], "ada")
        queue.pin(workspace, [pool[2]], "ada")
        early: dict[int, dict[int, str]] = {}

        def watch(state: str, step: int, steps: int, seconds_left: float) -> None:
            progress = queue.progress(workspace, project.id)
            assert progress.current_round_number == 0
            if state == "scoring" and progress.suggesting_round_number == 1:
                early[step] = self.suggested(workspace, project)

        claimed = claimed_round(workspace, project)
        assert run_round(workspace, claimed, ME, CPU, watch=watch) == "done"
        first = min(early)
        assert first == 4, "as soon as another one is scored"
        assert set(early[first]) == {pool[3], pool[2], pool[-1]}, "on a screen, pinned, in front"
        # They are the same maps in the end, and all there, so nothing changes on a screen.
        assert early[first].items() <= self.suggested(workspace, project).items()

    def test_they_change_nothing_of_the_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        rank_pool = core.worker.scoring.rank_pool
        asked: list[list[float]] = []
        stored: list[int] = []

        def ranked(scores: list[ImageScore], *rest: Any, **options: Any) -> PoolRanking:
            asked.append([one.score for one in scores])
            return rank_pool(scores, *rest, **options)

        monkeypatch.setattr(core.worker.scoring, "rank_pool", ranked)
        suggest_early = Claim.suggest_early

        def counted(claim: Claim, maps: dict[int, tuple[bytes, bytes]]) -> None:
            stored.append(len(maps))
            suggest_early(claim, maps)

        monkeypatch.setattr(Claim, "suggest_early", counted)
        for large in (8, 9):
            monkeypatch.setattr(core.worker.scoring, "LARGE_POOL", large)
            workspace = open_workspace(tmp_path / f"{large}")
            project = blocks_project(workspace, pool=8)
            queue.pin(workspace, [images.list_images(workspace, project.id, "pool")[-1].id], "ada")
            assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
            workspace.close()
        assert stored == [1], "of the first project alone"
        assert asked[0] == asked[1]

    def test_a_small_pool_has_none(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Claim, "suggest_early", lambda *_: pytest.fail("all come as soon"))
        project = blocks_project(workspace, pool=7)
        queue.pin(workspace, [images.list_images(workspace, project.id, "pool")[0].id], "ada")
        assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"

    def test_a_round_that_ranks_again_has_none(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project = blocks_project(workspace, pool=8)
        assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
        monkeypatch.setattr(Claim, "suggest_early", lambda *_: pytest.fail("the network is the same"))
        round_requests.request_ranking(workspace, project.id, "test", "a test")
        ended_here(workspace)

    def test_a_round_goes_on_though_they_cannot_be_stored(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise DiskFull("The disk is full.")

        monkeypatch.setattr(core.worker.claim, "suggest_early", full)
        project = blocks_project(workspace, pool=8, settings=tiny(keep_predictions=8))
        queue.pin(workspace, [images.list_images(workspace, project.id, "pool")[0].id], "ada")
        assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
        assert len(self.suggested(workspace, project)) == 8

    def test_none_are_kept_where_no_suggestions_are(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Claim, "suggest_early", lambda *_: pytest.fail("nobody wants any"))
        project = blocks_project(workspace, pool=8, settings=tiny(keep_predictions=0))
        assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
        assert self.suggested(workspace, project) == {}


@pytest.mark.parametrize("state", ["training", "scoring"])
def test_cancel_publishes_nothing(workspace: Workspace, state: str) -> None:
    project = blocks_project(workspace, settings=tiny(steps=400 if state == "training" else 2))
    claimed = claimed_round(workspace, project)

    def watch(now: str, step: int, steps: int, seconds_left: float) -> None:
        if now == state and not rounds.get_round(workspace, claimed.id).cancel_requested:
            rounds.request_cancel(workspace, claimed.id, actor="test")

    assert run_round(workspace, claimed, ME, CPU, watch=watch) == "cancelled"
    ended = rounds.get_round(workspace, claimed.id)
    assert ended.state == "cancelled"
    assert ended.step < 400
    assert projects.get_project(workspace, project.id).current_round_id is None
    assert not list((workspace.path / "checkpoints").iterdir())


def test_a_stopped_round_goes_on_where_it_was(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=2)
    claimed = claimed_round(workspace, project)
    folder = workspace.path / "checkpoints" / f"round-{claimed.id}"
    seen: list[int] = []

    def stopping() -> bool:
        seen.append(len(rounds.curve(workspace, claimed.id, "loss")))
        return seen[-1] >= 1

    assert run_round(workspace, claimed, ME, CPU, stopping=stopping) == "stopped"
    stopped_at = newest_checkpoint(folder / "fresh")
    assert stopped_at is not None
    again = rounds.claim(workspace, "here:2", LEASE_S, now=time.time() + 60)
    assert again is not None
    assert again.id == claimed.id
    assert again.checkpoint == stopped_at.relative_to(workspace.path).as_posix()
    assert run_round(workspace, again, "here:2", CPU) == "done"
    steps = [step for step, _, _ in rounds.curve(workspace, claimed.id, "loss")]
    assert steps[-1] == 6
    assert len(steps) == len(set(steps)), "no step was trained twice"


def test_a_round_that_began_at_random_is_known_as_such_by_the_worker_that_ends_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(encoder_weights, "_cached_or_downloaded", lambda encoder: None)
    project = blocks_project(workspace, pool=2, settings=TINY.model_copy(update={"weights": "auto"}))
    claimed = claimed_round(workspace, project)
    begun = functools.partial(rounds.curve, workspace, claimed.id, "loss")
    assert run_round(workspace, claimed, ME, CPU, stopping=lambda: bool(begun())) == "stopped"
    file = tmp_path / "test_efficientnet.pth"
    torch.save(timm.create_model("test_efficientnet").state_dict(), file)
    monkeypatch.setattr(encoder_weights, "_cached_or_downloaded", lambda encoder: file)
    again = rounds.claim(workspace, "here:2", LEASE_S, now=time.time() + 60)
    assert again is not None
    assert run_round(workspace, again, "here:2", CPU) == "done"
    assert rounds.get_round(workspace, claimed.id).metrics["began_at_random"] is True
    assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    newest = rounds.history(workspace, project.id)[0].metrics
    assert (newest["start"], newest["began_at_random"]) == ("fresh", False)


@pytest.mark.parametrize("before", ["Something else.", ""])
def test_a_worker_that_takes_over_names_damaged_images_once(workspace: Workspace, before: str) -> None:
    project = blocks_project(workspace, pool=2)
    claimed = claimed_round(workspace, project)
    first = Claim(workspace, claimed, ME, lambda: False, None)
    first.note_damaged_image("a.png")
    if before:
        first.note(before)
    first.note_damaged_image("b.png")
    first.note_damaged_label_map("c.png")
    noted = rounds.get_round(workspace, claimed.id).note
    assert noted == f"{before}\n".lstrip() + (
        "Damaged: a.png and b.png could not be read and were left out. The label map of c.png could not be "
        "read and was left out. Open the image and save it again."
    )
    again = rounds.claim(workspace, "here:2", LEASE_S, now=time.time() + 60)
    assert again is not None
    second = Claim(workspace, again, "here:2", lambda: False, None)
    second.note_damaged_label_map("c.png")
    for name in ("a.png", "b.png", "a.png"):
        second.note_damaged_image(name)
    assert rounds.get_round(workspace, claimed.id).note == noted


class Killed(BaseException):
    """What ends a worker's process at once: nothing within the round catches it."""


def test_killed_before_it_names_its_last_checkpoint_the_round_still_ends_with_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = blocks_project(workspace, pool=2, train=2)
    claimed = claimed_round(workspace, project)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Claim, "report_checkpoint", killed)
        with pytest.raises(Killed):
            run_round(workspace, claimed, ME, CPU)
    left = workspace.path / "checkpoints" / f"round-{claimed.id}" / "fresh"
    (left / "step-000005").mkdir()
    again = rounds.claim(workspace, "here:2", LEASE_S, now=time.time() + 60)
    assert again is not None
    assert again.checkpoint is None
    assert run_round(workspace, again, "here:2", CPU) == "done"
    done = rounds.get_round(workspace, claimed.id)
    assert done.checkpoint == f"checkpoints/round-{claimed.id}/fresh/step-000006"
    assert [entry.name for entry in left.iterdir()] == ["step-000006"]
    assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    assert rounds.history(workspace, project.id)[0].metrics["start"] == "warm"


def test_a_round_taken_by_another_worker_is_left(workspace: Workspace) -> None:
    project = blocks_project(workspace, settings=tiny(steps=400))
    claimed = claimed_round(workspace, project)

    def watch(*_: object) -> None:
        rounds.claim(workspace, "there:2", LEASE_S, now=time.time() + 60)

    assert run_round(workspace, claimed, ME, CPU, watch=watch) == "lost"
    row = rounds.get_round(workspace, claimed.id)
    assert (row.state, row.worker) == ("training", "there:2")


def test_killed_in_training_the_next_worker_ends_with_the_same_bits(
    workspace: Workspace,
    start_worker: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    one_thread: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    project = blocks_project(workspace, pool=3, settings=tiny(recipe="u2pl"))
    requested = round_requests.request_round(workspace, project.id, actor="test", reason="test")
    shutil.copytree(workspace.path, tmp_path / "twin")
    killed = start_worker(dies_at=4)
    killed.communicate(timeout=240)
    assert killed.returncode == -signal.SIGKILL
    left = rounds.get_round(workspace, requested.id)
    assert left.state == "training"
    folder = workspace.path / "checkpoints" / f"round-{left.id}" / "fresh"
    assert {entry.name for entry in folder.iterdir()} == {"step-000003", ".step-000004.partial"}

    # People go on meanwhile, which the uninterrupted round would not see.
    image = images.list_images(workspace, project.id, "pool")[1]
    truth = images.truth(workspace, image.id)
    labels.save(workspace, image.id, truth, expected_revision=0, author="test", status="submitted")
    add_picture(workspace, project, "new.png", png(block_scene(9)[0]), truth)

    caplog.set_level("INFO", logger="qualm.worker")
    ends = []
    for used in (workspace, open_workspace(tmp_path / "twin")):
        done = ended_here(used)
        ends.append(read_checkpoint(used.path / str(done.checkpoint))[0])
        assert [step for step, _, _ in rounds.curve(used, done.id, "loss")] == [1, 2, 3, 4, 5, 6]
    used.close()
    assert [line for line in caplog.messages if line.startswith("going on")] == ["going on from step 3"]
    assert [entry.name for entry in folder.iterdir()] == ["step-000006"]
    went_on, uninterrupted = ends
    assert {name.split(".")[0] for name in went_on} == {"student", "teacher", "queues", "optimiser"}
    assert went_on.keys() == uninterrupted.keys()
    for name, value in uninterrupted.items():
        assert torch.equal(went_on[name], value), name


def test_a_worker_outlives_failures_and_starts_rounds_by_itself(
    workspace: Workspace, start_worker: Callable[..., subprocess.Popen[str]]
) -> None:
    broken = ProjectSettings(round=tiny(weights="/no/such/file"))
    project = blocks_project(workspace, pool=3, train=2, audit=2, automatic=True, min_changed=2)
    good = project.settings
    projects.update_settings(
        workspace, project.id, good.model_copy(update={"round": broken.round}), actor="test"
    )
    worker = start_worker()
    until(lambda: [r.state for r in rounds.history(workspace, project.id)] == ["failed"])
    failed = rounds.history(workspace, project.id)[0]
    assert failed.reason.startswith("2 new labels")
    assert "/no/such/file" in str(failed.error)

    projects.update_settings(workspace, project.id, good, actor="test")
    projects.change_settings(workspace, project.id, {"start": {"further_rounds": 1}}, "test")
    for info in images.list_images(workspace, project.id, "pool")[:2]:
        truth = images.truth(workspace, info.id)
        labels.save(workspace, info.id, truth, expected_revision=0, author="test", status="submitted")
    until(lambda: len(rounds.history(workspace, project.id)) == 3)
    further, due, _ = rounds.history(workspace, project.id)
    # It is dropped where it is worse, which so short a training may well be.
    until(lambda: rounds.get_round(workspace, further.id).state in {"done", "cancelled"})
    assert due.reason == "2 new labels since the last round started"
    assert further.reason == "Trains on while new labels come: 0 of 2"
    assert (further.kind, due.kind) == ("trains_on", "trains")
    assert further.labels_changed == due.labels_changed
    assert [seen.device for seen in workers.live_workers(workspace)] == ["cpu"]
    worker.terminate()
    assert worker.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("measured", "state", "note"),
    [
        ({"audit_miou": 0.5, "parent_audit_miou": 0.5}, "done", None),
        (
            {"audit_miou": 0.499, "parent_audit_miou": 0.5},
            "cancelled",
            "This round reached 0.499 on the audit images and round 1 has 0.500, so round 1 stays in use.",
        ),
        (
            {"audit_images": 0},
            "cancelled",
            "The audit images could not tell whether this round is worse, so it is not used.",
        ),
    ],
)
def test_a_further_round_is_used_only_when_the_audit_images_say_that_it_is_as_good(
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    measured: dict[str, float],
    state: str,
    note: str | None,
) -> None:
    project = blocks_project(workspace, pool=2, train=2, audit=2)
    assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    (first,) = rounds.history(workspace, project.id)
    monkeypatch.setattr(core.worker.scoring, "audit_figures", lambda *_: measured)
    round_requests.request_round(workspace, project.id, "worker", "Trains on", trains_on=True)
    claimed = rounds.claim(workspace, ME, LEASE_S)
    assert claimed is not None
    assert run_round(workspace, claimed, ME, CPU) == state
    ended = rounds.get_round(workspace, claimed.id)
    assert (ended.state, ended.note, ended.error) == (state, note, None)
    in_use = projects.get_project(workspace, project.id).current_round_id
    assert in_use == (ended.id if state == "done" else first.id)
    assert workspace.checkpoint_folder(first.id).exists()
    assert workspace.checkpoint_folder(ended.id).exists() == (state == "done")
    # One that a person asked for is used whatever the audit images say.
    asked = claimed_round(workspace, project)
    assert (asked.kind, run_round(workspace, asked, ME, CPU)) == ("trains", "done")


def without_weights(workspace: Workspace, project: ProjectInfo) -> None:
    shutil.rmtree(workspace.path / "checkpoints")


def with_another_head(workspace: Workspace, project: ProjectInfo) -> None:
    projects.change_settings(workspace, project.id, {"round": {"head": "linear"}}, "test")


def with_one_audit_image_damaged(workspace: Workspace, project: ProjectInfo) -> None:
    audit = images.list_images(workspace, project.id, "audit")
    blob_path(workspace, audit[0].blob).write_bytes(b"damaged")


@pytest.mark.parametrize(
    ("goes_on", "note"),
    [
        (without_weights, "Round 1 could not be gone on from: "),
        (with_another_head, "Round 1 has another head. A further round goes on from the last weights, "),
        (with_one_audit_image_damaged, "audit-4.png could not be read and was left out"),
    ],
)
def test_a_further_round_that_could_not_be_compared_ends_before_it_trains(
    workspace: Workspace, goes_on: Callable[[Workspace, ProjectInfo], None], note: str
) -> None:
    project = blocks_project(workspace, pool=2, train=2, audit=2)
    assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    goes_on(workspace, project)
    round_requests.request_round(workspace, project.id, "worker", "Trains on", trains_on=True)
    claimed = rounds.claim(workspace, ME, LEASE_S)
    assert claimed is not None
    assert run_round(workspace, claimed, ME, CPU) == "cancelled"
    ended = rounds.get_round(workspace, claimed.id)
    assert note in str(ended.note)
    assert (
        "The audit images could not tell whether this round is worse, so it is not used." in str(ended.note)
    ) or "which this one cannot, so it ends before it trains." in str(ended.note)
    assert rounds.curve(workspace, claimed.id) == []


def test_a_further_round_superseded_while_it_is_published_ends_cancelled(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = blocks_project(workspace, pool=2, train=2, audit=2)
    assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    (first,) = rounds.history(workspace, project.id)
    monkeypatch.setattr(
        core.worker.scoring, "audit_figures", lambda *_: {"audit_miou": 0.5, "parent_audit_miou": 0.5}
    )
    publish = rounds.publish

    def asked_before(*published: Any) -> bool:
        round_requests.request_ranking(workspace, project.id, "test", "Ranks again")
        return publish(*published)

    monkeypatch.setattr(rounds, "publish", asked_before)
    round_requests.request_round(workspace, project.id, "worker", "Trains on", trains_on=True)
    claimed = rounds.claim(workspace, ME, LEASE_S)
    assert claimed is not None
    assert run_round(workspace, claimed, ME, CPU) == "cancelled"
    assert rounds.get_round(workspace, claimed.id).state == "cancelled"
    assert not workspace.checkpoint_folder(claimed.id).exists()
    monkeypatch.setattr(rounds, "publish", publish)
    ranking = ended_here(workspace)
    assert rounds.trained_round(workspace, ranking).id == first.id
    assert predicted_by(workspace) == {first.id, ranking.id}


def predicted_by(workspace: Workspace) -> set[int]:
    """Return the rounds of which there are predictions."""
    with workspace.database.reading() as session:
        return set(session.scalars(select(Prediction.round_id)))


def test_a_supervised_worker_ends_with_its_parent(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = blocks_project(workspace, pool=2)
    round_requests.request_round(workspace, project.id, actor="test", reason="test")
    parents = iter([1234])
    monkeypatch.setattr(os, "getppid", lambda: next(parents, 1))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert run_worker(workspace.path, device="cpu", supervisor=1234) == 1
    left = rounds.history(workspace, project.id)[0]
    assert left.state == "training", "the round is left to the next worker"


@pytest.mark.skipif(os.name == "nt", reason="there an orphan keeps the number of its parent")
def test_a_worker_whose_parent_is_gone_before_it_has_loaded_takes_no_round(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = blocks_project(workspace, pool=2)
    round_requests.request_round(workspace, project.id, actor="test", reason="test")
    monkeypatch.setattr(os, "getppid", lambda: 1)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert run_worker(workspace.path, device="cpu", once=True, supervisor=1234) == 0
    assert rounds.history(workspace, project.id)[0].state == "queued"


def test_a_worker_gives_way_to_other_sessions_too() -> None:
    """Where processors are shared between sessions first, niceness alone would not reach the browser."""
    group = Path("/proc/self/autogroup")
    usual = os.nice(0)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            give_way()
            shared = group.read_text() if group.exists() else ""
            os.write(writing, f"{os.nice(0)} {shared}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    niceness, *shared = os.read(reading, 1000).decode().split()
    os.close(reading)
    os.close(writing)
    assert int(niceness) == min(19, usual + loop.NICENESS)
    assert os.nice(0) == usual
    if shared:
        assert shared[1:] == ["nice", str(loop.NICENESS)]
        assert shared[0] not in group.read_text().split(), "pytest may be in no group of sessions at all"


def test_out_of_memory_makes_the_batch_smaller(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    project = blocks_project(workspace, pool=2, settings=tiny(batch_size=4))
    run = Training.run

    def run_in_little_memory(training: Training, on_step: Callable[..., bool]) -> bool:
        if training.config.batch_size > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return run(training, on_step)

    monkeypatch.setattr(Training, "run", run_in_little_memory)
    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"
    note = str(rounds.get_round(workspace, claimed.id).note)
    assert "the batch is 2 instead of 4" in note
    assert "the batch is 1 instead of 2" in note


def test_out_of_memory_while_it_is_restored_leaves_a_checkpoint_whole(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    project = blocks_project(workspace, pool=2, train=2, settings=tiny(batch_size=4))
    step, load = Training._train_one_step, torch.optim.AdamW.load_state_dict
    full = ["the sixth step", "restoring"]

    def step_in_little_memory(training: Training) -> Any:
        if training.step == 5 and len(full) == 2:
            raise torch.OutOfMemoryError(f"CUDA out of memory in {full.pop(0)}")
        return step(training)

    def load_in_little_memory(optimiser: torch.optim.AdamW, state: Any) -> None:
        if len(full) == 1:
            raise torch.OutOfMemoryError(f"CUDA out of memory in {full.pop()}")
        load(optimiser, state)

    monkeypatch.setattr(core.round_training, "CHECKPOINT_S", 0)
    monkeypatch.setattr(Training, "_train_one_step", step_in_little_memory)
    monkeypatch.setattr(torch.optim.AdamW, "load_state_dict", load_in_little_memory)
    caplog.set_level("INFO", logger="qualm.worker")
    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"
    note = str(rounds.get_round(workspace, claimed.id).note)
    assert "the batch is 1 instead of 2" in note
    assert "damaged" not in note
    assert [line for line in caplog.messages if line.startswith("going on")] == ["going on from step 5"]


def test_out_of_memory_with_nothing_left_says_what_to_change(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> bool:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Training, "run", no_memory)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2))
    assert run_round(workspace, claimed, ME, CPU) == "failed"
    assert "smaller long side" in str(rounds.get_round(workspace, claimed.id).error)


def test_scoring_that_fills_the_device_goes_on_with_the_cpu() -> None:
    tried: list[torch.device] = []
    notes: list[str] = []

    def work(network: Any, device: torch.device) -> str:
        tried.append(device)
        if device == FULL:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return "scored"

    network: Any = torch.nn.Module()
    assert within_memory(work, network, FULL, notes.append) == ("scored", CPU)
    assert tried == [FULL, CPU]
    assert notes == ["Out of memory on meta while scoring: going on with the CPU, slower."]


def test_a_cold_start_whose_network_does_not_fit_on_the_device_goes_on_with_the_cpu(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = SegmentationNetwork.to

    def move_to_a_full_device(network: SegmentationNetwork, *to: Any, **options: Any) -> Any:
        if to == (FULL,):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return move(network, *to, **options)

    monkeypatch.setattr(SegmentationNetwork, "to", move_to_a_full_device)
    project = blocks_project(workspace, pool=8, train=0)
    claimed = claimed_cold_start(workspace, project)
    assert run_round(workspace, claimed, ME, FULL) == "done"
    done = rounds.get_round(workspace, claimed.id)
    assert "Out of memory on meta while scoring: going on with the CPU" in str(done.note)
    assert done.metrics["device"] == "cpu"


def test_a_full_disk_fails_the_round_with_its_sentence(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(training: Training, folder: Path) -> None:
        (folder / "half").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr(Training, "save", full)
    monkeypatch.setattr(core.worker.claim, "STORED_WITHIN_S", -1.0)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2))
    assert run_round(workspace, claimed, ME, CPU) == "failed"
    assert "is full. This round is lost, and nothing else" in str(
        rounds.get_round(workspace, claimed.id).error
    )
    assert not list((workspace.path / "checkpoints").iterdir())


def test_a_disk_that_is_full_for_a_while_ends_no_training(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Training.save

    def full_until_the_last_step(training: Training, folder: Path) -> None:
        if training.step < training.config.steps:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))
        write(training, folder)

    monkeypatch.setattr(Training, "save", full_until_the_last_step)
    monkeypatch.setattr(core.round_training, "CHECKPOINT_S", -1.0)
    project = blocks_project(workspace, pool=2)
    assert tiny().steps > 1
    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"
    note = str(rounds.get_round(workspace, claimed.id).note)
    assert note.startswith("No checkpoint could be written (No space left on device). The round trains on")


def test_the_last_checkpoint_waits_for_room(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.worker.claim, "STORED_AGAIN_S", 0.01)
    write = Training.save
    at_steps = []

    def full_twice(training: Training, folder: Path) -> None:
        at_steps.append(training.step)
        if len(at_steps) < 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))
        write(training, folder)

    monkeypatch.setattr(Training, "save", full_twice)
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2))
    assert run_round(workspace, claimed, ME, CPU) == "done"
    assert at_steps == 3 * [tiny().steps]
    assert "The round is not lost: it tries again by itself." in str(
        rounds.get_round(workspace, claimed.id).note
    )


@pytest.mark.parametrize("refused", [DiskFull("the blobs"), WorkspaceBusy("the workspace", 30)])
@pytest.mark.parametrize("stored", ["maps", "order"])
def test_a_round_that_has_trained_waits_until_it_can_be_stored(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, refused: QualmError, stored: str
) -> None:
    monkeypatch.setattr(core.worker.claim, "STORED_AGAIN_S", 0.01)
    project = blocks_project(workspace, pool=2)
    claimed = claimed_round(workspace, project)
    seen: list[str] = []

    def refuse_twice(store: Callable[..., Any]) -> Callable[..., Any]:
        def refusing(*what: Any) -> Any:
            if rounds.get_round(workspace, claimed.id).state == "scoring" and len(seen) < 2:
                seen.append(str(rounds.get_round(workspace, claimed.id).note))
                raise refused
            return store(*what)

        return refusing

    if stored == "maps":
        monkeypatch.setattr(BlobStore, "put", refuse_twice(BlobStore.put))
    else:
        monkeypatch.setattr(rounds, "publish", refuse_twice(rounds.publish))
    assert run_round(workspace, claimed, ME, CPU) == "done"
    assert seen == ["None", f"{refused} The round is not lost: it tries again by itself."]
    assert [step for step, *_ in rounds.curve(workspace, claimed.id, "loss")] == [1, 2, 3, 4, 5, 6]
    assert scored_ids(workspace, project)


def test_a_round_that_waits_to_be_stored_can_be_left_and_is_given_up_in_the_end(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskFull("the blobs")

    publish = rounds.publish
    monkeypatch.setattr(rounds, "publish", full)
    project = blocks_project(workspace, pool=2)
    claimed = claimed_round(workspace, project)

    def is_noted() -> bool:
        return "is not lost" in str(rounds.get_round(workspace, claimed.id).note)

    assert run_round(workspace, claimed, ME, CPU, stopping=is_noted) == "stopped"
    monkeypatch.setattr(rounds, "publish", publish)
    done = ended_here(workspace)
    assert (done.id, done.checkpoint) == (claimed.id, f"checkpoints/round-{claimed.id}/fresh/step-000006")

    monkeypatch.setattr(rounds, "publish", full)
    monkeypatch.setattr(core.worker.claim, "STORED_WITHIN_S", -1.0)
    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "failed"
    assert "is full" in str(rounds.get_round(workspace, claimed.id).error)


def test_odd_and_damaged_images_are_survived(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=1)
    for name, size in {"dot.png": (1, 1), "strip.png": (9, 300), "large.png": (200, 150)}.items():
        pixels, truth = block_scene(7, *size)
        add_picture(workspace, project, name, png(pixels), truth)
    grey, truth = block_scene(8)
    add_picture(workspace, project, "grey.png", png(grey[..., 0]), truth)
    add_picture(workspace, project, "torn.png", png(grey)[:200], truth)
    torn = add_picture(workspace, project, "torn-and-labelled.png", png(grey)[:300], truth)
    labels.save(workspace, torn, truth, expected_revision=0, author="test", status="submitted")

    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"
    note = str(rounds.get_round(workspace, claimed.id).note)
    assert note == "Damaged: torn-and-labelled.png and torn.png could not be read and were left out."
    ranked, _ = queue.ranked_images(workspace, project.id, split="pool")
    assert {item.image.name for item in ranked if item.rank} == {
        "pool-0.png",
        "dot.png",
        "strip.png",
        "large.png",
        "grey.png",
    }
    for item in ranked:
        if item.map_blob:
            suggestion = labels.decode_label_map(workspace.blobs.get(item.map_blob))
            assert suggestion.shape == (item.image.height, item.image.width)


def test_many_damaged_images_leave_room_for_what_else_there_is_to_say(workspace: Workspace) -> None:
    project = blocks_project(
        workspace, pool=2, settings=TINY.model_copy(update={"head": "linear", "pixel_score": "variance"})
    )
    for number in range(40):
        name = f"{'long-' * 20}{number}.png"
        add_picture(workspace, project, name, b"damaged", np.zeros((HEIGHT, WIDTH), np.uint8))
    claimed = claimed_round(workspace, project)
    assert run_round(workspace, claimed, ME, CPU) == "done"
    note = str(rounds.get_round(workspace, claimed.id).note)
    assert "entropy" in note
    assert " and 37 more could not be read and were left out." in note


def blob_path(workspace: Workspace, key: str) -> Path:
    return workspace.path / "blobs" / key[:2] / key


def label_blob(workspace: Workspace, image: images.ImageInfo) -> Path:
    return blob_path(workspace, labels.history(workspace, image.id)[-1].blob)


def test_damaged_label_maps_are_left_out(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=2, train=2, audit=1)
    torn = images.list_images(workspace, project.id, "train")[0]
    gone = images.list_images(workspace, project.id, "audit")[0]
    claimed = claimed_round(workspace, project)
    torn_blob = label_blob(workspace, torn)
    torn_blob.write_bytes(torn_blob.read_bytes()[:60])
    label_blob(workspace, gone).unlink()
    assert run_round(workspace, claimed, ME, CPU) == "done"
    done = rounds.get_round(workspace, claimed.id)
    assert (
        f"The label maps of {torn.name} and {gone.name} could not be read and were left out. Open each image"
        in str(done.note)
    )
    assert (done.metrics["labels"], done.metrics["audit_images"]) == (1, 0)
    assert "audit_miou" not in done.metrics


def test_a_round_whose_labelled_classes_were_archived_fails_as_it_would_be_refused(
    workspace: Workspace,
) -> None:
    project = blocks_project(workspace, train=2)
    claimed = claimed_round(workspace, project)
    for name in ("road", "sky"):
        projects.add_class(workspace, project.id, ClassSpec(name=name), "test")
    archived = {index: ClassChange(archived=True) for index in (0, 1)}
    projects.update_classes(workspace, project.id, archived, "test")
    assert run_round(workspace, claimed, ME, CPU) == "failed"
    assert str(rounds.get_round(workspace, claimed.id).error).startswith("The labels show no class")
    with pytest.raises(RoundRefused, match="The labels show no class"):
        claimed_round(workspace, project)


def test_a_round_that_kills_its_workers_is_given_up(workspace: Workspace) -> None:
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2))
    folder = workspace.path / "checkpoints" / f"round-{claimed.id}"
    folder.mkdir()
    (folder / "attempts").write_text("3 the start")
    assert run_round(workspace, claimed, ME, CPU) == "failed"
    assert "3 workers died" in str(rounds.get_round(workspace, claimed.id).error)


def test_a_round_that_a_person_interrupts_is_no_attempt_that_failed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = claimed_round(workspace, blocks_project(workspace, pool=2))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("core.worker.round.load_snapshot", interrupted)
        for _ in range(5):
            with pytest.raises(KeyboardInterrupt):
                run_round(workspace, claimed, ME, CPU)
    assert run_round(workspace, claimed, ME, CPU) == "done"


def test_cold_starts_that_succeed_are_no_attempts_that_failed(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=8, train=0)
    for _ in range(5):
        claimed = claimed_cold_start(workspace, project)
        assert run_round(workspace, claimed, ME, CPU) == "done"


def test_devices_that_are_not_there_are_refused() -> None:
    assert pick_device("cpu") == CPU
    with pytest.raises(InvalidInput, match="Choose auto"):
        pick_device("tpu")


def test_weights_of_a_decoder_of_another_size_are_not_gone_on_from(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As FPN was twice as wide before, under the same name."""
    project = blocks_project(workspace, pool=2)
    settings = tiny().model_copy(update={"decoder": "FPN"})
    projects.change_settings(workspace, project.id, {"round": settings.model_dump()}, "ann")
    with monkeypatch.context() as before:
        before.delitem(core.model.network._DECODER_OPTIONS, "fpn")
        assert run_round(workspace, claimed_round(workspace, project), ME, CPU) == "done"
    again = claimed_round(workspace, project)
    assert run_round(workspace, again, ME, CPU) == "done"
    done = rounds.get_round(workspace, again.id)
    assert "could not be gone on from, so this one begins anew: its network was built with another" in str(
        done.note
    )
    assert done.metrics["start"] == "fresh"
