import dataclasses

import pytest

from app.round_gain import gain_text, gains
from storage.activity import LabelledImage
from storage.rounds import RoundInfo
from tests.app.finished_round import finished


def chain(*figures: tuple[float, float | None, float | None], images: int = 9) -> list[RoundInfo]:
    """Return rounds from (audit mIoU, that of the round before, share above), ten seconds apart."""
    past = []
    for number, (miou, before, share) in enumerate(figures, start=1):
        metrics = {"audit_miou": miou, "audit_images": images, "labels": 8 * number}
        if before is not None:
            metrics["parent_audit_miou"] = before
        if share is not None:
            metrics["share_above_parent"] = share
        info = finished(number, **metrics)
        past.append(dataclasses.replace(info, parent_id=number - 1 or None, created_at=10.0 * number))
    return past


def submitted(at: float, seconds: float) -> LabelledImage:
    return LabelledImage(image_id=1, author="ann", seconds=seconds, round_number=1, at=at)


def test_a_round_is_compared_with_its_parent_on_the_same_images():
    past = chain((0.5, None, None), (0.62, 0.55, 0.97))
    (found,) = gains(past, [submitted(9, 1000), submitted(15, 200), submitted(20, 160), submitted(21, 1000)])
    assert (found.number, found.before, found.labels, found.seconds) == (2, 1, 8, 360)
    assert found.miou == pytest.approx(0.07)
    assert gain_text([found]) == (
        "Round 2, with 8 more labels (6 min of labelling), is 7.0 points of mIoU above round 1 on the same "
        "9 audit images, and better in 97 of 100 random redraws of them."
    )


def test_rounds_that_were_compared_with_nothing_say_nothing():
    failed = dataclasses.replace(chain((0.5, 0.4, 0.9))[0], state="failed")
    assert gains([failed, finished(2, audit_miou=None)], []) == []
    assert gain_text([]) == ""


def test_two_rounds_that_brought_little_are_a_place_to_stop():
    little, much = (0.60, 0.597, 0.6), (0.60, 0.55, 0.99)
    text = gain_text(gains(chain((0.5, None, None), little, little), []))
    assert "The last 16 labels brought little." in text
    assert text.endswith("If the suggestions are good enough for you, this is a place to stop.")
    assert "a place to stop" not in gain_text(gains(chain((0.5, None, None), little, much), []))
    assert "a place to stop" not in gain_text(gains(chain((0.5, None, None), little), []))
    surely = (0.60, 0.595, 0.99)
    assert "a place to stop" not in gain_text(gains(chain((0.5, None, None), little, surely), []))


def test_rounds_without_new_labels_are_no_reason_to_stop():
    past = [
        dataclasses.replace(info, metrics=info.metrics | {"labels": 8})
        for info in chain((0.5, None, None), (0.6, 0.6, 0.5), (0.6, 0.6, 0.5))
    ]
    text = gain_text(gains(past, []))
    assert "with no more labels, is 0.0 points" in text
    assert "stop" not in text


@pytest.mark.parametrize(
    ("labels", "shares", "stop"),
    [
        ((8, 16, 16, 16, 24), (0.5, 0.5, 0.5, 0.5), True),
        ((8, 16, 24, 24, 24), (0.5, 0.5, 0.5, 0.5), True),
        ((8, 16, 16, 16, 24), (0.5, 0.5, 0.99, 0.5), False),
        ((8, 12, 12, 12, 20), (0.5, 0.5, 0.5, 0.5), False),
        ((8, 24, 24), (0.5, 0.5), False),
    ],
)
def test_rounds_that_train_on_are_looked_through(labels, shares, stop):
    past = chain((0.5, None, None), *((0.6, 0.597, share) for share in shares))
    past = [
        dataclasses.replace(info, metrics=info.metrics | {"labels": count})
        for info, count in zip(past, labels, strict=True)
    ]
    assert ("a place to stop" in gain_text(gains(past, []))) is stop


def test_what_further_rounds_brought_counts_with_the_labels_that_follow_them():
    """They are kept where the audit images flatter them, so the next round looks worse than it is."""
    past = chain((0.5, None, None), *((0.6, before, 0.5) for before in (0.592, 0.597, 0.597, 0.592)))
    past = [
        dataclasses.replace(info, kind=kind, metrics=info.metrics | {"labels": labels})
        for info, kind, labels in zip(
            past,
            ("trains", "trains_on", "trains_on", "trains", "trains"),
            (8, 8, 8, 16, 24),
            strict=True,
        )
    ]
    found = gains(past, [])
    assert [gain.before_trained_on for gain in found] == [None, None, pytest.approx(0.011), None]
    assert [gain.is_little for gain in found] == [True, True, False, True]
    assert "a place to stop" not in gain_text(found)
    text = gain_text(found[:3])
    assert text.endswith(
        "Round 3 trained on and was kept for what these images say of it, so the difference is a little too "
        "small."
    )


def test_few_images_are_called_rough():
    assert "So few images give a rough figure." in gain_text(
        gains(chain((0.5, None, None), (0.4, 0.5, 0.1), images=4), [])
    )
    alone = gain_text(gains(chain((0.5, None, None), (0.4, 0.5, None), images=1), []))
    assert "10.0 points of mIoU below round 1 on the only audit image. One image says little" in alone
