"""JSON data without the numbers that JSON cannot hold."""

from __future__ import annotations

import math
from typing import Any


def finite_json(value: Any) -> Any:
    """Return JSON data with None in the place of numbers JSON cannot hold."""
    if isinstance(value, dict):
        return {str(key): finite_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
