"""Where a round sees the images: a vector of each, and its place on the map of all."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from core.acquisition.novelty import alike_from
from core.embedding_plane import plane, shortened
from core.image_threads import of_each
from core.model.network import SegmentationNetwork
from core.pool_scoring import read_ahead
from core.predict import embed
from core.worker.claim import Claim
from storage import embeddings
from storage.formats.embeddings import EmbeddingSet, encode_embeddings
from storage.images import StoredImage


def vectors_of(
    readable: Iterable[tuple[StoredImage, Tensor]], network: SegmentationNetwork, device: torch.device
) -> Generator[tuple[int, Tensor]]:
    """Yield image ids and the unit vector ``(E,)`` of each image, in order; the network is on ``device``."""
    network.eval()
    yield from of_each(
        lambda one: (one[0].id, embed(network, one[1], device=device)),
        read_ahead(readable),
        pixels=lambda one: one[1],
        device=device,
    )


def stacked(vectors: Mapping[int, Tensor], ids: Collection[int]) -> Tensor:
    """Return the vectors of those of the images that have one, by id; ``(0, 0)`` when none has."""
    chosen = [vectors[number] for number in sorted(ids) if number in vectors]
    return torch.stack(chosen) if chosen else torch.zeros(0, 0)


def stored_embeddings(claim: Claim, vectors: Mapping[int, Tensor], pool: Collection[int]) -> str | None:
    """Store where the round sees the images; a map of them resembles that of the round before.

    Args:
        claim: The round.
        vectors: ``(E,)`` by image id.
        pool: Ids of the images whose pairs say from which cosine on two are much alike. It is one of the
            vectors as they are stored, which are shorter and therefore nearer to each other.

    Returns:
        The key of the blob; None without vectors.
    """
    if not vectors:
        return None
    ids = sorted(vectors)
    short = shortened(torch.stack([vectors[number] for number in ids]))
    before = torch.full((len(ids), 2), torch.nan)
    known = embeddings.of_project(claim.workspace, claim.info.project_id)
    if known is not None:
        at = embeddings.positions(known, np.array(ids, np.int64))
        seen = torch.from_numpy(at >= 0)
        before[seen] = torch.from_numpy(known.plane[at[at >= 0]])
    places = plane(short, claim.settings.seed, before)
    of_pool = short[torch.tensor([number in pool for number in ids])]
    threshold = alike_from(of_pool, torch.Generator().manual_seed(claim.seed))
    stored = EmbeddingSet(np.array(ids, np.int64), short.numpy(), places.numpy(), threshold)
    data = encode_embeddings(stored)
    return claim.stored(lambda: claim.workspace.blobs.put(data))
