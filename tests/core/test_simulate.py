"""The simulation on a tiny set in the CamVid layout."""

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from core.simulate import simulate
from storage import images, projects, rounds
from storage.errors import InvalidInput
from storage.workspace import open_workspace
from tests.core.blocks_project import TINY, block_scene, png

QUICK = TINY.model_dump(exclude={"seed"}) | {"keep_predictions": 2}


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


def test_every_budget_is_labelled_trained_and_measured(tiny_set: Path, tmp_path: Path) -> None:
    printed = io.StringIO()
    table = simulate(
        tiny_set,
        rounds=[2, 5],
        workspace=tmp_path / "workspace",
        seed=3,
        overrides=QUICK,
        csv_path=tmp_path / "results" / "table.csv",
        device="cpu",
        console=Console(file=printed, width=120),
    )
    assert [(line.labels, line.round) for line in table] == [(2, 1), (5, 2)]
    assert all(0 <= line.test_miou <= 1 for line in table)
    assert table[0].wall_s < table[1].wall_s
    assert "test mIoU" in printed.getvalue()

    opened = open_workspace(tmp_path / "workspace")
    (project,) = projects.list_projects(opened)
    counts = images.split_counts(opened, project.id)
    assert (counts["train"], counts["pool"], counts["audit"], counts["excluded"]) == (5, 4, 0, 3)
    assert [row.state for row in rounds.history(opened, project.id)] == ["done", "done"]
    assert rounds.history(opened, project.id)[0].config.seed == 3
    opened.close()

    with (tmp_path / "results" / "table.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["labels"] for row in rows] == ["2", "5"]
    assert {"seed", "commit", "device", "machine", "test_miou"} <= set(rows[0])
    assert float(rows[1]["test_miou"]) == pytest.approx(table[1].test_miou, abs=1e-4)


@pytest.mark.parametrize(
    ("budgets", "overrides", "sentence"),
    [
        ([4, 2], {}, "rising"),
        ([], {}, "rising"),
        ([2, 50], {}, "only 9 images"),
        ([2], {"recipe": "wishing"}, "recipe"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    tiny_set: Path, budgets: list[int], overrides: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        simulate(tiny_set, rounds=budgets, overrides=QUICK | overrides, console=Console(file=io.StringIO()))


def test_a_set_without_test_images_is_refused(tmp_path: Path) -> None:
    pixels, truth = block_scene(0)
    for name, data in (("train", png(pixels)), ("trainannot", png(truth))):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "one.png").write_bytes(data)
    with pytest.raises(InvalidInput, match="0 test images"):
        simulate(tmp_path / "set", rounds=[1], overrides=QUICK, console=Console(file=io.StringIO()))
