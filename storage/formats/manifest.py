"""The manifest of an export: which name, label map, split and group each exported image has.

It speaks for the folder that it lies in. What a source holds beside that folder goes by names.
"""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from storage.errors import InvalidInput
from storage.formats.archives import Problem
from storage.formats.image_file import IMAGE_SUFFIXES
from storage.formats.layout import SPLIT_FOLDERS, ImageFile, Layout, find_layout, split_of_folders
from storage.schema import VOID

MANIFEST_NAME = "manifest.json"
TOOL = "Qualm"
"""Value of ``tool`` in a manifest that an export has written."""


@dataclass(frozen=True)
class Manifest:
    """What an export says about its images.

    Attributes:
        folder: Where it lies in the source; ``.`` for the root.
        images: With the label map and the split of each; none in an export of label maps alone.
        sources: By path of an image, that of the file it was imported from, which holds more than the image.
        names: Of the images in the project that was exported, by path of the image or its source.
        groups: Likewise; None for an image of no group.
        measures: Paths of the images that were excluded and would measure the model again if brought back,
            of their sources and of their label maps.
        label_maps: Of each label map by its path, the hash of the file that its image was imported from.
        drafts: Paths of the label maps that nobody has submitted.
        drafts_over: By path of a submitted label map, that of the draft that was painted over it since.
        authors: Who has painted each label map, by its path, as far as it is said.
        with_suggestion: Paths of the label maps whose painters have seen what a model suggests.
        filled: Paths of the label maps in which void stands for pixels, too, that were not labelled.
        same_pictures: Of each image, the hash of the file that it was imported from, and of that in which an
            export writes it, upright and with 8 bits.
    """

    folder: str
    images: tuple[ImageFile, ...]
    sources: Mapping[str, str]
    names: Mapping[str, str]
    groups: Mapping[str, str | None]
    measures: frozenset[str]
    label_maps: Mapping[str, str]
    drafts: frozenset[str]
    drafts_over: Mapping[str, str]
    authors: Mapping[str, str]
    with_suggestion: frozenset[str]
    filled: frozenset[str]
    same_pictures: tuple[tuple[str, str], ...]

    def is_labels_alone(self, paths: Sequence[str]) -> bool:
        """Tell whether the files are label maps of this export, without images."""
        pictures = {path for path in paths if path.lower().endswith(IMAGE_SUFFIXES)}
        return bool(pictures) and pictures <= self.label_maps.keys()

    def knows_any(self, paths: Sequence[str]) -> bool:
        """Tell whether any image or label map is where the export has put it."""
        return not self.label_maps.keys().isdisjoint(paths) or self.has_images(paths)

    def has_images(self, paths: Iterable[str]) -> bool:
        """Tell whether any image is where the export has put it."""
        return not self._image_paths.isdisjoint(paths)

    @cached_property
    def _image_paths(self) -> AbstractSet[str]:
        return {image.path for image in self.images} | set(self.sources.values())

    def is_inside(self, path: str) -> bool:
        """Tell whether a file lies in the folder that the manifest speaks for."""
        return self.folder == "." or path.startswith(f"{self.folder}/")

    def layout(self, paths: Sequence[str]) -> Layout:
        """Return what the manifest makes of the files that are there.

        Without any of its images the others go by their names, and may be those of its label maps. With them,
        images beside its folder come as well, and masks there do not: what the export says of its classes
        may be wrong for them.
        """
        present = set(paths)
        if not self.has_images(present):
            return self._layout_of_label_maps(paths)
        everything = [self._as_present(image, present) for image in self.images]
        images = [image for image in everything if image.path in present]
        alone = [
            ImageFile(image.mask, None, image.split)
            for image in everything
            if image.path not in present and image.mask is not None and image.mask in present
        ]
        problems = [
            Problem(image.path, f"The label map that {MANIFEST_NAME} names, {image.mask}, is not there.")
            for image in images
            if image.mask is not None and image.mask not in present
        ]
        images = [
            image if image.mask in present else ImageFile(image.path, None, image.split) for image in images
        ]
        named = self._image_paths | self.label_maps.keys()
        others = [path for path in paths if path not in named and self.is_inside(path)]
        nameless = tuple(
            Problem(path, f"{MANIFEST_NAME} does not name it; it is left out.")
            for path in others
            if path.lower().endswith(IMAGE_SUFFIXES)
        )
        problems += nameless
        beside = find_layout([path for path in paths if not self.is_inside(path)])
        masks = [image.mask for image in beside.images if image.mask is not None]
        masks += [mask.path for mask in beside.masks_alone]
        if masks:
            problems.append(
                Problem(
                    masks[0],
                    f"Masks beside the export in {self.folder} are left out ({len(masks):,}), since the "
                    "classes of the export may be others than theirs. Import them without that folder.",
                )
            )
        return Layout(
            (*images, *(ImageFile(image.path, None, image.split) for image in beside.images)),
            tuple(alone),
            tuple(problems),
            is_camvid=False,
            other_files=(
                *(path for path in others if not path.lower().endswith(IMAGE_SUFFIXES)),
                *beside.other_files,
            ),
            image_problems=nameless,
        )

    def _layout_of_label_maps(self, paths: Sequence[str]) -> Layout:
        # By names a draft is found, which has the place of what was submitted, and stands for both.
        submitted = {self.drafts_over[path]: path for path in paths if path in self.drafts_over}
        hidden = {submitted[path] for path in paths if path in submitted}
        found = find_layout([path for path in paths if path not in hidden])
        # The folder that a label map lies in says its split, be it the only one.
        of_export = [
            dataclasses.replace(one, split=split_of_folders(one.path))
            for one in found.images
            if one.path in self.label_maps
        ]
        alone = [*found.masks_alone, *of_export]
        return dataclasses.replace(
            found,
            images=tuple(
                dataclasses.replace(one, mask=submitted.get(str(one.mask), one.mask))
                for one in found.images
                if one.path not in self.label_maps
            ),
            masks_alone=tuple(
                dataclasses.replace(one, path=submitted.get(one.path, one.path)) for one in alone
            ),
        )

    def _as_present(self, image: ImageFile, present: AbstractSet[str]) -> ImageFile:
        """Return an image by the best of its files that are there.

        Its source is better than the picture of it, and what was submitted better than a draft over it.
        """
        source = self.sources.get(image.path)
        if source is not None and source in present:
            image = dataclasses.replace(image, path=source)
        draft = None if image.mask in present else self.drafts_over.get(str(image.mask))
        return dataclasses.replace(image, mask=draft) if draft in present else image


def _is_name(value: object) -> bool:
    """Tell whether an image may have a name as an export has written it; a changed one may hold anything."""
    if not isinstance(value, str) or len(value) > 1024 or not PurePosixPath(value).name:
        return False
    return not any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in value)


def find_manifest(paths: Sequence[str]) -> str | None:
    """Return the path of the manifest nearest to the root; None without one."""
    found = [path for path in paths if PurePosixPath(path).name == MANIFEST_NAME]
    return min(found, key=lambda path: path.count("/")) if found else None


def read_manifest(path: str, data: bytes) -> Manifest | None:
    """Read the manifest of an export; its paths are relative to where it is.

    Returns:
        None when another tool has written it.

    Raises:
        InvalidInput: An export has written it, but its list of images is damaged.
    """
    try:
        content = json.loads(data)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("tool") != TOOL:
        return None
    folder = PurePosixPath(path).parent
    try:
        everything: list[dict[str, Any]] = content["images"]
        row_of = {str(folder / row["label_map"]): row for row in everything if row.get("label_map")}
        drafts_over = {}
        for path, row in list(row_of.items()):
            if row.get("submitted"):
                submitted = str(folder / row["submitted"]["label_map"])
                row_of[submitted] = row | row["submitted"]
                drafts_over[submitted] = path
        submitted_below = {draft: submitted for submitted, draft in drafts_over.items()}
        label_maps = {path: str(row.get("source_sha256")) for path, row in row_of.items()}
        same_pictures = tuple(
            (str(row["source_sha256"]), str(row["image_sha256"]))
            for row in everything
            if row.get("source_sha256") and row.get("image_sha256")
        )
        rows = [row for row in everything if row.get("image")]
        masks = [str(folder / row["label_map"]) if row.get("label_map") else None for row in rows]
        images = tuple(
            ImageFile(
                str(folder / row["image"]),
                mask if mask is None else submitted_below.get(mask, mask),
                SPLIT_FOLDERS[row["split"]],
            )
            for row, mask in zip(rows, masks, strict=True)
        )
        sources = {
            str(folder / row["image"]): str(folder / row["source"]) for row in rows if row.get("source")
        }
        row_of_image = {image.path: row for image, row in zip(images, rows, strict=True)}
        row_of_image |= {source: row_of_image[image] for image, source in sources.items()}
        groups = {path: row["group"] for path, row in row_of_image.items()}
        is_filled = content.get("values", {}).get("not_labelled") == VOID
        return Manifest(
            str(folder),
            images,
            sources,
            {path: row["name"] for path, row in row_of_image.items() if _is_name(row["name"])},
            groups,
            measures=frozenset(
                path
                for path, row in [*row_of.items(), *row_of_image.items()]
                if row.get("excluded_from") == "audit"
            ),
            label_maps=label_maps,
            drafts=frozenset(path for path, row in row_of.items() if row.get("status") == "draft"),
            drafts_over=drafts_over,
            authors={path: str(row["author"]) for path, row in row_of.items() if row.get("author")},
            with_suggestion=frozenset(path for path, row in row_of.items() if row.get("blind") is False),
            filled=frozenset(
                path for path, row in row_of.items() if is_filled and row.get("labelled_share", 1) < 1
            ),
            same_pictures=same_pictures,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"The list of images in {path} is damaged. Export again, or take the file out to go by names."
        ) from error
