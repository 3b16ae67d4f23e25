"""Export of label maps as index PNGs with a class list and a manifest, as a folder or a zip file.

::

    classes.json                     index, name, colour, hotkey and whether it is archived
    manifest.json                    tool, values, for each image where its label map comes from, and what
                                     was left out because its file is lost
    label_maps/<split>/<stem>.png    index PNG with the palette of the project's colours
    submitted/<split>/<stem>.png     the one that was submitted, where a draft has its place
    images/<split>/<stem>.<ext>      on request
    sources/<split>/<stem>.<ext>     with them: the imported file where its image lost depth or channels

The same project gives the same bytes: entries are sorted, nothing holds the time, and files in a zip file
carry a fixed one. An import reads the result back exactly where pixels that are not labelled are kept apart
from void, or there are none.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from sqlalchemy import func, select, true
from sqlalchemy.exc import SQLAlchemyError

from storage import VERSION, events, images, labels, projects, rounds
from storage.errors import InvalidInput, InvalidLabelMap, NotFound, QualmError, WorkspaceError
from storage.files import file_error, fsync_folder, given_path
from storage.formats.image_file import IMAGE_SUFFIXES
from storage.formats.manifest import MANIFEST_NAME, TOOL
from storage.formats.masks import colour_number
from storage.images import ImageInfo, SourceFile
from storage.in_parallel import OnProgress
from storage.labels import LabelInfo
from storage.new_folders import new_folder, place_of_new_folder, remove_abandoned, unfinished_folder
from storage.projects import ClassInfo
from storage.schema import NOT_LABELLED, VOID, Image
from storage.wording import count_of
from storage.workspace import Workspace

log = logging.getLogger("qualm.exporting")

_WRITER = "an export"
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_VOID_COLOUR = 0xE0E0C0
_NOT_LABELLED_COLOUR = 0x404040
_LONGEST_STEM_BYTES = 180
_MOST_NAMED = 20
"""So many of what was left out are named in a report; the manifest names all."""
_RESERVED = re.compile(
    r"^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?=\s*(?:\.|$))", re.IGNORECASE
)
"""What Windows takes for a device, whatever ending follows."""
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote."""

    path: Path
    label_maps: int
    images: int
    drafts: int
    """Label maps that nobody has submitted yet."""
    drafts_left_out: int
    """Images with a draft that is newer than what was exported of them, if anything was."""
    lost: tuple[str, ...] = ()
    """What was left out because its file is missing or damaged, a sentence each."""

    def report(self) -> list[str]:
        """Return the result in sentences."""
        beside = f" and {count_of(self.images, 'image')}" if self.images else ""
        lines = [f"{count_of(self.label_maps, 'label map')}{beside} written to {self.path}."]
        if self.drafts:
            are = "is a draft" if self.drafts == 1 else "are drafts"
            lines.append(f"{self.drafts:,} of them {are}; the manifest says which.")
        if self.drafts_left_out:
            have = (
                "1 image has a draft"
                if self.drafts_left_out == 1
                else f"{self.drafts_left_out:,} images have drafts"
            )
            lines.append(f"{have} that nobody has submitted; drafts are left out.")
        lines += self.lost[:_MOST_NAMED]
        if len(self.lost) > _MOST_NAMED:
            lines.append(f"{len(self.lost) - _MOST_NAMED:,} more are left out; the manifest names them all.")
        return lines


_Read = TypeVar("_Read")


class _Target(Protocol):
    def write(self, path: str, data: bytes) -> None: ...


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, path: str, data: bytes) -> None:
        place = self._root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def write(self, path: str, data: bytes) -> None:
        entry = zipfile.ZipInfo(path, _FIXED_TIME)
        entry.create_system = 3
        entry.external_attr = 0o644 << 16
        # Images are compressed already.
        entry.compress_type = zipfile.ZIP_DEFLATED if path.endswith(".json") else zipfile.ZIP_STORED
        self._archive.writestr(entry, data)


def export_project(
    workspace: Workspace,
    project_id: int,
    target: str | Path,
    *,
    include_images: bool = False,
    drafts: bool = False,
    not_labelled_as: int = VOID,
    replace: bool = False,
    actor: str = "export",
    progress: OnProgress | None = None,
) -> ExportResult:
    """Write the newest submitted label map of every image to a new folder or ``.zip`` file.

    These are the label maps that rounds learn from. It appears under its name only when it is complete, and
    is then whole even if the journal cannot be written. What the workspace has lost, or has damaged, is left
    out and named; what was submitted stands in for a draft that is.

    Args:
        workspace: The workspace.
        project_id: The project.
        target: A path that ends in ``.zip``, or a folder that does not exist or is empty, or a link to one.
        include_images: Write the upright images too, those without labels as well, and the imported files
            of those that lost depth or channels.
        drafts: Write a draft in the place of the label map that was submitted before it, or of none; then
            the submitted one lies in a folder of its own.
        not_labelled_as: What a pixel that is not labelled becomes: 255, as training code expects, or 254
            to keep it apart from void.
        replace: Take the place of an older ``.zip`` file.
        actor: Who did it, for the journal.
        progress: Called after each image.

    Raises:
        InvalidInput: The target exists and is not an empty folder, is where a disk begins, lies in the
            workspace outside of its folder ``exports``, or is no path; nothing is labelled; or
            ``not_labelled_as`` is neither 254 nor 255.
        NotFound: There is no such project.
        DiskFull: There is no space; nothing is left behind.
        WorkspaceError: The target cannot be written, or not one label map can be read.
    """
    if not_labelled_as not in (NOT_LABELLED, VOID):
        raise InvalidInput("Pixels that are not labelled can become 254 or 255, nothing else.")
    path = given_path(target).absolute()
    is_zip = path.suffix.lower() == ".zip"
    is_new = not (replace and is_zip)
    if not is_zip:
        path = place_of_new_folder(path, _WRITER)
    elif is_new:
        _refuse_existing(path)
    _refuse_own_folders(workspace, path)
    project = projects.get_project(workspace, project_id)
    everything = images.list_images(workspace, project.id)
    revisions = {info.id: _exported_revision(workspace, info, drafts) for info in everything}
    chosen = [info for info in everything if revisions[info.id] or include_images]
    left_out = [info for info in everything if not drafts and info.revision > info.labelled_revision]
    drafts_left_out = sum(
        _exported_revision(workspace, info, drafts=True) > info.labelled_revision for info in left_out
    )
    if not any(revisions.values()):
        if drafts_left_out:
            raise InvalidInput(
                f"Nobody has submitted a label map of {project.name} yet. Submit some, or export the drafts "
                "too: --drafts on the command line, “Drafts too” on the Project page."
            )
        raise InvalidInput(f"No image of {project.name} is labelled yet. Label some and submit, then export.")
    classes = projects.classes(workspace, project.id)
    numbers = {info.id: info.number for info in rounds.history(workspace, project.id)}
    palette = _palette(classes)
    rows: list[dict[str, Any]] = []
    lost: list[str] = []

    def read_or_lost(what: str, read: Callable[..., _Read], *of: object) -> _Read | None:
        try:
            return read(*of)
        except (NotFound, InvalidLabelMap, OSError) as error:
            lost.append(f"{what} is left out. {error}")
            return None

    def write_label_map(out: _Target, place: str, info: ImageInfo, revision: int) -> dict[str, Any]:
        what = f"Revision {revision} of the label map of {info.name}"
        found = read_or_lost(what, labels.read, workspace, info.id, revision)
        if found is None:
            return {}
        label_map, _ = found
        history = [one for one in labels.history(workspace, info.id) if one.revision <= revision]
        data = _index_png(label_map, palette, not_labelled_as)
        out.write(place, data)
        sha256 = hashlib.sha256(data).hexdigest()
        return {"label_map": place, "label_map_sha256": sha256, **_provenance(history, numbers)}

    def write_all(out: _Target) -> None:
        places = sorted(zip(_stems(chosen), chosen, strict=True), key=lambda one: (one[1].split, one[0]))
        for done, (stem, info) in enumerate(places, start=1):
            row: dict[str, Any] = {
                "name": info.name,
                "split": info.split,
                "group": info.group,
                "width": info.width,
                "height": info.height,
                "source_sha256": info.content_hash,
                "image_sha256": info.blob,
            }
            if info.split == "excluded" and info.is_measure:
                row["excluded_from"] = "audit"
            if include_images:
                pixels = read_or_lost(f"The image {info.name}", workspace.blobs.get, info.blob)
                if pixels is not None:
                    row["image"] = f"images/{info.split}/{stem}{_SUFFIXES[info.media_type]}"
                    out.write(row["image"], pixels)
                if info.source is not None:
                    what = f"The file that {info.name} was imported from"
                    source = read_or_lost(what, workspace.blobs.get, info.source.blob)
                    if source is not None:
                        row["source"] = f"sources/{info.split}/{stem}{_source_suffix(info.name, info.source)}"
                        out.write(row["source"], source)
            place = f"{info.split}/{stem}.png"
            if revisions[info.id]:
                row |= write_label_map(out, f"label_maps/{place}", info, revisions[info.id])
            if 0 < info.labelled_revision < revisions[info.id]:
                if "label_map" not in row:
                    row |= write_label_map(out, f"label_maps/{place}", info, info.labelled_revision)
                elif submitted := write_label_map(out, f"submitted/{place}", info, info.labelled_revision):
                    row["submitted"] = submitted
            if row.keys() & {"label_map", "image", "source"}:
                rows.append(row)
            if progress is not None:
                progress(done, len(places), info.name)
        if not any("label_map" in row for row in rows):
            raise WorkspaceError(f"Not one label map of {project.name} can be read. {lost[0]}")
        out.write("classes.json", _json([_class_row(info) for info in classes]))
        out.write(
            MANIFEST_NAME,
            _json(
                {
                    "tool": TOOL,
                    "version": VERSION,
                    "project": project.name,
                    "values": {"void": VOID, "not_labelled": not_labelled_as},
                    "classes": [_class_row(info) for info in classes],
                    "images": rows,
                    **({"left_out": lost} if lost else {}),
                }
            ),
        )

    for downloads in (workspace.path / "exports").glob("*/"):
        remove_abandoned(downloads)
    try:
        if is_zip:
            _write_zip(path, write_all, is_new)
        else:
            _write_folder(path, write_all)
    except OSError as error:
        raise file_error(error, path) from error
    result = ExportResult(
        path,
        label_maps=sum("label_map" in row for row in rows),
        images=sum("image" in row for row in rows),
        drafts=sum(row.get("status") == "draft" for row in rows),
        drafts_left_out=drafts_left_out,
        lost=tuple(lost),
    )
    try:
        with workspace.database.writing() as session:
            events.record(
                session, project.id, actor, "export", label_maps=result.label_maps, target=str(path)
            )
    except (QualmError, SQLAlchemyError):
        # The export is in its place, perhaps on another disk than a full one that holds the journal.
        log.exception("the journal lacks the export to %s", path)
    return result


def state_to_export(
    workspace: Workspace, project_id: int, *, drafts: bool = False, include_images: bool = True
) -> tuple[object, ...]:
    """Return what differs once an export would: label maps (``drafts`` when wanted), splits, classes."""
    revision = Image.revision if drafts else Image.labelled_revision
    query = (
        select(Image.split, func.count(), func.sum(revision), func.sum(Image.id))
        .where(Image.project_id == project_id, true() if include_images else revision > 0)
        .group_by(Image.split)
        .order_by(Image.split)
    )
    with workspace.database.reading() as session:
        splits = [tuple(row) for row in session.execute(query)]
    return *splits, *projects.classes(workspace, project_id)


def _exported_revision(workspace: Workspace, info: ImageInfo, drafts: bool) -> int:
    """Return which label map of an image is exported, 0 for none."""
    if not drafts or info.revision == info.labelled_revision:
        return info.labelled_revision
    # Someone painted and took all of it back.
    is_empty = labels.history(workspace, info.id)[0].labelled_share == 0
    return info.labelled_revision if is_empty else info.revision


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise InvalidInput(
            f"{path} exists already, and {_WRITER} never overwrites. Choose another name, or move it away."
        )


def _refuse_own_folders(workspace: Workspace, path: Path) -> None:
    """Refuse a target among the workspace's own files, which are removed once nothing names them."""
    own, place = workspace.path.resolve(), path.resolve()
    if place.is_relative_to(own) and not place.is_relative_to(own / "exports"):
        raise InvalidInput(
            f"{path} lies in the workspace, among files that Qualm itself removes. Choose a place outside of "
            f"{workspace.path}."
        )


def _write_zip(path: Path, write_all: Callable[[_Target], None], is_new: bool) -> None:
    with unfinished_folder(path.parent) as folder:
        temporary = folder / "export.zip"
        with temporary.open("xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                write_all(_Zip(archive))
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        if is_new:
            _refuse_existing(path)
        os.replace(temporary, path)
    fsync_folder(path.parent)


def _write_folder(path: Path, write_all: Callable[[_Target], None]) -> None:
    with new_folder(path, _WRITER) as temporary:
        write_all(_Folder(temporary))
        temporary.chmod(0o755)
        for folder, _, _ in os.walk(temporary):
            fsync_folder(Path(folder))
    fsync_folder(path.parent)


def _stems(chosen: Sequence[ImageInfo]) -> list[str]:
    """Return a file stem for each image: short, allowed on every system, unique without regard to case."""
    plain = [_file_stem(PurePosixPath(info.name).stem) for info in chosen]
    often = Counter((info.split, stem.casefold()) for info, stem in zip(chosen, plain, strict=True))
    with_folder = [
        _file_stem(str(PurePosixPath(info.name).parent / PurePosixPath(info.name).stem))
        if often[info.split, stem.casefold()] > 1
        else stem
        for info, stem in zip(chosen, plain, strict=True)
    ]
    still_often = Counter(
        (info.split, stem.casefold()) for info, stem in zip(chosen, with_folder, strict=True)
    )
    return [
        f"{stem}-{info.content_hash[:12]}" if still_often[info.split, stem.casefold()] > 1 else stem
        for info, stem in zip(chosen, with_folder, strict=True)
    ]


def _file_stem(text: str) -> str:
    clean = re.sub(r'[\x00-\x1f<>:"|?*\\/]', "_", unicodedata.normalize("NFC", text)).rstrip(". ") or "_"
    clean = _RESERVED.sub(r"\g<0>_", clean)
    encoded = clean.encode()
    if len(encoded) <= _LONGEST_STEM_BYTES:
        return clean
    # File systems allow 255 bytes, which 200 letters outside ASCII exceed.
    cut = encoded[: _LONGEST_STEM_BYTES - 13].decode(errors="ignore")
    return f"{cut}-{hashlib.sha256(encoded).hexdigest()[:12]}"


def _source_suffix(name: str, source: SourceFile) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    of_type = ".png" if source.media_type == "image/png" else ".tif"
    return suffix if suffix in IMAGE_SUFFIXES else of_type


def _palette(classes: Sequence[ClassInfo]) -> bytes:
    colours = [0] * 256
    for info in classes:
        colours[info.index] = colour_number(info.colour)
    colours[NOT_LABELLED], colours[VOID] = _NOT_LABELLED_COLOUR, _VOID_COLOUR
    return b"".join(colour.to_bytes(3, "big") for colour in colours)


def _index_png(label_map: NDArray[np.uint8], palette: bytes, not_labelled_as: int) -> bytes:
    indices = np.where(label_map == NOT_LABELLED, np.uint8(not_labelled_as), label_map)
    image = Picture.fromarray(indices)
    image.putpalette(palette)
    buffer = io.BytesIO()
    # The palette has all 256 colours, so every pixel takes 8 bits; not all readers know fewer.
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _provenance(history: Sequence[LabelInfo], round_numbers: dict[int, int]) -> dict[str, Any]:
    newest = history[0]
    return {
        "revision": newest.revision,
        "status": newest.status,
        "author": newest.author,
        "labelled_share": newest.labelled_share,
        "seconds_spent": sum(info.seconds_spent for info in history),
        "blind": newest.blind,
        "round_shown": None if newest.round_shown_id is None else round_numbers.get(newest.round_shown_id),
    }


def _class_row(info: ClassInfo) -> dict[str, Any]:
    return {
        "index": info.index,
        "name": info.name,
        "colour": info.colour,
        "hotkey": info.hotkey,
        "archived": info.archived,
    }


def _json(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
