import pytest

from storage.wording import count_of, size_of


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (2000, "2,000 images")]
)
def test_numbers_say_what_they_count(number: int, words: str) -> None:
    assert count_of(number, "image") == words
    assert count_of(2, "class", "classes") == "2 classes"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (4000, "4.0 kB"), (2_500_000, "2.5 MB"), (1.5e9, "1.5 GB")],
)
def test_sizes_have_the_unit_that_fits(count: int, words: str) -> None:
    assert size_of(count) == words
