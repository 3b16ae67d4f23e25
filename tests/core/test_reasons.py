import torch

from core.reasons import reason

NAMES = ["sky", "fence", "pole"]


def maps(rows: slice, columns: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Sure of the sky but for one place, where a fence is a little likelier than a pole."""
    probability = torch.zeros(3, 30, 60)
    probability[0] = 1
    probability[:, rows, columns] = torch.tensor([0.0, 0.55, 0.45])[:, None, None]
    entropy = -torch.xlogy(probability, probability).sum(0) / torch.log(torch.tensor(3.0))
    return probability, entropy


def test_it_names_the_pair_and_the_place() -> None:
    found = reason(*maps(slice(22, 29), slice(2, 12)), NAMES)
    assert found.sentence == "unsure about fence against pole in the lower left"
    assert (found.classes, found.names, found.where) == ([1, 2], ["fence", "pole"], "lower left")


def test_the_centre() -> None:
    assert reason(*maps(slice(11, 19), slice(22, 38)), NAMES).sentence.endswith("at the centre")


def test_the_place_is_that_of_the_pair() -> None:
    probability, uncertainty = maps(slice(22, 27), slice(2, 13))
    probability[:, 22:27, 25:35] = probability[:, 22:23, 2:3]
    # One place more is unsure, but of another pair.
    probability[:, 2:8, 45:55] = torch.tensor([0.45, 0.55, 0.0])[:, None, None]
    uncertainty[2:8, 45:55] = uncertainty[22:27, 25:35] = uncertainty[22, 2]
    found = reason(probability, uncertainty, NAMES)
    assert (found.classes, found.where) == ([1, 2], "lower left")


def test_many_places() -> None:
    found = reason(*maps(slice(None), slice(None)), NAMES)
    assert found.where == "many places"


def test_a_sure_model_says_so() -> None:
    probability, _ = maps(slice(0, 0), slice(0, 0))
    found = reason(probability, torch.zeros(30, 60), NAMES)
    assert found.classes == []
    assert "sure" in found.sentence


def test_an_image_may_be_one_pixel_and_a_class_the_only_one() -> None:
    assert reason(torch.full((3, 1, 1), 1 / 3), torch.ones(1, 1), NAMES).where == "upper left"
    assert reason(torch.ones(1, 2, 2), torch.zeros(2, 2), ["only"]).classes == []


def test_it_can_add_that_the_image_is_unlike_anything_labelled() -> None:
    found = reason(*maps(slice(22, 29), slice(2, 12)), NAMES).unlike_labelled()
    assert found.sentence == "unsure about fence against pole in the lower left; unlike anything labelled"
    assert found.classes == [1, 2]


def test_what_else_speaks_for_an_image_comes_first() -> None:
    found = reason(*maps(slice(22, 29), slice(2, 12)), NAMES)
    assert found.after("drawn at random").sentence == f"drawn at random; {found.sentence}"
    assert found.after("") is found
