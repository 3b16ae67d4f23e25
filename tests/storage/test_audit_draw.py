"""Audit images that were drawn ahead follow what is imported and what the settings want."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image as Picture

from storage import audit_draw, events, images, projects, queue
from storage.import_planning import plan_import
from storage.importing import run_import
from storage.projects import ProjectInfo
from storage.settings import AnnotationSettings, ProjectSettings
from storage.workspace import Workspace
from tests.storage.project_factory import add_image, make_project, publish_ranking, submit


def in_audit(workspace: Workspace, project: ProjectInfo) -> set[int]:
    return {info.id for info in images.list_images(workspace, project.id, "audit")}


def label_some(workspace: Workspace, project: ProjectInfo, count: int) -> None:
    for _ in range(count):
        (item,) = queue.next_images(workspace, project.id, "ada", 1)
        submit(workspace, item.image.id)


def import_images(workspace: Workspace, project: ProjectInfo, folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        picture = Picture.new("RGB", (6, 4), (number, len(folder.name), sum(folder.name.encode()) % 256))
        picture.save(folder / f"{folder.name}{number:03}.png")
    run_import(workspace, project.id, plan_import(folder), "ada")


def names(workspace: Workspace, project: ProjectInfo) -> Counter[str]:
    """Return how many of the audit images are of which import."""
    return Counter(
        info.name.strip("0123456789.png") for info in images.list_images(workspace, project.id, "audit")
    )


def look_at_the_label_page(workspace: Workspace, project: ProjectInfo) -> None:
    queue.next_images(workspace, project.id, "ada", 6)
    queue.release_all(workspace, "ada")


def test_images_of_a_later_import_have_their_part(workspace: Workspace, tmp_path: Path) -> None:
    project = make_project(workspace, images=0)
    import_images(workspace, project, tmp_path / "first", 60)
    look_at_the_label_page(workspace, project)
    assert names(workspace, project) == {"first": 10}
    import_images(workspace, project, tmp_path / "second", 120)
    assert names(workspace, project) == {"first": 10, "second": 20}
    before = in_audit(workspace, project)
    import_images(workspace, project, tmp_path / "third", 180)
    found = names(workspace, project)
    assert (found.total(), found["third"]) == (30, 15), "no more than settings want, and half of them new"
    newest = next(entry for entry in events.recent(workspace, project.id) if entry.kind == "audit")
    assert {*newest.detail["drawn"]} == in_audit(workspace, project) - before
    assert {*newest.detail["returned"]} == before - in_audit(workspace, project)


def test_images_that_come_one_by_one_have_their_part(workspace: Workspace, tmp_path: Path) -> None:
    project = make_project(workspace, images=0)
    import_images(workspace, project, tmp_path / "first", 60)
    look_at_the_label_page(workspace, project)
    for number in range(30):
        import_images(workspace, project, tmp_path / f"more{'x' * number}", 1)
    assert 4 <= names(workspace, project).total() - 10 <= 6
    entries = [entry for entry in events.recent(workspace, project.id, 100) if entry.kind == "audit"]
    assert all(entry.detail["drawn"] for entry in entries)


def test_a_look_while_an_import_runs_counts_nothing_twice(workspace: Workspace, tmp_path: Path) -> None:
    project = make_project(workspace, images=0)
    folder = tmp_path / "only"
    folder.mkdir()
    for number in range(240):
        Picture.new("RGB", (6, 4), (number, 0, 0)).save(folder / f"{number:03}.png")

    def look(done: int, of: int, path: str) -> None:
        if done == 120:
            look_at_the_label_page(workspace, project)

    run_import(workspace, project.id, plan_import(folder), "ada", look)
    drawn = sorted(info.name for info in images.list_images(workspace, project.id, "audit"))
    assert len(drawn) == 30
    assert 14 <= sum(name < "120" for name in drawn) <= 16


def drawn_and_an_import_killed(
    workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> ProjectInfo:
    """Make a project with a draw from 60 images, and ``count`` more whose import was killed at its end."""
    project = make_project(workspace, images=0)
    import_images(workspace, project, folder / "first", 60)
    look_at_the_label_page(workspace, project)
    with monkeypatch.context() as killed:
        killed.setattr(audit_draw, "let_in", lambda *_: None)
        import_images(workspace, project, folder / "second", count)
    return project


def test_an_import_that_was_killed_has_its_part_with_the_next(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = drawn_and_an_import_killed(workspace, tmp_path, monkeypatch, 60)
    assert names(workspace, project) == {"first": 10}
    import_images(workspace, project, tmp_path / "third", 60)
    found = names(workspace, project)
    assert found.total() == 30
    assert found["first"] == 10
    assert found["second"] >= 5


def test_imported_audit_images_are_no_draw(workspace: Workspace, tmp_path: Path) -> None:
    project = make_project(workspace, images=0)
    import_images(workspace, project, tmp_path / "first", 60)
    look_at_the_label_page(workspace, project)
    for number in range(40):
        add_image(workspace, project.id, number, (2, 2), split="audit")
    import_images(workspace, project, tmp_path / "second", 60)
    found = names(workspace, project)
    assert (found["first"], found["second"]) == (5, 5)
    projects.change_settings(workspace, project.id, {"annotation": {"audit_target": 40}}, "ada")
    assert names(workspace, project) == found, "more are wanted, not fewer"


def test_what_somebody_has_seen_keeps_its_place(workspace: Workspace, tmp_path: Path) -> None:
    four = ProjectSettings(annotation=AnnotationSettings(audit_target=4))
    project = make_project(workspace, images=24, truth=False, settings=four)
    label_some(workspace, project, 3)
    audit = images.list_images(workspace, project.id, "audit")
    assert len(audit) == 4
    labelled = {info.id for info in audit if info.revision}
    shown = next(info.id for info in audit if not info.revision)
    queue.open_image(workspace, shown, "ben")
    import_images(workspace, project, tmp_path / "more", 200)
    assert {shown, *labelled} == in_audit(workspace, project) & {info.id for info in audit}


def test_what_people_put_in_the_audit_stays(workspace: Workspace, tmp_path: Path) -> None:
    project = make_project(workspace, images=6, truth=False)
    chosen = {info.id for info in images.list_images(workspace, project.id)[:3]}
    images.set_split(workspace, [*chosen], "audit", "ada")
    import_images(workspace, project, tmp_path / "more", 100)
    assert in_audit(workspace, project) == chosen
    projects.change_settings(workspace, project.id, {"annotation": {"audit_every": 0}}, "ada")
    assert in_audit(workspace, project) == chosen


@pytest.mark.parametrize(
    ("setting", "left"), [({"audit_every": 0}, 1), ({"audit_target": 2}, 2), ({"audit_every": 20}, 4)]
)
def test_an_audit_that_is_to_be_smaller_gives_images_back(
    workspace: Workspace, setting: dict[str, int], left: int
) -> None:
    project = make_project(workspace, images=48, size=(2, 2), truth=False)
    label_some(workspace, project, 3)
    assert len(in_audit(workspace, project)) == 8
    projects.change_settings(workspace, project.id, {"annotation": setting}, "ada")
    assert len(in_audit(workspace, project)) == left
    label_some(workspace, project, 45)
    counts = images.split_counts(workspace, project.id)
    assert (counts["audit"], counts["train"]) == (left, 48 - left)


@pytest.mark.parametrize(("setting", "left"), [({"audit_target": 8}, 8), ({"audit_every": 0}, 0)])
def test_what_was_drawn_for_images_that_are_excluded_now_goes_back_too(
    workspace: Workspace, setting: dict[str, int], left: int
) -> None:
    project = make_project(workspace, images=180, size=(2, 2), truth=False)
    look_at_the_label_page(workspace, project)
    pool = images.list_images(workspace, project.id, "pool")
    images.set_split(workspace, [info.id for info in pool[:120]], "excluded", "ada")
    assert len(in_audit(workspace, project)) == 30
    projects.change_settings(workspace, project.id, {"annotation": setting}, "ada")
    assert len(in_audit(workspace, project)) == left


def test_images_have_their_part_though_the_settings_change_before_they_get_it(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = drawn_and_an_import_killed(workspace, tmp_path, monkeypatch, 120)
    projects.change_settings(workspace, project.id, {"annotation": {"audit_target": 9}}, "ada")
    import_images(workspace, project, tmp_path / "third", 1)
    found = names(workspace, project)
    assert found.total() == 9
    assert found["first"] <= 4


def test_a_return_alone_in_the_journal_is_no_draw(workspace: Workspace, tmp_path: Path) -> None:
    project = make_project(workspace, images=0)
    with workspace.database.writing() as session:
        events.record(session, project.id, "ada", "audit", drawn=[], returned=[5])
    import_images(workspace, project, tmp_path / "first", 60)
    assert in_audit(workspace, project) == set()


def test_other_settings_leave_the_draw_alone(workspace: Workspace) -> None:
    project = make_project(workspace, images=48, size=(2, 2), truth=False)
    queue.next_images(workspace, project.id, "ada", 6)
    before = in_audit(workspace, project)
    assert before
    projects.change_settings(workspace, project.id, {"annotation": {"seed": 5}}, "ada")
    projects.change_settings(workspace, project.id, {"annotation": {"audit_target": 200}}, "ada")
    assert in_audit(workspace, project) == before


def test_a_later_import_makes_no_audit_easier(workspace: Workspace) -> None:
    hardness = []
    for seed in range(5):
        settings = ProjectSettings(annotation=AnnotationSettings(seed=seed))
        project = make_project(
            workspace, images=48, size=(2, 2), name=f"{seed}", settings=settings, truth=False
        )
        place = {info.id: number for number, info in enumerate(images.list_images(workspace, project.id))}
        submit(workspace, next(iter(place)))
        publish_ranking(workspace, project.id, [*place])
        label_some(workspace, project, 30)
        for number in range(48):
            place[add_image(workspace, project.id, 100 + number, (2, 2), truth=False)] = number
        with workspace.database.writing() as session:
            audit_draw.let_in(session, project.id, settings.annotation, "ada")
        label_some(workspace, project, 20)
        hardness += [place[image_id] for image_id in in_audit(workspace, project)]
    assert len(hardness) == 5 * 16
    # The mean place of all is 23.5; that of 80 images of them has a deviation of 1.5.
    assert sum(hardness) / len(hardness) == pytest.approx(23.5, abs=3.5)
