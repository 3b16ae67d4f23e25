"""Recipe ``u2pl``: reliable pseudo-labels train, and unreliable ones tell the student what they are not.

The mean teacher labels unlabelled crops. The share α_t of its labels with the highest entropy is
dropped; those pixels become negatives, in a pixel contrast, of the classes the teacher finds unlikely
there. CutMix takes 20 to 50 % of the area from another image, as in recipe ``consistency``; the released
code takes half of it in every second batch. With head ``np`` this is NP-SemiSeg on U2PL: probabilities are
means over latent samples.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from core.acquisition.pixel_scores import entropy_of
from core.augment import cutmix_masks, mix_with_next
from core.data import VOID, UnlabelledBatch, label_to_size
from core.model.network import SegmentationNetwork
from core.recipes.class_queues import ClassQueues
from core.recipes.cross_entropy import labelled_cross_entropy
from core.recipes.pixel_contrast import Pixels, pixel_contrast
from core.recipes.reliability import (
    balanced_cross_entropy,
    drop_unreliable,
    unreliable_share_at,
)
from core.recipes.step import StepInput, StepResult

WARM_UP = 0.1
"""Share of the steps that train on labels only, while the teacher is not worth listening to. No unlabelled
crops are drawn for them.

The paper has one epoch of 80, 655 steps; a round here may have 100 steps in all."""

_NO_REPRESENTATION = (
    "The recipe u2pl needs a network with a representation head. Build it with representation=True."
)


def step(at: StepInput) -> StepResult:
    """Compute L_s + λ_u · L_u + λ_c · L_c, and β · KL (U2PL's three losses, the neural process's KL).

    Without unlabelled crops only their terms are missing: the labelled pixels are contrasted all the
    same, so every parameter receives a gradient at each step.

    Raises:
        ValueError: When the student has no representation head, or there are no queues.
    """
    if at.queues is None:
        raise ValueError("The recipe u2pl needs class queues. Give the step some.")

    labelled, config = at.labelled, at.config
    taught = teach(at, at.unlabelled or _no_views(labelled.images))
    count, (height, width) = len(labelled.images), taught.pseudo.shape[-2:]
    share = unreliable_share_at(at.progress, config.unreliable_share)
    entropies = entropy_of(taught.probabilities[count:], dim=1)
    reliable, unreliable = drop_unreliable(taught.pseudo, entropies, share, taught.probabilities.shape[1])

    images = torch.cat([labelled.images, taught.strong])
    output = at.student(images, samples=config.samples_train, generator=at.generator)
    on_labelled = labelled_cross_entropy(output.logits[:, :count], labelled.labels, config.pixel_weights)
    valid = (taught.pseudo != VOID).sum()
    on_unlabelled = balanced_cross_entropy(output.logits[:, count:], reliable, valid)
    kl = output.kl.mean()

    labels = torch.cat([label_to_size(labelled.labels, height, width), reliable])
    by_person = torch.arange(len(labels), device=labels.device) < count
    contrast = pixel_contrast(
        Pixels(
            representations=_by_pixel(_required(output.representation)),
            keys=_by_pixel(taught.keys),
            probabilities=_by_pixel(taught.probabilities),
            labels=labels.flatten(),
            by_person=by_person.repeat_interleave(height * width),
            unreliable=torch.cat([torch.zeros_like(labels[:count], dtype=torch.bool), unreliable]).flatten(),
        ),
        at.queues,
        at.generator,
    )
    contrast_weight = config.contrast_weight if at.progress >= WARM_UP else 0.0
    loss = (
        on_labelled
        + config.unlabelled_weight * on_unlabelled
        + contrast_weight * contrast.loss
        + config.kl_weight * kl
    )
    parts = {"supervised": on_labelled.detach(), "contrast": contrast.loss.detach(), "kl": kl.detach()}
    if at.unlabelled is not None:
        parts["unlabelled"] = on_unlabelled.detach()
        parts["pseudo_labelled_share"] = (reliable != VOID).sum() / valid.clamp(min=1)
    return StepResult(
        loss=loss,
        parts=parts,
        features=output.features.detach(),
        labels=labels,
        by_person=by_person,
    )


def make_queues(network: SegmentationNetwork) -> ClassQueues:
    """Return empty queues for the classes and representations of ``network``.

    Raises:
        ValueError: When it has no representation head.
    """
    if network.representation is None:
        raise ValueError(_NO_REPRESENTATION)
    return ClassQueues(network.class_count, network.representation.width)


class Taught(NamedTuple):
    """What the teacher says about B labelled crops and, after them, U unlabelled crops under CutMix."""

    strong: torch.Tensor
    """``(U, 3, H, W)`` strong views under CutMix."""
    probabilities: torch.Tensor
    """``(B + U, C, h, w)`` float, mean over the latent samples."""
    keys: torch.Tensor
    """``(B + U, D, h, w)`` representations."""
    pseudo: torch.Tensor
    """``(U, h, w)`` uint8 most probable class; 255 outside the image."""


@torch.no_grad()
def teach(at: StepInput, views: UnlabelledBatch) -> Taught:
    """Let the teacher, in evaluation mode, see the labelled crops and the weak views once.

    CutMix then mixes what it said about the weak views with the same masks as the strong views, so
    that pseudo-label, entropy and key of a pixel belong together.
    """
    count = len(at.labelled.images)
    seen = torch.cat([at.labelled.images, views.weak])
    output = at.teacher(seen, samples=at.config.samples_train, generator=at.generator)
    probabilities = output.logits.float().softmax(dim=2).mean(dim=0)
    keys = _required(output.representation)
    height, width = keys.shape[-2:]
    masks = cutmix_masks(len(views.weak), height, width, at.generator, keys.device)

    def mixed(values: torch.Tensor) -> torch.Tensor:
        return torch.cat([values[:count], mix_with_next(values[count:], masks)])

    probabilities, keys = mixed(probabilities), mixed(keys)
    inside = mix_with_next(label_to_size(views.inside.to(torch.uint8), height, width), masks).bool()
    pseudo = torch.where(inside, probabilities[count:].argmax(dim=1), VOID).to(torch.uint8)
    return Taught(mix_with_next(views.strong, masks), probabilities, keys, pseudo)


def _no_views(images: torch.Tensor) -> UnlabelledBatch:
    none = images[:0]
    return UnlabelledBatch(none, none, torch.ones_like(none[:, 0], dtype=torch.bool))


def _required(representation: torch.Tensor | None) -> torch.Tensor:
    if representation is None:
        raise ValueError(_NO_REPRESENTATION)
    return representation


def _by_pixel(maps: torch.Tensor) -> torch.Tensor:
    """Return ``(B, D, h, w)`` as ``(B · h · w, D)``."""
    return maps.movedim(1, 3).flatten(0, 2)
