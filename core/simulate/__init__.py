"""The real loop on a labelled set, with the true masks in the place of the person: strategies compared.

Every run of a strategy, a recipe and a seed is a workspace of its own under :data:`WORKSPACES` of the results
folder until it is finished; every finished budget is a small file under ``runs``. A simulation that was
killed goes on where it stopped, in the middle of a round if need be.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from core import provenance
from core.annotation_cost import Annotator
from core.learning_curve import mean_and_deviation
from core.simulate.cell_task import WORKSPACES as WORKSPACES
from core.simulate.cell_task import CellTask, Told, hidden_workspace, run_cell
from core.simulate.grid import FULL, PARTS, Cell, Grid
from core.simulate.labelled_set import LabelledSet, files_of, labelled_set
from core.simulate.processes import run_in_processes, usual_jobs
from core.simulate.report import write_report
from core.simulate.results import DATA_FILES, BudgetResult, Results, noted, write_csv
from core.worker import pick_device
from storage.errors import InvalidInput

FirstImages = Literal["random", "typical"]

QUICK = {"steps": 30, "long_side": 160, "crop": 128, "samples_predict": 5}
"""Settings of a round that a laptop can repeat a dozen times in five minutes."""
QUICK_GRID = Grid(strategies=("random", "clasp_pe"), seeds=(0, 1), budgets=(4, 8, 12), overrides=QUICK)
QUICK_POOL, QUICK_TEST = 40, 12
QUICK_AGREEMENT = 0.9


def simulate(
    data: Path | None,
    grid: Grid,
    *,
    out: Path,
    start: FirstImages = "random",
    workspace: Path | None = None,
    limit_pool: int | None = None,
    limit_test: int | None = None,
    annotator: Annotator | None = None,
    seconds_per_click: float = 2.0,
    csv_path: Path | None = None,
    device: str = "auto",
    jobs: int | None = None,
    command: str = "",
    console: Console | None = None,
) -> list[BudgetResult]:
    """Label, train and measure at each budget of each run of a grid; write rows and a report.

    The images labelled before the first round are the same for all strategies of a seed.

    Args:
        data: Folder or zip in the CamVid layout: its train images are the pool, its test images measure, its
            val images are left out; None renders scenes of the demo world.
        grid: What is compared.
        out: Folder of the results; ``report.html`` and ``results.csv`` are written there. One with results
            of the same simulation is gone on with.
        start: Where the first images come from: drawn at random, or the application's cold start.
        workspace: An empty folder that keeps the workspace of the only run, or one where it goes on.
        limit_pool: Use so many images of the pool, evenly spread; None takes all.
        limit_test: The same for testing.
        annotator: Whose clicks are counted.
        seconds_per_click: What a click takes, for the hours in the report.
        csv_path: Where to write the rows in the place of ``out``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        jobs: Runs at once, each in a process of its own where there are several; None for as many as pay.
        command: The command line, for the report.
        console: Where the progress and the table are printed.

    Returns:
        One entry per budget of each run.

    Raises:
        QualmError: The data, a budget, a setting, the folder, the device or the time of a click does not fit,
            or a round failed.
    """
    if not seconds_per_click > 0:
        raise InvalidInput(f"A click takes more than 0 seconds, not {seconds_per_click:g}.")
    if jobs is not None and jobs < 1:
        raise InvalidInput(f"At least one run is at work at once, not {jobs}.")
    if out.exists() and not out.is_dir():
        raise InvalidInput(f"{out} is a file. Choose a folder for the results by --out.")
    console = console or Console()
    annotator = annotator or Annotator()
    chosen_device = pick_device(device)
    results = Results(out, _conditions(data, grid, start, limit_pool, limit_test, annotator))
    began = time.monotonic()
    with _progress(console) as bars:
        importing = bars.add_task(f"{'Rendering' if data is None else 'Importing'} the set", total=None)
        set_folder = out / WORKSPACES / _folder_name(results.conditions)
        described = _described(out, grid, results) or labelled_set(
            data,
            set_folder,
            limit_pool=limit_pool,
            limit_test=limit_test,
            watch=lambda done, of: bars.update(importing, completed=done, total=of),
        )
        bars.update(importing, visible=False)
        if grid.budgets[-1] > described.pool:
            limited = ", for it is limited to so many: raise --limit-pool" if limit_pool else ""
            raise InvalidInput(
                f"The pool has only {described.pool} images{limited}. Ask for at most so many labels."
            )
        cells = list(grid.cells(described.pool))
        if workspace is not None and len(cells) > 1:
            raise InvalidInput("A workspace can be kept for one strategy, one recipe and one seed alone.")
        results.begin(described)
        tasks = [
            CellTask(
                cell=cell,
                conditions=results.conditions,
                out=out,
                set_folder=set_folder,
                workspace=workspace or hidden_workspace(results, cell),
                is_kept=workspace is not None,
                is_typical=start == "typical",
                annotator=annotator,
                device=chosen_device,
            )
            for cell in cells
            if not all(results.read(cell, budget) for budget in cell.budgets)
        ]
        _run(tasks, min(jobs or usual_jobs(chosen_device), len(tasks)), _Work(bars, cells, results))
    _remove_workspaces(out, results, cells)
    table = results.of(cells)
    console.print(_printed(table, described))
    for note in noted(table):
        console.print(Text(note))
    rows_path, report_path = csv_path or out / "results.csv", out / "report.html"
    common = {
        "data": "demo" if data is None else data.resolve().name,
        "start": start,
        "further_rounds": grid.further_rounds,
    }
    settings = {(cell.strategy, cell.recipe, cell.seed): cell.settings for cell in cells}

    def about(result: BudgetResult) -> dict[str, Any]:
        # Its own settings: training on the whole pool takes more steps, and a recipe may name a head.
        own = settings[result.strategy, result.recipe, result.seed]
        return common | {name: getattr(own, name) for name in grid.overrides} | {"command": command}

    write_csv(rows_path, table, about)
    write_report(
        report_path,
        table,
        described,
        conditions=results.conditions | {"seconds spent in this call": round(time.monotonic() - began)},
        seconds_per_click=seconds_per_click,
        command=command,
    )
    # As Text and not as a string, in which Rich would read [brackets] and :colons: of a path.
    console.print(Text(f"Rows: {rows_path}\nReport: {report_path}"), soft_wrap=True)
    return table


def _conditions(
    data: Path | None,
    grid: Grid,
    start: FirstImages,
    limit_pool: int | None,
    limit_test: int | None,
    annotator: Annotator,
) -> dict[str, Any]:
    """Return what results must have in common to be of the same simulation.

    Raises:
        InvalidInput: A setting does not fit, or the data cannot be found.
    """
    settings = next(grid.cells(grid.budgets[-1])).settings
    conditions: dict[str, Any] = {
        # Where it is, since two sets may have the same name.
        "data": "demo" if data is None else str(data.resolve()),
        "budgets": grid.budgets,
        # Parts as they were given: the first cell may name others.
        "settings": {
            name: given if name in PARTS else getattr(settings, name)
            for name, given in grid.overrides.items()
        },
        "start": start,
        "limit_pool": limit_pool,
        "limit_test": limit_test,
        "annotator": dataclasses.asdict(annotator),
    }
    # Left out where there are none, so that a simulation that was begun before there were any goes on.
    conditions |= {"further_rounds": grid.further_rounds} if grid.further_rounds else {}
    # Not in earlier versions, whose seeds began at different places of the same order.
    conditions |= {"first_images": "drawn anew for each seed"} if start == "random" else {}
    # Likewise: a suggestion that took more clicks than none was corrected all the same.
    conditions |= {"clicks": "of correcting or drawing, whichever takes fewer"}
    # Likewise: what was suggested were the most probable classes as trained.
    conditions |= {"suggestions": "decided on nearer to natural frequencies"}
    # A new project had another one; one that was asked for is among the settings.
    conditions |= {} if "decoder" in grid.overrides else {"decoder": settings.decoder}
    files = None if data is None else files_of(data)
    return conditions | ({} if files is None else {DATA_FILES: files})


def _run(tasks: Sequence[CellTask], at_once: int, work: _Work) -> None:
    if at_once > 1:
        run_in_processes(tasks, at_once, work.hear)
        return
    for task in tasks:
        run_cell(task, work.hear)


def _remove_workspaces(out: Path, results: Results, cells: Sequence[Cell]) -> None:
    """Remove what finished runs left of their workspaces, and the set unless other runs go on with it."""
    for cell in cells:
        # Of a run whose last result was written just before it was killed.
        shutil.rmtree(hidden_workspace(results, cell), ignore_errors=True)
    # Those of other strategies or seeds may have been left by a call that was stopped.
    if not any((out / WORKSPACES).glob("runs/*/*/*")):
        shutil.rmtree(out / WORKSPACES, ignore_errors=True)


def _folder_name(conditions: dict[str, Any]) -> str:
    """Return the name of the folder for the imported set: one for each choice of images.

    A simulation that was refused may have left its set behind.
    """
    chosen = [conditions.get(name) for name in ("data", DATA_FILES, "limit_pool", "limit_test")]
    return f"set-{hashlib.sha256(json.dumps(chosen).encode()).hexdigest()[:12]}"


def _described(out: Path, grid: Grid, results: Results) -> LabelledSet | None:
    """Return what the set holds, when every run is finished and the set itself is not needed any more."""
    described = results.described()
    if described is None:
        return None
    cells = grid.cells(described.pool)
    finished = all(results.read(cell, budget) for cell in cells for budget in cell.budgets)
    return described if finished else None


class _Work:
    """The progress over all budgets of all runs, with a bar for each run that is at work."""

    def __init__(self, bars: Progress, cells: Sequence[Cell], results: Results) -> None:
        self.bars = bars
        self.results = results
        self.total = sum(len(cell.budgets) for cell in cells)
        self.done = {(str(cell), budget) for cell in cells for budget in self._measured(cell)}
        self.all: TaskID = bars.add_task("All runs", total=self.total, completed=len(self.done))
        self.now: dict[str, TaskID] = {}
        self.shares: dict[str, float] = {}

    def hear(self, told: Told) -> None:
        name = str(told.cell)
        if name not in self.now:
            self.now[name] = self.bars.add_task("", total=1.0)
            # A run that begins anew has lost its results.
            self.done = {one for one in self.done if one[0] != name}
            self.done |= {(name, budget) for budget in self._measured(told.cell)}
        title = f"{name}, {told.budget} labels"
        self.bars.update(self.now[name], description=f"{title}: {told.state}", completed=told.share)
        self.shares[name] = told.share
        if told.is_done:
            self.shares[name] = 0.0
            self.done.add((name, told.budget))
            if told.budget == told.cell.budgets[-1]:
                self.bars.remove_task(self.now.pop(name))
            if not self.bars.console.is_terminal:
                self.bars.console.print(Text(f"{len(self.done)} of {self.total}: {title}"), soft_wrap=True)
        self.bars.update(self.all, completed=len(self.done) + sum(self.shares.values()))

    def _measured(self, cell: Cell) -> list[int]:
        """Return the budgets of a run that have a result."""
        return [budget for budget in cell.budgets if self.results.read(cell, budget)]


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        # Training and scoring advance at different speeds: the estimate looks back over several rounds.
        speed_estimate_period=1800,
    )


def _printed(table: Sequence[BudgetResult], described: LabelledSet) -> Table:
    devices = ", ".join(sorted({result.device for result in table}))
    recipes = list(dict.fromkeys(result.recipe for result in table))
    of_all = f"{recipes[0]}, " if len(recipes) == 1 else ""
    printed = Table(
        title=Text(
            f"{described.name}: pool of {described.pool}, {described.test} test images, {of_all}{devices}, "
            f"{provenance.machine()}",
            style="table.title",
        )
    )
    printed.add_column("strategy" if of_all else "strategy, recipe")
    for name in ("labels", "seeds", "test mIoU", "clicks", "train s", "score s"):
        printed.add_column(name, justify="right")
    for strategy, recipe, labels in dict.fromkeys((one.strategy, one.recipe, one.labels) for one in table):
        same = [one for one in table if (one.strategy, one.recipe, one.labels) == (strategy, recipe, labels)]
        miou, deviation = mean_and_deviation([one.test_miou for one in same])
        clicks = mean_and_deviation([one.clicks.correction for one in same if one.clicks])[0]
        printed.add_row(
            Text(strategy if of_all else f"{strategy}, {recipe}"),
            str(labels),
            str(len(same)),
            f"{miou:.3f} ± {deviation:.3f}" if len(same) > 1 else f"{miou:.3f}",
            "–" if strategy == FULL else f"{clicks:.0f}",
            f"{mean_and_deviation([one.train_s for one in same])[0]:.0f}",
            f"{mean_and_deviation([one.score_s for one in same])[0]:.0f}",
        )
    return printed
