"""Recipe ``consistency``: a mean teacher labels weak views, the student learns them on strong views.

With head ``np`` this is NP-SemiSeg: pseudo-labels are the teacher's mean over latent samples and count
only where they are both confident and of low entropy.
"""

from __future__ import annotations

import torch

from core.acquisition.pixel_scores import entropy_of
from core.augment import cutmix_masks, mix_with_next
from core.data import NOT_LABELLED, VOID, UnlabelledBatch, label_to_size
from core.model.network import SegmentationNetwork
from core.recipes import supervised
from core.recipes.cross_entropy import expected_cross_entropy, labelled_cross_entropy
from core.recipes.step import StepInput, StepResult
from core.train_config import TrainConfig


def step(at: StepInput) -> StepResult:
    """Compute the loss of labelled crops and of strong views of unlabelled crops.

    Without unlabelled crops, as in the warm-up while the teacher is not worth listening to, this is
    :func:`core.recipes.supervised.step`.
    """
    if at.unlabelled is None:
        return supervised.step(at)

    labelled, config = at.labelled, at.config
    pseudo, inside = pseudo_labels(at.teacher, at.unlabelled, config, at.generator)
    batch, height, width = pseudo.shape
    masks = cutmix_masks(batch, height, width, at.generator, pseudo.device)
    pseudo, inside = mix_with_next(pseudo, masks), mix_with_next(inside, masks)
    strong = mix_with_next(at.unlabelled.strong, masks)

    images = torch.cat([labelled.images, strong])
    output = at.student(images, samples=config.samples_train, generator=at.generator)
    count = len(labelled.images)
    on_labelled = labelled_cross_entropy(output.logits[:, :count], labelled.labels, config.pixel_weights)
    on_unlabelled = expected_cross_entropy(output.logits[:, count:], pseudo, pixels=inside.sum())
    kl = output.kl.mean()
    loss = on_labelled + config.unlabelled_weight * on_unlabelled + config.kl_weight * kl

    kept = (pseudo < NOT_LABELLED).sum() / inside.sum().clamp(min=1)
    small = label_to_size(labelled.labels, height, width)
    return StepResult(
        loss=loss,
        parts={
            "supervised": on_labelled.detach(),
            "unlabelled": on_unlabelled.detach(),
            "kl": kl.detach(),
            "pseudo_labelled_share": kept,
        },
        features=output.features.detach(),
        labels=torch.cat([small, pseudo]),
        by_person=torch.arange(len(output.features), device=small.device) < count,
    )


@torch.no_grad()
def pseudo_labels(
    teacher: SegmentationNetwork, views: UnlabelledBatch, config: TrainConfig, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let the teacher label weak views.

    Returns:
        Labels ``(B, h, w)`` uint8 at the features' resolution, 255 where the teacher's mean
        probability is below ``confidence`` or its entropy above ``max_entropy`` (nats), or outside
        the image; and where the image is, ``(B, h, w)`` bool.
    """
    logits = teacher(views.weak, samples=config.samples_train, generator=generator).logits
    probabilities = logits.float().softmax(dim=2).mean(dim=0)
    entropy = entropy_of(probabilities, dim=1)
    confidence, labels = probabilities.max(dim=1)
    inside = label_to_size(views.inside.to(torch.uint8), *labels.shape[-2:]).bool()
    trusted = inside & (confidence >= config.confidence) & (entropy <= config.max_entropy)
    return torch.where(trusted, labels, VOID).to(torch.uint8), inside
