"""Each choice of a batch against its definition, and against scikit-activeml and BAAL where these have it."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from baal.active.heuristics import BALD
from baal.active.heuristics.stochastics import GibbsSampling, PowerSampling, RankBasedSampling
from hypothesis import given, settings
from hypothesis import strategies as st
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import Badge, ProbCover, TypiClust
from skactiveml.pool._core_set import k_greedy_center
from sklearn.linear_model import LogisticRegression

from core.acquisition import typical
from core.acquisition.batch_choice import CHOICES
from core.acquisition.candidates import Candidates
from core.acquisition.coverage import nearest_squared
from core.acquisition.near_duplicates import defer_near_duplicates
from core.acquisition.stochastic import STRIDE, highest
from core.acquisition.typical import ball_radius, k_means, most_typical
from tests.core.image_scores import random_candidates, unit_vectors
from tests.core.small_network import seeded


def choose(
    choice: str, candidates: Candidates, count: int, seed: int = 0, progress: float = 0.0
) -> list[int]:
    free = torch.zeros(len(candidates), dtype=torch.bool)
    return CHOICES[choice](candidates, count, taken=free, progress=progress, generator=seeded(seed))


def scored(values: list[float]) -> Candidates:
    return Candidates(torch.tensor(values, dtype=torch.float64), torch.eye(len(values)))


def first_choices(choice: str, candidates: Candidates, draws: int = 2000, taken: int = 0) -> torch.Tensor:
    """Return how often each image is drawn first when the last ``taken`` ones are not free."""
    generator = seeded(1)
    mask = torch.arange(len(candidates)) >= len(candidates) - taken
    firsts = [
        CHOICES[choice](candidates, 1, taken=mask, progress=0.0, generator=generator)[0] for _ in range(draws)
    ]
    return torch.tensor(firsts).bincount(minlength=len(candidates)) / draws


# By score and chance


def test_top_is_highest_first_and_ties_keep_their_order() -> None:
    assert choose("top", scored([0.2, 0.9, 0.2, 0.5]), 4) == [1, 3, 0, 2]
    assert choose("top", scored([0.2, 0.9]), 0) == []


@given(
    values=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    count=st.integers(0, 60),
    seed=st.integers(0, 9),
)
def test_the_highest_are_found_with_ties_by_index(values: list[int], count: int, seed: int) -> None:
    keys = torch.tensor(values, dtype=torch.float64)
    taken = torch.rand(len(values), generator=seeded(seed)) < 0.3
    free = [i for i in range(len(values)) if not taken[i]]
    expected = sorted(free, key=lambda i: (-values[i], i))[:count]
    assert highest(keys, taken, count) == expected


def test_power_sampling_draws_in_proportion_to_the_score() -> None:
    shares = first_choices("power", scored([0.1, 0.2, 0.3, 0.4]))
    assert shares.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.04)


def test_softmax_sampling_draws_by_scores_in_units_of_their_spread() -> None:
    values = torch.tensor([0.50, 0.52, 0.54, 0.56], dtype=torch.float64)
    shares = first_choices("softmax", scored(values.tolist()))
    expected = (values / values.std(correction=0)).softmax(dim=0)
    assert shares.tolist() == pytest.approx(expected.tolist(), abs=0.04)


def test_rank_sampling_draws_by_the_inverse_of_the_rank() -> None:
    shares = first_choices("rank_sampling", scored([0.1, 0.9, 0.3]))
    assert shares.tolist() == pytest.approx([2 / 11, 6 / 11, 3 / 11], abs=0.04)
    shares = first_choices("rank_sampling", scored([0.1, 0.3, 0.9, 0.8]), draws=500, taken=2)
    assert shares.tolist() == pytest.approx([1 / 3, 2 / 3, 0, 0], abs=0.06)


@pytest.mark.parametrize(
    ("choice", "baals"),
    [("power", PowerSampling), ("softmax", GibbsSampling), ("rank_sampling", RankBasedSampling)],
)
def test_scores_are_drawn_with_the_probabilities_of_baal(
    choice: str, baals: type[PowerSampling | GibbsSampling | RankBasedSampling]
) -> None:
    values = torch.rand(8, generator=seeded(3), dtype=torch.float64).numpy()
    # The softmax here is of scores in units of their spread, which is a temperature there.
    temperature = float(values.std()) if choice == "softmax" else 1.0
    expected = baals(BALD(), query_size=1, temperature=temperature)._make_distribution(values.copy())
    shares = first_choices(choice, scored(values.tolist()), draws=4000)
    assert shares.tolist() == pytest.approx(expected.tolist(), abs=0.03)


def test_random_ignores_scores_and_differs_by_seed() -> None:
    flat, steep = scored([0.5] * 30), scored([i / 30 for i in range(30)])
    assert choose("random", flat, 30, seed=1) == choose("random", steep, 30, seed=1)
    assert choose("random", flat, 30, seed=2) != choose("random", flat, 30, seed=1)


def test_improved_random_draws_every_class_as_often() -> None:
    mass = torch.tensor([[1.0, 0.0]] * 9 + [[0.8, 0.2]])
    shares = first_choices("improved_random", replace(scored([0.5] * 10), class_mass=mass))
    # The last image is drawn for the second class always, for the first one by its share of it.
    assert shares[9].item() == pytest.approx((1 + 0.8 / 9.8) / 2, abs=0.04)
    mass = torch.tensor([[1.0, 0.0]] * 2 + [[0.8, 0.2], [0.0, 1.0]])
    known = replace(scored([0.5] * 4), class_mass=mass)
    shares = first_choices("improved_random", known, draws=500, taken=1)
    assert shares[2].item() == pytest.approx((1 + 0.8 / 2.8) / 2, abs=0.06)


def test_improved_random_strides_over_a_video() -> None:
    count = 40
    video = replace(
        scored([0.5] * count),
        class_mass=torch.ones(count, 2),
        groups=torch.zeros(count, dtype=torch.int64),
        positions=torch.arange(count),
    )
    first = choose("improved_random", video, count // STRIDE)
    assert len({place % STRIDE for place in first}) == 1
    assert len({choose("improved_random", video, 1, seed)[0] % STRIDE for seed in range(8)}) > 1
    by_themselves = replace(video, groups=torch.where(torch.arange(count) < 30, 0, -1))
    first = choose("improved_random", by_themselves, 30 // STRIDE + 10)
    assert set(range(30, count)) <= set(first)


def test_clasp_pe_serves_every_class() -> None:
    # Class 0 has by far the highest scores; images 20 and 21 are the only ones of classes 1 and 2.
    class_scores = torch.zeros(22, 3)
    class_scores[:20, 0] = 1.0
    class_scores[20, 1] = class_scores[21, 2] = 0.05
    candidates = Candidates(class_scores.sum(dim=1), torch.eye(22), class_scores)
    chosen = choose("clasp_pe", candidates, 9, progress=1.0)
    assert {20, 21} <= set(chosen)


def test_clasp_pe_asks_for_no_class_that_nowhere_has_a_score() -> None:
    scores = torch.linspace(0, 1, 100)
    class_scores = torch.stack([scores, torch.zeros(100), torch.zeros(100)], dim=1)
    for seed in range(5):
        candidates = Candidates(scores, torch.rand(100, 4), class_scores)
        chosen = choose("clasp_pe", candidates, 8, seed, progress=1.0)
        assert min(chosen) >= 80


def test_clasp_pe_gives_two_thirds_to_the_classes_evenly() -> None:
    # Four images are the best of each of four classes; the last eight have the highest scores.
    class_scores = torch.full((24, 4), 1e-6)
    for one in range(4):
        class_scores[4 * one : 4 * one + 4, one] = 1.0
    scores = torch.cat([torch.full((16,), 1e-6), torch.ones(8)])
    served = set()
    for seed in range(8):
        chosen = torch.tensor(
            choose("clasp_pe", Candidates(scores, torch.eye(24), class_scores), 10, seed, progress=1.0)
        )
        by_class = (chosen // 4).bincount(minlength=6)
        # ⌊0.66 · 10⌋ = 6: two for each of two classes.
        assert sorted(by_class[:4].tolist()) == [1, 1, 2, 2]
        served.add(tuple(by_class[:4].tolist()))
    assert len(served) > 1


def test_clasp_pe_follows_the_scores_late_and_explores_early() -> None:
    totals = torch.linspace(0.1, 1, 60)
    candidates = Candidates(totals, torch.eye(60), totals[:, None].repeat(1, 2) / 2)
    best = set(range(50, 60))

    def hits(progress: float) -> float:
        found = [len(best & set(choose("clasp_pe", candidates, 10, s, progress))) for s in range(20)]
        return sum(found) / len(found)

    assert hits(1.0) > 8
    assert hits(0.0) < 5


# By coverage


def farthest_by_definition(candidates: Candidates, weights: list[float], count: int) -> list[int]:
    points = candidates.embeddings.double().numpy()
    centres = list(candidates.labelled().double().numpy())
    chosen: list[int] = []
    for _ in range(count):
        keys = [
            -1.0 if i in chosen else weights[i] * min(float(np.linalg.norm(point - c)) for c in centres)
            for i, point in enumerate(points)
        ]
        chosen.append(int(np.argmax(keys)))
        centres.append(points[chosen[-1]])
    return chosen


@settings(max_examples=30, deadline=None)
@given(pool=st.integers(1, 25), labelled=st.integers(1, 5), seed=st.integers(0, 999))
def test_k_centre_and_its_weighted_form_are_greedy(pool: int, labelled: int, seed: int) -> None:
    candidates = random_candidates(pool, seed, labelled)
    count = min(6, pool)
    assert choose("k_centre", candidates, count) == farthest_by_definition(candidates, [1.0] * pool, count)
    expected = farthest_by_definition(candidates, candidates.scores.tolist(), count)
    assert choose("score_diversity", candidates, count) == expected


@pytest.mark.parametrize("seed", range(5))
def test_k_centre_is_that_of_scikit_activeml(seed: int) -> None:
    candidates = random_candidates(80, seed, labelled=4)
    every = torch.cat([candidates.embeddings, candidates.labelled()]).double().numpy()
    labels = np.full(84, np.nan)
    labels[80:] = 0
    expected, _ = k_greedy_center(every, labels, batch_size=12, random_state=0)
    assert choose("k_centre", candidates, 12) == expected.tolist()


@pytest.mark.parametrize("seed", range(10))
def test_k_centre_covers_within_twice_the_least_radius(seed: int) -> None:
    candidates = random_candidates(12, seed, labelled=1, length=2)

    def radius(chosen: list[int]) -> float:
        centres = torch.cat([candidates.embeddings[chosen], candidates.labelled()])
        return float(nearest_squared(candidates.embeddings, centres).max().sqrt())

    least = min(radius(list(one)) for one in itertools.combinations(range(12), 3))
    assert radius(choose("k_centre", candidates, 3)) <= 2 * least + 1e-5


def test_without_labels_k_centre_begins_typical_and_score_diversity_with_the_best() -> None:
    candidates = replace(random_candidates(30), labelled_embeddings=None)
    middle = candidates.embeddings.mean(dim=0)
    nearest = int((candidates.embeddings - middle).norm(dim=1).argmin())
    assert choose("k_centre", candidates, 3)[0] == nearest
    assert choose("score_diversity", candidates, 3)[0] == int(candidates.scores.argmax())


def test_badge_begins_with_the_longest_gradient_and_draws_by_squared_distance() -> None:
    gradients = torch.tensor([[9.0, 0.0], [8.0, 0.0], [0.0, 0.0], [0.0, 3.0]])
    candidates = replace(scored([0.5] * 4), gradients=gradients)
    seconds = torch.tensor([choose("badge", candidates, 2, seed)[1] for seed in range(1500)])
    assert all(choose("badge", candidates, 2, seed)[0] == 0 for seed in range(5))
    expected = (gradients - gradients[0]).square().sum(dim=1)
    shares = (seconds.bincount(minlength=4) / len(seconds)).tolist()
    assert shares == pytest.approx((expected / expected.sum()).tolist(), abs=0.04)


def test_badge_draws_with_the_probabilities_of_scikit_activeml() -> None:
    noise = np.random.default_rng(5)
    features = noise.normal(size=(16, 3))
    known = np.where(np.arange(16) < 8, np.arange(16) % 3, np.nan)
    classifier = SklearnClassifier(LogisticRegression(), classes=[0, 1, 2]).fit(features, known)
    found, utilities = Badge(random_state=1).query(
        features, known, classifier, fit_clf=False, batch_size=3, return_utilities=True
    )
    probabilities = classifier.predict_proba(features[8:])
    doubt = probabilities - np.eye(3)[probabilities.argmax(axis=1)]
    gradients = torch.from_numpy((doubt[:, :, None] * features[8:, None]).reshape(8, 9)).float()
    assert choose("badge", replace(scored([0.5] * 8), gradients=gradients), 1) == [found[0] - 8]
    # There no image is farther than from the origin, which the paper does not say.
    with_origin = replace(scored([0.5] * 9), gradients=torch.cat([gradients, torch.zeros(1, 9)]))
    generator = seeded(1)
    for chosen in (1, 2):
        taken = torch.zeros(9, dtype=torch.bool)
        taken[[8, *(place - 8 for place in found[:chosen])]] = True
        draws = [
            CHOICES["badge"](with_origin, 1, taken=taken, progress=0.0, generator=generator)[0]
            for _ in range(4000)
        ]
        shares = torch.tensor(draws).bincount(minlength=9) / len(draws)
        expected = [*np.nan_to_num(utilities[chosen, 8:]), 0.0]
        assert shares.tolist() == pytest.approx(expected, abs=0.03)


# Typical images


def blobs(sizes: list[int], seed: int = 0) -> torch.Tensor:
    """Unit vectors around as many directions as there are sizes."""
    generator = seeded(seed)
    around = torch.eye(len(sizes)).repeat_interleave(torch.tensor(sizes), 0)
    noise = 0.1 * torch.randn(around.shape, generator=generator)
    return torch.nn.functional.normalize(around + noise, dim=1)


def test_k_means_finds_clusters_and_puts_every_vector_to_its_nearest_centre() -> None:
    vectors = blobs([30, 20, 10, 40])
    clusters = k_means(vectors, 4, seeded())
    assert sorted(clusters.bincount().tolist()) == [10, 20, 30, 40]
    centres = torch.stack([vectors[clusters == cluster].mean(dim=0) for cluster in range(4)])
    assert torch.equal(clusters, torch.cdist(vectors, centres).argmin(dim=1))


def test_k_means_takes_equal_vectors_and_as_many_clusters_as_vectors() -> None:
    assert k_means(torch.ones(6, 3), 4, seeded()).shape == (6,)
    assert len(k_means(torch.eye(5), 5, seeded()).unique()) == 5


def test_the_most_typical_has_the_nearest_neighbours() -> None:
    for count in (2, 5, 30, 90):
        vectors = torch.randn(count, 3, generator=seeded(count))
        distances = torch.cdist(vectors, vectors)
        neighbours = min(20, count // 2)
        mean = distances.sort(dim=1).values[:, 1 : neighbours + 1].mean(dim=1)
        assert mean[most_typical(vectors)].item() == pytest.approx(mean.min().item(), abs=1e-5)
    assert most_typical(torch.ones(1, 3)) == 0


def test_typiclust_takes_clusters_without_labels_first_and_the_largest_of_them() -> None:
    vectors = blobs([40, 30, 20, 50])
    candidates = Candidates(torch.zeros(140), vectors, labelled_embeddings=torch.eye(4)[3:])
    blob = [0] * 40 + [1] * 30 + [2] * 20 + [3] * 50
    assert [blob[i] for i in choose("typiclust", candidates, 3)] == [0, 1, 2]


@pytest.mark.parametrize("choice", ["k_centre", "score_diversity", "typiclust", "probcover"])
def test_who_spread_count_taken_images_as_labelled(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typical, "ball_radius", lambda *_: 0.8)
    taken = torch.arange(30) == 3
    candidates = Candidates(torch.ones(30), blobs([20, 10]))
    chosen = CHOICES[choice](candidates, 1, taken=taken, progress=0.0, generator=seeded())
    assert chosen[0] >= 20


def test_typiclust_leaves_small_clusters_for_the_end() -> None:
    candidates = Candidates(torch.zeros(65), blobs([5, 60]))
    assert min(choose("typiclust", candidates, 2)) >= 5
    assert sorted(choose("typiclust", candidates, 65)) == list(range(65))


def test_typiclust_is_that_of_scikit_activeml(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = blobs([60, 50, 70, 80], seed=3)
    clusters = k_means(vectors, 4, seeded())

    class Same:
        """Clusters as ours are."""

        def __init__(self, n_clusters: int) -> None:
            assert n_clusters == 4

        def fit_predict(self, _: object) -> np.ndarray:
            return clusters.numpy()

    theirs = TypiClust(cluster_algo=Same, n_cluster_param_name="n_clusters", k=20, random_state=0)
    expected = theirs.query(vectors.double().numpy(), np.full(len(vectors), np.nan), batch_size=4)
    monkeypatch.setattr(typical, "k_means", lambda *_: clusters)
    assert choose("typiclust", Candidates(torch.zeros(len(vectors)), vectors), 4) == expected.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_ball_radius_is_the_largest_that_is_pure(seed: int) -> None:
    vectors = unit_vectors(60, 4, seeded(seed))
    delta = ball_radius(vectors, seeded(seed))
    labels = k_means(vectors, 10, seeded(seed))
    distances = torch.cdist(vectors, vectors)

    def purity(radius: float) -> float:
        impure = (distances < radius) & (labels[:, None] != labels)
        return float((~impure.any(dim=1)).double().mean())

    assert purity(delta - 1e-4) >= 0.95
    assert purity(delta + 1e-4) < 0.95


def test_one_pseudo_label_makes_one_ball_of_all() -> None:
    assert ball_radius(torch.ones(5, 3), seeded()) > 0
    assert math.isfinite(ball_radius(torch.ones(1, 3), seeded()))


@pytest.mark.parametrize("seed", range(5))
def test_probcover_is_that_of_scikit_activeml(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = random_candidates(70, seed, labelled=3)
    monkeypatch.setattr(typical, "ball_radius", lambda *_: 0.8)
    every = torch.cat([candidates.embeddings, candidates.labelled()]).double().numpy()
    labels = np.full(73, np.nan)
    labels[70:] = 0
    ours = choose("probcover", candidates, 5)
    theirs = ProbCover(deltas=[0.8], random_state=0)
    # Ties are broken at random there, so what is compared is how much each choice covers anew.
    query, utilities = theirs.query(every, labels, batch_size=1, return_utilities=True)
    assert utilities[0, ours[0]] == utilities[0, query[0]]
    near = np.linalg.norm(every[:70, None] - every[None, :70], axis=2) < 0.8
    covered = (np.linalg.norm(every[:70, None] - every[None, 70:], axis=2) < 0.8).any(axis=1)
    for pick in ours:
        gains = (near & ~covered).sum(axis=1)
        assert gains[pick] == gains.max() or not gains.max()
        covered |= near[pick]


def test_a_large_pool_is_covered_by_a_sample_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typical, "COVERED_AT_ONCE", 20)
    monkeypatch.setattr(typical, "MEMBERS_COMPARED", 10)
    monkeypatch.setattr(typical, "_FITTED_AT_LEAST", 30)
    candidates = random_candidates(900, labelled=2)
    for choice in ("probcover", "typiclust"):
        assert len(set(choose(choice, candidates, 30))) == 30


# Near-duplicates


def test_near_duplicates_wait_for_the_next_batch() -> None:
    embeddings = torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0], [0, 1.0], [0.7071, 0.7071]])
    assert defer_near_duplicates([0, 1, 2, 3, 4], embeddings, 2) == [0, 2, 1, 3, 4]
    assert defer_near_duplicates([0, 1, 2, 3, 4], embeddings, 3) == [0, 2, 4, 1, 3]
    assert defer_near_duplicates([0, 1, 2, 3, 4], embeddings, 3, near_duplicate=1) == [0, 1, 2, 3, 4]
    same = torch.ones(300, 1)
    assert sorted(defer_near_duplicates(list(range(300)), same, 5)) == list(range(300))


def test_neighbours_in_a_group_wait_too() -> None:
    groups = torch.tensor([0, 0, 0, 1, -1, -1])
    positions = torch.tensor([4, 5, 6, 5, 0, 0])
    order = defer_near_duplicates(range(6), torch.eye(6), 3, 0.95, groups, positions)
    assert order == [0, 2, 3, 1, 4, 5]
    assert defer_near_duplicates([4, 5, 3], torch.eye(6), 3, 0.95, groups, positions) == [4, 5, 3]
    assert defer_near_duplicates([2, 0, 3, 4], torch.eye(6), 3, 0.95, groups, positions) == [2, 0, 3, 4]


@settings(max_examples=30, deadline=None)
@given(pool=st.integers(0, 60), batch=st.integers(1, 7), threshold=st.floats(0.1, 1), seed=st.integers(0, 99))
def test_deferring_keeps_every_image_and_the_first(
    pool: int, batch: int, threshold: float, seed: int
) -> None:
    embeddings = unit_vectors(pool, 3, seeded(seed))
    order = torch.randperm(pool, generator=seeded(seed)).tolist()
    deferred = defer_near_duplicates(order, embeddings, batch, threshold)
    assert sorted(deferred) == list(range(pool))
    assert deferred[:1] == order[:1]
