"""Projects and their class lists."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from storage import audit_draw, events
from storage.errors import InvalidInput, NotFound
from storage.schema import MAX_CLASSES, LabelClass, Project
from storage.settings import ProjectSettings, read_settings
from storage.workspace import Workspace

HOTKEYS = (*(f"Digit{digit}" for digit in range(1, 10)), "Digit0")
"""Hotkeys of the first ten classes, as ``KeyboardEvent.code``."""

_LONGEST_NAME = 200
_COLOUR_BLIND_SAFE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")


@dataclass(frozen=True)
class ClassSpec:
    """A class to make; what is None is chosen."""

    name: str
    colour: str | None = None
    hotkey: str | None = None
    archived: bool = False


@dataclass(frozen=True)
class ClassInfo:
    """A class of a project. ``index`` is its value in label maps and never changes meaning."""

    index: int
    name: str
    colour: str
    hotkey: str | None
    archived: bool


@dataclass(frozen=True)
class ClassChange:
    """What changes of a class; what is None stays as it is, and an empty ``hotkey`` takes the hotkey away."""

    name: str | None = None
    colour: str | None = None
    hotkey: str | None = None
    archived: bool | None = None


@dataclass(frozen=True)
class ProjectInfo:
    """A project without its images."""

    id: int
    name: str
    settings: ProjectSettings
    current_round_id: int | None
    labels_changed: int
    created_at: float
    archived_at: float | None


def create_project(
    workspace: Workspace,
    name: str,
    classes: Sequence[ClassSpec],
    actor: str,
    settings: ProjectSettings | None = None,
) -> ProjectInfo:
    """Make a project with its classes, indexed in the order given.

    Raises:
        InvalidInput: the name is taken, empty or too long, or the classes are none, too many or ambiguous.
    """
    name = _checked_name(name, "project")
    if not classes:
        raise InvalidInput("A project needs at least one class. Add one and try again.")
    if len(classes) > MAX_CLASSES:
        raise InvalidInput(
            f"A project holds at most {MAX_CLASSES} classes, and {len(classes)} were given. "
            "Merge or leave out some."
        )
    settings = settings or ProjectSettings()
    with workspace.database.writing() as session:
        _refuse_taken_name(session, name)
        project = Project(
            name=name, settings=settings.model_dump(mode="json"), labels_changed=0, created_at=time.time()
        )
        session.add(project)
        session.flush()
        made: list[LabelClass] = []
        for spec in classes:
            made.append(_new_class(project.id, made, spec, reserved={c.hotkey for c in classes if c.hotkey}))
        session.add_all(made)
        events.record(session, project.id, actor, "settings", created=name, classes=[c.name for c in made])
        return project_info(project)


def list_projects(workspace: Workspace) -> list[ProjectInfo]:
    """Return every project, oldest first, the archived ones too."""
    with workspace.database.reading() as session:
        return [project_info(project) for project in session.scalars(select(Project).order_by(Project.id))]


def get_project(workspace: Workspace, id_or_name: int | str) -> ProjectInfo:
    """Return the project of that number or that name.

    Raises:
        NotFound: there is none.
    """
    with workspace.database.reading() as session:
        if isinstance(id_or_name, int):
            return project_info(project_row(session, id_or_name))
        # A name from the command line may be no text, which no project has and no database takes.
        shown = _as_text(id_or_name)
        project = session.scalars(select(Project).where(Project.name == shown)).one_or_none()
        if project is not None and shown == id_or_name:
            return project_info(project)
        names = list(session.scalars(select(Project.name).order_by(Project.id)))
    there = f"There are: {', '.join(names)}." if names else "There is none yet: create one first."
    raise NotFound(f"There is no project named {shown}. {there}")


def update_settings(
    workspace: Workspace, project_id: int, settings: ProjectSettings, actor: str
) -> ProjectInfo:
    """Store all settings of a project; rounds that already exist keep theirs.

    Whatever others changed since ``settings`` were read is undone: a form takes :func:`change_settings`.

    Raises:
        NotFound: there is no such project.
    """
    return change_settings(workspace, project_id, settings.model_dump(), actor)


def change_settings(
    workspace: Workspace,
    project_id: int,
    changes: Mapping[str, Mapping[str, Any]],
    actor: str,
    *,
    name: str | None = None,
) -> ProjectInfo:
    """Change some settings of a project, all or none; rounds that already exist keep theirs.

    Args:
        workspace: The workspace.
        project_id: The project.
        changes: New values by part and field of :class:`ProjectSettings`, such as
            ``{"start": {"min_changed": 3}}``. What is not named stays as it is at that moment.
        actor: Who did it, for the journal.
        name: Another name for the project; None leaves it as it is.

    Raises:
        InvalidInput: the name is taken, empty or too long.
        NotFound: there is no such project.
        pydantic.ValidationError: a value does not fit, or there is no such field; nothing is changed.
    """
    if name is not None:
        name = _checked_name(name, "project")
    with workspace.database.writing() as session:
        project = project_row(session, project_id, lock=True)
        if name is not None and name != project.name:
            _refuse_taken_name(session, name)
            events.record(session, project_id, actor, "settings", renamed=[project.name, name])
            project.name = name
        before = read_settings(ProjectSettings, project.settings)
        parts = {}
        for part, values in changes.items():
            now: BaseModel = getattr(before, part)
            parts[part] = type(now).model_validate(now.model_dump() | dict(values))
        stored = before.model_copy(update=parts).model_dump(mode="json")
        changed = {
            f"{part}.{key}": value
            for part, values in stored.items()
            for key, value in values.items()
            if project.settings.get(part, {}).get(key) != value
        }
        if changed:
            project.settings = stored
            events.record(session, project_id, actor, "settings", changed=changed)
        if {"annotation.audit_every", "annotation.audit_target"} & {*changed}:
            now = read_settings(ProjectSettings, stored).annotation
            audit_draw.give_back(session, project_id, before.annotation, now, actor)
        return project_info(project)


def classes(workspace: Workspace, project_id: int) -> list[ClassInfo]:
    """Return the classes of a project by index, the archived ones too."""
    with workspace.database.reading() as session:
        return [_class_info(row) for row in _class_rows(session, project_id)]


def add_class(workspace: Workspace, project_id: int, spec: ClassSpec, actor: str) -> ClassInfo:
    """Append a class to a project; it takes the next free index.

    Raises:
        InvalidInput: the name, colour or hotkey does not fit, or the project is full.
        NotFound: there is no such project.
    """
    with workspace.database.writing() as session:
        project_row(session, project_id)
        present = _class_rows(session, project_id)
        if len(present) >= MAX_CLASSES:
            raise InvalidInput(
                f"A project holds at most {MAX_CLASSES} classes. Rename an archived one instead."
            )
        row = _new_class(project_id, present, spec, reserved=set())
        session.add(row)
        events.record(session, project_id, actor, "settings", class_added=row.name)
        return _class_info(row)


def update_classes(
    workspace: Workspace, project_id: int, changes: Mapping[int, ClassChange], actor: str
) -> list[ClassInfo]:
    """Change classes, by index, all or none of them; two may swap their names or their hotkeys.

    Raises:
        InvalidInput: a name or hotkey is taken, or a colour is not ``#rrggbb``.
        NotFound: there is no such class.
    """
    with workspace.database.writing() as session:
        rows = _class_rows(session, project_id)
        before = [_class_info(row) for row in rows]
        for index, change in changes.items():
            if not 0 <= index < len(rows):
                raise NotFound(f"This project has no class number {index}. Load the page again.")
            # What is given up is free for the others of these. No stored name begins with a space.
            if change.name is not None:
                rows[index].name = f" {index}"
            if change.hotkey is not None:
                rows[index].hotkey = None
        session.flush()
        for index, change in changes.items():
            if change.name is not None:
                rows[index].name = _free_class_name(change.name, _others(rows, index))
        # After all names, so that a refusal speaks of the classes by what they would be called.
        for index, change in changes.items():
            row = rows[index]
            if change.colour is not None:
                row.colour = _checked_colour(change.colour)
            if change.hotkey:
                row.hotkey = _free_hotkey(change.hotkey, _others(rows, index))
            if change.archived is not None:
                row.archived = change.archived
            was, now = asdict(before[index]), asdict(_class_info(row))
            changed = {field: value for field, value in now.items() if value != was[field]}
            if changed:
                events.record(
                    session, project_id, actor, "settings", class_changed=was["name"], changed=changed
                )
        return [_class_info(rows[index]) for index in changes]


def default_colour(index: int) -> str:
    """Return the colour of class ``index`` as ``#rrggbb``: colour-blind safe ones first, then well spread."""
    return _palette()[index]


def project_info(project: Project) -> ProjectInfo:
    """Return a row as a value that outlives its session."""
    return ProjectInfo(
        id=project.id,
        name=project.name,
        settings=read_settings(ProjectSettings, project.settings),
        current_round_id=project.current_round_id,
        labels_changed=project.labels_changed,
        created_at=project.created_at,
        archived_at=project.archived_at,
    )


# Made once, since nearly every request begins with it.
_BY_ID = select(Project).where(Project.id == bindparam("of_project"))
_BY_ID_LOCKED = _BY_ID.with_for_update().execution_options(populate_existing=True)


def project_row(session: Session, project_id: int, *, lock: bool = False) -> Project:
    """Return the row of a project; with ``lock`` other writers of it wait (SQLite's writers always do).

    Raises:
        NotFound: there is no such project.
    """
    query = _BY_ID_LOCKED if lock else _BY_ID
    project = session.scalars(query, {"of_project": project_id}).one_or_none()
    if project is None:
        raise no_such_project(project_id)
    return project


def no_such_project(project_id: int) -> NotFound:
    """Return the error about a project that is not there."""
    return NotFound(f"There is no project number {project_id}. Choose one from the list.")


def class_count(session: Session, project_id: int) -> int:
    """Return how many class indices a project has given out, archived ones included."""
    return (
        session.scalar(
            select(func.count()).select_from(LabelClass).where(LabelClass.project_id == project_id)
        )
        or 0
    )


def _class_rows(session: Session, project_id: int) -> list[LabelClass]:
    return list(
        session.scalars(
            select(LabelClass).where(LabelClass.project_id == project_id).order_by(LabelClass.index)
        )
    )


def _others(rows: Sequence[LabelClass], index: int) -> list[LabelClass]:
    return [row for row in rows if row.index != index]


def _class_info(row: LabelClass) -> ClassInfo:
    return ClassInfo(row.index, row.name, row.colour, row.hotkey, row.archived)


def _new_class(
    project_id: int, present: Sequence[LabelClass], spec: ClassSpec, reserved: set[str]
) -> LabelClass:
    taken_colours = {row.colour for row in present}
    taken_hotkeys = {row.hotkey for row in present} | reserved
    return LabelClass(
        project_id=project_id,
        index=len(present),
        name=_free_class_name(spec.name, present),
        colour=_checked_colour(spec.colour)
        if spec.colour
        else next(colour for colour in _palette() if colour not in taken_colours),
        hotkey=_free_hotkey(spec.hotkey, present)
        if spec.hotkey
        else next((key for key in HOTKEYS if key not in taken_hotkeys), None),
        archived=spec.archived,
    )


def _as_text(name: str) -> str:
    """Return a name as UTF-8 can hold it."""
    return name.encode("utf-8", "backslashreplace").decode()


def _checked_name(name: str, what: str) -> str:
    name = name.strip()
    if not name:
        raise InvalidInput(f"The {what} needs a name. Type one and try again.")
    if (shown := _as_text(name)) != name:
        raise InvalidInput(f"The {what} name {shown} is not UTF-8 text. Type another name.")
    if len(name) > _LONGEST_NAME:
        raise InvalidInput(
            f"The {what} name has {len(name)} characters and may have {_LONGEST_NAME}. Shorten it."
        )
    return name


def _refuse_taken_name(session: Session, name: str) -> None:
    holder = session.scalars(select(Project).where(Project.name == name)).one_or_none()
    if holder is not None and holder.archived_at is not None:
        raise InvalidInput(f"An archived project is named {name}. Restore it, or choose another name.")
    if holder is not None:
        raise InvalidInput(f"There is already a project named {name}. Choose another name.")


def _free_class_name(name: str, others: Sequence[LabelClass]) -> str:
    name = _checked_name(name, "class")
    if any(other.name.casefold() == name.casefold() for other in others):
        raise InvalidInput(f"Two classes cannot both be named {name}. Rename one of them.")
    return name


def _checked_colour(colour: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        raise InvalidInput(
            f"{colour} is not a colour. Write it as # and six hexadecimal digits, such as #0072b2."
        )
    return colour.lower()


def _free_hotkey(hotkey: str, others: Sequence[LabelClass]) -> str:
    owner = next((other.name for other in others if other.hotkey == hotkey), None)
    if owner is not None:
        raise InvalidInput(f"The hotkey {hotkey} already belongs to {owner}. Choose another key.")
    if not re.fullmatch(r"[A-Za-z0-9]{1,20}", hotkey):
        raise InvalidInput(f"{hotkey} is not a key. Name it as the browser does, such as Digit1 or KeyA.")
    return hotkey


_VISIONS = np.array(
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ]
)
"""What linear sRGB becomes to full colour vision, protanopia and deuteranopia (Machado et al. 2009)."""


@functools.cache
def _palette() -> tuple[str, ...]:
    """Return a colour for every possible class, each as far from the ones before as a coarse grid allows.

    Two colours are as far apart as they are to the eye that tells them worst.
    """
    levels = np.linspace(0, 255, 11).round()
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    grid = grid[(grid.sum(1) > 150) & (grid.sum(1) < 700)]
    first = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in _COLOUR_BLIND_SAFE], float)
    places = _oklab(grid)
    chosen = [*_COLOUR_BLIND_SAFE]
    distance = np.full(len(grid), np.inf)
    for place in _oklab(first).swapaxes(0, 1):
        distance = np.minimum(distance, _least_distance(places, place))
    while len(chosen) < MAX_CLASSES:
        farthest = int(distance.argmax())
        chosen.append("#{:02x}{:02x}{:02x}".format(*grid[farthest].astype(int)))
        distance = np.minimum(distance, _least_distance(places, places[:, farthest]))
    return tuple(chosen)


def _least_distance(places: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return how far each of ``places`` (visions, N, 3) is from ``place`` (visions, 3) at least, (N,)."""
    result: np.ndarray = np.linalg.norm(places - place[:, None], axis=2).min(0)
    return result


def _oklab(rgb: np.ndarray) -> np.ndarray:
    """Return sRGB colours (N, 3) in 0…255 as Oklab (visions, N, 3): distance is difference to the eye."""
    value = rgb / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    seen = (linear @ _VISIONS.swapaxes(1, 2)).clip(0)
    cones = seen @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    result: np.ndarray = np.cbrt(cones) @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )
    return result
