"""What the codes of masks mean as label map values, decided once for a whole dataset."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.errors import InvalidInput
from storage.formats.class_list import ClassList, SourceClass
from storage.formats.masks import MaskKind, colour_text
from storage.schema import MAX_CLASSES, NOT_LABELLED, VOID

_LARGEST_GAPLESS = 64
"""Indices found up to here become as many classes; beyond it, only indices found become classes."""
MOST_VALUES = 64
"""More of them that nothing names are no classes but greys."""

_RENAMED_LISTED = 3
"""Most classes that are asked about; of lists that have little in common, more would say nothing."""
_UNKNOWN_LISTED = 5


@dataclass(frozen=True)
class CodeCount:
    """How often a code occurs."""

    pixels: int
    masks: int

    @property
    def sentence(self) -> str:
        """Say how often, such as ``1,200 pixels in 3 masks``."""
        return f"{_pixels(self.pixels)} in " + ("1 mask" if self.masks == 1 else f"{self.masks:,} masks")


@dataclass(frozen=True)
class UnknownCode:
    """A code that no class has; its pixels come in as not labelled."""

    kind: MaskKind
    code: int
    count: CodeCount

    def __str__(self) -> str:
        """Say what it is and how often, such as ``index 7 (1,200 pixels in 3 masks)``."""
        return f"{_what(self.kind, self.code)} ({self.count.sentence})"


@dataclass(frozen=True)
class MaskMeaning:
    """Label map value of each code, and what was decided on the way."""

    values: Mapping[MaskKind, Mapping[int, int]]
    proposed: tuple[SourceClass, ...]
    """Classes to make, in the order of their new indices; empty when the project has classes."""
    unknown: tuple[UnknownCode, ...]
    notes: tuple[str, ...]


def decide_meaning(
    counts: Mapping[MaskKind, Mapping[int, CodeCount]],
    *,
    class_list: ClassList | None,
    project_classes: Sequence[SourceClass],
    palette: Sequence[int] = (),
) -> MaskMeaning:
    """Decide the label map value of every code found in the masks.

    Classes of the dataset meet those of the project by name; without any common name, by index. Without
    a class list the project's own indices and colours count; without a project's classes, what is found
    is proposed. 255, and what the class list says, mean void, 254 means not labelled, unless a class has that
    index. Masks that hold only 0 and 255 are a background and an object, unless the class list says more than
    two names.

    Raises:
        InvalidInput: More than 254 classes would be needed, or more than 64 indices are found that nothing
            names, or it cannot be told which class of the project 255 is.
    """
    indices, colours = counts.get("index", {}), counts.get("colour", {})
    notes: list[str] = []
    void = class_list.void_index if class_list else None
    reserved = {void, NOT_LABELLED, VOID}

    if class_list is not None:
        notes.append(f"The classes come from {class_list.origin}.")
    if set(indices) == {0, VOID} and (class_list is None or _names_two(class_list)):
        known = project_classes if class_list is None else _with_index(class_list)
        of_colours = [source for source in class_list.classes if source.index is None] if class_list else []
        sources: Sequence[SourceClass] = [*_binary_classes(known), *of_colours]
        notes.append(
            f"The masks hold only 0 and 255, so 0 is taken as the class {sources[0].name} and 255 as the "
            f"class {sources[1].name}, not as void."
        )
    elif class_list is not None:
        sources = class_list.classes
    elif project_classes:
        sources = project_classes
        # Where others of the kind hold 255 too, their 0 is the background.
        if set(indices) == {0} and any(_is_background(known) for known in project_classes[1:]):
            notes.append(
                f"The masks hold only 0, which is taken as index 0, the class {project_classes[0].name}, and "
                "not as background. Add one with 255 if these are of 0 and 255."
            )
    else:
        _refuse_greys(indices)
        sources = _found_indices(indices, reserved, palette) + _found_colours(colours)

    targets, proposed = _targets(sources, project_classes, void, notes)
    if len(proposed) > MAX_CLASSES:
        raise InvalidInput(
            f"{len(proposed)} different values were found in the masks; a project holds at most "
            f"{MAX_CLASSES} classes. Masks with soft edges or saved as photographs do "
            "this: add a label_colors.txt with one line “R G B name” for each class."
        )
    of_index: dict[int, int | None] = {NOT_LABELLED: NOT_LABELLED, VOID: VOID}
    of_index |= {s.index: value for s, value in zip(sources, targets, strict=True) if s.index is not None}
    if void is not None:
        of_index[void] = VOID
    of_colour = {s.colour: value for s, value in zip(sources, targets, strict=True) if s.colour is not None}
    of_colour |= dict.fromkeys(class_list.other_colours if class_list else ())
    values: dict[MaskKind, Mapping[int, int]] = {
        "index": {code: value for code, value in of_index.items() if value is not None},
        "colour": {code: value for code, value in of_colour.items() if value is not None},
    }
    unknown = [
        UnknownCode(kind, code, count)
        for kind in values
        for code, count in counts.get(kind, {}).items()
        if code not in values[kind]
    ]
    notes += [
        f"Void, which trains nothing: {_what(kind, code)} ({count.sentence})."
        for kind in values
        for code, count in counts.get(kind, {}).items()
        if values[kind].get(code) == VOID
    ]
    return MaskMeaning(
        values, proposed, tuple(sorted(unknown, key=lambda code: -code.count.pixels)), tuple(notes)
    )


def unknown_sentence(codes: Sequence[UnknownCode]) -> str:
    """Say what no class has, the first of it by name, and what becomes of it; ``codes`` are not empty."""
    named = [str(code) for code in codes[:_UNKNOWN_LISTED]]
    rest = codes[_UNKNOWN_LISTED:]
    if rest:
        values = "1 more value" if len(rest) == 1 else f"{len(rest):,} more values"
        named.append(f"{values} ({_pixels(sum(code.count.pixels for code in rest))})")
    listed = ", ".join(named[:-1]) + " or " + named[-1] if len(named) > 1 else named[0]
    return f"No class has {listed}; they come in as not labelled."


def _pixels(count: int) -> str:
    return "1 pixel" if count == 1 else f"{count:,} pixels"


def _what(kind: MaskKind, code: int) -> str:
    return f"index {code}" if kind == "index" else f"colour {colour_text(code)}"


def _with_index(class_list: ClassList) -> list[SourceClass]:
    """Return the classes of a list without those that only say another colour of one."""
    return [source for source in class_list.classes if source.index is not None]


def _names_two(class_list: ClassList) -> bool:
    """Tell whether a class list names two classes and no index, so that its second class may be 255."""
    named = _with_index(class_list)
    return (
        class_list.is_names_only
        and class_list.void_index is None
        and len(named) == 2
        and not any(source.is_void for source in named)
    )


def _binary_classes(known_classes: Sequence[SourceClass]) -> list[SourceClass]:
    """Return the class that 0 means and the class that 255 means, by the names that are known.

    Raises:
        InvalidInput: Classes are known, neither two nor a background and an object.
    """
    by_name = {known.name.casefold(): known for known in known_classes}
    if not known_classes:
        two = [SourceClass(name, None, None) for name in ("background", "object")]
    elif {"background", "object"} <= by_name.keys():
        two = [by_name["background"], by_name["object"]]
    elif len(known_classes) == 2:
        # Whichever comes first: a background is called so.
        two = sorted(known_classes, key=lambda one: not _is_background(one))
    else:
        raise _ambiguous(known_classes)
    return [dataclasses.replace(one, index=index) for one, index in zip(two, (0, VOID), strict=True)]


def _is_background(known: SourceClass) -> bool:
    return known.name.casefold() == "background"


def _ambiguous(project_classes: Sequence[SourceClass]) -> InvalidInput:
    names = [known.name for known in project_classes]
    listed = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    what = (
        f"which one of the {len(names)} classes of the project ({listed}) 255 is"
        if len(names) > 1
        else f"whether 255 is the project's class {listed}"
    )
    zero = names[0] if len(names) > 1 else "background"
    example = {"classes": [{"name": zero, "index": 0}, {"name": names[-1], "index": VOID}]}
    return InvalidInput(
        f"The masks hold only 0 and 255, and {what} cannot be told. Put a dataset.json beside them that says "
        f"it, such as {json.dumps(example, ensure_ascii=False)}, or save the masks with class indices."
    )


def _refuse_greys(indices: Mapping[int, CodeCount]) -> None:
    if len(indices) > MOST_VALUES:
        raise InvalidInput(
            f"{len(indices)} different values were found in the masks, and nothing says which of them are "
            "classes. Masks with soft edges or saved as photographs do this: save them with one exact value "
            "for each class, or add a classes.json with the names of the classes."
        )


def _found_indices(
    indices: Mapping[int, CodeCount], reserved: set[int | None], palette: Sequence[int]
) -> list[SourceClass]:
    found = sorted(set(indices) - reserved)
    if found and found[0] >= 0 and found[-1] < _LARGEST_GAPLESS:
        found = [index for index in range(found[-1] + 1) if index not in reserved]
    # A palette that is one colour or a grey ramp tells nothing.
    is_coloured = any(colour >> 16 != colour & 0xFF for colour in palette)
    return [
        SourceClass(f"class {index}", index, palette[index] if is_coloured and index < len(palette) else None)
        for index in found
    ]


def _found_colours(colours: Mapping[int, CodeCount]) -> list[SourceClass]:
    by_area = sorted(colours, key=lambda colour: (-colours[colour].pixels, colour))
    return [SourceClass(colour_text(colour), None, colour) for colour in by_area]


def _targets(
    sources: Sequence[SourceClass],
    project_classes: Sequence[SourceClass],
    void: int | None,
    notes: list[str],
) -> tuple[list[int | None], tuple[SourceClass, ...]]:
    """Return the label map value of each source class, and the classes to make."""
    if not project_classes:
        proposed: dict[str, SourceClass] = {}
        targets: list[int | None] = []
        for source in sources:
            if source.is_void or (void is not None and source.index == void):
                targets.append(VOID)
                continue
            proposed.setdefault(source.name.casefold(), source)
            targets.append(list(proposed).index(source.name.casefold()))
        return targets, tuple(proposed.values())

    by_name = {known.name.casefold(): known.index for known in project_classes}
    if any(source.name.casefold() in by_name for source in sources):
        missing = [s for s in sources if s.name.casefold() not in by_name and not s.is_void]
        if missing:
            notes.append(f"The project has no class {', '.join(s.name for s in missing)}.")
        notes += _perhaps_renamed(missing, sources, project_classes)
        return [by_name.get(s.name.casefold(), VOID if s.is_void else None) for s in sources], ()
    notes.append("No class of the dataset has a name of the project's, so they are matched by index.")
    known_indices = {known.index for known in project_classes}
    return [
        VOID if source.is_void else source.index if source.index in known_indices else None
        for source in sources
    ], ()


def _perhaps_renamed(
    missing: Sequence[SourceClass], sources: Sequence[SourceClass], project_classes: Sequence[SourceClass]
) -> list[str]:
    """Say which classes of the dataset may be classes of the project that have another name now.

    Args:
        missing: Those whose names the project has not.
        sources: All of the dataset.
        project_classes: All of the project.
    """
    named = {source.name.casefold() for source in sources}
    free = {known.index: known.name for known in project_classes if known.name.casefold() not in named}
    found = [
        f"{source.name} has index {source.index}, which is {free[source.index]} in the project: if that is "
        "the same class, rename one of them."
        for source in missing
        if source.index in free
    ]
    return found[:_RENAMED_LISTED]
