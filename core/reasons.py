"""Why the model wants an image labelled: one sentence for the person, made from its maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

MOST_UNCERTAIN_SHARE = 0.1
"""The sentence speaks of this share of the pixels, those with the highest uncertainty."""
HARDLY_UNSURE = 0.05
"""Below this mean normalised uncertainty of those pixels, there is no confusion worth a name."""
SPREAD_OUT = 0.25
"""When no cell of the 3×3 grid holds this share of the uncertainty, it is "in many places"."""

ROWS = ("upper", "middle", "lower")
COLUMNS = ("left", "centre", "right")


@dataclass(frozen=True)
class Reason:
    """Which classes the model takes for each other, and where."""

    sentence: str
    classes: list[int]
    """Indices of the two classes, the likelier first; empty when the model is sure."""
    names: list[str]
    """What the sentence calls them, so that it can be told by names they got since."""
    where: str
    """Such as ``lower left``, ``centre`` or ``many places``; empty when the model is sure."""

    def after(self, ground: str) -> Reason:
        """Return the reason with what else speaks for the image before it; itself when that is empty."""
        return replace(self, sentence=f"{ground}; {self.sentence}") if ground else self

    def unlike_labelled(self) -> Reason:
        """Return the reason for an image that is unlike anything labelled: the sentence says so too.

        Which images are, :func:`core.acquisition.novelty.unlike_labelled` tells of a whole pool.
        """
        return replace(self, sentence=f"{self.sentence}; unlike anything labelled")


def reason(probability: Tensor, uncertainty: Tensor, class_names: Sequence[str]) -> Reason:
    """Name the most confused pair of classes in the most uncertain pixels, and where these pixels are.

    Args:
        probability: float ``(C, h, w)``, mean over the samples, sums to 1 over ``C``.
        uncertainty: float in [0, 1], ``(h, w)``.
        class_names: ``C`` names, in the order of the class indices.
    """
    class_count, height, width = probability.shape
    flat = uncertainty.flatten()
    count = max(1, round(MOST_UNCERTAIN_SHARE * flat.numel()))
    weight, pixels = flat.topk(count)
    if class_count < 2 or float(weight.mean()) < HARDLY_UNSURE:
        return Reason("fairly sure everywhere: a check for surprises", [], [], "")

    first, second = probability.flatten(1)[:, pixels].topk(2, dim=0).indices.unbind(0)
    pair = torch.minimum(first, second) * class_count + torch.maximum(first, second)
    pair_weight = torch.zeros(class_count * class_count).index_add_(0, pair, weight)
    most_confused = int(pair_weight.argmax())
    of_pair = pair == most_confused
    low, high = divmod(most_confused, class_count)
    likelier, other = (
        (low, high) if int((first[of_pair] == low).sum()) * 2 >= int(of_pair.sum()) else (high, low)
    )

    where = _place(pixels[of_pair], weight[of_pair], height, width)
    preposition = "at" if where == "the centre" else "in"
    names = [class_names[likelier], class_names[other]]
    sentence = f"unsure about {' against '.join(names)} {preposition} {where}"
    return Reason(sentence, [likelier, other], names, where.removeprefix("the "))


def _place(pixels: Tensor, weight: Tensor, height: int, width: int) -> str:
    row = (pixels // width * 3).div(height, rounding_mode="floor").clamp(max=2)
    column = (pixels % width * 3).div(width, rounding_mode="floor").clamp(max=2)
    cell_weight = torch.zeros(9).index_add_(0, row * 3 + column, weight)
    cell = int(cell_weight.argmax())
    if float(cell_weight[cell]) < SPREAD_OUT * float(cell_weight.sum()):
        return "many places"
    if cell == 4:
        return "the centre"
    return f"the {ROWS[cell // 3]} {COLUMNS[cell % 3]}"
