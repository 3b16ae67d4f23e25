"""Whether the demo gets better from round to round: ``python benchmarks/demo_rounds.py --seeds 0 1 2``.

Answers 12, 20 and 28 images of the demo project with their truth, as a person who labels what the queue hands
out, audit images included, and runs a round with the settings of a new project after each. Beside the audit
mIoU on the screen, which is of few images, it measures every round's teacher on all images that are drawn for
the audit, labelled yet or not, and on images of the pool that nobody labelled.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from csv_rows import Row, about, print_rows, write_rows

from core.decoded_image import decoded_image
from core.evaluation import evaluate
from core.model.network import build_network
from core.warm_start import load_teacher
from core.worker import LEASE_S, pick_device, run_round
from core.worker.claim import OnRoundStep
from run_app import make_demo
from storage import images, labels, projects, queue, round_requests, rounds
from storage.images import ImageInfo
from storage.projects import ProjectInfo
from storage.rounds import RoundInfo
from storage.workspace import Workspace, open_workspace

RESULT = ROOT / "benchmarks" / "results" / "demo_rounds.csv"
ANSWERS = (12, 20, 28)
"""Images answered before each round."""
SCENES = 300
UNSEEN = 60
PERSON = "person"


def answer(workspace: Workspace, project: ProjectInfo, count: int) -> None:
    """Submit the truth of the next images of the queue."""
    for _ in range(count):
        (item,) = queue.next_images(workspace, project.id, PERSON, 1)
        labels.save(
            workspace,
            item.image.id,
            images.truth(workspace, item.image.id),
            expected_revision=item.revision,
            author=PERSON,
            status="submitted",
            blind=item.is_audit,
            round_shown_id=item.suggestion_round_id,
        )


def finished_cold_start(workspace: Workspace, project: ProjectInfo, device: torch.device) -> RoundInfo:
    return _ended(workspace, round_requests.request_cold_start(workspace, project.id), device)


def finished_round(
    workspace: Workspace, project: ProjectInfo, device: torch.device, watch: OnRoundStep | None = None
) -> RoundInfo:
    requested = round_requests.request_round(workspace, project.id, actor=PERSON, reason="Benchmark")
    return _ended(workspace, requested, device, watch)


def _ended(
    workspace: Workspace, requested: RoundInfo, device: torch.device, watch: OnRoundStep | None = None
) -> RoundInfo:
    worker = f"{platform.node()}:{os.getpid()}"
    claimed = rounds.claim(workspace, worker, LEASE_S)
    assert claimed is not None
    run_round(workspace, claimed, worker, device, watch=watch)
    done = rounds.get_round(workspace, requested.id)
    if done.state != "done":
        raise SystemExit(done.error or f"Round {done.number} ended {done.state}.")
    return done


def teacher_miou(
    workspace: Workspace, done: RoundInfo, chosen: list[ImageInfo], device: torch.device
) -> float:
    """Return the mIoU of a round's teacher against the truth of the chosen images."""
    settings = done.config
    network = build_network(
        len(projects.classes(workspace, done.project_id)),
        encoder=settings.encoder,
        decoder=settings.decoder,
        head=settings.head,
        weights="none",
    )
    load_teacher(network, workspace.path / str(done.checkpoint))

    def labelled() -> Iterator[tuple[Tensor, Tensor]]:
        for info in chosen:
            pixels = decoded_image(workspace.blobs.get(info.blob), settings.long_side)
            yield pixels, torch.from_numpy(images.truth(workspace, info.id))

    samples = settings.samples_predict
    return evaluate(network.to(device), labelled(), samples=samples, seed=0, device=device).miou


def three_rounds(seed: int, device: torch.device) -> list[Row]:
    """Return one row a round."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(Path(folder))
        project = make_demo(workspace, SCENES)
        settings = project.settings.model_copy(
            update={
                "annotation": project.settings.annotation.model_copy(update={"seed": seed}),
                "round": project.settings.round.model_copy(update={"seed": seed}),
            }
        )
        projects.update_settings(workspace, project.id, settings, actor=PERSON)
        done = []
        for before, answers in zip((0, *ANSWERS), ANSWERS, strict=False):
            answer(workspace, project, answers - before)
            done.append(finished_round(workspace, project, device))
            print(f"seed {seed}, round {done[-1].number}: {done[-1].metrics['audit_miou']:.3f}", flush=True)
        audit = images.list_images(workspace, project.id, "audit")
        pool = images.list_images(workspace, project.id, "pool")
        unseen = pool[:: len(pool) // UNSEEN][:UNSEEN]
        rows: list[Row] = [
            {
                "seed": seed,
                "round": info.number,
                "start": info.metrics["start"],
                "fresh_start_tried": info.metrics["fresh_start_tried"],
                "labels": info.metrics["labels"],
                "audit_images": info.metrics["audit_images"],
                "audit_miou": round(info.metrics["audit_miou"], 4),
                "audit_low": round(info.metrics["audit_miou_low"], 4),
                "audit_high": round(info.metrics["audit_miou_high"], 4),
                "above_parent": info.metrics.get("share_above_parent", ""),
                "all_audit_miou": round(teacher_miou(workspace, info, audit, device), 4),
                "unseen_miou": round(teacher_miou(workspace, info, unseen, device), 4),
                "train_s": round(info.metrics["train_seconds"]),
                "score_s": round(info.metrics["score_seconds"]),
            }
            for info in done
        ]
        workspace.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--csv", type=Path, default=RESULT)
    chosen = parser.parse_args()
    device = pick_device(chosen.device)
    rows: list[Row] = []
    for seed in chosen.seeds:
        rows += three_rounds(seed, device)
        # A seed takes minutes, so what is measured is written at once.
        write_rows(chosen.csv, [{**row, **about(str(device))} for row in rows])
    print_rows(rows)


if __name__ == "__main__":
    main()
