"""Import of images and masks: first a plan, a dry run that writes nothing, then the import itself."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from storage import audit_draw, events, images, labels, projects
from storage.checked_images import (
    CheckedImage,
    FoundBy,
    MaskAlone,
    checked_image,
    code_counts,
    fits_camvid,
    with_draft,
    without_blank_mask,
)
from storage.errors import (
    DiskFull,
    InvalidInput,
    LabelConflict,
    LeaseLost,
    QualmError,
    WorkspaceBusy,
    WorkspaceError,
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
from storage.formats.layout import ImageFile, Layout, find_layout, masks_by_name, source_groups
from storage.formats.manifest import Manifest, find_manifest, read_manifest
from storage.formats.mask_meaning import MaskMeaning, decide_meaning
from storage.formats.masks import (
    colour_number,
    colour_text,
)
from storage.images import ImageInfo
from storage.import_notes import import_notes
from storage.import_plan import (
    ImportPlan,
    ImportResult,
    LeftOutMask,
    MaskBecomes,
    MasksAs,
    PlannedDraft,
    PlannedImage,
)
from storage.in_parallel import Progress, in_parallel
from storage.prepared_images import PreparedImage, prepared_image
from storage.present_labels import present_label, value_counts, was_brought
from storage.projects import ClassInfo, ClassSpec
from storage.schema import NOT_LABELLED
from storage.settings import ProjectSettings, read_settings
from storage.workspace import Workspace

AUTHOR = "import"
"""Author of the labels that an import saves, where no export says who it was."""


@dataclass(frozen=True)
class _Known:
    """An image that the project has, and where."""

    workspace: Workspace
    image: ImageInfo


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
        known = _by_any_hash(has, manifest)
        layout = find_layout(opened.paths) if manifest is None else manifest.layout(opened.paths)
        alone, left_open = (
            ({}, {}) if masks_as == "ignore" else _images_of_masks(layout, manifest, has, known)
        )
        if not classes_alone and manifest is not None and manifest.is_labels_alone(opened.paths):
            _refuse_labels_alone(masks_as, alone)
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

    if _are_mostly_masks(checked, alone):
        checked, not_used = _as_masks(checked, left_open, nameless)
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

    is_camvid = layout.is_camvid or _are_camvid_masks(alone)
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
        _planned(
            one,
            groups.get(one.file.path),
            _wanted_split(one.file, class_list) if follow_splits else "pool",
            masks_as,
            manifest,
            _Known(workspace, known[one.content_hash])
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


def run_import(
    workspace: Workspace,
    project_id: int,
    plan: ImportPlan,
    actor: str,
    progress: Progress | None = None,
) -> ImportResult:
    """Carry out a plan. A file that fails becomes a problem and the rest goes on.

    Images that the project has by content gain only the label or the truth they lack, so an import that was
    stopped or killed is finished by running it again; a draft of which all was taken back is no label. Blobs
    are written before the rows that name them.

    Raises:
        InvalidInput: The source is gone, or the project lacks classes that the plan proposed.
        NotFound: There is no such project.
        DiskFull: The disk filled up. What came in until then is complete, and the sentence says how much
            that is; free space and run it again.
        WorkspaceError: The workspace cannot be written to; likewise.
    """
    started = time.monotonic()
    project_id = projects.get_project(workspace, project_id).id
    _require_classes(workspace, project_id, plan)
    known = images.by_content(workspace, project_id)
    imported = already_there = whole = 0
    masks: Counter[MaskBecomes] = Counter()
    problems: list[Problem] = []

    def has_all(info: ImageInfo, entry: PlannedImage) -> bool:
        if entry.mask_becomes is None:
            return True
        if entry.mask_becomes == "truth":
            return info.truth_blob is not None
        # What an earlier import brought and a person took back again is not there.
        return present_label(workspace, info) is not None and was_brought(
            workspace, info, entry.author, entry.mask_becomes
        )

    def is_complete(entry: PlannedImage) -> bool:
        info = known.get(entry.content_hash)
        return info is not None and has_all(info, entry)

    def add(prepared: PreparedImage) -> None:
        nonlocal imported, already_there
        entry, truth_blob = prepared.entry, prepared.truth_blob
        revision = 0
        image_id = _add(workspace, project_id, prepared)
        if image_id is not None:
            imported += 1
        elif entry.known or prepared.image is not None:
            already_there += 1
            # Another import may have brought it since this one began, and its label as well.
            info = images.of_content(workspace, project_id, entry.content_hash)
            if info is None or has_all(info, entry):
                return
            is_in_the_way = entry.mask_becomes != "truth" and present_label(workspace, info) is not None
            if is_in_the_way and not (entry.over_label and _is_newest(info)):
                raise LabelConflict(info.revision, labels.history(workspace, info.id)[0].author)
            image_id, revision = info.id, info.revision
            if prepared.label_map is not None or truth_blob is not None:
                images.complete(
                    workspace,
                    image_id,
                    split=entry.split,
                    excluded_from="audit" if entry.is_measure else None,
                    truth_blob=truth_blob,
                )
        if image_id is None:
            return
        if truth_blob is not None:
            masks["truth"] += 1
        if prepared.label_map is not None:
            kind: MaskBecomes = "draft" if entry.mask_becomes == "draft" else "label"
            saved = labels.save(
                workspace,
                image_id,
                prepared.label_map,
                expected_revision=revision,
                author=entry.author,
                status="draft" if kind == "draft" else "submitted",
                blind=entry.blind,
            )
            masks[kind] += 1
            if entry.draft is not None and prepared.draft_map is not None:
                labels.save(
                    workspace,
                    image_id,
                    prepared.draft_map,
                    expected_revision=saved.revision,
                    author=entry.draft.author,
                    blind=entry.draft.blind,
                )
                masks["draft"] += 1

    def how_far() -> contextlib.AbstractContextManager[None]:
        return _saying_how_far(lambda: whole, len(plan.entries))

    try:
        with (
            how_far(),
            OpenSource(plan.source) as opened,
            closing(
                in_parallel(
                    lambda entry: (
                        None if is_complete(entry) else prepared_image(workspace, opened, plan, entry)
                    ),
                    plan.entries,
                    lambda entry: entry.path,
                    progress,
                )
            ) as results,
        ):
            for prepared in results:
                if prepared is None:
                    already_there += 1
                    whole += 1
                    continue
                problems += prepared.problems
                try:
                    add(prepared)
                except (DiskFull, WorkspaceError):
                    raise
                except QualmError as error:
                    entry = prepared.entry
                    name = entry.mask if isinstance(error, LabelConflict) and entry.mask else entry.path
                    problems.append(Problem(name, _why_not_added(error)))
                else:
                    whole += not prepared.problems
    finally:
        # One that was stopped brought images, too.
        with how_far(), workspace.database.writing() as session:
            events.record(
                session,
                project_id,
                actor,
                "import",
                images=imported,
                labels=masks["label"],
                drafts=masks["draft"],
                truths=masks["truth"],
                problems=len(problems),
                source=str(plan.source) if isinstance(plan.source, (str, Path)) else "upload",
            )
        # Not together with the entry, which is to stay when this fails; the next import makes up for it.
        with how_far(), workspace.database.writing() as session:
            project = projects.project_row(session, project_id, lock=True)
            settings = read_settings(ProjectSettings, project.settings)
            audit_draw.let_in(session, project_id, settings.annotation, actor)
    return ImportResult(
        imported,
        labelled=masks["label"],
        drafts=masks["draft"],
        truths=masks["truth"],
        already_there=already_there,
        problems=tuple(problems),
        seconds=time.monotonic() - started,
        left_out=plan.left_out,
    )


def _manifest(opened: OpenSource) -> Manifest | None:
    path = find_manifest(opened.paths)
    manifest = None if path is None else read_manifest(path, opened.read(path))
    if manifest is None:
        return None
    # Of files that were taken out of their folders it knows none.
    return manifest if manifest.knows_any(opened.paths) else None


def _by_any_hash(has: Iterable[ImageInfo], manifest: Manifest | None) -> dict[str, ImageInfo]:
    """Return images of the project by the hash of every file that is known to hold the picture of each.

    Those are the file it was imported from, the one that is stored of it and that an export brings back, and
    what an export says to be one of these.
    """
    known = {info.blob: info for info in has} | {info.content_hash: info for info in has}
    for imported, exported in manifest.same_pictures if manifest else ():
        for one, other in ((imported, exported), (exported, imported)):
            if one in known:
                known.setdefault(other, known[one])
    return known


def _images_of_masks(
    layout: Layout, manifest: Manifest | None, has: Sequence[ImageInfo], known: Mapping[str, ImageInfo]
) -> tuple[dict[str, MaskAlone], dict[str, str]]:
    """Find the project's image that each mask without its image, or picture that may be one, belongs to.

    Returns:
        By path, the image; and why that of a path cannot be told.
    """
    masks = [file.path for file in layout.masks_alone]
    by_hash = {} if manifest is None else manifest.label_maps
    found = {
        path: MaskAlone(known[by_hash[path]], "hash", is_sure=True)
        for path in masks
        if by_hash.get(path) in known
    }
    left_open: dict[str, str] = {}
    pictures = [file.path for file in layout.images if file.mask is None]
    for paths, is_sure in ((masks, True), (pictures, False)):
        has_mask = {one.image.id for one in found.values()}
        free = [info for info in has if info.id not in has_mask]
        of_name = {info.name: info for info in free}
        rest = [path for path in paths if path not in found]
        named, several = masks_by_name(rest, [info.name for info in free])
        for path, name in named.items():
            found_by: FoundBy = "name of another file" if path in by_hash else "name"
            found[path] = MaskAlone(of_name[name], found_by, is_sure)
        left_open |= several
    return found, left_open


def _are_camvid_masks(alone: Mapping[str, MaskAlone]) -> bool:
    """Tell whether a mask is in a folder like ``trainannot`` and its image came from one like ``train``."""
    return any(
        PurePosixPath(path).parent.name.lower() == f"{folder.lower()}annot"
        for path, masked in alone.items()
        if (folder := PurePosixPath(masked.image.name).parent.name)
    )


def _refuse_labels_alone(masks_as: MasksAs, alone: Mapping[str, MaskAlone]) -> None:
    """Refuse an export of label maps without images where it brings nothing.

    Raises:
        InvalidInput: The masks become nothing, or the project has none of the images.
    """
    if masks_as == "ignore":
        raise InvalidInput(
            "This export holds label maps and no images, so nothing of it is left where masks become "
            "nothing. Let them become labels or hidden truth."
        )
    if not alone:
        raise InvalidInput(
            "This export holds label maps and no images, and the project has none of theirs. Export "
            "again with the images: --images on the command line, “Put the images beside the label "
            "maps” on the Project page."
        )


def _groups(paths: Sequence[str], manifest: Manifest | None) -> dict[str, str | None]:
    """Return the group of each image of the source by its path, as an export says or names tell."""
    said = manifest.groups if manifest is not None else {}
    others = [path for path in paths if path not in said]
    return {path: said[path] for path in paths if path in said} | dict(
        zip(others, source_groups(others), strict=True)
    )


def _are_mostly_masks(checked: Sequence[CheckedImage], alone: Mapping[str, MaskAlone]) -> bool:
    """Tell whether more pictures are masks of images that the project has than are photographs.

    One of few values alone tells little: a tile that is blank looks like a mask of one class. Nor do masks
    tell that are sure by where they are: what lies outside their folder is rather none.
    """
    found = sum(isinstance(one.as_mask, CheckedImage) for one in checked)
    photographs = sum(one.file.mask not in alone and not one.may_be_mask for one in checked)
    return found > photographs


def _as_masks(
    checked: Sequence[CheckedImage], left_open: Mapping[str, str], nameless: str
) -> tuple[list[CheckedImage], list[Problem]]:
    """Take every picture that may be a mask for one; return what they are, and why others are not used."""
    told: list[CheckedImage] = []
    problems: list[Problem] = []
    for one in sorted(checked, key=lambda one: natural_order(one.file.path)):
        if isinstance(one.as_mask, Problem):
            problems.append(one.as_mask)
        elif one.as_mask is not None:
            told.append(one.as_mask)
        elif one.may_be_mask:
            problems.append(Problem(one.file.path, left_open.get(one.file.path, nameless)))
        else:
            told.append(one)
    return told, problems


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


def _becomes(
    one: CheckedImage, split: str, masks_as: MasksAs, manifest: Manifest | None
) -> MaskBecomes | None:
    if one.mask_kind is None:
        return None
    if masks_as == "truth":
        return "truth"
    if manifest is not None and one.file.mask in manifest.label_maps:
        return "draft" if one.file.mask in manifest.drafts else "label"
    return "truth" if split == "excluded" else "label"


def _planned(
    one: CheckedImage,
    group: str | None,
    split: str,
    masks_as: MasksAs,
    manifest: Manifest | None,
    known: _Known | None,
    meaning: MaskMeaning,
) -> PlannedImage:
    mask = one.file.mask
    author = manifest.authors.get(str(mask), AUTHOR) if manifest else AUTHOR
    becomes = _becomes(one, split, masks_as, manifest)
    present = present_label(known.workspace, known.image) if known and becomes else None
    draft = _planned_draft(one.draft, manifest) if manifest and becomes == "label" else None
    left_out, over_label = None, False
    if known and becomes == "truth" and known.image.truth_blob is not None:
        becomes = None
    elif known and becomes and becomes != "truth" and present:
        values = value_counts(one, meaning)
        if mask is not None and not was_brought(known.workspace, known.image, author, becomes, values):
            left_out = LeftOutMask(mask, present)
        elif draft and not was_brought(known.workspace, known.image, draft.author, "draft"):
            # An import that was stopped has brought the label alone, or one of an export without drafts.
            over_label = _is_newest(known.image)
            left_out = None if over_label else LeftOutMask(draft.path, present)
        becomes = None
    is_exported = manifest is not None and one.file.path in manifest.groups
    # Where an image is that somebody has labelled, drawn for the audit or taken out is no import's business.
    if known and not (becomes and known.image.split == "pool" and not present):
        split = known.image.split
    elif becomes != "label" and split == "train":
        split = "pool"
    elif becomes == "label" and split == "pool":
        split = "train"
    elif becomes is None and split == "audit" and not is_exported:
        split = "pool"
    blind = manifest is None or mask not in manifest.with_suggestion
    if draft and over_label:
        mask, becomes, author, blind, draft = draft.path, "draft", draft.author, draft.blind, None
    return PlannedImage(
        path=one.file.path,
        name=one.file.path if manifest is None else manifest.names.get(one.file.path, one.file.path),
        content_hash=one.content_hash,
        width=one.image.width,
        height=one.image.height,
        split=split,
        is_measure=(
            manifest is not None
            and split == "excluded"
            and not manifest.measures.isdisjoint((one.file.path, str(one.file.mask)))
        ),
        group=group,
        mask=mask if becomes else None,
        mask_becomes=becomes,
        author=author,
        blind=blind,
        draft=draft if becomes else None,
        over_label=over_label,
        rotated=one.image.rotated,
        note=one.image.note,
        known=known is not None,
        left_out=left_out,
    )


def _is_newest(info: ImageInfo) -> bool:
    """Tell whether an image has a label and nothing was saved on top of it."""
    return 0 < info.labelled_revision == info.revision


def _planned_draft(path: str | None, manifest: Manifest) -> PlannedDraft | None:
    if path is None:
        return None
    return PlannedDraft(path, manifest.authors.get(path, AUTHOR), path not in manifest.with_suggestion)


def _require_classes(workspace: Workspace, project_id: int, plan: ImportPlan) -> None:
    needed = {
        value
        for of_kind in plan.meaning.values.values()
        for value in of_kind.values()
        if value < NOT_LABELLED
    }
    present = len(projects.classes(workspace, project_id))
    if plan.masks and needed and max(needed) >= present:
        raise InvalidInput(
            f"The masks use {max(needed) + 1} classes, but the project has {present}. Add the "
            "missing classes, or check the source again for this project."
        )


@contextlib.contextmanager
def _saying_how_far(whole: Callable[[], int], of: int) -> Iterator[None]:
    """Let an error that ends an import say how many images are in, and what brings the rest.

    Raises:
        DiskFull: The block raised it.
        WorkspaceError: Likewise.
    """
    try:
        yield
    except (DiskFull, WorkspaceError) as error:
        are = "image is" if of == 1 else "images are"
        kept = (
            f"{whole():,} of {of:,} {are} in and complete; the same source, imported again, brings the rest"
        )
        if isinstance(error, DiskFull):
            raise DiskFull(error.where, kept) from error
        if isinstance(error, WorkspaceBusy):
            raise WorkspaceBusy(error.where, error.waited_s, kept) from error
        raise WorkspaceError(f"{error} {kept}.") from error


def _why_not_added(error: QualmError) -> str:
    """Say why an image or its label was refused, to somebody who imports and does not label."""
    if isinstance(error, LabelConflict):
        return (
            f"{error.author or 'Someone'} saved a label map of its image in the meantime, so this mask is "
            "left out."
        )
    if isinstance(error, LeaseLost):
        return (
            f"{error.held_by or 'Someone'} is working on this image now, so its label map is left out. "
            "Import the same source again later: one that is still missing comes in then."
        )
    return str(error)


def _add(workspace: Workspace, project_id: int, prepared: PreparedImage) -> int | None:
    entry, image = prepared.entry, prepared.image
    if image is None or prepared.blob is None:
        return None
    return images.add_image(
        workspace,
        project_id,
        name=entry.name,
        content_hash=entry.content_hash,
        blob=prepared.blob,
        media_type=image.media_type,
        width=image.width,
        height=image.height,
        split=entry.split,
        excluded_from="audit" if entry.is_measure else None,
        group=entry.group,
        truth_blob=prepared.truth_blob,
        source=prepared.source,
    )
