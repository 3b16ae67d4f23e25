"""What a round trains on: the labels of its snapshot and the images that were in the pool with them."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data import NOT_LABELLED, ImagesOnDemand, TrainingData, label_to_train, size_at_long_side
from core.decoded_image import UnreadableImage
from core.train import first_unlabelled_step
from core.worker.claim import Claim
from core.worker.images import RoundImages
from core.worker.small_pictures import SmallPictures
from storage import labels, rounds
from storage.classes_to_learn import NO_CLASS_SHOWN
from storage.errors import NotFound, QualmError
from storage.images import StoredImage
from storage.snapshots import Snapshot, SnapshotLabel

log = logging.getLogger("qualm.worker")

HELD_BYTES = 2 * 2**30
"""Images whose pixels take more, at the long side of the settings, are read while the training runs: those of
the pool, and all when the labelled ones take more by themselves."""
IMAGES_A_CROP = 4
"""Of a large pool so many images are read for each crop without a label, so that few are drawn twice."""


@dataclass(frozen=True)
class Learned:
    """What a network knows of the labels.

    Attributes:
        class_count: Classes of the labels.
        image_ids: The labelled images, damaged ones too.
        images_by_class: For each class that the labels show, in how many of them it occurs.
    """

    class_count: int
    image_ids: set[int]
    images_by_class: list[int]


@dataclass(frozen=True)
class LoadedSnapshot:
    """A snapshot whose files were read.

    Attributes:
        data: What trains, without what is damaged.
        learned: What a network knows that has trained on it.
    """

    data: TrainingData
    learned: Learned


def load_snapshot(claim: Claim, images: RoundImages) -> LoadedSnapshot:
    """Read the snapshot's labels and, as far as the recipe trains on it, its pool; leave out what is damaged.

    An image that was labelled since the round was requested still trains without its label, and one that was
    imported since does not train, so that a round that another worker goes on with stays the same. Pixels of
    a pool that fits into the memory are held in ``images``.

    Raises:
        QualmError: None of the labelled images can be read together with its label map, or they show no
            class, as when theirs were archived since the round was requested.
        LeaseLost, Cancelled, Stopping: See :meth:`core.worker.claim.Claim.check`.
    """
    snapshot = rounds.snapshot(claim.workspace, claim.info.id)
    labelled, pixels, label_maps = _labelled(claim, images, snapshot.labels)
    learned = _learned(snapshot, (label_map.unique().tolist() for label_map in label_maps.values()))
    if not learned.images_by_class:
        raise QualmError(NO_CLASS_SHOWN)
    unlabelled = _unlabelled(claim, images, snapshot)
    if not pixels or _pixel_bytes(claim, unlabelled) > HELD_BYTES:
        first = [] if pixels else labelled
        keys = [image.blob for image in first + unlabelled]
        reader = _Reader(images.small_pictures, keys, len(first))
        on_demand = ImagesOnDemand(pixels, len(keys), reader)
        data = TrainingData(on_demand, label_maps, [*range(len(labelled), len(on_demand))])
    else:
        images.held.update((image.id, of_pool) for image, of_pool in images.readable(unlabelled))
        every = pixels + list(images.held.values())
        data = TrainingData(every, label_maps, [*range(len(pixels), len(every))])
    return LoadedSnapshot(data, learned)


def learned_before(claim: Claim) -> Learned:
    """Return what the network knows by which a round ranks again; no label map and no image is read."""
    snapshot = rounds.snapshot(claim.workspace, claim.info.id)
    revisions = [(label.image_id, label.revision) for label in snapshot.labels]
    shown = labels.classes_shown(claim.workspace, claim.info.project_id, revisions)
    return _learned(snapshot, ([index for index in one if index not in claim.archived] for one in shown))


def _learned(snapshot: Snapshot, shown: Iterable[list[int]]) -> Learned:
    """Count the images of each class; ``shown`` has the values of each label map."""
    count = Counter(value for values in shown for value in values if value < NOT_LABELLED)
    image_ids = {label.image_id for label in snapshot.labels}
    return Learned(snapshot.class_count, image_ids, [count[index] for index in sorted(count)])


def _labelled(
    claim: Claim, images: RoundImages, snapshot_labels: list[SnapshotLabel]
) -> tuple[list[StoredImage], list[Tensor], dict[int, Tensor]]:
    """Return the labelled images, their pixels and, by index, their label maps at the same sizes.

    There are no pixels when they would take more than ``HELD_BYTES``.
    """
    labelled: list[StoredImage] = []
    held: list[Tensor] = []
    label_maps: dict[int, Tensor] = {}
    blobs = {label.image_id: label.blob for label in snapshot_labels}
    chosen = [images.by_id[image_id] for image_id in blobs]
    fits = _pixel_bytes(claim, chosen) <= HELD_BYTES

    def of_snapshot(image: StoredImage) -> NDArray[np.uint8]:
        return labels.decode_label_map(claim.workspace.blobs.get(blobs[image.id]))

    for image, pixels, label_map in images.labelled(chosen, of_snapshot):
        label_maps[len(labelled)] = label_to_train(label_map, *pixels.shape[1:])
        labelled.append(image)
        if fits:
            held.append(pixels)
    if not label_maps:
        raise QualmError(
            "None of the labelled images can be read together with its label map. Import them again or save "
            "their label maps again, then start a round."
        )
    return labelled, held, label_maps


def _unlabelled(claim: Claim, images: RoundImages, snapshot: Snapshot) -> list[StoredImage]:
    """Return the images that train without a label, of a pool larger than the recipe needs some by chance.

    A snapshot that does not name them means today's pool.
    """
    if snapshot.unlabelled is None:
        every = images.pool
    else:
        ids = itertools.chain.from_iterable(snapshot.unlabelled)
        every = [images.by_id[image_id] for image_id in ids if image_id in images.by_id]
    config = claim.train_config()
    crops = (config.steps - first_unlabelled_step(config)) * config.batch_size
    drawn = torch.randperm(len(every), generator=torch.Generator().manual_seed(claim.pool_seed))
    return [every[index] for index in sorted(drawn[: IMAGES_A_CROP * crops].tolist())]


def _pixel_bytes(claim: Claim, chosen: list[StoredImage]) -> int:
    side = claim.settings.long_side
    sizes = (size_at_long_side(image.height, image.width, side) for image in chosen)
    return sum(3 * height * width for height, width in sizes)


@dataclass(frozen=True)
class _Reader:
    """Reads images by index, also in the processes that read ahead: labelled ones, then those of the pool."""

    small_pictures: SmallPictures
    keys: list[str]
    labelled: int

    def __call__(self, index: int) -> Tensor:
        """Return the image at ``index``; in place of a damaged one of the pool, the next that can be read."""
        if index < self.labelled:
            return self.small_pictures(self.keys[index])
        of_pool = len(self.keys) - self.labelled
        for further in range(of_pool):
            key = self.keys[self.labelled + (index - self.labelled + further) % of_pool]
            try:
                return self.small_pictures(key)
            except (UnreadableImage, NotFound) as error:
                log.warning("an image of the pool could not be read and is replaced: %s", error)
        raise UnreadableImage("none of the pool's images can be read")
