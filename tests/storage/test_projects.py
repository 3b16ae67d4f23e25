"""Projects and classes: indices never move, names and keys stay unambiguous."""

import re

import numpy as np
import pytest
from pydantic import ValidationError
from sqlalchemy import event, update

from storage import events, projects, queue
from storage.errors import InvalidInput, NotFound, WorkspaceError
from storage.projects import ClassChange, ClassSpec, default_colour
from storage.schema import Project
from storage.settings import ProjectSettings
from storage.workspace import Workspace


def specs(*names: str) -> list[ClassSpec]:
    return [ClassSpec(name) for name in names]


def test_classes_get_indices_colours_and_hotkeys(workspace: Workspace) -> None:
    names = [f"class {number}" for number in range(12)]
    project = projects.create_project(workspace, "fields", specs(*names), "ada")
    found = projects.classes(workspace, project.id)
    assert [entry.index for entry in found] == list(range(12))
    assert [entry.hotkey for entry in found] == [
        *(f"Digit{d}" for d in (1, 2, 3, 4, 5, 6, 7, 8, 9, 0)),
        None,
        None,
    ]
    assert len({entry.colour for entry in found}) == 12
    assert not any(entry.archived for entry in found)


def test_the_palette_is_stable_and_distinct() -> None:
    colours = [default_colour(index) for index in range(254)]
    assert colours[:2] == ["#e69f00", "#56b4e9"]
    assert len(set(colours)) == 254
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours)


def test_the_first_sixteen_colours_differ_to_colour_blind_eyes_too() -> None:
    colours = [default_colour(index) for index in range(16)]
    rgb = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours], float)
    for place in projects._oklab(rgb):
        distance = np.linalg.norm(place[:, None] - place[None], axis=2) + np.eye(16)
        assert distance.min() > 0.07


def test_a_chosen_hotkey_is_not_given_away(workspace: Workspace) -> None:
    chosen = [ClassSpec("ground"), ClassSpec("tree", "#00FF00", "Digit1")]
    project = projects.create_project(workspace, "fields", chosen, "ada")
    ground, tree = projects.classes(workspace, project.id)
    assert (ground.hotkey, tree.hotkey, tree.colour) == ("Digit2", "Digit1", "#00ff00")


@pytest.mark.parametrize(
    ("name", "classes", "said"),
    [
        ("  ", specs("a"), "needs a name"),
        ("x" * 201, specs("a"), "201 characters"),
        ("\udce4x", specs("a"), "not UTF-8"),
        ("fields", [], "at least one class"),
        ("fields", specs("tree", "Tree "), "Two classes cannot both be named Tree"),
        ("fields", specs(*(f"c{number}" for number in range(255))), "at most 254 classes, and 255"),
        ("fields", specs(""), "class needs a name"),
        ("fields", [ClassSpec("a", "red")], "not a colour"),
        ("fields", [ClassSpec("a", hotkey="KeyA"), ClassSpec("b", hotkey="KeyA")], "already belongs to a"),
        ("fields", [ClassSpec("a", hotkey="<b>")], "not a key"),
        ("taken", specs("a"), "already a project named taken"),
    ],
)
def test_a_project_that_does_not_fit_is_not_made(
    workspace: Workspace, name: str, classes: list[ClassSpec], said: str
) -> None:
    projects.create_project(workspace, "taken", specs("a"), "ada")
    with pytest.raises(InvalidInput, match=said):
        projects.create_project(workspace, name, classes, "ada")
    assert [project.name for project in projects.list_projects(workspace)] == ["taken"]


def test_254_classes_fit(workspace: Workspace) -> None:
    many = specs(*(f"c{number}" for number in range(254)))
    project = projects.create_project(workspace, "many", many, "ada")
    assert len({entry.colour for entry in projects.classes(workspace, project.id)}) == 254
    with pytest.raises(InvalidInput, match="at most 254"):
        projects.add_class(workspace, project.id, ClassSpec("one more"), "ada")


def test_projects_are_found_by_id_and_name(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "Äcker 田", specs("a"), "ada")
    assert projects.get_project(workspace, "Äcker 田") == projects.get_project(workspace, project.id)
    renamed = projects.change_settings(workspace, project.id, {}, "ada", name="fields")
    assert renamed.name == "fields"
    with pytest.raises(NotFound, match="There are: fields"):
        projects.get_project(workspace, "Äcker 田")
    with pytest.raises(NotFound):
        projects.get_project(workspace, 77)


def test_classes_change_but_never_leave(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "fields", specs("ground", "tree"), "ada")
    added = projects.add_class(workspace, project.id, ClassSpec("roof"), "ada")
    assert (added.index, added.hotkey) == (2, "Digit3")
    change = ClassChange(name="bush", colour="#123456", hotkey="KeyB", archived=True)
    (changed,) = projects.update_classes(workspace, project.id, {1: change}, "ada")
    assert changed == projects.classes(workspace, project.id)[1]
    assert (changed.name, changed.colour, changed.hotkey, changed.archived) == (
        "bush",
        "#123456",
        "KeyB",
        True,
    )
    projects.update_classes(workspace, project.id, {1: ClassChange(hotkey="")}, "ada")
    assert projects.classes(workspace, project.id)[1].hotkey is None
    with pytest.raises(NotFound):
        projects.update_classes(workspace, project.id, {3: ClassChange(name="sky")}, "ada")
    assert [entry.name for entry in projects.classes(workspace, project.id)] == ["ground", "bush", "roof"]


def test_classes_swap_what_they_are_called_or_all_stay_as_they_are(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "fields", specs("ground", "tree", "roof"), "ada")
    before = projects.classes(workspace, project.id)
    refused = {0: ClassChange(hotkey="", archived=True), 1: ClassChange(name="ROOF", hotkey="Digit1")}
    with pytest.raises(InvalidInput, match="cannot both be named ROOF"):
        projects.update_classes(workspace, project.id, refused, "ada")
    assert projects.classes(workspace, project.id) == before
    swap = {
        0: ClassChange(name="tree", hotkey="Digit2"),
        1: ClassChange(name="Ground", hotkey="Digit1"),
    }
    projects.update_classes(workspace, project.id, swap, "ada")
    after = [(entry.name, entry.hotkey) for entry in projects.classes(workspace, project.id)]
    assert after == [("tree", "Digit2"), ("Ground", "Digit1"), ("roof", "Digit3")]


def test_a_refusal_names_a_class_as_it_would_be_called(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "fields", specs("ground", "tree"), "ada")
    changes = {0: ClassChange(hotkey="Digit2"), 1: ClassChange(name="bush")}
    with pytest.raises(InvalidInput, match="The hotkey Digit2 already belongs to bush"):
        projects.update_classes(workspace, project.id, changes, "ada")


def test_names_on_the_way_to_a_swap_are_text_to_every_database(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "fields", specs("ground", "tree"), "ada")
    written: list[object] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("UPDATE label_class"):
            written.append(parameters)

    event.listen(workspace.database.engine, "before_cursor_execute", note)
    swap = {0: ClassChange(name="tree"), 1: ClassChange(name="ground")}
    projects.update_classes(workspace, project.id, swap, "ada")
    assert written
    assert r"\x00" not in repr(written), "PostgreSQL takes no NUL"


def test_settings_are_kept_and_changes_are_in_the_journal(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "fields", specs("a"), "ada")
    settings = ProjectSettings()
    settings.start.min_changed = 3
    projects.update_settings(workspace, project.id, settings, "bob")
    assert projects.get_project(workspace, project.id).settings.start.min_changed == 3
    newest = events.recent(workspace, project.id)[0]
    assert (newest.actor, newest.kind, newest.detail) == (
        "bob",
        "settings",
        {"changed": {"start.min_changed": 3}},
    )


def test_a_change_of_settings_leaves_what_others_have_changed_meanwhile(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "fields", specs("a"), "ada")
    projects.change_settings(workspace, project.id, {"annotation": {"audit_every": 3}}, "bob")
    changed = projects.change_settings(
        workspace, project.id, {"start": {"min_changed": 2}, "round": {"steps": 7}}, "ada"
    )
    saved = projects.get_project(workspace, project.id).settings
    assert changed.settings == saved
    assert (saved.annotation.audit_every, saved.start.min_changed, saved.round.steps) == (3, 2, 7)
    newest = events.recent(workspace, project.id)[0]
    assert (newest.actor, newest.detail) == ("ada", {"changed": {"start.min_changed": 2, "round.steps": 7}})


def test_a_setting_that_does_not_fit_changes_nothing(workspace: Workspace) -> None:
    project = projects.create_project(workspace, "fields", specs("a"), "ada")
    for bad in ({"steps": 0}, {"stepps": 1}):
        with pytest.raises(ValidationError):
            projects.change_settings(
                workspace, project.id, {"start": {"min_changed": 2}, "round": bad}, "ada"
            )
    assert projects.get_project(workspace, project.id).settings == ProjectSettings()


@pytest.mark.parametrize(
    ("part", "changed", "told"),
    [
        ("start", {"only_at_night": True}, "does not know the setting start.only_at_night"),
        ("round", {"head": "oracle"}, "cannot use the setting round.head, which is 'oracle'"),
    ],
)
def test_settings_of_another_version_are_named(
    workspace: Workspace, part: str, changed: dict[str, object], told: str
) -> None:
    project = projects.create_project(workspace, "fields", specs("a"), "ada")
    stored = project.settings.model_dump(mode="json")
    stored[part] |= changed
    with workspace.database.writing() as session:
        session.execute(update(Project).values(settings=stored))
    for asked in (
        lambda: projects.list_projects(workspace),
        lambda: projects.get_project(workspace, "fields"),
        lambda: projects.change_settings(workspace, project.id, {}, "ada", name="meadows"),
        lambda: queue.next_images(workspace, project.id, "ada", 1),
        lambda: queue.progress(workspace, project.id),
    ):
        with pytest.raises(WorkspaceError, match=f"another version of Qualm: this one {told}. Open it"):
            asked()


def test_a_name_that_is_no_text_is_of_no_project(workspace: Workspace) -> None:
    projects.create_project(workspace, r"\udcff", specs("a"), "ada")
    with pytest.raises(NotFound, match=r"There is no project named \\udcff\. There are: \\udcff\."):
        projects.get_project(workspace, "\udcff")
    assert projects.get_project(workspace, r"\udcff").name == r"\udcff"
