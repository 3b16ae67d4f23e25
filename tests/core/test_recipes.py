import math
from collections.abc import Callable
from typing import Literal

import pytest
import torch
import torch.nn.functional as F

from core.cells import enlarged
from core.class_weights import balanced_class_weights
from core.data import Batch, UnlabelledBatch
from core.model.network import NetworkOutput, SegmentationNetwork
from core.model.teacher import make_teacher
from core.recipes import consistency, supervised
from core.recipes.cross_entropy import (
    expected_cross_entropy,
    labelled_cross_entropy,
    mixture_cross_entropy,
    ohem_cross_entropy,
)
from core.recipes.reliability import balanced_cross_entropy
from core.recipes.step import StepInput
from core.train_config import TrainConfig
from tests.core.small_network import SeesColours, seeded, small_network

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
CONFIG = TrainConfig(samples_train=2, confidence=0.0, max_entropy=10.0)


def labelled_batch(device: torch.device, side: int = 32) -> Batch:
    images = torch.rand(2, 3, side, side, generator=seeded(3)).to(device)
    labels = torch.randint(0, 3, (2, side, side), generator=seeded(4)).to(device, torch.uint8)
    return Batch(images, labels, torch.arange(2))


def unlabelled_batch(device: torch.device, side: int = 32) -> UnlabelledBatch:
    images = torch.rand(2, 3, side, side, generator=seeded(5)).to(device)
    inside = torch.ones(2, side, side, dtype=torch.bool, device=device)
    inside[:, :8] = False
    return UnlabelledBatch(images, 1 - images, inside)


def step_input(
    student: SegmentationNetwork,
    teacher: SegmentationNetwork,
    labelled: Batch,
    unlabelled: UnlabelledBatch | None,
    config: TrainConfig = CONFIG,
) -> StepInput:
    return StepInput(student, teacher, labelled, unlabelled, config, 0.0, seeded())


def gradients(device: torch.device, labels: torch.Tensor, hidden: int) -> dict[str, torch.Tensor]:
    student = small_network().to(device).train()
    batch = labelled_batch(device)
    masked = torch.where(labels == 1, hidden, batch.labels).to(device, torch.uint8)
    result = supervised.step(step_input(student, student, Batch(batch.images, masked, batch.indices), None))
    result.loss.backward()
    return {name: p.grad.clone() for name, p in student.named_parameters() if p.grad is not None}


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two results are the same, to the bit but for the order in which a GPU adds."""
    if one.is_cuda and one.is_floating_point():
        return torch.allclose(one, other, rtol=1e-4, atol=1e-7)
    return torch.equal(one, other)


def test_not_labelled_and_void_pixels_train_nothing(device: torch.device) -> None:
    logits = torch.randn(3, 2, 4, 8, 8, generator=seeded()).to(device).requires_grad_()
    labels = torch.randint(0, 4, (2, 8, 8), generator=seeded(1)).to(device, torch.uint8)
    labels[0, :4], labels[0, 4:6] = 254, 255
    expected_cross_entropy(logits, labels).backward()
    assert logits.grad is not None
    assert not logits.grad[:, 0, :, :6].any()
    assert logits.grad[:, 0, :, 6:].any()

    one, other = (
        gradients(device, labelled_batch(device).labels, 254),
        gradients(device, labelled_batch(device).labels, 255),
    )
    assert one.keys() == other.keys()
    assert all(same(one[name], other[name]) for name in one)


@pytest.mark.parametrize("cross_entropy", [expected_cross_entropy, mixture_cross_entropy])
def test_nothing_labelled_is_a_finite_zero(cross_entropy: Loss, device: torch.device) -> None:
    logits = torch.randn(2, 1, 3, 8, 8, device=device, requires_grad=True)
    loss = cross_entropy(logits, torch.full((1, 16, 16), 254, dtype=torch.uint8, device=device))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_mixture_lies_between_the_mean_over_samples_and_the_best_one(device: torch.device) -> None:
    logits = torch.randn(4, 2, 3, 8, 8, generator=seeded()).to(device)
    labels = torch.randint(0, 3, (2, 8, 8), generator=seeded(1)).to(device, torch.uint8)
    labels[0, :3], labels[1, 0] = 254, 255
    mixture, mean = mixture_cross_entropy(logits, labels), expected_cross_entropy(logits, labels)
    best = torch.stack(
        [
            torch.stack([expected_cross_entropy(logits[[t]][:, [b]], labels[[b]]) for t in range(4)]).min()
            for b in range(2)
        ]
    )
    weight = (labels < 254).sum(dim=(1, 2)) / (labels < 254).sum()
    assert (best * weight).sum() <= mixture <= mean
    assert torch.allclose(
        mixture_cross_entropy(logits[:1], labels), expected_cross_entropy(logits[:1], labels)
    )
    alike = logits[:1].expand(4, -1, -1, -1, -1)
    assert torch.allclose(mixture_cross_entropy(alike, labels), expected_cross_entropy(alike, labels))


@pytest.mark.parametrize("pixel_weights", ["even", "balanced"])
def test_an_image_is_as_likely_as_its_samples_find_300_of_its_pixels_on_average(
    pixel_weights: Literal["even", "balanced"], device: torch.device
) -> None:
    # The samples nearly agree about the first image and not at all about the second.
    spread = torch.tensor([0.05, 1.0]).view(2, 1, 1, 1)
    logits = torch.randn(2, 4, 8, 8, generator=seeded()) + spread * torch.randn(
        3, 2, 4, 8, 8, generator=seeded(1)
    )
    labels = (torch.rand(2, 8, 8, generator=seeded(2)).square() * 4).to(torch.uint8)
    labels[0, :3], labels[1, 0] = 254, 255
    weights = torch.ones(4) if pixel_weights == "even" else balanced_class_weights(labels, 4)
    total, labelled = 0.0, 0
    for image in range(2):
        pixels = [(y, x) for y in range(8) for x in range(8) if labels[image, y, x] < 254]
        likelihoods = []
        for sample in logits.double().log_softmax(dim=2)[:, image]:
            surprise = 0.0
            for y, x in pixels:
                label = int(labels[image, y, x])
                surprise -= float(weights[label] * sample[label, y, x])
            likelihoods.append(math.exp(-300 * surprise / len(pixels)))
        total -= len(pixels) * math.log(sum(likelihoods) / 3) / 300
        labelled += len(pixels)
    found = labelled_cross_entropy(logits.to(device), labels.to(device), pixel_weights)
    assert math.isclose(found, total / labelled, rel_tol=1e-5)


def test_expected_cross_entropy_is_the_mean_over_samples(device: torch.device) -> None:
    logits = torch.randn(4, 2, 3, 8, 8, generator=seeded()).to(device)
    labels = torch.randint(0, 3, (2, 8, 8), generator=seeded(1)).to(device, torch.uint8)
    each = [torch.nn.functional.cross_entropy(sample, labels.long()) for sample in logits]
    expected = torch.stack(each).mean()
    assert torch.allclose(expected_cross_entropy(logits, labels), expected, atol=1e-6)
    of_mean = torch.nn.functional.cross_entropy(logits.mean(dim=0), labels.long())
    assert expected >= of_mean  # Jensen: the ELBO's term punishes samples that disagree


def test_pseudo_labels_need_confidence_and_low_entropy(device: torch.device) -> None:
    teacher = make_teacher(small_network().to(device))
    weak = unlabelled_batch(device)
    every, inside = consistency.pseudo_labels(teacher, weak, CONFIG, seeded())
    assert (every[inside] < 3).all()
    assert (every[~inside] == 255).all()
    for strict in (
        TrainConfig(samples_train=2, confidence=1.0, max_entropy=10.0),
        TrainConfig(samples_train=2, confidence=0.0, max_entropy=0.0),
    ):
        assert (consistency.pseudo_labels(teacher, weak, strict, seeded())[0] == 255).all()


def test_pseudo_labels_are_of_the_mean_probability_over_the_samples() -> None:
    # Two samples are sure of two classes: on average the teacher is sure of none, whatever its mean logit.
    logits = torch.tensor([[9.0, 0, 0], [0, 5, 0]])[:, None, :, None, None].expand(-1, 2, -1, 8, 8)
    output = NetworkOutput(logits, torch.zeros(2), torch.zeros(2, 1, 8, 8), torch.zeros(2, 1))
    views = unlabelled_batch(torch.device("cpu"))
    for confidence, kept in ((0.49, True), (0.51, False)):
        config = TrainConfig(confidence=confidence, max_entropy=10.0)
        found, inside = consistency.pseudo_labels(lambda *_, **__: output, views, config, seeded())
        assert ((found < 3) == (inside & kept)).all()


def test_consistency_learns_the_weak_views_labels_on_the_strong_views_under_cutmix(
    device: torch.device,
) -> None:
    views = unlabelled_batch(device)
    views.inside[1] = views.inside[1].mT.clone()
    weak = torch.where(views.inside[:, None], views.weak, -1.0)
    views = views._replace(weak=weak, strong=1 - weak)
    student, teacher = SeesColours(), SeesColours()
    config = TrainConfig(samples_train=1, confidence=0.35, max_entropy=10.0)
    result = consistency.step(step_input(student, teacher, labelled_batch(device), views, config))
    strong, pseudo = student.colours[2:], result.labels[2:]
    assert torch.allclose(teacher.colours, F.avg_pool2d(views.weak, 4))
    assert not torch.allclose(strong, 1 - teacher.colours)
    # The strong colour is 1 − the weak one, so the student's least probable class is the teacher's label.
    kept = pseudo < 254
    assert torch.equal(pseudo[kept].long(), strong.argmin(dim=1)[kept])
    inside = (strong <= 1).all(dim=1)
    share = kept.sum() / inside.sum()
    assert 0.2 < share < 0.8
    assert not (kept & ~inside).any()
    assert torch.allclose(result.parts["pseudo_labelled_share"], share)
    cross_entropy = F.cross_entropy(strong, pseudo.long(), ignore_index=255)
    assert torch.allclose(result.parts["unlabelled"], cross_entropy * share)


def test_consistency_trains_on_unlabelled_pixels_and_remembers_them_as_target_only(
    device: torch.device,
) -> None:
    student = small_network().to(device).train()
    teacher = make_teacher(student)
    result = consistency.step(step_input(student, teacher, labelled_batch(device), unlabelled_batch(device)))
    assert set(result.parts) == {"supervised", "unlabelled", "kl", "pseudo_labelled_share"}
    assert result.parts["unlabelled"] > 0
    assert 0 < result.parts["pseudo_labelled_share"] <= 1
    assert result.by_person.tolist() == [True, True, False, False]
    student.observe(result.features, result.labels, result.by_person, seeded())
    assert (student.head.target.filled >= student.head.context.filled).all()


def test_pseudo_labels_nobody_trusts_change_nothing(device: torch.device) -> None:
    config = TrainConfig(samples_train=2, confidence=1.1)
    losses, trained = [], []
    for seed in (1, 2):  # two teachers who do not agree
        student = small_network().to(device).train()
        teacher = make_teacher(small_network(seed=seed).to(device))
        at = step_input(student, teacher, labelled_batch(device), unlabelled_batch(device), config)
        result = consistency.step(at)
        assert result.parts["unlabelled"] == result.parts["pseudo_labelled_share"] == 0
        result.loss.backward()
        student.observe(result.features, result.labels, result.by_person, seeded())
        assert torch.equal(student.head.target.filled, student.head.context.filled)
        losses.append(result.loss.detach())
        trained.append([p.grad for p in student.parameters()] + list(student.buffers()))
    assert same(losses[0], losses[1])
    for one, other in zip(*trained, strict=True):
        assert (one is None and other is None) or same(one, other)


def test_teacher_gets_no_gradient_and_loss_is_the_weighted_sum_of_its_parts(device: torch.device) -> None:
    student = small_network().to(device).train()
    teacher = make_teacher(student)
    config = TrainConfig(samples_train=2, confidence=0, max_entropy=10, unlabelled_weight=0.5, kl_weight=2)
    features = torch.rand(2, 40, 8, 8, generator=seeded()).to(device)
    student.observe(
        features,
        torch.zeros(2, 8, 8, dtype=torch.uint8, device=device),
        torch.tensor([True, False], device=device),
    )
    student.observe(
        features[1:],
        torch.ones(1, 8, 8, dtype=torch.uint8, device=device),
        torch.tensor([False], device=device),
    )
    result = consistency.step(
        step_input(student, teacher, labelled_batch(device), unlabelled_batch(device), config)
    )
    parts = result.parts
    assert parts["kl"] > 0
    total = parts["supervised"] + 0.5 * parts["unlabelled"] + 2 * parts["kl"]
    assert math.isclose(float(result.loss.detach()), float(total), rel_tol=1e-5)
    result.loss.backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_without_unlabelled_images_consistency_is_supervised(device: torch.device) -> None:
    losses = []
    for step in (consistency.step, supervised.step):
        student = small_network().to(device).train()
        losses.append(step(step_input(student, make_teacher(student), labelled_batch(device), None)).loss)
    assert torch.equal(losses[0], losses[1])


@pytest.mark.parametrize("step", [consistency.step, supervised.step])
def test_recipes_take_the_linear_head(step: object, device: torch.device) -> None:
    student = small_network(head="linear").to(device).train()
    result = step(
        step_input(student, make_teacher(student), labelled_batch(device), unlabelled_batch(device))
    )
    result.loss.backward()
    assert result.parts["kl"] == 0
    student.observe(result.features, result.labels, result.by_person, seeded())


@pytest.mark.parametrize(
    "cross_entropy",
    [
        expected_cross_entropy,
        mixture_cross_entropy,
        lambda logits, labels: labelled_cross_entropy(logits, labels, "balanced"),
        lambda logits, labels: ohem_cross_entropy(logits, labels, share=0.1),
        lambda logits, labels: balanced_cross_entropy(logits, labels, torch.tensor(300)),
    ],
    ids=["expected", "mixture", "balanced", "ohem", "pseudo-labels"],
)
def test_padding_counts_nothing(cross_entropy: Loss, device: torch.device) -> None:
    logits = torch.randn(3, 2, 4, 10, 14, generator=seeded()).to(device)
    labels = torch.randint(0, 4, (2, 10, 14), generator=seeded(1)).to(device, torch.uint8)
    padded = torch.nn.functional.pad(labels, (0, 6, 3, 0), value=255)
    around = torch.randn(3, 2, 4, 13, 20, generator=seeded(2)).to(device)
    around[..., 3:, :14] = logits
    found, expected = cross_entropy(around, padded), cross_entropy(logits, labels)
    assert expected > 0
    assert torch.allclose(found, expected, rtol=1e-5)


def test_labels_of_images_meet_logits_of_cells_where_the_cells_are(device: torch.device) -> None:
    logits = torch.randn(1, 2, 4, 5, 7, generator=seeded()).to(device)
    labels = torch.randint(0, 4, (2, 20, 28), generator=seeded(1)).to(device, torch.uint8)
    expected = F.cross_entropy(enlarged(logits[0], 20, 28), labels.long())
    for cross_entropy in (expected_cross_entropy, mixture_cross_entropy):
        assert torch.allclose(cross_entropy(logits, labels), expected, rtol=1e-5)


def test_balanced_pixels_weigh_by_how_rare_their_class_is(device: torch.device) -> None:
    logits = torch.randn(1, 2, 3, 8, 8, generator=seeded()).to(device)
    labels = torch.zeros(2, 8, 8, dtype=torch.uint8, device=device)
    labels[:, 0, 0], labels[:, 1, :4] = 1, 254
    weights = balanced_class_weights(labels, 3)
    by_pixel = F.cross_entropy(logits[0], labels.long(), weights, ignore_index=254, reduction="none")
    expected = by_pixel.sum() / (labels != 254).sum()
    assert torch.allclose(labelled_cross_entropy(logits, labels, "balanced"), expected, rtol=1e-5)
    assert not torch.allclose(labelled_cross_entropy(logits, labels, "even"), expected, rtol=0.01)


def kept_pixels(logits: torch.Tensor, labels: torch.Tensor, share: float, threshold: float) -> torch.Tensor:
    logits = logits.clone().requires_grad_()
    ohem_cross_entropy(logits, labels, share, threshold).backward()
    assert logits.grad is not None
    return logits.grad.abs().sum(dim=(0, 2)) > 0


def test_ohem_keeps_the_hardest_labelled_pixels(device: torch.device) -> None:
    logits = 2 * torch.randn(2, 2, 4, 16, 16, generator=seeded()).to(device)
    labels = torch.randint(0, 4, (2, 16, 16), generator=seeded(1)).to(device, torch.uint8)
    labels[0, :8], labels[1, :2] = 254, 255
    labelled = labels < 254
    of_label = logits.softmax(dim=2).mean(dim=0)
    of_label = of_label.gather(1, torch.where(labelled, labels, 0).long()[:, None])[:, 0]

    share = 40 / int(labelled.sum())
    before = torch.zeros_like(labelled)
    for threshold in (0.0, 0.2, 0.5, 0.7, 1.0):  # monotone
        kept = kept_pixels(logits, labels, share, threshold)
        assert (kept | ~before).all()
        assert kept.sum() >= 40
        assert not kept[~labelled].any()
        assert torch.equal(kept, labelled & (of_label <= max(threshold, float(of_label[kept].max()))))
        before = kept
    assert torch.equal(kept, labelled)
    assert kept_pixels(logits, labels, share, 0.0).sum() == 40


def test_ohem_of_enough_pixels_is_the_cross_entropy(device: torch.device) -> None:
    logits = 5 * torch.randn(2, 1, 4, 8, 8, generator=seeded()).to(device)
    labels = torch.randint(0, 4, (1, 16, 16), generator=seeded(1)).to(device, torch.uint8)
    labels[:, :4] = 254
    plain = expected_cross_entropy(logits, labels)
    assert torch.allclose(ohem_cross_entropy(logits, labels, 1.0, threshold=0.0), plain)
    assert ohem_cross_entropy(logits, labels, 0.1) > plain
    nothing = torch.full_like(labels, 254)
    assert ohem_cross_entropy(logits, nothing, 0.1) == 0


def test_ohem_trains_by_at_least_a_share_of_the_pixels(device: torch.device) -> None:
    logits = 6 * torch.nn.functional.one_hot(
        torch.zeros(1, 1, 20, 20, device=device).long(), 3
    ).float().movedim(-1, 2)
    logits += torch.randn(logits.shape, generator=seeded()).to(device)
    logits.requires_grad_()
    labelled_cross_entropy(
        logits, torch.zeros(1, 20, 20, dtype=torch.uint8, device=device), "hardest"
    ).backward()
    assert logits.grad is not None
    assert (logits.grad.abs().sum(dim=2) > 0).sum() == 34  # 8.5 % of 400


def test_ohem_keeps_as_large_a_share_where_little_is_labelled(device: torch.device) -> None:
    logits = 5 * torch.randn(1, 2, 3, 40, 40, generator=seeded()).to(device)
    labels = torch.full((2, 40, 40), 254, dtype=torch.uint8, device=device)
    labels[:, :4, :10] = 1
    assert kept_pixels(logits, labels, 0.1, 0.0).sum() == 8
