"""What every head has in common: it turns features into class logits, as often as there are samples."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import torch
from torch import nn

Latent = Literal["target", "context"]
"""The distribution that a latent of each image is drawn from: q(z | target) or q(z | context)."""


class HeadOutput(NamedTuple):
    """What a head says about a batch."""

    logits: torch.Tensor
    """``(T, B, C, h, w)`` at feature resolution; T = 1 for a head without a latent."""
    kl: torch.Tensor
    """``(B,)`` nats, KL(q(z | target) ‖ q(z | context)); zero without a latent per image."""


class Head(nn.Module):
    """A head of a :class:`core.model.network.SegmentationNetwork`, by itself without latent and memory."""

    draws_in_training: ClassVar[bool] = True
    """Whether the latent is drawn in training too."""

    def forward(
        self,
        features: torch.Tensor,
        noise: torch.Tensor | None = None,
        *,
        latent: Latent = "context",
        context_set: torch.Tensor | None = None,
    ) -> HeadOutput:
        """Classify every image once per row of noise.

        Args:
            features: ``(B, F, h, w)``.
            noise: As :meth:`draw_noise` returns it; T is its first length.
            latent: The distribution a latent of each image is drawn from.
            context_set: As :meth:`draw_context_set` returns it; all of the context by default.
        """
        raise NotImplementedError

    def draw_noise(self, samples: int, batch: int, generator: torch.Generator | None) -> torch.Tensor | None:
        """Return the noise of ``samples`` latents for ``batch`` images; None without a latent."""
        return None

    def draw_context_set(self, generator: torch.Generator | None) -> torch.Tensor | None:
        """Return which part of its context a training step is to see; None for all of it."""
        return None

    def observe(
        self,
        features: torch.Tensor,
        labels: torch.Tensor,
        by_person: torch.Tensor,
        generator: torch.Generator | None = None,
        images: torch.Tensor | None = None,
    ) -> None:
        """Remember labelled pixels; called after the loss step, without gradients.

        Args:
            features: ``(B, F, h, w)``.
            labels: ``(B, H, W)`` uint8 at any resolution; 254 and 255 are not remembered.
            by_person: ``(B,)`` bool, False for pseudo-labels.
            generator: Draws the pixels that are remembered.
            images: ``(n,)`` int64, which image each of the first n maps shows, those labelled by a person.
        """

    def forget_classes(self, classes: list[int]) -> None:
        """Drop classes from what is remembered."""

    def begin(self, labelled_images: int) -> None:
        """Learn how many images are labelled, and forget which were: a training numbers them anew."""
