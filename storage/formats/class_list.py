"""Class lists that come with a dataset: ``dataset.json``, ``classes.json`` and colour tables."""

from __future__ import annotations

import dataclasses
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from storage.errors import InvalidInput
from storage.formats.image_file import IMAGE_SUFFIXES
from storage.formats.layout import SPLIT_FOLDERS
from storage.formats.masks import ColouredClass, colour_number, read_colour_table
from storage.projects import ClassSpec
from storage.schema import MAX_CLASSES

JSON_NAMES = ("dataset.json", "classes.json")
TABLE_NAMES = ("label_colors.txt", "label_colours.txt", "label_color.txt", "labelmap.txt", "class_dict.csv")

_VOID_NAMES = {"void", "ignore", "ignored", "unlabelled", "unlabeled", "don't care"}


@dataclass(frozen=True)
class SourceClass:
    """A class as the dataset has it."""

    name: str
    index: int | None
    """Its value in index masks."""
    colour: int | None
    """Its colour in RGB masks, ``0xRRGGBB``."""
    hotkey: str | None = None
    archived: bool = False
    exported: bool = False
    """An export has written it: 255 alone is void there, whatever a class is called."""

    @property
    def is_void(self) -> bool:
        """Tell whether its name says that its pixels are to be ignored."""
        return not self.exported and self.name.casefold() in _VOID_NAMES


@dataclass(frozen=True)
class ClassList:
    """What a dataset says about its classes and splits."""

    origin: str
    """Where it was read, for sentences."""
    classes: tuple[SourceClass, ...]
    void_index: int | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    """Split of an image by its stem, where the dataset lists them."""
    is_colour_table: bool = False
    """Colours, not indices, say which class a palette PNG means."""
    is_names_only: bool = False
    """Names in their order: nothing says which index of a mask means which."""
    other_colours: frozenset[int] = frozenset()
    """Colours in masks that mean classes which are not among these."""


CAMVID = ClassList(
    "the CamVid layout",
    tuple(
        SourceClass(name, index, colour)
        for index, (name, colour) in enumerate(
            [
                ("sky", 0x808080),
                ("building", 0x800000),
                ("pole", 0xC0C080),
                ("road", 0x804080),
                ("pavement", 0x3C28DE),
                ("tree", 0x808000),
                ("signsymbol", 0xC08080),
                ("fence", 0x404080),
                ("car", 0x400080),
                ("pedestrian", 0x404000),
                ("bicyclist", 0x0080C0),
            ]
        )
    ),
    void_index=11,
)
"""The 11 classes of the widely used copy of CamVid, with the colours of the original."""


def find_class_list(paths: Sequence[str]) -> str | None:
    """Return the path of the class list nearest to the root, colour tables before JSON; None without one."""
    for names in (TABLE_NAMES, JSON_NAMES):
        found = [path for path in paths if PurePosixPath(path).name.lower() in names]
        if found:
            return min(found, key=lambda path: path.count("/"))
    return None


def read_class_list(path: str, data: bytes) -> ClassList:
    """Read a class list file.

    Raises:
        InvalidInput: It cannot be understood, names over 254 classes, or names one twice.
    """
    name = PurePosixPath(path).name
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8 text. Save it as UTF-8.") from error
    class_list = (
        _from_json(name, text)
        if name.lower().endswith(".json")
        else class_list_of_table(read_colour_table(text), name)
    )
    names = {source.name.casefold() for source in class_list.classes if not source.is_void}
    if len(names) > MAX_CLASSES:
        raise InvalidInput(
            f"{name} names {len(names)} classes; a project holds at most {MAX_CLASSES}. Merge or remove some."
        )
    return class_list


def class_list_of_table(rows: Sequence[ColouredClass], origin: str) -> ClassList:
    """Return a colour table as a class list; the line number is the index, as in CVAT."""
    return ClassList(
        origin,
        tuple(SourceClass(row.name, index, row.colour) for index, row in enumerate(rows)),
        is_colour_table=True,
    )


def given_class_list(given: Sequence[ClassSpec], of_source: ClassList | None) -> ClassList:
    """Return the classes that a person gives, in the order of their indices, as a class list.

    The list of the source says the splits, and which colours of masks mean what: void, classes of the same
    names, whatever colour is given for them, and classes that are not given. A colour given for a class that
    it does not name is that of masks, too.
    """
    origin = "the class names given"
    rows = [one for one in (of_source.classes if of_source else ()) if one.colour is not None]
    colour_of = {one.name.casefold(): one.colour for one in rows if not one.is_void}
    classes = tuple(
        SourceClass(
            one.name,
            index,
            colour_of.get(one.name.casefold()) if one.colour is None else colour_number(one.colour),
        )
        for index, one in enumerate(given)
    )
    names = {one.name.casefold() for one in classes}
    own_colours = {one.colour for one in classes if one.name.casefold() not in colour_of}
    splits = of_source.splits if of_source else {}
    if of_source is not None and rows:
        found = "their colours in masks from" if names & colour_of.keys() else "none of which is in"
        origin += f", {found} {of_source.origin}"
    if own_colours <= {None} and names.isdisjoint(colour_of):
        # Void alone would make a label of every mask.
        return ClassList(origin, classes, splits=splits, is_names_only=True)
    of_masks = [one for one in rows if one.is_void or one.name.casefold() in names]
    others = {one.colour for one in rows if one not in of_masks and one.colour is not None}
    return ClassList(
        origin,
        (*classes, *(dataclasses.replace(one, index=None) for one in of_masks)),
        splits=splits,
        is_names_only=True,
        other_colours=frozenset(others - own_colours),
    )


def _from_json(name: str, text: str) -> ClassList:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{name} is not valid JSON ({error}). Correct it or take it out.") from error
    rows = content.get("classes") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        raise InvalidInput(f'{name} has no list "classes". Add one, such as ["road", "sky"], or take it out.')
    classes = tuple(_from_row(name, index, row) for index, row in enumerate(rows))
    seen: set[str] = set()
    for source in classes:
        if source.name.casefold() in seen:
            raise InvalidInput(f"Two classes in {name} are both named {source.name}. Rename one of them.")
        seen.add(source.name.casefold())
    void_index = content.get("ignore_index") if isinstance(content, dict) else None
    splits: dict[str, str] = {}
    listed = content.get("splits") if isinstance(content, dict) else None
    for split, names in listed.items() if isinstance(listed, dict) else ():
        if (ours := SPLIT_FOLDERS.get(str(split).lower())) and isinstance(names, list):
            splits |= {_listed_stem(str(listed_name)): ours for listed_name in names}
    return ClassList(
        name,
        classes,
        void_index if isinstance(void_index, int) else None,
        splits,
        is_names_only=all(isinstance(row, str) for row in rows),
    )


def _listed_stem(name: str) -> str:
    """Return the stem of an image that is listed with its suffix or without, as paths of a source have it."""
    path = PurePosixPath(unicodedata.normalize("NFC", name))
    # Names that are listed without a suffix may hold dots.
    return (path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name).casefold()


def _from_row(name: str, index: int, row: Any) -> SourceClass:
    if isinstance(row, str) and row.strip():
        return SourceClass(row.strip(), index, None)
    if isinstance(row, dict) and isinstance(row.get("name"), str) and row["name"].strip():
        colour = row.get("colour", row.get("color"))
        if not (isinstance(colour, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", colour)):
            colour = None
        own_index = row.get("index", row.get("id", index))
        return SourceClass(
            row["name"].strip(),
            own_index if isinstance(own_index, int) else index,
            None if colour is None else colour_number(colour),
            row.get("hotkey") if isinstance(row.get("hotkey"), str) else None,
            archived=row.get("archived") is True,
            # No other tool says whether a class is archived.
            exported="archived" in row,
        )
    raise InvalidInput(f"Class {index} in {name} has no name. Give it one.")
