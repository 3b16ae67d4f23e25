"""How far labelling an image could move the classifier, as a short vector (BADGE, Ash et al. 2020)."""

from __future__ import annotations

from functools import lru_cache

import torch

GRADIENT_LENGTH = 256
_SEED = 20


def gradient_embedding(
    probabilities: torch.Tensor, class_map: torch.Tensor, features: torch.Tensor
) -> torch.Tensor:
    """Return the gradient embedding of each image, ``(B, 256)`` float32.

    For the most probable classes as if they were the truth, the gradient of the mean cross-entropy with
    respect to a linear last layer is mean_i (p̄_i − onehot(argmax p̄_i)) ⊗ f_i, over pixels i. Its
    ``C·F`` numbers are added up in 256 places with random signs (feature hashing, Weinberger et al. 2009),
    which keeps inner products in expectation. The places are the same for all images of all runs: drawn
    anew, embeddings could not be compared.

    Args:
        probabilities: float32 ``(B, C, h, w)``.
        class_map: ``(B, h, w)`` int64, the most probable classes.
        features: ``(B, F, h, w)``, what the last layer sees.
    """
    of_classes = class_map[:, None]
    residual = probabilities.scatter_add(1, of_classes, probabilities.new_tensor(-1.0).expand_as(of_classes))
    vectors = features.float().flatten(2)
    gradient = torch.bmm(residual.flatten(2), vectors.mT).flatten(1) / vectors.shape[2]
    places, signs = _hashing(gradient.shape[1], gradient.device)
    return gradient.new_zeros(len(gradient), GRADIENT_LENGTH).index_add_(1, places, gradient * signs)


@lru_cache(maxsize=4)
def _hashing(length: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(_SEED)
    places = torch.randint(GRADIENT_LENGTH, (length,), generator=generator)
    signs = torch.randint(2, (length,), generator=generator) * 2.0 - 1.0
    return places.to(device), signs.to(device)
