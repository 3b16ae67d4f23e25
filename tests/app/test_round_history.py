import dataclasses
import math

from app.round_history import RANKING_NOTE, history_rows, reason_to
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
    rows = history_rows([first, second], "ann")
    assert [row["Round"] for row in rows] == [2, 1]
    assert [row["Range"] for row in rows] == ["45 to 70 %, 5 images", None]
    assert [row["Better"] for row in rows] == [0.93, None]


def test_a_ranking_says_that_it_trained_nothing():
    first, second = finished(1, labels=4), finished(2, kind="ranks", parent=1, labels=4)
    assert [row["Note"] for row in history_rows([first, second], "ann")] == [RANKING_NOTE, ""]


def test_the_error_of_probabilities_is_that_of_those_on_the_screen():
    few, hot = finished(1, ece=0.2), finished(2, ece=0.2, ece_after_temperature=0.05)
    unknown = finished(3, ece=0.2, ece_after_temperature=math.nan)
    assert [row["ECE"] for row in history_rows([few, hot, unknown], "ann")] == [0.2, 0.05, 0.2]


def test_who_started_a_round_is_told_so():
    by_ann, by_joann = (
        dataclasses.replace(finished(1), reason=f"Ranks again, started by {name}")
        for name in ("ann", "joann")
    )
    itself = dataclasses.replace(finished(1), reason="4 new labels for the first round")
    assert reason_to("ann", by_ann) == "Ranks again, started by you"
    assert [row["Reason"] for row in history_rows([by_joann], "ann")] == ["Ranks again, started by joann"]
    assert reason_to("", itself) == reason_to("round", itself) == itself.reason
