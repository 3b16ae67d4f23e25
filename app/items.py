"""What the browser gets to read about images, the project's progress and its rounds, as plain JSON values."""

from __future__ import annotations

from typing import Any

from storage.images import ImageInfo
from storage.queue import Progress, QueueItem


def image_url(image: ImageInfo) -> str:
    """Return the address of an image's pixels; it changes with the pixels, so it may be kept for ever."""
    return f"/api/images/{image.id}/pixels/{image.blob}"


def item_json(item: QueueItem) -> dict[str, Any]:
    """Return what the label canvas needs to open an image of the queue."""
    image = item.image
    base = f"/api/images/{image.id}"
    return {
        "image_id": image.id,
        "name": image.name,
        "width": image.width,
        "height": image.height,
        "image_url": image_url(image),
        "label_url": f"{base}/label",
        "superpixels_url": f"{base}/superpixels/{image.blob}",
        "revision": item.revision,
        "status": item.status,
        "author": item.author,
        "split": item.split,
        "blind": item.blind,
        "suggestion_url": f"{base}/suggestion/{item.map_blob}" if item.map_blob else None,
        "uncertainty_url": f"{base}/uncertainty/{item.uncertainty_blob}" if item.uncertainty_blob else None,
        "round_id": item.round_id,
        "round_number": item.round_number,
        "rank": item.rank,
        "ranked": item.ranked,
        "score": item.score,
        "why": item.why,
        "has_truth": image.truth_blob is not None,
    }


def progress_json(progress: Progress) -> dict[str, Any]:
    """Return how far a project is and what its live round does."""
    advice, live = progress.next_round, progress.round
    return {
        "images": progress.images,
        "pool": progress.pool,
        "train": progress.train,
        "audit": progress.audit,
        "excluded": progress.excluded,
        "labelled": progress.labelled,
        "classes_seen": progress.classes_seen,
        "current_round_number": progress.current_round_number,
        "next_round": {
            "ready": advice.ready,
            "reason": advice.reason,
            "changed": advice.changed,
            "needed": advice.needed,
        },
        "round": live
        and {
            "number": live.number,
            "state": live.state,
            "step": live.step,
            "steps": live.steps,
            "eta_seconds": live.eta_seconds,
            "note": live.note,
        },
    }
