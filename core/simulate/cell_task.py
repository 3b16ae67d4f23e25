"""One run of a simulation from its workspace to its last budget, in whichever process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from core.annotation_cost import Annotator
from core.simulate.cell import CellRun, begin_run, identity, labelled_in, run_of
from core.simulate.grid import Cell
from core.simulate.labelled_set import copy_set, end_of_copy, is_half_copied, remove_half_copy
from core.simulate.results import Results, changed_conditions
from storage import projects, rounds
from storage.errors import InvalidInput
from storage.schema import LIVE_ROUND_STATES
from storage.workspace import open_workspace

WORKSPACES = ".simulation-workspaces"
"""Folder of the unfinished runs. It is removed with the last one, so it has a name that nobody else gives:
a person may have workspaces beside it."""


@dataclass(frozen=True)
class CellTask:
    """All that a run needs; another process can be given it.

    Attributes:
        cell: What is run.
        conditions: Of the whole simulation.
        out: Folder of the results.
        set_folder: Workspace of the imported set.
        workspace: Where the run works; its own after that if ``is_kept``.
        is_kept: A person chose the workspace.
        is_typical: The cold start orders the first images.
        annotator: Whose clicks are counted.
        device: Where it trains.
    """

    cell: Cell
    conditions: Mapping[str, Any]
    out: Path
    set_folder: Path
    workspace: Path
    is_kept: bool
    is_typical: bool
    annotator: Annotator
    device: torch.device


class Told(NamedTuple):
    """How far a run is: the share of a budget's work that is done, in [0, 1], or that its result is kept."""

    cell: Cell
    budget: int
    state: str
    share: float
    is_done: bool = False


def hidden_workspace(results: Results, cell: Cell) -> Path:
    """Return the folder of the workspace of a run that nobody wants to keep."""
    return results.folder / WORKSPACES / results.path_of(cell, 0).parent.relative_to(results.folder)


def run_cell(task: CellTask, tell: Callable[[Told], None]) -> None:
    """Label, train and measure at the budgets of a run that have no result yet, and keep the results.

    Raises:
        QualmError: See :func:`core.simulate.simulate`.
    """
    cell, results = task.cell, Results(task.out, task.conditions)
    known_by = identity(cell, task.conditions)
    _make_workspace(task.workspace, known_by, task.set_folder, results, cell, kept=task.is_kept)
    budget = cell.budgets[0]

    def watch(state: str, share: float) -> None:
        tell(Told(cell, budget, state, share))

    with closing(open_workspace(task.workspace)) as opened:
        run = CellRun(opened, cell, known_by, task.annotator, task.device, watch)
        if task.is_typical:
            run.order_by_typicality()
        for budget in cell.budgets:
            if results.read(cell, budget) is None:
                results.write(cell, run.reach(budget))
                tell(Told(cell, budget, "done", 1.0, is_done=True))
    if not task.is_kept:
        shutil.rmtree(task.workspace, ignore_errors=True)


def _make_workspace(
    folder: Path, run: dict[str, Any], set_folder: Path, results: Results, cell: Cell, *, kept: bool
) -> None:
    """Copy the set for a run, unless its workspace is there already.

    Results that no label in the workspace stands behind are removed: the next budget's images are chosen by
    the model of the budget before, which only its own workspace has. So are those before a round that failed:
    the number of a round is part of its draws, and a further one has another.

    Raises:
        InvalidInput: The folder that is to be kept holds something else.
    """
    held = run_of(folder)
    is_own = held is not None and not changed_conditions(held, run)
    if is_own and _is_where_results_end(labelled_in(folder), results, cell) and not _a_round_failed(folder):
        end_of_copy(folder)
        return
    if held is None and is_half_copied(folder):
        remove_half_copy(set_folder, folder)
    elif folder.exists() and any(folder.iterdir()):
        if kept and is_own:
            raise InvalidInput(
                f"The workspace {folder} holds this simulation, but not what the results in {results.folder} "
                "say, or one of its rounds failed. Choose an empty folder, in which the run begins anew."
            )
        if kept and held is not None:
            raise InvalidInput(
                f"The workspace {folder} holds a simulation under other conditions. Choose an empty folder, "
                "or the same settings to go on there."
            )
        if kept:
            raise InvalidInput(f"The workspace {folder} is not empty. Choose an empty folder.")
        shutil.rmtree(folder)
    results.forget(cell)
    copy_set(set_folder, folder)
    begin_run(folder, run)
    end_of_copy(folder)


def _a_round_failed(folder: Path) -> bool:
    with closing(open_workspace(folder)) as opened:
        return any(
            info.state not in ("done", *LIVE_ROUND_STATES)
            for project in projects.list_projects(opened)
            for info in rounds.history(opened, project.id)
        )


def _is_where_results_end(labelled: Sequence[str], results: Results, cell: Cell) -> bool:
    """Tell whether an unfinished cell goes on from a run with these labels, given in order.

    Its results say the same labels, and there are no more than lead to the next budget.
    """
    found = [results.read(cell, budget) for budget in cell.budgets]
    told = [name for result in found if result for name in result.labelled]
    upcoming = cell.budgets[found.index(None)]
    return list(labelled[: len(told)]) == told and len(labelled) <= upcoming
