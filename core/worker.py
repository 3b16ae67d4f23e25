"""The background worker: claims a round, trains on its snapshot, predicts the pool, ranks it, publishes.

A round belongs to one worker by lease. A thread renews the lease, so a worker that was killed is known
by its silence, and the next one goes on from the newest checkpoint. Whatever goes wrong with a round ends
in a sentence on the screen; the worker itself goes on.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import random
import shutil
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from core import fresh_start
from core.acquisition.aggregation import ImageScore, score_image
from core.checkpoints import count_attempt, forget_attempts
from core.data import NOT_LABELLED, TrainingData, label_to_size, size_at_long_side, to_long_side
from core.embedding_plane import plane, shortened
from core.evaluation import Evaluation, evaluate
from core.heartbeat import repeated
from core.model.network import SegmentationNetwork, build_network
from core.out_of_memory import free_cached_memory, is_out_of_memory
from core.pool_ranking import PoolRanking, rank_cold, rank_pool, typical_sentence
from core.pool_scoring import predicted_pool, read_ahead
from core.predict import ImagePrediction, class_map_at, embed, predict
from core.reasons import Reason, reason
from core.round_data import ImagesOnDemand, UnreadableImage, decoded_image, grey_png
from core.round_training import RoundTraining
from core.train import StepReport, TrainConfig, Training, read_checkpoint
from core.warm_start import load_teacher, shrink_and_perturb
from storage import embeddings, images, labels, projects, rounds
from storage.errors import InvalidInput, LeaseLost, NotFound, QualmError, RoundRefused
from storage.files import BlobStore, file_error
from storage.formats.embeddings import EmbeddingSet, encode_embeddings
from storage.images import ImageInfo
from storage.rounds import NewPrediction, RoundInfo
from storage.schema import COLD_START
from storage.workspace import Workspace, open_workspace

log = logging.getLogger("qualm.worker")

LEASE_S = 10.0
"""A round whose worker was silent for so long may be claimed by another."""
HEARTBEAT_S = 2.0
REPORT_S = 1.0
NICENESS = 10
"""Training gives way to the web process, which then answers at once even on two cores."""
MAX_ATTEMPTS = 3
"""Processes that may die in a row at the same checkpoint before the round is given up."""
HELD_BYTES = 2 * 2**30
"""A pool whose pixels take more, at the long side of the settings, is read while the training runs."""
EVALUATIONS = 7
"""How often the audit images are evaluated during training."""
AUDIT_LIMIT = 24
"""Audit images evaluated during training; the measure at the end uses all of them."""
KEPT_ROUNDS = 3
"""Rounds of a project whose last checkpoint stays on the disk."""
PLANNED_ROUNDS = 10
"""ClaSP PE's noise has settled after so many rounds."""


def run_worker(
    workspace_path: Path,
    *,
    device: str = "auto",
    project: str | int | None = None,
    once: bool = False,
    poll_s: float = 1.0,
    supervised: bool = False,
) -> int:
    """Start rounds that are due and run the queued ones, until told to stop by SIGTERM or Ctrl+C.

    Told to stop in mid-round, it saves a checkpoint first, and the next worker goes on from there.

    Args:
        workspace_path: folder of the workspace.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        project: name or id; only its rounds are run. None runs those of every project.
        once: return after one round, or when there is none; a cold start before it does not count.
        poll_s: pause between looks at the database, seconds.
        supervised: end when the process that started this one is gone.

    Returns:
        The number of rounds run here, however they ended.

    Raises:
        QualmError: the workspace, the project or the device cannot be used.
    """
    parent = os.getppid() if supervised else None
    chosen_device = pick_device(device)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    workspace = open_workspace(workspace_path)
    project_id = None if project is None else projects.get_project(workspace, project).id
    worker = f"{socket.gethostname()}:{os.getpid()}"
    stop = threading.Event()

    def stopping() -> bool:
        return stop.is_set() or (parent is not None and os.getppid() != parent)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    log.info("worker %s is ready on %s for %s", worker, chosen_device, workspace.path)
    run = 0
    with repeated(HEARTBEAT_S, lambda: rounds.worker_seen(workspace, worker, str(chosen_device))):
        while not stopping():
            try:
                _request_due_rounds(workspace, project_id)
                claimed = rounds.claim(workspace, worker, LEASE_S, project_id=project_id)
                waiting = once and claimed is None and _any_live_round(workspace, project_id)
            except Exception:
                log.exception("looking for work failed; trying again")
                stop.wait(10 * poll_s)
                continue
            if claimed is not None:
                run_round(workspace, claimed, worker, chosen_device, stopping=stopping)
                run += 1
            was_cold_start = claimed is not None and claimed.number == COLD_START
            if once and not waiting and not was_cold_start:
                break
            if claimed is None:
                stop.wait(poll_s)
    log.info("worker %s ends", worker)
    workspace.close()
    return run


def pick_device(name: str) -> torch.device:
    """Device by name; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        InvalidInput: this machine or this PyTorch does not have it.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    if name not in available:
        raise InvalidInput(f"There is no device {name!r}. Choose auto, cpu, cuda or mps.")
    if not available[name]:
        raise InvalidInput(f"PyTorch finds no {name} device on this machine. Choose --device auto or cpu.")
    return torch.device(name)


def run_round(
    workspace: Workspace,
    info: RoundInfo,
    worker: str,
    device: torch.device,
    *,
    stopping: Callable[[], bool] = lambda: False,
    watch: Callable[[str, int, int, float], None] | None = None,
) -> str:
    """Run a claimed round to its end. Never raises for what goes wrong within the round.

    Args:
        workspace: the workspace.
        info: the round as :func:`storage.rounds.claim` returned it.
        worker: name under which it was claimed.
        device: where to train and predict.
        stopping: asked at every step; when True, the round is left to the next worker.
        watch: called with state, step, steps and seconds left whenever they are reported.

    Returns:
        ``done``, ``failed``, ``cancelled``, ``stopped`` (left to the next worker) or ``lost`` (another
        worker has it).
    """
    log.info("round %d (id %d) of project %d: begins", info.number, info.id, info.project_id)
    try:
        run = _RoundRun(workspace, info, worker, device, stopping, watch)
        with repeated(HEARTBEAT_S, run.renew_lease):
            outcome = run.to_its_end()
    except Exception:
        log.exception("round %d could not be ended; its lease will run out", info.number)
        outcome = "lost"
    log.info("round %d: %s", info.number, outcome)
    return outcome


@dataclasses.dataclass(frozen=True)
class _PoolReader:
    """Reads the pool's images by index, also in the processes that read ahead."""

    blobs: BlobStore
    keys: list[str]
    long_side: int

    def __call__(self, index: int) -> Tensor:
        """Return the image at ``index``; in place of a damaged one, the next that can be read."""
        for key in self.keys[index:] + self.keys[:index]:
            try:
                return to_long_side(decoded_image(self.blobs.get(key)), self.long_side)
            except (UnreadableImage, NotFound) as error:
                log.warning("an image of the pool could not be read and is replaced: %s", error)
        raise UnreadableImage("none of the pool's images can be read")


class _Cancelled(Exception):
    """The person asked to cancel."""


class _Stopping(Exception):
    """The process was asked to end."""


class _Published(NamedTuple):
    """What a round leaves, as :func:`storage.rounds.publish` takes it."""

    predictions: list[NewPrediction]
    metrics: dict[str, Any]
    embeddings_blob: str | None


class _RoundRun:
    """One round in this process: what it loaded, how far it is, and its row in the database."""

    def __init__(
        self,
        workspace: Workspace,
        info: RoundInfo,
        worker: str,
        device: torch.device,
        stopping: Callable[[], bool],
        watch: Callable[[str, int, int, float], None] | None,
    ) -> None:
        self.workspace = workspace
        self.info = info
        self.settings = info.config
        self.worker = worker
        self.device = device
        self.stopping = stopping
        self.watch = watch
        self.seed = info.config.seed + info.number
        self.folder = workspace.path / "checkpoints" / f"round-{info.id}"
        self.class_names = [entry.name for entry in projects.classes(workspace, info.project_id)]
        self.notes = [info.note] if info.note else []
        self.cancel_requested = threading.Event()
        self.lease_lost: LeaseLost | None = None
        self.reported_at = -math.inf
        self.metrics: list[tuple[int, str, float]] = []
        self.pixels: dict[int, Tensor] = {}
        self.seconds_per_prediction = self.seconds_per_evaluation = 0.0
        self.temperature = 1.0
        self.start: fresh_start.Start = "fresh"

    def to_its_end(self) -> str:
        try:
            if count_attempt(self.folder, self.info.checkpoint) > MAX_ATTEMPTS:
                raise QualmError(
                    f"{MAX_ATTEMPTS} workers died at the same place of this round, most likely for want of "
                    "memory. Choose a smaller long side, crop or batch size, then start a new round."
                )
            done = self._cold_start() if self.info.number == COLD_START else self._trained_and_scored()
            self.renew_lease()
            self._check()
            rounds.publish(self.workspace, self.info.id, self.worker, *done)
            self._remove_old_checkpoints()
        except _Cancelled:
            rounds.cancelled(self.workspace, self.info.id, self.worker)
            shutil.rmtree(self.folder, ignore_errors=True)
            return "cancelled"
        except _Stopping:
            forget_attempts(self.folder)
            return "stopped"
        except LeaseLost as error:
            log.warning("%s", error)
            return "lost"
        except Exception as error:
            log.exception("round %d failed", self.info.number)
            rounds.fail(self.workspace, self.info.id, self.worker, _sentence(error, self.workspace.path))
            shutil.rmtree(self.folder, ignore_errors=True)
            return "failed"
        return "done"

    def _trained_and_scored(self) -> _Published:
        self._load()
        began = time.monotonic()
        training = self._train()
        trained = time.monotonic()
        published = self._within_memory(self._scored, training.teacher)
        return published._replace(
            metrics=published.metrics
            | {
                "train_seconds": trained - began,
                "score_seconds": time.monotonic() - trained,
                "labels": len(self.data.labels),
                "unlabelled": len(self.data.unlabelled),
                "device": str(self.device),
                "start": self.start,
                "fresh_start_tried": fresh_start.tried(self.folder),
            }
        )

    def _cold_start(self) -> _Published:
        self._list_images()
        self.class_count = max(1, len(self.class_names))
        began = time.monotonic()
        published = self._within_memory(self._ordered_cold, self._new_network(None).to(self.device))
        seconds = time.monotonic() - began
        return published._replace(
            metrics=published.metrics | {"score_seconds": seconds, "device": str(self.device)}
        )

    # What the database knows

    def renew_lease(self) -> None:
        """Say that the worker lives; called from the heartbeat's thread."""
        try:
            go_on = rounds.report(self.workspace, self.info.id, self.worker, lease_s=LEASE_S)
        except LeaseLost as error:
            self.lease_lost = error
        else:
            if not go_on:
                self.cancel_requested.set()

    def _check(self) -> None:
        """Raise when this process must not go on with the round."""
        if self.lease_lost is not None:
            raise self.lease_lost
        if self.cancel_requested.is_set():
            raise _Cancelled
        if self.stopping():
            raise _Stopping

    def _report(self, state: str, step: int, steps: int, eta: float) -> None:
        """Report at most once a second, and the last step in any case."""
        now = time.monotonic()
        if now - self.reported_at < REPORT_S and step != steps:
            return
        self.reported_at = now
        go_on = rounds.report(
            self.workspace,
            self.info.id,
            self.worker,
            lease_s=LEASE_S,
            state=state,
            step=step,
            steps=steps,
            eta_seconds=eta,
            metrics=self.metrics,
        )
        self.metrics.clear()
        if self.watch is not None:
            self.watch(state, step, steps, eta)
        if not go_on:
            self.cancel_requested.set()

    def _note(self, sentence: str) -> None:
        if f" {sentence} " in f" {' '.join(self.notes)} ":
            return
        log.info("round %d: %s", self.info.number, sentence)
        self.notes.append(sentence)
        note = " ".join(self.notes)
        rounds.report(self.workspace, self.info.id, self.worker, lease_s=LEASE_S, note=note)

    # What it reads

    def _list_images(self) -> dict[int, ImageInfo]:
        infos = {image.id: image for image in images.list_images(self.workspace, self.info.project_id)}
        self.pool = [image for image in infos.values() if image.split == "pool"]
        self.audit = [image for image in infos.values() if image.split == "audit" and image.labelled_revision]
        self.others = [image for image in infos.values() if image.split in ("train", "audit")]
        return infos

    def _load(self) -> None:
        """Read the snapshot's labels, the pool and the audit images; leave out what is damaged."""
        if self.info.steps == 0:
            rounds.report(
                self.workspace, self.info.id, self.worker, lease_s=LEASE_S, step=0, steps=self.settings.steps
            )
        snapshot = rounds.snapshot(self.workspace, self.info.id)
        self.class_count = snapshot.class_count
        infos = self._list_images()
        self.snapshot_ids = {label.image_id for label in snapshot.labels}
        loaded: list[Tensor] = []
        label_maps: dict[int, Tensor] = {}
        for label in snapshot.labels:
            self._check()
            try:
                pixels = self._pixels(infos[label.image_id])
                label_map = labels.decode_label_map(self.workspace.blobs.get(label.blob))
            except (UnreadableImage, NotFound, ValueError) as error:
                self._note(f"{infos[label.image_id].name} could not be read and was left out ({error}).")
                continue
            label_maps[len(loaded)] = label_to_size(torch.from_numpy(label_map), *pixels.shape[1:])
            loaded.append(pixels)
        if not label_maps:
            raise QualmError(
                "None of the labelled images can be read. Import them again, then start a round."
            )
        unlabelled: list[int] = []
        if self.settings.recipe != "supervised":
            side = self.settings.long_side
            sizes = (size_at_long_side(image.height, image.width, side) for image in self.pool)
            if sum(3 * height * width for height, width in sizes) > HELD_BYTES:
                pool = _PoolReader(self.workspace.blobs, [image.blob for image in self.pool], side)
                on_demand = ImagesOnDemand(loaded, len(self.pool), pool)
                self.data = TrainingData(on_demand, label_maps, [*range(len(loaded), len(on_demand))])
                return
            for image, unlabelled_pixels in self._readable(self.pool):
                unlabelled.append(len(loaded))
                loaded.append(unlabelled_pixels)
                self.pixels[image.id] = unlabelled_pixels
        self.data = TrainingData(images=loaded, labels=label_maps, unlabelled=unlabelled)

    def _pixels(self, image: ImageInfo) -> Tensor:
        """Return an image at the long side of the settings; one that trains is in memory already."""
        if image.id in self.pixels:
            return self.pixels[image.id]
        return to_long_side(decoded_image(self.workspace.blobs.get(image.blob)), self.settings.long_side)

    def _readable(self, chosen: Iterable[ImageInfo]) -> Iterator[tuple[ImageInfo, Tensor]]:
        """Yield images with their pixels; a damaged one is noted and left out."""
        for image in chosen:
            self._check()
            try:
                yield image, self._pixels(image)
            except (UnreadableImage, NotFound) as error:
                self._note(f"{image.name} could not be read and was left out ({error}).")

    def _audit_labels(self, chosen: Iterable[ImageInfo]) -> Iterator[tuple[Tensor, Tensor]]:
        for image, pixels in self._readable(chosen):
            label_map, _ = labels.read(self.workspace, image.id, image.labelled_revision)
            yield pixels, torch.from_numpy(label_map)

    # Training

    def _train(self) -> Training:
        """Train from fresh weights or from the parent's; worse fresh ones are followed by the parent's."""
        device = self.device
        parent = self._parent()
        if parent is None:
            return self._trained_from(None, device)
        start = fresh_start.begun(self.folder) or ("fresh" if self._fresh_start_is_due() else "warm")
        if start == "fresh":
            training = self._trained_from(None, device)
            if self._is_not_worse(training.teacher, parent):
                return training
            del training
            free_cached_memory()
        return self._trained_from(parent, device)

    def _trained_from(self, parent: RoundInfo | None, device: torch.device) -> Training:
        self.start = "fresh" if parent is None else "warm"
        names = {field.name for field in dataclasses.fields(TrainConfig)} - {"seed"}
        config = TrainConfig(
            seed=self.seed, **{name: value for name, value in self.settings if name in names}
        )
        training = RoundTraining(
            lambda: self._new_network(parent),
            self.data,
            config,
            fresh_start.begin(self.folder, self.start),
            on_start=self._begin_training,
            on_step=self._after_step,
            on_checkpoint=self._after_checkpoint,
            note=self._note,
        ).run(device)
        if training is None:
            raise _Stopping
        self.device = training.device
        return training

    def _new_network(self, parent: RoundInfo | None) -> SegmentationNetwork:
        network = build_network(
            self.class_count,
            encoder=self.settings.encoder,
            decoder=self.settings.decoder,
            head=self.settings.head,
            weights=self.settings.weights,
            representation=self.settings.recipe == "u2pl",
            generator=torch.Generator().manual_seed(self.seed),
        )
        for warning in network.warnings:
            self._note(warning)
        if parent is not None:
            shrink_and_perturb(network, self._checkpoint_of(parent), self.settings.warm_start_keep)
        return network

    def _parent(self) -> RoundInfo | None:
        """Return the round to begin from: the one on the screen, when its network is of the same kind."""
        if not self.settings.warm_start or self.info.parent_id is None:
            return None
        parent = rounds.get_round(self.workspace, self.info.parent_id)
        kind = ("encoder", "decoder", "head")
        if any(getattr(parent.config, name) != getattr(self.settings, name) for name in kind):
            return None
        if not self._checkpoint_of(parent).exists():
            return None
        try:
            read_checkpoint(self._checkpoint_of(parent))
        except ValueError as error:
            self._note(f"Round {parent.number} could not be gone on from: {error}")
            return None
        return parent

    def _checkpoint_of(self, parent: RoundInfo) -> Path:
        return self.workspace.path / (parent.checkpoint or "none")

    def _fresh_start_is_due(self) -> bool:
        lineage = []
        earlier = self.info.parent_id
        while earlier is not None:
            info = rounds.get_round(self.workspace, earlier)
            lineage.append(info.metrics)
            earlier = info.parent_id
        return self.settings.fresh_start and fresh_start.is_due(
            len(self.data.labels), lineage, len(self.audit)
        )

    def _is_not_worse(self, fresh: SegmentationNetwork, parent: RoundInfo) -> bool:
        """Compare a fresh start with the parent's teacher on the audit images, and note what came of it."""
        reached = self._evaluation(fresh, self.audit).miou
        before = self._audit_miou_of(parent)
        worse = reached < before
        outcome = f"went on from round {parent.number}" if worse else "keeps the fresh start"
        self._note(
            f"A fresh start reached {reached:.3f} on the audit images and round {parent.number} has "
            f"{before:.3f}, so this round {outcome}."
        )
        return not worse

    def _audit_miou_of(self, parent: RoundInfo) -> float:
        """Measure an earlier round's teacher on the audit images of today."""
        teacher = self._new_network(None)
        load_teacher(teacher, self._checkpoint_of(parent))
        return self._evaluation(teacher.to(self.device), self.audit).miou

    def _begin_training(self, training: Training) -> None:
        """Estimate the time of scoring from two images, the first of which warms up."""
        self.device = training.device
        for image, pixels in self._readable(self.pool[:2]):
            began = time.monotonic()
            self._encoded(image, self._predicted(training.teacher, pixels))
            self.seconds_per_prediction = time.monotonic() - began

    def _after_step(self, training: Training, report: StepReport) -> bool:
        every = max(1, report.steps // EVALUATIONS)
        step, steps = self._shown(report.step), self._shown(report.steps)
        if self.audit and (report.step % every == 0 or report.step == 1):
            self._evaluate_during_training(training, step)
        evaluations_left = (report.steps - report.step) // every if self.audit else 0
        eta = (
            (report.steps - report.step) * report.seconds_per_step
            + evaluations_left * self.seconds_per_evaluation
            + len(self.pool) * self.seconds_per_prediction
        )
        self.metrics.append((step, "loss", report.loss))
        self.metrics.extend((step, name, value) for name, value in report.parts.items())
        self._report("training", step, steps, eta)
        try:
            self._check()
        except _Stopping:
            return False
        return True

    def _shown(self, step: int) -> int:
        """Return a step as the person sees it: those of a fresh start that was worse come before."""
        went_on = self.start == "warm" and fresh_start.tried(self.folder)
        return step + self.settings.steps if went_on else step

    def _after_checkpoint(self, checkpoint: Path, step: int) -> None:
        rounds.report(
            self.workspace,
            self.info.id,
            self.worker,
            lease_s=LEASE_S,
            step=self._shown(step),
            checkpoint=checkpoint.relative_to(self.workspace.path).as_posix(),
        )

    def _evaluate_during_training(self, training: Training, step: int) -> None:
        began = time.monotonic()
        measured = self._evaluation(training.teacher, _some(self.audit, AUDIT_LIMIT, self.settings.seed))
        self.metrics.append((step, "audit_miou", measured.miou))
        self.metrics.extend((step, f"class_iou/{index}", iou) for index, iou in measured.class_iou.items())
        self.seconds_per_evaluation = time.monotonic() - began

    def _evaluation(self, network: SegmentationNetwork, chosen: list[ImageInfo]) -> Evaluation:
        return evaluate(
            network,
            self._audit_labels(chosen),
            samples=self.settings.samples_predict,
            seed=self.seed,
            device=self.device,
        )

    # Scoring

    def _within_memory(
        self, work: Callable[[SegmentationNetwork], _Published], network: SegmentationNetwork
    ) -> _Published:
        """Return what ``work`` makes of a network; on the CPU when the device's memory does not suffice."""
        try:
            return work(network)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or self.device.type == "cpu":
                raise
        free_cached_memory()
        self._note(f"Out of memory on {self.device.type} while scoring: going on with the CPU, slower.")
        self.device = torch.device("cpu")
        return work(network.to(self.device))

    def _scored(self, network: SegmentationNetwork) -> _Published:
        """Measure on the audit images, predict and rank the pool."""
        measured = self._measured(network)
        self.temperature = measured.get("temperature", 1.0)
        scored: list[ImageInfo] = []
        scores: list[ImageScore] = []
        why: list[Reason] = []
        encoded: dict[int, tuple[bytes, bytes]] = {}
        began = time.monotonic()
        for image, prediction in self._predicted_pool(network):
            scored.append(image)
            scores.append(score_image(prediction, self.settings.pixel_score, self.settings.aggregation))
            why.append(reason(prediction.probabilities, self._uncertainty(prediction), self.class_names))
            if len(encoded) < self.settings.keep_predictions:
                encoded[image.id] = self._encoded(image, prediction)
            self._report_scoring(len(scored), began)
        vectors = {image.id: one.embedding for image, one in zip(scored, scores, strict=True)}
        vectors |= self._embedded(network, self.others)
        ranking = rank_pool(
            scores,
            _stacked(vectors, self.snapshot_ids),
            [image.group for image in scored],
            self._images_by_class(),
            choice=self.settings.batch_choice,
            batch=self.settings.choice_batch,
            near_duplicate=self.settings.near_duplicate,
            uncertain_from=self.settings.uncertain_from,
            progress=min(1.0, (self.info.number - 1) / PLANNED_ROUNDS),
            generator=torch.Generator().manual_seed(self.seed),
        )
        predictions = []
        for rank, index in enumerate(ranking.order, start=1):
            image = scored[index]
            maps: tuple[bytes, bytes] | None = None
            if rank <= self.settings.keep_predictions:
                self._check()
                # A large pool keeps only its first images' maps in memory; the others are predicted again.
                maps = encoded.get(image.id) or self._encoded(
                    image, self._predicted(network, self._pixels(image))
                )
            predictions.append(self._prediction(image, rank, index, ranking, scores[index], why[index], maps))
        blob = self._stored_embeddings(vectors, ranking.alike_from)
        return _Published(predictions, measured | {"ranked_by": ranking.ranked_by}, blob)

    def _prediction(
        self,
        image: ImageInfo,
        rank: int,
        index: int,
        ranking: PoolRanking,
        score: ImageScore,
        why: Reason,
        maps: tuple[bytes, bytes] | None,
    ) -> NewPrediction:
        said = why.unlike_labelled() if bool(ranking.unlike[index]) else why
        blobs = [self.workspace.blobs.put(data) for data in maps or ()]
        return NewPrediction(
            image.id,
            score.score,
            rank,
            dataclasses.asdict(said),
            score.scores,
            None if ranking.novelty is None else float(ranking.novelty[index]),
            (why.classes[0], why.classes[1]) if why.classes else None,
            *blobs,
        )

    def _ordered_cold(self, network: SegmentationNetwork) -> _Published:
        """Order the pool by typical and diverse images, by an encoder that has seen none of them."""
        vectors: dict[int, Tensor] = {}
        began = time.monotonic()
        for image, pixels in read_ahead(self._readable(self.pool)):
            vectors[image.id] = embed(network, pixels, device=self.device)
            self._report_scoring(len(vectors), began)
        seen = [image for image in self.pool if image.id in vectors]
        others = self._embedded(network, self.others)
        ordered = rank_cold(
            _stacked(vectors, vectors.keys()),
            _stacked(others, {image.id for image in self.others if image.labelled_revision}),
            [image.group for image in seen],
            batch=self.settings.choice_batch,
            near_duplicate=self.settings.near_duplicate,
            generator=torch.Generator().manual_seed(self.seed),
        )
        predictions = [
            NewPrediction(
                seen[index].id,
                float(ordered.alike[index]) / max(1, len(seen) - 1),
                rank,
                {"sentence": typical_sentence(int(ordered.alike[index]), len(seen) - 1)},
            )
            for rank, index in enumerate(ordered.order, start=1)
        ]
        sentence = "No round has trained yet: typical and diverse images come first."
        ranked_by = {"choice": "typiclust", "phase": "typical", "sentence": sentence}
        blob = self._stored_embeddings(vectors | others, ordered.alike_from)
        return _Published(predictions, {"ranked_by": ranked_by}, blob)

    def _predicted_pool(self, network: SegmentationNetwork) -> Iterator[tuple[ImageInfo, ImagePrediction]]:
        for image, _, prediction in predicted_pool(
            network,
            self._readable(self.pool),
            samples=self.settings.samples_predict,
            seed=self.seed,
            device=self.device,
            temperature=self.temperature,
        ):
            yield image, prediction

    def _report_scoring(self, count: int, began: float) -> None:
        left = len(self.pool) - count
        self._report("scoring", count, len(self.pool), left * (time.monotonic() - began) / count)

    def _embedded(self, network: SegmentationNetwork, chosen: list[ImageInfo]) -> dict[int, Tensor]:
        return {
            image.id: embed(network, pixels, device=self.device) for image, pixels in self._readable(chosen)
        }

    def _images_by_class(self) -> list[int]:
        """Return for each class of the labels in how many labelled images it occurs."""
        count = torch.zeros(256, dtype=torch.int64)
        for label_map in self.data.labels.values():
            count[label_map.unique().long()] += 1
        return [number for number in count[:NOT_LABELLED].tolist() if number]

    def _stored_embeddings(self, vectors: dict[int, Tensor], alike_from: float) -> str | None:
        """Store where the round sees the images; a map of them resembles that of the round before."""
        if not vectors:
            return None
        ids = sorted(vectors)
        short = shortened(torch.stack([vectors[number] for number in ids]))
        before = torch.full((len(ids), 2), torch.nan)
        known = embeddings.of_project(self.workspace, self.info.project_id)
        if known is not None:
            at = embeddings.positions(known, np.array(ids, np.int64))
            seen = torch.from_numpy(at >= 0)
            before[seen] = torch.from_numpy(known.plane[at[at >= 0]])
        places = plane(short, self.settings.seed, before)
        stored = EmbeddingSet(np.array(ids, np.int64), short.numpy(), places.numpy(), alike_from)
        return self.workspace.blobs.put(encode_embeddings(stored))

    def _predicted(self, network: SegmentationNetwork, pixels: Tensor) -> ImagePrediction:
        return predict(
            network,
            pixels,
            samples=self.settings.samples_predict,
            generator=torch.Generator().manual_seed(self.seed),
            device=self.device,
            temperature=self.temperature,
        )

    def _uncertainty(self, prediction: ImagePrediction) -> Tensor:
        if self.settings.pixel_score == "mutual_information":
            return prediction.mutual_information
        return prediction.entropy

    def _encoded(self, image: ImageInfo, prediction: ImagePrediction) -> tuple[bytes, bytes]:
        """Suggestion at full size and uncertainty as PNG."""
        suggestion = class_map_at(prediction.probabilities, image.height, image.width)
        return labels.encode_label_map(suggestion.numpy()), grey_png(self._uncertainty(prediction))

    def _measured(self, network: SegmentationNetwork) -> dict[str, Any]:
        if not self.audit:
            return {"audit_images": 0}
        measured = self._evaluation(network, self.audit)
        metrics = {
            "audit_images": measured.images,
            "audit_miou": measured.miou,
            "class_iou": {str(index): iou for index, iou in measured.class_iou.items()},
        } | measured.uncertainty_figures()
        parent = self._parent()
        if parent is not None:
            # Audit images are added between rounds, so the parent's own figure is about other images.
            metrics["parent_audit_miou"] = self._audit_miou_of(parent)
        return metrics

    def _remove_old_checkpoints(self) -> None:
        done = [row for row in rounds.history(self.workspace, self.info.project_id) if row.state == "done"]
        for row in done[KEPT_ROUNDS:]:
            shutil.rmtree(self.folder.with_name(f"round-{row.id}"), ignore_errors=True)


def _request_due_rounds(workspace: Workspace, project_id: int | None) -> None:
    for project in projects.list_projects(workspace):
        if project_id not in (None, project.id):
            continue
        advice = rounds.start_advice(workspace, project.id)
        try:
            if advice.ready:
                why = f"{advice.changed} new labels since the last round"
                rounds.request_round(workspace, project.id, actor="worker", reason=why)
            elif rounds.cold_start_is_due(workspace, project.id):
                rounds.request_cold_start(workspace, project.id)
        except RoundRefused as refusal:
            log.info("%s: %s", project.name, refusal)


def _any_live_round(workspace: Workspace, project_id: int | None) -> bool:
    ids = (
        [project.id for project in projects.list_projects(workspace)] if project_id is None else [project_id]
    )
    return any(rounds.live_round(workspace, number) is not None for number in ids)


def _stacked(vectors: Mapping[int, Tensor], ids: Collection[int]) -> Tensor:
    """Return the vectors of those of the images that have one, by id; ``(0, 0)`` when none has."""
    chosen = [vectors[number] for number in sorted(ids) if number in vectors]
    return torch.stack(chosen) if chosen else torch.zeros(0, 0)


def _some(every: list[ImageInfo], limit: int, seed: int) -> list[ImageInfo]:
    """All of them, or ``limit`` drawn at random."""
    return every if len(every) <= limit else random.Random(seed).sample(every, limit)


def _sentence(error: Exception, workspace: Path) -> str:
    if isinstance(error, QualmError | ArithmeticError):
        return str(error)
    if isinstance(error, OSError) and Path(error.filename or "").is_relative_to(workspace):
        return str(file_error(error, Path(error.filename)))
    if is_out_of_memory(error):
        return (
            "The memory does not suffice, even with one image at a time. Choose a smaller long side or crop "
            "in the round settings, then start a new round."
        )
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}, line {where.lineno}"
    return (
        f"The round stopped: {error or type(error).__name__} ({place}). The worker's log says more. "
        "Change the round settings, or start a new round."
    )
