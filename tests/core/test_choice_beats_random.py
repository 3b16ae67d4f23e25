"""A small world in which choosing images must pay: a sign error between pixel and order fails here.

Covered are prediction, pixel score, aggregation and batch choice. Not covered are the scores of classes,
which choose one of three images here, so the choice pays with their sign turned too (test_aggregation.py has
them), and what :func:`core.pool_ranking.rank_pool`, the worker and the storage make of the order.

Two of three images of the pool are near-duplicates of three plain scenes. One in twenty shows a gate, a class
whose colour lies between those of two others, so a network that never saw one is unsure about it.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Literal, NamedTuple

import pytest
import torch
import torch.nn.functional as F

from core.acquisition.aggregation import score_image
from core.acquisition.batch_choice import rank
from core.acquisition.candidates import Candidates
from core.model.classifier_np_head import ClassifierNPHead
from core.model.network import SegmentationNetwork
from core.predict import predict_batch
from core.uncertainty import confusion_matrix, mean_iou

HEIGHT, WIDTH = 24, 32
FIELD, BARN, POND, GATE = range(4)
COLOURS = torch.tensor([[0.25, 0.60, 0.20], [0.70, 0.30, 0.25], [0.20, 0.35, 0.75], [0.45, 0.33, 0.50]])
POOL, DUPLICATES, WITH_GATE = 150, 100, 8
START, BATCH, ROUNDS = 3, 3, 3
SEEDS = (0, 1, 2)

Order = Literal["chosen", "least uncertain", "random"]


class World(NamedTuple):
    """Images ``(N, 3, 24, 32)`` uint8 and their classes ``(N, 24, 32)`` uint8."""

    images: torch.Tensor
    truth: torch.Tensor


class RandomFeatures(torch.nn.Module):
    """Stands in for a pretrained encoder; the embedding is the image itself, small."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = torch.nn.Conv2d(3, 24, 1).requires_grad_(False)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        smooth = F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
        return [F.relu(self.mix(3 * smooth)), F.avg_pool2d(images, 4).flatten(1)[..., None, None]]


class FirstMap(torch.nn.Module):
    def forward(self, pyramid: list[torch.Tensor]) -> torch.Tensor:
        return pyramid[0]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The tensors are too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def scene(with_gate: bool, generator: torch.Generator) -> torch.Tensor:
    def between(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=generator))

    truth = torch.full((HEIGHT, WIDTH), FIELD)
    top, left = between(2, 12), between(1, 20)
    truth[top : top + 9, left : left + 11] = BARN
    row, column = torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)
    truth[(row - between(4, 20)) ** 2 + (column - between(4, 28)) ** 2 <= 20] = POND
    if with_gate:
        top, left = between(0, 18), between(0, 26)
        truth[top : top + 5, left : left + 5] = GATE
    return truth


def rendered(truths: list[torch.Tensor], generator: torch.Generator) -> World:
    truth = torch.stack(truths)
    light = 1 + 0.1 * torch.randn(len(truth), 1, 1, 1, generator=generator)
    noise = 0.1 * torch.randn(len(truth), 3, HEIGHT, WIDTH, generator=generator)
    images = COLOURS[truth].movedim(3, 1) * light + noise
    return World((255 * images.clamp(0, 1)).to(torch.uint8), truth.to(torch.uint8))


@cache
def pool_of(seed: int) -> World:
    generator = torch.Generator().manual_seed(seed)
    plain = [scene(False, generator) for _ in range(3)]
    duplicates = [plain[index % 3] for index in range(DUPLICATES)]
    others = [scene(index < WITH_GATE, generator) for index in range(POOL - DUPLICATES)]
    return rendered(duplicates + others, generator)


@cache
def unseen_images() -> World:
    generator = torch.Generator().manual_seed(99)
    return rendered([scene(index % 2 == 0, generator) for index in range(40)], generator)


def trained(world: World, labelled: tuple[int, ...]) -> SegmentationNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = ClassifierNPHead(24, 4, hidden=16)
        network = SegmentationNetwork(RandomFeatures(), FirstMap(), head, 4, 1, (0.4,) * 3, (1.0,) * 3)
    features = network.encode(world.images[list(labelled)].float() / 255)[0]
    labels = world.truth[list(labelled)]
    optimiser = torch.optim.Adam(head.parameters(), 0.02)
    for _ in range(60):
        loss = F.cross_entropy(head(features, None).logits[0], labels.long())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    by_person = torch.ones(len(labelled), dtype=torch.bool)
    head.observe(features, labels, by_person, images=torch.arange(len(labelled)))
    return network.eval()


@cache
def candidates_after(seed: int, labelled: tuple[int, ...]) -> Candidates:
    """Return all other images of the pool, scored by a network that learned the labelled ones."""
    world = pool_of(seed)
    pool = [index for index in range(POOL) if index not in labelled]
    network = trained(world, labelled)
    noise = network.draw_noise(8, 1, torch.Generator().manual_seed(0))
    predictions = predict_batch(network, list(world.images[pool]), noise=noise, device="cpu")
    return Candidates.of([score_image(prediction) for prediction in predictions])


@cache
def reached_at_random(seed: int) -> float:
    return reached("random", "random", seed)


@cache
def reached(choice: str, order: Order, seed: int) -> float:
    """Label in rounds and return the final test mIoU, in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    labelled = torch.randperm(POOL, generator=generator)[:START].tolist()
    for number in range(ROUNDS):
        pool = [index for index in range(POOL) if index not in labelled]
        if order == "random":
            places = torch.randperm(len(pool), generator=generator).tolist()
        else:
            candidates = candidates_after(seed, tuple(labelled))
            if order == "least uncertain":
                class_scores = candidates.class_scores
                assert class_scores is not None
                candidates = replace(
                    candidates, scores=1 - candidates.scores, class_scores=class_scores.max() - class_scores
                )
            progress = number / (ROUNDS - 1)
            places = rank(candidates, choice, batch=BATCH, progress=progress, generator=generator)
        labelled += [pool[place] for place in places[:BATCH]]
    network, unseen = trained(pool_of(seed), tuple(labelled)), unseen_images()
    with torch.inference_mode():
        features = network.encode(unseen.images.float() / 255)[0]
        class_map = network.decode(features, None)[0][0].argmax(dim=1)
    return mean_iou(confusion_matrix(class_map, unseen.truth, 4))


def mean_gain(choice: str, other: Order) -> float:
    """Return how far the choice is above another order, in points of mIoU, averaged over the seeds."""
    gains = []
    for seed in SEEDS:
        compared = reached_at_random(seed) if other == "random" else reached(choice, other, seed)
        gains.append(reached(choice, "chosen", seed) - compared)
    return 100 * sum(gains) / len(gains)


@pytest.mark.parametrize("choice", ["clasp_pe", "score_diversity"])
def test_choosing_beats_random(choice: str) -> None:
    assert mean_gain(choice, "random") > 5


@pytest.mark.parametrize("choice", ["clasp_pe", "score_diversity"])
def test_the_most_uncertain_are_worth_more_than_the_least_uncertain(choice: str) -> None:
    assert mean_gain(choice, "least uncertain") > 5
