"""What the choice of images brings: ``python benchmarks/active_learning.py --data ../shared/data/camvid``.

CamVid, or the nuclei when ``--data`` is their folder, under a frozen encoder (see ``frozen_encoder.py``). All
strategies begin with the same 10 images of a seed, train the same network from the same initial values for
the same number of steps at every budget, and are measured on all test images at half the size of their label
maps; only the list of labelled images differs. ``set_miou`` is the mIoU over all training images, the
labelled ones as a person left them. ``BALD, MC dropout`` trains a second network, with dropout, that only
chooses. A finished curve is written at once, and one whose rows are there is not made again.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
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

import frozen_camvid
import frozen_encoder
import frozen_nuclei
from csv_rows import Row, about, done_rows, write_rows
from frozen_encoder import LOW_CHANNELS, FrozenImages, frozen_network
from uncertainty import DropoutBeforeDecoder, Probabilities, decoded, dropping, switch_dropout

from core.acquisition.aggregation import AGGREGATIONS
from core.acquisition.batch_choice import rank
from core.acquisition.candidates import Candidates
from core.acquisition.near_duplicates import defer_near_duplicates
from core.acquisition.pixel_scores import PIXEL_SCORES, SampleStatistics
from core.acquisition.typical import k_means
from core.data import NOT_LABELLED, label_to_size
from core.model.classifier_np_head import ClassifierNPHead
from core.recipes import consistency, supervised
from core.recipes.step import StepInput, StepResult
from core.train_config import TrainConfig
from core.uncertainty import (
    CalibrationBins,
    RankCounts,
    class_iou,
    confusion_matrix,
    mean_iou,
    pixel_accuracy,
    spearman,
)

RESULTS = ROOT / "benchmarks" / "results"
ALL_IMAGES = "all images"
SAMPLES = 10
BATCH = 8
"""Images that a choice takes together, as the product does."""
LONGEST_DRIVE = 2
"""Number of the drive 0016E5, 204 of the 367 images, one a second."""
THINNED_TO = 3
"""Of a thinned drive each so many-th image is in the pool."""
GROUPS = 256
WITHOUT_LOOKING = ("random", "k_centre", "typiclust", "probcover")
"""Choices that ask no network."""
Recipe = Literal["supervised", "consistency"]
Start = Literal["random", "typiclust", "k_centre"]
STEPS: dict[Recipe, Callable[[StepInput], StepResult]] = {
    "supervised": supervised.step,
    "consistency": consistency.step,
}
CONFIGS: dict[Recipe, TrainConfig] = {
    "supervised": TrainConfig(recipe="supervised", steps=200, batch_size=4, learning_rate=3e-3),
    "consistency": TrainConfig(recipe="consistency", steps=400, batch_size=4, learning_rate=3e-3),
}
"""As many steps as served each recipe best with random images (seed 10): with labels alone more overfit."""
FULL_STEPS = 800
"""Steps with all images; more bring nothing there (seed 0), and fewer would be too low a mark."""


class Strategy(NamedTuple):
    """What chooses: how, by which score of pixels and image, of which network, how many at once."""

    choice: str
    pixel_score: str = "predictive_entropy"
    aggregation: str = "mean"
    dropout: bool = False
    batch: int = BATCH


STRATEGIES: dict[str, Strategy] = {
    "random": Strategy("random"),
    "improved random": Strategy("improved_random"),
    "entropy, mean": Strategy("top"),
    "k-centre": Strategy("k_centre"),
    "BALD, MC dropout": Strategy("top", "mutual_information", dropout=True),
    "ClaSP PE": Strategy("clasp_pe"),
    "ClaSP, least confidence": Strategy("clasp_pe", "least_confidence"),
    "score × diversity": Strategy("score_diversity", aggregation="class_balanced"),
    "TypiClust": Strategy("typiclust", batch=18),
    "ProbCover": Strategy("probcover"),
    "unsure in large groups": Strategy("large_groups", aggregation="class_balanced"),
}


class Source(NamedTuple):
    """Where the images are, and whether the pool has fewer of the longest drive."""

    folder: Path
    thinned: bool


class ImageSet(NamedTuple):
    """A set of images, what its classes are called, and after how many labels a network is trained."""

    data: FrozenImages
    classes: Sequence[str]
    budgets: Sequence[int]


class Trained(NamedTuple):
    """A network and what it does on the test images."""

    probabilities: Probabilities
    quality: Row
    seconds: float
    class_weights: Tensor


def curve(strategy: str, recipe: Recipe, start: Start, seed: int, source: Source) -> list[Row]:
    """Label, train and choose from the first budget to the last, in a process of its own."""
    torch.set_num_threads(1)
    data, _, budgets = image_set(source)
    how = STRATEGIES[strategy]
    labelled = first_images(start, seed, data, budgets[0])
    rows: list[Row] = []
    for number, budget in enumerate(budgets):
        trained = train(recipe, tuple(labelled), seed, source)
        row: dict[str, object] = {
            "strategy": strategy,
            "recipe": recipe,
            "head": "np_classifier",
            "start": start,
            "seed": seed,
            "round": number,
            "images": len(labelled),
            "label_share": len(labelled) / len(data),
            **trained.quality,
            "train_seconds": trained.seconds,
        }
        if budget != budgets[-1]:
            began = time.process_time()
            chosen, row["spearman"] = choose(how, trained, recipe, labelled, number, seed, source)
            row["choice_seconds"] = time.process_time() - began
        rows.append({**row, "labelled": " ".join(map(str, sorted(labelled))), **settings(recipe)})
        if budget != budgets[-1]:
            labelled += chosen
    return rows


def choose(
    how: Strategy,
    trained: Trained,
    recipe: Recipe,
    labelled: list[int],
    number: int,
    seed: int,
    source: Source,
) -> tuple[list[int], float | None]:
    """Return the images to label next, and how well entropy ranks the pool by its errors, if it was asked."""
    data, _, budgets = image_set(source)
    pool = not_in(labelled, len(data))
    found: dict[str, Tensor] = {"scores": torch.zeros(len(pool))}
    correlation = None
    if how.choice not in WITHOUT_LOOKING:
        asked = trained.probabilities
        if how.dropout:
            asked = with_dropout(recipe, labelled, seed, source)
        shown = ((data.views[0, some], data.labels[some]) for some in torch.split(pool, 8))
        found, entropy, error = look(asked, shown, how, trained.class_weights)
        correlation = spearman(entropy, error)
    known = embeddings(data)
    candidates = Candidates(
        **found,
        embeddings=known[pool],
        groups=data.groups[pool],
        positions=data.positions[pool],
        labelled_embeddings=known[labelled],
    )
    count = budgets[number + 1] - len(labelled)
    progress = number / (len(budgets) - 2)
    return pool[ordered(how, candidates, count, progress, choice_draws(seed, number))].tolist(), correlation


def choice_draws(seed: int, number: int) -> torch.Generator:
    """Return what the choice after round ``number`` draws from."""
    return torch.Generator().manual_seed(4000 + 100 * seed + number)


def ordered(
    how: Strategy, candidates: Candidates, count: int, progress: float, draws: torch.Generator
) -> list[int]:
    """Return the ``count`` candidates that a strategy takes, the first one in front."""
    if how.choice == "large_groups":
        return large_groups(candidates, count, draws)[:count]
    return rank(candidates, how.choice, batch=how.batch, progress=progress, generator=draws)[:count]


def large_groups(candidates: Candidates, count: int, generator: torch.Generator) -> list[int]:
    """Order images: first those of the highest score in each group without a label, large groups first.

    Groups are k-means clusters of the embeddings, labelled images included, ``GROUPS`` more than there are
    labelled images: with CamVid they hold one to a few images of one place. What the pool shows often comes
    first, each sight by its most unsure image. Groups with labels wait until all others are used up.
    """
    vectors = torch.cat([candidates.embeddings, candidates.labelled()])
    images = len(candidates)
    groups = min(len(vectors) - images + GROUPS, len(vectors))
    group_of = k_means(vectors, groups, generator)
    sizes = group_of.bincount(minlength=groups).tolist()
    labelled_in = group_of[images:].bincount(minlength=groups).tolist()
    order: list[int] = []
    for group in sorted(range(groups), key=lambda one: (labelled_in[one], -sizes[one])):
        members = (group_of[:images] == group).nonzero()[:, 0]
        if len(members):
            order.append(int(members[candidates.scores[members].argmax()]))
    return defer_near_duplicates(
        order,
        candidates.embeddings,
        count,
        groups=candidates.groups,
        positions=candidates.positions,
    )


def full(recipe: Recipe, seed: int, source: Source) -> list[Row]:
    """Train with all labels: the line that shares are shares of."""
    torch.set_num_threads(1)
    count = len(image_set(source).data)
    trained = train(recipe, tuple(range(count)), seed, source, FULL_STEPS)
    where = {"start": "", "seed": seed, "round": 0, "images": count, "label_share": 1.0}
    row = {"strategy": ALL_IMAGES, "recipe": recipe, "head": "np_classifier", **where, **trained.quality}
    return [{**row, "train_seconds": trained.seconds, **settings(recipe, FULL_STEPS)}]


def settings(recipe: Recipe, steps: int | None = None) -> Row:
    """Return the columns that must agree for a row to count as done; ``steps`` where they are others."""
    config = CONFIGS[recipe]
    return {
        "steps": steps or config.steps,
        "images_a_step": config.batch_size,
        "learning_rate": config.learning_rate,
        "pixel_weights": config.pixel_weights,
        "ema_decay": config.ema_decay,
        **frozen_encoder.warm_up_column(recipe),
    }


@lru_cache(maxsize=1)
def image_set(source: Source) -> ImageSet:
    """Return a set of images."""
    if is_nuclei(source.folder):
        return ImageSet(frozen_nuclei.load(source.folder), frozen_nuclei.CLASSES, (5, 10, 20, 37))
    data = frozen_camvid.load(source.folder)
    if source.thinned:
        kept = (data.groups != LONGEST_DRIVE) | (data.positions % THINNED_TO == 0)
        data = replace(
            data,
            views=data.views[:, kept],
            labels=data.labels[kept],
            groups=data.groups[kept],
            positions=data.positions[kept],
        )
    return ImageSet(data, frozen_camvid.CLASSES, (10, 20, 37, 55))


def is_nuclei(folder: Path) -> bool:
    """Whether a folder holds the nuclei; otherwise it holds CamVid."""
    return (folder / "dataset.json").exists()


def first_images(start: Start, seed: int, data: FrozenImages, count: int) -> list[int]:
    """Return the images that every strategy of a seed begins with."""
    if start == "random":
        return frozen_encoder.labelled_indices(count, seed, len(data)).tolist()
    everything = Candidates(torch.zeros(len(data)), embeddings(data))
    how = Strategy(start, batch=count)
    return ordered(how, everything, count, 0.0, choice_draws(seed, 0))


@lru_cache(maxsize=6)
def train(
    recipe: Recipe, labelled: tuple[int, ...], seed: int, source: Source, steps: int | None = None
) -> Trained:
    """Train the network that is measured; strategies share the first one of a seed."""
    data, classes, _ = image_set(source)
    network = frozen_network(ClassifierNPHead, len(classes), seed)
    config = replace(CONFIGS[recipe], seed=seed, steps=steps or CONFIGS[recipe].steps)
    teacher, seconds = frozen_encoder.train(network, STEPS[recipe], config, data, torch.tensor(labelled))
    probabilities = decoded(teacher.eval(), SAMPLES)
    quality = {
        **test_quality(probabilities, data, classes),
        **set_quality(probabilities, labelled, data, len(classes)),
    }
    return Trained(probabilities, quality, seconds, teacher.class_weights)


def with_dropout(recipe: Recipe, labelled: list[int], seed: int, source: Source) -> Probabilities:
    """Train a network with dropout in all that is trained, and keep the dropout on."""
    data, classes, _ = image_set(source)
    torch.manual_seed(seed)
    network = frozen_network(dropping, len(classes), seed, kind=DropoutBeforeDecoder)
    config = replace(CONFIGS[recipe], seed=seed)
    teacher, _ = frozen_encoder.train(network, STEPS[recipe], config, data, torch.tensor(labelled))
    switch_dropout(teacher.eval(), True)
    return decoded(teacher, SAMPLES, encoded_once=False)


@torch.inference_mode()
def test_quality(probabilities: Probabilities, data: FrozenImages, classes: Sequence[str]) -> Row:
    """Return mIoU, IoU by class, ECE, the entropy's error AUROC and mean MI over all test images."""
    mean_mi, nats = 0.0, math.log(len(classes))
    confusion = torch.zeros(len(classes), len(classes), dtype=torch.int64)
    bins, ranks = CalibrationBins(1), RankCounts()
    height, width = data.test_labels.shape[1:]
    truth = label_to_size(data.test_labels, height // 2, width // 2)
    for images, labels in zip(torch.split(data.test, 8), torch.split(truth, 8), strict=True):
        sampled = SampleStatistics(["predictive_entropy", "mutual_information"])
        sampled.add(probabilities(images))
        mean_mi += nats * float(sampled.mutual_information().mean(dim=(1, 2)).sum())
        maps = torch.cat([sampled.mean(), sampled.predictive_entropy()[:, None]], dim=1)
        maps = F.interpolate(maps, size=labels.shape[1:], mode="bilinear", align_corners=False)
        confidence, class_map = maps[:, :-1].max(dim=1)
        confusion += confusion_matrix(class_map, labels, len(classes))
        counted = labels < NOT_LABELLED
        wrong = (class_map != labels)[counted]
        bins.add(confidence[counted][None], ~wrong[None])
        ranks.add(maps[:, -1][counted], wrong)
    by_class = zip(classes, class_iou(confusion).tolist(), strict=True)
    return {
        "miou": mean_iou(confusion),
        **{f"iou_{name}": iou for name, iou in by_class},
        "ece": float(bins.errors()),
        "error_auroc": ranks.auroc(),
        "mean_mi": mean_mi / len(truth),
    }


@torch.inference_mode()
def set_quality(
    probabilities: Probabilities, labelled: Sequence[int], data: FrozenImages, class_count: int
) -> Row:
    """Return mIoU and accuracy over all training images, the labelled ones as a person left them.

    That is what someone has who labels so many and takes the network's word for the others. It is measured
    at the resolution of the features.
    """
    vouched = data.labels[list(labelled)]
    confusion = confusion_matrix(vouched, vouched, class_count)
    rest = not_in(labelled, len(data))
    for some in torch.split(rest, 8) if len(rest) else ():
        class_maps = probabilities(data.views[0, some]).mean(dim=0).argmax(dim=1)
        confusion += confusion_matrix(class_maps, data.labels[some], class_count)
    return {"set_miou": mean_iou(confusion), "set_accuracy": pixel_accuracy(confusion)}


def not_in(labelled: Sequence[int], count: int) -> Tensor:
    """Return which of ``count`` images are not labelled, int64."""
    return torch.tensor([image for image in range(count) if image not in set(labelled)], dtype=torch.int64)


def embeddings(data: FrozenImages) -> Tensor:
    """Return the encoder's embeddings of the training images, ``(N, 320)`` of unit length."""
    deep = data.views[0, :, LOW_CHANNELS * 16 :].float()
    return F.normalize(deep.mean(dim=(2, 3)), dim=1)


@torch.inference_mode()
def look(
    probabilities: Probabilities,
    shown: Iterable[tuple[Tensor, Tensor]],
    how: Strategy,
    class_weights: Tensor,
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Return what a choice may know of the pool, and the mean entropy and true error of its images.

    Args:
        probabilities: Of the network that is asked.
        shown: Batches of the pool and their label maps, which say the true error and nothing else.
        how: Which scores are wanted.
        class_weights: ``(C,)``, what the classes weighed in training.
    """
    aggregate = AGGREGATIONS[how.aggregation]
    scores, class_scores, mass, entropy, error = [], [], [], [], []
    for images, labels in shown:
        sampled = SampleStatistics(["predictive_entropy", how.pixel_score], class_weights)
        sampled.add(probabilities(images))
        mean = sampled.mean()
        for pixels, class_map, of_class in zip(
            PIXEL_SCORES[how.pixel_score](sampled), mean.argmax(dim=1), mean, strict=True
        ):
            maps = torch.cat([pixels[None], pixels * of_class])
            found = aggregate(maps, class_map, torch.ones_like(class_map, dtype=torch.bool)).cpu()
            scores.append(found[0])
            class_scores.append(found[1:])
        mass.append(mean.mean(dim=(2, 3)).cpu())
        entropy.append(sampled.predictive_entropy().mean(dim=(1, 2)).cpu())
        if mean.shape[2:] != labels.shape[1:]:
            mean = F.interpolate(mean, size=labels.shape[1:], mode="bilinear", align_corners=False)
        counted = labels < NOT_LABELLED
        wrong = ((mean.argmax(dim=1) != labels) & counted).sum(dim=(1, 2))
        error.append((wrong / counted.sum(dim=(1, 2))).cpu())
    known = {
        "scores": torch.stack(scores),
        "class_scores": torch.stack(class_scores),
        "class_mass": torch.cat(mass),
    }
    return known, torch.cat(entropy), torch.cat(error)


def main(
    data: Annotated[Path, typer.Option(help="The folder of CamVid or of the nuclei.")],
    recipe: Annotated[Literal["supervised", "consistency"], typer.Option()] = "supervised",
    start: Annotated[
        Literal["random", "typiclust", "k_centre"], typer.Option(help="The first images.")
    ] = "random",
    strategy: Annotated[list[str] | None, typer.Option(help="Names; all by default.")] = None,
    seeds: Annotated[int, typer.Option(help="How many.")] = 5,
    first_seed: Annotated[int, typer.Option(help="Choices were tuned on seeds from 10 on.")] = 0,
    thinned: Annotated[
        bool, typer.Option(help="A third of CamVid's longest drive, in a file of its own.")
    ] = False,
    jobs: Annotated[int, typer.Option(help="Processes at once, one thread each.")] = 2,
    result: Annotated[Path | None, typer.Option(help="The CSV file.")] = None,
) -> None:
    """Measure learning curves of strategies on a set of images."""
    origin = about()
    source = Source(data, thinned)
    image_set(source)
    kind = "_nuclei" if is_nuclei(data) else "_thinned" if thinned else ""
    result = result or RESULTS / f"active_learning{kind}.csv"
    rows, others = done_rows(result, {"recipe": recipe, **settings(recipe)})
    done = {(row["strategy"], row.get("start", start), int(str(row["seed"]))) for row in rows}
    full_ones, _ = done_rows(
        result, {"recipe": recipe, "strategy": ALL_IMAGES, **settings(recipe, FULL_STEPS)}
    )
    done |= {(ALL_IMAGES, start, int(str(row["seed"]))) for row in full_ones}
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        tasks = []
        for seed in range(first_seed, first_seed + seeds):
            for name in strategy or [*STRATEGIES, ALL_IMAGES]:
                if (name, start, seed) in done:
                    continue
                if name == ALL_IMAGES:
                    tasks.append(pool.submit(full, recipe, seed, source))
                else:
                    tasks.append(pool.submit(curve, name, recipe, start, seed, source))
        for task in as_completed(tasks):
            found = [{**row, **origin} for row in task.result()]
            rows += found
            write_rows(result, sorted([*others, *rows], key=_place))
            last = found[-1]
            print(*(last[name] for name in ("strategy", "seed", "images", "miou")), flush=True)


def _place(row: Row) -> tuple[object, ...]:
    """Return what the rows of the file are sorted by."""
    names = [*STRATEGIES, ALL_IMAGES]
    numbers = int(str(row["seed"])), int(str(row["round"]))
    return str(row.get("start", "")), str(row["recipe"]), names.index(str(row["strategy"])), *numbers


if __name__ == "__main__":
    typer.run(main)
