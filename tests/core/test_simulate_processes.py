"""Runs of a simulation at the same time."""

from __future__ import annotations

import dataclasses
import io
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from core.annotation_cost import Annotator
from core.checkpoints import ATTEMPTS_FILE
from core.simulate import WORKSPACES, simulate
from core.simulate.cell_task import CellTask, Told
from core.simulate.grid import Grid
from core.simulate.processes import MOST_JOBS, run_in_processes, usual_jobs
from core.simulate.results import BudgetResult
from storage.errors import InvalidInput, QualmError
from tests.core.blocks_project import TINY, block_scene, png

ROOT = Path(__file__).resolve().parents[2]
GRID = Grid(
    strategies=("random", "clasp_pe"),
    recipes=("supervised/linear",),
    seeds=(3,),
    budgets=(2,),
    overrides=TINY.model_dump(exclude_defaults=True, exclude={"seed"}) | {"steps": 3},
)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = {*multiprocessing.active_children()}
    yield
    assert {*multiprocessing.active_children()} == before


@pytest.fixture(autouse=True)
def as_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes take the path over from this one."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "as_installed"))


@pytest.fixture
def tiny_set(tmp_path: Path) -> Path:
    folder = tmp_path / "blocks"
    for number in range(8):
        split = "train" if number < 6 else "test"
        for name, data in zip((split, f"{split}annot"), map(png, block_scene(number)), strict=True):
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / f"scene{number}.png").write_bytes(data)
    return folder


def simulated(data: Path, out: Path, jobs: int) -> tuple[list[BudgetResult], str]:
    console = Console(file=io.StringIO(), width=160)
    found = simulate(
        data, GRID, out=out, annotator=Annotator(most_clicks=5), device="cpu", jobs=jobs, console=console
    )
    return found, console.file.getvalue()  # type: ignore[attr-defined]


def test_runs_at_once_find_what_they_find_one_after_the_other(tiny_set: Path, tmp_path: Path) -> None:
    alone, _ = simulated(tiny_set, tmp_path / "alone", jobs=1)
    together, printed = simulated(tiny_set, tmp_path / "together", jobs=2)
    assert len(together) == 2
    for one, other in zip(alone, together, strict=True):
        assert (one.strategy, one.labels, one.labelled) == (other.strategy, other.labels, other.labelled)
        assert one.test_miou == pytest.approx(other.test_miou, abs=0.02)
    for number in (1, 2):
        assert f"{number} of 2: " in printed
    assert not (tmp_path / "together" / WORKSPACES).exists()


def test_runs_that_are_ended_leave_their_rounds_in_order(
    tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round whose process died counts that as an attempt; after three it is given up."""

    def interrupt(_: object, told: Told) -> None:
        if told.state == "training":
            raise KeyboardInterrupt

    monkeypatch.setattr("core.simulate._Work.hear", interrupt)
    with pytest.raises(KeyboardInterrupt):
        simulated(tiny_set, tmp_path / "out", jobs=2)
    assert list(tmp_path.rglob("checkpoints/round-*"))
    assert not list(tmp_path.rglob(ATTEMPTS_FILE))


class _EndsWhoeverReadsIt:
    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (9,)


def task(folder: Path) -> CellTask:
    return CellTask(
        cell=next(GRID.cells(6)),
        conditions={},
        out=folder / "out",
        set_folder=folder / "no set",
        workspace=folder / "workspace",
        is_kept=True,
        is_typical=False,
        annotator=Annotator(),
        device=torch.device("cpu"),
    )


def test_an_error_of_a_run_ends_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no set"):
        run_in_processes([task(tmp_path / name) for name in "ab"], 1, lambda told: None)


def test_a_process_that_is_killed_is_told_of(tmp_path: Path) -> None:
    killed = dataclasses.replace(task(tmp_path), annotator=_EndsWhoeverReadsIt())  # type: ignore[arg-type]
    with pytest.raises(QualmError, match=r"most likely for want of memory.*fewer --jobs"):
        run_in_processes([killed, task(tmp_path)], 1, lambda told: None)


def test_as_many_runs_at_once_as_processors_but_not_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert usual_jobs(torch.device("cpu")) == 3
    assert usual_jobs(torch.device("cuda")) == 1
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert usual_jobs(torch.device("cpu")) == MOST_JOBS
    with pytest.raises(InvalidInput, match="At least one run"):
        simulate(None, GRID, out=Path("never"), jobs=0)
