"""Accuracy, uncertainty and choice with the whole network trained, on a machine with a GPU.

    python benchmarks/whole_network.py --data ../shared/data/camvid [--part semi] [--minutes 9]

CamVid at 480×360 (see ``whole_camvid.py``), in paired seeds: a seed fixes labelled images, initial values
and crops. Part ``semi`` is what the unlabelled images bring, ``uncertainty`` how well errors and hard images
are found, ``active_learning`` what the choice of images brings; every part writes a file of its own.
Trainings run side by side in ``jobs`` processes, the first seeds first. A finished one is written at once,
and one whose rows are there is not made again. With ``--minutes`` no training begins later than that.
Processes take turns on a GPU, unless NVIDIA's MPS daemon (``nvidia-cuda-mps-control -d``) lets them share it.

``set_miou`` is the mIoU over all 367 training images, the labelled ones as a person left them: what someone
has who labels so many and takes the network's word for the others.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
import typer
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import whole_camvid
from active_learning import STRATEGIES, WITHOUT_LOOKING, Strategy, choice_draws, look, ordered
from csv_rows import Row, about, read_rows, write_rows
from frozen_camvid import CLASSES
from frozen_encoder import labelled_indices, warm_up_column
from ranking import Scores, add_scores, ranking_rows
from uncertainty import (
    DROPOUT,
    NATS,
    ONE_PASS,
    HiddenHead,
    decoded,
    dropping,
    head_dropout,
    measures,
    milliseconds,
    switch_dropout,
)
from whole_camvid import (
    CONFIG,
    Confusions,
    Labelled,
    MakeHead,
    Probabilities,
    batches,
    confusions,
    enlarged,
    in_bfloat16,
)

from core.acquisition.candidates import Candidates
from core.acquisition.pixel_scores import PIXEL_SCORES, SampleStatistics
from core.model.classifier_np_head import ClassifierNPHead
from core.model.linear_head import LinearHead
from core.model.network import HEADS, SegmentationNetwork
from core.model.np_head import NPHead
from core.uncertainty import (
    UncertaintyQuality,
    class_iou,
    confusion_matrix,
    mean_iou,
    pixel_accuracy,
    spearman,
)

RESULTS = ROOT / "benchmarks" / "results"
Part = Literal["semi", "uncertainty", "active_learning"]
Recipe = Literal["supervised", "consistency", "u2pl"]
EVERY = 367
BUDGETS = (18, 37, 55, 92, 147)
"""Of the learning curves: 5, 10, 15, 25 and 40 % of the images."""
SEMI_BUDGETS = (37, 18, 73)
FULL_STEPS = 3000
"""Steps with all labels; with few of them more overfit."""
SEMI: tuple[tuple[Recipe, str], ...] = (
    ("supervised", "np_classifier"),
    ("consistency", "np_classifier"),
    ("supervised", "linear"),
    ("consistency", "linear"),
    ("u2pl", "linear"),
    ("u2pl", "np_classifier"),
)
LABELLED = 37
FEWER_SAMPLES = 10
"""T where the uncertainty itself is not what is measured."""
CHOSEN_FROM = ("random", "improved random", "entropy, mean", "k-centre", "BALD, MC dropout", "ClaSP PE")


@dataclass(frozen=True)
class Job:
    """One training, or one ensemble."""

    part: Part
    name: str
    recipe: Recipe
    head: str
    seed: int
    steps: int
    images: int
    round: int = 0
    labelled: tuple[int, ...] = ()
    strategies: tuple[str, ...] = ()
    """Whose choice from this round on is wanted."""
    least_steps: int = CONFIG.steps
    """Of a point of its learning curve."""

    def urgency(self) -> tuple[int, int, int]:
        """Return what jobs are sorted by: the longest, then what others wait for, then seed after seed."""
        if self.part == "semi" and self.images == EVERY:
            return 0, 0, self.seed
        if self.part == "active_learning" and self.recipe != "supervised":
            return 4, self.seed, self.round
        if self.part == "active_learning" and self.round == 0:
            return 1, 0, self.seed
        if self.part == "semi" and self.images != SEMI_BUDGETS[0]:
            return 3, SEMI.index((self.recipe, self.head)), self.seed
        if self.name == "ensemble of 3":
            return 2, -1, self.seed
        return 2, self.seed, ("semi", "uncertainty", "active_learning").index(self.part)


class Found(NamedTuple):
    """What a job found out."""

    rows: dict[str, list[Row]]
    """By the name of the file."""
    chosen: dict[str, tuple[int, ...]]
    """By strategy, all images that are labelled in the next round."""


@lru_cache
def images(folder: Path, split: str) -> Labelled:
    return whole_camvid.load(folder, split)


def trained(
    job: Job, data: Labelled, device: torch.device, head: MakeHead, *, member: int = 0, dropout: float = 0.0
) -> tuple[SegmentationNetwork, float]:
    """Train a network; ``member`` changes its initial values and nothing else."""
    network = whole_camvid.untrained(
        head, job.seed + 100 * member, representation=job.recipe == "u2pl", dropout=dropout
    )
    config = replace(CONFIG, recipe=job.recipe, steps=job.steps, seed=job.seed)
    return whole_camvid.train(network, config, data, job.labelled, device)


def run(job: Job, folder: Path, device_name: str) -> Found:
    """Do a job in a process of its own."""
    torch.set_num_threads(1)
    device = torch.device(device_name)
    began = time.perf_counter()
    found = {"semi": semi, "uncertainty": uncertainty, "active_learning": curve_point}[job.part](
        job, images(folder, "train"), images(folder, "test"), device
    )
    took = time.perf_counter() - began
    print(
        f"{job.part} {job.name} {job.recipe} {job.head} {job.images} seed {job.seed}: {took:.0f} s",
        flush=True,
    )
    return found


def accuracy(
    job: Job, probabilities: Probabilities, train: Labelled, test: Labelled, device: torch.device
) -> Row:
    """Return mIoU on the test images and over the whole set, bilinearly and along edges, and IoU by class."""
    on_test = confusions(probabilities, test, None, device)
    labels = train.labels[list(job.labelled)]
    by_person = confusion_matrix(labels, labels, len(CLASSES))
    rest = sorted(set(range(len(train))) - set(job.labelled))
    whole = Confusions(by_person, by_person)
    if rest:
        by_network = confusions(probabilities, train, rest, device)
        whole = Confusions(*(by_person + counted for counted in by_network))
    by_class = zip(CLASSES, class_iou(on_test.bilinear).tolist(), strict=True)
    return {
        "miou": mean_iou(on_test.bilinear),
        "set_miou": mean_iou(whole.bilinear),
        "set_accuracy": pixel_accuracy(whole.bilinear),
        "miou_along_edges": mean_iou(on_test.along_edges),
        "set_miou_along_edges": mean_iou(whole.along_edges),
        **{f"iou_{name}": iou for name, iou in by_class},
    }


def settings(job: Job) -> Row:
    """Return the columns that say how a network was trained."""
    names = ("batch_size", "crop", "learning_rate", "ema_decay", "pixel_weights")
    return {
        "steps": job.steps,
        **{name: getattr(CONFIG, name) for name in names},
        **warm_up_column(job.recipe),
    }


def semi(job: Job, train: Labelled, test: Labelled, device: torch.device) -> Found:
    """Train by one recipe and measure its accuracy."""
    teacher, seconds = trained(job, train, device, HEADS[job.head])
    row: Row = {
        "recipe": job.recipe,
        "head": job.head,
        "labelled": job.images,
        "seed": job.seed,
        **accuracy(job, in_bfloat16(decoded(teacher, FEWER_SAMPLES)), train, test, device),
        "train_seconds": seconds,
        **settings(job),
    }
    return Found({"whole_semi": [row]}, {})


UNCERTAIN = (
    "softmax, linear head",
    "ensemble of 3",
    "MC dropout, head",
    "MC dropout, whole network",
    "NP, latent classifier",
    "NP",
)


def uncertainty(job: Job, train: Labelled, test: Labelled, device: torch.device) -> Found:
    """Train one network, or three, and measure its uncertainty on the test images and on the pool."""
    ways: dict[str, Probabilities] = {}
    if job.name == "ensemble of 3":
        teachers = [trained(job, train, device, HiddenHead, member=member)[0] for member in range(3)]
        teacher = teachers[0]
        members = [in_bfloat16(decoded(one, 1)) for one in teachers]
        ways["softmax, hidden layer"] = members[0]
        ways[job.name] = lambda pixels: torch.cat([member(pixels) for member in members])
    elif job.name.startswith("MC dropout"):
        torch.manual_seed(job.seed)
        whole = job.name == "MC dropout, whole network"
        teacher = trained(job, train, device, dropping, dropout=DROPOUT if whole else 0.0)[0]
        switch_dropout(teacher, True)
        ways[job.name] = in_bfloat16(decoded(teacher, encoded_once=False) if whole else head_dropout(teacher))
    else:
        heads: dict[str, MakeHead] = {
            "softmax, linear head": LinearHead,
            "NP, latent classifier": ClassifierNPHead,
            "NP": NPHead,
        }
        teacher = trained(job, train, device, heads[job.name])[0]
        ways[job.name] = in_bfloat16(decoded(teacher))
    rows: dict[str, list[Row]] = {"whole_uncertainty": [], "whole_ranking": []}
    for name, probabilities in ways.items():
        where: Row = {"seed": job.seed, "labelled": job.images}
        rows["whole_uncertainty"].append(
            {"method": name, **where, **quality(probabilities, test, device), **settings(job)}
        )
        rows["whole_ranking"] += [
            {"network": name, **where, **row, **settings(job)}
            for row in ranking(job, probabilities, train, device, teacher.class_weights)
        ]
    return Found(rows, {})


@torch.inference_mode()
def quality(probabilities: Probabilities, test: Labelled, device: torch.device) -> Row:
    """Return the measures of ``uncertainty.py``, at the images' full size."""
    collected = UncertaintyQuality(len(CLASSES))
    mean_information = 0.0
    for pixels, labels in batches(test, None, device):
        statistics = SampleStatistics(["predictive_entropy", "mutual_information"])
        statistics.add(probabilities(pixels))
        entropy, information = statistics.predictive_entropy(), statistics.mutual_information()
        mean_information += NATS * float(information.mean(dim=(1, 2)).sum())
        maps = enlarged(torch.cat([statistics.mean(), entropy[:, None], information[:, None]], dim=1)).cpu()
        for one, label in zip(maps, labels.cpu(), strict=True):
            named = {"entropy": one[-2].clamp(min=0), "mutual information": one[-1].clamp(min=0)}
            collected.add(one[:-2], named, label)
    return measures(collected, mean_information / len(test))


@torch.inference_mode()
def ranking(
    job: Job, probabilities: Probabilities, train: Labelled, device: torch.device, class_weights: Tensor
) -> list[Row]:
    """Return how every score under every aggregation orders the unlabelled images by their errors.

    ``class_weights``, ``(C,)``, are what the classes weighed in training.
    """
    pool = sorted(set(range(len(train))) - set(job.labelled))
    scores: Scores = {}
    error, pixel_error = [], []
    for pixels, labels in batches(train, pool, device):
        statistics = SampleStatistics(class_weights=class_weights)
        statistics.add(probabilities(pixels))
        maps = torch.stack([score(statistics) for score in PIXEL_SCORES.values()], dim=1).cpu()
        class_maps = statistics.mean().argmax(dim=1).cpu()
        full = enlarged(statistics.mean()).argmax(dim=1)
        for of_image, class_map, predicted, label in zip(maps, class_maps, full, labels, strict=True):
            add_scores(scores, of_image, class_map)
            counted = confusion_matrix(predicted, label, len(CLASSES))
            error.append(1 - mean_iou(counted))
            pixel_error.append(1 - pixel_accuracy(counted))
    return ranking_rows(scores, error, pixel_error)


def curve_point(job: Job, train: Labelled, test: Labelled, device: torch.device) -> Found:
    """Train with what is labelled, measure, and let each strategy choose what is labelled next."""
    teacher, seconds = trained(job, train, device, HEADS[job.head])
    measured = accuracy(job, in_bfloat16(decoded(teacher, FEWER_SAMPLES)), train, test, device)
    rows: list[Row] = []
    chosen: dict[str, tuple[int, ...]] = {}
    for strategy in job.strategies:
        row: dict[str, object] = {
            "strategy": strategy,
            "recipe": job.recipe,
            "head": job.head,
            "seed": job.seed,
            "round": job.round,
            "images": len(job.labelled),
            "label_share": len(job.labelled) / EVERY,
            **measured,
            "train_seconds": seconds,
        }
        if job.images != BUDGETS[-1]:
            indices, row["spearman"] = choose(STRATEGIES[strategy], job, teacher, train, device)
            chosen[strategy] = (*job.labelled, *indices)
            row["chosen"] = " ".join(map(str, indices))
        rows.append({**row, "labelled": " ".join(map(str, job.labelled)), **settings(job)})
    return Found({"whole_active_learning": rows}, chosen)


def choose(
    how: Strategy, job: Job, teacher: SegmentationNetwork, train: Labelled, device: torch.device
) -> tuple[list[int], float | None]:
    """Return the images to label next, and how well mean entropy orders the pool by its pixel error."""
    pool = sorted(set(range(len(train))) - set(job.labelled))
    asked = in_bfloat16(decoded(teacher, FEWER_SAMPLES))
    if how.dropout:
        torch.manual_seed(job.seed)
        dropped = trained(job, train, device, dropping, dropout=DROPOUT)[0]
        switch_dropout(dropped, True)
        asked = in_bfloat16(decoded(dropped, FEWER_SAMPLES, encoded_once=False))
    found: dict[str, Tensor] = {"scores": torch.zeros(len(pool))}
    correlation = None
    if how.choice not in WITHOUT_LOOKING:
        found, entropy, error = look(asked, batches(train, pool, device), how, teacher.class_weights)
        correlation = spearman(entropy, error)
    known = embeddings(teacher, train, device)
    candidates = Candidates(
        **found,
        embeddings=known[pool],
        groups=train.drives[pool],
        positions=train.places[pool],
        labelled_embeddings=known[list(job.labelled)],
    )
    count = BUDGETS[job.round + 1] - len(job.labelled)
    progress = job.round / (len(BUDGETS) - 2)
    order = ordered(how, candidates, count, progress, choice_draws(job.seed, job.round))
    return [pool[index] for index in order], correlation


@torch.inference_mode()
def embeddings(network: SegmentationNetwork, data: Labelled, device: torch.device) -> Tensor:
    """Return the network's embeddings, ``(N, E)`` float32 of unit length."""
    found = []
    for pixels, _ in batches(data, None, device):
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            found.append(network.encode(pixels)[1].float().cpu())
    return F.normalize(torch.cat(found), dim=1)


def first_jobs(
    part: Part, seeds: range, recipes: Sequence[Recipe], strategies: Sequence[str], steps: int
) -> list[Job]:
    """Return the jobs that wait for no other; ``steps`` are of those with a part of the labels."""

    def labelled(count: int, seed: int) -> tuple[int, ...]:
        return tuple(sorted(labelled_indices(count, seed, EVERY).tolist()))

    jobs: list[Job] = []
    for seed in seeds:
        if part == "semi":
            jobs += [
                Job(part, "", recipe, head, seed, steps, count, labelled=labelled(count, seed))
                for count in SEMI_BUDGETS
                for recipe, head in SEMI
                if recipe in recipes
            ]
            everything = labelled(EVERY, seed)
            if "supervised" in recipes:
                job = Job(
                    part, "", "supervised", "np_classifier", seed, FULL_STEPS, EVERY, labelled=everything
                )
                jobs.append(job)
        elif part == "uncertainty":
            chosen = labelled(LABELLED, seed)
            jobs += [
                Job(part, name, "supervised", "", seed, CONFIG.steps, LABELLED, labelled=chosen)
                for name in UNCERTAIN
            ]
        else:
            first = labelled(BUDGETS[0], seed)
            jobs += [
                Job(
                    part,
                    "all",
                    recipe,
                    "np_classifier",
                    seed,
                    steps,
                    BUDGETS[0],
                    labelled=first,
                    strategies=tuple(strategies),
                    least_steps=steps,
                )
                for recipe in recipes
                if recipe != "u2pl"
            ]
    return jobs


def curve_steps(images: int, least: int) -> int:
    """Return the steps of a learning curve's point: the least, or as many an image as with all of them."""
    return max(least, round(FULL_STEPS * images / EVERY))


def following(job: Job, found: Found) -> list[Job]:
    """Return the jobs that a finished one makes possible."""
    jobs: list[Job] = []
    for strategy, labelled in found.chosen.items():
        if strategy != "random":
            jobs.append(next_point(job, strategy, labelled))
        elif job.round == 0:
            jobs += random_curve(job)
    return jobs


def next_point(job: Job, strategy: str, labelled: tuple[int, ...]) -> Job:
    """Return the job of a curve's next point."""
    images = BUDGETS[job.round + 1]
    return replace(
        job,
        name=strategy,
        round=job.round + 1,
        images=images,
        steps=curve_steps(images, job.least_steps),
        labelled=labelled,
        strategies=(strategy,),
    )


def random_curve(first: Job) -> list[Job]:
    """Return the points after the first of the curve of random images, the longest training in front.

    No network is asked for them, so they need not wait for each other.
    """
    points = [first]
    while points[-1].images != BUDGETS[-1]:
        last = points[-1]
        pool = sorted(set(range(EVERY)) - set(last.labelled))
        unseen = Candidates(scores=torch.zeros(len(pool)), embeddings=torch.eye(len(pool)))
        count = BUDGETS[last.round + 1] - len(last.labelled)
        order = ordered(STRATEGIES["random"], unseen, count, 0.0, choice_draws(last.seed, last.round))
        points.append(next_point(last, "random", (*last.labelled, *(pool[index] for index in order))))
    return points[:0:-1]


def timed(origin: Row) -> list[Row]:
    """Return how long every way to predict takes on a GPU that does nothing else."""
    times = milliseconds("cuda", 360, 480)
    return [
        {"method": name, "ms_per_image": took, "times_one_pass": took / times[ONE_PASS], **origin}
        for name, took in times.items()
    ]


def undone(jobs: Sequence[Job], written: Mapping[str, Sequence[Row]]) -> list[Job]:
    """Return the jobs whose rows are not there; a learning curve goes on where it ended."""

    def has(file: str, **wanted: object) -> list[Row]:
        rows = written.get(file, [])
        return [
            row for row in rows if all(str(row.get(name)) == str(value) for name, value in wanted.items())
        ]

    left: list[Job] = []
    for job in jobs:
        same: dict[str, object] = {"seed": job.seed, **settings(job)}
        if job.part == "semi":
            same |= {"recipe": job.recipe, "head": job.head, "labelled": job.images}
            left += [] if has("whole_semi", **same) else [job]
        elif job.part == "uncertainty":
            left += [] if has("whole_uncertainty", **same, method=job.name) else [job]
        else:
            beginners = []
            for strategy in job.strategies:
                same |= {"strategy": strategy, "recipe": job.recipe}
                points = [
                    row
                    for images in BUDGETS
                    for row in has(
                        "whole_active_learning",
                        **same | {"images": images, "steps": curve_steps(images, job.least_steps)},
                    )
                ]
                if not points:
                    beginners.append(strategy)
                elif strategy == "random":
                    there = {str(row["round"]) for row in points}
                    left += [point for point in random_curve(job) if str(point.round) not in there]
                elif len(points) < len(BUDGETS):
                    last = max(points, key=lambda row: int(str(row["round"])))
                    labelled = tuple(map(int, f"{last['labelled']} {last['chosen']}".split()))
                    at = replace(job, round=int(str(last["round"])))
                    left += following(at, Found({}, {strategy: labelled}))
            left += [replace(job, strategies=tuple(beginners))] if beginners else []
    return left


def in_reach(job: Job, up_to: int) -> bool:
    """Whether a job belongs to the wanted part of a learning curve, or to none."""
    return job.part != "active_learning" or job.images <= up_to


def main(
    data: Annotated[Path, typer.Option(help="The CamVid folder.")],
    part: Annotated[list[str] | None, typer.Option(help="semi, uncertainty, active_learning.")] = None,
    recipe: Annotated[list[str] | None, typer.Option(help="Of semi and active_learning.")] = None,
    strategy: Annotated[list[str] | None, typer.Option(help="Of active_learning.")] = None,
    seeds: Annotated[int, typer.Option(help="How many.")] = 3,
    first_seed: Annotated[int, typer.Option(help="The seed they are counted from.")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes at once.")] = 10,
    steps: Annotated[
        int,
        typer.Option(help="Of a training of semi or active_learning with a part of the labels, at least."),
    ] = CONFIG.steps,
    up_to: Annotated[int, typer.Option(help="Labelled images of the longest curve.")] = BUDGETS[-1],
    minutes: Annotated[float, typer.Option(help="No training begins later.")] = 1e6,
    device: Annotated[str, typer.Option()] = "cuda",
    results: Annotated[Path, typer.Option(help="The folder of the CSV files.")] = RESULTS,
) -> None:
    """Train and measure until all is done or the time is over."""
    deadline = time.monotonic() + 60 * minutes
    name = torch.cuda.get_device_name() if device == "cuda" else device
    origin = about(name)
    files = ("whole_time", "whole_semi", "whole_uncertainty", "whole_ranking", "whole_active_learning")
    paths = {file: results / f"{file}.csv" for file in files}
    written: dict[str, list[Row]] = {
        file: list(read_rows(path)) for file, path in paths.items() if path.exists()
    }
    waiting: list[Job] = []
    for one in part or ["semi", "uncertainty", "active_learning"]:
        recipes = recipe or ["supervised", "consistency", "u2pl"]
        counted = range(first_seed, first_seed + seeds)
        waiting += first_jobs(one, counted, recipes, strategy or CHOSEN_FROM, steps)  # type: ignore[arg-type]
    waiting = [job for job in undone(waiting, written) if in_reach(job, up_to)]
    if device == "cuda" and any(job.part == "uncertainty" for job in waiting) and "whole_time" not in written:
        write_rows(paths["whole_time"], timed(origin))
    running: dict[Future[Found], Job] = {}
    pool = ProcessPoolExecutor(jobs, get_context("spawn"))
    while running or (waiting and time.monotonic() < deadline):
        waiting.sort(key=Job.urgency)
        while waiting and len(running) < jobs and time.monotonic() < deadline:
            job = waiting.pop(0)
            running[pool.submit(run, job, data, device)] = job
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            job = running.pop(future)
            if future.exception() is not None:
                print(f"{replace(job, labelled=())} failed: {future.exception()!r}", flush=True)
                continue
            found = future.result()
            waiting += [later for later in following(job, found) if in_reach(later, up_to)]
            for file, rows in found.rows.items():
                known = written.setdefault(file, [])
                known += [{**row, **origin} for row in rows]
                write_rows(paths[file], known)
    pool.shutdown()
    print(f"{len(waiting)} trainings are left.", flush=True)


if __name__ == "__main__":
    typer.run(main)
