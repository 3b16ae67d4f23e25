"""Classes as a person types them: names, each with a colour behind it where one is wanted."""

from __future__ import annotations

import re

from storage.errors import InvalidInput
from storage.projects import ClassSpec

_APART = " \t,;=:"
"""What may stand behind a name, alone or before a colour."""
_COLOUR = re.compile(r"[0-9a-fA-F]{6}|[0-9a-fA-F]{3}")


def typed_classes(text: str) -> list[ClassSpec]:
    """Read one class per line; a line may end in a colour, as in ``road #804080`` or ``road #c33``.

    A single line with commas is a list, as the command line takes it: ``soil, crop #00aa00, weed``. A number
    of one or two digits belongs to the name: ``lane #2``.

    Raises:
        InvalidInput: What follows a ``#`` is no colour.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        # A comma may stand before a colour, too.
        lines = [name for name in re.split(r",(?!\s*#)", lines[0]) if name.strip()]
    return [_typed_class(line.strip(_APART)) for line in lines]


def _typed_class(line: str) -> ClassSpec:
    name, _, last = line.rpartition("#")
    # Without a space before it, it is in the middle of a name.
    if not name.endswith(tuple(_APART)) or re.fullmatch(r"\d{1,2}", last):
        return ClassSpec(line)
    name = name.rstrip(_APART)
    if not _COLOUR.fullmatch(last):
        raise InvalidInput(
            f"#{last} behind {name} is no colour. Write one as in “{name} #804080”, or take the # out of the "
            "name."
        )
    return ClassSpec(name, "#" + (last if len(last) == 6 else "".join(digit * 2 for digit in last)))
