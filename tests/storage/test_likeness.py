"""What is much like an image just labelled moves back; what is on a screen stays."""

import contextlib
import dataclasses
import sqlite3
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from core.reasons import Reason
from storage import embeddings, images, likeness, predictions, projects, queue, round_requests, rounds
from storage.formats.embeddings import encode_embeddings
from storage.predictions import NewPrediction
from storage.projects import ProjectInfo
from storage.queue import QueueItem
from storage.rounds import RoundInfo
from storage.schema import COLD_START, Prediction, Round
from storage.settings import AnnotationSettings, ProjectSettings, RoundSettings
from storage.snapshots import Snapshot, encode_snapshot
from storage.workspace import Workspace, sweep_blobs
from tests.storage.project_factory import make_project, publish_ranking, some_embeddings, submit

BATCH = 2
ALIKE_FROM = 0.5
ANGLES = (0.0, 0.0, 0.5, 2.0, 3.0, 4.0, 0.0, 1.0, 2.5, 3.5)


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    settings = ProjectSettings(
        annotation=AnnotationSettings(audit_every=0), round=RoundSettings(choice_batch=BATCH)
    )
    return make_project(workspace, images=12, size=(2, 2), settings=settings)


@pytest.fixture
def ranked(workspace: Workspace, project: ProjectInfo) -> list[int]:
    """Publish a round and return the ids of the ten images it ranked, in their order."""
    known, late, *ranking = [info.id for info in images.list_images(workspace, project.id)]
    submit(workspace, known)
    images.set_split(workspace, [late], "excluded", "ada")
    found = some_embeddings([*ranking, known], [*ANGLES, 0.0], ALIKE_FROM)
    publish_ranking(workspace, project.id, ranking, found)
    return ranking


def items(workspace: Workspace, project: ProjectInfo) -> dict[int, QueueItem]:
    return {item.image.id: item for item in queue.ranked_images(workspace, project.id)[0]}


def expected_place(rank: int, cosine: float) -> float:
    share = min(max((cosine - ALIKE_FROM) / (1 - ALIKE_FROM), 0.0), 1.0)
    return rank + share * (rank + 4 * BATCH)


def test_images_like_a_labelled_one_move_back_and_others_stay(
    workspace: Workspace, project: ProjectInfo, ranked: list[int]
) -> None:
    first, *others = ranked
    submit(workspace, first)
    assert queue.move_back_alike(workspace, first, "ada") == 4
    found = items(workspace, project)
    for rank, (image_id, angle) in enumerate(zip(others, ANGLES[1:], strict=True), start=2):
        assert found[image_id].place == pytest.approx(expected_place(rank, float(np.cos(angle))), rel=2e-3)
        assert found[image_id].rank == rank
    copy, other = found[ranked[1]], found[ranked[3]]
    assert copy.like == images.image(workspace, first).name
    assert copy.why.endswith(f"; moved back, because {copy.like} is much like it")
    assert (other.like, other.place) == (None, 4.0)
    # A copy at rank 2 lets four batches go first.
    assert [item.image.id for item in queue.next_images(workspace, project.id, "ada", 9)] == sorted(
        others, key=lambda image_id: found[image_id].place or 0.0
    )
    assert queue.move_back_alike(workspace, first, "ada") == 0
    submit(workspace, first)
    assert queue.move_back_alike(workspace, first, "ada") == 0


def test_what_was_unlike_anything_labelled_is_said_to_be_so_only_until_something_like_it_is_labelled(
    workspace: Workspace, project: ProjectInfo, ranked: list[int]
) -> None:
    why = dataclasses.asdict(Reason("unsure about tree in the centre", [], [], "centre").unlike_labelled())
    with workspace.database.writing() as session:
        session.execute(update(Prediction).values(why=why))
    first, on_screen, moved, other, *_ = ranked
    submit(workspace, first)
    queue.move_back_alike(workspace, first, "ada", holding=on_screen)
    found = items(workspace, project)
    assert found[on_screen].why == "Rank 2 of 10: unsure about tree in the centre"
    like = found[moved].like
    assert found[moved].why == (
        f"Rank 3 of 10: unsure about tree in the centre; moved back, because {like} is much like it"
    )
    assert found[other].why.endswith("; unlike anything labelled")


def test_the_most_alike_label_counts(workspace: Workspace, project: ProjectInfo, ranked: list[int]) -> None:
    near, far = ranked[2], ranked[7]
    for image_id in (near, far):
        submit(workspace, image_id)
        queue.move_back_alike(workspace, image_id)
    item = items(workspace, project)[ranked[0]]
    assert item.like == images.image(workspace, near).name
    assert item.place == pytest.approx(expected_place(1, float(np.cos(0.5))), rel=2e-3)


def test_the_image_on_a_screen_never_moves(
    workspace: Workspace, project: ProjectInfo, ranked: list[int]
) -> None:
    first, on_screen, prefetched, *_ = [
        item.image.id for item in queue.next_images(workspace, project.id, "ada", 6)
    ]
    assert [first, on_screen, prefetched] == ranked[:3]
    (theirs,) = queue.next_images(workspace, project.id, "bob", 1)
    assert theirs.image.id == ranked[6]
    submit(workspace, first)
    # Of those like the first, one is on Ada's screen, one on Bob's, and two lie behind Ada's.
    assert queue.move_back_alike(workspace, first, "ada", holding=on_screen) == 2
    found = items(workspace, project)
    assert [found[image_id].place for image_id in (on_screen, theirs.image.id)] == [2.0, 7.0]
    assert found[on_screen].like is None
    assert found[prefetched].place == pytest.approx(expected_place(3, float(np.cos(0.5))), rel=2e-3)
    # Bob turns away from his: with the next label it goes where it would have gone.
    queue.next_images(workspace, project.id, "bob", 1, now=0.0)
    assert queue.next_images(workspace, project.id, "ada", 1, holding=on_screen)[0].image.id == ranked[3]
    submit(workspace, ranked[3])
    later = images.image(workspace, theirs.image.id).leased_until or 0.0
    queue.move_back_alike(workspace, ranked[3], "ada", holding=on_screen, now=later + 1)
    found = items(workspace, project)
    assert found[theirs.image.id].place == pytest.approx(expected_place(7, 1.0))
    assert found[on_screen].place == 2.0


def test_what_teaches_nothing_moves_nothing(
    workspace: Workspace, project: ProjectInfo, ranked: list[int]
) -> None:
    known, late = sorted(set(items(workspace, project)) - set(ranked))
    images.set_split(workspace, [late], "pool", "ada")
    images.set_split(workspace, [ranked[1]], "audit", "ada")
    submit(workspace, known)  # the round has trained on its first label
    submit(workspace, late)  # the round has not seen it
    submit(workspace, ranked[1])  # an audit image trains nothing
    submit(workspace, ranked[2], status="draft")
    for image_id in (known, late, ranked[1], ranked[2]):
        assert queue.move_back_alike(workspace, image_id, "ada") == 0


def test_a_draft_from_before_the_round_was_not_known_to_it(
    workspace: Workspace, project: ProjectInfo
) -> None:
    known, begun, *ranking = [info.id for info in images.list_images(workspace, project.id)]
    submit(workspace, known)
    submit(workspace, begun, status="draft")
    found = some_embeddings([begun, *ranking], [0.0, *ANGLES], ALIKE_FROM)
    publish_ranking(workspace, project.id, [begun, *ranking], found)
    submit(workspace, begun)
    assert queue.move_back_alike(workspace, begun, "ada") > 0


def test_only_the_current_rounds_order_changes(
    workspace: Workspace, project: ProjectInfo, ranked: list[int]
) -> None:
    earlier = projects.get_project(workspace, project.id).current_round_id
    publish_ranking(workspace, project.id, ranked, some_embeddings(ranked, ANGLES, ALIKE_FROM))
    submit(workspace, ranked[0])
    assert queue.move_back_alike(workspace, ranked[0], "ada") > 0
    with workspace.database.reading() as session:
        moved = select(Prediction.id).where(Prediction.place != Prediction.rank)
        assert session.scalars(moved).all()
        assert not session.scalars(moved.where(Prediction.round_id == earlier)).all()


def test_random_orders_stay_random(workspace: Workspace, project: ProjectInfo) -> None:
    settings = ProjectSettings(round=RoundSettings(batch_choice="random"))
    projects.update_settings(workspace, project.id, settings, "ada")
    known, *ranking = [info.id for info in images.list_images(workspace, project.id)][:11]
    submit(workspace, known)
    publish_ranking(workspace, project.id, ranking, some_embeddings(ranking, ANGLES, ALIKE_FROM))
    submit(workspace, ranking[0])
    assert queue.move_back_alike(workspace, ranking[0], "ada") == 0


def test_a_cold_start_is_typical_whatever_the_settings_say(
    workspace: Workspace, project: ProjectInfo
) -> None:
    settings = ProjectSettings(round=RoundSettings(batch_choice="random"))
    projects.update_settings(workspace, project.id, settings, "ada")
    known, *ranking = [info.id for info in images.list_images(workspace, project.id)][:11]
    submit(workspace, known)
    first = publish_ranking(workspace, project.id, ranking, some_embeddings(ranking, ANGLES, ALIKE_FROM))
    with workspace.database.writing() as session:
        session.execute(update(Round).where(Round.id == first.id).values(number=COLD_START))
    submit(workspace, ranking[0])
    assert queue.move_back_alike(workspace, ranking[0], "ada") > 0


def test_without_embeddings_the_queue_goes_on_by_rank(
    workspace: Workspace, project: ProjectInfo, ranked: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    current = rounds.history(workspace, project.id)[0]
    assert current.embeddings_blob is not None
    blob = workspace.path / "blobs" / current.embeddings_blob[:2] / current.embeddings_blob
    content = blob.read_bytes()
    embeddings._decoded = embeddings._DecodedSets()
    for damage in (content[: len(content) // 2], b"no archive", b""):
        blob.write_bytes(damage)
        assert embeddings.of_round(workspace, current.id) is None
    blob.unlink()
    submit(workspace, ranked[0])
    assert queue.move_back_alike(workspace, ranked[0], "ada") == 0
    assert queue.next_images(workspace, project.id, "ada", 1)[0].image.id == ranked[1]
    assert "without embeddings" in caplog.text
    assert embeddings.most_alike(workspace, ranked[0], 3) == []
    assert embeddings.map_points(workspace, project.id).round_number is None


def test_labels_made_while_a_round_trained_move_its_queue_too(
    workspace: Workspace, project: ProjectInfo, ranked: list[int]
) -> None:
    requested = round_requests.request_round(workspace, project.id, "ada", "a test")
    assert rounds.claim(workspace, "elsewhere:1", lease_s=60) is not None
    submit(workspace, ranked[0])
    found = some_embeddings(ranked, ANGLES, ALIKE_FROM)
    blob = workspace.blobs.put(encode_embeddings(found))
    ranking = [NewPrediction(image_id, 0.5, rank, {}) for rank, image_id in enumerate(ranked, start=1)]
    rounds.publish(workspace, requested.id, "elsewhere:1", ranking, {}, blob)
    assert items(workspace, project)[ranked[1]].place == pytest.approx(expected_place(2, 1.0))


def test_a_label_made_while_a_round_is_requested_counts_as_new(
    workspace: Workspace, project: ProjectInfo, ranked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode_while_somebody_submits(taken: Snapshot) -> bytes:
        submit(workspace, ranked[0])
        return encode_snapshot(taken)

    monkeypatch.setattr(round_requests, "encode_snapshot", encode_while_somebody_submits)
    requested = publish_ranking(workspace, project.id, ranked, some_embeddings(ranked, ANGLES, ALIKE_FROM))
    trained = [label.image_id for label in rounds.snapshot(workspace, requested.id).labels]
    assert ranked[0] not in trained
    assert items(workspace, project)[ranked[1]].place == pytest.approx(expected_place(2, 1.0))


def test_a_round_is_published_without_keeping_savers_waiting(
    workspace: Workspace, project: ProjectInfo, ranked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = projects.get_project(workspace, project.id).current_round_id
    requested = round_requests.request_round(workspace, project.id, "ada", "a test")
    assert rounds.claim(workspace, "elsewhere:1", lease_s=60) is not None
    submit(workspace, ranked[0])
    compared, moved = likeness.alike_rows, likeness.move_back
    late = [ranked[3], ranked[4]]

    def alike_rows(*which: Any) -> list[dict[str, Any]]:
        rows = compared(*which)
        # Whoever saves a label while images are compared is not kept out, and is not forgotten.
        with contextlib.closing(sqlite3.connect(workspace.path / "qualm.sqlite", timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
        if late:
            submit(workspace, late.pop())
        return rows

    def move_back(session: Any, current: Any, alike_from: float, rows: Any, **which: Any) -> int:
        assert len(rows) <= 2
        assert projects.get_project(workspace, project.id).current_round_id == before
        return moved(session, current, alike_from, rows, **which)

    monkeypatch.setattr(predictions, "_ROWS_A_TRANSACTION", 2)
    monkeypatch.setattr(likeness, "alike_rows", alike_rows)
    monkeypatch.setattr(likeness, "move_back", move_back)
    blob = workspace.blobs.put(encode_embeddings(some_embeddings(ranked, ANGLES, ALIKE_FROM)))
    ranking = [NewPrediction(image_id, 0.5, rank, {}) for rank, image_id in enumerate(ranked, start=1)]
    rounds.publish(workspace, requested.id, "elsewhere:1", ranking, {}, blob)
    found = items(workspace, project)
    labelled = {ranked[place]: ANGLES[place] for place in (0, 3, 4)}
    for rank, (image_id, angle) in enumerate(zip(ranked, ANGLES, strict=True), start=1):
        nearest = max(float(np.cos(angle - other)) for one, other in labelled.items() if one != image_id)
        assert found[image_id].place == pytest.approx(expected_place(rank, nearest), rel=2e-3)


def test_two_people_submit_at_once(workspace: Workspace, project: ProjectInfo, ranked: list[int]) -> None:
    errors: list[BaseException] = []

    def label(person: str, mine: list[int]) -> None:
        try:
            for image_id in mine:
                submit(workspace, image_id, person)
                queue.move_back_alike(workspace, image_id, person)
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=label, args=("ada", ranked[3:5])),
        threading.Thread(target=label, args=("bob", ranked[6:8])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found, at = items(workspace, project), dict(zip(ranked, ANGLES, strict=True))
    labelled = [*ranked[3:5], *ranked[6:8]]
    for rank, image_id in enumerate(ranked, start=1):
        if image_id in labelled:
            continue
        nearest = max(float(np.cos(at[image_id] - at[one])) for one in labelled)
        assert found[image_id].place == pytest.approx(expected_place(rank, nearest), rel=2e-3)


@given(st.lists(st.floats(-1, 1.001), max_size=20), st.floats(-0.9, 1.0))
def test_the_share_is_a_share_and_rises(cosines: list[float], alike_from: float) -> None:
    found = likeness.shares(np.array(sorted(cosines)), alike_from)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()
    assert (found[np.array(sorted(cosines)) <= alike_from] == 0).all()


class TestEmbeddings:
    def test_a_set_is_read_once(self, workspace: Workspace, ranked: list[int], project: ProjectInfo) -> None:
        current = rounds.history(workspace, project.id)[0]
        found: list[object] = []
        threads = [
            threading.Thread(target=lambda: found.append(embeddings.of_round(workspace, current.id)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found[0] is not None
        assert all(one is found[0] for one in found)

    def test_the_most_alike_come_first_without_excluded_ones(
        self, workspace: Workspace, ranked: list[int]
    ) -> None:
        images.set_split(workspace, [ranked[1]], "excluded", "ada")
        alike = embeddings.most_alike(workspace, ranked[0], 3)
        known = 1
        assert [image_id for image_id, _ in alike] == [known, ranked[6], ranked[2]]
        assert alike[2][1] == pytest.approx(np.cos(0.5), abs=2e-3)
        assert len(embeddings.most_alike(workspace, ranked[0], 99)) == 9
        assert embeddings.most_alike(workspace, ranked[1], 0) == []
        assert embeddings.most_alike(workspace, 2, 3) == []

    def test_the_map_has_every_image_the_round_saw(
        self, workspace: Workspace, project: ProjectInfo, ranked: list[int]
    ) -> None:
        images.set_split(workspace, [ranked[1]], "audit", "ada")
        points = embeddings.map_points(workspace, project.id)
        assert points.round_number == 1
        assert points.image_ids.tolist() == [1, *ranked]
        shown = {image_id: at for at, image_id in enumerate(points.image_ids.tolist())}
        assert points.split[[shown[1], shown[ranked[1]], shown[ranked[2]]]].tolist() == [
            "train",
            "audit",
            "pool",
        ]
        assert np.isnan(points.score[shown[ranked[1]]])
        assert points.place[shown[ranked[2]]] == 3.0
        assert points.x[shown[ranked[3]]] == pytest.approx((np.cos(2.0) + 1) / 2, abs=2e-3)
        # Nor does one that measured the model, and would again if its exclusion were undone.
        images.set_split(workspace, [ranked[1]], "excluded", "ada")
        assert np.isnan(embeddings.map_points(workspace, project.id).score[shown[ranked[1]]])

    def test_the_map_has_every_image_once_after_another_round(
        self, workspace: Workspace, project: ProjectInfo, ranked: list[int]
    ) -> None:
        known = embeddings.map_points(workspace, project.id).image_ids.tolist()
        found = some_embeddings(known, [0.0, *ANGLES], ALIKE_FROM)
        publish_ranking(workspace, project.id, ranked[::-1], found)
        points = embeddings.map_points(workspace, project.id)
        assert points.image_ids.tolist() == known
        assert points.place[known.index(ranked[-1])] == 1.0

    def test_before_the_first_round_the_map_is_empty(self, workspace: Workspace, ranked: list[int]) -> None:
        project = make_project(workspace, images=1, name="empty")
        points = embeddings.map_points(workspace, project.id)
        assert (points.round_number, len(points.image_ids), len(points.split)) == (None, 0, 0)


def test_the_sweep_keeps_embeddings(workspace: Workspace, project: ProjectInfo, ranked: list[int]) -> None:
    current: RoundInfo = rounds.history(workspace, project.id)[0]
    sweep_blobs(workspace, older_than_s=-1.0)
    assert workspace.blobs.exists(current.embeddings_blob or "")
