"""How good the uncertainty is: ``python benchmarks/uncertainty.py --data ../shared/data/camvid``.

CamVid under a frozen encoder (see ``frozen_encoder.py``), trained on 37 labelled images with one recipe and
budget: the NP head against plain softmax, MC dropout in the head, MC dropout in the whole network, and an
ensemble; then the NP head with one thing changed at a time. Quality is measured on all 233 test images at
240×180, in paired seeds. What was measured is written at once, and not measured again.
"""

from __future__ import annotations

import copy
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import frozen_camvid
import frozen_encoder
from bilinear import bilinear_suggestion
from csv_rows import Row, about, done_rows, write_rows
from frozen_camvid import CLASSES, HEIGHT, WIDTH
from frozen_encoder import DECODER, ENCODER, FrozenImages, FrozenNetwork, frozen_network

from core.acquisition.pixel_scores import SampleStatistics
from core.class_weights import mean_class_weights
from core.data import label_to_size
from core.model.aggregator import AttentionAggregator, Description
from core.model.class_memory import Centres
from core.model.classifier_np_head import ClassifierNPHead
from core.model.conditioned_decoder import ConditionedDecoder
from core.model.head import Head, HeadOutput, Latent
from core.model.labelled_evidence import NO_IMAGE
from core.model.latent_encoder import Gaussian, gaussian_kl
from core.model.linear_head import LinearHead
from core.model.network import SegmentationNetwork, build_network
from core.model.np_head import NPHead
from core.recipes import supervised
from core.recipes.cross_entropy import labelled_cross_entropy
from core.recipes.step import StepInput, StepResult
from core.train_config import TrainConfig
from core.uncertainty import UncertaintyQuality

RESULT = ROOT / "benchmarks" / "results" / "uncertainty.csv"
LABELLED = 37
SAMPLES = 20
NATS = math.log(len(CLASSES))
"""The mutual information of a pixel is divided by it."""
CONFIG = TrainConfig(recipe="supervised", steps=150, batch_size=8, learning_rate=3e-3, samples_train=3)
SETTINGS: Row = {"labelled": LABELLED, "steps": CONFIG.steps, "pixel_weights": CONFIG.pixel_weights}
"""Columns that must agree for a row to count as done."""
FREE_NATS = 3.2
"""0.1 for each dimension of z."""
DROPOUT = 0.2
REPETITIONS = 31
SMALL_CONTEXT = 8
"""Rows of each class, or labelled images, in a small context set."""

ONE_PASS = "softmax, linear head"
TARGET_LATENT = "NP, target latent at test"

SHOWN = "least confidence"
"""The map that a person sees: the chance that the suggested class is wrong."""

Probabilities = Callable[[Tensor], Tensor]
"""Turns packed images ``(B, 704, 11, 15)`` into probabilities ``(T, B, C, 44, 60)``."""


class HiddenHead(LinearHead):
    """The NP head's decoder without the neural process: the same layers, nothing conditions them."""

    def __init__(self, channels: int, class_count: int, dropout: float = 0.0, hidden: int = 64) -> None:
        super().__init__(channels, class_count)
        self.classify = nn.Sequential(  # type: ignore[assignment]
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.GroupNorm(8, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(hidden, class_count, 1),
        )


class DropoutBeforeDecoder(FrozenNetwork):
    """Dropout on the encoder's maps and on the decoder's, besides that in the head."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, embedding = super().encode(F.dropout(images.float(), DROPOUT / 2, self.dropping))
        return F.dropout(features, DROPOUT, self.dropping), embedding

    @property
    def dropping(self) -> bool:
        """Whether the head's dropout is on."""
        return next(layer for layer in self.head.modules() if isinstance(layer, nn.Dropout)).training


class WholeContextHead(NPHead):
    """Every training step sees the whole context, as in the release."""

    def draw_context_set(self, generator: torch.Generator | None) -> Tensor:
        return torch.ones(self.context.rows.shape[:2], dtype=torch.bool)


class NormAfterLatentHead(NPHead):
    """An InstanceNorm after z and r, where the release has it."""

    def __init__(self, channels: int, class_count: int) -> None:
        super().__init__(channels, class_count)
        hidden = self.decoder.classify.in_features
        self.decoder.classify = nn.Sequential(NormOverPixels(), nn.Linear(hidden, class_count))  # type: ignore[assignment]


class LatentBeforeNorm(ConditionedDecoder):
    """Adds a linear map of z and r before the normalisation; nothing scales or shifts after it."""

    def __init__(self, channels: int, latent: int, width: int, class_count: int, hidden: int = 64) -> None:
        super().__init__(channels, latent, width, class_count, hidden)
        self.film = nn.Linear(latent + width, hidden)

    def forward(self, features: Tensor, z: Tensor, r: Tensor) -> Tensor:
        convolution, norm = self.shared
        condition = torch.cat([z, r.expand(len(z), -1, -1)], dim=2)
        entered = convolution(features) + self.film(condition)[..., None, None]
        hidden = F.relu(norm(entered.flatten(0, 1))).reshape(entered.shape)
        logits: Tensor = self.classify(hidden.movedim(2, -1))
        return logits.movedim(-1, 2)


class LatentBeforeNormHead(NPHead):
    """z enters before the decoder's GroupNorm."""

    def __init__(self, channels: int, class_count: int) -> None:
        super().__init__(channels, class_count)
        width = self.decoder.film.in_features - self.latent
        self.decoder = LatentBeforeNorm(channels, self.latent, width, class_count)


class ChannelAttention(AttentionAggregator):
    """Every channel of a pixel attends to the class centres by itself, as in the release."""

    def forward(self, queries: Tensor, centres: Tensor, valid: Tensor) -> Description:
        pixels = queries.float().flatten(2).transpose(1, 2)[:, :, None]
        closeness = -(pixels - centres).square().masked_fill(~valid[:, None], torch.inf)
        attention = closeness.softmax(dim=2).nan_to_num().mean(dim=1)
        return Description((attention * centres).sum(dim=1), attention.mean(dim=2))


class ChannelAttentionHead(NPHead):
    """Images are described by attention of each channel."""

    def __init__(self, channels: int, class_count: int) -> None:
        super().__init__(channels, class_count)
        self.aggregator = ChannelAttention()


class PixelLatentHead(NPHead):
    """A latent of each pixel, from what it attends to itself; the pixels of a sample share their noise."""

    def forward(
        self,
        features: Tensor,
        noise: Tensor | None = None,
        *,
        latent: Latent = "context",
        context_set: Tensor | None = None,
    ) -> HeadOutput:
        assert noise is not None
        queries = self.projector(features.detach())
        _, posterior = self._described(queries, self.target.centres())
        by_context, prior = self._described(queries, self.context.centres(context_set))
        drawn_from = posterior if latent == "target" else prior
        (batch, _, height, width), samples = features.shape, len(noise)
        of_pixels = noise.expand(-1, batch, -1).repeat_interleave(height * width, dim=1)
        z = drawn_from.mean + drawn_from.std * of_pixels
        condition = torch.cat([z, by_context.vector.expand(samples, -1, -1)], dim=2)
        scale, shift = self.decoder.film(condition).unflatten(1, (batch, -1)).chunk(2, dim=3)
        pixels = self.decoder.shared(features).flatten(2).mT
        logits = self.decoder.classify(F.relu(torch.addcmul(shift, 1 + scale, pixels)))
        kl = gaussian_kl(posterior, prior).view(batch, -1).mean(dim=1)
        comparable = self.target.filled.any() & self.context.filled.any()
        return HeadOutput(logits.mT.unflatten(3, (height, width)), kl * comparable)

    def _described(self, queries: Tensor, centres: Centres) -> tuple[Description, Gaussian]:
        """Describe each of ``(B, D, h, w)`` queries as if it were an image, ``(B · h · w, …)``."""
        return super()._described(queries.movedim(1, 3).flatten(0, 2)[:, :, None, None], centres)


class NormOverPixels(nn.Module):
    """InstanceNorm without affine of ``(T, B, pixels, channels)``."""

    def forward(self, hidden: Tensor) -> Tensor:
        mean, variance = hidden.mean(dim=2, keepdim=True), hidden.var(dim=2, keepdim=True, unbiased=False)
        return (hidden - mean) / (variance + 1e-5).sqrt()


def elbo_step(at: StepInput) -> StepResult:
    """Minimise the mean over samples instead of the mixture: every sample explains every image."""
    config, labels = at.config, at.labelled.labels
    output = at.student(at.labelled.images, samples=config.samples_train, generator=at.generator)
    alone = [labelled_cross_entropy(one[None], labels, config.pixel_weights) for one in output.logits]
    loss = torch.stack(alone).mean() + config.kl_weight * output.kl.mean()
    by_person = torch.ones(len(labels), dtype=torch.bool)
    return StepResult(loss, {}, output.features.detach(), labels, by_person)


def with_kl(at: StepInput, kl_term: Callable[[Tensor], Tensor]) -> StepResult:
    """Take a supervised step whose KL enters the loss as ``kl_term`` of it, ``(B,)`` nats."""
    config, labels = at.config, at.labelled.labels
    output = at.student(at.labelled.images, samples=config.samples_train, generator=at.generator)
    loss = labelled_cross_entropy(output.logits, labels, config.pixel_weights) + kl_term(output.kl)
    return StepResult(loss, {}, output.features.detach(), labels, torch.ones(len(labels), dtype=torch.bool))


def free_bits_step(at: StepInput) -> StepResult:
    """Let the first nats of an image's KL cost nothing, and the rest ten times as much as usual."""
    weight = 10 * at.config.kl_weight
    return with_kl(at, lambda kl: weight * (kl - FREE_NATS).clamp(min=0).mean())


def kl_warm_up_step(at: StepInput) -> StepResult:
    """Let the KL's weight rise from nothing to ten times the usual one over the first half."""
    weight = 10 * at.config.kl_weight * min(1.0, 2 * at.progress)
    return with_kl(at, lambda kl: weight * kl.mean())


@torch.inference_mode()
def quality(probabilities: Probabilities, data: FrozenImages, class_weights: Tensor) -> dict[str, float]:
    """Measure all test images; ``class_weights``, ``(C,)``, are what the classes weighed in training."""
    collected = UncertaintyQuality(len(CLASSES))
    truth = label_to_size(data.test_labels, 180, 240)
    mean_mi = 0.0
    for images, labels in zip(torch.split(data.test, 8), torch.split(truth, 8), strict=True):
        statistics_ = SampleStatistics()
        statistics_.add(probabilities(images))
        maps = torch.cat(
            [
                statistics_.mean(),
                statistics_.predictive_entropy()[:, None],
                statistics_.mutual_information()[:, None],
            ],
            dim=1,
        )
        mean_mi += NATS * float(statistics_.mutual_information().mean(dim=(1, 2)).sum())
        enlarged = F.interpolate(maps, size=labels.shape[1:], mode="bilinear", align_corners=False)
        for of_cells, one, label in zip(statistics_.mean(), enlarged, labels, strict=True):
            entropy, information = one[-2].clamp(min=0), one[-1].clamp(min=0)
            confidence = bilinear_suggestion(of_cells, class_weights, *label.shape).confidence
            shown = {"entropy": entropy, "mutual information": information, SHOWN: 1 - confidence}
            collected.add(one[:-2], shown, label)
    return measures(collected, mean_mi / len(truth))


def measures(collected: UncertaintyQuality, mean_mi: float) -> dict[str, float]:
    """Return the columns of a file for maps ``entropy``, ``mutual information`` and, if there, SHOWN."""
    result = collected.result()
    entropy, information = result.maps["entropy"], result.maps["mutual information"]
    columns = {
        "miou": result.miou,
        "error_auroc": entropy.error_auroc,
        "error_aupr": entropy.error_aupr,
        "aurc": entropy.aurc,
        "spearman": entropy.spearman_pixel_error,
        "spearman_miou": entropy.spearman,
        "mi_auroc": information.error_auroc,
        "mi_spearman": information.spearman_pixel_error,
        "mean_mi": mean_mi,
        "ece": result.ece,
        "classwise_ece": result.classwise_ece,
        "nll": result.nll,
        "brier": result.brier,
        "pavpu": float(entropy.pavpu.pavpu.nanmean()),
    }
    if SHOWN in result.maps:
        shown = result.maps[SHOWN]
        columns |= {
            "confidence_auroc": shown.error_auroc,
            "confidence_aurc": shown.aurc,
            "confidence_spearman": shown.spearman_pixel_error,
        }
    return columns


def decoded(network: SegmentationNetwork, samples: int = SAMPLES, encoded_once: bool = True) -> Probabilities:
    """Return the product's way to probabilities: encode once, decode every sample."""

    def probabilities(images: Tensor) -> Tensor:
        noise = network.draw_noise(samples, 1, torch.Generator().manual_seed(0))
        if encoded_once:
            return network.decode(network.encode(images)[0], noise)[0].softmax(dim=2)
        passes = [network.decode(network.encode(images)[0], None)[0] for _ in range(samples)]
        return torch.cat(passes).softmax(dim=2)

    return probabilities


def head_dropout(network: SegmentationNetwork) -> Probabilities:
    """Encode once, then run the head with dropout T times."""

    def probabilities(images: Tensor) -> Tensor:
        features = network.encode(images)[0]
        return torch.cat([network.decode(features, None)[0] for _ in range(SAMPLES)]).softmax(dim=2)

    return probabilities


def with_target_latent(network: SegmentationNetwork) -> Probabilities:
    """Draw z from q(z | target) in evaluation too, as the release does."""

    def probabilities(images: Tensor) -> Tensor:
        noise = network.draw_noise(SAMPLES, 1, torch.Generator().manual_seed(0))
        logits: Tensor = network.head(network.encode(images)[0], noise, latent="target").logits
        return logits.softmax(dim=2)

    return probabilities


def switch_dropout(network: SegmentationNetwork, on: bool) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.train(on)


@torch.inference_mode()
def np_figures(network: SegmentationNetwork, data: FrozenImages) -> dict[str, float]:
    """Return how alive the latent is: active dimensions, and mean MI with a small and the whole context.

    Every fourth test image is looked at. A dimension is active when its mean varies over images by more than
    0.01 (Burda et al. 2016).
    """
    head = network.head
    if isinstance(head, ClassifierNPHead):
        return {
            "mean_mi_small_context": mean_information(with_images(network, SMALL_CONTEXT), data),
            "mean_mi_whole_context": mean_information(network, data),
        }
    assert isinstance(head, NPHead)
    few = torch.zeros(head.context.rows.shape[:2], dtype=torch.bool)
    few[:, :SMALL_CONTEXT] = True
    noise = head.draw_noise(SAMPLES, 1, torch.Generator().manual_seed(0))
    means, information = [], {"small": 0.0, "whole": 0.0}
    some = data.test[::4]
    for images in torch.split(some, 8):
        features = network.encode(images)[0]
        queries = head.projector(features)
        means.append(head._described(queries, head.context.centres())[1].mean)
        for name, chosen in (("small", few), ("whole", None)):
            sampled = SampleStatistics()
            sampled.add(head(features, noise, latent="context", context_set=chosen).logits.softmax(dim=2))
            mean_mi = float(sampled.mutual_information().mean(dim=(1, 2)).sum()) / len(some)
            information[name] += NATS * mean_mi
    return {
        "active_dimensions": int((torch.cat(means).var(dim=0) > 0.01).sum()),
        "mean_mi_small_context": information["small"],
        "mean_mi_whole_context": information["whole"],
    }


def with_images(network: SegmentationNetwork, count: int) -> SegmentationNetwork:
    """Return the network with its first ``count`` labelled images alone as evidence."""
    smaller = copy.deepcopy(network)
    assert isinstance(smaller.head, ClassifierNPHead)
    smaller.head.evidence.labelled_images.fill_(count)
    smaller.head.evidence.moments[count:] = 0
    smaller.head.evidence.keys[count:] = NO_IMAGE
    return smaller


def mean_information(network: SegmentationNetwork, data: FrozenImages) -> float:
    """Return the mean MI over every fourth test image, nats."""
    some, total = data.test[::4], 0.0
    for images in torch.split(some, 8):
        sampled = SampleStatistics()
        sampled.add(decoded(network)(images))
        total += NATS * float(sampled.mutual_information().mean(dim=(1, 2)).sum())
    return total / len(some)


def trained(
    head: Callable[[int, int], Head],
    seed: int,
    data: FrozenImages,
    config: TrainConfig = CONFIG,
    step: Callable[[StepInput], StepResult] = supervised.step,
    kind: type[FrozenNetwork] = FrozenNetwork,
    member: int = 0,
) -> SegmentationNetwork:
    """Train one network; ``member`` changes its initial values and nothing else."""
    network = frozen_network(head, len(CLASSES), seed + 100 * member, kind=kind)
    labelled = frozen_encoder.labelled_indices(LABELLED, seed, len(data))
    return frozen_encoder.train(network, step, replace(config, seed=seed), data, labelled)[0]


def dropping(channels: int, class_count: int) -> HiddenHead:
    return HiddenHead(channels, class_count, DROPOUT)


RIVALS = (
    ONE_PASS,
    "softmax, hidden layer",
    "ensemble of 3",
    "MC dropout, head",
    "MC dropout, whole network",
)


def rivals(seed: int, data: FrozenImages) -> Iterator[tuple[str, Probabilities]]:
    """Yield the NP head's rivals, trained."""
    yield ONE_PASS, decoded(trained(LinearHead, seed, data))
    members = [decoded(trained(HiddenHead, seed, data, member=member)) for member in range(3)]
    yield "softmax, hidden layer", members[0]
    yield "ensemble of 3", lambda images: torch.cat([member(images) for member in members])
    torch.manual_seed(seed)
    network = trained(dropping, seed, data)
    switch_dropout(network, True)
    yield "MC dropout, head", head_dropout(network)
    network = trained(dropping, seed, data, kind=DropoutBeforeDecoder)
    switch_dropout(network, True)
    yield "MC dropout, whole network", decoded(network, encoded_once=False)


NEURAL_PROCESSES: dict[str, dict[str, Any]] = {
    "NP, latent classifier": {"head": ClassifierNPHead},
    "NP": {"head": NPHead},
    "NP, no KL": {"head": NPHead, "config": replace(CONFIG, kl_weight=0.0)},
    "NP, whole context in training": {"head": WholeContextHead},
    "NP, InstanceNorm after z": {"head": NormAfterLatentHead},
    "NP, mean over samples": {"head": NPHead, "step": elbo_step},
    "NP, z before the norm": {"head": LatentBeforeNormHead},
    "NP, attention of each channel": {"head": ChannelAttentionHead},
    "NP, latent of each pixel": {"head": PixelLatentHead},
    "NP, free bits": {"head": NPHead, "step": free_bits_step},
    "NP, KL warm-up": {"head": NPHead, "step": kl_warm_up_step},
}
"""What is trained, by name: the product's heads, then the latter with one thing changed."""


def measured(name: str, seed: int, data_folder: Path) -> list[Row]:
    """Train and measure one neural process, or all rivals, in a process of its own."""
    torch.set_num_threads(1)
    data = frozen_camvid.load(data_folder)
    labelled = frozen_encoder.labelled_indices(LABELLED, seed, len(data))
    label_maps = list(data.labels[labelled])
    weights = mean_class_weights(label_maps, CONFIG.pixel_weights, len(CLASSES), CONFIG.batch_size)

    def row(method: str, probabilities: Probabilities) -> Row:
        return {"method": method, "seed": seed, **quality(probabilities, data, weights)}

    if name == "rivals":
        return [row(rival, probabilities) for rival, probabilities in rivals(seed, data)]
    network = trained(seed=seed, data=data, **NEURAL_PROCESSES[name])
    figures = np_figures(network, data)
    rows: list[Row] = [{**row(name, decoded(network)), **figures}]
    if name == "NP":
        rows.append({**row(TARGET_LATENT, with_target_latent(network)), **figures})
    return rows


def milliseconds(device: str = "cpu", height: int = HEIGHT, width: int = WIDTH) -> dict[str, float]:
    """Return the median time per image of ways to predict, with the encoder, T = 20."""
    image = torch.rand(1, 3, height, width, device=device).contiguous(memory_format=torch.channels_last)

    def built(head: LinearHead | ClassifierNPHead | None = None) -> SegmentationNetwork:
        network = build_network(len(CLASSES), encoder=ENCODER, decoder=DECODER, head="linear", weights="none")
        if head is not None:
            network.head = head
        return network.to(device).to(memory_format=torch.channels_last).eval()

    process = build_network(len(CLASSES), encoder=ENCODER, decoder=DECODER, head="np", weights="none").eval()
    process.to(device).to(memory_format=torch.channels_last)
    channels = process.encode(image)[0].shape[1]
    classifier = ClassifierNPHead(channels, len(CLASSES))
    classifier.evidence.observe(torch.ones(1, 1, 65), torch.ones(1, 1), torch.tensor([0]))
    hidden, dropped = built(HiddenHead(channels, 11)), built(HiddenHead(channels, 11, DROPOUT))
    switch_dropout(dropped, True)
    ways = {
        ONE_PASS: decoded(built()),
        "softmax, hidden layer": decoded(hidden),
        "ensemble of 3": decoded(hidden, samples=3, encoded_once=False),
        "MC dropout, head": head_dropout(dropped),
        "MC dropout, whole network": decoded(dropped, encoded_once=False),
        "NP, latent classifier": decoded(built(classifier)),
        "NP": decoded(process),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        # In turns, so that a slow phase of the machine meets all of them.
        for repetition in range(REPETITIONS + 2):
            for name, probabilities in ways.items():
                began = time.perf_counter()
                sampled = SampleStatistics()
                sampled.add(probabilities(image))
                sampled.predictive_entropy(), sampled.mutual_information()
                if device == "cuda":
                    torch.cuda.synchronize()
                if repetition >= 2:
                    times[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}


def main(
    data: Annotated[Path, typer.Option(help="The CamVid folder.")],
    seeds: Annotated[int, typer.Option(help="How many, from 0.")] = 3,
    jobs: Annotated[int, typer.Option(help="Processes at once, one thread each.")] = 2,
    result: Annotated[Path, typer.Option(help="The CSV file.")] = RESULT,
    only: Annotated[list[str] | None, typer.Option(help="Names, or rivals; all by default.")] = None,
) -> None:
    """Measure the uncertainty of the NP heads and of their rivals on CamVid."""
    origin = about()
    rows, _ = done_rows(result, SETTINGS)
    done = {(row["method"], int(str(row["seed"]))) for row in rows}
    wanted = [
        (name, seed)
        for seed in range(seeds)
        for name in only or ["rivals", *NEURAL_PROCESSES]
        if (ONE_PASS if name == "rivals" else name, seed) not in done
    ]
    times = milliseconds() if wanted else {}
    frozen_camvid.load(data)
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        tasks = [pool.submit(measured, name, seed, data) for name, seed in wanted]
        for number, task in enumerate(as_completed(tasks), start=1):
            rows += completed(task.result(), times, origin)
            print(f"{number} of {len(tasks)}", rows[-1]["method"], flush=True)
            write_rows(result, in_order(rows))
    print_table(in_order(rows))


def completed(rows: list[Row], times: dict[str, float], origin: Row) -> list[dict[str, object]]:
    """Return the rows with times and where they come from."""
    one_pass = times[ONE_PASS]
    result: list[dict[str, object]] = []
    for row in rows:
        cost: dict[str, object] = {}
        if row["method"] in times:
            took = times[str(row["method"])]
            cost = {"ms_per_image": took, "times_one_pass": took / one_pass}
        result.append({**row, **cost, **SETTINGS, **origin})
    return result


def in_order(rows: list[Row]) -> list[Row]:
    """Return the rows in the order of the table."""
    others = [name for name in NEURAL_PROCESSES if name != "NP"]
    methods = [*RIVALS, others.pop(0), "NP", TARGET_LATENT, *others]
    return sorted(rows, key=lambda row: (methods.index(str(row["method"])), int(str(row["seed"]))))


def print_table(rows: list[Row]) -> None:
    table = Table(title="CamVid, frozen encoder, mean over seeds")
    columns = (
        "miou",
        "error_auroc",
        "aurc",
        "spearman",
        "mi_spearman",
        "mean_mi",
        "ece",
        "nll",
        "ms_per_image",
    )
    for name in ("method", *columns):
        table.add_column(name)
    for method in dict.fromkeys(str(row["method"]) for row in rows):
        own = [row for row in rows if row["method"] == method]
        known = [[float(str(row[name])) for row in own if row.get(name)] for name in columns]
        table.add_row(method, *(f"{statistics.mean(values):.4g}" if values else "" for values in known))
    Console(width=150).print(table)


if __name__ == "__main__":
    typer.run(main)
