"""Embeddings made small enough to keep for every image, and laid out on a plane for a map."""

from __future__ import annotations

import torch
from torch import Tensor

KEPT_DIMENSIONS = 64
"""Dimensions of an embedding that are kept: with 100,000 images a distance to all takes milliseconds."""
LAID_OUT = 1500
"""How many images are laid out by t-SNE, in seconds; the others go to where those most alike them are."""
_START_SCALE = 20.0
"""Side of an earlier map in the units of t-SNE, small enough for it to correct what has changed."""
_NEIGHBOURS = 5
_SMALLEST_LAYOUT = 10


def shortened(embeddings: Tensor) -> Tensor:
    """Project ``(N, E)`` embeddings of unit length on their main directions, ``(N, D)`` of unit length.

    The directions are the right singular vectors of the embeddings as they are, not centred, so cosines stay
    what they were as far as ``D ≤ KEPT_DIMENSIONS`` dimensions can hold them.
    """
    if embeddings.shape[1] <= KEPT_DIMENSIONS:
        return torch.nn.functional.normalize(embeddings.float(), dim=1)
    moments = embeddings.double().T @ embeddings.double()
    directions = torch.linalg.eigh(moments).eigenvectors[:, -KEPT_DIMENSIONS:].float()
    return torch.nn.functional.normalize(embeddings.float() @ directions, dim=1)


def plane(embeddings: Tensor, seed: int, before: Tensor | None = None) -> Tensor:
    """Lay ``(N, E)`` embeddings of unit length out on the unit square, neighbours beside each other.

    Args:
        embeddings: ``(N, E)``.
        seed: Of the images that are laid out first when there are many.
        before: ``(N, 2)`` places of the same images in an earlier map, NaN for new ones: the map then changes
            little from round to round.

    Returns:
        ``(N, 2)`` float32 in [0, 1].
    """
    count = len(embeddings)
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:LAID_OUT].sort().values
    start = None
    if before is not None:
        known = before[chosen].isfinite().all(dim=1).nonzero().flatten()
        if 2 * len(known) > len(chosen):
            start = _placed(embeddings[chosen], known, before[chosen[known]] - 0.5)
    differ = bool((embeddings[chosen] != embeddings[chosen[:1]]).any())
    # Of copies of one image t-SNE makes no numbers, and the process dies of them.
    if differ and len(chosen) >= _SMALLEST_LAYOUT:
        laid_out = _neighbour_embedding(embeddings[chosen], start, seed)
    else:
        laid_out = _principal_plane(embeddings[chosen])
    return _on_unit_square(_placed(embeddings, chosen, laid_out))


def _principal_plane(embeddings: Tensor) -> Tensor:
    """Return the first two principal components, scaled into [−0.5, 0.5]; zeros where there is no spread."""
    centred = (embeddings - embeddings.mean(dim=0)).double() if len(embeddings) else embeddings.double()
    moments = centred.T @ centred
    directions = torch.linalg.eigh(moments).eigenvectors[:, -2:].flip(1)
    # The sign of an eigenvector is arbitrary; the largest entry is made positive so that maps repeat.
    signs = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True)).sign()
    places = centred @ (directions * signs)
    if places.shape[1] < 2:
        places = torch.cat([places, torch.zeros(len(places), 2 - places.shape[1]).double()], dim=1)
    return (places / (2 * places.abs().amax(dim=0).clamp(min=1e-12) if len(places) else 1.0)).float()


def _neighbour_embedding(embeddings: Tensor, start: Tensor | None, seed: int) -> Tensor:
    """Return places by t-SNE (van der Maaten & Hinton 2008), beginning with those of ``start``."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # Early exaggeration draws clusters together to part them better, which would undo such a start.
    known = {} if start is None else {"init": (_START_SCALE * start).numpy(), "early_exaggeration": 1.0}
    projection = TSNE(
        **({"init": "pca"} | known),
        perplexity=min(30.0, (len(embeddings) - 1) / 3),
        max_iter=500 if start is None else 250,
        random_state=seed,
    )
    # Threads that wait for each other cost thirty times the work where other processes share the cores.
    with threadpool_limits(1):
        return torch.from_numpy(projection.fit_transform(embeddings.numpy())).float()


def _placed(embeddings: Tensor, chosen: Tensor, laid_out: Tensor) -> Tensor:
    """Return places of all images: those laid out, and the others among the most alike of them."""
    places = torch.zeros(len(embeddings), 2)
    places[chosen] = laid_out
    others = torch.ones(len(embeddings), dtype=torch.bool)
    others[chosen] = False
    neighbours = min(_NEIGHBOURS, len(chosen))
    for rows in others.nonzero().flatten().split(4096):
        cosines, nearest = (embeddings[rows] @ embeddings[chosen].T).topk(neighbours, dim=1)
        weights = (cosines / 0.02).softmax(dim=1)
        places[rows] = (weights[:, :, None] * laid_out[nearest]).sum(dim=1)
    return places


def _on_unit_square(places: Tensor) -> Tensor:
    if not len(places):
        return places
    low, high = places.amin(dim=0), places.amax(dim=0)
    side = (high - low).max().clamp(min=1e-12)
    return ((places - (low + high) / 2) / side + 0.5).clamp(0, 1)
