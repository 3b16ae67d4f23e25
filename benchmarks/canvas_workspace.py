"""A workspace to measure the label canvas on: made-up images, their suggestions and uncertainty maps."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sqlalchemy import update

from core.worker.maps import grey_png
from storage import images, labels, projects, round_requests, rounds
from storage.labels import encode_label_map
from storage.predictions import NewPrediction
from storage.projects import ClassSpec
from storage.schema import Image as ImageRow
from storage.settings import AnnotationSettings, ProjectSettings, RoundSettings, StartRule
from storage.workspace import Workspace, open_workspace

SEED = 0
CLASSES = 20
SCENES = 4
"""Different pictures of a project; its images repeat them, each under an address of its own."""
TRAINED = 4
"""Images that carry a label map already, so that a worker has something to train on."""
PERSON = "benchmark"
SOMEBODY_ELSE = "somebody else"
FOR_EVER = 4e9


@dataclass(frozen=True)
class Size:
    """Width and height of a project's images."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


HD = Size(1280, 720)
WIDE = Size(2048, 1024)
LARGE = Size(4000, 3000)


@dataclass(frozen=True)
class Scene:
    """One picture: a JPEG, the suggestion as index PNG and the uncertainty as grey PNG."""

    jpeg: bytes
    suggestion: bytes
    uncertainty: bytes


def make_project(folder: Path, size: Size, count: int) -> tuple[Workspace, int]:
    """Make a project of ``count`` waiting images, all of them with a suggestion."""
    workspace = open_workspace(folder)
    settings = ProjectSettings(
        annotation=AnnotationSettings(audit_every=0, seed=SEED),
        start=StartRule(automatic=False),
        # A round that lasts longer than any measurement.
        round=RoundSettings(recipe="supervised", steps=1_000_000, seed=SEED),
    )
    specs = [ClassSpec(f"class {number}") for number in range(CLASSES)]
    project = projects.create_project(workspace, str(size), specs, PERSON, settings)
    scenes = [make_scene(size, number) for number in range(SCENES)]
    ids = [_add(workspace, project.id, size, scenes, number) for number in range(TRAINED + count)]
    for number, image_id in enumerate(ids[:TRAINED]):
        label_map = labels.decode_label_map(scenes[number % SCENES].suggestion)
        labels.save(workspace, image_id, label_map, expected_revision=0, author=PERSON, status="submitted")
    _publish(workspace, project.id, ids[TRAINED:], scenes)
    return workspace, project.id


def make_scene(size: Size, number: int) -> Scene:
    """Make a picture whose class borders are as ragged as a network's, and a suggestion for it."""
    generator = np.random.default_rng([SEED, size.width, number])
    coarse = _smooth(generator, size, 12) + 0.06 * _smooth(generator, size, 90)
    borders = np.quantile(coarse[::4, ::4], np.linspace(0, 1, CLASSES + 1)[1:-1])
    classes = np.digitize(coarse, borders).astype(np.uint8)
    colours = generator.integers(30, 220, (CLASSES, 3))
    grain = generator.normal(0, 5, (size.height, size.width, 1))
    pixels = np.clip(colours[classes] + grain, 0, 255).astype(np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=90)
    doubt = _smooth(generator, Size(256, 256 * size.height // size.width), 16)
    scaled = (doubt - doubt.min()) / (doubt.max() - doubt.min())
    return Scene(jpeg.getvalue(), encode_label_map(classes), grey_png(torch.from_numpy(scaled)))


def hold_back_all(workspace: Workspace, project_id: int) -> None:
    """Reserve all waiting images for somebody else, so that the person's queue is empty."""
    with workspace.database.writing() as session:
        session.execute(
            update(ImageRow)
            .where(ImageRow.project_id == project_id, ImageRow.split == "pool")
            .values(leased_by=SOMEBODY_ELSE, leased_until=FOR_EVER)
        )


def let_go(workspace: Workspace, image_id: int) -> None:
    """Let one image back into the person's queue."""
    with workspace.database.writing() as session:
        session.execute(
            update(ImageRow).where(ImageRow.id == image_id).values(leased_by=None, leased_until=None)
        )


def let_go_of_all(workspace: Workspace, project_id: int) -> None:
    """Let all images back into the person's queue."""
    with workspace.database.writing() as session:
        session.execute(
            update(ImageRow)
            .where(ImageRow.project_id == project_id, ImageRow.leased_by == SOMEBODY_ELSE)
            .values(leased_by=None, leased_until=None)
        )


def waiting(workspace: Workspace, project_id: int) -> list[int]:
    """Return the ids of the images that nobody has labelled yet."""
    return [info.id for info in images.list_images(workspace, project_id, "pool")]


def untouched(workspace: Workspace, project_id: int) -> int:
    """Return the id of a waiting image without any label map, not even a draft."""
    found = images.list_images(workspace, project_id, "pool")
    return next(info.id for info in found if info.revision == 0)


def _smooth(generator: np.random.Generator, size: Size, cells: int) -> np.ndarray:
    """Return a random field (H, W) with about ``cells`` bumps along its width."""
    rows = max(2, cells * size.height // size.width)
    field = generator.normal(0, 1, (rows, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(field).resize((size.width, size.height), Image.Resampling.BICUBIC))


def _add(workspace: Workspace, project_id: int, size: Size, scenes: list[Scene], number: int) -> int:
    image_id = images.add_image(
        workspace,
        project_id,
        name=f"{size}_{number:04d}.jpg",
        content_hash=hashlib.sha256(f"{size} {number}".encode()).hexdigest(),
        blob=workspace.blobs.put(scenes[number % SCENES].jpeg),
        media_type="image/jpeg",
        width=size.width,
        height=size.height,
    )
    assert image_id is not None
    return image_id


def _publish(workspace: Workspace, project_id: int, ids: list[int], scenes: list[Scene]) -> None:
    """Publish a round that ranks the images in their order, as the worker would."""
    requested = round_requests.request_round(workspace, project_id, PERSON, "Benchmark")
    worker = "benchmark:1"
    rounds.claim(workspace, worker, lease_s=60, project_id=project_id)
    first = TRAINED
    predictions = [
        NewPrediction(
            image_id,
            score=1 / rank,
            rank=rank,
            why={"sentence": "Unsure about class 3 against class 4 in the lower left"},
            map_blob=workspace.blobs.put(scenes[(first + rank - 1) % SCENES].suggestion),
            uncertainty_blob=workspace.blobs.put(scenes[(first + rank - 1) % SCENES].uncertainty),
        )
        for rank, image_id in enumerate(ids, start=1)
    ]
    rounds.publish(workspace, requested.id, worker, predictions, {})
