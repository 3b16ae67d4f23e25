"""The simulation on a tiny set in the CamVid layout."""

import contextlib
import csv
import dataclasses
import hashlib
import io
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rich.console import Console
from sqlalchemy import select

from core import simulate as simulation
from core.annotation_cost import Annotator
from core.simulate import WORKSPACES, cell, cell_task, simulate
from core.simulate.grid import Grid
from core.simulate.labelled_set import files_of
from core.simulate.results import CONDITIONS, LATER_CONDITIONS, BudgetResult
from core.uncertainty import iou
from storage import images, projects, rounds
from storage.errors import InvalidInput, QualmError
from storage.schema import Image, Prediction
from storage.workspace import DATABASE_FILE, Workspace, open_workspace
from tests.core.blocks_project import TINY, block_scene, png

QUICK = TINY.model_dump(exclude_defaults=True, exclude={"seed"}) | {"steps": 3}
HAND = Annotator(most_clicks=5)


@pytest.fixture(scope="module")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine training, one validation and three test images of two classes."""
    folder = tmp_path_factory.mktemp("data") / "blocks"
    number = 0
    for split, count in {"train": 9, "val": 1, "test": 3}.items():
        for _ in range(count):
            pixels, truth = block_scene(number)
            for name, data in ((split, png(pixels)), (f"{split}annot", png(truth))):
                (folder / name).mkdir(parents=True, exist_ok=True)
                (folder / name / f"scene{number}.png").write_bytes(data)
            number += 1
    return folder


@pytest.fixture(autouse=True, scope="module")
def one_run_after_the_other() -> Iterator[None]:
    """Where a test does not say otherwise: what it puts in a function's place is not there in a process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "usual_jobs", lambda device: 1)
        yield


def quiet() -> Console:
    return Console(file=io.StringIO(), width=160)


def simulate_in(workspace: Path, data: Path, grid: Grid, out: Path) -> None:
    """Simulate in a workspace that is to be kept."""
    simulate(data, grid, out=out, workspace=workspace, annotator=HAND, device="cpu", console=quiet())


def cut_off_second_round(patch: pytest.MonkeyPatch) -> list[object]:
    """Let the second call that would run a round be interrupted; return a list that grows with each call."""
    real, calls = cell.run_round, []

    def dies(*arguments: object, **named: object) -> str:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    patch.setattr(cell, "run_round", dies)
    return calls


@pytest.fixture(scope="module")
def grid() -> Grid:
    return Grid(
        strategies=("random", "clasp_pe"),
        recipes=("supervised/linear",),
        seeds=(3,),
        budgets=(2, 4),
        full=True,
        overrides=QUICK,
    )


@pytest.fixture(scope="module")
def finished(
    tiny_set: Path, grid: Grid, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[BudgetResult]]:
    """The results of a grid whose first call was cut off in the middle of its first run.

    They lie beside workspaces of a person.
    """
    out = tmp_path_factory.mktemp("simulation")
    (out / "workspaces" / "set").mkdir(parents=True)
    (out / "workspaces" / "set" / DATABASE_FILE).write_text("a person's own")
    with pytest.MonkeyPatch.context() as patch:
        calls = cut_off_second_round(patch)
        with pytest.raises(KeyboardInterrupt):
            simulate(tiny_set, grid, out=out, annotator=HAND, device="cpu", console=quiet())
        assert len(list(out.glob("runs/**/*.json"))) == 1
        results = simulate(
            tiny_set, grid, out=out, annotator=HAND, device="cpu", command="the command", console=quiet()
        )
    # Each of the five rounds was begun once, and the one that was cut off twice.
    assert len(calls) == 6
    return out, results


def of(results: list[BudgetResult], strategy: str) -> list[BudgetResult]:
    return [one for one in results if one.strategy == strategy]


def test_every_budget_of_every_run_is_measured(finished: tuple[Path, list[BudgetResult]]) -> None:
    out, results = finished
    assert len(results) == 5
    for strategy in ("random", "clasp_pe"):
        first, second = of(results, strategy)
        assert (first.labels, second.labels) == (2, 4)
        assert (first.round, second.round) == (1, 2)
        assert second.label_share == pytest.approx(4 / 9)
        assert len(set(first.labelled) | set(second.labelled)) == 4
        assert first.ranking is not None
        assert (first.ranking.images, first.ranking.worst) == (7, 2)
        assert first.clicks is not None
        assert second.clicks is not None
        assert first.clicks.correction == first.clicks.correction_from_scratch
        assert first.clicks.superpixel < second.clicks.superpixel_from_scratch
        # Two steps teach little, and what is of no use is not corrected.
        assert second.clicks.correction <= second.clicks.correction_from_scratch
    assert all(0 <= one.test_miou <= 1 for one in results)
    for one in results:
        hit, true, suggested = torch.tensor(one.test_counts).sum(dim=0)
        assert float(iou(hit, true, suggested)[true > 0].mean()) == pytest.approx(one.test_miou)
    (full,) = of(results, "full")
    assert (full.labels, full.label_share, full.ranking, full.clicks) == (9, 1.0, None, None)
    assert not (out / WORKSPACES).exists()


def test_workspaces_of_a_person_in_the_folder_of_the_results_stay(
    finished: tuple[Path, list[BudgetResult]],
) -> None:
    out, _ = finished
    assert (out / "workspaces" / "set" / DATABASE_FILE).read_text() == "a person's own"


def test_a_typical_start_is_the_order_of_the_cold_start(tiny_set: Path, tmp_path: Path) -> None:
    grid = Grid(("random",), ("supervised/linear",), (0,), (3,), full=False, overrides=QUICK)
    where = {"out": tmp_path / "out", "workspace": tmp_path / "kept", "device": "cpu", "console": quiet()}
    (result,) = simulate(tiny_set, grid, annotator=HAND, start="typical", **where)
    opened = open_workspace(tmp_path / "kept")
    (project,) = projects.list_projects(opened)
    trained, cold = rounds.history(opened, project.id)
    assert (cold.number, cold.state, trained.number) == (0, "done", 1)
    assert len(result.labelled) == 3
    with opened.database.reading() as session:
        first = session.scalars(
            select(Image.name)
            .join(Prediction, Prediction.image_id == Image.id)
            .where(Prediction.round_id == cold.id, Prediction.rank == 1)
        ).one()
    assert result.labelled[0] == first
    opened.close()


def test_further_rounds_train_on_with_the_labels_of_each_budget(
    tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid(("random",), ("supervised/linear",), (0,), (2, 3), further_rounds=1, overrides=QUICK)
    where = {"out": tmp_path / "out", "workspace": tmp_path / "kept", "device": "cpu", "console": quiet()}
    calls = cut_off_second_round(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        simulate(tiny_set, grid, annotator=HAND, **where)
    first, second = simulate(tiny_set, grid, annotator=HAND, **where)
    # Each of four rounds was begun once, and the one that was cut off twice.
    assert len(calls) == 5
    assert (first.labels, first.round, second.labels, second.round) == (2, 2, 3, 4)
    opened = open_workspace(tmp_path / "kept")
    (project,) = projects.list_projects(opened)
    past = rounds.history(opened, project.id)[::-1]
    assert [row.metrics["labels"] for row in past] == [2, 2, 3, 3]
    assert [row.parent_id for row in past] == [None, *(row.id for row in past[:-1])]
    assert second.train_s == pytest.approx(sum(row.metrics["train_seconds"] for row in past[2:]))
    opened.close()
    once = dataclasses.replace(grid, further_rounds=0)
    with pytest.raises(InvalidInput, match="further_rounds 1, not none"):
        simulate(tiny_set, once, annotator=HAND, **where)


def test_full_supervision_has_the_steps_of_the_further_rounds_too() -> None:
    grid = Grid(budgets=(2, 4), further_rounds=2, full=True, overrides={"steps": 10})
    *_, full = grid.cells(pool=9)
    assert (full.settings.steps, full.further_rounds) == (60, 0)


def test_the_strategies_of_a_seed_begin_alike(finished: tuple[Path, list[BudgetResult]]) -> None:
    _, results = finished
    first, other = of(results, "random")[0], of(results, "clasp_pe")[0]
    assert first.labelled == other.labelled
    assert first.test_miou == other.test_miou
    assert first.clicks == other.clicks


def test_the_first_images_are_drawn_by_the_seed(
    finished: tuple[Path, list[BudgetResult]], tiny_set: Path
) -> None:
    _, results = finished
    names = {
        hashlib.sha256(path.read_bytes()).hexdigest(): f"train/{path.name}"
        for path in (tiny_set / "train").iterdir()
    }
    drawn = [names[one] for one in cell.drawn_order(names, seed=3)]
    assert of(results, "random")[0].labelled == drawn[:2]
    assert of(results, "full")[0].labelled == drawn


def test_seeds_begin_with_no_more_images_in_common_than_by_chance() -> None:
    pool = [hashlib.sha256(bytes([number % 256, number // 256])).hexdigest() for number in range(370)]
    starts = [cell.drawn_order(pool, seed)[:37] for seed in range(10)]
    common = [len(set(one) & set(other)) for one, other in itertools.combinations(starts, 2)]
    # Of 37 among 370, 3.7 are in common on average, with a deviation of 1.7 that 45 pairs bring down to 0.26.
    assert sum(common) / len(common) == pytest.approx(3.7, abs=4 * 0.26)
    assert max(common) < 3.7 + 5 * 1.7
    assert starts[2] == cell.drawn_order(reversed(pool), seed=2)[:37]


@pytest.mark.parametrize("name", LATER_CONDITIONS)
def test_results_that_an_earlier_version_got_otherwise_are_not_gone_on_with(
    finished: tuple[Path, list[BudgetResult]], tiny_set: Path, grid: Grid, tmp_path: Path, name: str
) -> None:
    out = shutil.copytree(finished[0], tmp_path / "out")
    known = json.loads((out / CONDITIONS).read_text())
    del known["conditions"][name]
    (out / CONDITIONS).write_text(json.dumps(known))
    with pytest.raises(InvalidInput, match=f"of an earlier version, which say nothing of {name}. Choose"):
        simulate(tiny_set, grid, out=out, annotator=HAND, device="cpu", console=quiet())


def test_rows_and_report_hold_the_numbers(finished: tuple[Path, list[BudgetResult]]) -> None:
    out, results = finished
    with (out / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    origin = {"seed", "commit", "device", "machine", "command"}
    assert origin | {"clicks_correction", "spearman", "steps"} <= set(rows[0])
    for row, result in zip(rows, results, strict=True):
        assert float(row["test_miou"]) == pytest.approx(result.test_miou, abs=1e-4)
        assert row["strategy"] == result.strategy
        assert row["steps"] == ("6" if result.strategy == "full" else "3")
    assert "the command" in (out / "report.html").read_text(encoding="utf-8")


def test_a_finished_simulation_is_not_computed_again(
    finished: tuple[Path, list[BudgetResult]], tiny_set: Path, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, results = finished
    monkeypatch.delattr(cell, "run_round")
    again = simulate(tiny_set, grid, out=out, annotator=HAND, device="cpu", console=quiet())
    assert again == results
    other = Grid(strategies=grid.strategies, budgets=(2, 5), overrides=QUICK)
    with pytest.raises(InvalidInput, match="budgets"):
        simulate(tiny_set, other, out=out, annotator=HAND, console=quiet())
    longer = dataclasses.replace(grid, further_rounds=1)
    with pytest.raises(InvalidInput, match="with further_rounds none, not 1"):
        simulate(tiny_set, longer, out=out, annotator=HAND, console=quiet())


def test_what_rounds_note_is_told(tiny_set: Path, tmp_path: Path) -> None:
    grid = Grid(("bald",), ("supervised/linear",), (0,), (2,), overrides=QUICK)
    printed = io.StringIO()
    (result,) = simulate(
        tiny_set,
        grid,
        out=tmp_path / "out",
        annotator=HAND,
        device="cpu",
        console=Console(file=printed, width=1000),
    )
    (note,) = result.notes
    assert note.startswith("The mutual information of a single prediction is 0 everywhere")
    assert f"bald, supervised/linear: {note}\n" in printed.getvalue()
    assert note in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_folder_of_results_is_no_file(tiny_set: Path, grid: Grid, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InvalidInput, match="out is a file"):
        simulate(tiny_set, grid, out=tmp_path / "out", console=quiet())


def test_a_run_alone_keeps_its_workspace_and_ends_as_the_one_that_was_cut_off(
    finished: tuple[Path, list[BudgetResult]], tiny_set: Path, grid: Grid, tmp_path: Path
) -> None:
    _, results = finished
    printed = io.StringIO()
    alone = dataclasses.replace(grid, strategies=("random",), full=False)
    table = simulate(
        tiny_set,
        alone,
        out=tmp_path / "out",
        workspace=tmp_path / "workspace",
        annotator=HAND,
        csv_path=tmp_path / "[results]" / "table.csv",
        device="cpu",
        console=Console(file=printed, width=160),
    )
    assert "test mIoU" in printed.getvalue()
    assert f"Rows: {tmp_path / '[results]' / 'table.csv'}\n" in printed.getvalue()
    assert (tmp_path / "[results]" / "table.csv").exists()
    for one, other in zip(table, of(results, "random"), strict=True):
        varying = {"wall_s", "train_s", "score_s"}
        assert one.model_dump(exclude=varying) == other.model_dump(exclude=varying)

    opened = open_workspace(tmp_path / "workspace")
    (project,) = projects.list_projects(opened)
    counts = images.split_counts(opened, project.id)
    assert (counts["train"], counts["pool"], counts["audit"], counts["excluded"]) == (4, 5, 0, 3)
    assert [row.state for row in rounds.history(opened, project.id)] == ["done", "done"]
    assert rounds.history(opened, project.id)[0].config.seed == 3
    opened.close()

    longer = dataclasses.replace(alone, overrides=dict(alone.overrides) | {"steps": 77})
    for asked, folder, sentence in (
        (longer, tmp_path / "workspace", "under other conditions"),
        (alone, tmp_path / "out", "not empty"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            simulate(
                tiny_set,
                asked,
                out=tmp_path / sentence,
                workspace=folder,
                annotator=HAND,
                device="cpu",
                console=quiet(),
            )


def test_a_run_that_was_cut_off_while_the_set_was_copied_goes_on_in_its_workspace(
    tiny_set: Path, grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = dataclasses.replace(grid, strategies=("random",), full=False)
    kept = tmp_path / "workspace"
    kept.mkdir()
    real, calls = os.link, []

    def cut_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def dies(source: str, destination: str) -> None:
        calls.append(destination)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(source, destination)

    def start() -> None:
        with pytest.raises(KeyboardInterrupt):
            simulate_in(kept, tiny_set, alone, tmp_path / "out")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", dies)
        start()
    assert len(calls) == 3
    with monkeypatch.context() as patch:
        patch.setattr(cell_task, "begin_run", cut_off)
        start()
    (kept / "mine.txt").write_text("keep")
    monkeypatch.setattr(cell, "run_round", cut_off)
    start()
    assert (kept / "mine.txt").read_text() == "keep"
    with contextlib.closing(open_workspace(kept)) as opened:
        (project,) = projects.list_projects(opened)
        for info in images.list_images(opened, project.id):
            assert opened.blobs.get(info.blob)
        assert images.split_counts(opened, project.id)["train"] == 2
    start()


def without_times(results: list[BudgetResult]) -> list[dict[str, object]]:
    return [one.model_dump(exclude={"wall_s", "train_s", "score_s"}) for one in results]


@pytest.fixture
def cut_off(tiny_set: Path, grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Leave the run of clasp_pe cut off in its second round; return a list of the rounds that are begun."""
    calls = cut_off_second_round(monkeypatch)
    alone = dataclasses.replace(grid, strategies=("clasp_pe",), full=False)
    with pytest.raises(KeyboardInterrupt):
        simulate(tiny_set, alone, out=tmp_path / "out", annotator=HAND, device="cpu", console=quiet())
    assert len(list(tmp_path.glob("out/runs/**/*.json"))) == 1
    return calls


@pytest.mark.parametrize("kept", [False, True])
def test_a_run_whose_workspace_is_new_does_all_its_budgets(
    finished: tuple[Path, list[BudgetResult]],
    cut_off: list[object],
    tiny_set: Path,
    grid: Grid,
    tmp_path: Path,
    kept: bool,
) -> None:
    alone = dataclasses.replace(grid, strategies=("clasp_pe",), full=False)
    if not kept:
        shutil.rmtree(tmp_path / "out" / WORKSPACES)
    printed = Console(file=io.StringIO(), width=160)
    again = simulate(
        tiny_set,
        alone,
        out=tmp_path / "out",
        workspace=tmp_path / "kept" if kept else None,
        annotator=HAND,
        device="cpu",
        console=printed,
    )
    assert without_times(again) == without_times(of(finished[1], "clasp_pe"))
    assert len(cut_off) == 2 + 2
    assert "1 of 2: clasp_pe, supervised/linear, seed 3, 2 labels" in printed.file.getvalue()
    assert not (tmp_path / "out" / WORKSPACES).exists()


def test_a_run_of_which_a_round_failed_begins_anew(
    finished: tuple[Path, list[BudgetResult]],
    tiny_set: Path,
    grid: Grid,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A round after it would have another number and so other draws than that of the other strategies."""
    alone = dataclasses.replace(grid, strategies=("clasp_pe",), full=False)
    where = {"out": tmp_path / "out", "annotator": HAND, "device": "cpu", "console": quiet()}
    real, calls = rounds.claim, []

    def fails(workspace: Workspace, worker: str, *rest: object, **named: object) -> rounds.RoundInfo | None:
        claimed = real(workspace, worker, *rest, **named)
        calls.append(claimed)
        if len(calls) == 2:
            rounds.fail(workspace, claimed.id, worker, "The disk is full.")
        return claimed

    with monkeypatch.context() as patch:
        patch.setattr(rounds, "claim", fails)
        with pytest.raises(QualmError, match="The disk is full"):
            simulate(tiny_set, alone, **where)
    assert without_times(simulate(tiny_set, alone, **where)) == without_times(of(finished[1], "clasp_pe"))


def test_a_call_for_other_strategies_leaves_a_run_that_was_cut_off(
    finished: tuple[Path, list[BudgetResult]],
    cut_off: list[object],
    tiny_set: Path,
    grid: Grid,
    tmp_path: Path,
) -> None:
    where = {"out": tmp_path / "out", "annotator": HAND, "device": "cpu", "console": quiet()}
    simulate(tiny_set, dataclasses.replace(grid, strategies=("random",), full=False), **where)
    assert len(cut_off) == 2 + 2
    both = simulate(tiny_set, dataclasses.replace(grid, full=False), **where)
    assert len(cut_off) == 2 + 2 + 1
    assert without_times(both) == without_times(of(finished[1], "random") + of(finished[1], "clasp_pe"))
    assert not (tmp_path / "out" / WORKSPACES).exists()


def test_a_kept_workspace_that_is_not_where_the_results_end_is_refused(
    cut_off: list[object], tiny_set: Path, grid: Grid, tmp_path: Path
) -> None:
    (hidden,) = (tmp_path / "out" / WORKSPACES).glob("runs/*/*/*")
    kept = hidden.rename(tmp_path / "kept")
    (result,) = tmp_path.glob("out/runs/**/*.json")
    content = result.read_bytes()
    alone = dataclasses.replace(grid, strategies=("clasp_pe",), full=False)

    def refused() -> None:
        with pytest.raises(InvalidInput, match=r"not what the results .+ say, .+ Choose an empty folder"):
            simulate_in(kept, tiny_set, alone, tmp_path / "out")

    result.unlink()
    refused()
    other = json.loads(content) | {"labelled": ["train/scene0.png", "train/scene0.png"]}
    result.write_text(json.dumps(other))
    refused()
    assert result.exists()


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({"budgets": (4, 2)}, "rising"),
        ({"budgets": ()}, "rising"),
        ({"further_rounds": -1}, "at least 0 further rounds"),
        ({"budgets": (2, 50)}, "only 9 images"),
        ({"recipes": ("wishing",)}, "recipe"),
        ({"recipes": ("supervised/linear/more",)}, "is no recipe"),
        ({"strategies": ("wishing",)}, "batch_choice"),
        ({"strategies": ("top//mean",)}, "is no strategy"),
        ({"strategies": ("random", "random")}, "twice"),
        ({"recipes": ("supervised", "supervised/np_classifier")}, "Name it once"),
        ({"seeds": ()}, "at least one seed"),
        ({"seeds": (-1,)}, "seed"),
        ({"overrides": {"colour": "red"}}, "colour"),
        ({"overrides": {"recipe": "u2pl"}}, "by --recipes"),
        ({"overrides": {"seed": "7"}}, "by --seeds"),
        ({"overrides": {"batch_choice": "top"}}, "by --strategies"),
        ({"overrides": {"fresh_start": "true"}}, "Leave fresh_start off"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    tiny_set: Path, tmp_path: Path, named: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        simulate(tiny_set, Grid(**{"overrides": QUICK} | named), out=tmp_path, console=quiet())


def test_a_refused_simulation_leaves_no_set_for_one_of_other_images(tiny_set: Path, tmp_path: Path) -> None:
    too_many = Grid(budgets=(2, 50), overrides=QUICK)
    for limit, sentence in [(None, "only 9 images. Ask"), (5, "only 5 images, for it .* raise --limit-pool")]:
        with pytest.raises(InvalidInput, match=sentence):
            simulate(tiny_set, too_many, out=tmp_path, limit_pool=limit, console=quiet())


@pytest.mark.parametrize("seconds", [0.0, -2.0, float("nan")])
def test_a_click_that_takes_no_time_is_refused_before_anything_is_computed(
    tiny_set: Path, grid: Grid, tmp_path: Path, seconds: float
) -> None:
    with pytest.raises(InvalidInput, match="more than 0 seconds"):
        simulate(tiny_set, grid, out=tmp_path / "out", seconds_per_click=seconds, console=quiet())
    assert not (tmp_path / "out").exists()


def test_the_results_of_another_set_of_the_same_name_are_not_taken(
    finished: tuple[Path, list[BudgetResult]], tiny_set: Path, grid: Grid, tmp_path: Path
) -> None:
    out, _ = finished
    namesake = shutil.copytree(tiny_set, tmp_path / tiny_set.name)
    with pytest.raises(InvalidInput, match=f"data {re.escape(str(tiny_set.resolve()))}, not"):
        simulate(namesake, grid, out=out, annotator=HAND, device="cpu", console=quiet())


def test_results_are_not_gone_on_with_when_the_files_of_the_set_changed(
    finished: tuple[Path, list[BudgetResult]], tiny_set: Path, grid: Grid, tmp_path: Path
) -> None:
    where = {"out": shutil.copytree(finished[0], tmp_path / "out"), "device": "cpu", "console": quiet()}
    mask = tiny_set / "trainannot" / "scene4.png"
    before = mask.read_bytes()
    mask.write_bytes(before + b"changed")
    try:
        with pytest.raises(InvalidInput, match=r"data_files 26 of .+ bytes, digest \w+, not 26 of .+ Choose"):
            simulate(tiny_set, grid, annotator=HAND, **where)
    finally:
        mask.write_bytes(before)
    assert simulate(tiny_set, grid, annotator=HAND, **where) == finished[1]


def test_results_without_word_of_the_files_are_gone_on_with(
    finished: tuple[Path, list[BudgetResult]], tiny_set: Path, grid: Grid, tmp_path: Path
) -> None:
    where = {"out": shutil.copytree(finished[0], tmp_path / "out"), "device": "cpu", "console": quiet()}
    kept = where["out"] / CONDITIONS
    known = json.loads(kept.read_text())
    files = known["conditions"].pop("data_files")
    kept.write_text(json.dumps(known))
    assert simulate(tiny_set, grid, annotator=HAND, **where) == finished[1]
    assert json.loads(kept.read_text())["conditions"]["data_files"] == files
    away = tiny_set.rename(tmp_path / "away")
    try:
        assert simulate(tiny_set, grid, annotator=HAND, **where) == finished[1]
    finally:
        away.rename(tiny_set)
    assert json.loads(kept.read_text())["conditions"]["data_files"] == files


def test_the_files_of_a_set_are_its_pictures_and_its_class_list(tiny_set: Path, tmp_path: Path) -> None:
    data = shutil.copytree(tiny_set, tmp_path / "set")
    before = files_of(data)
    (data / "results.csv").write_text("rows")
    assert files_of(data) == before
    (data / "label_colors.txt").write_text("0 0 0 field")
    with_classes = files_of(data)
    assert with_classes != before
    (data / "train" / "scene0.png").rename(data / "train" / "other.png")
    assert files_of(data) not in (None, before, with_classes)
    assert files_of(tmp_path / "nowhere") is None


def test_a_set_that_changed_after_a_refusal_is_imported_anew(tiny_set: Path, tmp_path: Path) -> None:
    data = shutil.copytree(tiny_set, tmp_path / "set")
    too_many = Grid(budgets=(2, 50), overrides=QUICK)
    for count in (9, 8):
        with pytest.raises(InvalidInput, match=f"only {count} images"):
            simulate(data, too_many, out=tmp_path / "out", console=quiet())
        (data / "train" / "scene0.png").unlink(missing_ok=True)


def test_a_set_without_test_images_is_refused(tmp_path: Path) -> None:
    pixels, truth = block_scene(0)
    for name, data in (("train", png(pixels)), ("trainannot", png(truth))):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "one.png").write_bytes(data)
    grid = Grid(budgets=(1,), overrides=QUICK)
    with pytest.raises(InvalidInput, match="0 test images"):
        simulate(tmp_path / "set", grid, out=tmp_path / "out", console=quiet())


def test_a_strategy_is_a_triple_of_settings() -> None:
    grid = Grid(
        strategies=("clasp_pe", "entropy", "bald", "top/variance/top_share"),
        recipes=("supervised", "consistency/np"),
        budgets=(3, 5, 9),
        overrides={"aggregation": "mean", "steps": "7", "warm_start": "false"},
        full=True,
    )
    cells = {(cell.strategy, cell.recipe): cell.settings for cell in grid.cells(pool=20)}
    triples = {
        name: (settings.batch_choice, settings.pixel_score, settings.aggregation)
        for (name, recipe), settings in cells.items()
        if recipe == "consistency/np"
    }
    assert triples["clasp_pe"] == ("clasp_pe", "predictive_entropy", "mean")
    assert triples["entropy"] == ("top", "predictive_entropy", "mean")
    assert triples["bald"] == ("top", "mutual_information", "mean")
    assert triples["top/variance/top_share"] == ("top", "variance", "top_share")
    assert {settings.choice_batch for settings in cells.values()} == {2}
    assert cells["full", "consistency/np"].steps == 7
    assert (
        json.dumps(sorted({recipe for _, recipe in cells}))
        == '["consistency/np", "supervised/np_classifier"]'
    )


def test_a_label_that_cannot_be_read_ends_a_simulation(
    tiny_set: Path, grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rounds.get_round

    def one_label_fewer(*named: object) -> rounds.RoundInfo:
        info = real(*named)
        return dataclasses.replace(info, metrics=info.metrics | {"labels": 1}, note="Damaged: scene1.png")

    monkeypatch.setattr(cell.rounds, "get_round", one_label_fewer)
    with pytest.raises(QualmError, match=r"trained on 1 of 2 labels\. Damaged: scene1\.png"):
        simulate(tiny_set, grid, out=tmp_path, annotator=HAND, device="cpu", console=quiet())
