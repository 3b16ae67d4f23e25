"""Time and memory of a training step and of a prediction, beside the released codes.

    python benchmarks/step.py [--device auto|cpu|cuda] [--np-semiseg PATH] [--u2pl PATH] [--compile] [--quick]

The paths are checkouts of the public repositories https://github.com/Jianf-Wang/NP-SemiSeg and
https://github.com/Haochen-Wang409/U2PL; rows of a repository that is not given are left out. Every row is
measured in a process of its own; its peak is what the allocator of the GPU or, on a CPU, the resident set
grew by, with some 10 MiB of library code that is read on first use. Ratios divide a row by the released row
of the same sizes.

Head, losses and queues get random features, so no encoder blurs the comparison; float32 on both sides.
``ours`` is the head ``np``, which is built as the released one, with the widths and recipe of the product.
``ours, default head`` is the head that the product trains by default. ``ours, wide`` decodes with 256
channels, as the release. ``ours, released sizes`` has besides the release's two 3×3 convolutions (before z
enters, once per image), 2560 memory rows per class, takes every loss at the labels' full size, and has queues
of 30 000 float32 rows.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import released

from core import provenance
from core.acquisition.pixel_scores import entropy_of
from core.compilation import COMPILE_FROM_STEPS
from core.data import VOID, TrainingData, label_to_size
from core.model.classifier_np_head import ClassifierNPHead
from core.model.conditioned_decoder import ConditionedDecoder
from core.model.network import HeadName, SegmentationNetwork, build_network
from core.model.np_head import NPHead
from core.recipes.class_queues import ClassQueues
from core.recipes.cross_entropy import expected_cross_entropy, mixture_cross_entropy
from core.recipes.pixel_contrast import Pixels, pixel_contrast
from core.recipes.reliability import (
    balanced_cross_entropy,
    drop_unreliable,
    unreliable_share_at,
)
from core.train import Training, first_unlabelled_step
from core.train_config import TrainConfig

RESULT = ROOT / "benchmarks" / "results" / "step.csv"
SEED = 0
CLASSES = 21
"""Pascal VOC's, the released setting."""
KL_WEIGHT = 0.005
PROGRESS = 0.25
"""Share of the training that is done, for U2PL's schedules."""
UNRELIABLE_SHARE = 0.2
"""α_0 of the released U2PL."""
REPETITIONS = 5
LONGEST = 2.0
"""Seconds after which no repetition is added to the first five."""

NP_STEP = "NP head, training step"
NP_PREDICTION = "NP head, prediction"
ONE_IMAGE = "whole network, one image"
U2PL_UNSUPERVISED = "U2PL, unsupervised loss"
U2PL_CONTRAST = "U2PL, contrast and queues"
WHOLE_STEP = "whole network, training step"

OURS, WIDE, AS_RELEASED = "ours", "ours, wide", "ours, released sizes"
DEFAULT_HEAD = "ours, default head"
HEAD_OF: dict[str, HeadName] = {DEFAULT_HEAD: "np_classifier", OURS: "np"}
COMPILED = "ours, compiled"
RELEASED = "released"
ONE_PASS = "linear head"


@dataclass(frozen=True)
class Row:
    """One measurement; ``channels`` of the features, ``height`` and ``width`` of the map or the image."""

    what: str
    implementation: str
    channels: int
    height: int
    width: int
    labelled: int
    unlabelled: int
    samples: int

    @property
    def images(self) -> int:
        return self.labelled + self.unlabelled


@dataclass(frozen=True)
class Setting:
    """What all rows share."""

    device: str
    np_semiseg: Path | None
    u2pl: Path | None


Step = Callable[[], object]


def rows_to_measure(setting: Setting, quick: bool, with_compiled: bool) -> list[Row]:
    """Return the rows in the order of the table; those that are compared stand next to each other."""
    on_gpu = setting.device != "cpu"
    np_heads = [DEFAULT_HEAD, OURS, WIDE, AS_RELEASED] + [RELEASED] * (setting.np_semiseg is not None)
    u2pl_parts = [OURS, AS_RELEASED] + [RELEASED] * (setting.u2pl is not None)
    # The release has 512 channels with U2PL and 304 with AugSeg, and features of 129² for a crop of 513².
    channels, maps = (512, [(65, 2), (129, 2)]) if on_gpu else (304, [(33, 2)])
    if quick:
        maps = [(17, 2)]
    largest = maps[-1][0]
    rows = [
        # The default head trains by its weights as they are, the others by five draws of the latent.
        Row(NP_STEP, name, channels, side, side, batch, batch, 1 if name == DEFAULT_HEAD else 5)
        for side, batch in maps
        for name in np_heads
    ]
    rows += [
        Row(NP_PREDICTION, name, channels, largest, largest, 0, 1, samples)
        for samples in (1, 5, 20)
        for name in np_heads
    ]
    one_image = [(ONE_PASS, 1), *((name, samples) for name in (DEFAULT_HEAD, OURS) for samples in (1, 5, 20))]
    if setting.np_semiseg is not None:
        one_image += [(RELEASED, 1), (RELEASED, 5), (RELEASED, 20)]
    rows += [Row(ONE_IMAGE, name, 128, 192, 256, 0, 1, samples) for name, samples in one_image]
    rows += [
        Row(what, name, released.U2PL_WIDTH, largest, largest, 2, 2, 1)
        for what in (U2PL_UNSUPERVISED, U2PL_CONTRAST)
        for name in u2pl_parts
    ]
    crop = 96 if quick else TrainConfig().crop
    batch, samples = TrainConfig().batch_size, TrainConfig().samples_train
    whole_steps = [DEFAULT_HEAD, OURS] + [COMPILED] * with_compiled
    rows += [Row(WHOLE_STEP, name, 128, crop, crop, batch, batch, samples) for name in whole_steps]
    return rows


def random_features(row: Row, device: torch.device) -> torch.Tensor:
    return torch.randn(row.images, row.channels, row.height, row.width, device=device, requires_grad=True)


def random_labels(images: int, height: int, width: int, device: torch.device) -> torch.Tensor:
    """Return labels ``(B, H, W)`` int64: squares of a sixteenth of the side, so classes form regions."""
    coarse = torch.randint(CLASSES, (images, 1, 16, 16), device=device).float()
    return F.interpolate(coarse, size=(height, width), mode="nearest")[:, 0].long()


def full_size_labels(row: Row, device: torch.device) -> torch.Tensor:
    """Return labels of the crop that features of stride 4 belong to, as the release aligns them."""
    return random_labels(row.images, 4 * row.height - 3, 4 * row.width - 3, device)


def default_head(channels: int, device: torch.device) -> ClassifierNPHead:
    """Return the head after it has seen labelled images."""
    head = ClassifierNPHead(channels, CLASSES).to(device)
    features = torch.randn(4, channels, 8, 8, device=device)
    labels = torch.zeros(4, 8, 8, dtype=torch.uint8, device=device)
    by_person = torch.ones(4, dtype=torch.bool, device=device)
    head.observe(features, labels, by_person, images=torch.arange(4, device=device))
    return head


def our_head(row: Row, device: torch.device) -> NPHead:
    if row.implementation == OURS:
        return NPHead(row.channels, CLASSES).to(device)
    channels = 256 if row.implementation == AS_RELEASED else row.channels
    head = NPHead(channels, CLASSES, rows_per_class=2560)
    head.decoder = ConditionedDecoder(channels, head.latent, 32, CLASSES, hidden=256)
    return head.to(device)


def before_our_head(row: Row, device: torch.device) -> nn.Module:
    """Return what stands between the features and our head."""
    if row.implementation != AS_RELEASED:
        return nn.Identity()
    layers = [
        nn.Conv2d(row.channels, 256, 3, padding=1),
        nn.GroupNorm(32, 256),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.GroupNorm(32, 256),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers).to(device)


def np_step(row: Row, setting: Setting, device: torch.device) -> Step:
    features, labels = random_features(row, device), full_size_labels(row, device)
    if row.implementation == RELEASED:
        assert setting.np_semiseg is not None
        theirs = released.np_head(setting.np_semiseg, row.channels, CLASSES, device)
        return released.np_training_step(theirs, features, labels, row.labelled, row.samples)
    labels = labels.to(torch.uint8)
    small = label_to_size(labels, row.height, row.width)
    if row.implementation == DEFAULT_HEAD:
        return default_head_step(row, features, labels, small)
    before, head = before_our_head(row, device), our_head(row, device)
    # The recipes keep pseudo-labels at the features' size, where the teacher makes them.
    pseudo = labels if row.implementation == AS_RELEASED else small
    by_person = torch.arange(row.images, device=device) < row.labelled
    generator = torch.Generator().manual_seed(SEED)

    def step() -> None:
        features.grad = None
        for module in (before, head):
            module.zero_grad(set_to_none=True)
        decoded = before(features)
        noise, context_set = (
            head.draw_noise(row.samples, row.images, generator),
            head.draw_context_set(generator),
        )
        output = head(decoded, noise, latent="target", context_set=context_set)
        loss = mixture_cross_entropy(output.logits[:, : row.labelled], labels[: row.labelled])
        loss = loss + expected_cross_entropy(output.logits[:, row.labelled :], pseudo[row.labelled :])
        (loss + KL_WEIGHT * output.kl.mean()).backward()
        head.observe(decoded.detach(), small, by_person, generator)

    return step


def default_head_step(row: Row, features: torch.Tensor, labels: torch.Tensor, small: torch.Tensor) -> Step:
    """Train the default head, whose T is 1 in training, on labels and pseudo-labels at the features' size."""
    head = default_head(row.channels, features.device)
    images = torch.arange(row.labelled, device=features.device)
    by_person = torch.arange(row.images, device=features.device) < row.labelled

    def step() -> None:
        features.grad = None
        head.zero_grad(set_to_none=True)
        logits = head(features, None).logits
        loss = mixture_cross_entropy(logits[:, : row.labelled], labels[: row.labelled])
        loss = loss + expected_cross_entropy(logits[:, row.labelled :], small[row.labelled :])
        torch.autograd.backward(loss)
        head.observe(features.detach(), small, by_person, images=images)

    return step


def mean_probabilities(logits: torch.Tensor) -> torch.Tensor:
    return logits.float().softmax(dim=2).mean(dim=0)


def np_prediction(row: Row, setting: Setting, device: torch.device) -> Step:
    features = random_features(row, device).detach()
    if row.implementation == RELEASED:
        assert setting.np_semiseg is not None
        theirs = released.np_head(setting.np_semiseg, row.channels, CLASSES, device).eval()
        return lambda: mean_probabilities(released.np_sampled_logits(theirs, features, row.samples))
    generator = torch.Generator().manual_seed(SEED)
    if row.implementation == DEFAULT_HEAD:
        own = default_head(row.channels, device)
        return lambda: mean_probabilities(own(features, own.draw_noise(row.samples, 1, generator)).logits)
    before, head = before_our_head(row, device), our_head(row, device)
    return lambda: mean_probabilities(
        head(before(features), head.draw_noise(row.samples, 1, generator), latent="context").logits
    )


def _built(head: HeadName) -> SegmentationNetwork:
    """Return the product's network with the decoder whose features have the channels of all rows."""
    return build_network(CLASSES, decoder="DeepLabV3Plus", head=head, weights="none")


def one_image(row: Row, setting: Setting, device: torch.device) -> Step:
    """Predict an image with our network; the released head stands on our encoder and decoder."""
    network = _built(HEAD_OF.get(row.implementation, "linear"))
    if row.implementation == DEFAULT_HEAD:
        network.head = default_head(row.channels, torch.device("cpu"))
    network = network.to(device).to(memory_format=torch.channels_last).eval()
    image = torch.rand(1, 3, row.height, row.width, device=device).contiguous(
        memory_format=torch.channels_last
    )
    generator = torch.Generator().manual_seed(SEED)
    if row.implementation != RELEASED:
        return lambda: mean_probabilities(network(image, samples=row.samples, generator=generator).logits)
    assert setting.np_semiseg is not None
    theirs = released.np_head(setting.np_semiseg, row.channels, CLASSES, device).eval()
    return lambda: mean_probabilities(
        released.np_sampled_logits(theirs, network.encode(image)[0], row.samples)
    )


def whole_step(row: Row, setting: Setting, device: torch.device) -> Step:
    """Train our network with the round's defaults on images of noise."""
    count = 2 * row.images
    images = [torch.randint(256, (3, row.height, row.width), dtype=torch.uint8) for _ in range(count)]
    labels = random_labels(count, row.height, row.width, torch.device("cpu")).to(torch.uint8)
    data = TrainingData(images, dict(enumerate(labels[: count // 2])), list(range(count // 2, count)))
    config = TrainConfig(
        steps=COMPILE_FROM_STEPS - 1, crop=row.height, batch_size=row.labelled, samples_train=row.samples
    )
    network = _built(HEAD_OF.get(row.implementation, "np"))
    training = Training(network, data, config, device)
    training.step = first_unlabelled_step(config)
    if row.implementation == COMPILED:
        # Kernels that an earlier run compiled would make compiling look cheap.
        torch.compiler.config.force_disable_caches = True
        for part in (training.student, training.teacher):
            part.encoder.compile()
            part.decoder.compile()
            part.head.compile()
    return lambda: training.run(lambda report: False)


def teacher_and_student(row: Row, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return logits ``(B, C, h, w)`` of the student and of the teacher, and full-size labels."""
    shape = (row.images, CLASSES, row.height, row.width)
    student = torch.randn(shape, device=device, requires_grad=True)
    # Regions, as sure here and as unsure there as a trained teacher is.
    coarse = torch.randn(row.images, CLASSES, 9, 9, device=device)
    teacher = 6 * F.interpolate(coarse, size=shape[-2:], mode="bilinear") + torch.randn_like(student)
    return student, teacher.detach(), full_size_labels(row, device)


def unsupervised_step(row: Row, setting: Setting, device: torch.device) -> Step:
    student, teacher, labels = teacher_and_student(row, device)
    if row.implementation == RELEASED:
        losses, _ = released_losses(setting, device)
        return released.u2pl_unsupervised_step(losses, student, teacher, labels, PROGRESS)
    size = labels.shape[-2:] if row.implementation == AS_RELEASED else (row.height, row.width)
    pseudo = label_to_size(labels.to(torch.uint8), *size)
    share = unreliable_share_at(PROGRESS, UNRELIABLE_SHARE)

    def step() -> None:
        student.grad = None
        with torch.no_grad():
            by_teacher = teacher
            if row.implementation == AS_RELEASED:
                by_teacher = F.interpolate(teacher, size=size, mode="bilinear")
            entropies = entropy_of(by_teacher.softmax(dim=1), dim=1)
            reliable, _ = drop_unreliable(pseudo, entropies, share, CLASSES)
            valid = (pseudo != VOID).sum()
        torch.autograd.backward(balanced_cross_entropy(student[None], reliable, valid))

    return step


def contrast_step(row: Row, setting: Setting, device: torch.device) -> Step:
    _, teacher, labels = teacher_and_student(row, device)
    representation = random_features(row, device)
    keys = torch.randn_like(representation).detach()
    if row.implementation == RELEASED:
        losses, utilities = released_losses(setting, device)
        return released.u2pl_contrast_step(
            losses, utilities, representation, keys, teacher, labels, row.labelled, PROGRESS
        )
    sizes: dict[str, Any] = {}
    if row.implementation == AS_RELEASED:
        sizes = {"size": 30_000, "dtype": torch.float32}
    queues = ClassQueues(CLASSES, row.channels, **sizes).to(device)
    queues.rows.normal_()
    queues.filled.fill_(queues.size)
    small = label_to_size(labels.to(torch.uint8), row.height, row.width)
    share = unreliable_share_at(PROGRESS, UNRELIABLE_SHARE)
    by_person = torch.arange(row.images, device=device) < row.labelled
    generator = torch.Generator().manual_seed(SEED)

    def by_pixel(maps: torch.Tensor) -> torch.Tensor:
        return maps.movedim(1, 3).flatten(0, 2)

    def step() -> None:
        representation.grad = None
        with torch.no_grad():
            probabilities = teacher.softmax(dim=1)
            entropies = entropy_of(probabilities[row.labelled :], dim=1)
            reliable, unreliable = drop_unreliable(small[row.labelled :], entropies, share, CLASSES)
        pixels = Pixels(
            representations=by_pixel(representation),
            keys=by_pixel(keys),
            probabilities=by_pixel(probabilities),
            labels=torch.cat([small[: row.labelled], reliable]).flatten(),
            by_person=by_person.repeat_interleave(row.height * row.width),
            unreliable=torch.cat(
                [torch.zeros_like(small[: row.labelled], dtype=torch.bool), unreliable]
            ).flatten(),
        )
        torch.autograd.backward(pixel_contrast(pixels, queues, generator).loss)

    return step


def released_losses(setting: Setting, device: torch.device) -> tuple[Any, Any]:
    assert setting.u2pl is not None
    return released.u2pl_losses(setting.u2pl, device)


CASES: dict[str, Callable[[Row, Setting, torch.device], Step]] = {
    NP_STEP: np_step,
    NP_PREDICTION: np_prediction,
    ONE_IMAGE: one_image,
    U2PL_UNSUPERVISED: unsupervised_step,
    U2PL_CONTRAST: contrast_step,
    WHOLE_STEP: whole_step,
}


@dataclass(frozen=True)
class Measured:
    """What a process found out about its row."""

    median_ms: float
    first_ms: float
    """The first call: it allocates, and compiles where something is compiled."""
    peak_mib: float
    repetitions: int
    threads: int


def measure(row: Row, setting: Setting) -> Measured:
    """Measure one row; meant for a process of its own, whose peak of memory nobody else has raised."""
    device = torch.device(setting.device)
    torch.manual_seed(SEED)
    step = CASES[row.what](row, setting, device)
    predicts = row.what in (NP_PREDICTION, ONE_IMAGE)
    with torch.inference_mode(predicts):
        forget_peak(device)
        before = used_mib(device)
        first = milliseconds(step, device)
        if first < LONGEST * 1000:
            milliseconds(step, device)
        times: list[float] = []
        while len(times) < REPETITIONS or (sum(times) < LONGEST * 1000 and len(times) < 50):
            times.append(milliseconds(step, device))
        peak = used_mib(device) - before
    return Measured(statistics.median(times), first, peak, len(times), torch.get_num_threads())


def milliseconds(step: Step, device: torch.device) -> float:
    began = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - began) * 1000


def forget_peak(device: torch.device) -> None:
    """Let the peak of memory begin at what is in use now, where the system can do that."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def used_mib(device: torch.device) -> float:
    """Return the most memory used so far: of the GPU's allocator, or resident in this process."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def written_row(row: Row, measured: Measured, all_measured: dict[Row, Measured]) -> dict[str, Any]:
    """Return a row of the table with its ratios, empty where there is nothing to compare with."""

    def over(other: Row | None, figure: str) -> float | str:
        if other is None or other == row or not getattr(all_measured[other], figure):
            return ""
        share: float = getattr(measured, figure) / getattr(all_measured[other], figure)
        return round(share, 3)

    theirs = dataclasses.replace(row, implementation=RELEASED)
    theirs_or_none = theirs if theirs in all_measured and row.implementation != ONE_PASS else None
    one_pass = dataclasses.replace(row, implementation=ONE_PASS, samples=1)
    uncompiled = dataclasses.replace(row, implementation=OURS) if row.implementation == COMPILED else None
    return {
        "what": row.what,
        "implementation": row.implementation,
        "channels": row.channels,
        "size": f"{row.height}x{row.width}",
        "images": f"{row.labelled}+{row.unlabelled}" if row.labelled else str(row.unlabelled),
        "classes": CLASSES,
        "T": row.samples,
        "median_ms": round(measured.median_ms, 1),
        "first_ms": round(measured.first_ms),
        "peak_mib": round(measured.peak_mib),
        "time_over_released": over(theirs_or_none, "median_ms"),
        "memory_over_released": over(theirs_or_none, "peak_mib"),
        "time_over_one_pass": over(one_pass if one_pass in all_measured else None, "median_ms"),
        "time_over_uncompiled": over(uncompiled, "median_ms"),
        "repetitions": measured.repetitions,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of a step, beside the released codes.")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--np-semiseg", type=Path, help="a checkout of NP-SemiSeg")
    parser.add_argument("--u2pl", type=Path, help="a checkout of U2PL")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too; takes minutes")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--csv", type=Path, default=RESULT)
    given = parser.parse_args()

    console = Console(width=170)
    device = given.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    releases = [("NP-SemiSeg", given.np_semiseg, released.NP_SEMISEG), ("U2PL", given.u2pl, released.U2PL)]
    commits = []
    for name, path, address in releases:
        if path is None:
            console.print(f"The released {name} was not given: its rows are left out.")
        else:
            commits.append(f"{address}@{released.commit_of(path)}")
            console.print(f"Beside {commits[-1]}")

    setting = Setting(device, given.np_semiseg, given.u2pl)
    rows = rows_to_measure(setting, given.quick, given.compile)
    measured: dict[Row, Measured] = {}
    processes_from = multiprocessing.get_context("forkserver")
    # Imported once; a process then starts in no time, and has still computed nothing.
    processes_from.set_forkserver_preload(["core.train", "released"])
    with ProcessPoolExecutor(1, processes_from, max_tasks_per_child=1) as processes:
        for row in rows:
            measured[row] = processes.submit(measure, row, setting).result()
            said = f"{measured[row].median_ms:.1f} ms, {measured[row].peak_mib:.0f} MiB"
            console.print(
                f"{row.what}, {row.implementation}, {row.height}x{row.width}, T={row.samples}: {said}"
            )
    common = {
        "seed": SEED,
        "commit": provenance.commit(),
        "released_commits": " ".join(commits),
        "machine": provenance.machine(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": measured[rows[0]].threads,
        "torch": torch.__version__,
        "command": " ".join(["python", "benchmarks/step.py", *options(given)]),
    }
    table = [written_row(row, measured[row], measured) for row in rows]
    given.csv.parent.mkdir(parents=True, exist_ok=True)
    with given.csv.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*table[0], *common])
        writer.writeheader()
        writer.writerows(line | common for line in table)
    printed = Table()
    only_in_file = {"channels", "classes", "first_ms", "repetitions"}
    shown = [name for name in table[0] if name not in only_in_file]
    for name in shown:
        printed.add_column(name.replace("_over_", "\n/ "), no_wrap=True)
    for line in table:
        printed.add_row(*(str(line[name]) for name in shown))
    console.print(printed)
    console.print(" · ".join(f"{name} {value}" for name, value in common.items()))


def options(given: argparse.Namespace) -> list[str]:
    """Return the options that shape the figures; the checkouts by name, not by where they lie."""
    shown = ["--device", given.device]
    if given.np_semiseg is not None:
        shown += ["--np-semiseg", "NP-SemiSeg"]
    if given.u2pl is not None:
        shown += ["--u2pl", "U2PL"]
    return shown + ["--compile"] * given.compile + ["--quick"] * given.quick


if __name__ == "__main__":
    main()
