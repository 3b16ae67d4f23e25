"""The results of a simulation on disk: one JSON file per finished budget, so that a killed run goes on."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from core.simulate.grid import Cell
from core.simulate.labelled_set import LabelledSet
from storage.errors import InvalidInput
from storage.files import write_atomically

CONDITIONS = "simulation.json"
DATA_FILES = "data_files"
"""Name of the condition that tells whether the set has changed, which
:func:`core.simulate.labelled_set.files_of` returns.

Simulations of earlier versions lack it, and so does one whose set is gone: those go on."""


class Clicks(BaseModel):
    """What labels cost in clicks, see :mod:`core.annotation_cost`.

    ``superpixel`` and ``correction`` begin with the suggestion that the queue showed, or from scratch where
    it had none, and ``correction`` where that is less; the ``_from_scratch`` ones never look at it.
    ``given_up`` counts images whose correction did not reach the agreement.
    """

    model_config = ConfigDict(extra="forbid")

    superpixel: int = 0
    superpixel_from_scratch: int = 0
    correction: int = 0
    correction_from_scratch: int = 0
    given_up: int = 0

    def plus(self, other: Clicks) -> Clicks:
        """Return the sum of each."""
        return Clicks(**{name: value + getattr(other, name) for name, value in self})


class Ranking(BaseModel):
    """See :class:`core.ranking_quality.RankingQuality`; over the images left in the pool."""

    model_config = ConfigDict(extra="forbid")

    images: int
    spearman: float | None
    precision: float
    worst: int


class BudgetResult(BaseModel):
    """What one run reached at one budget.

    Attributes:
        strategy: See :class:`core.simulate.grid.Cell`; recipe and seed too.
        labels: Labelled images, and ``label_share`` as a share of the pool, in (0, 1].
        round: Number of the round, the last one on these labels.
        test_miou: Mean IoU of the round's teacher on the test images at full size, in [0, 1].
        class_iou: IoU by class name, of the classes that the truth has.
        test_counts: Hit, true and suggested pixels of each class in each test image, by which a difference
            can be measured on other draws of them; empty in results of earlier versions.
        test_ece: Expected calibration error on them, in [0, 1].
        test_error_auroc: How well the least confidence finds the wrong pixels, in [0, 1].
        test_pavpu: How far patches of little confidence are the inaccurate ones, mean over thresholds, in
            [0, 1]; None in results of earlier versions.
        ranking: None when nothing is left in the pool.
        clicks: Of all labels so far; None for full supervision, where they are not counted.
        labelled: Names of the images labelled since the last budget, in order.
        train_s: Seconds of training, of all rounds on these labels; ``score_s`` of scoring, ``wall_s`` of
            everything for this budget.
        device: Where it was computed; ``machine`` and ``commit`` say on what and by which code.
        notes: What the rounds had to say, such as that no pretrained weights were found.
    """

    model_config = ConfigDict(extra="forbid")

    strategy: str
    recipe: str
    seed: int
    labels: int
    label_share: float
    round: int
    test_miou: float
    class_iou: dict[str, float]
    test_counts: list[tuple[list[int], list[int], list[int]]] = []
    test_ece: float | None
    test_error_auroc: float | None
    test_pavpu: float | None = None
    ranking: Ranking | None
    clicks: Clicks | None
    labelled: list[str]
    train_s: float
    score_s: float
    wall_s: float
    device: str
    machine: str
    commit: str
    notes: list[str] = []


LATER_CONDITIONS = ("first_images", "clicks", "suggestions", "decoder")
"""Conditions that earlier versions do not name, where no settings bring the results of before."""


def changed_conditions(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names of the conditions that are others than before."""
    names = [name for name in {**now, **before} if now.get(name) != before.get(name)]
    return [name for name in names if name != DATA_FILES or (name in now and name in before)]


class Results:
    """A folder of results.

    Attributes:
        folder: The folder.
        conditions: All that must not change, as it is kept.
    """

    def __init__(self, folder: Path, conditions: Mapping[str, Any]) -> None:
        """Open a folder for a simulation under ``conditions``.

        Raises:
            InvalidInput: It holds results under other conditions.
        """
        self.folder = folder
        self._known = folder / CONDITIONS
        self.conditions: dict[str, Any] = json.loads(json.dumps(conditions))
        if self._known.exists():
            wanted, before = self.conditions, self._read()["conditions"]
            changed = changed_conditions(before, wanted)
            if changed:
                name = changed[0]
                if name in LATER_CONDITIONS and name not in before:
                    raise InvalidInput(
                        f"{folder} holds results of an earlier version, which say nothing of {name}. Choose "
                        "another --out."
                    )
                raise InvalidInput(
                    f"{folder} holds results with {name} {before.get(name, 'none')}, not "
                    f"{wanted.get(name, 'none')}. "
                    "Choose another --out, or the same settings to go on there."
                )
            self.conditions = before | wanted

    def begin(self, described: LabelledSet) -> None:
        """Note the conditions and what the set holds."""
        content = {"conditions": self.conditions, "set": described.model_dump()}
        write_atomically(self._known, json.dumps(content, indent=2).encode())

    def described(self) -> LabelledSet | None:
        """Return what the set holds; None before :meth:`begin`."""
        return LabelledSet.model_validate(self._read()["set"]) if self._known.exists() else None

    def _read(self) -> dict[str, Any]:
        return json.loads(self._known.read_text(encoding="utf-8"))

    def path_of(self, cell: Cell, labels: int) -> Path:
        """Return where the result of a budget is."""
        parts = [part.replace("/", "-") for part in (cell.strategy, cell.recipe)]
        return self.folder / "runs" / parts[0] / parts[1] / f"seed-{cell.seed}" / f"labels-{labels:05d}.json"

    def read(self, cell: Cell, labels: int) -> BudgetResult | None:
        """Return the result of a budget; None when it is not finished.

        Raises:
            InvalidInput: The file is damaged.
        """
        path = self.path_of(cell, labels)
        if not path.exists():
            return None
        try:
            return BudgetResult.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise InvalidInput(
                f"{path} is no result of this version. Remove it to compute it anew."
            ) from error

    def write(self, cell: Cell, result: BudgetResult) -> None:
        """Keep the result of a finished budget."""
        write_atomically(self.path_of(cell, result.labels), result.model_dump_json().encode())

    def forget(self, cell: Cell) -> None:
        """Remove the results of a cell, which begins anew."""
        for budget in cell.budgets:
            self.path_of(cell, budget).unlink(missing_ok=True)

    def of(self, cells: Sequence[Cell]) -> list[BudgetResult]:
        """Return the finished results of these cells, in their order."""
        found = (self.read(cell, budget) for cell in cells for budget in cell.budgets)
        return [result for result in found if result is not None]


def write_csv(
    path: Path, results: Sequence[BudgetResult], about: Callable[[BudgetResult], Mapping[str, Any]]
) -> None:
    """Write one row per result, with what ``about`` returns for it and one column per class."""
    classes = list(dict.fromkeys(name for result in results for name in result.class_iou))
    rows = []
    for result in results:
        row = result.model_dump(
            exclude={"class_iou", "test_counts", "ranking", "clicks", "labelled", "notes"}
        )
        row |= (result.ranking.model_dump() if result.ranking else {}) | dict(about(result))
        row |= {f"clicks_{name}": count for name, count in result.clicks or ()}
        row |= {f"iou_{name}": result.class_iou.get(name) for name in classes}
        rows.append({name: _rounded(value) for name, value in row.items()})
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def _rounded(value: Any) -> Any:
    return f"{value:.4f}" if isinstance(value, float) else value


def clicks_per_image(curve: Sequence[BudgetResult], field: str) -> list[float]:
    """Return what an image of each budget cost, those of the budgets before left out; NaN where unknown.

    Args:
        curve: Of one seed, in the order of its budgets.
        field: Of :class:`Clicks`.
    """
    totals = [(one.labels, getattr(one.clicks, field) if one.clicks else math.nan) for one in curve]
    return [
        (clicks - before) / (labels - earlier)
        for (labels, clicks), (earlier, before) in zip(totals, [(0, 0), *totals], strict=False)
    ]


def noted(results: Sequence[BudgetResult]) -> list[str]:
    """Return what rounds had to say, each once, with the strategy and recipe of the results that say it."""
    said: dict[str, dict[str, None]] = {}
    for result in results:
        for note in result.notes:
            said.setdefault(note, {})[f"{result.strategy}, {result.recipe}"] = None
    return [f"{'; '.join(by)}: {note}" for note, by in said.items()]
