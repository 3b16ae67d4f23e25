"""Neural-process head whose latent is the classifier: the labelled images say how well it is known."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from core.data import NOT_LABELLED, VOID, label_to_size
from core.model.head import Head, HeadOutput, Latent
from core.model.labelled_evidence import LabelledEvidence

IMAGE_EVIDENCE = 4.0
"""What an image is worth, Σ p (1 − p) over its independent pixels: some 130 of them at the usual 0.03."""
INDEPENDENT_SIDE = 4
"""Two pixels so many apart, at stride 4, are about independent: 100 of the 1600 of a crop of 160 pixels."""
WEIGHT_STD = 10.0
"""Standard deviation of a weight before any image is labelled."""
AFFINE_GAIN = 35.0
"""How much quicker scale and shift of the hidden layer learn than other parameters do. Worth two points of
mIoU in a training of 150 steps with even pixel weights, see docs/benchmarks.md."""


class ClassifierNPHead(Head):
    """A hidden layer, then a classifier that is drawn from its posterior given the labelled images.

    The context set of this neural process are the labelled images, its latent the weights W of the last
    layer, and q(W | context) a Gaussian around the trained weights with the covariance of Bayesian linear
    regression, (I / ``WEIGHT_STD``² + ``IMAGE_EVIDENCE`` · Σ_images M)⁻¹, the same for every class: M is an
    image's second moment of the hidden features (Harrison et al. 2018, ALPaCA; Daxberger et al. 2021, the
    Laplace approximation of a last layer).
    So samples disagree about pixels whose features no labelled image shows, and agree more with every image
    that comes in. The order of images does not matter, and no KL has to keep the spread alive.

    Training uses the trained weights themselves, T = 1.

    Args:
        channels: Channels F of the features.
        class_count: C.
        hidden: Width H of the hidden layer.
    """

    draws_in_training: ClassVar[bool] = False

    def __init__(self, channels: int, class_count: int, *, hidden: int = 64) -> None:
        super().__init__()
        self.shared = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False), nn.GroupNorm(8, hidden, affine=False)
        )
        self.scale = nn.Parameter(torch.zeros(hidden))
        self.shift = nn.Parameter(torch.zeros(hidden))
        self.classify = nn.Linear(hidden, class_count)
        self.evidence = LabelledEvidence(hidden + 1)

    def draw_noise(self, samples: int, batch: int, generator: torch.Generator | None) -> torch.Tensor:
        """Return how far ``samples`` draws of the latent are from the trained weights, ``(T, C, H + 1)``.

        They are the same for all of a ``batch``. The last column is the bias. Before enough images were
        observed they are 0, see :meth:`LabelledEvidence.suffices`. What is drawn stays right until the next
        image is observed, for any number of calls of :meth:`forward`.
        """
        size = (samples, self.classify.out_features, self.classify.in_features + 1)
        normal = torch.randn(
            size, generator=generator, device="cpu" if generator is None else generator.device
        )
        # In double precision, for the condition is bad; MPS has none.
        total = self.evidence.total()
        total = (total.cpu() if total.device.type == "mps" else total).double()
        prior = torch.eye(len(total), dtype=total.dtype, device=total.device) / WEIGHT_STD**2
        # It has no eigenvalue below 1 / WEIGHT_STD², so no error can come of it, and none is waited for.
        factor = torch.linalg.cholesky_ex(IMAGE_EVIDENCE * total + prior).L
        columns = normal.to(total, non_blocking=True).flatten(0, 1).mT
        drawn = torch.linalg.solve_triangular(factor.mT, columns, upper=True).mT.view(size)
        return (drawn * self.evidence.suffices().to(drawn.device)).float()

    def forward(
        self,
        features: torch.Tensor,
        noise: torch.Tensor | None = None,
        *,
        latent: Latent = "context",
        context_set: torch.Tensor | None = None,
    ) -> HeadOutput:
        """Classify features ``(B, F, h, w)`` once per classifier.

        Args:
            features: ``(B, F, h, w)``.
            noise: ``(T, C, H + 1)``, see :meth:`draw_noise`; None for the trained weights, T = 1.
            latent: Not used: no image has a latent of its own.
            context_set: Not used: the context are all labelled images.
        """
        vectors = self._hidden(features)
        weight, bias = self.classify.weight[None], self.classify.bias[None]
        if noise is not None:
            noise = noise.to(weight)
            weight, bias = weight + noise[..., :-1], bias + noise[..., -1]
        # Pixels last, as what counts the samples wants them.
        weights = weight.flatten(0, 1).expand(len(features), -1, -1)
        logits = torch.baddbmm(bias.flatten()[:, None], weights, vectors.mT)
        logits = logits.unflatten(1, bias.shape).transpose(0, 1)
        return HeadOutput(logits.unflatten(3, features.shape[-2:]), logits.new_zeros(len(features)))

    def _hidden(self, features: torch.Tensor) -> torch.Tensor:
        """Return ``(B, h · w, H)``."""
        normalised = self.shared(features).flatten(2).transpose(1, 2)
        return F.relu(torch.addcmul(AFFINE_GAIN * self.shift, 1 + AFFINE_GAIN * self.scale, normalised))

    @torch.no_grad()
    def observe(
        self,
        features: torch.Tensor,
        labels: torch.Tensor,
        by_person: torch.Tensor,
        generator: torch.Generator | None = None,
        images: torch.Tensor | None = None,
    ) -> None:
        """Count labelled images as evidence, see :func:`evidence_weights`; call it after the loss step.

        Args:
            features: ``(B, F, h, w)``.
            labels: ``(B, H, W)`` uint8 at any resolution; 254 and 255 say nothing.
            by_person: Not used: ``images`` names those labelled by a person.
            generator: Not used: nothing is drawn.
            images: ``(n,)`` int64, which image each of the first n shows; without it none is counted.
        """
        if images is None:
            return
        count = len(images)
        labels = label_to_size(labels[:count], *features.shape[-2:])
        vectors = F.pad(self._hidden(features[:count].float()), (0, 1), value=1.0)
        self.evidence.observe(vectors, evidence_weights(labels), images)

    def begin(self, labelled_images: int) -> None:
        """Forget all evidence, and learn of how many images there will be some."""
        self.evidence.begin(labelled_images)


def evidence_weights(labels: torch.Tensor) -> torch.Tensor:
    """Return what each labelled pixel counts as evidence, all the same within an image.

    In sum they are the root of the share of an image's blocks, of ``INDEPENDENT_SIDE`` pixels, that show a
    labelled one: 1 where everything is labelled, and nearly so where labelled pixels are few but everywhere.
    The root, because the first spots of an image say most of what it has to say, for its pixels are alike
    (``benchmarks/labelled_spots.py``). Blocks beyond the image's edge, or void, do not count.

    Args:
        labels: ``(B, h, w)``; 254 is not labelled, 255 void.

    Returns:
        ``(B, h · w)`` float32.
    """
    labelled = labels < NOT_LABELLED
    worth = (_blocks(labelled) / _blocks(labels != VOID).clamp(min=1)).sqrt()
    labelled = labelled.flatten(1)
    return labelled * (worth / labelled.sum(dim=1).clamp(min=1))[:, None]


def _blocks(pixels: torch.Tensor) -> torch.Tensor:
    """Return ``(B,)``, how many blocks of a mask ``(B, h, w)`` hold one of its pixels."""
    held = F.max_pool2d(pixels[:, None].float(), INDEPENDENT_SIDE, ceil_mode=True)
    return held.flatten(1).sum(dim=1)
