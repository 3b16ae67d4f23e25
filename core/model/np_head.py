"""Neural-process head: one latent per image, drawn T times, conditions the pixel decoder."""

from __future__ import annotations

import math

import torch

from core.data import VOID, label_to_size
from core.model.aggregator import AttentionAggregator, Description
from core.model.class_memory import Centres, ClassMemory
from core.model.conditioned_decoder import ConditionedDecoder
from core.model.head import Head, HeadOutput, Latent
from core.model.latent_encoder import Gaussian, LatentEncoder, gaussian_kl
from core.model.pixel_projector import PixelProjector


class NPHead(Head):
    """NP-SemiSeg's head as the paper describes it.

    A query image is described by its attention over the class centres of two memories: ``context``
    holds pixels a person labelled, ``target`` holds those and pseudo-labelled pixels. Both
    descriptions pass the same :class:`LatentEncoder`; r is the context description itself.

    In training z is drawn from q(z | target), which has seen everything, while the context is a random
    subset of its memory: KL(q(z | target) ‖ q(z | context)) then teaches the context how far from the
    whole truth it is when it is small, as neural processes are trained with context sets of random
    size (Garnelo et al. 2018). In evaluation z is drawn from q(z | context).

    Args:
        channels: Channels F of the features.
        class_count: C.
        width: Length of memory rows.
        latent: Length of z.
        rows_per_class: Capacity of each memory per class.
    """

    def __init__(
        self, channels: int, class_count: int, *, width: int = 32, latent: int = 32, rows_per_class: int = 512
    ) -> None:
        super().__init__()
        self.latent = latent
        self.projector = PixelProjector(channels, width)
        self.context = ClassMemory(class_count, width, rows_per_class)
        self.target = ClassMemory(class_count, width, rows_per_class)
        self.aggregator = AttentionAggregator()
        self.latent_encoder = LatentEncoder(width, latent)
        self.decoder = ConditionedDecoder(channels, latent, width, class_count)

    def forget_classes(self, classes: list[int]) -> None:
        """Drop classes from both memories, so that no image is described by them."""
        self.context.forget(classes)
        self.target.forget(classes)

    def draw_noise(self, samples: int, batch: int, generator: torch.Generator | None) -> torch.Tensor:
        """Return standard normal noise ``(samples, batch, latent)`` for :meth:`forward`."""
        device = "cpu" if generator is None else generator.device
        return torch.randn(samples, batch, self.latent, generator=generator, device=device)

    def draw_context_set(self, generator: torch.Generator | None) -> torch.Tensor:
        """Return the rows of a random context set, ``(C, M)`` bool: a share u² of all, u ~ U(0, 1)."""
        device = "cpu" if generator is None else generator.device
        share = torch.rand((), generator=generator, device=device).square()
        return torch.rand(self.context.rows.shape[:2], generator=generator, device=device) < share

    def forward(
        self,
        features: torch.Tensor,
        noise: torch.Tensor | None = None,
        *,
        latent: Latent = "context",
        context_set: torch.Tensor | None = None,
    ) -> HeadOutput:
        """Decode every image once per row of noise; the memories are only read.

        Args:
            features: ``(B, F, h, w)``. The memory paths send no gradient back into them.
            noise: ``(T, B, L)`` or ``(T, 1, L)``: z = μ + σ · noise.
            latent: The distribution z is drawn from.
            context_set: Rows of the context memory to use, ``(C, M)`` bool; all by default.

        Raises:
            ValueError: Without noise.
        """
        if noise is None:
            raise ValueError("A head with a latent needs noise; draw_noise makes it.")
        queries = self.projector(features.detach())
        _, posterior = self._described(queries, self.target.centres())
        if context_set is not None:
            context_set = context_set.to(features.device, non_blocking=True)
        by_context, prior = self._described(queries, self.context.centres(context_set))
        drawn_from = posterior if latent == "target" else prior
        z = drawn_from.mean + drawn_from.std * noise.to(features.device, non_blocking=True)
        logits = self.decoder(features, z, by_context.vector)
        comparable = self.target.filled.any() & self.context.filled.any()
        return HeadOutput(logits, gaussian_kl(posterior, prior) * comparable)

    def _described(self, queries: torch.Tensor, centres: Centres) -> tuple[Description, Gaussian]:
        described = self.aggregator(queries, centres.means, centres.counts > 0)
        capacity = self.context.rows.shape[1]
        evidence = described.attention @ (centres.counts.float().log1p() / math.log1p(capacity))
        return described, self.latent_encoder(described.vector, evidence)

    @torch.no_grad()
    def observe(
        self,
        features: torch.Tensor,
        labels: torch.Tensor,
        by_person: torch.Tensor,
        generator: torch.Generator | None = None,
        images: torch.Tensor | None = None,
    ) -> None:
        """Write labelled pixels into the memories; call it after the loss step.

        Args:
            features: ``(B, F, h, w)``.
            labels: ``(B, H, W)`` uint8 at any resolution; 254 and 255 are not stored.
            by_person: ``(B,)`` bool; only these images enter the context memory, all enter the target's.
            generator: Draws the pixels that enter, see :meth:`ClassMemory.push`.
            images: Not used: the memories know pixels and no images.
        """
        labels = label_to_size(labels, *features.shape[-2:])
        projected = self.projector(features.float())
        self.target.push(projected, labels, generator)
        person_labels = torch.where(by_person[:, None, None], labels, VOID)
        self.context.push(projected, person_labels, generator)
