import copy
import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parallel import DistributedDataParallel

from core.data import TrainingData
from core.distributed import launch, synchronise_batch_norm
from core.model.class_memory import ClassMemory
from core.model.labelled_evidence import LabelledEvidence
from core.model.network import HeadName, SegmentationNetwork, build_network
from core.predict import predict
from core.recipes.class_queues import ClassQueues
from core.recipes.cross_entropy import expected_cross_entropy
from core.recipes.pixel_contrast import Pixels, pixel_contrast
from core.train import Training
from core.train_config import TrainConfig
from core.uncertainty import confusion_matrix, mean_iou
from tests.core.small_network import classes_of_pixels, seeded, small_network, striped_data

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
CONFIG = TrainConfig(
    crop=32,
    steps=60,
    batch_size=2,
    samples_train=2,
    learning_rate=1e-2,
    ema_decay=0.9,
    confidence=0.5,
    max_entropy=1.0,
)
SAVED_AT = 30
CONTRAST_CLASSES, PIXELS_PER_CLASS, REPRESENTATION_WIDTH = 4, 8, 6


class Decoding(nn.Module):
    """The network with the noise given, so that two halves of a batch can be given theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.network = network_with_memory()

    def forward(self, images: Tensor, labels: Tensor, noise: Tensor) -> Tensor:
        self.network.draw_noise = lambda *_: noise  # type: ignore[method-assign]
        output = self.network(images, samples=len(noise))
        return expected_cross_entropy(output.logits, labels) + 0.1 * output.kl.mean()


def network_with_memory() -> SegmentationNetwork:
    """A network with rows in its memories that normalises by running statistics."""
    network = small_network().eval()
    for memory, seed in ((network.head.context, 1), (network.head.target, 2)):
        memory.rows.normal_(generator=seeded(seed))
        memory.filled.fill_(memory.rows.shape[1])
    return network


def gradient_batch() -> tuple[Tensor, Tensor, Tensor]:
    images = torch.rand(4, 3, 32, 32, generator=seeded(3))
    labels = torch.randint(0, 3, (4, 32, 32), generator=seeded(4)).to(torch.uint8)
    return images, labels, torch.randn(2, 4, 32, generator=seeded(5))


def embedding() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Linear(5, REPRESENTATION_WIDTH)


def inputs(rank: int) -> torch.Tensor:
    """The pixels of one process, as many of each class."""
    return torch.randn(
        CONTRAST_CLASSES * PIXELS_PER_CLASS, 5, generator=torch.Generator().manual_seed(10 + rank)
    )


def contrast_of(represent: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """The loss where keys and queue rows depend on the class alone, so that draws do not matter."""
    labels = torch.arange(len(pixels)) % CONTRAST_CLASSES
    generator = torch.Generator().manual_seed(3)
    queues = ClassQueues(CONTRAST_CLASSES, REPRESENTATION_WIDTH, size=8, dtype=torch.float32)
    negatives = F.normalize(
        torch.randn(CONTRAST_CLASSES, 1, REPRESENTATION_WIDTH, generator=generator), dim=2
    )
    queues.push(negatives.expand(-1, 8, -1), torch.ones(CONTRAST_CLASSES, 8, dtype=torch.bool))
    nobody = torch.zeros(len(pixels), dtype=torch.bool)
    return pixel_contrast(
        Pixels(
            representations=represent(pixels),
            keys=torch.randn(CONTRAST_CLASSES, REPRESENTATION_WIDTH, generator=generator)[labels],
            probabilities=F.one_hot(labels, CONTRAST_CLASSES).float(),
            labels=labels,
            by_person=nobody,  # reliable pseudo-labels, which are negatives of nothing
            unreliable=nobody,
        ),
        queues,
        generator,
    ).loss


def gradients(module: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in module.parameters() if parameter.grad is not None]


def digest(module: nn.Module) -> str:
    state = b"".join(value.contiguous().numpy().tobytes() for value in module.state_dict().values())
    return hashlib.sha256(state).hexdigest()


def of_both(value: Any) -> list[Any]:
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def first_gradients(training: Training) -> list[Tensor]:
    """What the optimiser is given at the first step, which it does not take."""
    training._wrapped_optimiser = SimpleNamespace(step=lambda: None, zero_grad=lambda: None)
    training._train_one_step()
    return gradients(training.student)


def in_each_process(fabric: Fabric, folder: Path) -> None:
    """Do in one of two processes all that the tests below look at; starting processes takes seconds."""
    torch.set_num_threads(1)
    rank = fabric.global_rank

    memory = ClassMemory(2, 3, rows_per_class=8, rows_per_push=4)
    for push in range(3):
        own = torch.full((1, 3, 2, 2), 10.0 * push + rank + 1)
        # Rank 0 sees two pixels of class 0, rank 1 sees one, and only rank 1 sees class 1.
        labels = torch.tensor([[[[0, 255], [254, 0]]], [[[0, 1], [1, 1]]]][rank])
        memory.push(own, labels)

    evidence = LabelledEvidence(2, images=4)
    for step in range(3):
        own = torch.full((1, 5, 2), 2.0 * step + rank)
        evidence.observe(own, torch.full((1, 5), 1 / 5), torch.tensor([2 * step + rank]))

    decoding = fabric.setup_module(Decoding())
    mine = slice(2 * rank, 2 * rank + 2)
    images, labels, noise = gradient_batch()
    fabric.backward(decoding(images[mine], labels[mine], noise[:, mine]))

    contrasting = DistributedDataParallel(embedding())
    contrast_of(contrasting, inputs(rank)).backward()

    by_itself, together, training = (
        Training(small_network(), striped_data(8, 4), CONFIG, CPU, fabric) for _ in range(3)
    )
    with fabric.no_backward_sync(by_itself._wrapped_student):
        own_gradients = first_gradients(by_itself)
    filled: list[list[int]] = []
    losses: list[float] = []

    def on_step(report: Any) -> bool:
        losses.append(report.loss)
        filled.append(training.student.head.context.filled.tolist())
        if report.step == SAVED_AT:
            training.save(folder)
        return True

    training.run(on_step)
    head = training.student.head

    others: dict[str, list[tuple[str, str]]] = {}
    for name, recipe in (("np_classifier", "consistency"), ("linear", "u2pl")):
        config = dataclasses.replace(CONFIG, recipe=recipe, steps=3)
        network = small_network(head=name, representation=recipe == "u2pl")
        before = digest(network)
        other = Training(network, striped_data(8, 4), config, CPU, fabric)
        other.run(lambda report: True)
        assert digest(other.student) != before
        others[recipe] = of_both((digest(other.student), digest(other.teacher)))
    result = {
        "memories": of_both(memory.state_dict()),
        "evidence": of_both(evidence.state_dict()),
        "gradients": of_both(gradients(decoding)),
        "gradients of the contrast": of_both(gradients(contrasting)),
        "gradients of each by itself": of_both(own_gradients),
        "gradients of training": of_both(first_gradients(together)),
        "student": of_both(digest(training.student)),
        "teacher": of_both(digest(training.teacher)),
        "steps reported": of_both(len(losses)),
        "filled": filled,
        "memories of training": of_both([digest(head.context), digest(head.target)]),
        "losses": losses,
        "teacher state": training.teacher.state_dict(),
        "of other recipes": others,
    }
    if rank == 0:
        torch.save(result, folder / "result.pt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoint")


@pytest.fixture(scope="module")
def two(folder: Path) -> dict[str, Any]:
    """What two processes, connected by gloo, came to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tests" / "as_installed"))  # They take the path over from this one.
        launch(in_each_process, folder, device=CPU, devices=2)
    return torch.load(folder / "result.pt")


def accuracy(teacher: SegmentationNetwork, data: TrainingData) -> float:
    truth = striped_data(8, 8)
    confusion = torch.zeros(3, 3, dtype=torch.int64)
    for index, image in enumerate(data.images):
        found = predict(teacher, image, samples=4, generator=seeded(), device="cpu")
        confusion += confusion_matrix(classes_of_pixels(found), truth.labels[index], 3)
    return mean_iou(confusion)


def test_batch_norm_over_all_processes_keeps_the_activations_within_it() -> None:
    network = build_network(3, encoder="tf_efficientnet_lite0", weights="none", generator=seeded()).eval()
    images = torch.rand(2, 3, 64, 64, generator=seeded())
    before = network.encode(images)
    names = list(network.state_dict())
    synchronise_batch_norm(network, torch.device("cuda"))
    assert sum(isinstance(module, nn.SyncBatchNorm) for module in network.modules()) > 40
    assert list(network.state_dict()) == names
    for found, wanted in zip(network.encode(images), before, strict=True):
        assert torch.equal(found, wanted)


def test_a_memory_holds_the_rows_of_both_processes(two: dict[str, Any]) -> None:
    first, second = two["memories"]
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    assert first["filled"].tolist() == [8, 6]
    # Each hands in at most half of rows_per_push; the oldest row of class 0 has been overwritten.
    assert first["rows"][0, :, 0].tolist() == [22, 1, 2, 11, 11, 12, 21, 21]
    assert first["rows"][1, :6, 0].tolist() == [2, 2, 12, 12, 22, 22]


def test_both_processes_remember_the_labelled_images_of_both(two: dict[str, Any]) -> None:
    for found in two["evidence"]:
        assert found["keys"].tolist() == [4, 5, 2, 3]
        assert found["moments"][:, 0, 0].tolist() == [16, 25, 4, 9]


def test_the_memory_of_a_training_survives_its_steps(two: dict[str, Any]) -> None:
    filled = torch.tensor(two["filled"])
    assert (filled[:3] > 0).any()
    assert (filled.diff(dim=0) >= 0).all()
    assert filled[2].sum() > filled[0].sum()
    assert two["memories of training"][0] == two["memories of training"][1]


def test_the_gradient_of_two_processes_equals_that_of_one(two: dict[str, Any]) -> None:
    alone = Decoding()
    alone(*gradient_batch()).backward()
    expected = gradients(alone)
    assert len(expected) == len(list(alone.parameters()))
    for found in two["gradients"]:
        for a, b in zip(found, expected, strict=True):
            assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_training_steps_with_the_mean_of_both_gradients(two: dict[str, Any]) -> None:
    # What it learns says nothing of this: AdamW steps alike with their sum.
    one, other = (torch.cat([part.flatten() for part in own]) for own in two["gradients of each by itself"])
    assert (one - other).norm() > 0.1 * one.norm()
    # Neither is clipped to a norm of 5; twice the loss would be.
    assert max(one.norm(), other.norm()) < 4.9
    for parts in two["gradients of training"]:
        found = torch.cat([part.flatten() for part in parts])
        assert torch.allclose(found, (one + other) / 2, rtol=1e-4, atol=1e-6)


def test_the_contrast_of_two_processes_has_the_gradient_of_one_with_both_batches(two: dict[str, Any]) -> None:
    # The release sums the loss over the W processes and divides by W before the gradients are
    # averaged, which divides its gradient by W once too often.
    alone = embedding()
    contrast_of(alone, torch.cat([inputs(0), inputs(1)])).backward()
    for found in two["gradients of the contrast"]:
        for gradient, parameter in zip(found, alone.parameters(), strict=True):
            assert parameter.grad is not None
            assert parameter.grad.abs().max() > 1e-4
            assert torch.allclose(gradient, parameter.grad, atol=1e-7)


def test_student_and_teacher_are_equal_in_both_processes(two: dict[str, Any]) -> None:
    for name in ("student", "teacher"):
        assert two[name][0] == two[name][1]
    assert two["steps reported"] == [CONFIG.steps, 0]


@pytest.mark.parametrize("recipe", ["consistency", "u2pl"])
def test_student_and_teacher_are_equal_in_both_processes_with_other_heads(
    two: dict[str, Any], recipe: str
) -> None:
    first, second = two["of other recipes"][recipe]
    assert first == second


PARTS = {"CNN": ("test_efficientnet", "FPN"), "transformer": ("test_vit", "DPT")}


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("recipe", ["supervised", "consistency", "u2pl"])
@pytest.mark.parametrize("head", get_args(HeadName))
def test_every_parameter_has_a_gradient_at_the_first_step(head: HeadName, recipe: str, parts: str) -> None:
    """What ``find_unused_parameters=False`` rests on."""
    encoder, decoder = PARTS[parts]
    represented = recipe == "u2pl"
    network = build_network(
        3, encoder=encoder, decoder=decoder, head=head, weights="none", representation=represented
    )
    config = dataclasses.replace(CONFIG, recipe=recipe, warm_up=0.0)
    first_gradients(Training(network, striped_data(4, 2), config, CPU))
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_two_processes_learn_as_much_as_one_with_the_same_total_batch(two: dict[str, Any]) -> None:
    data = striped_data(8, 4)
    alone = Training(small_network(), data, dataclasses.replace(CONFIG, batch_size=4), "cpu")
    losses: list[float] = []
    alone.run(lambda report: not losses.append(report.loss))
    together = small_network()
    together.load_state_dict(two["teacher state"])
    assert sum(two["losses"][-10:]) < 0.5 * sum(two["losses"][:10])
    # How gradients are averaged does not show here: the first steps' gradients are compared above.
    # Other crops and noise are drawn: one process ended seeds 0 to 3 at mIoU 1.0 and losses 0.16 to 0.27.
    assert abs(accuracy(together, data) - accuracy(alone.teacher, data)) < 0.1
    assert abs(sum(two["losses"][-10:]) - sum(losses[-10:])) / 10 < 0.2


def test_a_checkpoint_of_two_processes_goes_on_in_one(two: dict[str, Any], folder: Path) -> None:
    run = Training(small_network(seed=4), striped_data(8, 4), CONFIG, "cpu")
    run.restore(folder)
    assert run.step == SAVED_AT
    assert run.student.head.context.filled.tolist() == two["filled"][SAVED_AT - 1]
    losses: list[float] = []
    run.run(lambda report: not losses.append(report.loss))
    assert len(losses) == CONFIG.steps - SAVED_AT
    assert sum(losses) / len(losses) < sum(two["losses"][:10]) / 10


class CopyingWrapper(nn.Module):
    """Runs the network on copies of its arguments and of its head's memories, as on another device.

    What ``forward`` writes into either is lost. Parameters are its own, so that they learn.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *arguments: Any, **named: Any) -> Any:
        def copied(value: Any) -> Any:
            # A generator's own state must go on, as it does without a wrapper.
            return value if isinstance(value, torch.Generator) else copy.deepcopy(value)

        memories = {name: value.clone() for name, value in self.module.named_buffers() if ".head." in name}
        assert memories
        named = {name: copied(value) for name, value in named.items()}
        # Fabric's wrapper knows the network by two names, and what is exchanged by both is not put back.
        return functional_call(self.module, memories, tuple(map(copied, arguments)), named, tie_weights=False)


def test_the_memory_survives_a_wrapper_that_copies_its_arguments_and_itself() -> None:
    def three_steps(wrapper: Callable[[nn.Module], nn.Module]) -> Training:
        config = dataclasses.replace(CONFIG, steps=3)
        training = Training(small_network(), striped_data(8, 4), config, "cpu")
        training._wrapped_student = wrapper(training._wrapped_student)
        training.run(lambda report: True)
        return training

    plain, wrapped = three_steps(lambda student: student), three_steps(CopyingWrapper)
    assert wrapped.student.head.context.filled.any()
    assert digest(wrapped.student) == digest(plain.student)
