"""Classes as a person types them, in the form of a new project and on the command line."""

from __future__ import annotations

import pytest

from storage.errors import InvalidInput
from storage.typed_classes import typed_classes


def read(text: str) -> list[tuple[str, str | None]]:
    return [(spec.name, spec.colour) for spec in typed_classes(text)]


def test_classes_on_one_line_are_told_apart_by_commas() -> None:
    assert read("soil, bare rock,crop, #00AA00, weed #aa0000,\n") == [
        ("soil", None),
        ("bare rock", None),
        ("crop", "#00AA00"),
        ("weed", "#aa0000"),
    ]
    assert read("car, parked\nroad,") == [("car, parked", None), ("road", None)]


def test_a_colour_may_have_three_digits() -> None:
    assert read("car #c3f\nroad: #804080") == [("car", "#cc33ff"), ("road", "#804080")]


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\t"])
def test_any_space_may_stand_before_a_colour(space: str) -> None:
    assert read(f"sky\nroad{space}#804080{space}") == [("sky", None), ("road", "#804080")]


def test_a_number_sign_that_begins_no_colour_belongs_to_the_name() -> None:
    assert read("#1 car, #2 bus, tree, #00aa00") == [("#1 car", None), ("#2 bus", None), ("tree", "#00aa00")]
    assert read("lane #2\nC#\n#804080") == [("lane #2", None), ("C#", None), ("#804080", None)]


@pytest.mark.parametrize("wrong", ["#zzz", "#80408", "#80408012"])
def test_a_wrong_colour_is_refused_and_not_taken_as_a_name(wrong: str) -> None:
    with pytest.raises(InvalidInput, match=f"{wrong} behind the road is no colour.*“the road #804080”"):
        typed_classes(f"sky\nthe road {wrong}")
