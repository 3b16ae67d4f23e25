"""What a round trains on, as it was when the round was requested: a blob that is kept for good."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class SnapshotLabel:
    """One label map a round trains on."""

    image_id: int
    revision: int
    blob: str


class Snapshot(NamedTuple):
    """The labels and the pool of a round as they were when it was requested."""

    labels: list[SnapshotLabel]
    class_count: int
    unlabelled: list[range] | None = None
    """Ids of the pool's images, rising; None in a snapshot of before they were kept.

    Ids that follow each other are one range, so that a pool of a million images stays small.
    """


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Return the JSON that :class:`storage.schema.Round` describes."""
    rows = [[label.image_id, label.revision, label.blob] for label in snapshot.labels]
    content: dict[str, Any] = {"labels": rows, "classes": snapshot.class_count}
    if snapshot.unlabelled is not None:
        content["unlabelled"] = [[run.start, run.stop - 1] for run in snapshot.unlabelled]
    return json.dumps(content, separators=(",", ":")).encode()


def decode_snapshot(data: bytes) -> Snapshot:
    """Read what :func:`encode_snapshot` wrote."""
    content = json.loads(data)
    runs = content.get("unlabelled")
    return Snapshot(
        [SnapshotLabel(*entry) for entry in content["labels"]],
        int(content["classes"]),
        None if runs is None else [range(first, last + 1) for first, last in runs],
    )
