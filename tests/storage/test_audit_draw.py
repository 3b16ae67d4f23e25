"""Audit images that were drawn ahead follow what is imported and what the settings want."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as Picture

from storage import events, images, projects, queue
from storage.importing import plan_import, run_import
from storage.projects import ProjectInfo
from storage.workspace import Workspace
from tests.storage.project_factory import make_project, submit


def in_audit(workspace: Workspace, project: ProjectInfo) -> set[int]:
    return {info.id for info in images.list_images(workspace, project.id, "audit")}


def label_some(workspace: Workspace, project: ProjectInfo, count: int) -> None:
    for _ in range(count):
        (item,) = queue.next_images(workspace, project.id, "ada", 1)
        submit(workspace, item.image.id)


def import_images(workspace: Workspace, project: ProjectInfo, folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        picture = Picture.new("RGB", (6, 4), (number, len(folder.name), 0))
        picture.save(folder / f"{folder.name}{number:03}.png")
    run_import(workspace, project.id, plan_import(folder), "ada")


def test_images_of_a_later_import_have_their_part(workspace: Workspace, tmp_path: Path) -> None:
    project = make_project(workspace, images=0)
    import_images(workspace, project, tmp_path / "first", 60)
    queue.next_images(workspace, project.id, "ada", 3)
    queue.release_all(workspace, "ada")
    before = in_audit(workspace, project)
    assert len(before) == 10
    import_images(workspace, project, tmp_path / "second", 120)
    after = in_audit(workspace, project)
    assert len(after) == 10
    of_second = {
        info.id
        for info in images.list_images(workspace, project.id, "audit")
        if info.name.startswith("second")
    }
    assert len(of_second) in (6, 7), "of 10, as 120 of 180"
    newest = next(entry for entry in events.recent(workspace, project.id) if entry.kind == "audit")
    assert {*newest.detail["drawn"]} == of_second == after - before
    assert {*newest.detail["returned"]} == before - after


def test_those_drawn_while_the_first_import_ran_are_drawn_anew(workspace: Workspace, tmp_path: Path) -> None:
    project = make_project(workspace, images=0)
    folder = tmp_path / "first"

    def look(done: int, of: int, path: str) -> None:
        if done == 30:
            queue.next_images(workspace, project.id, "ada", 6)
            queue.release_all(workspace, "ada")

    folder.mkdir()
    for number in range(240):
        Picture.new("RGB", (6, 4), (number, 0, 0)).save(folder / f"{number:03}.png")
    run_import(workspace, project.id, plan_import(folder), "ada", look)
    drawn = [info.name for info in images.list_images(workspace, project.id, "audit")]
    assert len(drawn) >= 4
    assert any(name > "100" for name in drawn)


def test_what_somebody_has_seen_keeps_its_place(workspace: Workspace, tmp_path: Path) -> None:
    project = make_project(workspace, images=24, truth=False)
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


def test_other_settings_leave_the_draw_alone(workspace: Workspace) -> None:
    project = make_project(workspace, images=48, size=(2, 2), truth=False)
    queue.next_images(workspace, project.id, "ada", 6)
    before = in_audit(workspace, project)
    assert before
    projects.change_settings(workspace, project.id, {"annotation": {"seed": 5}}, "ada")
    projects.change_settings(workspace, project.id, {"annotation": {"audit_target": 200}}, "ada")
    assert in_audit(workspace, project) == before
