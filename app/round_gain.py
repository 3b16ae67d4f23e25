"""What the newest labels brought, and whether more of them are likely to bring as much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.charts import audit_miou
from app.notices import duration
from storage.activity import LabelledImage
from storage.rounds import RoundInfo
from storage.wording import count_of

LITTLE = 0.01
"""A smaller gain of mIoU than this, in [0, 1], is called little."""
SURE = 0.95
"""A round that is above the one before in so many draws is called better."""
ENOUGH = 16
"""Labels, of two rounds or more, that must all have brought little before it is time to stop."""
FEW_IMAGES = 8
"""Audit images below which the figures are called rough."""


@dataclass(frozen=True)
class Gain:
    """A round beside the one it went on from, both on the audit images of the newer one.

    Attributes:
        number, before: Numbers of the two rounds.
        miou: Audit mIoU minus that of the round before, in [-1, 1].
        share_above: Share of the draws of audit images in which it is better; None for one image.
        images: Audit images.
        labels: Labelled images that came in between; negative when some were taken out.
        seconds: What people worked on them in the browser.
        before_trained_on: What the further rounds brought that lie between these labels and those before, in
            [-1, 1]. They were kept because these images said so, which makes ``miou`` a little too small:
            what both are together is not chosen by anything. None where there are none.
    """

    number: int
    before: int
    miou: float
    share_above: float | None
    images: int
    labels: int
    seconds: float
    before_trained_on: float | None = None

    @property
    def is_little(self) -> bool:
        """Whether it may as well be nothing."""
        miou = self.miou + (self.before_trained_on or 0.0)
        return miou < LITTLE and (self.share_above is None or self.share_above < SURE)


def gains(past: Sequence[RoundInfo], labelled: Sequence[LabelledImage]) -> list[Gain]:
    """Return the gains of the finished rounds that were compared with the round before, oldest first."""
    by_id = {info.id: info for info in past}
    found = []
    trained_on: dict[int, float] = {}
    for info in sorted(past, key=lambda info: info.number):
        parent = by_id.get(info.parent_id or 0)
        now, then = audit_miou(info.metrics), info.metrics.get("parent_audit_miou")
        if info.state != "done" or parent is None or now is None or then is None:
            continue
        gain, further = now - float(then), trained_on.get(parent.id)
        if info.kind == "trains_on":
            trained_on[info.id] = gain + (further or 0.0)
            further = None
        seconds = [image.seconds for image in labelled if parent.created_at < image.at <= info.created_at]
        found.append(
            Gain(
                info.number,
                parent.number,
                gain,
                info.metrics.get("share_above_parent"),
                int(info.metrics["audit_images"]),
                int(info.metrics["labels"]) - int(parent.metrics.get("labels", 0)),
                sum(seconds),
                further,
            )
        )
    return found


def gain_text(found: Sequence[Gain]) -> str:
    """Return what the last of these gains is worth, and whether it is time to stop; empty without any."""
    if not found:
        return ""
    last = found[-1]
    more = f"{count_of(last.labels, 'more label')}" if last.labels > 0 else "no more labels"
    time = f" ({duration(last.seconds)} of labelling)" if last.seconds else ""
    side = "above" if last.miou >= 0 else "below"
    same = f"the same {last.images:,} audit images" if last.images > 1 else "the only audit image"
    text = (
        f"Round {last.number}, with {more}{time}, is {abs(100 * last.miou):.1f} points of mIoU {side} round "
        f"{last.before} on {same}"
    )
    if last.share_above is None:
        text += ". One image says little; more come as you label."
    else:
        text += f", and better in {100 * last.share_above:.0f} of 100 random redraws of them."
        text += " So few images give a rough figure." if last.images < FEW_IMAGES else ""
    if last.before_trained_on is not None:
        text += (
            f" Round {last.before} trained on and was kept for what these images say of it, so the "
            "difference is a little too small."
        )
    if labels := _labels_of_little(found):
        text += (
            f" The last {labels} labels brought little. If the suggestions are good enough for you, this is "
            "a place to stop."
        )
    return text


def _labels_of_little(found: Sequence[Gain]) -> int:
    """Return how many of the newest labels brought little, 0 where they are not ``ENOUGH`` or brought more.

    Rounds that train on without new labels are no reason to stop, and one that gains is a reason to go on.
    """
    labels = with_labels = 0
    for gain in reversed(found):
        if not gain.is_little:
            return 0
        labels += max(gain.labels, 0)
        with_labels += gain.labels > 0
        if labels >= ENOUGH and with_labels > 1:
            return labels
    return 0
