"""File stems for exported images, which may have been imported from a system that allows other names."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from storage.images import ImageInfo

_LONGEST_BYTES = 180
_RESERVED = re.compile(
    r"^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?=\s*(?:\.|$))", re.IGNORECASE
)
"""What Windows takes for a device, whatever ending follows."""


def file_stems(chosen: Sequence[ImageInfo]) -> list[str]:
    """Return a file stem for each image: short, allowed on every system, unique without regard to case."""
    plain = [_one_stem(PurePosixPath(info.name).stem) for info in chosen]
    often = Counter((info.split, stem.casefold()) for info, stem in zip(chosen, plain, strict=True))
    with_folder = [
        _one_stem(str(PurePosixPath(info.name).parent / PurePosixPath(info.name).stem))
        if often[info.split, stem.casefold()] > 1
        else stem
        for info, stem in zip(chosen, plain, strict=True)
    ]
    still_often = Counter(
        (info.split, stem.casefold()) for info, stem in zip(chosen, with_folder, strict=True)
    )
    return [
        f"{stem}-{info.content_hash[:12]}" if still_often[info.split, stem.casefold()] > 1 else stem
        for info, stem in zip(chosen, with_folder, strict=True)
    ]


def _one_stem(text: str) -> str:
    clean = re.sub(r'[\x00-\x1f<>:"|?*\\/]', "_", unicodedata.normalize("NFC", text)).rstrip(". ") or "_"
    clean = _RESERVED.sub(r"\g<0>_", clean)
    encoded = clean.encode()
    if len(encoded) <= _LONGEST_BYTES:
        return clean
    # File systems allow 255 bytes, which 200 letters outside ASCII exceed.
    cut = encoded[: _LONGEST_BYTES - 13].decode(errors="ignore")
    return f"{cut}-{hashlib.sha256(encoded).hexdigest()[:12]}"
