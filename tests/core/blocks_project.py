"""A project of small pictures in two colours, which a tiny network learns in seconds."""

import io

import numpy as np
from PIL import Image

from storage import images, labels, projects
from storage.projects import ClassSpec, ProjectInfo
from storage.settings import ProjectSettings, RoundSettings, StartRule
from storage.workspace import Workspace

HEIGHT, WIDTH = 48, 64
TINY = RoundSettings(
    encoder="test_efficientnet",
    weights="none",
    long_side=64,
    crop=32,
    steps=6,
    warm_up=0.25,
    batch_size=2,
    samples_train=2,
    samples_predict=2,
    keep_predictions=5,
)


def block_scene(seed: int, height: int = HEIGHT, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """A red field with a blue block, and its label map: 0 field, 1 block."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((height, width), np.uint8)
    top, left = rng.integers(0, max(1, height // 2)), rng.integers(0, max(1, width // 2))
    truth[top : top + max(1, height // 2), left : left + max(1, width // 2)] = 1
    colours = np.array([[200, 60, 60], [60, 60, 200]])
    pixels = colours[truth] + rng.integers(-30, 30, (height, width, 3))
    return pixels.clip(0, 255).astype(np.uint8), truth


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="PNG")
    return file.getvalue()


def blocks_project(
    workspace: Workspace,
    *,
    pool: int = 8,
    train: int = 3,
    audit: int = 0,
    settings: RoundSettings = TINY,
    automatic: bool = False,
    min_changed: int = 2,
) -> ProjectInfo:
    """A project whose ``train`` and ``audit`` images are labelled with their truth."""
    project = projects.create_project(
        workspace,
        "Blocks",
        [ClassSpec(name="field"), ClassSpec(name="block")],
        actor="test",
        settings=ProjectSettings(
            round=settings,
            start=StartRule(
                automatic=automatic, first_labels=min_changed, min_changed=min_changed, quiet_seconds=0
            ),
        ),
    )
    splits = ["pool"] * pool + ["train"] * train + ["audit"] * audit
    for number, split in enumerate(splits):
        pixels, truth = block_scene(number)
        image_id = add_picture(workspace, project, f"{split}-{number}.png", png(pixels), truth, split)
        if split != "pool":
            labels.save(
                workspace, image_id, truth, expected_revision=0, author="test", status="submitted", blind=True
            )
    return project


def add_picture(
    workspace: Workspace,
    project: ProjectInfo,
    name: str,
    data: bytes,
    truth: np.ndarray,
    split: str = "pool",
) -> int:
    image_id = images.add_image(
        workspace,
        project.id,
        name=name,
        content_hash=f"{name:0>64}"[-64:],
        blob=workspace.blobs.put(data),
        media_type="image/png",
        width=truth.shape[1],
        height=truth.shape[0],
        split="audit" if split == "audit" else "pool",
        truth_blob=workspace.blobs.put(labels.encode_label_map(truth)),
    )
    assert image_id is not None
    return image_id
