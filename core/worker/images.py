"""The images of a round's project and their pixels, as far as they can be read."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator, Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data import without_classes
from core.decoded_image import UnreadableImage
from core.image_threads import read_at_once
from core.pool_ranking import Frame, frames_of
from core.worker.claim import Claim
from core.worker.small_pictures import SmallPictures
from storage import images, labels, queue
from storage.errors import InvalidInput, NotFound
from storage.formats.archives import natural_order
from storage.images import StoredImage

log = logging.getLogger("qualm.worker")


class RoundImages:
    """The images of the project as they are when this is made.

    Attributes:
        by_id: All of them.
        pool: Those that wait for a label.
        asked_for: Those of the pool, by id, that people pinned or have begun.
        to_score: Those of the pool that the round puts in order.
        audit: Those that measure and have a label.
        others: Those in the splits for training and audit, labelled or not.
        frames: Where each of those to score stands in its series, by id.
        held: Pixels ``uint8 (3, h, w)`` by image id of images that stay in memory.
        small_pictures: Reads the others by their blobs.

    Raises:
        LeaseLost, Cancelled, Stopping: See :meth:`core.worker.claim.Claim.check`.
    """

    def __init__(self, claim: Claim) -> None:
        every = images.stored_images(claim.workspace, claim.info.project_id)
        claim.check()  # A million of them take many seconds, and so may their series.
        self.by_id = {image.id: image for image in every}
        self.pool = [image for image in every if image.split == "pool"]
        self.asked_for = queue.asked_for(claim.workspace, claim.info.project_id)
        self.to_score = _to_score(claim, self.pool, self.asked_for)
        self.audit = [image for image in every if image.split == "audit" and image.labelled_revision]
        self.others = [image for image in every if image.split in ("train", "audit")]
        self.frames = _frames(every, self.to_score)
        self.held: dict[int, Tensor] = {}
        self._claim = claim
        self.small_pictures = SmallPictures.of(claim.workspace, claim.settings.long_side)

    def looked_at(self) -> str:
        """Return what the screen says of a pool that is scored in part, after a space; nothing of others."""
        if len(self.to_score) == len(self.pool):
            return ""
        return f" {len(self.to_score):,} of {len(self.pool):,} images were looked at, the others come later."

    def pixels(self, image: StoredImage) -> Tensor:
        """Return an image, ``uint8 (3, h, w)``, at the long side of the settings.

        Raises:
            UnreadableImage: Its bytes are damaged.
            NotFound: Its file is gone.
        """
        if image.id in self.held:
            return self.held[image.id]
        return self.small_pictures(image.blob)

    def readable(self, chosen: Iterable[StoredImage]) -> Iterator[tuple[StoredImage, Tensor]]:
        """Yield images with their pixels; a damaged one is noted and left out.

        Raises:
            LeaseLost, Cancelled, Stopping: See :meth:`core.worker.claim.Claim.check`.
        """
        for image, pixels in self._each(chosen):
            if pixels is not None:
                yield image, pixels

    def labelled(
        self, chosen: Iterable[StoredImage], label_map: Callable[[StoredImage], NDArray[np.uint8]]
    ) -> Iterator[tuple[StoredImage, Tensor, Tensor]]:
        """Yield those that can be read with their pixels and their label maps ``uint8 (H, W)`` at full size.

        What is of an archived class counts as not labelled.

        Args:
            chosen: The images.
            label_map: Reads that of one of them, in any thread; what it raises is noted.

        Raises:
            LeaseLost, Cancelled, Stopping: See :meth:`core.worker.claim.Claim.check`.
        """
        every = list(chosen)
        with (
            contextlib.closing(self._each(every)) as pictures,
            contextlib.closing(read_at_once(label_map, every, pixels=_pixels_of)) as label_maps,
        ):
            for (image, pixels), (_, read) in zip(pictures, label_maps, strict=True):
                if pixels is None:
                    continue
                try:
                    of_today = without_classes(torch.from_numpy(read.result()), self._claim.archived)
                except (NotFound, InvalidInput):
                    self._claim.note_damaged_label_map(image.name)
                    continue
                yield image, pixels, of_today

    def audited(self, chosen: Iterable[StoredImage]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pixels and label maps of audit images, as :meth:`labelled` does, by today's labels."""
        workspace = self._claim.workspace

        def newest(image: StoredImage) -> NDArray[np.uint8]:
            return labels.read(workspace, image.id, image.labelled_revision)[0]

        for _, pixels, label_map in self.labelled(chosen, newest):
            yield pixels, label_map

    def _each(self, chosen: Iterable[StoredImage]) -> Generator[tuple[StoredImage, Tensor | None]]:
        """Yield every image with its pixels, None for a damaged one, which is noted."""
        for image, read in read_at_once(
            self.pixels, chosen, pixels=lambda image: 0 if image.id in self.held else _pixels_of(image)
        ):
            self._claim.check()
            try:
                yield image, read.result()
            except (UnreadableImage, NotFound) as error:
                log.warning("%s cannot be read: %s", image.name, error)
                self._claim.note_damaged_image(image.name)
                yield image, None


def _pixels_of(image: StoredImage) -> int:
    return image.width * image.height


def _frames(every: list[StoredImage], to_score: list[StoredImage]) -> dict[int, Frame]:
    """Return where the images to score stand among all of their series, by id."""
    series = {image.group for image in to_score if image.group is not None}
    # To read the numbers in a name takes longer than all else here.
    in_series = [image for image in every if image.group in series]
    in_series.sort(key=lambda image: (natural_order(image.name), image.id))
    frames = frames_of([image.group for image in in_series])
    found = {image.id: frame for image, frame in zip(in_series, frames, strict=True)}
    return {image.id: found.get(image.id, Frame(None, 0)) for image in to_score}


def _to_score(claim: Claim, pool: list[StoredImage], asked_for: list[int]) -> list[StoredImage]:
    """Return all, or as many as the settings say: what people asked for, then half front, half chance.

    A ranking without training is mostly for new images, so these come before the front.
    """
    most = claim.settings.most_scored
    if len(pool) <= most:
        return pool
    chosen = set(asked_for[:most])
    if claim.info.kind == "ranks":
        since = claim.trained.started_at or claim.trained.created_at
        new = images.imported_since(claim.workspace, claim.info.project_id, since)
        chosen.update(new[: most - len(chosen)])
    chosen.update(queue.front(claim.workspace, claim.info.project_id, (most - len(chosen)) // 2))
    others = [image.id for image in pool if image.id not in chosen]
    drawn = torch.randperm(len(others), generator=torch.Generator().manual_seed(claim.pool_seed))
    chosen.update(others[index] for index in drawn[: most - len(chosen)].tolist())
    return [image for image in pool if image.id in chosen]
