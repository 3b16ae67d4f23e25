"""A round that only ranks: what it begins from, when it is worth one, and what it gives way to."""

import time

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select, text, update

import storage.migrations
from storage import images, projects, round_requests, rounds, workers
from storage.archiving import archive_project
from storage.errors import RoundRefused
from storage.formats.embeddings import encode_embeddings
from storage.predictions import NewPrediction
from storage.projects import ProjectInfo
from storage.rounds import RoundInfo
from storage.schema import Image, Prediction
from storage.settings import ProjectSettings, RoundSettings, StartRule
from storage.start_advice import ORDERED_FROM, QUIET_S, StartAdvice, start_advice
from storage.workspace import Workspace
from tests.storage.project_factory import add_image, make_project, publish_ranking, some_embeddings, submit

WORKER = "elsewhere:1"


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    """A project with four labels that have trained, and a worker that has nothing to do."""
    start = StartRule(quiet_seconds=0)
    made = make_project(workspace, images=26, settings=ProjectSettings(start=start))
    for info in images.list_images(workspace, made.id, "pool")[:4]:
        submit(workspace, info.id)
    publish_ranking(workspace, made.id, [])
    workers.worker_seen(workspace, WORKER, "cpu")
    return made


def changed(workspace: Workspace, project: ProjectInfo, **values: object) -> None:
    projects.change_settings(workspace, project.id, {"round": values}, "ann")


def asked(workspace: Workspace, project: ProjectInfo) -> RoundInfo:
    """Ask for a ranking and give it to a worker."""
    requested = round_requests.request_ranking(workspace, project.id, "ann", "Ranks again")
    claimed = rounds.claim(workspace, WORKER, 60.0)
    assert claimed is not None
    assert (claimed.id, claimed.state) == (requested.id, "scoring")
    return claimed


def ranked(workspace: Workspace, project: ProjectInfo) -> RoundInfo:
    info = asked(workspace, project)
    rounds.publish(workspace, info.id, WORKER, [], {}, None)
    return rounds.get_round(workspace, info.id)


def in_a_while(workspace: Workspace, project: ProjectInfo) -> StartAdvice:
    return start_advice(workspace, project.id, time.time() + QUIET_S + 1)


def test_a_ranking_has_the_network_of_the_round_in_use_and_the_choice_of_the_project(
    workspace: Workspace, project: ProjectInfo
) -> None:
    (trained,) = rounds.history(workspace, project.id)
    changed(workspace, project, batch_choice="top", most_scored=9, steps=7, encoder="resnet18")
    submit(workspace, images.list_images(workspace, project.id, "pool")[0].id)
    first = ranked(workspace, project)
    assert (first.number, first.kind, first.parent_id) == (2, "ranks", trained.id)
    assert first.config == RoundSettings(batch_choice="top", most_scored=9)
    assert first.snapshot_blob == trained.snapshot_blob, "the new label has not trained"
    assert projects.get_project(workspace, project.id).current_round_id == first.id
    # Neither another ranking nor the next training begins from a ranking.
    assert ranked(workspace, project).parent_id == trained.id
    assert rounds.trained_round(workspace, first) == trained
    assert rounds.label_batches(workspace, first) == 1
    assert start_advice(workspace, project.id).changed == 1, "the label still counts for the next training"
    after = round_requests.request_round(workspace, project.id, "ann", "Started by ann")
    assert (after.kind, after.parent_id) == ("trains", trained.id)
    assert rounds.trained_round(workspace, after) == after


def test_a_ranking_needs_a_model_and_no_training_under_way(
    workspace: Workspace, project: ProjectInfo
) -> None:
    untrained = make_project(workspace, name="untrained", images=9)
    with pytest.raises(RoundRefused, match="No round has trained yet"):
        round_requests.request_ranking(workspace, untrained.id, "ann", "Ranks again")
    round_requests.request_cold_start(workspace, untrained.id)
    with pytest.raises(RoundRefused, match="No round has trained yet"):
        round_requests.request_ranking(workspace, untrained.id, "ann", "Ranks again")
    round_requests.request_round(workspace, project.id, "ann", "Started by ann")
    with pytest.raises(RoundRefused, match="Round 2 is waiting already"):
        round_requests.request_ranking(workspace, project.id, "ann", "Ranks again")
    archive_project(workspace, project.id, "ann")
    with pytest.raises(RoundRefused, match="is archived"):
        round_requests.request_ranking(workspace, project.id, "ann", "Ranks again")


def test_asked_for_twice_a_ranking_is_the_same_unless_other_settings_order_the_pool(
    workspace: Workspace, project: ProjectInfo
) -> None:
    first = round_requests.request_ranking(workspace, project.id, "worker", "Ranks again")
    assert round_requests.request_ranking(workspace, project.id, "ann", "Ranks again").id == first.id
    changed(workspace, project, batch_choice="top")
    with pytest.raises(RoundRefused, match="Round 2 is waiting already"):
        round_requests.request_ranking(workspace, project.id, "ann", "Ranks again")


def test_a_ranking_that_is_being_cancelled_is_not_the_one_asked_for(
    workspace: Workspace, project: ProjectInfo
) -> None:
    rounds.request_cancel(workspace, asked(workspace, project).id, "ann")
    with pytest.raises(RoundRefused, match="Round 2 is being cancelled"):
        round_requests.request_ranking(workspace, project.id, "ann", "Ranks again")


def test_a_round_that_trains_on_gives_way_to_a_ranking(workspace: Workspace, project: ProjectInfo) -> None:
    further = round_requests.request_round(workspace, project.id, "worker", "Trains on", trains_on=True)
    ranking = round_requests.request_ranking(workspace, project.id, "ann", "Ranks again")
    assert rounds.get_round(workspace, further.id).state == "cancelled"
    assert ranking.parent_id == further.parent_id


def test_other_settings_of_the_choice_are_worth_a_ranking_and_those_of_a_training_are_not(
    workspace: Workspace, project: ProjectInfo
) -> None:
    changed(workspace, project, steps=7, learning_rate=0.1, samples_predict=20, most_scored=9)
    assert start_advice(workspace, project.id).kind == "trains"
    changed(workspace, project, aggregation="quantile")
    found = start_advice(workspace, project.id)
    assert (found.ready, found.kind) == (True, "ranks")
    assert found.reason == (
        "0 of 8 new labels since the last round started: the images are ranked again meanwhile"
    )
    assert found.why == "Ranks again: other settings say which images come next"
    projects.change_settings(workspace, project.id, {"start": {"automatic": False}}, "ann")
    assert not start_advice(workspace, project.id).ready
    projects.change_settings(workspace, project.id, {"start": {"automatic": True}}, "ann")
    ranked(workspace, project)
    assert not start_advice(workspace, project.id).ready


def test_new_images_are_worth_a_ranking_once_their_import_is_over(
    workspace: Workspace, project: ProjectInfo
) -> None:
    for number in range(100, 100 + ORDERED_FROM - 1):
        add_image(workspace, project.id, number)
    assert not in_a_while(workspace, project).ready, "so few wait for the next training"
    add_image(workspace, project.id, 99)
    assert not start_advice(workspace, project.id).ready, "more of them may come"
    found = in_a_while(workspace, project)
    assert (found.ready, found.kind, found.why) == (True, "ranks", "Ranks again: 8 new images")
    ranked(workspace, project)
    assert not in_a_while(workspace, project).ready


def test_images_that_came_before_another_worker_took_a_round_over_are_known_to_it(
    workspace: Workspace, project: ProjectInfo
) -> None:
    taken = asked(workspace, project)
    for number in range(100, 100 + ORDERED_FROM):
        add_image(workspace, project.id, number)
    assert rounds.claim(workspace, "elsewhere:2", 60.0, now=time.time() + 61) is not None
    rounds.publish(workspace, taken.id, "elsewhere:2", [], {}, None)
    assert not in_a_while(workspace, project).ready


def test_a_round_of_another_project_keeps_from_ranking_only_who_could_take_it(
    workspace: Workspace, project: ProjectInfo
) -> None:
    other = make_project(workspace, name="roads", images=9)
    round_requests.request_cold_start(workspace, other.id)
    changed(workspace, project, batch_choice="top")
    assert not start_advice(workspace, project.id).ready
    workers.worker_seen(workspace, WORKER, "cpu", project.id)
    found = start_advice(workspace, project.id)
    assert (found.ready, found.kind) == (True, "ranks")


def test_a_ranking_that_did_not_end_well_is_tried_again_only_for_something_newer(
    workspace: Workspace, project: ProjectInfo
) -> None:
    changed(workspace, project, batch_choice="random")
    failed = asked(workspace, project)
    rounds.fail(workspace, failed.id, WORKER, "The checkpoint is gone.")
    found = start_advice(workspace, project.id)
    assert (found.ready, found.reason) == (False, "0 of 8 new labels since the last round started")
    changed(workspace, project, batch_choice="top")
    assert start_advice(workspace, project.id).kind == "ranks"
    changed(workspace, project, batch_choice="random")
    for number in range(100, 100 + ORDERED_FROM):
        add_image(workspace, project.id, number)
    assert in_a_while(workspace, project).why == "Ranks again: 8 new images"


def test_images_from_a_clock_that_was_set_back_are_no_reason_to_rank_for_ever(
    workspace: Workspace, project: ProjectInfo
) -> None:
    for number in range(100, 100 + ORDERED_FROM):
        add_image(workspace, project.id, number)
    with workspace.database.writing() as session:
        session.execute(update(Image).where(Image.id > 26).values(imported_at=time.time() + 3600))
    assert not in_a_while(workspace, project).ready


def test_a_ranking_takes_no_turn_of_the_further_rounds(workspace: Workspace, project: ProjectInfo) -> None:
    for info in images.list_images(workspace, project.id, "pool")[-2:]:
        images.set_split(workspace, [info.id], "audit", actor="ann")
        submit(workspace, info.id)
    assert start_advice(workspace, project.id).kind == "trains_on"
    projects.change_settings(workspace, project.id, {"start": {"further_rounds": 1}}, "ann")
    for _ in range(2):
        ranked(workspace, project)
    assert start_advice(workspace, project.id).kind == "trains_on"


def test_a_ranking_gives_way_only_to_a_training_that_is_asked_for(
    workspace: Workspace, project: ProjectInfo
) -> None:
    """It takes a minute, and whether a training can start at all is known only then."""
    (trained,) = rounds.history(workspace, project.id)
    info = asked(workspace, project)
    for image in images.list_images(workspace, project.id, "pool")[:8]:
        submit(workspace, image.id)
    assert rounds.report(workspace, info.id, WORKER, lease_s=60.0, step=1, steps=9)
    assert start_advice(workspace, project.id).reason == "A round is scoring the images now"
    round_requests.request_round(workspace, project.id, "ann", "Started by ann")
    assert not rounds.report(workspace, info.id, WORKER, lease_s=60.0, step=2, steps=9)
    rounds.cancelled(workspace, info.id, WORKER)
    assert rounds.get_round(workspace, info.id).note == "Another round was asked for, and goes first."
    assert projects.get_project(workspace, project.id).current_round_id == trained.id


def test_what_is_like_a_label_that_has_not_trained_still_waits_after_a_ranking(
    workspace: Workspace, project: ProjectInfo
) -> None:
    """The network does not know that label, so by its scores a copy of it would come next again."""
    labelled, copy, other = (info.id for info in images.list_images(workspace, project.id, "pool")[:3])
    submit(workspace, labelled)
    seen = some_embeddings([labelled, copy, other], [0.0, 0.0, 1.5], alike_from=0.9)
    blob = workspace.blobs.put(encode_embeddings(seen))
    info = asked(workspace, project)
    new = [
        NewPrediction(image_id=image_id, score=1.0 / rank, rank=rank, why={"sentence": "."})
        for rank, image_id in enumerate((copy, other), start=1)
    ]
    rounds.publish(workspace, info.id, WORKER, new, {}, blob)
    with workspace.database.reading() as session:
        query = select(Prediction.image_id, Prediction.place).where(Prediction.round_id == info.id)
        place = dict(session.execute(query).tuples().all())
    assert place[other] == 2
    assert place[copy] > place[other]


def test_rounds_of_an_older_version_keep_their_kind(workspace: Workspace, project: ProjectInfo) -> None:
    round_requests.request_round(workspace, project.id, "worker", "Trains on", trains_on=True)
    config = Config()
    config.set_main_option("script_location", str(storage.migrations.__path__[0]))
    for version in ("0007", "head"):
        with workspace.database.writing_connection() as connection:
            config.attributes["connection"] = connection
            (command.downgrade if version == "0007" else command.upgrade)(config, version)
            if version == "0007":
                rows = connection.execute(text("SELECT trains_on FROM round ORDER BY number")).scalars()
                assert [bool(value) for value in rows] == [False, True]
    assert [info.kind for info in rounds.history(workspace, project.id)] == ["trains_on", "trains"]
