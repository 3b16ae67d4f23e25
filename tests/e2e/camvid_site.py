"""CamVid pictures with suggestions on a real server: what the promises of the canvas are tested on."""

import io
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from sqlalchemy import or_, select, update

from storage import images, labels, projects, queue, rounds
from storage.importing import plan_import, run_import
from storage.rounds import NewPrediction
from storage.schema import Image
from storage.workspace import Workspace, open_workspace
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
    """A server, its workspace and its one project."""

    server: Server
    workspace: Workspace
    project_id: int

    def stored(self, image_id: int) -> np.ndarray:
        """Return the newest label map on the server, flat, ``uint8``."""
        return labels.read(self.workspace, image_id)[0].ravel()

    def suggestion(self, image_id: int) -> np.ndarray:
        """Return what the last published round suggests, flat, ``uint8``."""
        item, _ = queue.open_image(self.workspace, image_id, "nobody")
        self.release_all()
        assert item.map_blob is not None
        return labels.decode_label_map(self.workspace.blobs.get(item.map_blob)).ravel()

    def id_of(self, name: str) -> int:
        everything = images.list_images(self.workspace, self.project_id)
        return next(one.id for one in everything if one.name.endswith(name))

    def set_used_images_aside(self) -> None:
        """Give the next person the queue that the first one had, less what was labelled or skipped."""
        # A page that was just closed may still have a request under way that reserves images.
        while self._is_any_reserved():
            self.release_all()
            time.sleep(0.3)
        used = or_(Image.revision > 0, Image.skipped_at.is_not(None))
        with self.workspace.database.writing() as session:
            session.execute(update(Image).where(Image.split == "pool", used).values(split="excluded"))

    def release_all(self) -> None:
        """End all reservations, so that the next person begins at the head of the queue."""
        with self.workspace.database.writing() as session:
            session.execute(update(Image).values(leased_by=None, leased_until=None))

    def _is_any_reserved(self) -> bool:
        with self.workspace.database.reading() as session:
            return session.scalar(select(Image.id).where(Image.leased_by.is_not(None)).limit(1)) is not None

    def save_as_somebody(self, image_id: int, label_map: np.ndarray) -> None:
        """Save a revision under whoever has the image open."""
        self.release_all()
        revision = images.image(self.workspace, image_id).revision
        shaped = label_map.reshape(HEIGHT, WIDTH)
        labels.save(self.workspace, image_id, shaped, expected_revision=revision, author="somebody")
        self.release_all()

    def publish(self, ranked: Sequence[int], *, upside_down: bool = False) -> None:
        """Publish a round that ranks these images so; its suggestions are the truth, or that upside down."""
        asked = rounds.request_round(self.workspace, self.project_id, "test", "a test asked for it")
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


@contextmanager
def camvid_site(camvid: Path, folder: Path, count: int) -> Iterator[CamVidSite]:
    """Serve ``count`` CamVid images, the first of them labelled and a round published, and two odd ones."""
    source = folder / "source"
    copy_sample(camvid, source, count)
    (source / "train" / TURNED).write_bytes(turned_jpeg())
    (source / "train" / DEEP).write_bytes(deep_png())
    workspace = open_workspace(folder / "workspace")
    plan = plan_import(source, workspace=workspace, masks_as="truth")
    project = projects.create_project(workspace, "Roads", plan.classes, actor="test")
    run_import(workspace, project.id, plan, actor="test")
    settings = projects.get_project(workspace, project.id).settings
    settings.annotation.audit_every = 0
    settings.start.automatic = False
    projects.update_settings(workspace, project.id, settings, actor="test")
    site = CamVidSite(Server(workspace.path, ["--no-worker"]), workspace, project.id)
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
    site.server.start()
    try:
        yield site
    finally:
        site.server.stop()
        workspace.close()
