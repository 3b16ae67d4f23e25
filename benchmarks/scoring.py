"""What choosing costs: ``python benchmarks/scoring.py``; ``--quick`` for a look.

1. Entropy and mutual information of one image against BAAL's heuristics, on the same tensors in turns.
2. Memory of the running statistics while the number of samples grows.
3. A whole image: prediction with samples and every score, over the deterministic pass of the same network.
4. A pool of JPEG files as a round scores it, read ahead, predicted, every score: seconds and memory.
5. ``rank`` for 1 000 to 100 000 images: seconds and memory.

Memory is measured in a process of its own each time: one that has worked before has room already.
"""

from __future__ import annotations

import gc
import io
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
import typer
from baal.active.heuristics import BALD, Entropy
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from csv_rows import Row, about, print_rows, read_rows, write_rows

from core.acquisition.aggregation import ImageScore, score_image
from core.acquisition.batch_choice import CHOICES, rank
from core.acquisition.candidates import Candidates
from core.acquisition.pixel_scores import SampleStatistics
from core.decoded_image import decoded_image
from core.freed_memory import freed_memory_kept
from core.model.network import SegmentationNetwork, build_network
from core.pool_scoring import predicted_pool
from core.predict import ImagePrediction, predict_batch
from storage.settings import RoundSettings

RESULT = ROOT / "benchmarks" / "results" / "scoring.csv"
SEED = 0
CLASSES, HEIGHT, WIDTH, SAMPLES = 11, 360, 480, 20
DEFAULT_SAMPLES = RoundSettings().samples_predict
SIZE = f"{CLASSES}×{HEIGHT}×{WIDTH}"
EMBEDDING = 320
"""Length of EfficientNet-Lite0's embeddings."""
BATCH = 8
MAIN_CHOICES = ("top", "clasp_pe", "k_centre", "score_diversity", "badge", "typiclust", "probcover")


def medians(ways: dict[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Return the median milliseconds of each; in turns, so that a slow phase of the machine meets all."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(repetitions + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if repetition:
                times[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}


class Cost(NamedTuple):
    """What a piece of work took.

    Attributes:
        seconds: Of a clock on the wall.
        mib: By how many MiB the resident memory rose above where it was; NaN where Linux does not tell.
    """

    seconds: float
    mib: float


def cost_of(work: Callable[[], object]) -> Cost:
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _memory_kib("VmRSS")
    except OSError:
        before = math.nan
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return Cost(seconds, math.nan if math.isnan(before) else (_memory_kib("VmHWM") - before) / 1024)


def in_new_process(work: Callable[..., Row], *arguments: Any) -> Row:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def _memory_kib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def entropy_and_information(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    counted = SampleStatistics(["predictive_entropy", "mutual_information"])
    counted.add_logits(logits)
    return counted.predictive_entropy(), counted.mutual_information()


WITH_BAAL = ("entropy + MI", "one of them")


def against_baal(repetitions: int, threads: int) -> list[Row]:
    """Compare with BAAL, which is NumPy and computes in one thread; ours has ``threads``."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return [{**row, "threads": threads} for row in _against_baal(repetitions)]
    finally:
        torch.set_num_threads(before)


def _against_baal(repetitions: int) -> list[Row]:
    logits = 3 * torch.randn(
        SAMPLES, 1, CLASSES, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(SEED)
    )
    probabilities = logits.softmax(dim=2)
    # BAAL takes (B, C, h, w, T); bringing the samples into that order is not counted. Of logits it makes
    # probabilities itself.
    their_logits, theirs = (
        np.ascontiguousarray(samples.permute(1, 2, 3, 4, 0).numpy()) for samples in (logits, probabilities)
    )

    def from_probabilities() -> None:
        counted = SampleStatistics(["predictive_entropy", "mutual_information"])
        counted.add(probabilities)
        counted.predictive_entropy(), counted.mutual_information()

    def every_score() -> None:
        SampleStatistics().add_logits(logits)

    ways: dict[str, Callable[[], object]] = {
        "Qualm, from logits": lambda: entropy_and_information(logits),
        "Qualm, from probabilities": from_probabilities,
        "Qualm, sums of all seven scores": every_score,
        "BAAL BALD, from logits": lambda: BALD().get_uncertainties(their_logits),
        "BAAL entropy, from logits": lambda: Entropy().get_uncertainties(their_logits),
        "BAAL BALD, from probabilities": lambda: BALD().get_uncertainties(theirs),
        "BAAL entropy, from probabilities": lambda: Entropy().get_uncertainties(theirs),
    }
    times = medians(ways, repetitions)
    for given in ("logits", "probabilities"):
        times[f"BAAL entropy + BALD, from {given}"] = (
            times[f"BAAL BALD, from {given}"] + times[f"BAAL entropy, from {given}"]
        )
    nats = math.log(CLASSES)
    entropy, information = entropy_and_information(logits)
    apart = max(
        float(np.abs(entropy.numpy() * nats - Entropy().get_uncertainties(theirs)).max()),
        float(np.abs(information.numpy() * nats - BALD().get_uncertainties(theirs)).max()),
    )
    rows: list[Row] = []
    for name, milliseconds in times.items():
        given = "probabilities" if name.endswith("probabilities") else "logits"
        ours = times[f"Qualm, from {given}"]
        row: dict[str, object] = {
            "what": WITH_BAAL[0] if "BAAL" not in name or "+" in name else WITH_BAAL[1],
            "implementation": name,
            "size": SIZE,
            "T": SAMPLES,
            "ms": milliseconds,
            "times_ours": milliseconds / ours,
        }
        if name == "Qualm, from logits":
            row["max_difference"] = apart
        rows.append(row)
    return rows


def memory_over_samples(samples: int) -> Row:
    generator = torch.Generator().manual_seed(SEED)

    def stream() -> None:
        counted = SampleStatistics()
        for _ in range(samples):
            counted.add_logits(torch.randn(1, 1, CLASSES, HEIGHT, WIDTH, generator=generator))

    return {
        "what": "memory, samples one by one",
        "implementation": "Qualm, sums of all seven scores",
        "size": SIZE,
        "T": samples,
        "peak_mib": cost_of(stream).mib,
    }


@torch.inference_mode()
def deterministic(network: SegmentationNetwork, image: torch.Tensor) -> torch.Tensor:
    """Return the class of each cell of an image by one pass, as a tool without uncertainty would."""
    pixels = (image[None].float() / 255).contiguous(memory_format=torch.channels_last)
    features, _ = network.encode(pixels)
    return network.decode(features, None)[0][0, 0].softmax(dim=0).max(dim=0).indices


def whole_image(repetitions: int) -> list[Row]:
    network = build_network(CLASSES, weights="none", generator=torch.Generator().manual_seed(SEED)).eval()
    image = torch.randint(
        256, (3, HEIGHT, WIDTH), dtype=torch.uint8, generator=torch.Generator().manual_seed(SEED)
    )

    def scored(noise: torch.Tensor | None) -> None:
        (prediction,) = predict_batch(network, [image], noise=noise, device="cpu")
        score_image(prediction)

    def drawn(samples: int) -> torch.Tensor | None:
        """Return the noise of a whole pool."""
        with torch.inference_mode():
            return network.draw_noise(samples, 1, torch.Generator().manual_seed(SEED))

    ways: dict[str, Callable[[], object]] = {
        str(samples): partial(scored, drawn(samples)) for samples in (DEFAULT_SAMPLES, SAMPLES)
    }
    with freed_memory_kept():  # As in a round; for both.
        times = medians({"1": lambda: deterministic(network, image), **ways}, repetitions)
    one_pass = times.pop("1")
    what = {"what": "whole image", "size": f"3×{HEIGHT}×{WIDTH}"}
    rows: list[Row] = [what | {"implementation": "deterministic pass", "T": 1, "ms": one_pass}]
    for samples, milliseconds in times.items():
        rows.append(
            what
            | {
                "implementation": "prediction and every score",
                "T": int(samples),
                "ms": milliseconds,
                "ms_over_one_pass": milliseconds - one_pass,
                "images_per_second": 1000 / milliseconds,
            }
        )
    return rows


def pool_scored(images: int) -> Row:
    """Score a pool whose files are 20 pictures in turn, as a round does."""
    network = build_network(CLASSES, weights="none", generator=torch.Generator().manual_seed(SEED)).eval()
    coarse = np.random.default_rng(SEED).integers(0, 256, (20, HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    files = []
    for picture in coarse:
        file = io.BytesIO()
        Image.fromarray(picture).resize((WIDTH, HEIGHT)).save(file, "JPEG", quality=90)
        files.append(file.getvalue())

    def read() -> Iterator[tuple[int, torch.Tensor]]:
        for number in range(images):
            yield number, decoded_image(files[number % len(files)])

    def summary(number: int, pixels: torch.Tensor, prediction: ImagePrediction) -> tuple[int, ImageScore]:
        return number, score_image(prediction)

    def score() -> None:
        with freed_memory_kept():
            list(predicted_pool(network, read(), summary, samples=DEFAULT_SAMPLES, seed=SEED, device="cpu"))

    cost = cost_of(score)
    return {
        "what": "a pool of JPEG files",
        "implementation": "read ahead, prediction and every score",
        "size": f"3×{HEIGHT}×{WIDTH}",
        "T": DEFAULT_SAMPLES,
        "images": images,
        "ms": 1000 * cost.seconds,
        "images_per_second": images / cost.seconds,
        "peak_mib": cost.mib,
    }


def pool(images: int) -> Candidates:
    """Images of 200 places with as much noise that neighbours are alike, in videos of 100."""
    generator = torch.Generator().manual_seed(SEED)
    places = torch.randn(200, EMBEDDING, generator=generator)
    own = places[torch.randint(200, (images,), generator=generator)]
    embeddings = F.normalize(own + 0.7 * torch.randn(images, EMBEDDING, generator=generator), dim=1)
    mass = torch.rand(images, CLASSES, generator=generator)
    return Candidates(
        scores=torch.rand(images, generator=generator, dtype=torch.float64),
        embeddings=embeddings,
        class_scores=torch.rand(images, CLASSES, generator=generator),
        class_mass=mass / mass.sum(dim=1, keepdim=True),
        gradients=torch.randn(images, 256, generator=generator),
        groups=torch.arange(images) // 100,
        positions=torch.arange(images),
        labelled_embeddings=embeddings[: min(100, images // 10)],
    )


def ranked(choice: str, images: int) -> Row:
    candidates = pool(images)

    def ordered() -> None:
        generator = torch.Generator().manual_seed(SEED)
        rank(candidates, choice, batch=BATCH, progress=0.5, generator=generator)

    with freed_memory_kept():  # As in a round.
        cost = cost_of(ordered)
    return {
        "what": "rank",
        "implementation": choice,
        "size": f"embeddings of {EMBEDDING}",
        "images": images,
        "ms": 1000 * cost.seconds,
        "images_per_second": images / cost.seconds,
        "peak_mib": cost.mib,
    }


def growing(work: Callable[..., Row], *arguments: str, sizes: list[int]) -> list[Row]:
    """Return the rows of growing numbers of images, with how many times as long as the fewest each takes."""
    rows = [in_new_process(work, *arguments, images) for images in sizes]
    first = float(str(rows[0]["ms"]))
    return [rows[0], *({**row, "times_the_smallest": float(str(row["ms"])) / first} for row in rows[1:])]


def main(
    quick: Annotated[bool, typer.Option(help="Few repetitions and small pools, for a look.")] = False,
    baal_alone: Annotated[bool, typer.Option(help="Measure that again; all other rows stay.")] = False,
    result: Annotated[Path, typer.Option(help="The CSV file.")] = RESULT,
) -> None:
    """Measure what scoring and ranking cost."""
    assert set(MAIN_CHOICES) <= set(CHOICES)
    measured = [
        *against_baal(2 if quick else 11, threads=1),
        *against_baal(2 if quick else 11, threads=torch.get_num_threads()),
    ]
    others = [row for row in read_rows(result) if row["what"] not in WITH_BAAL] if baal_alone else []
    measured += [] if baal_alone else rest(quick)
    write_rows(result, [*({**row, "seed": SEED, **about()} for row in measured), *others])
    print_rows(measured)


def rest(quick: bool) -> list[Row]:
    """Return the rows of what BAAL has no part in."""
    measured = [
        *(in_new_process(memory_over_samples, samples) for samples in (5, 20, 80)),
        *whole_image(3 if quick else 201),
        *growing(pool_scored, sizes=[20, 40] if quick else [200, 1000]),
    ]
    for choice in MAIN_CHOICES:
        measured += growing(ranked, choice, sizes=[1000, 4000] if quick else [1000, 10_000, 100_000])
    return measured


if __name__ == "__main__":
    typer.run(main)
