"""A prediction enlarged bilinearly: what :mod:`core.suggestion` is compared with."""

from __future__ import annotations

from torch import Tensor

from core.cells import Extent, enlarged
from core.class_weights import at_natural_frequencies
from core.suggestion import Suggestion


def bilinear_suggestion(
    probabilities: Tensor, class_weights: Tensor, height: int, width: int, extent: Extent | None = None
) -> Suggestion:
    """Return the suggestion of probabilities ``(C, h, w)``, both its maps ``(height, width)``.

    ``class_weights`` as in :func:`core.suggestion.suggestion`, ``extent`` as in :func:`core.cells.enlarged`.
    """
    maps = enlarged(probabilities[None], height, width, extent)
    class_map = maps.argmax(dim=1)
    natural = at_natural_frequencies(maps, class_weights)
    return Suggestion(class_map[0].byte(), natural.gather(1, class_map[None])[0, 0])
