"""What is known of the images that may be labelled next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from core.acquisition.aggregation import ImageScore


@dataclass(frozen=True)
class Candidates:
    """N images to choose from. All tensors are on the CPU and finite; what no choice needs may be left out.

    Attributes:
        scores: ``(N,)`` float, at least 0: how much each is worth by itself. All 0 before any round.
        embeddings: ``(N, E)`` float32 of unit length.
        class_scores: ``(N, C)`` float, at least 0, see :class:`core.acquisition.aggregation.ImageScore`.
        class_mass: ``(N, C)`` float, at least 0, likewise.
        gradients: ``(N, G)`` float32, likewise.
        groups: ``(N,)`` int64, number of the video or series of each image; −1 for an image by itself.
        positions: ``(N,)`` int64, place of each image in its group.
        labelled_embeddings: ``(L, E)`` float32 of unit length, of the images that are labelled.

    Raises:
        ValueError: When shapes do not fit or a number is not finite.
    """

    scores: torch.Tensor
    embeddings: torch.Tensor
    class_scores: torch.Tensor | None = None
    class_mass: torch.Tensor | None = None
    gradients: torch.Tensor | None = None
    groups: torch.Tensor | None = None
    positions: torch.Tensor | None = None
    labelled_embeddings: torch.Tensor | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is None:
                continue
            if name == "labelled_embeddings":
                if len(value) and value.shape[1:] != self.embeddings.shape[1:]:
                    raise ValueError("Labelled and unlabelled images need embeddings of the same length.")
            elif len(value) != len(self.scores):
                raise ValueError(f"There are {len(self.scores)} scores, but {len(value)} {name}.")
            if not bool(value.isfinite().all()):
                raise ValueError(f"One of the {name} is not a finite number, so images cannot be ordered.")

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def of(
        cls,
        scored: Sequence[ImageScore],
        *,
        groups: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        labelled_embeddings: torch.Tensor | None = None,
    ) -> Candidates:
        """Stack the scores of N images; there must be one.

        Raises:
            ValueError: When there is none, shapes do not fit, or a score is not finite.
        """
        if not scored:
            raise ValueError("There is no image to choose from.")
        gradients = [one.gradient for one in scored if one.gradient is not None]
        return cls(
            torch.tensor([one.score for one in scored], dtype=torch.float64),
            torch.stack([one.embedding for one in scored]),
            torch.stack([one.class_scores for one in scored]),
            torch.stack([one.class_mass for one in scored]),
            torch.stack(gradients) if gradients else None,
            groups,
            positions,
            labelled_embeddings,
        )

    def labelled(self) -> torch.Tensor:
        """Return the embeddings of the labelled images, ``(L, E)``, L = 0 when none is given."""
        if self.labelled_embeddings is None or not len(self.labelled_embeddings):
            return self.embeddings[:0]
        return self.labelled_embeddings
