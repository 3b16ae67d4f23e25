"""What the browser gets to read about images, the project's progress and its rounds, as plain JSON values."""

from __future__ import annotations

from typing import Any

from app.levels import TILE_SIDE, is_large, level_sizes
from storage.images import ImageInfo
from storage.queue import ProjectProgress, QueueItem


def image_url(image: ImageInfo) -> str:
    """Return the address of an image's pixels, or of the overview of a large one.

    It changes with the pixels, so it may be kept for ever.
    """
    kind = "overview" if is_large(image.width, image.height) else "pixels"
    return f"/api/images/{image.id}/{kind}/{image.blob}"


def suggestion_url(image: ImageInfo, blob: str) -> str:
    """Return the address of a label map that the model suggests for an image."""
    return f"/api/images/{image.id}/suggestion/{blob}"


def uncertainty_url(image: ImageInfo, blob: str) -> str:
    """Return the address of an uncertainty map of an image."""
    return f"/api/images/{image.id}/uncertainty/{blob}"


def thumbnail_url(item: QueueItem) -> str:
    """Return the address of an image's thumbnail; it changes with the pixels."""
    return f"/api/images/{item.image.id}/thumbnail/{item.image.blob}?side=320"


def reason(item: QueueItem) -> str:
    """Return why an image stands where it does, without the rank that is shown beside it."""
    sentence = item.why.partition(": ")[2] if item.why.startswith("Rank ") else item.why
    return sentence[:1].upper() + sentence[1:]


def item_json(item: QueueItem) -> dict[str, Any]:
    """Return what the label canvas needs to open an image of the queue."""
    image, source = item.image, item.image.source
    base = f"/api/images/{image.id}"
    large = is_large(image.width, image.height)
    return {
        "image_id": image.id,
        "name": image.name,
        "width": image.width,
        "height": image.height,
        "image_url": image_url(image),
        "tiles_url": f"{base}/tiles/{image.blob}" if large else None,
        "tile_side": TILE_SIDE if large else None,
        "tile_levels": len(level_sizes(image.width, image.height)) if large else None,
        "source_url": f"{base}/view/{source.blob}" if source else None,
        "source_tiles_url": f"{base}/tiles/{source.blob}" if source and large else None,
        "channels_url": f"{base}/channels/{source.blob}" if source else None,
        "channels": list(source.channels) if source else None,
        "label_url": f"{base}/label",
        "superpixels_url": f"{base}/superpixels/{image.blob}",
        "revision": item.revision,
        "status": item.status,
        "author": item.author,
        "split": item.split,
        "is_audit": item.is_audit,
        "suggestion_url": suggestion_url(image, item.map_blob) if item.map_blob else None,
        "uncertainty_url": uncertainty_url(image, item.uncertainty_blob) if item.uncertainty_blob else None,
        "suggestion_round_id": item.suggestion_round_id,
        "ranking_round_number": item.ranking_round_number,
        "suggestion_round_number": item.suggestion_round_number,
        "rank": item.rank,
        "why": item.why,
        "unsure_of": item.unsure_of,
        "alike_url": f"/queue?project={image.project_id}&alike={image.id}"
        if item.ranking_round_number is not None
        else None,
        "has_truth": image.truth_blob is not None,
    }


def progress_json(progress: ProjectProgress) -> dict[str, Any]:
    """Return how far a project is and what its live round does."""
    advice, live = progress.next_round, progress.round
    return {
        "images": progress.images,
        "pool": progress.pool,
        "train": progress.train,
        "audit": progress.audit,
        "excluded": progress.excluded,
        "labelled": progress.labelled,
        "audit_labelled": progress.audit_labelled,
        "current_round_number": progress.current_round_number,
        "suggesting_round_number": progress.suggesting_round_number,
        "next_round": {
            "ready": advice.ready,
            "reason": advice.reason,
            "changed": advice.changed,
            "needed": advice.needed,
        },
        "round": live
        and {
            "number": live.number,
            "state": "queued" if live.waits_for_worker else live.state,
            "step": live.step,
            "steps": live.steps,
            "eta_seconds": live.eta_seconds,
            "note": live.note,
        },
    }
