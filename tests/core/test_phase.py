import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from core.acquisition import novelty
from core.acquisition.near_duplicates import NEAR_DUPLICATE
from core.acquisition.novelty import alike_from, nearest_cosine, unlike_labelled
from core.acquisition.phase import phase, rank_stability
from tests.core.image_scores import unit_vectors
from tests.core.small_network import seeded


def test_typical_images_come_first_while_classes_are_little_known() -> None:
    found = phase([1, 3, 9], uncertain_from=5, stability=0.99)
    assert (found.name, found.images_per_class) == ("typical", 3)
    assert found.sentence == (
        "The median class is in 3 labelled images; from 5 on the model's uncertainty chooses. "
        "Until then: typical and diverse images."
    )
    assert phase([], uncertain_from=5).name == "typical"
    assert "1 labelled image;" in phase([1], uncertain_from=5).sentence
    assert "in 3 to 4 labelled images;" in phase([3, 4], uncertain_from=5).sentence


def test_uncertainty_chooses_when_classes_are_known_and_ranks_stable() -> None:
    found = phase([4, 6], uncertain_from=5, stability=0.7)
    assert found.name == "uncertain"
    assert found.sentence == "The median class is in 5 labelled images: the model's uncertainty chooses."
    assert phase([5], uncertain_from=5).name == "uncertain"
    assert phase([], uncertain_from=0).name == "uncertain"


def test_unstable_ranks_are_not_followed() -> None:
    found = phase([8, 8], uncertain_from=5, stability=0.41)
    assert (found.name, found.rank_stability) == ("typical", 0.41)
    assert "rank correlation 0.41; from 0.70" in found.sentence


def test_who_asks_for_uncertainty_at_once_gets_it() -> None:
    found = phase([1, 2], uncertain_from=0, stability=-0.3)
    assert (found.name, found.images_per_class, found.rank_stability) == ("uncertain", 1.5, -0.3)
    assert found.sentence == "The model's uncertainty chooses from the first round on, as the settings say."


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=40))
def test_the_stability_is_spearmans_correlation(pairs: list[tuple[int, int]]) -> None:
    found = rank_stability([(float(a), float(b)) for a, b in pairs])
    if any(len(set(values)) == 1 for values in zip(*pairs, strict=True)):
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(*zip(*pairs, strict=True)).statistic, abs=1e-9)


def test_two_images_have_no_stability() -> None:
    assert rank_stability([(0.1, 0.2), (0.3, 0.4)]) is None


def test_novelty_is_measured_from_the_nearest_labelled_image() -> None:
    embeddings, labelled = unit_vectors(20, 5, seeded()), unit_vectors(4, 5, seeded(1))
    expected = (embeddings @ labelled.T).amax(dim=1)
    assert torch.allclose(nearest_cosine(embeddings, labelled), expected, atol=1e-5)
    assert (nearest_cosine(embeddings, labelled[:0]) == -1).all()


@pytest.mark.parametrize("count", [50, 900])
def test_one_in_a_hundred_pairs_is_more_alike(count: int) -> None:
    embeddings = unit_vectors(count, 12, seeded())
    threshold = alike_from(embeddings, seeded())
    pairs = (embeddings @ embeddings.T)[tuple(torch.triu_indices(count, count, 1))]
    assert (pairs > threshold).double().mean().item() == pytest.approx(0.01, abs=0.002)


@pytest.mark.parametrize("count", [0, 1])
def test_a_pool_without_a_pair_has_near_duplicates_of_what_is_labelled(count: int) -> None:
    threshold = alike_from(torch.eye(4)[:count], seeded())
    assert unlike_labelled(torch.tensor([0.9992]), threshold).tolist() == [False]
    assert unlike_labelled(torch.tensor([0.5]), threshold).tolist() == [True]


@pytest.mark.parametrize(("scenes", "frames"), [(4, 2), (10, 20)])
def test_near_duplicates_are_alike_however_many_there_are(scenes: int, frames: int) -> None:
    centres = unit_vectors(scenes, 60, seeded()).repeat(frames, 1)
    embeddings = centres + 0.01 * torch.randn(centres.shape, generator=seeded(1))
    embeddings /= embeddings.norm(dim=1, keepdim=True)
    threshold = alike_from(embeddings, seeded())
    assert ((embeddings @ embeddings.T > threshold).sum(dim=1) == frames).all()
    assert 0.5 < threshold <= NEAR_DUPLICATE


def test_no_image_makes_a_pair_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novelty, "_PAIRS", 500)
    assert alike_from(torch.eye(40), seeded()) == 0


def test_only_the_most_novel_are_called_unlike_anything_labelled() -> None:
    cosines = torch.tensor([0.9, 0.1, 0.5, 0.2, 0.7, 0.8, 0.3, 0.95])
    assert unlike_labelled(cosines, 0.6).nonzero()[:, 0].tolist() == [1, 3]
    assert unlike_labelled(cosines, 0.15).nonzero()[:, 0].tolist() == [1]
    assert not unlike_labelled(cosines[:0], 0.6).any()
