"""Many ids, as many at once as a query may name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

IDS_A_QUERY = 500
"""SQLite bounds the values of a query."""


def id_batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the ids in their order, at most ``IDS_A_QUERY`` at once."""
    for start in range(0, len(ids), IDS_A_QUERY):
        yield ids[start : start + IDS_A_QUERY]
