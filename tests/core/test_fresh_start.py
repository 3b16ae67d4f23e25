from pathlib import Path

import pytest

from core import fresh_start

FIRST = {"labels": 10, "start": "fresh", "fresh_start_tried": True}
SECOND = {"labels": 17, "start": "warm", "fresh_start_tried": False}
GAVE_WAY = {"labels": 25, "start": "warm", "fresh_start_tried": True}


@pytest.mark.parametrize(
    ("labels", "lineage", "due"),
    [
        (19, [FIRST], False),
        (20, [FIRST], True),
        (20, [SECOND, FIRST], True),
        (19, [SECOND, FIRST], False),
        (49, [GAVE_WAY, SECOND, FIRST], False),
        (50, [GAVE_WAY, SECOND, FIRST], True),
        (20, [{"labels": 17}, {"labels": 10}], True),  # as rounds were before they stored their start
    ],
)
def test_a_fresh_start_is_due_when_labels_have_doubled_since_the_last(
    labels: int, lineage: list[dict[str, object]], due: bool
) -> None:
    assert fresh_start.is_due(labels, lineage, audit_images=2) == due


def test_without_two_audit_images_none_is_due() -> None:
    assert not fresh_start.is_due(100, [FIRST], audit_images=1)


def test_the_folders_say_how_far_a_round_is(tmp_path: Path) -> None:
    assert fresh_start.begun(tmp_path) is None
    assert not fresh_start.tried(tmp_path)
    fresh = fresh_start.begin(tmp_path, "fresh")
    (fresh / "step-000004").mkdir()
    assert fresh_start.begun(tmp_path) == "fresh"
    assert fresh_start.begin(tmp_path, "fresh") == fresh
    assert (fresh / "step-000004").exists()
    warm = fresh_start.begin(tmp_path, "warm")
    assert fresh_start.begun(tmp_path) == "warm"
    assert fresh_start.tried(tmp_path)
    assert not list(fresh.iterdir())
    assert not list(warm.iterdir())
    assert not fresh_start.tried(warm)
