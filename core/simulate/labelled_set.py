"""The labelled set that a simulation replays, imported once and copied for each run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from core import demo_world
from storage import images, projects
from storage.errors import InvalidInput, QualmError
from storage.files import write_atomically
from storage.formats.archives import OpenSource
from storage.formats.class_list import find_class_list
from storage.formats.image_file import IMAGE_SUFFIXES
from storage.import_planning import plan_import
from storage.importing import run_import
from storage.projects import ClassSpec
from storage.rendered_images import add_rendered
from storage.workspace import Workspace, open_workspace

DEMO_POOL = 120
DEMO_TEST = 40
_DESCRIPTION = "set.json"
_COPYING = "half-copied"
"""File in a workspace to which the set is being copied."""

OnImages = Callable[[int, int], None]
"""Called with how many images are there and how many there will be."""


class LabelledSet(BaseModel):
    """What is in the set: images of the pool and for testing, and the classes in order.

    ``test_groups`` are the groups of the test images in their order; empty in sets of earlier versions.
    """

    name: str
    pool: int
    test: int
    classes: list[str]
    test_groups: list[str | None] = []


def labelled_set(
    data: Path | None, folder: Path, *, limit_pool: int | None, limit_test: int | None, watch: OnImages
) -> LabelledSet:
    """Import a set into a workspace in ``folder``, unless it is there already.

    Args:
        data: Folder or zip in the CamVid layout, whose train images are the pool, whose test images measure
            and whose val images are left out; None renders scenes of the demo world, other drives for
            testing.
        folder: Of the workspace.
        limit_pool: Use so many images of the pool, evenly spread; None takes all.
        limit_test: The same for testing.
        watch: Told about the progress.

    Raises:
        QualmError: The set has no images with masks for the pool or for testing, or one cannot be read.
    """
    description = folder / _DESCRIPTION
    if description.exists():
        return LabelledSet.model_validate_json(description.read_bytes())
    shutil.rmtree(folder, ignore_errors=True)
    workspace = open_workspace(folder)
    try:
        if data is None:
            _render(workspace, limit_pool or DEMO_POOL, limit_test or DEMO_TEST, watch)
        else:
            _import(workspace, data, limit_pool, limit_test, watch)
        (project,) = projects.list_projects(workspace)
        counts = images.split_counts(workspace, project.id)
        classes = [entry.name for entry in projects.classes(workspace, project.id)]
        tested = images.list_images(workspace, project.id, "excluded")
        done = LabelledSet(
            name=project.name,
            pool=counts["pool"],
            test=len(tested),
            classes=classes,
            test_groups=[info.group for info in tested],
        )
    finally:
        workspace.close()
    write_atomically(description, done.model_dump_json().encode())
    return done


def files_of(data: Path) -> str | None:
    """Return what tells the files of a set from those it has after a change; None when it cannot be read.

    They are its images, masks and class list, by name and size: to read what is in them would take as long as
    the import. A mask that was corrected has another size, but for a rare chance and unpacked formats.
    """
    try:
        with OpenSource(data) as opened:
            class_list = find_class_list(opened.paths)
            used = [
                path for path in opened.paths if path.lower().endswith(IMAGE_SUFFIXES) or path == class_list
            ]
            sizes = [opened.size(path) for path in used]
    except InvalidInput:
        return None
    digest = hashlib.sha256(json.dumps([used, sizes]).encode()).hexdigest()[:12]
    return f"{len(used):,} of {sum(sizes):,} bytes, digest {digest}"


def copy_set(folder: Path, target: Path) -> None:
    """Copy the workspace of a set; image files, which never change, are linked where the disk can.

    Until :func:`end_of_copy` the target is known as half copied. It may be where a disk begins, whose place
    no copy beside it could take.
    """

    def copied(source: str, destination: str) -> str:
        if "blobs" in Path(source).relative_to(folder).parts:
            try:
                os.link(source, destination)
            except OSError:
                pass
            else:
                return destination
        return str(shutil.copy2(source, destination))

    target.mkdir(parents=True, exist_ok=True)
    (target / _COPYING).touch()
    shutil.copytree(folder, target, copy_function=copied, dirs_exist_ok=True)


def end_of_copy(target: Path) -> None:
    """Note that a copied set is whole and whose it is."""
    (target / _COPYING).unlink(missing_ok=True)


def is_half_copied(target: Path) -> bool:
    """Tell whether a copy to a folder was begun and not ended."""
    return (target / _COPYING).exists()


def remove_half_copy(folder: Path, target: Path) -> None:
    """Remove from a half copied workspace what is of the set in ``folder``, and nothing else."""
    for path in folder.iterdir():
        left = target / path.name
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


def _import(
    workspace: Workspace, data: Path, limit_pool: int | None, limit_test: int | None, watch: OnImages
) -> None:
    plan = plan_import(data, masks_as="truth")
    with_truth = [entry for entry in plan.entries if entry.mask_becomes == "truth"]
    pool = _spread([entry for entry in with_truth if entry.split == "pool"], limit_pool)
    test = _spread([entry for entry in with_truth if entry.split == "excluded"], limit_test)
    if not pool or not test:
        raise InvalidInput(
            f"{data} has {len(pool)} training and {len(test)} test images with masks. A simulation needs "
            "both: folders train, trainannot, test and testannot."
        )
    plan = dataclasses.replace(plan, entries=(*pool, *test))
    project = projects.create_project(workspace, data.resolve().stem, plan.classes, actor="simulation")
    result = run_import(
        workspace, project.id, plan, actor="simulation", progress=lambda done, of, _: watch(done, of)
    )
    if result.problems:
        first = result.problems[0]
        raise QualmError(f"{first.name} could not be imported: {first.sentence}")


def _render(workspace: Workspace, pool: int, test: int, watch: OnImages) -> None:
    project = projects.create_project(
        workspace,
        "Demo",
        [ClassSpec(name=name, colour=colour) for name, colour in demo_world.CLASSES],
        actor="simulation",
    )

    def entries() -> Iterator[demo_world.RenderedScene]:
        yield from demo_world.rendered_entries(pool)
        for scene in demo_world.rendered_entries(test, seed=1):
            yield dataclasses.replace(scene, name=f"test_{scene.name}", group=f"test-{scene.group}")

    add_rendered(
        workspace,
        project.id,
        entries(),
        actor="simulation",
        progress=lambda done, _, name: watch(done, pool + test),
    )
    for_testing = [info.id for info in images.list_images(workspace, project.id)][pool:]
    images.set_split(workspace, for_testing, "excluded", actor="simulation")


def _spread(entries: list[Any], count: int | None) -> list[Any]:
    """Choose ``count`` entries at even distances, so that a few test images still show every place."""
    if count is None or count >= len(entries):
        return entries
    return [entries[index * len(entries) // count] for index in range(count)]
