import torch

from core.model.teacher import decay_at, make_teacher, update_teacher
from core.train import Training
from core.train_config import TrainConfig
from tests.core.small_network import seeded, small_network, striped_data


def test_teacher_averages_all_floating_state_and_copies_the_rest(device: torch.device) -> None:
    student = small_network().to(device).train()
    teacher = make_teacher(student)
    for parameter in student.parameters():
        parameter.data += torch.randn(parameter.shape, generator=seeded()).to(device)
    output = student(torch.rand(4, 3, 32, 32, generator=seeded()).to(device), samples=2, generator=seeded())
    labels = torch.randint(0, 3, (4, 32, 32), generator=seeded()).to(device, torch.uint8)
    student.observe(output.features, labels, torch.ones(4, dtype=torch.bool, device=device), seeded())
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    update_teacher(teacher, student, 0.9)

    moved = set()
    for name, value in teacher.state_dict().items():
        new = student.state_dict()[name]
        if not value.is_floating_point() or name.endswith(".rows"):
            # The teacher held no memory rows yet, so all of them are new and copied.
            assert torch.equal(value, new), name
        else:
            assert torch.allclose(value, 0.9 * before[name] + 0.1 * new, atol=1e-6), name
        if not torch.equal(value, before[name]):
            moved.add(name.rpartition(".")[2])
    assert {"weight", "bias", "running_mean", "running_var", "num_batches_tracked", "rows", "filled"} <= moved


def test_rows_the_teacher_holds_are_averaged(device: torch.device) -> None:
    student = small_network().to(device)
    features = torch.rand(2, 40, 8, 8, generator=seeded()).to(device)
    labels = torch.zeros(2, 8, 8, dtype=torch.uint8, device=device)
    person = torch.ones(2, dtype=torch.bool, device=device)
    student.observe(features, labels, person, seeded())
    teacher = make_teacher(student)
    for _ in range(8):  # until the ring has come round
        student.observe(3 * features, labels, person, seeded())
    old, new = teacher.head.context.rows.clone(), student.head.context.rows
    update_teacher(teacher, student, 0.75)
    assert torch.allclose(
        teacher.head.context.rows[0, :64], 0.75 * old[0, :64] + 0.25 * new[0, :64], atol=1e-5
    )
    assert torch.equal(teacher.head.context.rows[0, 64:], new[0, 64:])


def test_teacher_starts_as_a_copy_without_gradients_in_evaluation_mode(device: torch.device) -> None:
    student = small_network().to(device).train()
    teacher = make_teacher(student)
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert student.training


def test_decay_grows_with_the_steps() -> None:
    assert decay_at(0, 0.99) == 0.1
    assert decay_at(90, 0.99) == 0.91
    assert decay_at(1000, 0.99) == 0.99
    assert decay_at(90, 0.5) == 0.5


def test_decay_0_copies_the_student_and_shares_nothing_with_it(device: torch.device) -> None:
    student = small_network(seed=1).to(device)
    features = torch.rand(2, 40, 8, 8, generator=seeded()).to(device)
    labels = torch.zeros(2, 8, 8, dtype=torch.uint8, device=device)
    student.observe(features, labels, torch.tensor([True, False], device=device), seeded())
    teacher = make_teacher(small_network(seed=2).to(device))
    update_teacher(teacher, student, 0.0)
    copied = teacher.state_dict()
    for name, value in student.state_dict().items():
        assert torch.equal(copied[name], value), name
        assert copied[name].data_ptr() != value.data_ptr(), name


def test_one_training_step_moves_the_teachers_centres_and_images_get_latents_of_their_own(
    device: torch.device,
) -> None:
    # The release's teacher predicts with memories that stay empty: one latent for every image.
    data = striped_data(4, 2)
    config = TrainConfig(crop=48, steps=1, batch_size=2, samples_train=2, confidence=0.3, max_entropy=2.0)
    training = Training(small_network(), data, config, device)
    head = training.teacher.head
    memories = (head.context, head.target)
    before = [memory.centres().means for memory in memories]
    assert not torch.stack(before).any()
    training.run(lambda report: True)
    images = torch.stack(list(data.images)).to(device).float() / 255
    with torch.no_grad():
        queries = head.projector(training.teacher.encode(images)[0])
        for memory, old in zip(memories, before, strict=True):
            assert not torch.equal(memory.centres().means, old)
            latents = head._described(queries, memory.centres())[1].mean
            assert torch.cdist(latents, latents).topk(2, largest=False).values[:, 1].min() > 1e-5
