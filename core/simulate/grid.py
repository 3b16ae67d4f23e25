"""What a simulation compares: strategies × recipes × seeds, each over the same budgets of labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from storage.errors import InvalidInput
from storage.settings import RoundSettings

NAMED_STRATEGIES = {
    "entropy": "top/predictive_entropy/mean",
    "bald": "top/mutual_information/mean",
}
"""Strategies of the literature under their usual names, as batch choice/pixel score/aggregation."""
GIVEN_OTHERWISE = {"recipe": "--recipes", "seed": "--seeds", "batch_choice": "--strategies"}
"""Settings of the rounds that a grid goes through, and the option that names their values."""
PARTS = ("head", "pixel_score", "aggregation")
"""Settings that a recipe or a strategy may name as well."""
FULL = "full"
"""The strategy that labels the whole pool."""


@dataclass(frozen=True)
class Cell:
    """One run over all budgets.

    Attributes:
        strategy: Its name as it was asked for, or ``full``.
        recipe: ``recipe/head``.
        seed: Of the queue's draws, the weights and the order of the data.
        settings: Of every round.
        budgets: Labelled images at which it trains, rising.
        further_rounds: So many more rounds on the labels of each budget, see
            :class:`storage.settings.StartRule`.
    """

    strategy: str
    recipe: str
    seed: int
    settings: RoundSettings
    budgets: tuple[int, ...]
    further_rounds: int = 0

    def __str__(self) -> str:
        return f"{self.strategy}, {self.recipe}, seed {self.seed}"


@dataclass(frozen=True)
class Grid:
    """A simulation's cells.

    Attributes:
        strategies: Each a batch choice of :class:`storage.settings.RoundSettings`, a name of
            ``NAMED_STRATEGIES``, or ``batch choice/pixel score/aggregation``; parts left out are
            those of the settings.
        recipes: ``recipe`` or ``recipe/head``.
        seeds: A seed fixes the first labelled images, the weights and the order of the data for all
            strategies, so their differences are paired.
        budgets: Labelled images at which a round trains, rising.
        further_rounds: So many more rounds train on with the labels of each budget before the next labels.
        full: Train on the whole pool too, for each recipe and seed. With a warm start it trains for as
            many steps as all the rounds of another run together.
        overrides: Fields of the round's settings that are not the default. Two have another default here: as
            many images are chosen together as the smallest step between budgets, and uncertainty chooses
            from the first round on, so that a strategy is what its name says.
    """

    strategies: Sequence[str] = ("clasp_pe",)
    recipes: Sequence[str] = ("consistency",)
    seeds: Sequence[int] = (0,)
    budgets: Sequence[int] = (10, 20, 40)
    further_rounds: int = 0
    full: bool = False
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated.

        Raises:
            InvalidInput: A strategy, recipe, seed, budget or setting does not fit.
        """
        if not self.budgets or list(self.budgets) != sorted(set(self.budgets)) or self.budgets[0] < 1:
            raise InvalidInput("The rounds must be rising numbers of labels, such as 10,20,40.")
        if self.further_rounds < 0:
            raise InvalidInput(f"There are at least 0 further rounds, not {self.further_rounds}.")
        for what, values in (("strategy", self.strategies), ("recipe", self.recipes), ("seed", self.seeds)):
            if not values or len(set(values)) < len(values):
                raise InvalidInput(f"Name at least one {what}, and none of them twice.")
        for name in GIVEN_OTHERWISE.keys() & self.overrides.keys():
            raise InvalidInput(f"{name} is none of the settings here. Name it by {GIVEN_OTHERWISE[name]}.")
        known: set[str] = set()
        for cell in self.cells(pool=self.budgets[-1]):
            if cell.seed < 0:
                raise InvalidInput(f"A seed is at least 0, not {cell.seed}.")
            if cell.settings.fresh_start:
                raise InvalidInput(
                    "A fresh start is tried by audit images, which a simulation has none of. Leave "
                    "fresh_start off."
                )
            if str(cell) in known:
                raise InvalidInput(f"Two of the recipes are {cell.recipe}. Name it once.")
            known.add(str(cell))

    def cells(self, pool: int) -> Iterator[Cell]:
        """Yield the cells for a pool of so many images, all of one seed before the next seed.

        Raises:
            InvalidInput: A setting does not fit.
        """
        for seed in self.seeds:
            for recipe in self.recipes:
                for strategy in self.strategies:
                    settings = self._settings(seed, recipe, strategy)
                    name, budgets = _recipe_name(settings), tuple(self.budgets)
                    yield Cell(strategy, name, seed, settings, budgets, self.further_rounds)
                if self.full:
                    settings = self._settings(seed, recipe, "random")
                    if settings.warm_start:
                        settings.steps *= len(self.budgets) * (1 + self.further_rounds)
                    yield Cell(FULL, _recipe_name(settings), seed, settings, (pool,))

    def smallest_step(self) -> int:
        """Return the least number of images between two budgets; the first counts from none."""
        return min(after - before for before, after in zip((0, *self.budgets), self.budgets, strict=False))

    def _settings(self, seed: int, recipe: str, strategy: str) -> RoundSettings:
        chosen: dict[str, Any] = {"choice_batch": self.smallest_step(), "uncertain_from": 0}
        chosen |= dict(self.overrides) | {"seed": seed}
        chosen |= _parts(recipe, ("recipe", "head"), "recipe")
        named = NAMED_STRATEGIES.get(strategy, strategy)
        chosen |= _parts(named, ("batch_choice", "pixel_score", "aggregation"), "strategy")
        try:
            return RoundSettings(**chosen)
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidInput(
                f"{'.'.join(map(str, first['loc']))}: {first['msg']}, not {first['input']!r}."
            ) from error


def _recipe_name(settings: RoundSettings) -> str:
    return f"{settings.recipe}/{settings.head}"


def _parts(text: str, names: Sequence[str], what: str) -> dict[str, str]:
    parts = text.split("/")
    if len(parts) > len(names) or not all(parts):
        raise InvalidInput(f"{text!r} is no {what}. Write {'/'.join(names)}, or the first of them alone.")
    return dict(zip(names, parts, strict=False))
