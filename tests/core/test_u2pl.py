import dataclasses
from pathlib import Path
from typing import Literal

import pytest
import torch
import torch.nn.functional as F

from core.acquisition.pixel_scores import entropy_of
from core.data import Batch, UnlabelledBatch
from core.model.network import NetworkOutput, SegmentationNetwork, build_network
from core.model.teacher import make_teacher, update_teacher
from core.predict import predict
from core.recipes import consistency, supervised, u2pl
from core.recipes.cross_entropy import expected_cross_entropy, labelled_cross_entropy
from core.recipes.pixel_contrast import Contrast, Pixels, pixel_contrast
from core.recipes.step import StepInput
from core.train import Training
from core.train_config import TrainConfig
from core.warm_start import load_teacher
from core.worker import run_round
from storage import round_requests, rounds
from storage.workspace import Workspace
from tests.core.blocks_project import TINY, blocks_project
from tests.core.small_network import (
    SeesColours,
    classes_of_pixels,
    run_steps,
    seeded,
    small_network,
    striped_data,
)

CONFIG = TrainConfig(recipe="u2pl", samples_train=2)
SMALL = TrainConfig(recipe="u2pl", crop=32, steps=6, batch_size=2, samples_train=2)
RECIPES = {"supervised": supervised.step, "consistency": consistency.step, "u2pl": u2pl.step}


def u2pl_network(head: str = "np", seed: int = 0) -> SegmentationNetwork:
    return small_network(head=head, seed=seed, representation=True)


def random_batch(device: torch.device) -> Batch:
    labels = torch.randint(0, 3, (2, 8, 8), generator=seeded(4)).to(torch.uint8)
    labels = labels.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    return Batch(torch.rand(2, 3, 32, 32, generator=seeded(3)).to(device), labels.to(device), torch.arange(2))


def random_views(device: torch.device) -> UnlabelledBatch:
    images = torch.rand(2, 3, 32, 32, generator=seeded(5)).to(device)
    inside = torch.ones(2, 32, 32, dtype=torch.bool, device=device)
    inside[:, :8] = False
    return UnlabelledBatch(images, 1 - images, inside)


def step_input(
    student: SegmentationNetwork,
    config: TrainConfig = CONFIG,
    progress: float = 0.5,
    labelled: Batch | None = None,
) -> StepInput:
    device = student.mean.device
    teacher = make_teacher(student)
    queues = u2pl.make_queues(student).to(device)
    batch = labelled or random_batch(device)
    return StepInput(student, teacher, batch, random_views(device), config, progress, seeded(), queues)


@pytest.mark.parametrize("head", ["np", "np_classifier", "linear"])
def test_the_loss_is_the_weighted_sum_of_its_parts(device: torch.device, head: str) -> None:
    student = u2pl_network(head).to(device).train()
    config = TrainConfig(samples_train=2, unlabelled_weight=0.5, contrast_weight=0.3, kl_weight=2)
    if head == "np":
        features = torch.rand(2, 40, 8, 8, generator=seeded()).to(device)
        person = torch.tensor([True, False], device=device)
        student.observe(features, torch.zeros(2, 8, 8, dtype=torch.uint8, device=device), person)
    at = step_input(student, config)
    result = u2pl.step(at)
    parts = result.parts
    assert set(parts) == {"supervised", "unlabelled", "contrast", "kl", "pseudo_labelled_share"}
    assert (parts["kl"] > 0) == (head == "np")
    total = parts["supervised"] + 0.5 * parts["unlabelled"] + 0.3 * parts["contrast"] + 2 * parts["kl"]
    assert torch.allclose(result.loss.detach(), total)
    assert 0.85 < parts["pseudo_labelled_share"] < 0.95  # α is half of 0.2 at half of the training
    result.loss.backward()
    assert all(parameter.grad is None for parameter in at.teacher.parameters())
    assert all(parameter.grad is not None for parameter in student.representation.parameters())
    assert at.queues is not None
    assert at.queues.filled.any()


@pytest.mark.parametrize("head", ["np", "np_classifier", "linear"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_in_half_precision(recipe: str, head: str, device: torch.device) -> None:
    student = u2pl_network(head).to(device).train()
    at = step_input(student)
    with torch.autocast(device.type, torch.bfloat16):
        rounded = RECIPES[recipe](at)
    assert rounded.loss.isfinite()
    rounded.loss.backward()


def test_pseudo_labels_that_were_dropped_are_not_remembered(device: torch.device) -> None:
    student = u2pl_network().to(device).train()
    result = u2pl.step(step_input(student))
    assert result.by_person.tolist() == [True, True, False, False]
    pseudo = result.labels[2:]
    assert (pseudo[:, :2] == 255).all()  # outside the image
    dropped = (pseudo == 255).float().mean() - 2 / 8
    assert 0.05 < dropped < 0.1  # a tenth of three quarters
    student.observe(result.features, result.labels, result.by_person, seeded())


def test_the_warm_up_trains_on_labels_only(device: torch.device) -> None:
    for progress in (0.0, 0.099):
        at = step_input(u2pl_network("linear").to(device).train(), progress=progress)
        result = u2pl.step(at._replace(unlabelled=None))
        assert torch.equal(result.loss.detach(), result.parts["supervised"])
        result.loss.backward()


def test_without_unlabelled_crops_only_their_terms_are_missing(device: torch.device) -> None:
    student = u2pl_network("linear").to(device).train()
    result = u2pl.step(step_input(student)._replace(unlabelled=None))
    assert set(result.parts) == {"supervised", "contrast", "kl"}
    total = result.parts["supervised"] + 0.1 * result.parts["contrast"]
    assert torch.allclose(result.loss.detach(), total)
    assert len(result.labels) == len(result.by_person) == len(result.features) == 2
    result.loss.backward()
    assert all(parameter.grad is not None for parameter in student.parameters())


def test_what_is_missing_is_named(device: torch.device) -> None:
    plain = small_network()
    with pytest.raises(ValueError, match="representation=True"):
        Training(plain, striped_data(2, 1), SMALL, device)
    with pytest.raises(ValueError, match="class queues"):
        u2pl.step(step_input(u2pl_network().to(device))._replace(queues=None))


def test_cutmix_mixes_images_and_all_the_teacher_said_alike(device: torch.device) -> None:
    at = step_input(u2pl_network().to(device))
    views = random_views(device)
    views.inside[1] = views.inside[1].mT.clone()
    dark_outside = views.weak * views.inside[:, None] - 1.0 * ~views.inside[:, None]
    views = views._replace(weak=dark_outside, strong=dark_outside)
    taught = u2pl.teach(at._replace(teacher=SeesColours()), views)
    assert not torch.equal(taught.strong, views.strong)
    seen = F.avg_pool2d(taught.strong, 4)
    assert torch.allclose(taught.keys[2:], seen)
    assert torch.allclose(taught.probabilities[2:], seen.softmax(dim=1))
    inside = taught.pseudo != 255
    assert torch.equal(inside, (seen >= 0).all(dim=1))
    assert torch.equal(taught.pseudo[inside].long(), seen.argmax(dim=1)[inside])
    assert torch.equal(taught.keys[:2], F.avg_pool2d(at.labelled.images, 4))


def test_what_is_unreliable_is_of_the_highest_entropy_among_the_unlabelled_pixels(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    contrasted: list[Pixels] = []

    def watched(pixels: Pixels, *others: object) -> Contrast:
        contrasted.append(pixels)
        return pixel_contrast(pixels, *others)

    monkeypatch.setattr(u2pl, "pixel_contrast", watched)
    u2pl.step(step_input(u2pl_network().to(device)))
    (pixels,) = contrasted
    entropies = entropy_of(pixels.probabilities, dim=1)
    reliable = ~pixels.by_person & (pixels.labels < 254)
    assert pixels.unreliable.any()
    assert not (pixels.unreliable & (pixels.by_person | reliable)).any()
    assert entropies[pixels.unreliable].min() >= entropies[reliable].max()


class RecordsGradients:
    """Calls a network and keeps the gradients of its logits and representations."""

    def __init__(self, network: SegmentationNetwork) -> None:
        self.network = network

    def __call__(self, images: torch.Tensor, **options: object) -> NetworkOutput:
        self.output = self.network(images, **options)
        for value in (self.output.logits, self.output.representation):
            value.retain_grad()
        return self.output


@pytest.mark.parametrize("pixel_weights", ["balanced", "hardest"])
@pytest.mark.parametrize("head", ["np", "np_classifier", "linear"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_pixels_nobody_labelled_train_nothing(
    device: torch.device, recipe: str, head: str, pixel_weights: str
) -> None:
    batch = random_batch(device)
    batch.labels[0, :, :16], batch.labels[1, :16] = 254, 255
    student = RecordsGradients(u2pl_network(head).to(device).train())
    config = dataclasses.replace(
        CONFIG, confidence=0.0, max_entropy=10.0, kl_weight=0.0, pixel_weights=pixel_weights
    )
    at = step_input(student.network, config, labelled=batch)._replace(student=student)
    RECIPES[recipe](at).loss.backward()
    gradients = [student.output.logits.grad.abs().sum(dim=(0, 2))]
    if recipe == "u2pl":
        gradients.append(student.output.representation.grad.abs().sum(dim=1))
    for gradient in gradients:
        # Bilinear enlarging reaches one pixel of the features beyond the border.
        assert not gradient[0, :, :3].any()
        assert not gradient[1, :3].any()
        assert gradient[0, :, 4:].any()
        if recipe != "supervised":
            assert not gradient[2:, :2].any()  # outside the unlabelled images
            assert gradient[2:, 2:].any()


@pytest.mark.parametrize("pixel_weights", ["balanced", "even", "hardest"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_losses_are_of_all_samples_and_not_of_their_mean(
    device: torch.device, recipe: str, pixel_weights: Literal["balanced", "even", "hardest"]
) -> None:
    network = u2pl_network().to(device).train()
    network.head.decoder.film.weight.data *= 8  # so that samples disagree
    student = RecordsGradients(network)
    config = TrainConfig(samples_train=3, confidence=0.0, max_entropy=10.0, pixel_weights=pixel_weights)
    at = step_input(network, config)._replace(student=student)
    result = RECIPES[recipe](at)
    logits, labels = student.output.logits.detach(), at.labelled.labels
    assert len(logits) == 3
    of_mean = labelled_cross_entropy(logits[:, :2].mean(dim=0, keepdim=True), labels, pixel_weights)
    supervised_loss = labelled_cross_entropy(logits[:, :2], labels, pixel_weights)
    assert not torch.allclose(of_mean, supervised_loss, rtol=1e-4)
    assert torch.allclose(result.parts["supervised"], supervised_loss, rtol=1e-5)
    if recipe != "supervised":
        of_kept = expected_cross_entropy(logits[:, 2:], result.labels[2:])
        share = result.parts["pseudo_labelled_share"]
        expected = of_kept * share if recipe == "consistency" else of_kept / share
        assert torch.allclose(result.parts["unlabelled"], expected, rtol=1e-5)


def test_the_teacher_is_as_sure_as_its_samples_are_on_average(device: torch.device) -> None:
    at = step_input(u2pl_network().to(device), TrainConfig(samples_train=2))
    colours = SeesColours()

    def teacher(images: torch.Tensor, *, samples: int, generator: torch.Generator) -> NetworkOutput:
        seen = colours(images, samples=1, generator=generator)
        return seen._replace(logits=torch.cat([9 * seen.logits, -9 * seen.logits])[:samples])

    taught = u2pl.teach(at._replace(teacher=teacher), u2pl._no_views(at.labelled.images))
    expected = ((9 * colours.colours).softmax(dim=1) + (-9 * colours.colours).softmax(dim=1)) / 2
    assert torch.allclose(taught.probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("head", ["np", "np_classifier", "linear"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_two_classes_one_of_them_missing_in_crops_that_are_not_square(
    device: torch.device, recipe: str, head: str
) -> None:
    student = small_network(2, head, representation=True).to(device).train()
    images = torch.rand(3, 3, 24, 56, generator=seeded(3)).to(device)
    labels = torch.zeros(3, 24, 56, dtype=torch.uint8, device=device)
    labels[2] = 254  # and an image without a single label
    inside = torch.ones(3, 24, 56, dtype=torch.bool, device=device)
    at = step_input(
        student,
        dataclasses.replace(CONFIG, confidence=0.0),
        labelled=Batch(images, labels, torch.arange(len(images))),
    )
    at = at._replace(unlabelled=UnlabelledBatch(images.flip(3), 1 - images.flip(3), inside))
    result = RECIPES[recipe](at)
    result.loss.backward()
    assert result.loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in student.parameters())
    student.observe(result.features, result.labels, result.by_person, seeded())
    if head == "np":
        assert student.head.context.filled.tolist() == [64, 0]


def test_the_teacher_averages_the_representation_head_and_shares_no_memory() -> None:
    student = u2pl_network()
    teacher = make_teacher(student)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    for value in student.state_dict().values():
        value.add_(1) if value.is_floating_point() else None
    update_teacher(teacher, student, 0.75)
    for name in ("representation.layers.0.weight", "encoder.first.1.running_mean"):
        assert torch.allclose(teacher.state_dict()[name], before[name] + 0.25, atol=1e-6)
        assert teacher.state_dict()[name].data_ptr() != student.state_dict()[name].data_ptr()


@pytest.mark.parametrize("head", ["np", "np_classifier", "linear"])
def test_a_resumed_run_has_the_queues_the_rate_and_the_bits_of_a_whole_one(tmp_path: Path, head: str) -> None:
    # The release saves no queues, and after it resumes its learning rate stays what it was.
    whole, first, second = (Training(u2pl_network(head), striped_data(6, 2), SMALL, "cpu") for _ in range(3))
    reports = run_steps(whole, 6)
    run_steps(first, 3)
    first.save(tmp_path)
    second.restore(tmp_path)
    assert second.queues is not None
    assert whole.queues is not None
    assert second.queues.filled.any()
    rest = run_steps(second, 99)
    assert [report.loss for report in rest] == [report.loss for report in reports[3:]]
    for one, other in (
        (whole.student, second.student),
        (whole.teacher, second.teacher),
        (whole.queues, second.queues),
    ):
        for name, value in one.state_dict().items():
            assert torch.equal(other.state_dict()[name], value), name
    rates = [[group["lr"] for group in run._optimiser.param_groups] for run in (first, second, whole)]
    assert rates[1] == rates[2]
    assert rates[1] < rates[0]


def test_a_network_for_prediction_takes_a_u2pl_checkpoint(device: torch.device, tmp_path: Path) -> None:
    run = Training(u2pl_network(), striped_data(4, 2), SMALL, device)
    run_steps(run, 1)
    run.save(tmp_path)
    plain = small_network(seed=3)
    assert load_teacher(plain, tmp_path) == []
    image = striped_data(1, 0).images[0]
    one, other = (
        predict(network, image, samples=2, generator=seeded(), device=device)
        for network in (plain.to(device).eval(), run.teacher)
    )
    assert torch.equal(one.probabilities, other.probabilities)


def test_a_representation_head_changes_no_other_initial_value() -> None:
    options = {"encoder": "test_efficientnet", "weights": "none"}
    plain, represented = (build_network(3, representation=r, **options) for r in (False, True))
    state = represented.state_dict()
    assert all(torch.equal(state[name], value) for name, value in plain.state_dict().items())
    images = torch.rand(1, 3, 64, 64)
    assert plain.eval()(images).representation is None
    output = represented.eval()(images)
    assert output.representation.shape[-2:] == output.logits.shape[-2:]
    assert output.representation.shape[1] == represented.representation.width


def test_a_round_of_two_classes_trains_with_the_recipe(device: torch.device, workspace: Workspace) -> None:
    settings = TINY.model_copy(update={"recipe": "u2pl", "steps": 3, "pixel_weights": "hardest"})
    project = blocks_project(workspace, pool=3, train=2, settings=settings)
    round_requests.request_round(workspace, project.id, actor="test", reason="test")
    claimed = rounds.claim(workspace, "here:1", 60)
    assert claimed is not None
    run_round(workspace, claimed, "here:1", device)
    done = rounds.get_round(workspace, claimed.id)
    assert done.state == "done", done.error


def test_unlabelled_images_are_learned_from_two_that_are_hardly_labelled(device: torch.device) -> None:
    data, truth = striped_data(4, 2), striped_data(4, 4).labels
    cells = torch.rand(2, 12, 12, generator=seeded(1)) < 0.05
    labelled = cells.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    data = dataclasses.replace(
        data, labels={index: truth[index].where(labelled[index], 254) for index in data.labels}
    )
    config = dataclasses.replace(SMALL, steps=60, learning_rate=1e-2, ema_decay=0.9)

    def error_after(config: TrainConfig) -> float:
        run = Training(u2pl_network("linear"), data, config, device)
        run_steps(run, 99)
        wrong = [
            (classes_of_pixels(predicted) != truth[index]).float().mean()
            for index in data.unlabelled
            for predicted in [
                predict(run.teacher, data.images[index], samples=1, generator=seeded(), device=device)
            ]
        ]
        return float(torch.stack(wrong).mean())

    # The same crops pass the network, so its normalisation sees as much of the unlabelled images.
    by_labels_alone = dataclasses.replace(config, unlabelled_weight=0.0, contrast_weight=0.0)
    error = error_after(config)
    assert error < 0.06
    assert error < 0.5 * error_after(by_labels_alone)
