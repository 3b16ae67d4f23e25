"""One run of a simulation: the loop of the application, the truth answering in the annotator's place.

Storage, queue and worker are those of the application; only the hand that draws is missing.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core import provenance
from core.annotation_cost import (
    COUNTED_SCALE,
    Annotator,
    LabelMap,
    cheaper,
    correction_clicks,
    cut_into_superpixels,
    superpixel_clicks,
)
from core.decoded_image import decoded_image
from core.evaluation import Evaluation, evaluate
from core.model.network import build_network
from core.ranking_quality import ranking_quality
from core.simulate.grid import FULL, Cell
from core.simulate.results import BudgetResult, Clicks, Ranking
from core.uncertainty import confusion_matrix, mean_iou
from core.warm_start import load_teacher
from core.worker import LEASE_S, run_round
from storage import images, labels, projects, queue, round_requests, rounds
from storage.errors import QualmError
from storage.files import write_atomically
from storage.queue import QueueItem
from storage.rounds import RoundInfo
from storage.schema import LIVE_ROUND_STATES
from storage.settings import AnnotationSettings, ProjectSettings, StartRule
from storage.workspace import Workspace

ORACLE = "oracle"
"""The annotator whose label maps are the truth."""
LEDGER = "simulated_cell.json"
"""File in the workspace that says whose it is and what its labels have cost so far."""
RANKED_IMAGES = 500
"""Images of the pool whose score is compared with their true error, at most; evenly spread over the ranks."""
MOST_CELLS = 1_000_000
"""A larger image is labelled on a coarser grid by the annotator whose clicks are counted."""

OnCellShare = Callable[[str, float], None]
"""Called with what is being done and the share of the budget's work that is done, in [0, 1]."""


class CellRun:
    """A project whose every image has a known truth, and the loop over it; ``known_by`` is its identity."""

    def __init__(
        self,
        workspace: Workspace,
        cell: Cell,
        known_by: dict[str, Any],
        annotator: Annotator,
        device: torch.device,
        watch: OnCellShare,
    ) -> None:
        self.workspace = workspace
        self.cell = cell
        self.annotator = annotator
        self.device = device
        self.watch = watch
        self.worker = f"{platform.node()}:{os.getpid()}"
        (self.project,) = projects.list_projects(workspace)
        self.class_names = [entry.name for entry in projects.classes(workspace, self.project.id)]
        self.test = images.list_images(workspace, self.project.id, "excluded")
        counts = images.split_counts(workspace, self.project.id)
        self.images = counts["pool"] + counts["train"]
        by_content = {
            info.content_hash: info.id
            for split in ("pool", "train")
            for info in images.list_images(workspace, self.project.id, split)
        }
        self.unranked = [by_content[one] for one in drawn_order(by_content, cell.seed)]
        self.ledger = _Ledger(workspace.path / LEDGER, known_by)
        self._set_up()

    def _set_up(self) -> None:
        wanted = self.cell.settings.model_copy(
            update={"keep_predictions": 0 if self.cell.strategy == FULL else self.images}
        )
        settings = ProjectSettings(
            annotation=AnnotationSettings(audit_every=0, seed=self.cell.seed),
            start=StartRule(automatic=False, min_changed=wanted.choice_batch),
            round=wanted,
        )
        self.project = projects.update_settings(self.workspace, self.project.id, settings, actor=ORACLE)

    def order_by_typicality(self) -> None:
        """Let the cold start order the images before any label exists, as it does in the application.

        Raises:
            QualmError: The cold start failed.
        """
        every = rounds.history(self.workspace, self.project.id)
        if any(info.state == "done" for info in every):
            return
        live = next((info for info in every if info.state in LIVE_ROUND_STATES), None)
        if live is None:
            live = round_requests.request_cold_start(self.workspace, self.project.id)
        self._run(live)

    def reach(self, budget: int) -> BudgetResult:
        """Label up to a budget, train and measure; what is done already is not done again.

        Raises:
            QualmError: The round failed.
        """
        began = time.monotonic()
        self._label_until(budget)
        trained = self._trained_on(budget)
        done = trained[-1]
        self.watch("testing", 0.85)
        measured = self._measured(done)
        quality = measured.uncertainty_figures()
        of_step = self.ledger.names[self._budget_before(budget) : budget]
        return BudgetResult(
            strategy=self.cell.strategy,
            recipe=self.cell.recipe,
            seed=self.cell.seed,
            labels=budget,
            label_share=budget / self.images,
            round=done.number,
            test_miou=measured.miou,
            class_iou={self.class_names[index]: iou for index, iou in measured.class_iou.items()},
            test_counts=measured.counts.tolist(),
            test_ece=_number(quality.get("ece")),
            test_error_auroc=_number(quality.get("error_auroc")),
            test_pavpu=_number(quality.get("pavpu")),
            ranking=None if self.cell.strategy == FULL else self._ranking(),
            clicks=None if self.cell.strategy == FULL else self.ledger.total(budget),
            labelled=of_step,
            train_s=sum(info.metrics["train_seconds"] for info in trained),
            score_s=sum(info.metrics["score_seconds"] for info in trained),
            wall_s=time.monotonic() - began,
            device=str(done.metrics["device"]),
            machine=provenance.machine(),
            commit=provenance.commit(),
            notes=list(dict.fromkeys(info.note for info in trained if info.note)),
        )

    def _budget_before(self, budget: int) -> int:
        return max((earlier for earlier in self.cell.budgets if earlier < budget), default=0)

    # The annotator

    def _label_until(self, budget: int) -> None:
        labelled = images.split_counts(self.workspace, self.project.id)["train"]
        before = self._budget_before(budget)
        if labelled:
            # A run that was killed may have saved the last label and not moved back what is like it.
            trained = images.list_images(self.workspace, self.project.id, "train")
            last = next(info.id for info in trained if info.name == self.ledger.names[labelled - 1])
            queue.move_back_alike(self.workspace, last, ORACLE)
        for number in range(labelled, budget):
            self.watch(f"labelling image {number + 1}", 0.15 * (number - before) / (budget - before))
            item = self._next(number)
            truth = images.truth(self.workspace, item.image.id)
            # The cost is written first: killed between the two, the next run gets the same image again.
            self.ledger.write(number, item.image.name, self._clicks(item, truth))
            labels.save(
                self.workspace,
                item.image.id,
                truth,
                expected_revision=item.revision,
                author=ORACLE,
                status="submitted",
                round_shown_id=item.suggestion_round_id,
            )
            queue.move_back_alike(self.workspace, item.image.id, ORACLE)

    def _next(self, labelled: int) -> QueueItem:
        """Return the image to label when so many are: as the queue has it once a round has ranked the pool.

        The queue's own order before that is one circle of all images, in which a seed chooses where to begin.
        That is random enough for a person, but two seeds that begin close to each other label the same
        images, and a paired test takes seeds for independent.
        """
        if queue.progress(self.workspace, self.project.id).current_round_number is None:
            return queue.open_image(self.workspace, self.unranked[labelled], ORACLE)[0]
        (item,) = queue.next_images(self.workspace, self.project.id, ORACLE, 1)
        return item

    def _clicks(self, item: QueueItem, truth: LabelMap) -> Clicks:
        if self.cell.strategy == FULL:
            return Clicks()
        pixels = decoded_image(self.workspace.blobs.get(item.image.blob)).permute(1, 2, 0).numpy()
        coarse = max(1, math.ceil(math.sqrt(truth.size / MOST_CELLS)))
        pixels, truth = pixels[::coarse, ::coarse], truth[::coarse, ::coarse]
        suggestion = None
        if item.map_blob is not None:
            suggestion = labels.decode_label_map(self.workspace.blobs.get(item.map_blob))[::coarse, ::coarse]
        superpixels = cut_into_superpixels(pixels)
        counted = superpixels[COUNTED_SCALE]

        def correction(start: NDArray[np.uint8] | None) -> tuple[int, bool]:
            # Seeded by the image: strategies that choose the same one meet the same hand.
            key = int.from_bytes(item.image.content_hash.encode()[-8:])
            generator = np.random.default_rng([self.cell.seed, key])
            return correction_clicks(start, truth, superpixels, self.annotator, generator)

        from_scratch, reached = correction(None)
        corrected = from_scratch
        if suggestion is not None:
            # A suggestion that is of no use is left alone.
            corrected, reached = cheaper(correction(suggestion), (from_scratch, reached))
        return Clicks(
            superpixel=superpixel_clicks(counted, truth, suggestion),
            superpixel_from_scratch=superpixel_clicks(counted, truth),
            correction=corrected,
            correction_from_scratch=from_scratch,
            given_up=int(not reached),
        )

    # The model

    def _trained_on(self, budget: int) -> list[RoundInfo]:
        """Return the rounds on so many labels, oldest first; one that a killed run left is gone on with."""
        wanted = 1 + self.cell.further_rounds
        while True:
            every = [
                info for info in rounds.history(self.workspace, self.project.id) if info.kind == "trains"
            ]
            done = [info for info in every if info.state == "done" and info.metrics.get("labels") == budget]
            if len(done) >= wanted:
                return done[::-1]
            live = next((info for info in every if info.state in LIVE_ROUND_STATES), None)
            if live is None:
                live = round_requests.request_round(self.workspace, self.project.id, ORACLE, "Simulation")
            trained = self._run(live, len(done) / wanted, 1 / wanted)
            if trained.metrics.get("labels") != budget:
                raise QualmError(
                    f"Round {trained.number} trained on {trained.metrics.get('labels')} of {budget} labels. "
                    f"{trained.note or ''} Mend or remove what is damaged in the set, and choose another "
                    "--out."
                )

    def _run(self, requested: RoundInfo, before: float = 0.0, share: float = 1.0) -> RoundInfo:
        """Run a round, which is a ``share`` of a budget's rounds, of which as much as ``before`` is done."""
        claimed = rounds.claim(self.workspace, self.worker, LEASE_S, project_id=self.project.id)
        if claimed is None:
            raise QualmError(
                f"Another worker has round {requested.number} of {self.workspace.path}. Wait until it ends, "
                "or choose another --out."
            )

        def watch(state: str, step: int, steps: int, seconds_left: float) -> None:
            begin, length = (0.15, 0.55) if state == "training" else (0.7, 0.15)
            of_round = begin - 0.15 + length * step / max(1, steps)
            self.watch(state, 0.15 + 0.7 * before + share * of_round)

        run_round(self.workspace, claimed, self.worker, self.device, watch=watch)
        ended = rounds.get_round(self.workspace, requested.id)
        if ended.state != "done":
            raise QualmError(ended.error or f"Round {ended.number} ended {ended.state}.")
        return ended

    def _measured(self, done: RoundInfo) -> Evaluation:
        """Measure a round's teacher on the test images at full size."""
        settings = done.config
        network = build_network(
            len(self.class_names),
            encoder=settings.encoder,
            decoder=settings.decoder,
            head=settings.head,
            weights="none",
        )
        load_teacher(network, self.workspace.path / str(done.checkpoint))

        def labelled() -> Iterator[tuple[Tensor, Tensor]]:
            for place, info in enumerate(self.test):
                self.watch("testing", 0.85 + 0.15 * place / len(self.test))
                pixels = decoded_image(self.workspace.blobs.get(info.blob), settings.long_side)
                yield pixels, torch.from_numpy(images.truth(self.workspace, info.id))

        return evaluate(
            network.to(self.device),
            labelled(),
            samples=settings.samples_predict,
            seed=self.cell.seed,
            device=self.device,
        )

    def _ranking(self) -> Ranking | None:
        """Compare the scores of the images left in the pool with how wrong their suggestions are."""
        ranked, _ = queue.ranked_images(self.workspace, self.project.id, split="pool", limit=self.images)
        scored = [item for item in ranked if item.score is not None and item.map_blob is not None]
        if not scored:
            return None
        share = min(1.0, RANKED_IMAGES / len(scored))
        chosen = [scored[int(place / share)] for place in range(int(share * len(scored)))]
        quality = ranking_quality(
            [item.score or 0.0 for item in chosen],
            [self._error(item) for item in chosen],
            worst=max(1, round(share * self.cell.settings.choice_batch)),
        )
        return Ranking(
            images=quality.images,
            spearman=_number(quality.spearman),
            precision=quality.precision,
            worst=quality.worst,
        )

    def _error(self, item: QueueItem) -> float:
        suggestion = labels.decode_label_map(self.workspace.blobs.get(str(item.map_blob)))
        truth = torch.from_numpy(images.truth(self.workspace, item.image.id))
        iou = mean_iou(confusion_matrix(torch.from_numpy(suggestion), truth, len(self.class_names)))
        return 0.0 if math.isnan(iou) else 1 - iou


class _Ledger:
    """What the labels of a run have cost, kept beside them so that a killed run loses nothing."""

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self.path = path
        self.run = run
        content = json.loads(path.read_bytes()) if path.exists() else {"labels": []}
        self.labels: list[tuple[str, Clicks]] = [
            (name, Clicks.model_validate(clicks)) for name, clicks in content["labels"]
        ]
        if not path.exists():
            self._save()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.labels]

    def write(self, place: int, name: str, clicks: Clicks) -> None:
        """Note the label at a place of the order, from 0 on, in the place of any from there on."""
        self.labels[place:] = [(name, clicks)]
        self._save()

    def total(self, count: int) -> Clicks:
        total = Clicks()
        for _, clicks in self.labels[:count]:
            total = total.plus(clicks)
        return total

    def _save(self) -> None:
        entries = [[name, clicks.model_dump()] for name, clicks in self.labels]
        write_atomically(self.path, json.dumps({"run": self.run, "labels": entries}).encode())


def drawn_order(content_hashes: Iterable[str], seed: int) -> list[str]:
    """Return images in an order that is drawn by the seed, whatever order they came in."""
    ordered = sorted(content_hashes)
    return [ordered[place] for place in np.random.default_rng(seed).permutation(len(ordered))]


def identity(cell: Cell, conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run is known by: two that differ in it label or train otherwise."""
    return json.loads(json.dumps({"cell": str(cell), **conditions}))


def begin_run(workspace: Path, run: dict[str, Any]) -> None:
    """Note whose a workspace is from now on."""
    _Ledger(workspace / LEDGER, run)


def run_of(workspace: Path) -> dict[str, Any] | None:
    """Return the identity of the run that a workspace holds; None when it is no simulation's."""
    ledger = workspace / LEDGER
    return json.loads(ledger.read_bytes()).get("run") if ledger.exists() else None


def labelled_in(workspace: Path) -> list[str]:
    """Return the names of the images that the run of a workspace has labelled, in order."""
    return [name for name, _ in json.loads((workspace / LEDGER).read_bytes())["labels"]]


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
