"""The labels a round trains on, as they were when it was requested: a blob that is kept for good."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class SnapshotLabel:
    """One label map a round trains on."""

    image_id: int
    revision: int
    blob: str


class Snapshot(NamedTuple):
    """The labels of a round as they were when it was requested."""

    labels: list[SnapshotLabel]
    class_count: int


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Return the JSON that :class:`storage.schema.Round` describes."""
    rows = [[label.image_id, label.revision, label.blob] for label in snapshot.labels]
    content = {"labels": rows, "classes": snapshot.class_count}
    return json.dumps(content, separators=(",", ":")).encode()


def decode_snapshot(data: bytes) -> Snapshot:
    """Read what :func:`encode_snapshot` wrote."""
    content = json.loads(data)
    return Snapshot([SnapshotLabel(*entry) for entry in content["labels"]], int(content["classes"]))
