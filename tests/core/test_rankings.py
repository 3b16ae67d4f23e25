"""A round that only ranks, on real storage, with a real network of tiny settings."""

import shutil
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import core.worker.scoring
from core.worker import LEASE_S, run_round
from core.worker.claim import Claim
from core.worker.images import RoundImages
from core.worker.network import network_in_use, teacher_of
from core.worker.snapshot import learned_before, load_snapshot
from storage import embeddings, images, labels, projects, queue, round_requests, rounds
from storage.projects import ClassChange, ClassSpec, ProjectInfo
from storage.queue_items import QueueItem
from storage.rounds import RoundInfo
from storage.workspace import Workspace
from tests.core.blocks_project import TINY, add_picture, block_scene, blocks_project, png

CPU = torch.device("cpu")
ME = "here:1"


def ended(workspace: Workspace, outcome: str = "done") -> RoundInfo:
    """Run the round that waits."""
    claimed = rounds.claim(workspace, ME, LEASE_S)
    assert claimed is not None
    assert run_round(workspace, claimed, ME, CPU) == outcome
    return rounds.get_round(workspace, claimed.id)


def trained(workspace: Workspace, project: ProjectInfo) -> RoundInfo:
    round_requests.request_round(workspace, project.id, "test", "test")
    return ended(workspace)


def ranked(workspace: Workspace, project: ProjectInfo, outcome: str = "done") -> RoundInfo:
    round_requests.request_ranking(workspace, project.id, "test", "Ranks again")
    return ended(workspace, outcome)


def queued(workspace: Workspace, project: ProjectInfo) -> dict[str, QueueItem]:
    """Return the queue by the names of the images, in its order."""
    projects.change_settings(workspace, project.id, {"annotation": {"audit_every": 0}}, "ann")
    found = queue.next_images(workspace, project.id, "ann", 20)
    return {item.image.name: item for item in found}


def test_without_training_a_new_image_has_its_place_and_the_others_keep_their_suggestions(
    workspace: Workspace,
) -> None:
    project = blocks_project(workspace, pool=5, audit=4)
    first = trained(workspace, project)
    before = queued(workspace, project)
    pixels, truth = block_scene(77)
    new = add_picture(workspace, project, "new.png", png(pixels), truth)
    labelled = next(item.image.id for name, item in before.items() if name.startswith("pool"))
    label_map = images.truth(workspace, labelled)
    labels.save(workspace, labelled, label_map, expected_revision=0, author="ann", status="submitted")

    projects.change_settings(workspace, project.id, {"round": {"steps": 9, "samples_predict": 3}}, "ann")
    second = ranked(workspace, project)
    after = queued(workspace, project)
    assert (second.number, second.state, second.note) == (2, "done", None)
    assert second.steps == 5, "images, no steps of a training"
    assert rounds.curve(workspace, second.id) == []
    assert after["new.png"].map_blob is not None
    assert after["new.png"].ranking_round_number == 2
    seen = embeddings.of_round(workspace, second.id)
    assert seen is not None
    assert new in seen.image_ids
    # The head of these settings draws its samples, and three of them are other ones than two.
    assert second.config.samples_predict == 3
    third = ranked(workspace, project)
    again = queued(workspace, project)
    kept = [name for name in after if name.startswith("pool")]
    assert len(kept) == 4
    assert [again[name].map_blob for name in kept] == [after[name].map_blob for name in kept]
    # It is measured like a training, on today's audit images, and says what it is the ranking of.
    assert third.metrics["audit_images"] == first.metrics["audit_images"] == 4
    assert third.metrics["labels"] == 3
    assert "parent_audit_miou" not in third.metrics
    assert "train_seconds" not in third.metrics
    assert third.metrics["audit_miou"] == pytest.approx(second.metrics["audit_miou"])


def test_the_same_settings_give_the_same_suggestions_as_the_training_did(workspace: Workspace) -> None:
    """So what a person has rejected of a suggestion stays rejected."""
    project = blocks_project(workspace, pool=5)
    trained(workspace, project)
    before = queued(workspace, project)
    ranked(workspace, project)
    after = queued(workspace, project)
    assert [(name, item.map_blob, item.rank) for name, item in after.items()] == [
        (name, item.map_blob, item.rank) for name, item in before.items()
    ]


def test_what_was_in_front_is_predicted_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its maps are kept when it is scored, wherever in the pool it is, and so are those of what is pinned."""
    settings = TINY.model_copy(update={"keep_predictions": 3, "batch_choice": "top", "uncertain_from": 0})
    project = blocks_project(workspace, pool=9, settings=settings)
    trained(workspace, project)
    front = queue.front(workspace, project.id, 9)
    queue.pin(workspace, front[-1:], "ann")
    again: list[int] = []
    predict = core.worker.scoring.maps_of

    def recorded(claim: Claim, readable: Iterable[Any], *options: Any) -> Iterator[Any]:
        for number, maps in predict(claim, readable, *options):
            again.append(number)
            yield number, maps

    monkeypatch.setattr(core.worker.scoring, "maps_of", recorded)
    ranked(workspace, project)
    assert queue.front(workspace, project.id, 9) == front
    assert again == front[2:3], "the place of the pinned one among those that are kept"
    items, _ = queue.ranked_images(workspace, project.id, image_ids=front)
    with_maps = {item.image.id for item in items if item.map_blob is not None}
    assert with_maps == {*front[:3], front[-1]}


def test_the_weights_stay_as_long_as_a_ranking_by_them_is_in_use(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=3)
    first = trained(workspace, project)
    for _ in range(4):
        ranked(workspace, project)
    assert (workspace.path / str(first.checkpoint)).exists()
    assert ranked(workspace, project).checkpoint is None
    after = trained(workspace, project)
    assert after.parent_id == first.id
    assert after.metrics["start"] == "warm"


def test_a_class_that_came_later_is_not_suggested(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=3)
    trained(workspace, project)
    projects.add_class(workspace, project.id, ClassSpec("sky"), "ann")
    assert ranked(workspace, project).state == "done"
    suggested = [item.map_blob for item in queued(workspace, project).values()]
    maps = [labels.decode_label_map(workspace.blobs.get(str(blob))) for blob in suggested]
    assert {int(value) for one in maps for value in np.unique(one)} <= {0, 1}


def test_a_class_that_was_archived_while_it_trained_is_not_suggested_by_what_never_learned_it(
    workspace: Workspace,
) -> None:
    project = blocks_project(workspace, pool=3)
    projects.add_class(workspace, project.id, ClassSpec("sky"), "ann")
    projects.update_classes(workspace, project.id, {2: ClassChange(archived=True)}, "ann")
    first = trained(workspace, project)
    projects.update_classes(workspace, project.id, {2: ClassChange(archived=False)}, "ann")
    round_requests.request_ranking(workspace, project.id, "ann", "Ranks again")
    claimed = rounds.claim(workspace, ME, LEASE_S)
    assert claimed is not None
    claim = Claim(workspace, claimed, ME, lambda: False, None)
    assert network_in_use(claim, 3).silent == [2]
    # Nor may it win pixels of the audit images when the next round is compared with it.
    assert teacher_of(claim, 3, first).silent == [2]


def test_what_the_network_has_learned_is_known_without_reading_a_label_map(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=3)
    request = round_requests.request_round(workspace, project.id, "test", "test")
    claimed = rounds.claim(workspace, ME, LEASE_S)
    assert claimed is not None
    claim = Claim(workspace, claimed, ME, lambda: False, None)
    learned = load_snapshot(claim, RoundImages(claim)).learned
    assert run_round(workspace, claimed, ME, CPU) == "done"
    submit_one_more(workspace, project)
    round_requests.request_ranking(workspace, project.id, "ann", "Ranks again")
    ranking = rounds.claim(workspace, ME, LEASE_S)
    assert ranking is not None
    assert ranking.parent_id == request.id
    assert learned_before(Claim(workspace, ranking, ME, lambda: False, None)) == learned
    assert learned.images_by_class == [3, 3]


def submit_one_more(workspace: Workspace, project: ProjectInfo) -> None:
    image = images.list_images(workspace, project.id, "pool")[0]
    truth = images.truth(workspace, image.id)
    labels.save(workspace, image.id, truth, expected_revision=0, author="ann", status="submitted")


def test_of_a_large_pool_new_images_are_looked_at_first(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=8, settings=TINY.model_copy(update={"most_scored": 4}))
    trained(workspace, project)
    pixels, truth = block_scene(77)
    new = {add_picture(workspace, project, f"new-{each}.png", png(pixels), truth) for each in range(3)}
    ranking = ranked(workspace, project)
    assert ranking.steps == 4
    seen = {item.image.id for item in queued(workspace, project).values() if item.ranking_round_number == 2}
    assert new < seen


def test_weights_of_a_network_that_is_built_otherwise_today_rank_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the checkpoint lacks would be random, and the order of the queue with it."""
    project = blocks_project(workspace, pool=3)
    trained(workspace, project)
    monkeypatch.setattr("core.worker.network.load_teacher", lambda *_: ["decoder.new.weight"])
    assert "it lacks decoder.new.weight" in str(ranked(workspace, project, "failed").error)


def test_weights_that_are_gone_are_a_sentence_and_the_order_stands(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=3)
    first = trained(workspace, project)
    shutil.rmtree(workspace.path / str(first.checkpoint))
    failed = ranked(workspace, project, "failed")
    assert str(failed.error).startswith("The weights of round 1 cannot be used")
    assert "Press Train now" in str(failed.error)
    assert projects.get_project(workspace, project.id).current_round_id == first.id


def test_a_killed_ranking_is_done_by_the_next_worker(workspace: Workspace) -> None:
    project = blocks_project(workspace, pool=3)
    trained(workspace, project)
    round_requests.request_ranking(workspace, project.id, "test", "Ranks again")
    assert rounds.claim(workspace, "gone:1", -1.0) is not None
    assert ended(workspace).metrics["labels"] == 3
