import math

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from core.recipes.class_queues import ClassQueues
from core.recipes.pixel_contrast import (
    ANCHORS,
    NEGATIVES,
    Pixels,
    class_rank,
    negative_mask,
    pixel_contrast,
    sample_rows,
)
from tests.core.small_network import seeded

PIXELS, CLASSES, WIDTH = 900, 21, 8


def random_pixels(device: torch.device, classes: int = CLASSES, present: list[int] | None = None) -> Pixels:
    """A third labelled by a person, a third with reliable pseudo-labels, the rest unreliable."""
    generator = seeded(2)
    allowed = torch.tensor(present or list(range(classes)))
    labels = allowed[torch.randint(len(allowed), (PIXELS,), generator=generator)]
    logits = torch.randn(PIXELS, classes, generator=generator) + 4 * F.one_hot(labels, classes)
    third = torch.arange(PIXELS) % 3
    labels = torch.where(third == 2, 255, labels)
    labels[::11] = torch.where(third[::11] == 0, 254, labels[::11])
    return Pixels(
        representations=torch.randn(PIXELS, WIDTH, generator=generator).to(device).requires_grad_(),
        keys=torch.randn(PIXELS, WIDTH, generator=generator).to(device),
        probabilities=logits.softmax(dim=1).to(device),
        labels=labels.to(torch.uint8).to(device),
        by_person=(third == 0).to(device),
        unreliable=(third == 2).to(device),
    )


def empty_queues(device: torch.device, classes: int = CLASSES, width: int = WIDTH) -> ClassQueues:
    return ClassQueues(classes, width, dtype=torch.float32).to(device)


def mask_of(pixels: Pixels) -> torch.Tensor:
    return negative_mask(pixels.probabilities, pixels.labels, pixels.unreliable, pixels.by_person)


def test_class_rank_counts_from_the_most_probable(device: torch.device) -> None:
    probabilities = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]], device=device)
    assert class_rank(probabilities).tolist() == [[2, 0, 1], [0, 2, 1]]
    ranks = class_rank(random_pixels(device).probabilities)
    assert (ranks.sort(dim=1).values == torch.arange(CLASSES, device=device)).all()


def test_labelled_negatives_exist_and_are_never_of_their_own_class(device: torch.device) -> None:
    # The release masks them with the pixel's own class and finds none, ever (its issue 171).
    pixels = random_pixels(device)
    labelled = pixels.by_person & (pixels.labels < CLASSES)
    negatives = mask_of(pixels)[labelled]
    assert (negatives.sum(dim=0) > 0).all()
    own = pixels.labels[labelled].long()[:, None]
    assert not negatives.gather(1, own).any()
    ranks = class_rank(pixels.probabilities)[labelled]
    expected = (ranks < 3).scatter(1, own, value=False)
    assert torch.equal(negatives, expected)


def test_unreliable_negatives_are_of_middle_rank_and_others_of_none(device: torch.device) -> None:
    pixels = random_pixels(device)
    mask, ranks = mask_of(pixels), class_rank(pixels.probabilities)
    middle = (ranks >= 3) & (ranks < 20)
    assert torch.equal(mask[pixels.unreliable], middle[pixels.unreliable])
    assert (mask[pixels.unreliable].sum(dim=1) == 17).all()
    assert not mask[~pixels.by_person & ~pixels.unreliable].any()  # reliable
    partial = pixels.by_person & (pixels.labels >= 254)
    assert partial.any()
    assert not mask[partial].any()


def test_unreliable_negatives_remain_when_classes_are_archived(device: torch.device) -> None:
    pixels = random_pixels(device)
    three = torch.arange(CLASSES, device=device) < 3
    probabilities = pixels.probabilities * three
    mask = mask_of(pixels._replace(probabilities=probabilities / probabilities.sum(dim=1, keepdim=True)))
    ranks = class_rank(probabilities)
    assert torch.equal(mask[pixels.unreliable], ((ranks >= 2) & (ranks < 20))[pixels.unreliable])
    assert mask[pixels.unreliable][:, three].any()


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_few_classes_still_have_negatives_of_both_kinds(device: torch.device, classes: int) -> None:
    # With r_l = 3 two classes have none, and the loss of the release is identically zero.
    pixels = random_pixels(device, classes)
    mask = mask_of(pixels)
    assert mask[pixels.unreliable].any(dim=0).all()
    assert mask[pixels.by_person].any()
    result = pixel_contrast(pixels, empty_queues(device, classes), seeded())
    assert result.live.all()
    assert result.loss > 0


def test_a_single_class_has_no_contrast(device: torch.device) -> None:
    pixels = random_pixels(device, 1)
    result = pixel_contrast(pixels, empty_queues(device, 1), seeded())
    assert not result.live.any()
    assert result.loss == 0
    result.loss.backward()


def permuted(pixels: Pixels, order: torch.Tensor) -> Pixels:
    """The same pixels when class c is called order[c]."""
    labels = pixels.labels.long()
    renamed = torch.where(labels < CLASSES, order[labels.clamp(max=CLASSES - 1)], labels)
    return pixels._replace(
        probabilities=pixels.probabilities[:, order.argsort()], labels=renamed.to(torch.uint8)
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_does_not_depend_on_the_numbers_of_the_classes(device: torch.device, seed: int) -> None:
    # The release pairs the anchors of class k with the queue of the k-th present class, and leaves out
    # classes whose number is not below the count of present ones (its issue 111).
    pixels = random_pixels(device, present=[3, 11, 17])
    order = torch.randperm(CLASSES, generator=seeded(seed)).to(device)
    queues, renamed_queues = (empty_queues(device) for _ in range(2))
    plain = pixel_contrast(pixels, queues, seeded())
    renamed = pixel_contrast(permuted(pixels, order), renamed_queues, seeded())
    assert plain.live.nonzero().flatten().tolist() == [3, 11, 17]
    assert torch.equal(renamed.live[order], plain.live)
    assert torch.allclose(renamed.loss, plain.loss, atol=1e-6)
    assert torch.allclose(renamed_queues.rows[order], queues.rows)
    for result in (plain, renamed):
        assert result.loss > 0


def certain_pixels(representations: torch.Tensor, key: torch.Tensor) -> Pixels:
    """Reliable pixels of class 0 alone, whose keys are all ``key``."""
    count = len(representations)
    nobody = torch.zeros(count, dtype=torch.bool, device=key.device)
    return Pixels(
        representations=representations,
        keys=key.expand(count, -1),
        probabilities=torch.tensor([1.0, 0.0, 0.0], device=key.device).expand(count, -1),
        labels=torch.zeros(count, dtype=torch.uint8, device=key.device),
        by_person=nobody,
        unreliable=nobody,
    )


def queues_of(row: torch.Tensor) -> ClassQueues:
    """Queues of three classes that hold the rows ``(n, D)`` each."""
    queues = empty_queues(row.device, 3, row.shape[1])
    queues.push(row.expand(3, -1, -1), torch.ones(3, len(row), dtype=torch.bool, device=row.device))
    return queues


def test_info_nce_of_perfect_of_worst_and_of_random_vectors(device: torch.device) -> None:
    key = torch.tensor([1.0, 0.0, 0.0, 0.0], device=device)
    anchors = key.expand(ANCHORS, -1)
    perfect = pixel_contrast(certain_pixels(anchors, key), queues_of(-key[None]), seeded()).loss
    assert math.isclose(perfect, math.log(1 + 50 * math.exp(-4)), abs_tol=1e-5)  # 0.650
    worst = pixel_contrast(certain_pixels(-anchors, key), queues_of(-key[None]), seeded()).loss
    assert math.isclose(worst, math.log(1 + 50 * math.exp(4)), abs_tol=1e-4)  # 7.912

    wide = torch.randn(1500, 256, generator=seeded()).to(device)
    start = pixel_contrast(
        certain_pixels(wide[:1000], wide[1000]), queues_of(F.normalize(wide[1001:])), seeded()
    )
    assert math.isclose(start.loss, math.log(NEGATIVES + 1), abs_tol=0.1)  # 3.93
    assert start.live.tolist() == [True, False, False]


def test_the_mean_is_over_live_classes_only(device: torch.device) -> None:
    # The release divides by all classes that are present, also by those it skips.
    key = torch.tensor([1.0, 0.0], device=device)
    pixels = certain_pixels(key.expand(40, -1), key)
    labels = torch.arange(40, dtype=torch.uint8, device=device) % 2
    both = pixels._replace(labels=labels, probabilities=F.one_hot(labels.long(), 3).float())
    queues = empty_queues(device, 3, 2)
    queues.push(-key.expand(3, 1, -1), torch.tensor([[True], [False], [True]], device=device))
    result = pixel_contrast(both, queues, seeded())
    assert result.live.tolist() == [True, False, False]
    assert math.isclose(result.loss, math.log(1 + 50 * math.exp(-4)), abs_tol=1e-5)


def test_uncertain_pixels_are_no_anchors(device: torch.device) -> None:
    key = torch.tensor([1.0, 0.0], device=device)
    pixels = certain_pixels(key.expand(40, -1), key)
    unsure = pixels._replace(probabilities=torch.tensor([0.25, 0.4, 0.35], device=device).expand(40, -1))
    assert not pixel_contrast(unsure, queues_of(-key[None]), seeded()).live.any()


def test_the_positive_is_the_mean_key_of_the_anchors_of_the_class(device: torch.device) -> None:
    representations, keys = F.normalize(torch.randn(2, 10, 4, generator=seeded()), dim=2).to(device)
    negative = torch.tensor([1.0, 0.0, 0.0, 0.0], device=device)
    labels = torch.tensor([0] * 7 + [1] * 3, device=device)
    probabilities = F.one_hot(labels, 3).float()
    probabilities[6] = torch.tensor([0.25, 0.4, 0.35])  # of class 0, but below δ_p
    pixels = certain_pixels(representations, negative)._replace(
        keys=keys, labels=labels, probabilities=probabilities
    )
    by_class = []
    for members in (range(6), range(7, 10)):
        positive = keys[list(members)].mean(dim=0)
        losses = []
        for member in members:
            alike = torch.exp(F.cosine_similarity(representations[member], positive, dim=0) / 0.5)
            unlike = torch.exp(F.cosine_similarity(representations[member], negative, dim=0) / 0.5)
            losses.append(-torch.log(alike / (alike + 50 * unlike)))
        by_class.append(sum(losses) / len(losses))
    found = pixel_contrast(pixels, queues_of(negative[None]), seeded())
    assert found.live.tolist() == [True, True, False]
    assert torch.allclose(found.loss, sum(by_class) / 2, rtol=1e-5)


def test_each_anchor_draws_fifty_negatives_of_its_own_from_all_of_the_queue(device: torch.device) -> None:
    # Anchors are at right angles to every negative, so the gradient tells how often each was drawn.
    anchor, *negatives = torch.eye(101, device=device)
    representations = anchor.repeat(200, 1).requires_grad_()
    pixel_contrast(
        certain_pixels(representations, anchor), queues_of(torch.stack(negatives)), seeded()
    ).loss.backward()
    assert representations.grad is not None
    pull = 1 / 200 / 0.5 / (math.exp(1 / 0.5) + 50)
    drawn = representations.grad[:, 1:] / pull
    assert torch.allclose(drawn, drawn.round(), atol=1e-3)
    assert (drawn.sum(dim=1).round() == 50).all()
    # With replacement, 50 draws of 100 find 39.5 different ones on average.
    assert (drawn > 0.5).sum(dim=1).min() > 25
    assert (drawn.sum(dim=0) > 0).all()
    assert len(drawn.round().unique(dim=0)) == 200


def test_without_negatives_the_loss_is_a_finite_zero_with_zero_gradient(device: torch.device) -> None:
    key = torch.tensor([1.0, 0.0], device=device)
    representations = torch.randn(5, 2, generator=seeded()).to(device).requires_grad_()
    result = pixel_contrast(certain_pixels(representations, key), empty_queues(device, 3, 2), seeded())
    result.loss.backward()
    assert result.loss == 0
    assert representations.grad is not None
    assert not representations.grad.any()


def test_gradients_reach_anchors_only_and_are_orthogonal_to_them(device: torch.device) -> None:
    pixels = random_pixels(device)
    keys = pixels.keys.requires_grad_()
    probabilities = pixels.probabilities.requires_grad_()
    queues = ClassQueues(CLASSES, WIDTH).to(device)
    pixel_contrast(pixels._replace(keys=keys, probabilities=probabilities), queues, seeded()).loss.backward()
    assert keys.grad is None
    assert probabilities.grad is None
    assert not queues.rows.requires_grad
    gradient = pixels.representations.grad
    assert gradient is not None
    assert gradient.any()
    assert not gradient[pixels.labels >= 254].any()
    along = (gradient * pixels.representations).sum(dim=1)
    assert along.abs().max() < 1e-6


def test_the_loss_does_not_depend_on_the_length_of_vectors(device: torch.device) -> None:
    pixels = random_pixels(device)
    longer = pixels._replace(representations=7 * pixels.representations, keys=0.1 * pixels.keys)
    losses = [pixel_contrast(p, empty_queues(device), seeded()).loss for p in (pixels, longer)]
    assert torch.allclose(losses[0], losses[1], atol=1e-4)


def test_sampled_rows_are_of_the_class_and_differ(device: torch.device) -> None:
    mask = (torch.rand(200, 4, generator=seeded()) < torch.tensor([0.9, 0.5, 0.02, 0.0])).to(device)
    indices, used = sample_rows(mask, 50, seeded(1))
    assert indices.shape == used.shape == (4, 50)
    assert torch.equal(used.sum(dim=1), mask.sum(dim=0).clamp(max=50))
    for index in range(4):
        chosen = indices[index][used[index]]
        assert mask[chosen, index].all()
        assert len(chosen.unique()) == len(chosen)
    assert sample_rows(mask[:3], 50, seeded(1))[0].shape == (4, 3)


def test_the_contrast_never_waits_for_the_device() -> None:
    with FakeTensorMode():  # which refuses to tell a value
        one = torch.ones(300, dtype=torch.bool)
        pixels = Pixels(
            representations=torch.randn(300, WIDTH, requires_grad=True),
            keys=torch.randn(300, WIDTH),
            probabilities=torch.rand(300, CLASSES),
            labels=torch.zeros(300, dtype=torch.uint8),
            by_person=one,
            unreliable=~one,
        )
        pixel_contrast(pixels, ClassQueues(CLASSES, WIDTH), seeded()).loss.backward()
