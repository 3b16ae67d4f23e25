import copy
import itertools
import math
from collections import Counter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from core.acquisition.pixel_scores import SampleStatistics
from core.model.classifier_np_head import IMAGE_EVIDENCE, WEIGHT_STD, ClassifierNPHead, evidence_weights
from core.model.labelled_evidence import NO_IMAGE, LabelledEvidence
from core.model.teacher import make_teacher, update_teacher
from tests.core.small_network import seeded, small_network

CLASSES = 4


class CallsByName(TorchDispatchMode):
    """Counts the operations of PyTorch by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count[func.__name__] += 1
        return func(*args, **kwargs or {})


def new_head(device: torch.device) -> ClassifierNPHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = ClassifierNPHead(24, CLASSES, hidden=16)
        torch.nn.init.normal_(head.classify.weight)
    return head.to(device)


def images_of_features(count: int, device: torch.device, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 24, 8, 8, generator=seeded(seed)).to(device)


def by_person(features: torch.Tensor) -> torch.Tensor:
    return torch.ones(len(features), dtype=torch.bool, device=features.device)


def observed(head: ClassifierNPHead, features: torch.Tensor, first: int = 0) -> ClassifierNPHead:
    labels = torch.zeros(len(features), 8, 8, dtype=torch.uint8, device=features.device)
    keys = torch.arange(first, first + len(features), device=features.device)
    head.observe(features, labels, by_person(features), images=keys)
    return head


def mean_information(head: ClassifierNPHead, features: torch.Tensor) -> float:
    statistics = SampleStatistics()
    with torch.no_grad():
        statistics.add(head(features, head.draw_noise(200, 1, seeded())).logits.softmax(dim=2))
    return float(statistics.mutual_information().mean())


def test_every_labelled_image_lowers_the_mutual_information(device: torch.device) -> None:
    head, query = new_head(device), images_of_features(2, device, seed=9)
    found = []
    for first in (0, 2, 4, 8, 16):
        count = max(2, first)
        observed(head, images_of_features(count, device, seed=first), first)
        found.append(mean_information(head, query))
    assert all(more > 1.3 * fewer for more, fewer in itertools.pairwise(found)), found


def test_an_image_counts_once_however_often_it_is_seen(device: torch.device) -> None:
    head, features = new_head(device), images_of_features(3, device)
    once = observed(head, features).evidence.total().clone()
    for _ in range(5):
        observed(head, features)
    assert torch.allclose(head.evidence.total(), once)


def test_pixels_unlike_all_labelled_ones_are_less_sure(device: torch.device) -> None:
    evidence = LabelledEvidence(2)
    seen = torch.tensor([[[1.0, 0.0]]]).expand(1, 50, 2)
    evidence.observe(seen, torch.full((1, 50), 1 / 50), torch.tensor([0]))
    assert torch.allclose(evidence.total(), torch.tensor([[1.0, 0.0], [0.0, 0.0]]))

    head = new_head(device)
    near, far = torch.zeros(2, 24, 1, 1, device=device), torch.zeros(2, 24, 1, 1, device=device)
    near[:, :4], far[:, -4:] = 1, 1
    query = images_of_features(2, device, seed=9)
    near, far = near * query, far * query
    observed(head, near)
    assert mean_information(head, far) > 1.5 * mean_information(head, near)


@pytest.mark.parametrize("labelled", [1, 16])
@pytest.mark.parametrize("side", [32, 64, 128, 256])
def test_the_latent_moves_the_interior_of_the_logits(side: int, labelled: int, device: torch.device) -> None:
    head = observed(new_head(device), images_of_features(labelled, device))
    features = torch.randn(1, 24, side, side, generator=seeded(5)).to(device)
    noise = head.draw_noise(16, 1, seeded(6))
    border = side // 4
    with torch.no_grad():
        interior = head(features, noise).logits[:, 0, :, border:-border, border:-border]
    over_latent = interior.std(dim=0).mean()
    over_pixels = interior.flatten(2).std(dim=2).mean()
    assert over_latent > 0.05 * over_pixels

    padded = F.pad(features, (8, 8, 8, 8), mode="replicate")
    border += 8
    with torch.no_grad():
        inside = head(padded, noise).logits[:, 0, :, border:-border, border:-border]
    assert abs(inside.std(dim=0).mean() / over_latent - 1) < 0.1


def test_the_samples_have_the_posteriors_covariance(device: torch.device) -> None:
    head = observed(new_head(device), images_of_features(3, device))
    drawn = head.draw_noise(20_000, 1, seeded())[:, 0].cpu()
    total = head.evidence.total().double().cpu()
    expected = torch.linalg.inv(IMAGE_EVIDENCE * total + torch.eye(len(total)) / WEIGHT_STD**2)
    scale = expected.diagonal().sqrt()
    difference = (drawn.T.cov() - expected) / (scale[:, None] * scale)
    assert difference.abs().max() < 0.05


def test_shared_features_equal_one_classifier_at_a_time(device: torch.device) -> None:
    head, features = (
        observed(new_head(device), images_of_features(3, device)),
        images_of_features(2, device, 4),
    )
    noise = head.draw_noise(5, 1, seeded(2))
    together = head(features, noise).logits
    assert together.shape == (5, 2, CLASSES, 8, 8)
    for one, sample in zip(noise, together, strict=True):
        assert torch.allclose(head(features, one[None]).logits[0], sample, atol=1e-4)
    vectors = head._hidden(features)
    weights = head.classify.weight + noise[3, :, :-1].to(vectors)
    bias = head.classify.bias + noise[3, :, -1].to(vectors)
    by_hand = (vectors @ weights.T + bias).transpose(1, 2).view(2, CLASSES, 8, 8)
    assert torch.allclose(by_hand, together[3], atol=1e-4)


def test_without_noise_or_images_it_is_the_trained_classifier(device: torch.device) -> None:
    head, features = new_head(device), images_of_features(2, device)
    trained = head(features, None).logits
    assert trained.shape == (1, 2, CLASSES, 8, 8)
    assert torch.allclose(
        head(features, head.draw_noise(3, 1, seeded())).logits, trained.expand(3, -1, -1, -1, -1)
    )
    observed(head, features)
    assert torch.equal(head(features, None).logits, trained)
    noise = head.draw_noise(400, 1, seeded())
    assert torch.allclose(head(features, noise).logits.mean(dim=0), trained[0], atol=1.0)
    assert not torch.allclose(head(features, noise[:1]).logits, trained, atol=0.1)


def test_the_same_generator_draws_the_same_classifiers(device: torch.device) -> None:
    head = observed(new_head(device), images_of_features(3, device))
    one, same, other = (head.draw_noise(3, 1, seeded(seed)) for seed in (4, 4, 5))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_device_says_what_the_cpu_says(device: torch.device) -> None:
    said = []
    for place in (torch.device("cpu"), device):
        head = observed(new_head(place), images_of_features(3, place))
        noise = head.draw_noise(3, 1, seeded(2))
        said.append(head(images_of_features(2, place, seed=9), noise).logits.cpu())
    assert torch.allclose(said[0], said[1], atol=1e-3)


def test_pixels_nobody_labelled_are_no_evidence(device: torch.device) -> None:
    head, features = new_head(device), images_of_features(1, device)
    image = torch.tensor([7], device=device)
    for value in (254, 255):
        labels = torch.full((1, 8, 8), value, dtype=torch.uint8, device=device)
        head.observe(features, labels, by_person(features), images=image)
    assert not head.evidence.total().any()
    assert (head.evidence.keys == NO_IMAGE).all()
    labels = torch.full((1, 8, 8), 254, dtype=torch.uint8, device=device)
    labels[:, :4] = 1
    head.observe(features, labels, by_person(features), images=image)
    half = head.evidence.total().clone()
    head.observe(features, torch.full_like(labels, 254), by_person(features), images=image)
    assert torch.equal(head.evidence.total(), half)
    head.observe(features, torch.ones_like(labels), by_person(features), images=image)
    assert float(head.evidence.total()[-1, -1]) == pytest.approx(math.sqrt(2) * float(half[-1, -1]))


def test_a_few_labelled_pixels_everywhere_say_more_than_as_many_in_one_place(device: torch.device) -> None:
    labels = torch.full((3, 16, 16), 254, dtype=torch.uint8, device=device)
    labels[0, ::4, ::4] = 1
    labels[1, :4, :4] = 1
    labels[2, :8] = 1
    weights = evidence_weights(labels)
    assert torch.equal(weights > 0, labels.flatten(1) == 1)
    assert weights.sum(dim=1).tolist() == pytest.approx([1, 1 / 4, math.sqrt(1 / 2)])
    assert all(row[row > 0].unique().numel() == 1 for row in weights)


def test_what_lies_beyond_an_image_is_no_missing_label(device: torch.device) -> None:
    whole = torch.ones(1, 8, 8, dtype=torch.uint8, device=device)
    padded = F.pad(whole, (4, 20, 12, 12), value=255)
    assert evidence_weights(padded).sum().item() == pytest.approx(1)
    assert not evidence_weights(torch.full_like(whole, 255)).any()


def test_the_order_of_the_images_does_not_matter(device: torch.device) -> None:
    features = images_of_features(4, device)
    labels = torch.zeros(4, 8, 8, dtype=torch.uint8, device=device)
    keys = torch.tensor([3, 8, 5, 1], device=device)
    one, other = new_head(device), new_head(device)
    one.observe(features, labels, by_person(features), images=keys)
    other.observe(features.flip(0), labels, by_person(features), images=keys.flip(0))
    assert torch.allclose(one.evidence.total(), other.evidence.total(), atol=1e-5)


def test_the_first_image_makes_room_and_the_last_view_of_an_image_counts(device: torch.device) -> None:
    evidence = LabelledEvidence(1, images=3).to(device)
    everything = torch.ones(1, 1, device=device)
    for key, value in ((4, 1.0), (5, 2.0), (6, 3.0), (5, 4.0), (7, 5.0)):
        vector = torch.full((1, 1, 1), value, device=device)
        evidence.observe(vector, everything, torch.tensor([key], device=device))
    assert dict(zip(evidence.keys.tolist(), evidence.moments.flatten().tolist(), strict=True)) == {
        7: 25.0,
        5: 16.0,
        6: 9.0,
    }
    both = torch.tensor([9, 9], device=device)
    evidence.observe(torch.tensor([[[1.0]], [[6.0]]], device=device), everything.expand(2, 1), both)
    assert evidence.keys.tolist() == [7, 9, 6]
    assert evidence.total().item() == 25 + 36 + 9


def test_more_images_than_there_are_places_are_more_evidence(device: torch.device) -> None:
    evidence = LabelledEvidence(1, images=3).to(device)
    evidence.begin(labelled_images=12)
    everything = torch.ones(1, 1, device=device)
    for key in range(12):
        evidence.observe(
            torch.full((1, 1, 1), 2.0, device=device), everything, torch.tensor([key]).to(device)
        )
    assert evidence.total().item() == 12 * 4
    evidence.begin(labelled_images=2)
    for key in range(2):
        evidence.observe(
            torch.full((1, 1, 1), 2.0, device=device), everything, torch.tensor([key]).to(device)
        )
    assert evidence.total().item() == 2 * 4


def test_a_few_of_many_images_draw_no_classifier_and_half_of_them_stand_for_all(device: torch.device) -> None:
    head, features = new_head(device), images_of_features(8, device)
    head.evidence.begin(labelled_images=8)
    assert not observed(head, features[:3]).draw_noise(2, 1, seeded()).any()
    assert observed(head, features[3:4], first=3).draw_noise(2, 1, seeded()).any()
    seen = head.evidence.moments.sum(dim=0)
    assert torch.allclose(head.evidence.total(), 2 * seen)
    assert torch.allclose(
        observed(head, features[4:], first=4).evidence.total(), head.evidence.moments.sum(dim=0)
    )


def test_evidence_survives_a_state_dict_and_can_be_forgotten(device: torch.device) -> None:
    head = observed(new_head(device), images_of_features(3, device))
    other = new_head(device)
    other.load_state_dict(copy.deepcopy(head.state_dict()))
    features, noise = images_of_features(2, device, seed=8), head.draw_noise(4, 1, seeded())
    assert torch.equal(head(features, noise).logits, other(features, noise).logits)
    other.evidence.begin()
    assert all(
        torch.equal(a, b)
        for a, b in zip(other.evidence.buffers(), new_head(device).evidence.buffers(), strict=True)
    )


def test_the_teacher_averages_an_images_evidence_and_copies_a_new_images(device: torch.device) -> None:
    student = small_network(head="np_classifier").to(device)
    teacher = make_teacher(student)
    features = torch.randn(2, 40, 8, 8, generator=seeded()).to(device)
    labels = torch.zeros(2, 8, 8, dtype=torch.uint8, device=device)
    person = torch.ones(2, dtype=torch.bool, device=device)
    student.observe(features, labels, person, images=torch.tensor([0, 1], device=device))
    update_teacher(teacher, student, 0.75)
    first = student.head.evidence.moments.clone()
    assert torch.equal(teacher.head.evidence.moments, first)
    assert torch.equal(teacher.head.evidence.keys, student.head.evidence.keys)
    student.observe(2 * features[:1] + 1, labels, person, images=torch.tensor([1], device=device))
    update_teacher(teacher, student, 0.75)
    expected = first.lerp(student.head.evidence.moments, 0.25)
    assert torch.allclose(teacher.head.evidence.moments, expected)


def test_pseudo_labelled_images_are_no_evidence(device: torch.device) -> None:
    network = small_network(head="np_classifier").to(device)
    features = torch.randn(3, 40, 8, 8, generator=seeded()).to(device)
    labels = torch.zeros(3, 32, 32, dtype=torch.uint8, device=device)
    person = torch.tensor([True, False, False], device=device)
    network.observe(features, labels, person, images=torch.tensor([5], device=device))
    assert network.head.evidence.keys[:2].tolist() == [5, NO_IMAGE]


@pytest.mark.parametrize("seed", range(4))
def test_images_seen_together_are_remembered_as_one_after_the_other(device: torch.device, seed: int) -> None:
    together, in_turn = (LabelledEvidence(2, images=12).to(device) for _ in range(2))
    draws = seeded(seed)
    for _ in range(6):
        vectors = torch.randn(5, 3, 2, generator=draws).to(device)
        labelled = (torch.rand(5, 3, generator=draws) < 0.4).to(device)
        keys = torch.randint(10, (5,), generator=draws).to(device)
        together.observe(vectors, labelled, keys)
        for one in range(5):
            in_turn.observe(vectors[one, None], labelled[one, None], keys[one, None])
        assert torch.equal(together.keys, in_turn.keys)
        assert torch.equal(together.next_place, in_turn.next_place)
        assert torch.allclose(together.moments, in_turn.moments, atol=1e-6)


def test_observing_asks_the_device_for_no_number(device: torch.device) -> None:
    head = new_head(device)
    with CallsByName() as calls:
        observed(head, images_of_features(3, device))
    assert calls.count["index_copy_.default"] == 2
    assert calls.count["_local_scalar_dense.default"] == 0
