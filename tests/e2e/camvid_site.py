"""CamVid pictures with suggestions on a real server: what the promises of the canvas are tested on."""

import io
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from storage import images, labels, projects, queue, round_requests, rounds
from storage.import_plan import ImportPlan
from storage.import_planning import plan_import
from storage.importing import run_import
from storage.predictions import NewPrediction
from storage.schema import Image
from storage.workspace import Workspace
from tests.e2e.server import Server

WIDTH, HEIGHT = 480, 360
SKY, BUILDING, POLE, ROAD, PAVEMENT = 0, 1, 2, 3, 4
TURNED = "turned.jpg"
DEEP = "deep.png"
LEVELS = (1000, 2000, 3000, 4000)
"""Values of the 16-bit picture's quarters, in the order of CORNERS."""
ORIENTATION, TURN_RIGHT = 0x0112, 6
"""The EXIF tag, and its value for a camera that was held upright."""
CORNERS = ((220, 30, 30), (30, 200, 30), (30, 30, 220), (220, 200, 30))
"""Colours of the upright picture's quarters: upper left, upper right, lower left, lower right."""


@dataclass
class CamVidSite:
    """A server, its workspace and the newest project in it, which opens where no other is named."""

    server: Server
    workspace: Workspace
    project_id: int

    def stored(self, image_id: int) -> np.ndarray:
        """Return the newest label map on the server, flat, ``uint8``."""
        return labels.read(self.workspace, image_id)[0].ravel()

    def suggestion(self, image_id: int) -> np.ndarray:
        """Return what the last published round suggests, flat, ``uint8``."""
        (item,), _ = queue.ranked_images(self.workspace, self.project_id, image_ids=[image_id])
        assert item.map_blob is not None
        return labels.decode_label_map(self.workspace.blobs.get(item.map_blob)).ravel()

    def id_of(self, name: str) -> int:
        everything = images.list_images(self.workspace, self.project_id)
        return next(one.id for one in everything if one.name.endswith(name))

    def save_as_somebody(self, image_id: int, label_map: np.ndarray) -> None:
        """Save a revision under whoever has the image open, and whose browser saves nothing meanwhile."""
        self.reserve(image_id, None)
        revision = images.image(self.workspace, image_id).revision
        shaped = label_map.reshape(HEIGHT, WIDTH)
        labels.save(self.workspace, image_id, shaped, expected_revision=revision, author="somebody")
        self.reserve(image_id, None)

    def reserve(self, image_id: int, person: str | None) -> None:
        """Give an image to somebody who came when a reservation had run out; None frees it."""
        with self.workspace.database.writing() as session:
            row = session.get_one(Image, image_id)
            row.leased_by = person
            row.leased_until = None if person is None else time.time() + 600

    def publish(self, ranked: Sequence[int], *, upside_down: bool = False) -> None:
        """Publish a round that ranks these images so; its suggestions are the truth, or that upside down."""
        asked = round_requests.request_round(self.workspace, self.project_id, "test", "a test asked for it")
        claimed = rounds.claim(self.workspace, "elsewhere:1", 60.0)
        assert claimed is not None
        assert claimed.id == asked.id
        grey = io.BytesIO()
        Picture.fromarray(np.linspace(0, 255, 60 * 45).astype(np.uint8).reshape(45, 60)).save(grey, "PNG")
        uncertainty = self.workspace.blobs.put(grey.getvalue())

        def suggested(image_id: int) -> str:
            truth = images.truth(self.workspace, image_id)
            return self.workspace.blobs.put(labels.encode_label_map(truth[::-1] if upside_down else truth))

        with_truth = [one for one in ranked if images.image(self.workspace, one).truth_blob]
        predictions = [
            NewPrediction(
                image_id=image_id,
                score=1.0 / rank,
                rank=rank,
                why={"sentence": "unsure about road against pavement"},
                map_blob=suggested(image_id),
                uncertainty_blob=uncertainty,
            )
            for rank, image_id in enumerate(with_truth, start=1)
        ]
        rounds.publish(self.workspace, asked.id, "elsewhere:1", predictions, {})

    def pool(self) -> list[int]:
        """Return the ids of the pool in the order of the queue."""
        ranked, _ = queue.ranked_images(self.workspace, self.project_id, split="pool")
        return [one.image.id for one in ranked]


def copy_sample(camvid: Path, folder: Path, count: int) -> None:
    """Copy ``count`` of CamVid's training images, spread over all, with their masks."""
    for name in ("train", "trainannot"):
        (folder / name).mkdir(parents=True)
    everything = sorted((camvid / "train").iterdir())
    for path in everything[:: len(everything) // count][:count]:
        shutil.copy(path, folder / "train")
        shutil.copy(camvid / "trainannot" / f"{path.stem}.png", folder / "trainannot")


def deep_png() -> bytes:
    """Return a grey PNG of 16 bits."""
    values = np.zeros((HEIGHT, WIDTH), np.uint16)
    for corner, level in enumerate(LEVELS):
        top, left = corner // 2 * HEIGHT // 2, corner % 2 * WIDTH // 2
        values[top : top + HEIGHT // 2, left : left + WIDTH // 2] = level
    file = io.BytesIO()
    Picture.fromarray(values).save(file, "PNG")
    return file.getvalue()


def turned_jpeg() -> bytes:
    """Return a JPEG that lies on its side and says so in its EXIF."""
    upright = np.zeros((WIDTH, HEIGHT, 3), np.uint8)
    for corner, colour in enumerate(CORNERS):
        top, left = corner // 2 * WIDTH // 2, corner % 2 * HEIGHT // 2
        upright[top : top + WIDTH // 2, left : left + HEIGHT // 2] = colour
    exif = Picture.Exif()
    exif[ORIENTATION] = TURN_RIGHT
    file = io.BytesIO()
    Picture.fromarray(np.rot90(upright).copy()).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


@dataclass
class CamVidServer:
    """A server that several tests share, and what projects are made of for them.

    No test finds what another one did: a page that was closed may still have requests under way, which save
    a label map or reserve images.
    """

    camvid: Path
    folder: Path
    workspace: Workspace
    server: Server
    plans: dict[int, ImportPlan] = field(default_factory=dict)
    made: int = 0

    def new_site(self, count: int) -> CamVidSite:
        """Make a project of ``count`` CamVid images, one of them labelled, with two odd ones and a round."""
        if count not in self.plans:
            source = self.folder / f"source of {count}"
            copy_sample(self.camvid, source, count)
            (source / "train" / TURNED).write_bytes(turned_jpeg())
            (source / "train" / DEEP).write_bytes(deep_png())
            self.plans[count] = plan_import(source, workspace=self.workspace, masks_as="truth")
        plan, workspace = self.plans[count], self.workspace
        self.made += 1
        project = projects.create_project(workspace, f"Roads {self.made}", plan.classes, actor="test")
        run_import(workspace, project.id, plan, actor="test")
        settings = projects.get_project(workspace, project.id).settings
        settings.annotation.audit_every = 0
        settings.start.automatic = False
        projects.update_settings(workspace, project.id, settings, actor="test")
        site = CamVidSite(self.server, workspace, project.id)
        odd = {site.id_of(TURNED), site.id_of(DEEP)}
        first, *rest = (image_id for image_id in site.pool() if image_id not in odd)
        labels.save(
            workspace,
            first,
            images.truth(workspace, first),
            expected_revision=0,
            author="oracle",
            status="submitted",
        )
        site.publish(rest)
        return site
