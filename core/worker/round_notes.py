"""What a round has to say to the person beside its figures: one text, kept with its row."""

from __future__ import annotations

import re

_MOST_NAMED = 3
_DAMAGED = "Damaged: "
"""How the line begins that says what takes no part."""


class RoundNotes:
    """Sentences, each of which is said once.

    Args:
        before: What an earlier worker of the round has noted. What was damaged for that one comes last there,
            and this one meets it again.
    """

    def __init__(self, before: str | None) -> None:
        noted = re.split(rf"(?:^|\n){_DAMAGED}", before or "")[0]
        self._sentences = [noted] if noted else []
        self._damaged_images: list[str] = []
        self._damaged_label_maps: list[str] = []

    def add(self, sentence: str) -> bool:
        """Add a sentence, its white space put in order; return whether it is a new one."""
        sentence = " ".join(sentence.split())
        if f" {sentence} " in f" {' '.join(self._sentences)} ":
            return False
        self._sentences.append(sentence)
        return True

    def add_damaged_image(self, name: str) -> bool:
        """Add an image that takes no part, since its file cannot be read; return whether it is a new one."""
        return _added(self._damaged_images, name)

    def add_damaged_label_map(self, name: str) -> bool:
        """Add an image whose label map takes no part, for the same reason; return whether it is a new one."""
        return _added(self._damaged_label_maps, name)

    @property
    def text(self) -> str:
        """All there is to say, what is damaged last: of a long text the end is cut off."""
        damaged = []
        if names := self._damaged_images:
            damaged.append(f"{_named(names)} could not be read and {_was(names)} left out.")
        if names := self._damaged_label_maps:
            maps, each = ("map", "the") if len(names) == 1 else ("maps", "each")
            damaged.append(
                f"The label {maps} of {_named(names)} could not be read and {_was(names)} left out. "
                f"Open {each} image and save it again."
            )
        lines = [" ".join(self._sentences), _DAMAGED + " ".join(damaged) if damaged else ""]
        return "\n".join(filter(None, lines))


def _added(names: list[str], name: str) -> bool:
    if name in names:
        return False
    names.append(name)
    return True


def _named(names: list[str]) -> str:
    """Return names for a sentence: the first three of them, and how many more there are."""
    rest = len(names) - _MOST_NAMED
    *most, last = names if rest <= 0 else [*names[:_MOST_NAMED], f"{rest:,} more"]
    return f"{', '.join(most)} and {last}" if most else last


def _was(names: list[str]) -> str:
    return "was" if len(names) == 1 else "were"
