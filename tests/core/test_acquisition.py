import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.acquisition.aggregation import ImageScore, mean, score_image, top_share
from core.acquisition.batch_choice import choose_clasp_pe, choose_top, defer_near_duplicates, rank
from core.predict import ImagePrediction
from tests.core.small_network import seeded


def image_scores(values: list[float], class_count: int = 3, alike: bool = False) -> list[ImageScore]:
    embeddings = torch.eye(max(len(values), 1))
    return [
        ImageScore(value, torch.full((class_count,), value / class_count), embeddings[0 if alike else i])
        for i, value in enumerate(values)
    ]


@given(
    values=st.lists(st.floats(0, 1), max_size=40),
    choice=st.sampled_from(["top", "clasp_pe", "random"]),
    batch=st.integers(1, 12),
    progress=st.floats(0, 1),
    alike=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_ranking_is_a_permutation_that_the_seed_repeats(
    values: list[float], choice: str, batch: int, progress: float, alike: bool, seed: int
) -> None:
    scores = image_scores(values, alike=alike)
    order, again = (
        rank(scores, choice, batch=batch, progress=progress, generator=seeded(seed)) for _ in range(2)
    )
    assert order == again
    assert sorted(order) == list(range(len(values)))


def test_top_is_highest_first_and_ties_keep_their_order() -> None:
    scores = image_scores([0.2, 0.9, 0.2, 0.5])
    assert rank(scores, "top", batch=2, progress=0, generator=seeded()) == [1, 3, 0, 2]
    assert choose_top(torch.tensor([0.2, 0.9]), 0) == []


@pytest.mark.parametrize("choice", ["top", "clasp_pe"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_refused(choice: str, bad: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        rank(image_scores([0.1, bad]), choice, batch=1, progress=0, generator=seeded())


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 image"):
        rank(image_scores([0.1]), "top", batch=0, progress=0, generator=seeded())


def test_random_ignores_scores_and_differs_by_seed() -> None:
    flat, steep = image_scores([0.5] * 30), image_scores([i / 30 for i in range(30)])
    orders = [rank(s, "random", batch=5, progress=0, generator=seeded(1)) for s in (flat, steep)]
    assert orders[0] == orders[1]
    assert rank(flat, "random", batch=5, progress=0, generator=seeded(2)) != orders[0]


def test_clasp_pe_serves_every_class() -> None:
    # Class 0 has by far the highest scores; images 20 and 21 are the only ones of classes 1 and 2.
    class_scores = torch.zeros(22, 3)
    class_scores[:20, 0] = 1.0
    class_scores[20, 1] = class_scores[21, 2] = 0.05
    totals = class_scores.sum(dim=1)
    chosen = choose_clasp_pe(totals, class_scores, 9, progress=1.0, generator=seeded())
    assert {20, 21} <= set(chosen)
    assert len(set(chosen)) == len(chosen) == 9


def test_clasp_pe_follows_the_scores_late_and_explores_early() -> None:
    totals = torch.linspace(0.1, 1, 60)
    class_scores = totals[:, None].repeat(1, 2) / 2
    best = set(range(50, 60))

    def hits(progress: float) -> float:
        found = [
            len(best & set(choose_clasp_pe(totals, class_scores, 10, progress=progress, generator=seeded(s))))
            for s in range(20)
        ]
        return sum(found) / len(found)

    assert hits(1.0) > 8
    assert hits(0.0) < 5


def test_clasp_pe_takes_no_more_than_there_is() -> None:
    chosen = choose_clasp_pe(torch.ones(3), torch.ones(3, 5), 10, progress=0, generator=seeded())
    assert sorted(chosen) == [0, 1, 2]
    assert choose_clasp_pe(torch.ones(3), torch.ones(3, 5), 0, progress=0, generator=seeded()) == []


def test_near_duplicates_wait_for_the_next_batch() -> None:
    embeddings = torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0], [0, 1.0], [0.7071, 0.7071]])
    assert defer_near_duplicates([0, 1, 2, 3, 4], embeddings, 2) == [0, 2, 1, 3, 4]
    assert defer_near_duplicates([0, 1, 2, 3, 4], embeddings, 3) == [0, 2, 4, 1, 3]
    same = torch.ones(300, 1)
    assert sorted(defer_near_duplicates(list(range(300)), same, 5)) == list(range(300))


def test_aggregation() -> None:
    scores = torch.zeros(10, 10)
    scores[0] = 1
    assert mean(scores).item() == pytest.approx(0.1)
    assert top_share(scores).item() == pytest.approx(1)
    assert top_share(torch.tensor([[0.3]])).item() == pytest.approx(0.3)
    assert top_share(torch.stack([scores, 2 * scores])).tolist() == [1, 2]


def test_class_scores_rise_where_the_class_is_thought_of() -> None:
    probabilities = torch.zeros(3, 8, 8)
    probabilities[0, :4] = 1
    probabilities[1, 4:], probabilities[2, 4:] = 0.6, 0.4
    entropy = torch.zeros(32, 32)
    entropy[16:] = 0.8
    prediction = ImagePrediction(
        class_map=torch.zeros(32, 32, dtype=torch.uint8),
        confidence=torch.ones(32, 32),
        entropy=entropy,
        mutual_information=entropy / 2,
        variance=entropy / 4,
        embedding=torch.ones(1),
        class_mass=probabilities.mean(dim=(1, 2)),
        probabilities=probabilities,
    )
    score = score_image(prediction, "predictive_entropy", "top_share")
    assert score.score == pytest.approx(0.8)
    assert score.class_scores.tolist() == pytest.approx([0, 0.48, 0.32])
    assert score_image(prediction, "mutual_information", "mean").score == pytest.approx(0.2, abs=0.02)
