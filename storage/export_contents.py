"""What an export writes: label maps, images and their sources, each named in a row of the manifest."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from storage import VERSION, labels, projects, rounds
from storage.errors import InvalidLabelMap, NotFound, WorkspaceError
from storage.export_target import ExportTarget
from storage.file_stems import file_stems
from storage.formats.image_file import IMAGE_SUFFIXES
from storage.formats.manifest import MANIFEST_NAME, TOOL
from storage.formats.masks import colour_number
from storage.images import ImageInfo, SourceFile
from storage.in_parallel import OnProgress
from storage.labels import LabelInfo
from storage.projects import ClassInfo, ProjectInfo
from storage.schema import NOT_LABELLED, VOID
from storage.workspace import Workspace

_VOID_COLOUR = 0xE0E0C0
_NOT_LABELLED_COLOUR = 0x404040
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
_Read = TypeVar("_Read")


class ExportContents:
    """The files of one export.

    Attributes:
        rows: What the manifest says of each image that something was written of.
        lost: What was left out because its file is missing or damaged, a sentence each.
    """

    def __init__(
        self,
        workspace: Workspace,
        project: ProjectInfo,
        revisions: Mapping[int, int],
        *,
        include_images: bool,
        not_labelled_as: int,
    ) -> None:
        """Read what all files need.

        Args:
            workspace: The workspace.
            project: The project.
            revisions: Which label map of each image is written, by the image's id; 0 for none.
            include_images: Write images and the files they came from, too.
            not_labelled_as: What a pixel that is not labelled becomes.
        """
        self.rows: list[dict[str, Any]] = []
        self.lost: list[str] = []
        self._workspace = workspace
        self._project = project
        self._revisions = revisions
        self._include_images = include_images
        self._not_labelled_as = not_labelled_as
        self._classes = projects.classes(workspace, project.id)
        self._palette = _palette(self._classes)
        self._round_numbers = {info.id: info.number for info in rounds.history(workspace, project.id)}

    def write(self, out: ExportTarget, chosen: Sequence[ImageInfo], progress: OnProgress | None) -> None:
        """Write all files of the chosen images, then the class list and the manifest.

        Raises:
            WorkspaceError: Not one label map can be read.
            OSError: A file cannot be written.
        """
        places = sorted(zip(file_stems(chosen), chosen, strict=True), key=lambda one: (one[1].split, one[0]))
        for done, (stem, info) in enumerate(places, start=1):
            files = self._write_images(out, info, stem) if self._include_images else {}
            files |= self._write_label_maps(out, info, f"{info.split}/{stem}.png")
            if files:
                self.rows.append(_image_row(info) | files)
            if progress is not None:
                progress(done, len(places), info.name)
        if not any("label_map" in row for row in self.rows):
            raise WorkspaceError(f"Not one label map of {self._project.name} can be read. {self.lost[0]}")
        class_rows = [_class_row(info) for info in self._classes]
        manifest = {
            "tool": TOOL,
            "version": VERSION,
            "project": self._project.name,
            "values": {"void": VOID, "not_labelled": self._not_labelled_as},
            "classes": class_rows,
            "images": self.rows,
            **({"left_out": self.lost} if self.lost else {}),
        }
        out.write("classes.json", _json(class_rows))
        out.write(MANIFEST_NAME, _json(manifest))

    def _write_images(self, out: ExportTarget, info: ImageInfo, stem: str) -> dict[str, Any]:
        """Write an image and the file it was imported from; return what the manifest says of both."""
        blobs, row = self._workspace.blobs, {}
        pixels = self._read_or_lost(f"The image {info.name}", blobs.get, info.blob)
        if pixels is not None:
            row["image"] = f"images/{info.split}/{stem}{_SUFFIXES[info.media_type]}"
            out.write(row["image"], pixels)
        if info.source is not None:
            what = f"The file that {info.name} was imported from"
            source = self._read_or_lost(what, blobs.get, info.source.blob)
            if source is not None:
                row["source"] = f"sources/{info.split}/{stem}{_source_suffix(info.name, info.source)}"
                out.write(row["source"], source)
        return row

    def _write_label_maps(self, out: ExportTarget, info: ImageInfo, place: str) -> dict[str, Any]:
        """Write the label map of an image, and the submitted one where a draft has its place.

        Returns:
            What the manifest says of them.
        """
        revision, submitted = self._revisions[info.id], info.labelled_revision
        row = self._write_label_map(out, f"label_maps/{place}", info, revision) if revision else {}
        if 0 < submitted < revision:
            if not row:
                return self._write_label_map(out, f"label_maps/{place}", info, submitted)
            if beside := self._write_label_map(out, f"submitted/{place}", info, submitted):
                row["submitted"] = beside
        return row

    def _write_label_map(
        self, out: ExportTarget, place: str, info: ImageInfo, revision: int
    ) -> dict[str, Any]:
        what = f"Revision {revision} of the label map of {info.name}"
        found = self._read_or_lost(what, labels.read, self._workspace, info.id, revision)
        if found is None:
            return {}
        label_map, _ = found
        history = [one for one in labels.history(self._workspace, info.id) if one.revision <= revision]
        data = _index_png(label_map, self._palette, self._not_labelled_as)
        out.write(place, data)
        sha256 = hashlib.sha256(data).hexdigest()
        return {"label_map": place, "label_map_sha256": sha256, **_provenance(history, self._round_numbers)}

    def _read_or_lost(self, what: str, read: Callable[..., _Read], *of: object) -> _Read | None:
        try:
            return read(*of)
        except (NotFound, InvalidLabelMap, OSError) as error:
            self.lost.append(f"{what} is left out. {error}")
            return None


def _image_row(info: ImageInfo) -> dict[str, Any]:
    row = {
        "name": info.name,
        "split": info.split,
        "group": info.group,
        "width": info.width,
        "height": info.height,
        "source_sha256": info.content_hash,
        "image_sha256": info.blob,
    }
    if info.split == "excluded" and info.is_audit:
        row["excluded_from"] = "audit"
    return row


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


def _provenance(history: Sequence[LabelInfo], round_numbers: Mapping[int, int]) -> dict[str, Any]:
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
