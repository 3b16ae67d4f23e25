"""Choices for the time without labels: typical images of every kind that the pool shows."""

from __future__ import annotations

import math
import warnings

import torch

from core.acquisition.candidates import Candidates
from core.acquisition.coverage import nearest_squared

MOST_CLUSTERS = 500
SMALLEST_CLUSTER = 6
"""TypiClust leaves out clusters of 5 and fewer images."""
NEIGHBOURS = 20
MEMBERS_COMPARED = 2048
"""A cluster's density is measured among so many of its images."""
PSEUDO_LABELS = 10
"""Clusters that stand for classes when ProbCover's δ is chosen."""
PURITY = 0.95
COVERED_AT_ONCE = 8192
"""ProbCover covers so many images of a larger pool, drawn at random; the cost grows with their square."""
_DELTA_SAMPLE = 2048
_FITTED_AT_LEAST = 10_000
_ITERATIONS = 25


def typiclust(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Choose the densest image of each cluster that holds the fewest labelled ones (Hacohen et al. 2022).

    k-means into labelled + ``count`` clusters, at most 500, labelled images included. Clusters of 5 and fewer
    images wait until all others are used up. The clusters take turns, those with the fewest labelled images
    first, the largest of them first; each gives the image with the lowest mean distance to its 20 nearest
    in the cluster.
    """
    count = min(count, int((~taken).sum()))
    if not count:
        return []
    vectors = torch.cat([candidates.embeddings, candidates.labelled()])
    labelled = torch.ones(len(vectors), dtype=torch.bool)
    labelled[: len(candidates)] = taken
    clusters = min(int(labelled.sum()) + count, MOST_CLUSTERS, len(vectors))
    cluster_of = k_means(vectors, clusters, generator)
    sizes = cluster_of.bincount(minlength=clusters)
    labelled_in = cluster_of[labelled].bincount(minlength=clusters)
    order = sorted(
        range(clusters),
        key=lambda one: (int(sizes[one]) < SMALLEST_CLUSTER, int(labelled_in[one]), -int(sizes[one])),
    )
    large = [one for one in order if int(sizes[one]) >= SMALLEST_CLUSTER]
    small = order[len(large) :]
    free = ~labelled
    chosen: list[int] = []
    for turn in (large, small):
        while len(chosen) < count:
            before = len(chosen)
            for cluster in turn:
                members = (free & (cluster_of == cluster)).nonzero()[:, 0]
                if not len(members) or len(chosen) == count:
                    continue
                if len(members) > MEMBERS_COMPARED:
                    drawn = torch.randperm(len(members), generator=generator)[:MEMBERS_COMPARED]
                    members = members[drawn.sort().values]
                pick = int(members[most_typical(vectors[members])])
                chosen.append(pick)
                free[pick] = False
            if len(chosen) == before:
                break
    return chosen


def most_typical(vectors: torch.Tensor) -> int:
    """Return the index of the ``(n, E)`` vector with the lowest mean distance to its nearest others.

    They are the 20 nearest, or half of all when there are fewer than 40.
    """
    neighbours = min(NEIGHBOURS, len(vectors) // 2)
    if not neighbours:
        return 0
    distances = _distances(vectors)
    distances.fill_diagonal_(math.inf)
    return int(distances.topk(neighbours, largest=False).values.mean(dim=1).argmin())


def probcover(
    candidates: Candidates, count: int, *, taken: torch.Tensor, progress: float, generator: torch.Generator
) -> list[int]:
    """Choose the image with the most uncovered images within δ around it, again and again.

    This is ProbCover (Yehuda et al. 2022). δ is the largest radius at which 95 % of the balls hold images of
    one pseudo-label, those of k-means. Of a large pool 8 192 images drawn at random are covered. When all
    are covered, those not chosen are covered once more.
    """
    free = (~taken).nonzero()[:, 0]
    count = min(count, len(free))
    if not count:
        return []
    limit = max(count, COVERED_AT_ONCE)
    if len(free) > limit:
        free = free[torch.randperm(len(free), generator=generator)[:limit].sort().values]
    vectors = candidates.embeddings[free]
    delta = ball_radius(vectors, generator)
    near = _distances(vectors) < delta
    near.fill_diagonal_(True)
    centres = torch.cat([candidates.embeddings[taken], candidates.labelled()])
    uncovered = nearest_squared(vectors, centres).sqrt() >= delta
    return free[_greedy_cover(near, uncovered, count)].tolist()


def ball_radius(vectors: torch.Tensor, generator: torch.Generator) -> float:
    """Return the largest δ at which 95 % of the balls ‖x − y‖ < δ hold vectors of one pseudo-label.

    A ball is pure up to the distance of the nearest vector of another pseudo-label, so δ is a quantile of
    these distances. They are taken between at most 2 048 of the ``(N, E)`` vectors.
    """
    if len(vectors) > _DELTA_SAMPLE:
        vectors = vectors[torch.randperm(len(vectors), generator=generator)[:_DELTA_SAMPLE]]
    labels = k_means(vectors, min(PSEUDO_LABELS, len(vectors)), generator)
    distances = _distances(vectors)
    pure_up_to = distances.masked_fill(labels[:, None] == labels, math.inf).amin(dim=1)
    # ⌈0.95 n⌉ balls must be pure, so as many distances must be δ or more.
    most_impure = len(vectors) - math.ceil(PURITY * len(vectors))
    delta = float(pure_up_to.sort().values[most_impure])
    return delta if math.isfinite(delta) else float(distances.max()) + 1


def k_means(vectors: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Cluster ``(N, E)`` vectors, ``count`` ≤ N; return the cluster of each, ``(N,)`` int64 below ``count``.

    k-means++ and Lloyd's iterations, on a random sample when N is large; then every vector goes to its
    nearest centre. A cluster may end up empty where vectors are equal.
    """
    from sklearn.cluster import KMeans, kmeans_plusplus
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    limit = max(_FITTED_AT_LEAST, 20 * count)
    fitted = vectors
    if len(vectors) > limit:
        fitted = vectors[torch.randperm(len(vectors), generator=generator)[:limit]]
    seed = int(torch.randint(2**31, (), generator=generator))
    # Threads add their sums up in the order in which they end, and where other processes share the cores they
    # cost more than they save.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer different vectors than clusters
        # The best of several trials a centre, as is usual there, takes three times as long.
        centres, _ = kmeans_plusplus(fitted.numpy(), count, random_state=seed, n_local_trials=1)
        found = KMeans(count, init=centres, n_init=1, max_iter=_ITERATIONS).fit(fitted.numpy())
        return torch.from_numpy(found.predict(vectors.numpy())).long()


def _distances(vectors: torch.Tensor) -> torch.Tensor:
    lengths = vectors.square().sum(dim=1)
    squared = torch.addmm(lengths, vectors, vectors.T, alpha=-2).add_(lengths[:, None])
    distances = squared.clamp_(min=0).sqrt_()
    distances.fill_diagonal_(0)
    return distances


def _greedy_cover(near: torch.Tensor, uncovered: torch.Tensor, count: int) -> torch.Tensor:
    """Return ``count`` rows of the symmetric ``(n, n)`` bool ``near``, each covering the most uncovered."""
    free = torch.ones(len(near), dtype=torch.bool)
    gains = near[:, uncovered].sum(dim=1)
    chosen = []
    for _ in range(count):
        if not int(gains.masked_fill(~free, 0).max()):
            uncovered = free.clone()
            gains = near[:, uncovered].sum(dim=1)
        pick = int(gains.masked_fill(~free, -1).argmax())
        chosen.append(pick)
        free[pick] = False
        newly = near[pick] & uncovered
        uncovered = uncovered & ~newly
        gains -= near[newly].sum(dim=0)
    return torch.tensor(chosen)
