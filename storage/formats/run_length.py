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
_GROUPS = np.arange(_MAX_LENGTH_BYTES, dtype=np.uint64) * np.uint64(7)
_BLOCK = 1 << 20
"""Values or length bytes worked on at once, so that a map of single pixels takes little more memory."""


def encode(values: NDArray[np.uint8]) -> bytes:
    """Return the run-length bytes of a ``uint8`` array of any shape, read row by row.

    Neighbouring runs always differ and no run is empty, so equal arrays give equal bytes.
    """
    flat = np.ascontiguousarray(values, dtype=np.uint8).reshape(-1)
    if flat.size == 0:
        return bytes(_HEADER_BYTES)
    run_values: list[bytes] = []
    length_bytes: list[bytes] = []
    runs, open_since = 0, 0
    for start in range(0, flat.size, _BLOCK):
        # A block sees the value before it, so that a run may go on from one block to the next.
        block = flat[max(start - 1, 0) : start + _BLOCK]
        changes = np.flatnonzero(block[1:] != block[:-1]) + (max(start - 1, 0) + 1)
        if changes.size:
            starts = np.concatenate(([open_since], changes[:-1]))
            run_values.append(flat[starts].tobytes())
            length_bytes.append(_encoded_lengths(changes - starts))
            runs, open_since = runs + changes.size, int(changes[-1])
    run_values.append(flat[open_since : open_since + 1].tobytes())
    length_bytes.append(_encoded_lengths(np.array([flat.size - open_since])))
    return b"".join(((runs + 1).to_bytes(_HEADER_BYTES, "little"), *run_values, *length_bytes))


def encode_even(value: int, size: int) -> bytes:
    """Return the run-length bytes of ``size`` > 0 pixels of one value; :func:`encode` gives the same."""
    length = _encoded_lengths(np.array([size]))
    return (1).to_bytes(_HEADER_BYTES, "little") + bytes([value]) + length


def decode(data: bytes, size: int) -> NDArray[np.uint8]:
    """Return the ``size`` values behind run-length bytes, as a one-dimensional ``uint8`` array.

    Raises:
        ValueError: The bytes are cut short, have bytes left over, hold an empty run, or describe another
            number of values than ``size``. Little more than ``size`` bytes are ever allocated.
    """
    if len(data) < _HEADER_BYTES:
        raise ValueError("the run-length data has no header")
    runs = int.from_bytes(data[:_HEADER_BYTES], "little")
    if runs > size or len(data) < _HEADER_BYTES + 2 * runs:
        raise ValueError(f"the run-length data announces {runs} runs, which cannot be")
    run_values = np.frombuffer(data, dtype=np.uint8, count=runs, offset=_HEADER_BYTES)
    length_bytes = np.frombuffer(data, dtype=np.uint8, offset=_HEADER_BYTES + runs)
    values = np.empty(size, dtype=np.uint8)
    position = read = run = 0
    while read < length_bytes.size:
        block = length_bytes[read : read + _BLOCK]
        lengths, used = _decoded_lengths(block)
        if run + lengths.size > runs:
            break
        if (lengths == 0).any():
            raise ValueError("the run-length data holds an empty run")
        # A block's lengths are below 2**35 each and at most 2**20, so the sum cannot wrap around.
        end = position + int(lengths.sum())
        if end > size:
            break
        values[position:end] = np.repeat(run_values[run : run + lengths.size], lengths)
        position, read, run = end, read + used, run + lengths.size
    if run != runs or read != length_bytes.size:
        raise ValueError(f"the run-length data does not hold the lengths of its {runs} runs")
    if position != size:
        raise ValueError(f"the run-length data does not describe the {size} pixels of the image")
    return values


def _encoded_lengths(lengths: NDArray[np.int64]) -> bytes:
    if int(lengths.max()) < 0x80:
        return bytes(lengths.astype(np.uint8))
    shifted = lengths.astype(np.uint64)[:, None] >> _GROUPS
    used = shifted > 0
    used[:, 0] = True
    flags = np.zeros_like(used, dtype=np.uint8)
    flags[:, :-1] = used[:, 1:]
    return bytes(((shifted & np.uint64(0x7F)).astype(np.uint8) | flags * np.uint8(0x80))[used])


def _decoded_lengths(block: NDArray[np.uint8]) -> tuple[NDArray[np.int64], int]:
    """Return the lengths that end within the block and how many bytes they take."""
    ends = np.flatnonzero(block < 0x80)
    if ends.size == block.size:
        return block.astype(np.int64), block.size
    if ends.size == 0:
        raise ValueError("the run-length data ends within a length, or holds one that no image has")
    starts = np.concatenate(([0], ends[:-1] + 1))
    if int((ends - starts).max()) >= _MAX_LENGTH_BYTES:
        raise ValueError("the run-length data holds a length that no image has")
    used = int(ends[-1]) + 1
    place = np.arange(used) - np.repeat(starts, ends - starts + 1)
    parts = (block[:used] & np.uint8(0x7F)).astype(np.int64) << (place * 7)
    lengths: NDArray[np.int64] = np.add.reduceat(parts, starts)
    return lengths, used
