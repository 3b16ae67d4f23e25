import io
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from PIL import Image

from storage.formats.label_map import encode_label_map
from storage.images import add_image
from storage.projects import ClassSpec, create_project
from storage.workspace import Workspace

WIDTH, HEIGHT = 48, 32


@dataclass(frozen=True)
class Site:
    """A workspace with one project of three classes and four images, the first with a known truth."""

    workspace: Workspace
    project_id: int
    image_ids: list[int]
    truth: np.ndarray


def make_site(workspace: Workspace, name: str = "Streets") -> Site:
    specs = [ClassSpec("sky"), ClassSpec("road"), ClassSpec("tree")]
    project = create_project(workspace, name, specs, actor="test")
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, (HEIGHT, WIDTH), dtype=np.uint8)
    image_ids = []
    for number in range(4):
        buffer = io.BytesIO()
        pixels = generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        image_id = add_image(
            workspace,
            project.id,
            name=f"street {number}.png",
            content_hash=sha256(buffer.getvalue()).hexdigest(),
            blob=workspace.blobs.put(buffer.getvalue()),
            media_type="image/png",
            width=WIDTH,
            height=HEIGHT,
            truth_blob=workspace.blobs.put(encode_label_map(truth)) if number == 0 else None,
        )
        assert image_id is not None
        image_ids.append(image_id)
    return Site(workspace, project.id, image_ids, truth)
