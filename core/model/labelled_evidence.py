"""What the labelled images say about a classifier: one second moment of pixel features per image."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from core.distributed import gathered, processes
from core.model.memory import Memory

NO_IMAGE = -1
"""Key of a place that is not in use."""


class LabelledEvidence(Memory):
    """Second moments ``Σ w φ φᵀ`` of the labelled pixels of the newest labelled images.

    An image has one place, however often it is seen: what was last seen of it counts, so that evidence
    grows with the labelled images and not with the steps of a training. Everything lives in registered
    buffers, so it is saved, moved and averaged with the module that holds it. All shapes are fixed:
    writing never waits for the device. While not all labelled images were seen, or where there are more of
    them than places, those in places stand for all.

    Args:
        width: Length D of a feature vector.
        images: At most so many images are remembered; the one that came first makes room.
    """

    moments: torch.Tensor
    """``(M, D, D)`` float; zero in places that are not in use."""
    keys: torch.Tensor
    """``(M,)`` int64, the image of each place, or ``NO_IMAGE``."""
    next_place: torch.Tensor
    """int64 scalar, the place of the next new image."""
    labelled_images: torch.Tensor
    """int64 scalar, how many images are labelled as far as is known."""

    def __init__(self, width: int, images: int = 256) -> None:
        super().__init__()
        self.register_buffer("moments", torch.zeros(images, width, width))
        self.register_buffer("keys", torch.full((images,), NO_IMAGE))
        self.register_buffer("next_place", torch.zeros((), dtype=torch.int64))
        self.register_buffer("labelled_images", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def observe(self, vectors: torch.Tensor, weights: torch.Tensor, images: torch.Tensor) -> None:
        """Remember images by what is seen of them; one that shows no labelled pixel changes nothing.

        When several processes train together, all remember the images of all, in the same order.

        Args:
            vectors: ``(B, pixels, D)``.
            weights: ``(B, pixels)`` float, what a pixel counts; 0 where it has no label and so says nothing.
            images: ``(B,)`` int64 keys, at least 0. An image may come twice; then the last counts.
        """
        vectors = vectors.float()
        moments = (vectors * weights[:, :, None]).mT @ vectors
        keys = torch.where(weights.any(dim=1), images, NO_IMAGE)
        if processes() > 1:
            moments, keys = torch.cat(gathered(moments)), torch.cat(gathered(keys))
        self._remember(moments, keys)

    def _remember(self, moments: Tensor, keys: Tensor) -> None:
        """Write moments ``(B, D, D)`` of images ``(B,)`` at once, asking the device for no number.

        It is as if one came after the other, but for an image that is seen again just when a new one is to
        take its place: then it stays, and the new one enters when it is seen next.
        """
        is_image = keys != NO_IMAGE
        same = (keys[:, None] == keys) & is_image
        held = self.keys == keys[:, None]
        is_new = is_image & ~held.any(dim=1)
        first_seen = same.to(torch.uint8).argmax(dim=1)
        comes = is_new & (first_seen == torch.arange(len(keys), device=keys.device))
        new_place = (self.next_place + comes.cumsum(0) - 1) % len(self.keys)
        place = torch.where(is_new, new_place[first_seen], held.to(torch.uint8).argmax(dim=1))
        # Rows that say nothing repeat what another row writes, or write back what is there.
        place = torch.where(is_image, place, place[is_image.to(torch.uint8).argmax(0, keepdim=True)])
        writes = (place[:, None] == place) & is_image
        last = writes.shape[1] - 1 - writes.flip(1).to(torch.uint8).argmax(dim=1)
        says = is_image.any()
        new_moments = torch.where(says, moments[last], self.moments[place])
        new_keys = torch.where(says, keys[last], self.keys[place])
        self.moments.index_copy_(0, place, new_moments)
        self.keys.index_copy_(0, place, new_keys)
        self.next_place.copy_((self.next_place + comes.sum()) % len(self.keys))

    def total(self) -> torch.Tensor:
        """Return the sum of the moments over the labelled images, ``(D, D)``."""
        return self.moments.sum(dim=0) * (self.labelled_images / self._seen().clamp(min=1)).clamp(min=1)

    def suffices(self) -> torch.Tensor:
        """Return whether the images in places may stand for all, a bool scalar.

        Half of the labelled images is enough, or of the places where there are fewer. What directions a few
        images show says nothing about the others, so that a classifier drawn from them alone is far off.
        """
        wanted = self.labelled_images.clamp(min=1, max=len(self.keys))
        return 2 * self._seen() >= wanted

    def _seen(self) -> torch.Tensor:
        return (self.keys != NO_IMAGE).sum()

    @torch.no_grad()
    def begin(self, labelled_images: int = 0) -> None:
        """Remember no image any more; ``labelled_images`` is how many there are from now on."""
        self.moments.zero_()
        self.keys.fill_(NO_IMAGE)
        self.next_place.zero_()
        self.labelled_images.fill_(labelled_images)

    @torch.no_grad()
    def adopt_new(self, other: Self) -> None:
        """Copy the images that ``other`` holds where this one holds none or another one.

        Averaging the moments of two images would say something about neither.
        """
        differs = self.keys != other.keys
        self.moments.copy_(torch.where(differs[:, None, None], other.moments, self.moments))
        self.keys.copy_(other.keys)
        self.next_place.copy_(other.next_place)
        self.labelled_images.copy_(other.labelled_images)
