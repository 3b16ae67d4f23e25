"""The plan of an import of images and masks: a dry run that writes nothing."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from storage import images, projects
from storage.checked_images import (
    CheckedImage,
    checked_image,
    code_counts,
    fits_camvid,
    read_label_map,
    with_draft,
    without_blank_mask,
)
from storage.errors import InvalidInput
from storage.formats.archives import OpenSource, Problem, Source, natural_order
from storage.formats.class_list import (
    CAMVID,
    ClassList,
    SourceClass,
    find_class_list,
    given_class_list,
    read_class_list,
)
from storage.formats.layout import ImageFile, Layout, find_layout, source_groups
from storage.formats.manifest import Manifest, find_manifest, read_manifest
from storage.formats.mask_meaning import MaskMeaning, decide_meaning
from storage.formats.masks import colour_number, colour_text
from storage.images import ImageInfo
from storage.images_of_masks import (
    ImagesOfMasks,
    are_camvid_masks,
    images_by_any_hash,
    images_of_masks,
    refuse_labels_alone,
    taken_for_masks,
)
from storage.import_notes import import_notes
from storage.import_plan import ImportPlan, MasksAs, PlannedImage
from storage.in_parallel import OnProgress, in_parallel
from storage.planned_images import KnownImage, planned_image
from storage.projects import ClassInfo, ClassSpec
from storage.workspace import Workspace

_NO_MEANING = MaskMeaning({"index": {}, "colour": {}}, (), (), ())


@dataclass(frozen=True)
class _Found:
    """What a source holds by its names and its manifest, and what the project has of that."""

    manifest: Manifest | None
    layout: Layout
    known: Mapping[str, ImageInfo]
    """The project's images by the hashes of the files that hold their pictures."""
    of_masks: ImagesOfMasks


@dataclass(frozen=True)
class _EachOnce:
    """Images of a source, each picture once and in natural order, and what stays out for that."""

    images: tuple[CheckedImage, ...]
    duplicates: tuple[Problem, ...]
    problems: tuple[Problem, ...]
    """Masks for whose image another one is there."""


def plan_import(
    source: Source,
    *,
    workspace: Workspace | None = None,
    project_id: int | None = None,
    given_classes: Sequence[ClassSpec] | None = None,
    masks_as: MasksAs = "labels",
    follow_splits: bool = True,
    classes_alone: bool = False,
    progress: OnProgress | None = None,
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
        given_classes: The classes in the masks, by index. By default what the source says: a
            ``label_colors.txt`` gives the colours of RGB masks, a ``dataset.json`` may also name the index
            that means void beside 255. RGB masks have the colours given, or those that the source says
            for classes of the same names.
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
    classes, has = _of_project(workspace, project_id)
    with OpenSource(source) as opened:
        found = _found(opened, has, masks_as)
        is_labels_alone = found.manifest is not None and found.manifest.is_labels_alone(opened.paths)
        if is_labels_alone and not classes_alone:
            refuse_labels_alone(masks_as, found.of_masks)
        class_list, table_colours = _class_list(opened, found, given_classes)
        pairs, problems = _pairs(opened, found, masks_as)
        checked, unusable = _checked(opened, pairs, found, table_colours, progress)
        checked, not_used = taken_for_masks(checked, found.of_masks)
        once = _each_once(checked, found)
        if class_list is None and _is_camvid(once.images, found, classes):
            class_list = CAMVID
        meaning = _meaning(once.images, class_list, classes)
        told = [without_blank_mask(one, meaning) for one in once.images]

        def read(path: str) -> NDArray[np.uint8] | None:
            # It was a moment ago; where it is not any more, the import says why.
            with contextlib.suppress(InvalidInput):
                return read_label_map(opened, path, table_colours, meaning)
            return None

        entries = _entries(
            told, found, meaning, masks_as, class_list, follow_splits, workspace, read, progress
        )
    return ImportPlan(
        source=source,
        entries=entries,
        problems=(*problems, *unusable, *not_used, *once.problems),
        duplicates=once.duplicates,
        classes=_proposed_classes(meaning),
        meaning=meaning,
        table_colours=table_colours,
        notes=import_notes(
            once.images,
            alone=found.of_masks.found,
            left_open=found.of_masks.left_open,
            meaning=meaning.notes,
            blank=[one.file.mask for one, left in zip(once.images, told, strict=True) if one is not left],
            filled=_filled(entries, found.manifest),
            other_files=found.layout.other_files,
        ),
        masks_as=masks_as,
    )


def _of_project(
    workspace: Workspace | None, project_id: int | None
) -> tuple[list[ClassInfo], list[ImageInfo]]:
    """Return the classes and the images of the project; none where there is no project yet.

    Raises:
        NotFound: There is no such project.
    """
    if workspace is None or project_id is None:
        return [], []
    project_id = projects.get_project(workspace, project_id).id
    return projects.classes(workspace, project_id), images.list_images(workspace, project_id)


def _found(opened: OpenSource, has: Sequence[ImageInfo], masks_as: MasksAs) -> _Found:
    """Return what the names and the manifest tell; no picture is read.

    Raises:
        InvalidInput: The manifest is damaged.
    """
    manifest = _manifest(opened)
    known = images_by_any_hash(has, manifest)
    layout = find_layout(opened.paths) if manifest is None else manifest.layout(opened.paths)
    of_masks = (
        ImagesOfMasks({}, {}, among_images=bool(known))
        if masks_as == "ignore"
        else images_of_masks(layout, manifest, has, known)
    )
    return _Found(manifest, layout, known, of_masks)


def _manifest(opened: OpenSource) -> Manifest | None:
    path = find_manifest(opened.paths)
    manifest = None if path is None else read_manifest(path, opened.read(path))
    if manifest is None:
        return None
    # Of files that were taken out of their folders it knows none.
    return manifest if manifest.knows_any(opened.paths) else None


def _class_list(
    opened: OpenSource, found: _Found, given_classes: Sequence[ClassSpec] | None
) -> tuple[ClassList | None, frozenset[int]]:
    """Return what the classes given and lists in the source say about classes and splits.

    Returns:
        That, and all colours of a colour table, by which RGB masks and palettes are read.

    Raises:
        InvalidInput: The list is wrong, and no classes are given.
    """
    manifest, layout = found.manifest, found.layout
    of_export = manifest is not None and manifest.has_images(opened.paths)
    inside = [path for path in layout.other_files if of_export and manifest and manifest.is_inside(path)]
    beside = set(layout.other_files).difference(inside)
    listed = [path for path in map(find_class_list, (inside, sorted(beside))) if path is not None]
    try:
        lists = [read_class_list(path, opened.read(path)) for path in listed]
    except InvalidInput:
        if not given_classes:
            raise
        lists = []
    # All masks are of the export then; of the images beside it another list may still say the splits.
    of_source = dataclasses.replace(lists[0], splits=lists[-1].splits) if lists else None
    in_table = of_source.classes if of_source and of_source.is_colour_table else ()
    table_colours = frozenset(one.colour for one in in_table if one.colour is not None)
    return given_class_list(given_classes, of_source) if given_classes else of_source, table_colours


def _pairs(opened: OpenSource, found: _Found, masks_as: MasksAs) -> tuple[list[ImageFile], list[Problem]]:
    """Return the images to read, each with its mask, and the masks whose images the project has.

    Returns:
        Those, and why other files stay out.
    """
    if masks_as == "ignore":
        without_masks = [dataclasses.replace(file, mask=None) for file in found.layout.images]
        return without_masks, [*opened.problems, *found.layout.image_problems]
    alone, of_masks = found.layout.masks_alone, found.of_masks
    nowhere = [file.path for file in alone if file.path not in of_masks.found]
    return (
        [*found.layout.images, *(file for file in alone if file.path in of_masks.found)],
        [
            *opened.problems,
            *found.layout.problems,
            *(Problem(path, of_masks.why_none(path)) for path in nowhere),
        ],
    )


def _checked(
    opened: OpenSource,
    pairs: Sequence[ImageFile],
    found: _Found,
    table_colours: frozenset[int],
    progress: OnProgress | None,
) -> tuple[list[CheckedImage], list[Problem]]:
    """Read every image and every mask; return those that can be used, and why others cannot."""
    there = set(opened.paths)
    drafts = {} if found.manifest is None else found.manifest.drafts_over
    drafts = {mask: draft for mask, draft in drafts.items() if draft in there}
    alone = found.of_masks.found
    may_be_masks = bool(alone or found.of_masks.left_open)

    def check(file: ImageFile) -> CheckedImage | Problem:
        one = checked_image(opened, file, table_colours, found.known, alone, may_be_masks)
        mask = one.file.mask if isinstance(one, CheckedImage) else None
        return with_draft(opened, one, drafts.get(str(mask)), table_colours)

    checked: list[CheckedImage] = []
    problems: list[Problem] = []
    with closing(in_parallel(check, pairs, lambda file: file.path, progress)) as results:
        for result in results:
            if isinstance(result, CheckedImage):
                checked.append(result)
                problems += result.problems
            else:
                problems.append(result)
    return checked, problems


def _each_once(checked: Sequence[CheckedImage], found: _Found) -> _EachOnce:
    """Return every picture once.

    Of equal files the one with a mask stays, then what an export says most of; otherwise the first by name.
    """
    manifest, alone = found.manifest, found.of_masks.found
    best_first = sorted(
        checked,
        key=lambda one: (
            one.mask_kind is None,
            manifest is not None and one.file.path not in manifest.groups,
            natural_order(one.file.path),
        ),
    )
    imported_as = {exported: imported for imported, exported in manifest.same_pictures} if manifest else {}
    first: dict[str, CheckedImage] = {}
    duplicates: list[Problem] = []
    problems: list[Problem] = []
    for one in best_first:
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
    return _EachOnce(tuple(unique), tuple(duplicates), tuple(problems))


def _is_camvid(checked: Sequence[CheckedImage], found: _Found, classes: Sequence[ClassInfo]) -> bool:
    """Tell whether the masks are CamVid's by the folders they are in, and may be by what they hold."""
    is_in_place = found.layout.is_camvid or are_camvid_masks(found.of_masks)
    return is_in_place and fits_camvid(checked, classes)


def _meaning(
    checked: Sequence[CheckedImage], class_list: ClassList | None, classes: Sequence[ClassInfo]
) -> MaskMeaning:
    """Return what the values in the masks mean.

    Raises:
        InvalidInput: It cannot be told.
    """
    if class_list is None and not any(one.mask_kind for one in checked):
        return _NO_MEANING
    return decide_meaning(
        code_counts(checked),
        class_list=class_list,
        project_classes=[SourceClass(c.name, c.index, colour_number(c.colour)) for c in classes],
        palette=next((one.palette for one in checked if one.palette), ()),
    )


def _entries(
    told: Sequence[CheckedImage],
    found: _Found,
    meaning: MaskMeaning,
    masks_as: MasksAs,
    class_list: ClassList | None,
    follow_splits: bool,
    workspace: Workspace | None,
    read: Callable[[str], NDArray[np.uint8] | None],
    progress: OnProgress | None,
) -> tuple[PlannedImage, ...]:
    of_source = [one.file.path for one in told if one.file.mask not in found.of_masks.found]
    groups = _groups(of_source, found.manifest)

    def planned(one: CheckedImage) -> PlannedImage:
        return planned_image(
            one,
            groups.get(one.file.path),
            _wanted_split(one.file, class_list) if follow_splits else "pool",
            masks_as,
            found.manifest,
            KnownImage(workspace, found.known[one.content_hash])
            if workspace is not None and one.content_hash in found.known
            else None,
            meaning,
            read,
        )

    # Masks that the project may have are read and compared here.
    told_of = progress if found.known else None
    with closing(in_parallel(planned, told, lambda one: one.file.path, told_of)) as entries:
        return tuple(entries)


def _groups(paths: Sequence[str], manifest: Manifest | None) -> dict[str, str | None]:
    """Return the group of each image of the source by its path, as an export says or names tell."""
    said = manifest.groups if manifest is not None else {}
    others = [path for path in paths if path not in said]
    return {path: said[path] for path in paths if path in said} | dict(
        zip(others, source_groups(others), strict=True)
    )


def _wanted_split(file: ImageFile, class_list: ClassList | None) -> str:
    listed = class_list.splits.get(PurePosixPath(file.path).stem.casefold()) if class_list else None
    return file.split or listed or "pool"


def _proposed_classes(meaning: MaskMeaning) -> tuple[ClassSpec, ...]:
    return tuple(
        ClassSpec(
            proposed.name,
            None if proposed.colour is None else colour_text(proposed.colour),
            proposed.hotkey,
            proposed.archived,
        )
        for proposed in meaning.proposed
    )


def _filled(entries: Sequence[PlannedImage], manifest: Manifest | None) -> list[str | None]:
    """Return the paths of the masks of an export in which void stands for pixels that were not labelled."""
    return [
        mask
        for entry in entries
        for mask in (entry.mask, entry.draft and entry.draft.path)
        if manifest and mask in manifest.filled
    ]
