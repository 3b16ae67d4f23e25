"""The plan of an import of images and masks: a dry run that writes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import closing
from pathlib import PurePosixPath

from storage import images, projects
from storage.checked_images import (
    CheckedImage,
    checked_image,
    code_counts,
    fits_camvid,
    with_draft,
    without_blank_mask,
)
from storage.formats.archives import OpenSource, Problem, Source, natural_order
from storage.formats.class_list import (
    CAMVID,
    ClassList,
    SourceClass,
    class_list_of_names,
    find_class_list,
    read_class_list,
)
from storage.formats.layout import ImageFile, Layout, find_layout, source_groups
from storage.formats.manifest import Manifest, find_manifest, read_manifest
from storage.formats.mask_meaning import MaskMeaning, decide_meaning
from storage.formats.masks import colour_number, colour_text
from storage.images import ImageInfo
from storage.images_of_masks import (
    are_camvid_masks,
    are_mostly_masks,
    as_masks,
    images_by_any_hash,
    images_of_masks,
    refuse_labels_alone,
)
from storage.import_notes import import_notes
from storage.import_plan import ImportPlan, MasksAs
from storage.in_parallel import Progress, in_parallel
from storage.planned_images import KnownImage, planned_image
from storage.projects import ClassInfo, ClassSpec
from storage.workspace import Workspace

_NO_MEANING = MaskMeaning({"index": {}, "colour": {}}, (), (), ())


def plan_import(
    source: Source,
    *,
    workspace: Workspace | None = None,
    project_id: int | None = None,
    class_names: Sequence[str] | None = None,
    masks_as: MasksAs = "labels",
    follow_splits: bool = True,
    classes_alone: bool = False,
    progress: Progress | None = None,
) -> ImportPlan:
    """Read a source completely and say what an import would do, without writing anything.

    Args:
        source: A folder, a zip file, or uploaded files as (name, bytes).
        workspace: Where the project is.
        project_id: The project to import into. Its classes and images are taken into account: an image that
            it has gains the label or the truth it lacks, and then, while it waits in the pool without a
            label, the split that the source says. It has one by the file that was imported, and by the one
            that an export brings back. A mask that comes without its image goes to an image that
            the project has, by the hash that an export holds of that, else by its name, and becomes what it
            would with its image. Without a project the plan proposes classes.
        class_names: Names of the classes in the masks, by index. By default what the source says: a
            ``label_colors.txt`` gives the colours of RGB masks, a ``dataset.json`` may also name the index
            that means void beside 255.
        masks_as: ``labels`` makes masks submitted labels, except those of a test folder, and those of an
            export what they were; ``truth`` keeps all of them as hidden truth and their images unlabelled;
            ``ignore`` leaves them out.
        follow_splits: Images in a folder named val become audit images, those in a folder named test are
            excluded from training. Otherwise every image goes to the pool.
        classes_alone: Only the classes of the plan are wanted, which an export without images has, too.
        progress: Called after each image.

    Raises:
        InvalidInput: The source does not exist or cannot be opened, its class list is wrong, what its masks
            mean cannot be told, or it is an export without images, which the project lacks or whose
            masks shall become nothing.
        NotFound: There is no such project.
    """
    classes: list[ClassInfo] = []
    has: list[ImageInfo] = []
    if workspace is not None and project_id is not None:
        project_id = projects.get_project(workspace, project_id).id
        classes = projects.classes(workspace, project_id)
        has = images.list_images(workspace, project_id)
    with OpenSource(source) as opened:
        manifest = _manifest(opened)
        known = images_by_any_hash(has, manifest)
        layout = find_layout(opened.paths) if manifest is None else manifest.layout(opened.paths)
        alone, left_open = ({}, {}) if masks_as == "ignore" else images_of_masks(layout, manifest, has, known)
        if not classes_alone and manifest is not None and manifest.is_labels_alone(opened.paths):
            refuse_labels_alone(masks_as, alone)
        class_list = _class_list(opened, layout, class_names, manifest)
        table_colours = frozenset(
            one.colour
            for one in (class_list.classes if class_list and class_list.is_colour_table else ())
            if one.colour is not None
        )
        problems = [*opened.problems, *layout.problems]
        nameless = f"No image{' of the project' if known else ''} has the name of this mask."
        if masks_as == "ignore":
            pairs = [dataclasses.replace(file, mask=None) for file in layout.images]
            problems = list(opened.problems)
        else:
            pairs = [*layout.images, *(file for file in layout.masks_alone if file.path in alone)]
            problems += [
                Problem(file.path, left_open.get(file.path, nameless))
                for file in layout.masks_alone
                if file.path not in alone
            ]
        there = set(opened.paths)
        drafts = {} if manifest is None else manifest.drafts_over
        drafts = {mask: draft for mask, draft in drafts.items() if draft in there}

        def check(file: ImageFile) -> CheckedImage | Problem:
            one = checked_image(
                opened, file, table_colours, known, alone, may_be_masks=bool(alone or left_open)
            )
            mask = one.file.mask if isinstance(one, CheckedImage) else None
            return with_draft(opened, one, drafts.get(str(mask)), table_colours)

        checked: list[CheckedImage] = []
        with closing(
            in_parallel(
                check,
                pairs,
                lambda file: file.path,
                progress,
            )
        ) as results:
            for result in results:
                if isinstance(result, CheckedImage):
                    checked.append(result)
                    problems += result.problems
                else:
                    problems.append(result)

    if are_mostly_masks(checked, alone):
        checked, not_used = as_masks(checked, left_open, nameless)
        problems += not_used

    # Of equal files the one with a mask stays, then what an export says most of; otherwise the first by name.
    checked.sort(
        key=lambda one: (
            one.mask_kind is None,
            manifest is not None and one.file.path not in manifest.groups,
            natural_order(one.file.path),
        )
    )
    imported_as = {exported: imported for imported, exported in manifest.same_pictures} if manifest else {}
    first: dict[str, CheckedImage] = {}
    duplicates = []
    for one in checked:
        kept = first.setdefault(imported_as.get(one.content_hash, one.content_hash), one)
        if kept is one:
            continue
        if alone.keys().isdisjoint((kept.file.mask, one.file.mask)):
            what = "file" if kept.content_hash == one.content_hash else "picture"
            duplicates.append(Problem(one.file.path, f"It is the same {what} as {kept.file.path}."))
        elif one.mask_kind is not None:
            # Its image was asked for by the name it has in the project; here it has another.
            why = f"Its image has the mask {kept.file.mask}, too. Leave one mask for each image."
            problems.append(Problem(str(one.file.mask), why))
    unique = sorted(first.values(), key=lambda one: natural_order(one.file.path))

    is_camvid = layout.is_camvid or are_camvid_masks(alone)
    if class_list is None and is_camvid and fits_camvid(unique, classes):
        class_list = CAMVID
    palette = next((one.palette for one in unique if one.palette), ())
    meaning = (
        decide_meaning(
            code_counts(unique),
            class_list=class_list,
            project_classes=[SourceClass(c.name, c.index, colour_number(c.colour)) for c in classes],
            palette=palette,
        )
        if any(one.mask_kind for one in unique) or class_list is not None
        else _NO_MEANING
    )
    told = [without_blank_mask(one, meaning) for one in unique]
    blank = [one.file.mask for one, left in zip(unique, told, strict=True) if one is not left]
    groups = _groups([one.file.path for one in unique if one.file.mask not in alone], manifest)
    entries = tuple(
        planned_image(
            one,
            groups.get(one.file.path),
            _wanted_split(one.file, class_list) if follow_splits else "pool",
            masks_as,
            manifest,
            KnownImage(workspace, known[one.content_hash])
            if workspace is not None and one.content_hash in known
            else None,
            meaning,
        )
        for one in told
    )
    return ImportPlan(
        source=source,
        entries=entries,
        problems=tuple(problems),
        duplicates=tuple(duplicates),
        classes=tuple(
            ClassSpec(
                proposed.name,
                None if proposed.colour is None else colour_text(proposed.colour),
                proposed.hotkey,
                proposed.archived,
            )
            for proposed in meaning.proposed
        ),
        meaning=meaning,
        table_colours=table_colours,
        notes=import_notes(
            unique,
            alone=alone,
            left_open=left_open,
            meaning=meaning.notes,
            blank=blank,
            filled=[
                mask
                for entry in entries
                for mask in (entry.mask, entry.draft and entry.draft.path)
                if manifest and mask in manifest.filled
            ],
            other_files=layout.other_files,
        ),
        masks_as=masks_as,
    )


def _manifest(opened: OpenSource) -> Manifest | None:
    path = find_manifest(opened.paths)
    manifest = None if path is None else read_manifest(path, opened.read(path))
    if manifest is None:
        return None
    # Of files that were taken out of their folders it knows none.
    return manifest if manifest.knows_any(opened.paths) else None


def _class_list(
    opened: OpenSource, layout: Layout, class_names: Sequence[str] | None, manifest: Manifest | None
) -> ClassList | None:
    if class_names:
        return class_list_of_names(class_names, "the class names given")
    of_export = manifest is not None and manifest.has_images(opened.paths)
    inside = [path for path in layout.other_files if of_export and manifest and manifest.is_inside(path)]
    beside = set(layout.other_files).difference(inside)
    found = [path for path in map(find_class_list, (inside, sorted(beside))) if path is not None]
    lists = [read_class_list(path, opened.read(path)) for path in found]
    # All masks are of the export then; of the images beside it another list may still say the splits.
    return dataclasses.replace(lists[0], splits=lists[-1].splits) if lists else None


def _wanted_split(file: ImageFile, class_list: ClassList | None) -> str:
    listed = class_list.splits.get(PurePosixPath(file.path).stem.casefold()) if class_list else None
    return file.split or listed or "pool"


def _groups(paths: Sequence[str], manifest: Manifest | None) -> dict[str, str | None]:
    """Return the group of each image of the source by its path, as an export says or names tell."""
    said = manifest.groups if manifest is not None else {}
    others = [path for path in paths if path not in said]
    return {path: said[path] for path in paths if path in said} | dict(
        zip(others, source_groups(others), strict=True)
    )
