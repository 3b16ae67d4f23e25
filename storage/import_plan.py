"""What an import would do and what it did: the values, and their sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from storage.formats.archives import Problem, Source
from storage.formats.mask_meaning import MaskMeaning, UnknownCode, unknown_sentence
from storage.projects import ClassSpec
from storage.wording import count_of

MasksAs = Literal["labels", "truth", "ignore"]
MaskBecomes = Literal["label", "draft", "truth"]
Present = Literal["label", "draft"]
"""What an image has already, which no import replaces: a label, or a draft that nobody has submitted."""

_PROBLEMS_LISTED = 20
_SPLIT_ORDER = ("pool", "train", "audit", "excluded")


@dataclass(frozen=True)
class LeftOutMask:
    """A mask that is not used for what its image has already."""

    path: str
    because_of: Present


@dataclass(frozen=True)
class PlannedDraft:
    """A draft that goes on top of the label that its image gains."""

    path: str
    """In the source."""
    author: str
    blind: bool
    """Whether no suggestion of a model was shown to them."""


@dataclass(frozen=True)
class PlannedImage:
    """An image that will be imported."""

    path: str
    """Where it lies in the source; its name in the project where only its mask is there."""
    name: str
    """What the project calls it: its path in the source that it was first imported from."""
    content_hash: str
    """SHA-256 of the file."""
    width: int
    height: int
    split: str
    """Where it will be."""
    is_audit: bool
    """It will be excluded, and measures the model should somebody bring it back."""
    group: str | None
    mask: str | None
    """Path of its mask in the source; None without a usable one, or when the project has what it says."""
    mask_becomes: MaskBecomes | None
    author: str
    """Of the label or draft that its mask becomes."""
    blind: bool
    """Whether no suggestion of a model was shown to them."""
    draft: PlannedDraft | None
    """What was painted over the label since it was submitted."""
    over_revision: int | None
    """Revision of the label that its image has, of the same source: its mask is a draft over that."""
    rotated: bool
    note: str | None
    """What is changed about its pixels."""
    known: bool
    """The project has it already; only a missing label or truth is added."""
    left_out: LeftOutMask | None
    """Its mask, where its image has another label map; that of an earlier import is not told of."""


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do. Nothing has been written yet."""

    source: Source
    entries: tuple[PlannedImage, ...]
    problems: tuple[Problem, ...]
    """What stays out, each with its reason."""
    duplicates: tuple[Problem, ...]
    """Files with the same bytes as another file of the source; they stay out."""
    classes: tuple[ClassSpec, ...]
    """Classes to create the project with, in this order; empty when it has classes or there are no masks."""
    meaning: MaskMeaning
    table_colours: frozenset[int]
    notes: tuple[str, ...]
    masks_as: MasksAs

    @property
    def unknown_codes(self) -> tuple[UnknownCode, ...]:
        """Indices and colours in the masks that no class has."""
        return self.meaning.unknown

    @property
    def new_images(self) -> int:
        """How many images the project will gain."""
        return sum(not entry.known for entry in self.entries)

    @property
    def masks(self) -> int:
        """How many images have a mask that will be used."""
        return sum(entry.mask_becomes is not None for entry in self.entries)

    @property
    def changes(self) -> tuple[PlannedImage, ...]:
        """The images that are new or gain a label or a truth."""
        return tuple(entry for entry in self.entries if not entry.known or entry.mask_becomes)

    @property
    def left_out(self) -> tuple[LeftOutMask, ...]:
        """The masks that are not used, since their images have label maps already."""
        return tuple(entry.left_out for entry in self.entries if entry.left_out)

    def report(self) -> list[str]:
        """Return the plan in sentences, the most important first."""
        if not self.entries:
            nothing = "Nothing to import: no image was found that can be read."
            return [nothing, *self.notes, *self._problem_lines()]
        new = f"{count_of(self.new_images, 'image')} to import{self._sizes()}."
        lines = [new] if self.new_images else []
        if known := len(self.entries) - self.new_images:
            there = count_of(known, "image is", "images are")
            gains = any(entry.known for entry in self.changes)
            added = "only missing labels are added" if gains else "nothing is added"
            lines.append(f"{there} in the project already; {added}.")
        lines += self._mask_lines()
        splits = Counter(entry.split for entry in self.changes)
        if splits.keys() - {"pool"}:
            lines.append(
                "Splits: " + ", ".join(f"{splits[s]:,} {s}" for s in _SPLIT_ORDER if splits[s]) + "."
            )
        if self.classes:
            names = [spec.name for spec in self.classes]
            lines.append(f"{count_of(len(names), 'class', 'classes')} proposed: {', '.join(names)}.")
        lines += self.notes
        if self.unknown_codes:
            lines.append(unknown_sentence(self.unknown_codes))
            lines.append("To keep what they say, add such classes to the project first, then check again.")
        lines += self._rotated_lines()
        groups = {entry.group for entry in self.entries if entry.group and not entry.known}
        if groups:
            lines.append(f"{count_of(len(groups), 'group')} by name, such as {min(groups)}.")
        lines += self._problem_lines()
        return lines

    def _sizes(self) -> str:
        sizes = Counter((entry.width, entry.height) for entry in self.entries if not entry.known)
        if not sizes:
            return ""
        if len(sizes) <= 3:
            listed = ", ".join(f"{w} × {h}" for (w, h), _ in sizes.most_common())
            return f", {listed}" if len(sizes) == 1 else f", in {len(sizes)} sizes: {listed}"
        (least_w, least_h), *_, (most_w, most_h) = sorted(sizes, key=lambda size: size[0] * size[1])
        return f", {len(sizes)} sizes from {least_w} × {least_h} to {most_w} × {most_h}"

    def _mask_lines(self) -> list[str]:
        becomes = Counter(entry.mask_becomes for entry in self.entries)
        becomes["draft"] += sum(entry.draft is not None for entry in self.entries)
        lines = []
        if becomes["label"]:
            lines.append(f"{count_of(becomes['label'], 'mask')} used as submitted labels.")
        if becomes["draft"]:
            lines.append(f"{count_of(becomes['draft'], 'mask')} used as drafts, which nobody has submitted.")
        if becomes["truth"]:
            lines.append(
                f"{count_of(becomes['truth'], 'mask')} kept as hidden truth: never trained on, "
                "only to measure."
            )
        return lines + _left_out_lines(self.left_out)

    def _rotated_lines(self) -> list[str]:
        """Say what was turned upright, and where a mask may have been drawn on the picture as it was."""
        lines = []
        without_mask = sum(entry.rotated and not entry.mask for entry in self.changes)
        if without_mask:
            lines.append(f"{count_of(without_mask, 'image')} turned upright as the EXIF orientation says.")
        masked = [entry.path for entry in self.changes if entry.rotated and entry.mask]
        if len(masked) == 1:
            lines.append(
                f"1 image with a mask, {masked[0]}, was turned upright as its EXIF orientation says; its "
                "mask is taken as drawn on the upright picture. Look at it on the Label page."
            )
        elif masked:
            lines.append(
                f"{len(masked):,} images with masks, such as {masked[0]}, were turned upright as their EXIF "
                "orientation says; their masks are taken as drawn on the upright pictures. Look at one on "
                "the Label page."
            )
        return lines

    def _problem_lines(self) -> list[str]:
        lines = []
        if self.duplicates:
            first = self.duplicates[0]
            lines.append(f"{count_of(len(self.duplicates), 'duplicate')} left out, such as {first.name}.")
        return lines + _problem_lines(self.problems)


@dataclass(frozen=True)
class ImportResult:
    """What an import did."""

    imported: int
    labelled: int
    """Label maps saved as submitted labels."""
    drafts: int
    truths: int
    """Label maps kept as hidden truth."""
    already_there: int
    problems: tuple[Problem, ...]
    seconds: float
    left_out: tuple[LeftOutMask, ...] = ()
    """Masks that were not used, as the plan said."""

    def report(self) -> list[str]:
        """Return the result in sentences, with the first problems."""
        came = {"labels": self.labelled, "drafts": self.drafts, "hidden truth": self.truths}
        took = f"in {self.seconds:.1f} s"
        gained = [f"{count:,} gained {what}" for what, count in came.items() if count]
        if self.imported == 0 and self.already_there:
            there = count_of(self.already_there, "image was", "images were")
            line = f"{there} there already; "
            line += f"{', '.join(gained)} {took}" if gained else "nothing was added"
        elif self.already_there:
            line = f"{count_of(self.imported, 'image')} imported {took}, "
            line += count_of(self.already_there, "was", "were") + " there already"
            line += f"; {', '.join(gained)}" if gained else ""
        else:
            with_them = [f"{count:,} with {what}" for what, count in came.items() if count]
            line = ", ".join([f"{count_of(self.imported, 'image')} imported {took}", *with_them])
        return [f"{line}.", *_left_out_lines(self.left_out), *_problem_lines(self.problems)]


def _left_out_lines(masks: Sequence[LeftOutMask]) -> list[str]:
    whys: dict[Present, tuple[str, str]] = {
        "draft": (
            "its image has a draft that nobody has submitted. To have the mask instead, undo or erase all "
            "of that draft and import again.",
            "their images have drafts that nobody has submitted. To have the masks instead, undo or erase "
            "all of those drafts and import again.",
        ),
        "label": (
            "the project has another label of its image, and no import replaces one. To have the mask "
            "instead, correct that label on the Label page, or import this source into a new project.",
            "the project has other labels of their images, and no import replaces them. To have the masks "
            "instead, correct those labels on the Label page, or import this source into a new project.",
        ),
    }
    lines = []
    for present, (of_one, of_several) in whys.items():
        paths = [mask.path for mask in masks if mask.because_of == present]
        if paths:
            such = paths[0] if len(paths) == 1 else f"such as {paths[0]}"
            why = of_one if len(paths) == 1 else of_several
            lines.append(f"{count_of(len(paths), 'mask')} left out, {such}: {why}")
    return lines


def _problem_lines(problems: Sequence[Problem]) -> list[str]:
    lines = []
    if problems:
        lines.append(f"{count_of(len(problems), 'problem')}; the rest goes on.")
        lines += [f"{problem.name}: {problem.sentence}" for problem in problems[:_PROBLEMS_LISTED]]
    if (more := len(problems) - _PROBLEMS_LISTED) > 0:
        lines.append(f"… and {more:,} more.")
    return lines
