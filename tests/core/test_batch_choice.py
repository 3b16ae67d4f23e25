"""What every choice of a batch promises, and the order that ``rank`` makes of batches."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.acquisition import batch_choice
from core.acquisition.aggregation import score_image
from core.acquisition.batch_choice import BY_CHANCE, CHOICES, ORDERED_EXACTLY, rank
from core.acquisition.candidates import Candidates
from storage.settings import RoundSettings
from tests.core.image_scores import prediction_of, random_candidates, unit_vectors
from tests.core.small_network import seeded

every_choice = pytest.mark.parametrize("choice", list(CHOICES))


def chosen_batch(
    choice: str,
    candidates: Candidates,
    count: int,
    taken: Sequence[int] = (),
    seed: int = 0,
) -> list[int]:
    mask = torch.zeros(len(candidates), dtype=torch.bool)
    mask[list(taken)] = True
    before = mask.clone()
    chosen = CHOICES[choice](candidates, count, taken=mask, progress=0.5, generator=seeded(seed))
    assert torch.equal(mask, before), "what is taken belongs to the caller"
    return chosen


@every_choice
@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(0, 12),
    pool=st.integers(1, 40),
    taken=st.integers(0, 40),
    labelled=st.integers(0, 5),
    seed=st.integers(0, 99),
)
def test_a_batch_holds_free_images_once_and_the_seed_repeats_it(
    choice: str, count: int, pool: int, taken: int, labelled: int, seed: int
) -> None:
    candidates = random_candidates(pool, seed, labelled)
    occupied = torch.randperm(pool, generator=seeded(seed))[:taken].tolist()
    batch = chosen_batch(choice, candidates, count, occupied, seed)
    assert batch == chosen_batch(choice, candidates, count, occupied, seed)
    assert len(set(batch)) == len(batch) == min(count, pool - len(occupied))
    assert not set(batch) & set(occupied)


@every_choice
def test_a_batch_may_be_chosen_from_images_that_are_all_alike(choice: str) -> None:
    one = random_candidates(1, labelled=1)
    alike = Candidates(
        **{name: value.expand(9, *value.shape[1:]).contiguous() for name, value in vars(one).items()}
    )
    assert sorted(chosen_batch(choice, alike, 9)) == list(range(9))
    zeros = replace(alike, scores=torch.zeros(9), gradients=torch.zeros(9, 8), class_scores=torch.zeros(9, 4))
    assert len(set(chosen_batch(choice, zeros, 5))) == 5


@every_choice
def test_a_pool_of_nothing_has_no_batch(choice: str) -> None:
    empty = random_candidates(0)
    assert chosen_batch(choice, empty, 3) == []
    assert rank(empty, choice, batch=3, progress=0, generator=seeded()) == []


@every_choice
@settings(max_examples=10, deadline=None)
@given(pool=st.integers(1, 60), batch=st.integers(1, 9), seed=st.integers(0, 99))
def test_a_ranking_is_a_permutation_that_the_seed_repeats(
    choice: str, pool: int, batch: int, seed: int
) -> None:
    candidates = random_candidates(pool, seed)
    order, again = (
        rank(candidates, choice, batch=batch, progress=0.3, generator=seeded(seed)) for _ in range(2)
    )
    assert order == again
    assert sorted(order) == list(range(pool))


@every_choice
def test_a_ranking_begins_with_the_batch_that_is_chosen_alone(choice: str) -> None:
    candidates = random_candidates(60)
    order = rank(candidates, choice, batch=6, progress=0.5, near_duplicate=1, generator=seeded())
    if choice == "probcover" or choice == "improved_random":
        assert order[0] == chosen_batch(choice, candidates, 6)[0]
    else:
        assert order[:6] == chosen_batch(choice, candidates, 6)


def test_a_batch_is_never_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_choice, "ORDERED_EXACTLY", 4)
    candidates = random_candidates(30)
    order = rank(candidates, "k_centre", batch=9, progress=0.5, near_duplicate=1, generator=seeded())
    assert order[:9] == chosen_batch("k_centre", candidates, 9)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "name", ["scores", "embeddings", "class_scores", "class_mass", "gradients", "labelled_embeddings"]
)
def test_numbers_that_are_none_are_refused(name: str, bad: float) -> None:
    candidates = random_candidates(5)
    values = getattr(candidates, name).clone()
    values.view(-1)[1] = bad
    with pytest.raises(ValueError, match=f"One of the {name} is not a finite number"):
        replace(candidates, **{name: values})


def test_shapes_that_do_not_fit_are_refused() -> None:
    candidates = random_candidates(5)
    with pytest.raises(ValueError, match="5 scores, but 4 class_mass"):
        replace(candidates, class_mass=candidates.class_mass[:4])
    with pytest.raises(ValueError, match="same length"):
        replace(candidates, labelled_embeddings=torch.ones(2, 3))


@pytest.mark.parametrize(
    ("choice", "needs"),
    [("clasp_pe", "class_scores"), ("badge", "gradients"), ("improved_random", "class_mass")],
)
def test_a_choice_says_what_it_needs(choice: str, needs: str) -> None:
    with pytest.raises(ValueError, match=f"{choice} needs the candidates' {needs}"):
        chosen_batch(choice, replace(random_candidates(5), **{needs: None}), 2)


@every_choice
def test_most_choices_need_no_more_than_scores_and_embeddings(choice: str) -> None:
    full = random_candidates(8)
    if choice not in ("clasp_pe", "badge", "improved_random"):
        assert len(chosen_batch(choice, Candidates(full.scores, full.embeddings), 3)) == 3


def test_rank_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="at least 1 image"):
        rank(random_candidates(3), "top", batch=0, progress=0, generator=seeded())
    with pytest.raises(ValueError, match="no choice 'best'; there are clasp_pe, top"):
        rank(random_candidates(3), "best", batch=1, progress=0, generator=seeded())


def test_the_settings_offer_every_choice() -> None:
    assert set(RoundSettings.model_json_schema()["properties"]["batch_choice"]["enum"]) == set(CHOICES)


@pytest.mark.parametrize("choice", ["clasp_pe", "k_centre", "typiclust"])
def test_the_end_of_a_long_ranking_follows_the_scores(choice: str) -> None:
    count = ORDERED_EXACTLY + 150
    candidates = random_candidates(count)
    order = rank(candidates, choice, batch=64, progress=0, near_duplicate=1, generator=seeded())
    rest = candidates.scores[order[ORDERED_EXACTLY:]]
    assert torch.equal(rest, rest.sort(descending=True).values)


@every_choice
def test_near_duplicates_are_deferred_unless_chance_chooses(choice: str) -> None:
    candidates = replace(random_candidates(12), embeddings=torch.eye(6).repeat(2, 1))
    candidates = replace(candidates, groups=None, labelled_embeddings=None)
    deferred, as_chosen = (
        rank(candidates, choice, batch=6, progress=0, near_duplicate=near, generator=seeded(1))
        for near in (0.99, 1)
    )
    if choice in BY_CHANCE:
        assert deferred == as_chosen
    else:
        assert len({index % 6 for index in deferred[:6]}) == 6


def test_equal_scores_do_not_end_in_the_order_of_the_names() -> None:
    count = ORDERED_EXACTLY + 100
    candidates = Candidates(torch.zeros(count), unit_vectors(count, 6, seeded()))
    rest = rank(candidates, "k_centre", batch=8, progress=0, near_duplicate=1, generator=seeded())[-100:]
    assert rest != sorted(rest)


def test_scored_images_become_candidates() -> None:
    samples = torch.randn(3, 2, 3, 8, 8, generator=seeded()).softmax(dim=2)
    scored = [score_image(prediction_of(one)) for one in samples]
    candidates = Candidates.of(scored, labelled_embeddings=torch.ones(2, 1))
    assert candidates.scores.tolist() == [one.score for one in scored]
    assert candidates.class_scores.shape == candidates.class_mass.shape == (3, 3)
    with pytest.raises(ValueError, match="no image"):
        Candidates.of([])
