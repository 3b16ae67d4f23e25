"""Label maps on the wire: run lengths of equal bytes, row by row.

Layout: the number of runs ``n`` as unsigned 32-bit little-endian, then ``n`` bytes with the value of each
run, then ``n`` run lengths as unsigned LEB128 (7 bits a byte, least significant first, high bit set on
all but the last byte). The size of the map does not travel: both sides know the image. The same
encoding lives in the browser's canvas; ``tests/golden/run_length.json`` holds both to the same bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_HEADER_BYTES = 4
_MAX_LENGTH_BYTES = 5
"""Five groups of 7 bits hold every length below 2**35, more than any image has pixels."""


def encode(values: NDArray[np.uint8]) -> bytes:
    """Return the run-length bytes of a ``uint8`` array of any shape, read row by row.

    Neighbouring runs always differ and no run is empty, so equal arrays give equal bytes.
    """
    flat = np.ascontiguousarray(values, dtype=np.uint8).reshape(-1)
    if flat.size == 0:
        return bytes(_HEADER_BYTES)
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    lengths = np.diff(starts, append=flat.size).astype(np.uint64)

    groups = np.arange(_MAX_LENGTH_BYTES, dtype=np.uint64) * np.uint64(7)
    digits = (lengths[:, None] >> groups) & np.uint64(0x7F)
    used = (groups == 0) | ((lengths[:, None] >> groups) > 0)
    has_more = np.zeros_like(used)
    has_more[:, :-1] = used[:, 1:]
    with_flags = (digits | (has_more.astype(np.uint64) << np.uint64(7))).astype(np.uint8)
    length_bytes: NDArray[np.uint8] = with_flags[used]

    header = starts.size.to_bytes(_HEADER_BYTES, "little")
    return header + flat[starts].tobytes() + length_bytes.tobytes()


def decode(data: bytes, size: int) -> NDArray[np.uint8]:
    """Return the ``size`` values behind run-length bytes, as a one-dimensional ``uint8`` array.

    Raises:
        ValueError: The bytes are cut short, have bytes left over, hold an empty run, or describe another
            number of values than ``size``. Nothing larger than ``size`` is ever allocated.
    """
    if len(data) < _HEADER_BYTES:
        raise ValueError("the run-length data has no header")
    runs = int.from_bytes(data[:_HEADER_BYTES], "little")
    if runs > size or len(data) < _HEADER_BYTES + 2 * runs:
        raise ValueError(f"the run-length data announces {runs} runs, which cannot be")
    run_values = np.frombuffer(data, dtype=np.uint8, count=runs, offset=_HEADER_BYTES)
    length_bytes = np.frombuffer(data, dtype=np.uint8, offset=_HEADER_BYTES + runs)

    ends = np.flatnonzero(length_bytes < 0x80)
    if ends.size != runs or (length_bytes.size != 0 if runs == 0 else ends[-1] + 1 != length_bytes.size):
        raise ValueError(f"the run-length data holds another number of lengths than its {runs} runs")
    if runs == 0:
        lengths = np.zeros(0, dtype=np.uint64)
    else:
        starts = np.concatenate(([0], ends[:-1] + 1))
        if int((ends - starts).max()) >= _MAX_LENGTH_BYTES:
            raise ValueError("the run-length data holds a length that no image has")
        position = np.arange(length_bytes.size) - np.repeat(starts, ends - starts + 1)
        parts = (length_bytes & np.uint8(0x7F)).astype(np.uint64) << (position * 7).astype(np.uint64)
        lengths = np.add.reduceat(parts, starts)
    if (lengths == 0).any():
        raise ValueError("the run-length data holds an empty run")
    # Runs are at most `size` long before they are added up, so the sum cannot wrap around.
    if (lengths > size).any() or int(lengths.sum()) != size:
        raise ValueError(f"the run-length data does not describe the {size} pixels of the image")
    return np.repeat(run_values, lengths.astype(np.int64))
