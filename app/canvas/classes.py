"""What the label canvas gets to know of a project's classes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from storage.projects import ClassInfo


def classes_json(classes: Sequence[ClassInfo]) -> list[dict[str, Any]]:
    """Return classes as plain JSON values."""
    return [
        {
            "index": one.index,
            "name": one.name,
            "colour": one.colour,
            "hotkey": one.hotkey,
            "archived": one.archived,
        }
        for one in classes
    ]


def class_version(classes: Sequence[ClassInfo]) -> str:
    """Return 12 hex digits that change with anything the canvas knows of the classes.

    An open page compares those of its classes with those of the server's, and asks for the classes anew
    only when they differ.
    """
    return hashlib.sha256(json.dumps(classes_json(classes)).encode()).hexdigest()[:12]
