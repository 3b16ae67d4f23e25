"""Classes as a person types them: names, each with a colour behind it where one is wanted."""

from __future__ import annotations

import re

from storage.errors import InvalidInput
from storage.projects import ClassSpec

_COLOUR = r"#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})"


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
        lines = [name for name in re.split(rf",(?!\s*{_COLOUR}\s*(?:,|$))", lines[0]) if name.strip()]
    return [_typed_class(re.sub(r"[\s,;=:]+$", "", line.strip())) for line in lines]


def _typed_class(line: str) -> ClassSpec:
    # Without anything before it, or between it and the name, a number sign belongs to that.
    found = re.fullmatch(r"(.*?[^\s,;=:])[\s,;=:]+(#\S*)", line)
    if found is None or re.fullmatch(r"#\d{1,2}", found[2]):
        return ClassSpec(line)
    name, colour = found.groups()
    if not re.fullmatch(_COLOUR, colour):
        raise InvalidInput(
            f"{colour} behind {name} is no colour. Write one as in “{name} #804080”, or take the # out of "
            "the name."
        )
    return ClassSpec(name, colour if len(colour) == 7 else "#" + "".join(digit * 2 for digit in colour[1:]))
