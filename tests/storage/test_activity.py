"""Time that people spent on images, and the journal."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from storage import activity, events, images, labels, queue
from storage.activity import LabelledImage
from storage.projects import ProjectInfo
from storage.workspace import Workspace
from tests.storage.project_factory import make_project, publish_ranking, some_label_map


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    return make_project(workspace, images=4)


def save(workspace: Workspace, image_id: int, status: str, author: str, **how: object) -> None:
    info = images.image(workspace, image_id)
    labels.save(
        workspace,
        image_id,
        some_label_map((info.height, info.width), 3, image_id),
        expected_revision=info.revision,
        author=author,
        status=status,
        **how,  # type: ignore[arg-type]
    )


def test_an_image_takes_all_the_time_up_to_its_first_submission(
    workspace: Workspace, project: ProjectInfo
) -> None:
    first, second, third, imported = (info.id for info in images.list_images(workspace, project.id))
    other = make_project(workspace, images=1, name="other")
    save(workspace, imported, "submitted", "import")
    done = publish_ranking(workspace, project.id, [third])
    save(workspace, second, "draft", "ben", seconds_spent=3, submission_id="a")
    save(workspace, second, "submitted", "ben", seconds_spent=4, submission_id="b", blind=True)
    save(workspace, second, "draft", "ada", seconds_spent=50, submission_id="c")
    save(workspace, first, "draft", "ada", seconds_spent=60, submission_id="d")
    save(workspace, third, "submitted", "ada", seconds_spent=5, submission_id="e", round_shown_id=done.id)
    (foreign,) = images.list_images(workspace, other.id)
    save(workspace, foreign.id, "submitted", "ada", seconds_spent=70, submission_id="f")
    found = activity.labelled_by_hand(workspace, project.id)
    assert [(one.image_id, one.author, one.seconds, one.round_number) for one in found] == [
        (second, "ben", 7.0, None),
        (third, "ada", 5.0, 1),
    ]
    # What a person makes of an imported label map is theirs.
    save(workspace, imported, "submitted", "ada", seconds_spent=8, submission_id="g")
    assert activity.labelled_by_hand(workspace, project.id)[-1] == LabelledImage(
        imported, "ada", 8.0, None, labels.history(workspace, imported)[0].created_at
    )


def test_the_time_is_found_by_the_names_of_submissions(workspace: Workspace, project: ProjectInfo) -> None:
    asked: list[tuple[str, object]] = []
    event.listen(
        workspace.database.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3]))
    )
    activity.labelled_by_hand(workspace, project.id)
    question, values = asked[-1]
    with workspace.database.reading() as session:
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {question}", values).all()
    steps = [row[-1] for row in plan]
    assert any("label USING INDEX" in step and "submission_id>" in step for step in steps), steps


def test_the_journal_names_images(workspace: Workspace, project: ProjectInfo) -> None:
    info = images.list_images(workspace, project.id)[0]
    queue.skip(workspace, info.id, "ada")
    queue.pin(workspace, [info.id], "ada")
    newest, before, *_ = events.recent(workspace, project.id)
    assert (newest.kind, newest.image, before.kind, before.image) == ("pin", None, "skip", info.name)
