import math

from app.round_history import RANKING_NOTE, history_rows
from tests.app.finished_round import finished


def test_an_audit_is_told_with_its_range_and_how_surely_it_is_better():
    first = finished(1, audit_miou=0.5, audit_images=1)
    second = finished(
        2,
        audit_miou=0.6,
        audit_miou_low=0.449,
        audit_miou_high=0.701,
        audit_images=5,
        parent_audit_miou=0.5,
        share_above_parent=0.93,
    )
    rows = history_rows([first, second])
    assert [row["Round"] for row in rows] == [2, 1]
    assert [row["Range"] for row in rows] == ["45 to 70 %, 5 images", None]
    assert [row["Better"] for row in rows] == [0.93, None]


def test_a_ranking_says_that_it_trained_nothing():
    first, second = finished(1, labels=4), finished(2, kind="ranks", parent=1, labels=4)
    assert [row["Note"] for row in history_rows([first, second])] == [RANKING_NOTE, ""]


def test_the_error_of_probabilities_is_that_of_those_on_the_screen():
    few, hot = finished(1, ece=0.2), finished(2, ece=0.2, ece_after_temperature=0.05)
    unknown = finished(3, ece=0.2, ece_after_temperature=math.nan)
    assert [row["ECE"] for row in history_rows([few, hot, unknown])] == [0.2, 0.05, 0.2]
