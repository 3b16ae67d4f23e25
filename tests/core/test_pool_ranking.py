"""The order of a pool follows the phase, and the screen hears which it is."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core import pool_ranking
from core.acquisition.aggregation import ImageScore
from core.acquisition.novelty import alike_from
from core.pool_ranking import frames_of, group_numbers, rank_cold, rank_pool, typical_sentence

OPTIONS = {"batch": 2, "near_duplicate": 0.99, "uncertain_from": 5, "progress": 1.0}


def vectors(count: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)), dim=1)


def scored(scores: list[float], embeddings: Tensor) -> list[ImageScore]:
    mass = torch.tensor([0.5, 0.5])
    return [
        ImageScore(
            score,
            {"predictive_entropy": score},
            (score, score),
            score * mass,
            mass,
            torch.zeros(4),
            embedding,
        )
        for score, embedding in zip(scores, embeddings, strict=True)
    ]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_uncertainty_chooses_once_the_classes_are_known() -> None:
    embeddings = vectors(6)
    pool = scored([0.1, 0.6, 0.3, 0.5, 0.2, 0.4], embeddings)
    ranking = rank_pool(
        pool, vectors(3, 1), frames_of([None] * 6), [5, 7], choice="top", generator=generator(), **OPTIONS
    )
    assert ranking.order == [1, 3, 5, 2, 4, 0]
    assert ranking.ranked_by["phase"] == "uncertain"
    assert ranking.ranked_by["choice"] == "top"
    assert ranking.ranked_by["rank_stability"] is None
    assert ranking.grounds == [""] * 6
    assert ranking.novelty is not None
    torch.testing.assert_close(
        ranking.novelty, 1 - (embeddings @ vectors(3, 1).T).amax(dim=1), atol=1e-5, rtol=0
    )


def test_late_rounds_are_ordered_with_little_noise() -> None:
    pool = scored([0.1, 0.6, 0.3, 0.5, 0.2, 0.4], vectors(6))
    ranking = rank_pool(
        pool, vectors(3, 1), frames_of([None] * 6), [5], choice="clasp_pe", generator=generator(), **OPTIONS
    )
    assert ranking.order == [1, 3, 5, 2, 4, 0]


def test_typical_images_come_first_while_labels_are_few() -> None:
    pool = scored([0.1, 0.6, 0.3, 0.5, 0.2, 0.4], vectors(6))
    ranking = rank_pool(
        pool, vectors(1, 1), frames_of([None] * 6), [1, 1], choice="top", generator=generator(), **OPTIONS
    )
    assert sorted(ranking.order) == list(range(6))
    assert ranking.ranked_by["choice"] == "typiclust"
    assert "typical" in ranking.ranked_by["sentence"]
    assert set(ranking.grounds) <= {"typical", "of a rare kind", "unlike the other images"}


def test_who_asks_for_chance_gets_it_at_once() -> None:
    pool = scored([0.5] * 6, vectors(6))
    ranking = rank_pool(
        pool, vectors(0), frames_of([None] * 6), [], choice="random", generator=generator(), **OPTIONS
    )
    assert ranking.ranked_by["choice"] == "random"
    assert ranking.grounds == ["drawn at random"] * 6
    assert ranking.novelty is None
    assert not bool(ranking.unlike.any())


def test_who_asks_for_uncertainty_at_once_is_not_given_typical_images() -> None:
    pool = [
        one._replace(half_scores=halves)
        for one, halves in zip(
            scored([0.1, 0.6, 0.3, 0.5], vectors(4)),
            [(0.1, 0.4), (0.2, 0.3), (0.3, 0.2), (0.4, 0.1)],
            strict=True,
        )
    ]
    at_once = OPTIONS | {"uncertain_from": 0}
    ranking = rank_pool(
        pool, vectors(1, 1), frames_of([None] * 4), [1, 1], choice="top", generator=generator(), **at_once
    )
    assert ranking.ranked_by["rank_stability"] == -1
    assert (ranking.ranked_by["choice"], ranking.order) == ("top", [1, 3, 2, 0])


def test_an_empty_pool_has_an_order_too() -> None:
    ranking = rank_pool([], vectors(2), [], [9], choice="clasp_pe", generator=generator(), **OPTIONS)
    assert ranking.order == []


def test_a_cold_start_spreads_over_what_there_is() -> None:
    centres = vectors(4)
    embeddings = F.normalize(centres.repeat_interleave(10, dim=0) + 0.05 * vectors(40, 2), dim=1)
    cold = rank_cold(
        embeddings,
        torch.zeros(0, 0),
        frames_of([None] * 40),
        batch=4,
        near_duplicate=0.9999,
        generator=generator(),
    )
    assert sorted(cold.order) == list(range(40))
    assert {index // 10 for index in cold.order[:4]} == {0, 1, 2, 3}
    threshold = alike_from(embeddings, generator())
    alike = (embeddings @ embeddings.T > threshold).sum(dim=1) - 1
    assert cold.alike.tolist() == alike.tolist()


def test_a_cold_start_of_a_pool_that_is_empty_by_now_has_an_order() -> None:
    cold = rank_cold(torch.zeros(0, 0), torch.eye(3), [], batch=4, near_duplicate=0.95, generator=generator())
    assert (cold.order, len(cold.alike)) == ([], 0)


def test_a_cold_start_leaves_what_is_labelled_for_later() -> None:
    kinds = F.normalize(torch.eye(8)[:3].repeat_interleave(8, dim=0) + 0.05 * vectors(24, 2), dim=1)
    cold = rank_cold(
        kinds,
        torch.eye(8)[:2],
        frames_of([None] * 24),
        batch=1,
        near_duplicate=1,
        generator=generator(),
    )
    assert cold.order[0] // 8 == 2


def test_in_a_large_pool_no_image_is_taken_for_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_ranking, "COUNTED_EXACTLY", 20)
    kinds = torch.eye(55)[[*range(55), *[0] * 5]]
    cold = rank_cold(
        kinds, kinds[:0], frames_of([None] * 60), batch=4, near_duplicate=1, generator=generator()
    )
    assert cold.alike[1:55].tolist() == [0] * 54
    # Each of the sample stands for three.
    assert set(cold.alike[[0, *range(55, 60)]].tolist()) <= {0, 3, 6, 9, 12, 15}
    assert cold.alike.any()


def test_the_reason_of_a_typical_image() -> None:
    assert typical_sentence(12, 1299) == "typical: 12 of 1,299 other images look much like it"
    assert typical_sentence(0, 12).startswith("unlike the other images")
    assert typical_sentence(6, 1299).startswith("of a rare kind")
    assert typical_sentence(1, 299) == "of a rare kind: 1 of 299 other images look much like it"


def test_the_last_image_of_a_pool_is_compared_with_no_others() -> None:
    assert typical_sentence(0, 0) == "the only image that waits"
    labelled = vectors(1)
    copy = F.normalize(labelled + 0.001, dim=1)
    ranking = rank_pool(
        scored([0.3], copy), labelled, frames_of([None]), [1], choice="top", generator=generator(), **OPTIONS
    )
    assert ranking.grounds == ["the only image that waits"]
    assert not bool(ranking.unlike.any())


def test_what_a_sample_counted_is_not_said_as_if_it_were_exact() -> None:
    assert typical_sentence(0, 30_000) == "of a rare kind: about 0 of 30,000 other images look much like it"
    assert typical_sentence(312, 30_000) == "typical: about 312 of 30,000 other images look much like it"


@pytest.mark.parametrize("choice", ["k_centre", "typiclust", "probcover"])
def test_a_choice_without_scores_is_followed_and_named_from_the_beginning(choice: str) -> None:
    for labelled_images in (1, 9):
        ranking = rank_pool(
            scored([0.1, 0.9, 0.3, 0.2], vectors(4)),
            vectors(1, 1),
            frames_of([None] * 4),
            [labelled_images],
            choice=choice,
            generator=generator(),
            **OPTIONS,
        )
        assert ranking.ranked_by["choice"] == choice
        assert "uncertainty" not in ranking.ranked_by["sentence"]
        assert ranking.ranked_by["sentence"].endswith("as the settings say.")


def test_places_within_a_series_are_counted_over_all_its_images() -> None:
    frames = frames_of(["a", "b", None, "a", "a"])
    numbers, positions = group_numbers([frames[index] for index in (0, 1, 2, 4)])
    assert numbers.tolist() == [0, 1, -1, 0]
    assert positions.tolist() == [0, 0, 0, 2]


def test_what_was_labelled_in_between_brings_no_frames_together() -> None:
    drive = frames_of(["drive"] * 100)
    scores = [0.9, 0.8, 0.7, 0.6]
    for step, expected in ((10, [0, 1, 2, 3]), (1, [0, 2, 1, 3])):
        ranking = rank_pool(
            scored(scores, torch.eye(8)[:4]),
            vectors(1, 1),
            drive[::step][:4],
            [5, 7],
            choice="top",
            generator=generator(),
            **OPTIONS,
        )
        assert ranking.order == expected
