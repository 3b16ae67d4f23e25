"""How large an image may be to be read."""

from __future__ import annotations

from storage.errors import InvalidInput

MAX_PIXELS = 500_000_000
"""Largest image that is read; a decoded one takes 3 bytes a pixel."""
MAX_CHANNEL_BYTES = 3 * MAX_PIXELS
"""Most that the values of all channels of an image may take."""


def require_readable(width: int, height: int) -> None:
    """Refuse an image of more than :data:`MAX_PIXELS`.

    Raises:
        InvalidInput: It has more.
    """
    if width * height > MAX_PIXELS:
        raise InvalidInput(
            f"The image ({width:,} × {height:,}) has more than {MAX_PIXELS // 1_000_000} "
            "megapixels, the most that is read. Cut it into tiles and import those."
        )
