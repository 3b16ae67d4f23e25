"""One round from its claim to its end, whichever that is."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable

import torch

from core import fresh_start
from core.checkpoints import count_attempt, forget_attempts
from core.freed_memory import freed_memory_kept
from core.heartbeat import repeated
from core.worker.audit import drop_incomparable
from core.worker.claim import HEARTBEAT_S, Cancelled, Claim, OnRoundStep, Published, Stopping
from core.worker.cold_start import order_cold
from core.worker.device import within_memory
from core.worker.failure import failure_sentence
from core.worker.images import RoundImages
from core.worker.network import began_at_random, began_with, network_in_use, new_network, usable_parent
from core.worker.scoring import score_pool
from core.worker.snapshot import learned_before, load_snapshot
from core.worker.starts import train
from storage import rounds
from storage.errors import LeaseLost, QualmError
from storage.predictions import forget_old_predictions
from storage.rounds import RoundInfo
from storage.schema import COLD_START, LIVE_ROUND_STATES
from storage.workspace import Workspace, sweep_blobs

log = logging.getLogger("qualm.worker")

MAX_ATTEMPTS = 3
"""Processes that may die in a row at the same checkpoint before the round is given up."""
KEPT_ROUNDS = 3
"""Rounds of a project whose last checkpoint and predictions stay; a screen may still show an older one's."""


def run_round(
    workspace: Workspace,
    info: RoundInfo,
    worker: str,
    device: torch.device,
    *,
    stopping: Callable[[], bool] = lambda: False,
    watch: OnRoundStep | None = None,
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
        claim = Claim(workspace, info, worker, stopping, watch)
        with repeated(HEARTBEAT_S, claim.renew_lease), freed_memory_kept():
            outcome = _to_its_end(claim, device)
        if outcome == "done":
            _tidy(claim, stopping)
    except Exception:
        log.exception("round %d could not be ended; its lease will run out", info.number)
        outcome = "lost"
    log.info("round %d: %s", info.number, outcome)
    return outcome


def _to_its_end(claim: Claim, device: torch.device) -> str:
    try:
        if count_attempt(claim.folder, claim.info.checkpoint) > MAX_ATTEMPTS:
            raise QualmError(
                f"{MAX_ATTEMPTS} workers died at the same place of this round, most likely for want of "
                "memory. Choose a smaller long side, crop or batch size, then start a new round."
            )
        if claim.info.number == COLD_START:
            published = _cold_start(claim, device)
        elif claim.info.kind == "ranks":
            published = _ranked_again(claim, device)
        else:
            published = _trained_and_scored(claim, device)
        claim.publish(published)
        # The next cold start of the project is the same row, and has the same folder.
        forget_attempts(claim.folder)
    except Cancelled:
        claim.end_cancelled()
        shutil.rmtree(claim.folder, ignore_errors=True)
        return "cancelled"
    except Stopping:
        forget_attempts(claim.folder)
        return "stopped"
    except KeyboardInterrupt:
        forget_attempts(claim.folder)
        raise
    except LeaseLost as error:
        log.warning("%s", error)
        return "lost"
    except Exception as error:
        log.exception("round %d failed", claim.info.number)
        claim.fail(failure_sentence(error, claim.workspace.path, claim.settings))
        shutil.rmtree(claim.folder, ignore_errors=True)
        return "failed"
    return "done"


def _trained_and_scored(claim: Claim, device: torch.device) -> Published:
    claim.announce_steps()
    images = RoundImages(claim)
    parent = usable_parent(claim)
    if claim.info.kind == "trains_on":
        drop_incomparable(claim, images, parent)
    snapshot = load_snapshot(claim, images)
    began = time.monotonic()
    training, start = train(claim, images, snapshot, parent, device)
    trained = time.monotonic()
    published, scored_on = within_memory(
        lambda network, where: score_pool(claim, images, snapshot.learned, parent, network, where),
        training.teacher,
        training.device,
        claim.note,
    )
    return published._replace(
        metrics=published.metrics
        | {
            "train_seconds": trained - began,
            "score_seconds": time.monotonic() - trained,
            "labels": len(snapshot.data.labels),
            "unlabelled": len(snapshot.data.unlabelled),
            "device": str(scored_on),
            "start": start,
            "began_at_random": fresh_start.began_at_random(claim.folder)
            if start == "fresh"
            else parent is not None and began_at_random(parent),
            "began_with": claim.settings.weights
            if start == "fresh" or parent is None
            else began_with(parent),
            "archived": claim.archived,
            "fresh_start_tried": fresh_start.tried(claim.folder),
        }
    )


def _ranked_again(claim: Claim, device: torch.device) -> Published:
    images = RoundImages(claim)
    learned = learned_before(claim)
    began = time.monotonic()
    published, scored_on = within_memory(
        lambda network, where: score_pool(claim, images, learned, None, network, where),
        network_in_use(claim, learned.class_count),
        device,
        claim.note,
    )
    return published._replace(
        metrics=published.metrics
        | {
            "score_seconds": time.monotonic() - began,
            "labels": claim.trained.metrics.get("labels", len(learned.image_ids)),
            "device": str(scored_on),
        }
    )


def _cold_start(claim: Claim, device: torch.device) -> Published:
    images = RoundImages(claim)
    began = time.monotonic()
    published, ordered_on = within_memory(
        lambda network, where: order_cold(claim, images, network, where),
        new_network(claim, max(1, len(claim.class_names))),
        device,
        claim.note,
    )
    seconds = time.monotonic() - began
    return published._replace(
        metrics=published.metrics | {"score_seconds": seconds, "device": str(ordered_on)}
    )


def _tidy(claim: Claim, stopping: Callable[[], bool]) -> None:
    """Remove what rounds have left that nobody needs any more; what stays is for the next round to remove."""
    workspace, project_id = claim.workspace, claim.info.project_id
    try:
        past = rounds.history(workspace, project_id)
        live = [row.id for row in past if row.state in LIVE_ROUND_STATES]
        done = [row for row in past if row.state == "done"]
        # One that ranked again has its weights from another.
        weights_of = {row.parent_id if row.kind == "ranks" else row.id for row in done[:KEPT_ROUNDS]}
        kept = {*live, *weights_of, *(row.parent_id for row in past if row.id in live)}
        # A round that was cancelled while no worker held it had nobody to remove its folder.
        for row in past:
            if row.id not in kept:
                shutil.rmtree(workspace.checkpoint_folder(row.id), ignore_errors=True)
        forget_old_predictions(workspace, project_id, KEPT_ROUNDS, stopping)
        if not stopping():
            sweep_blobs(workspace)
    except Exception:
        log.exception("round %d is done, but what older rounds left could not be removed", claim.info.number)
