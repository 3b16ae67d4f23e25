import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core import train
from core.data import TrainingData
from core.model.labelled_evidence import NO_IMAGE
from core.model.network import build_network
from core.predict import predict
from core.recipes import consistency, supervised
from core.recipes.step import StepInput, StepResult
from core.train import StepReport, Training, first_unlabelled_step, learning_rate_factor
from core.train_config import TrainConfig
from core.uncertainty import confusion_matrix, mean_iou
from tests.core.small_network import classes_of_pixels, run_steps, seeded, small_network, striped_data

CPU = torch.device("cpu")
"""Where the bits of two runs are the same: elsewhere sums are added in any order."""
SMALL = TrainConfig(crop=32, steps=6, batch_size=2, samples_train=2, confidence=0.3, max_entropy=2.0)


def training(
    device: torch.device, config: TrainConfig = SMALL, head: str = "np", data: TrainingData | None = None
) -> Training:
    return Training(small_network(head=head), data or striped_data(6, 2), config, device)


def assert_same_state(one: Training, other: Training) -> None:
    for a, b in ((one.student, other.student), (one.teacher, other.teacher)):
        state = b.state_dict()
        for name, value in a.state_dict().items():
            assert torch.equal(value, state[name]), name


@pytest.mark.parametrize("head", ["np", "np_classifier", "linear"])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, head: str) -> None:
    whole = training(CPU, head=head)
    whole_reports = run_steps(whole, 6)

    first = training(CPU, head=head)
    run_steps(first, 3)
    first.save(tmp_path)
    second = training(CPU, head=head)
    run_steps(second, 1)  # whatever it did before, restoring overwrites it
    second.restore(tmp_path)
    assert_same_state(first, second)
    rest = run_steps(second, 99)
    assert [r.step for r in rest] == [4, 5, 6]
    assert_same_state(whole, second)
    assert [r.loss for r in rest] == [r.loss for r in whole_reports[3:]]


@pytest.mark.parametrize("recipe", ["supervised", "consistency", "u2pl"])
def test_a_training_counts_its_own_labelled_images_as_evidence(recipe: str, device: torch.device) -> None:
    network = small_network(head="np_classifier", representation=True).to(device)
    features = torch.rand(1, 40, 8, 8, device=device)
    labels = torch.zeros(1, 8, 8, dtype=torch.uint8, device=device)
    person = torch.ones(1, dtype=torch.bool, device=device)
    network.observe(features, labels, person, images=torch.tensor([5], device=device))
    run = Training(network, striped_data(6, 2), dataclasses.replace(SMALL, recipe=recipe), device)
    # A parent's images have other numbers.
    assert (run.student.head.evidence.keys == NO_IMAGE).all()
    run_steps(run, 6)
    for trained in (run.student, run.teacher):
        assert set(trained.head.evidence.keys.tolist()) == {NO_IMAGE, 0, 1}


def test_images_that_show_no_label_are_not_waited_for(device: torch.device) -> None:
    data = striped_data(6, 5)
    for index in range(4):
        data.labels[index].fill_(255)
    run = Training(small_network(head="np_classifier"), data, SMALL, device)
    run_steps(run, 6)
    assert int(run.teacher.head.evidence.labelled_images) == 1
    assert run.teacher.head.draw_noise(2, 1, seeded()).any()


def test_the_default_network_resumes_with_the_same_bits(tmp_path: Path) -> None:
    config = TrainConfig(**{**vars(SMALL), "steps": 4, "crop": 64})
    data = striped_data(3, 1, side=64)

    def fresh() -> Training:
        return Training(build_network(3), data, config, CPU)

    whole, first, second = fresh(), fresh(), fresh()
    run_steps(whole, 4)
    run_steps(first, 2)
    first.save(tmp_path)
    second.restore(tmp_path)
    run_steps(second, 2)
    assert_same_state(whole, second)


class _DropsImages(nn.Module):
    """Stands for the stochastic depth of an encoder: chance of the global generator."""

    def forward(self, images: Tensor) -> Tensor:
        return images * torch.rand(len(images), 1, 1, 1) if self.training else images


def test_an_encoder_that_drops_what_chance_wants_resumes_with_the_same_bits(tmp_path: Path) -> None:
    def fresh() -> Training:
        network = small_network()
        network.encoder.first.append(_DropsImages())
        return Training(network, striped_data(6, 2), SMALL, CPU)

    whole, first, second = fresh(), fresh(), fresh()
    run_steps(whole, 6)
    run_steps(first, 3)
    first.save(tmp_path)
    before = torch.random.get_rng_state()
    second.restore(tmp_path)
    run_steps(second, 3)
    assert torch.equal(torch.random.get_rng_state(), before), "the chance of others is left alone"
    assert_same_state(whole, second)


def test_what_was_archived_before_a_resume_is_forgotten(tmp_path: Path) -> None:
    first = training(CPU)
    run_steps(first, 3)
    first.save(tmp_path)
    second = training(CPU, TrainConfig(**{**vars(SMALL), "batch_size": 1}))
    weights = second.student.class_weights.clone()
    assert not torch.equal(weights, first.student.class_weights)
    second.student.silent = second.teacher.silent = [1]
    second.restore(tmp_path)
    for network in (second.student, second.teacher):
        assert first.student.head.context.filled[1]
        assert network.head.context.filled[1] == 0
        assert torch.equal(network.class_weights, weights)


def test_crops_are_whole_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = []
    monkeypatch.setattr("core.train.CropDraws", lambda *args, **_: sides.append(args[2]))
    monkeypatch.setattr("core.train.Batches", lambda *_: None)
    for crop in (32, 33, 36, 37):
        training(CPU, TrainConfig(**{**vars(SMALL), "crop": crop}))
    assert sides == [32, 36, 36, 40], "cells of the small network are 4 pixels wide"


@pytest.mark.parametrize("decoder", ["FPN", "Unet", "PAN"])
def test_a_single_small_crop_has_batch_statistics(decoder: str, device: torch.device) -> None:
    network = build_network(2, encoder="test_resnet", decoder=decoder, weights="none")
    config = TrainConfig(**{**vars(SMALL), "batch_size": 1, "steps": 1})
    assert Training(network, striped_data(6, 2), config, device).run(lambda report: True)


def test_the_same_seed_gives_the_same_run() -> None:
    one, same = training(CPU), training(CPU)
    assert [r.loss for r in run_steps(one, 9)] == [r.loss for r in run_steps(same, 9)]
    assert_same_state(one, same)
    other = training(CPU, TrainConfig(**{**vars(SMALL), "seed": 1}))
    assert run_steps(other, 1)[0].loss != run_steps(training(CPU), 1)[0].loss


def test_on_step_sees_every_step_and_stops_the_run(device: torch.device) -> None:
    seen: list[StepReport] = []
    run = training(device)
    assert run.run(lambda report: bool(seen.append(report)) or report.step < 2) is False
    assert [(r.step, r.steps) for r in seen] == [(1, 6), (2, 6)]
    assert all(r.seconds_left > 0 for r in seen)
    assert run.run(lambda report: True) is True
    assert run.run(lambda report: pytest.fail("nothing is left to do")) is True


def test_the_batch_size_may_change_between_save_and_restore(tmp_path: Path, device: torch.device) -> None:
    run = training(device)
    run_steps(run, 2)
    run.save(tmp_path)
    smaller = training(device, TrainConfig(**{**vars(SMALL), "batch_size": 1}))
    smaller.restore(tmp_path)
    assert [r.step for r in run_steps(smaller, 99)] == [3, 4, 5, 6]


@pytest.mark.parametrize("head", ["np", "np_classifier", "linear"])
@pytest.mark.parametrize("recipe", ["supervised", "consistency"])
def test_one_labelled_image_and_an_empty_pool(head: str, recipe: str, device: torch.device) -> None:
    config = TrainConfig(**{**vars(SMALL), "steps": 2, "batch_size": 1, "recipe": recipe})
    reports = run_steps(training(device, config, head, striped_data(1, 1)), 9)
    assert len(reports) == 2
    assert all("unlabelled" not in r.parts for r in reports)


@pytest.mark.parametrize(("warm_up", "alone"), [(0.0, 0), (0.25, 2), (0.7, 6), (1.0, 8)])
def test_unlabelled_images_train_only_with_consistency_and_when_the_teacher_knows_something(
    device: torch.device, warm_up: float, alone: int
) -> None:
    config = dataclasses.replace(SMALL, steps=8, warm_up=warm_up)
    reports = run_steps(training(device, config), 8)
    assert ["unlabelled" in report.parts for report in reports] == [False] * alone + [True] * (8 - alone)
    from_labels = dataclasses.replace(config, recipe="supervised")
    assert all("unlabelled" not in report.parts for report in run_steps(training(device, from_labels), 1))


def test_u2pl_is_given_unlabelled_images_once_it_learns_from_them() -> None:
    assert first_unlabelled_step(TrainConfig(recipe="u2pl", steps=40)) == 4
    assert first_unlabelled_step(TrainConfig(recipe="supervised", steps=40)) == 40
    assert first_unlabelled_step(TrainConfig(recipe="consistency", steps=40, warm_up=0.5)) == 20


@pytest.mark.parametrize("unlabelled", [True, False])
def test_the_time_left_knows_that_steps_with_unlabelled_images_take_longer(
    device: torch.device, monkeypatch: pytest.MonkeyPatch, unlabelled: bool
) -> None:
    now = 0.0

    def step(at: StepInput) -> StepResult:
        nonlocal now
        now += 3 if at.unlabelled is None else 7
        return consistency.step(at)

    monkeypatch.setattr("core.train.time.perf_counter", lambda: now)
    monkeypatch.setitem(train._RECIPES, "consistency", step)
    config = dataclasses.replace(SMALL, steps=8)
    run = training(device, config, data=striped_data(6, 2 if unlabelled else 6))
    left = [report.seconds_left for report in run_steps(run, 8)]
    expected = [45, 42, 35, 28, 21, 14, 7, 0] if unlabelled else [21, 18, 15, 12, 9, 6, 3, 0]
    assert left == pytest.approx(expected)


def test_nothing_labelled_is_refused(device: torch.device) -> None:
    with pytest.raises(ValueError, match="Label at least one image"):
        training(device, data=striped_data(2, 0))


def test_an_image_without_a_single_class_pixel_trains_to_finite_weights(device: torch.device) -> None:
    data = striped_data(3, 1)
    data.labels[0][:] = 254
    run = training(device, data=data)
    run_steps(run, 2)
    assert all(value.isfinite().all() for value in run.student.state_dict().values())


def test_an_infinite_loss_is_reported(device: torch.device) -> None:
    run = training(device)
    next(run.student.parameters()).data.fill_(torch.nan)
    with pytest.raises(ArithmeticError, match="Lower the learning rate"):
        run.run(lambda report: True)


def test_a_tiny_set_is_learned(device: torch.device) -> None:
    data = striped_data(8, 8)
    config = TrainConfig(crop=32, steps=60, batch_size=4, samples_train=2, learning_rate=1e-2, ema_decay=0.9)
    run = training(device, config, data=data)
    reports = run_steps(run, 99)
    assert reports[-1].loss < 0.5 * reports[0].loss
    confusion = torch.zeros(3, 3, dtype=torch.int64)
    for index, image in enumerate(data.images):
        prediction = predict(run.teacher, image, samples=4, generator=seeded(), device=device)
        confusion += confusion_matrix(classes_of_pixels(prediction), data.labels[index], 3)
    assert mean_iou(confusion) > 0.8


def test_a_damaged_or_missing_checkpoint_is_named(tmp_path: Path, device: torch.device) -> None:
    run = training(device)
    with pytest.raises(ValueError, match="cannot be read"):
        run.restore(tmp_path)
    run.save(tmp_path)
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cannot be read"):
        run.restore(tmp_path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path, device: torch.device) -> None:
    training(device).save(tmp_path)
    other = Training(small_network(class_count=4), striped_data(2, 1), SMALL, device)
    with pytest.raises(ValueError, match="belongs to another network"):
        other.restore(tmp_path)


@pytest.mark.parametrize(
    ("fails", "problem"),
    [
        ("torch.optim.AdamW.load_state_dict", RuntimeError("CUDA error: unspecified launch failure")),
        ("torch.optim.AdamW.load_state_dict", torch.OutOfMemoryError("CUDA out of memory.")),
        ("core.checkpoint_file.safe_open", MemoryError()),
    ],
)
def test_a_failure_of_the_device_is_not_taken_for_a_damaged_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, problem: Exception
) -> None:
    run = training(CPU)
    run.save(tmp_path)

    def failing(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr(fails, failing)
    with pytest.raises(type(problem)) as raised:
        run.restore(tmp_path)
    assert raised.value is problem


def test_saving_leaves_one_file(tmp_path: Path, device: torch.device) -> None:
    run = training(device)
    run.save(tmp_path / "round")
    run.save(tmp_path / "round")
    assert [file.name for file in (tmp_path / "round").iterdir()] == ["checkpoint.safetensors"]


def test_the_encoder_learns_at_three_tenths_of_the_rate(device: torch.device) -> None:
    run = training(device)
    run_steps(run, 2)
    of_encoder, of_others = (group["lr"] for group in run._optimiser.param_groups)
    assert of_encoder == pytest.approx(0.3 * of_others)
    assert of_others == pytest.approx(SMALL.learning_rate * learning_rate_factor(1, SMALL.steps))


def test_the_teacher_follows_the_first_steps_closely(device: torch.device) -> None:
    run, name = training(device), "encoder.first.0.bias"
    before = run.teacher.state_dict()[name].clone()
    run_steps(run, 1)
    assert not torch.equal(run.student.state_dict()[name], before)
    expected = 0.1 * before + 0.9 * run.student.state_dict()[name]
    assert torch.allclose(run.teacher.state_dict()[name], expected, atol=1e-7)


def test_a_step_knows_how_far_the_training_is_and_draws_all_from_one_generator(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[StepInput] = []
    drawn_by: list[torch.Generator] = []

    def watched(at: StepInput) -> StepResult:
        seen.append(at)
        return supervised.step(at)

    run = training(device, dataclasses.replace(SMALL, recipe="supervised"))
    observe = run.student.observe
    monkeypatch.setitem(train._RECIPES, "supervised", watched)
    monkeypatch.setattr(run.student, "observe", lambda *args: (drawn_by.append(args[3]), observe(*args)))
    run_steps(run, 3)
    assert [at.progress for at in seen] == [0, 1 / 6, 2 / 6]
    assert [at.generator for at in seen] == drawn_by


def test_no_step_follows_a_gradient_longer_than_five(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steep(at: StepInput) -> StepResult:
        result = supervised.step(at)
        return result._replace(loss=1000 * result.loss)

    monkeypatch.setitem(train._RECIPES, "supervised", steep)
    run = training(device, dataclasses.replace(SMALL, recipe="supervised"))
    run_steps(run, 1)
    # Adam's first moment is a tenth of the first gradient.
    moments = [state["exp_avg"].flatten() for state in run._optimiser.state.values()]
    assert 10 * float(torch.cat(moments).norm()) == pytest.approx(5.0, rel=1e-3)


def test_learning_rate_warms_up_and_falls_to_nothing() -> None:
    factors = [learning_rate_factor(step, 100) for step in range(100)]
    assert factors[0] < factors[5] < factors[9]
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert 0 < factors[-1] < 0.02
    assert learning_rate_factor(0, 1) == 1
