"""The real loop on a labelled set, with the true masks in the place of the person.

Storage, queue and worker are those of the application; only the hand that draws is missing. The table says
how good the model of each round is on test images that nobody labelled.
"""

from __future__ import annotations

import csv
import dataclasses
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor

from core import provenance
from core.data import to_long_side
from core.evaluation import evaluate
from core.model.network import build_network
from core.round_data import decoded_image
from core.warm_start import load_teacher
from core.worker import LEASE_S, pick_device, run_round
from storage import images, labels, projects, queue, rounds
from storage.errors import InvalidInput, QualmError
from storage.images import ImageInfo
from storage.importing import plan_import, run_import
from storage.projects import ProjectInfo
from storage.rounds import RoundInfo
from storage.settings import AnnotationSettings, ProjectSettings, RoundSettings, StartRule
from storage.workspace import Workspace, open_workspace

ORACLE = "oracle"
"""The annotator whose label maps are the truth."""


@dataclasses.dataclass(frozen=True)
class SimulatedRound:
    """One line of the table.

    Attributes:
        labels: Labelled images the round trained on.
        round: Its number.
        test_miou: Mean IoU of its teacher on the test images at full size, in [0, 1].
        class_iou: IoU by class name, without the classes that do not occur.
        train_s: Seconds of training.
        score_s: Seconds of scoring the pool.
        wall_s: Seconds since the simulation began, import and tests included.
    """

    labels: int
    round: int
    test_miou: float
    class_iou: dict[str, float]
    train_s: float
    score_s: float
    wall_s: float


def simulate(
    data: Path,
    rounds: Sequence[int] = (10, 20, 40),
    *,
    workspace: Path | None = None,
    seed: int = 0,
    overrides: Mapping[str, Any] | None = None,
    limit_test: int | None = None,
    csv_path: Path | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> list[SimulatedRound]:
    """Label, train and measure at each budget of labels.

    Args:
        data: Folder or zip in the CamVid layout: its train images are the pool, its test images measure,
            its val images are left out.
        rounds: Budgets: how many images are labelled when a round starts, rising.
        workspace: An empty folder to keep the workspace in; a temporary one is removed at the end.
        seed: Of the queue's draws, the network and the training.
        overrides: Fields of :class:`storage.settings.RoundSettings` to change.
        limit_test: Measure on so many test images, evenly spread; None takes all.
        csv_path: Where to write the table with seed, commit, device and machine.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        console: Where the progress and the table are printed.

    Returns:
        One entry a budget.

    Raises:
        QualmError: The data, a budget, a setting or the device does not fit, or a round failed.
    """
    if not rounds or list(rounds) != sorted(set(rounds)) or rounds[0] < 1:
        raise InvalidInput("The rounds must be rising numbers of labels, such as 10,20,40.")
    console = console or Console()
    chosen_device = pick_device(device)
    settings = _settings(rounds, seed, overrides or {})
    began = time.monotonic()
    table: list[SimulatedRound] = []
    with _workspace(workspace) as opened, _progress(console) as bars:
        simulation = _Simulation(opened, chosen_device, bars, seed)
        simulation.import_data(data, settings, rounds[-1], limit_test)
        for budget in rounds:
            simulation.label_until(budget)
            done = simulation.run_round()
            miou, class_iou = simulation.measured(done)
            metrics = done.metrics
            table.append(
                SimulatedRound(
                    labels=budget,
                    round=done.number,
                    test_miou=miou,
                    class_iou=class_iou,
                    train_s=metrics["train_seconds"],
                    score_s=metrics["score_seconds"],
                    wall_s=time.monotonic() - began,
                )
            )
    console.print(_printed(table, simulation, seed, chosen_device))
    if csv_path is not None:
        _write_csv(csv_path, table, data, seed, chosen_device, settings.round)
        console.print(f"Written to {csv_path}")
    return table


class _Simulation:
    """A project whose every image has a known truth, and the loop over it."""

    def __init__(self, workspace: Workspace, device: torch.device, bars: Progress, seed: int) -> None:
        self.workspace = workspace
        self.device = device
        self.bars = bars
        self.seed = seed
        self.worker = f"{platform.node()}:{os.getpid()}"

    def import_data(
        self, data: Path, settings: ProjectSettings, most_labels: int, limit_test: int | None
    ) -> None:
        bar = self.bars.add_task(f"Importing {data.name}", total=None)
        plan = plan_import(data, masks_as="truth")
        with_truth = [entry for entry in plan.entries if entry.mask_becomes == "truth"]
        pool = [entry for entry in with_truth if entry.split == "pool"]
        test = [entry for entry in with_truth if entry.split == "excluded"]
        if not pool or not test:
            raise InvalidInput(
                f"{data} has {len(pool)} training and {len(test)} test images with masks. A simulation needs "
                "both: folders train, trainannot, test and testannot."
            )
        if most_labels > len(pool):
            raise InvalidInput(f"The pool has only {len(pool)} images. Ask for at most so many labels.")
        test = _spread(test, limit_test)
        plan = dataclasses.replace(plan, entries=(*pool, *test))
        self.project: ProjectInfo = projects.create_project(
            self.workspace, data.stem, plan.classes, actor=ORACLE, settings=settings
        )
        result = run_import(
            self.workspace,
            self.project.id,
            plan,
            actor=ORACLE,
            progress=lambda done, of, _: self.bars.update(bar, completed=done, total=of),
        )
        if result.problems:
            first = result.problems[0]
            raise QualmError(f"{first.name} could not be imported: {first.sentence}")
        self.test = images.list_images(self.workspace, self.project.id, "excluded")
        self.class_names = [entry.name for entry in projects.classes(self.workspace, self.project.id)]

    def label_until(self, budget: int) -> None:
        """Let the oracle answer the queue until ``budget`` images are labelled."""
        labelled = images.split_counts(self.workspace, self.project.id)["train"]
        bar = self.bars.add_task(f"Labelling up to {budget}", total=budget, completed=labelled)
        for _ in range(budget - labelled):
            (item,) = queue.next_images(self.workspace, self.project.id, ORACLE, 1)
            labels.save(
                self.workspace,
                item.image.id,
                images.truth(self.workspace, item.image.id),
                expected_revision=item.revision,
                author=ORACLE,
                status="submitted",
                round_shown_id=item.round_id,
            )
            self.bars.advance(bar)

    def run_round(self) -> RoundInfo:
        requested = rounds.request_round(self.workspace, self.project.id, ORACLE, "Simulation")
        claimed = rounds.claim(self.workspace, self.worker, LEASE_S, project_id=self.project.id)
        if claimed is None:
            raise QualmError("Another worker took the round. Simulate in a workspace of its own.")
        bar: TaskID = self.bars.add_task(f"Round {requested.number}", total=None)

        def watch(state: str, step: int, steps: int, seconds_left: float) -> None:
            self.bars.update(
                bar, description=f"Round {requested.number}: {state}", completed=step, total=steps
            )

        run_round(self.workspace, claimed, self.worker, self.device, watch=watch)
        ended = rounds.get_round(self.workspace, requested.id)
        if ended.state != "done":
            raise QualmError(ended.error or f"Round {ended.number} ended {ended.state}.")
        return ended

    def measured(self, done: RoundInfo) -> tuple[float, dict[str, float]]:
        """Return mIoU and IoU by class name of a round's teacher on the test images at full size."""
        settings = done.config
        network = build_network(
            len(self.class_names),
            encoder=settings.encoder,
            decoder=settings.decoder,
            head=settings.head,
            weights="none",
        )
        load_teacher(network, self.workspace.path / str(done.checkpoint))
        bar = self.bars.add_task(f"Round {done.number}: testing", total=len(self.test))

        def labelled() -> Iterator[tuple[Tensor, Tensor]]:
            for info in self.test:
                yield self._test_image(info, settings.long_side)
                self.bars.advance(bar)

        result = evaluate(
            network.to(self.device),
            labelled(),
            samples=settings.samples_predict,
            seed=self.seed,
            device=self.device,
        )
        return result.miou, {self.class_names[index]: iou for index, iou in result.class_iou.items()}

    def _test_image(self, info: ImageInfo, long_side: int) -> tuple[Tensor, Tensor]:
        pixels = to_long_side(decoded_image(self.workspace.blobs.get(info.blob)), long_side)
        return pixels, torch.from_numpy(images.truth(self.workspace, info.id))


def _settings(budgets: Sequence[int], seed: int, overrides: Mapping[str, Any]) -> ProjectSettings:
    try:
        round_settings = RoundSettings(**({"seed": seed} | dict(overrides)))
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    steps_between = [after - before for before, after in zip((0, *budgets), budgets, strict=False)]
    return ProjectSettings(
        annotation=AnnotationSettings(audit_every=0, seed=seed),
        start=StartRule(automatic=False, min_changed=min(steps_between)),
        round=round_settings,
    )


def _spread(entries: list[Any], count: int | None) -> list[Any]:
    """Choose ``count`` entries at even distances, so that a few test images still show every place."""
    if count is None or count >= len(entries):
        return entries
    return [entries[index * len(entries) // count] for index in range(count)]


@contextmanager
def _workspace(path: Path | None) -> Iterator[Workspace]:
    """Open ``path``, or a temporary folder that is removed afterwards.

    Raises:
        InvalidInput: The workspace holds a project already.
    """
    if path is None:
        with (
            tempfile.TemporaryDirectory(prefix="qualm-simulation-") as folder,
            _workspace(Path(folder)) as opened,
        ):
            yield opened
        return
    opened = open_workspace(path)
    try:
        if projects.list_projects(opened):
            raise InvalidInput(f"The workspace {path} holds a project already. Choose an empty folder.")
        yield opened
    finally:
        opened.close()


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )


def _printed(
    table: Sequence[SimulatedRound], simulation: _Simulation, seed: int, device: torch.device
) -> Table:
    printed = Table(
        title=f"{simulation.project.name}: {len(simulation.test)} test images, seed {seed}, {device}, "
        f"{provenance.machine()}"
    )
    for name in ("labels", "round", "test mIoU", "train s", "score s", "wall s"):
        printed.add_column(name, justify="right")
    for line in table:
        seconds = (f"{value:.0f}" for value in (line.train_s, line.score_s, line.wall_s))
        printed.add_row(str(line.labels), str(line.round), f"{line.test_miou:.3f}", *seconds)
    return printed


def _write_csv(
    path: Path,
    table: Sequence[SimulatedRound],
    data: Path,
    seed: int,
    device: torch.device,
    settings: RoundSettings,
) -> None:
    about = {
        "data": data.name,
        "seed": seed,
        "commit": provenance.commit(),
        "device": str(device),
        "machine": provenance.machine(),
        "recipe": settings.recipe,
        "head": settings.head,
        "encoder": settings.encoder,
        "steps": settings.steps,
        "long_side": settings.long_side,
    }
    classes = sorted({name for line in table for name in line.class_iou})
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["labels", "round", "test_miou", "train_s", "score_s", "wall_s", *about]
            + [f"iou_{name}" for name in classes]
        )
        for line in table:
            times = [f"{value:.1f}" for value in (line.train_s, line.score_s, line.wall_s)]
            ious = [f"{line.class_iou.get(name, float('nan')):.4f}" for name in classes]
            writer.writerow(
                [line.labels, line.round, f"{line.test_miou:.4f}", *times, *about.values(), *ious]
            )
