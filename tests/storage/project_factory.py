"""Small projects to test with, made without decoding or importing anything."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from storage import images, labels, projects, round_requests, rounds
from storage.formats.embeddings import EmbeddingSet, encode_embeddings
from storage.labels import SavedLabel, encode_label_map
from storage.predictions import NewPrediction
from storage.projects import ClassSpec, ProjectInfo
from storage.rounds import RoundInfo
from storage.schema import NOT_LABELLED
from storage.settings import ProjectSettings
from storage.workspace import Workspace

CLASSES = ("ground", "tree", "roof")


def make_project(
    workspace: Workspace,
    images: int = 12,
    size: tuple[int, int] = (24, 32),
    *,
    name: str = "fields",
    classes: Sequence[str] = CLASSES,
    settings: ProjectSettings | None = None,
    truth: bool = True,
) -> ProjectInfo:
    """Make a project of ``images`` real PNGs of ``size`` (height, width), each with a true label map."""
    project = projects.create_project(
        workspace, name, [ClassSpec(label) for label in classes], "tester", settings
    )
    for number in range(images):
        add_image(workspace, project.id, number, size, len(classes), truth=truth)
    return project


def add_image(
    workspace: Workspace,
    project_id: int,
    number: int,
    size: tuple[int, int] = (24, 32),
    class_count: int = len(CLASSES),
    *,
    truth: bool = True,
    split: str = "pool",
) -> int:
    """Add image ``number``, always the same one, and return its id."""
    generator = np.random.default_rng(number)
    true_map = some_label_map(size, class_count, number)
    pixels = (true_map[..., None] * np.array([60, 30, 90]) + generator.integers(0, 60, (*size, 3))) % 256
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    data = buffer.getvalue()
    image_id = images.add_image(
        workspace,
        project_id,
        name=f"scene_{number:04d}.png",
        content_hash=hashlib.sha256(data).hexdigest(),
        blob=workspace.blobs.put(data),
        media_type="image/png",
        width=size[1],
        height=size[0],
        split=split,
        group=f"drive_{number % 3}",
        truth_blob=workspace.blobs.put(encode_label_map(true_map)) if truth else None,
    )
    assert image_id is not None
    return image_id


def some_label_map(size: tuple[int, int], class_count: int, seed: int = 0) -> np.ndarray:
    """Return a label map (H, W) ``uint8`` whose left part is class 0 and whose right part is another."""
    generator = np.random.default_rng([seed, 7])
    label_map = np.zeros(size, np.uint8)
    edge = int(generator.integers(1, size[1])) if size[1] > 1 else 0
    label_map[:, edge:] = generator.integers(1, class_count) if class_count > 1 else 0
    return label_map


def submit(workspace: Workspace, image_id: int, author: str = "ada", status: str = "submitted") -> SavedLabel:
    """Save the next revision of an image: the left half class 0, the right half class 1, one pixel open."""
    info = images.image(workspace, image_id)
    label_map = np.zeros((info.height, info.width), np.uint8)
    label_map[:, info.width // 2 :] = 1
    label_map[0, 0] = NOT_LABELLED
    return labels.save(
        workspace, image_id, label_map, expected_revision=info.revision, author=author, status=status
    )


def publish_ranking(
    workspace: Workspace,
    project_id: int,
    ranked_ids: Sequence[int],
    embeddings: EmbeddingSet | None = None,
) -> RoundInfo:
    """Run an imagined round that ranks ``ranked_ids`` in this order, with a suggestion for each."""
    requested = round_requests.request_round(workspace, project_id, "tester", "a test asked for it")
    worker = "elsewhere:1"
    claimed = rounds.claim(workspace, worker, lease_s=60, project_id=project_id)
    assert claimed is not None
    assert claimed.id == requested.id
    suggestion = workspace.blobs.put(b"suggestion")
    rounds.publish(
        workspace,
        requested.id,
        worker,
        [
            NewPrediction(
                image_id=image_id,
                score=1.0 / rank,
                rank=rank,
                why=_why(pair),
                scores={"predictive_entropy": 1.0 / rank, "margin": rank / len(ranked_ids)},
                novelty=(7 * rank % 11) / 10,
                unsure_of=pair,
                map_blob=suggestion,
                uncertainty_blob=suggestion,
            )
            for rank, image_id in enumerate(ranked_ids, start=1)
            for pair in ((1, 2) if rank % 3 else (0, 1),)
        ],
        {"audit_miou": 0.5},
        workspace.blobs.put(encode_embeddings(embeddings)) if embeddings else None,
    )
    return rounds.get_round(workspace, requested.id)


def _why(pair: tuple[int, int]) -> dict[str, Any]:
    names = [CLASSES[index] for index in pair]
    return {"sentence": f"unsure about {' against '.join(names)} in the lower left", "names": names}


def some_embeddings(image_ids: Sequence[int], angles: Sequence[float], alike_from: float) -> EmbeddingSet:
    """Return embeddings at angles on a circle, in radians; images near to each other there are alike."""
    at = np.array(angles)
    vectors = np.stack([np.cos(at), np.sin(at)], axis=1).astype(np.float32)
    order = np.argsort(image_ids)
    plane = (vectors[order] + 1) / 2
    return EmbeddingSet(np.array(image_ids, np.int64)[order], vectors[order], plane, alike_from)
