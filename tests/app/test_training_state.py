"""What the bar on the Training page is told, second by second."""

import pytest
from starlette.testclient import TestClient

from app.training_state import NO_LABEL, TrainingState, training_state
from storage import images, labels, projects, round_requests, rounds, workers
from tests.app.four_images import Site, make_site

WORKER = "elsewhere:1"


def state_of(site: Site) -> TrainingState:
    return training_state(site.workspace, projects.get_project(site.workspace, site.project_id))


def label_first(site: Site) -> None:
    labels.save(
        site.workspace, site.image_ids[0], site.truth, expected_revision=0, author="ann", status="submitted"
    )


def test_without_a_label_there_is_nothing_to_train_on(site: Site) -> None:
    state = state_of(site)
    assert (state.newest, state.may_train_now, state.text, state.share) == (None, False, NO_LABEL, 0)


def test_one_class_leaves_nothing_to_learn(browser: TestClient, site: Site) -> None:
    project = projects.create_project(site.workspace, "cells", [projects.ClassSpec("nucleus")], "ann")
    state = training_state(site.workspace, project)
    assert not state.may_train_now
    assert state.text.endswith("such as background.")
    assert browser.get(f"/api/projects/{project.id}/training").json()["text"] == state.text


def test_no_round_on_one_class_is_offered_behind_a_cold_start(site: Site) -> None:
    label_first(site)
    round_requests.request_cold_start(site.workspace, site.project_id)
    before = state_of(site)
    assert before.may_train_now
    archived = {index: projects.ClassChange(archived=True) for index in (1, 2)}
    projects.update_classes(site.workspace, site.project_id, archived, "ann")
    state = state_of(site)
    assert (state.may_train_now, state.text) == (False, "Waiting for the worker")
    assert state.mark != before.mark


def test_a_round_that_waits_names_the_project_the_worker_is_at(site: Site) -> None:
    label_first(site)
    other = make_site(site.workspace, "Fields")
    round_requests.request_cold_start(site.workspace, other.project_id)
    rounds.claim(site.workspace, WORKER, 60)
    round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
    assert state_of(site).text == "Waiting for the worker"
    workers.worker_seen(site.workspace, WORKER, "cpu")
    assert state_of(site).text == "Waiting for the worker, which is at work on the project Fields"


def test_labels_bring_the_next_round_nearer(site: Site) -> None:
    label_first(site)
    state = state_of(site)
    assert state.may_train_now
    assert state.text.startswith("1 of 4 new labels")
    assert state.share == 1 / 4
    start = projects.get_project(site.workspace, site.project_id).settings.start
    by_hand = start.model_copy(update={"automatic": False})
    projects.change_settings(site.workspace, site.project_id, {"start": by_hand.model_dump()}, "ann")
    assert state_of(site).share is None


def test_steps_move_the_bar_and_leave_the_mark(site: Site, browser: TestClient) -> None:
    """The page's script need not run for what the bar shows by itself."""

    def answer() -> dict[str, object]:
        return dict(browser.get(f"/api/projects/{site.project_id}/training").json())

    label_first(site)
    marks = [answer()["mark"]]
    asked = round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
    assert answer()["text"] == "Waiting for the worker"
    marks.append(answer()["mark"])
    rounds.claim(site.workspace, WORKER, 60)
    marks.append(answer()["mark"])
    workers.worker_seen(site.workspace, WORKER, "cpu")
    marks.append(answer()["mark"])
    for step in (30, 75):
        rounds.report(
            site.workspace, asked.id, WORKER, lease_s=60, step=step, steps=150, eta_seconds=150.0 - step
        )
        now = answer()
        assert now["share"] == step / 150
        assert str(now["text"]).startswith(f"Training: step {step} of 150, about ")
        assert now["mark"] == marks[-1]
    rounds.report(site.workspace, asked.id, WORKER, lease_s=60, note="Smaller batches: memory ran out.")
    marks.append(answer()["mark"])
    rounds.request_cancel(site.workspace, asked.id, "ann")
    marks.append(answer()["mark"])
    assert len(set(marks)) == len(marks)


def test_a_round_may_be_asked_for_behind_a_cold_start(site: Site) -> None:
    round_requests.request_cold_start(site.workspace, site.project_id)
    assert not state_of(site).may_train_now, "there is no label yet"
    label_first(site)
    assert state_of(site).may_train_now
    round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
    state = state_of(site)
    assert not state.may_train_now
    assert state.newest is not None
    assert state.newest.number == 0, "the cold start runs first"
    assert images.split_counts(site.workspace, site.project_id)["train"] == 1


def test_a_project_that_is_not_there_is_a_sentence(site: Site, browser: TestClient) -> None:
    answer = browser.get("/api/projects/99/training")
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_a_round_may_be_asked_for_while_one_trains_on(site: Site) -> None:
    label_first(site)
    first = round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
    rounds.claim(site.workspace, WORKER, 60)
    rounds.publish(site.workspace, first.id, WORKER, [], {})
    round_requests.request_round(site.workspace, site.project_id, "worker", "Trains on", trains_on=True)
    rounds.claim(site.workspace, WORKER, 60)
    assert state_of(site).may_train_now
    round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
    assert not state_of(site).may_train_now


def test_rounds_long_past_are_not_read_again_each_second(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    label_first(site)
    for _ in range(3):
        asked = round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
        rounds.claim(site.workspace, WORKER, 60)
        rounds.publish(site.workspace, asked.id, WORKER, [], {})
    read: list[int] = []
    round_info = rounds.round_info
    monkeypatch.setattr(rounds, "round_info", lambda row: read.append(row.number) or round_info(row))
    state = state_of(site)
    assert (state.newest and state.newest.number, state.may_rank_again) == (3, True)
    assert read == [3]
    round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
    read.clear()
    state = state_of(site)
    assert (state.newest and state.newest.number, state.may_rank_again) == (4, False)
    assert read == [4]


def test_the_pool_may_be_ranked_again_once_there_is_a_model_and_nothing_is_under_way(site: Site) -> None:
    label_first(site)
    assert not state_of(site).may_rank_again
    first = round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
    rounds.claim(site.workspace, WORKER, 60)
    assert not state_of(site).may_rank_again
    rounds.publish(site.workspace, first.id, WORKER, [], {})
    assert state_of(site).may_rank_again
    ranking = round_requests.request_ranking(site.workspace, site.project_id, "ann", "Ranks again")
    rounds.claim(site.workspace, WORKER, 60)
    rounds.report(site.workspace, ranking.id, WORKER, lease_s=60, step=2, steps=8, eta_seconds=30.0)
    state = state_of(site)
    assert state.text == "Scoring: image 2 of 8, about 30 s left"
    assert (state.may_rank_again, state.may_train_now) == (False, True), "it gives way"
