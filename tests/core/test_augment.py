import torch

from core.augment import CropSampler, cutmix_masks, mix_with_next, photometric
from core.data import TrainingData
from tests.core.small_network import seeded


def coordinate_image(height: int, width: int) -> torch.Tensor:
    rows = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=torch.uint8)[None].expand(height, width)
    return torch.stack([rows, columns, torch.full_like(rows, 100)])


def test_labels_follow_their_pixels_through_scale_crop_and_flip() -> None:
    image = torch.zeros(3, 90, 120, dtype=torch.uint8)
    image[:, 30:60, 40:80] = 255
    label = (image[0] > 0).to(torch.uint8)
    sampler = CropSampler(TrainingData([image], {0: label}, []), 64, torch.device("cpu"), seeded())
    batch = sampler.labelled(24)
    counted = batch.labels < 254
    bright = batch.images[:, 0] > 0.5
    agreement = (bright[counted] == (batch.labels[counted] == 1)).float().mean()
    assert agreement > 0.97  # the rest are blurred edges


def test_what_lies_outside_the_image_is_void() -> None:
    image = torch.full((3, 20, 30), 7, dtype=torch.uint8)
    label = torch.zeros(20, 30, dtype=torch.uint8)
    sampler = CropSampler(TrainingData([image, image], {0: label}, [1]), 64, torch.device("cpu"), seeded())
    labelled, unlabelled = sampler.labelled(6), sampler.unlabelled(6)
    assert labelled.images.shape == (6, 3, 64, 64)
    assert set(labelled.labels.unique().tolist()) == {0, 255}
    assert set(unlabelled.inside.unique().tolist()) == {False, True}
    assert (labelled.images[:, 0][labelled.labels == 0] * 255).round().unique().tolist() == [7]


def test_crops_are_seeded_and_fit_images_of_all_sizes() -> None:
    images = [coordinate_image(h, w) for h, w in ((40, 200), (1, 1), (130, 33))]
    labels = {i: torch.zeros(image.shape[1:], dtype=torch.uint8) for i, image in enumerate(images)}
    first, second = (
        CropSampler(TrainingData(images, labels, [0]), 32, torch.device("cpu"), seeded(9)) for _ in range(2)
    )
    for _ in range(5):
        assert torch.equal(first.labelled(4).images, second.labelled(4).images)


def test_rare_classes_are_seen_more_often_than_they_occur() -> None:
    label = torch.zeros(200, 200, dtype=torch.uint8)
    label[150:154, 20:24] = 1
    data = TrainingData([coordinate_image(200, 200)], {0: label}, [])
    batch = CropSampler(data, 32, torch.device("cpu"), seeded()).labelled(60)
    share_of_crops = (batch.labels == 1).flatten(1).any(dim=1).float().mean()
    assert share_of_crops > 0.25


def test_labels_without_a_class_can_be_drawn() -> None:
    label = torch.full((40, 40), 254, dtype=torch.uint8)
    data = TrainingData([coordinate_image(40, 40)], {0: label}, [])
    assert (CropSampler(data, 32, torch.device("cpu"), seeded()).labelled(4).labels >= 254).all()


def test_strong_views_change_colours_only_and_stay_in_range() -> None:
    images = torch.rand(4, 3, 24, 24, generator=seeded())
    strong = photometric(images, seeded(1))
    assert strong.shape == images.shape
    assert 0 <= strong.min() <= strong.max() <= 1
    assert not torch.allclose(strong, images, atol=0.05)
    assert torch.equal(strong, photometric(images, seeded(1)))
    grey = torch.full((2, 3, 24, 24), 0.4)
    assert photometric(grey, seeded()).std(dim=(2, 3)).max() < 1e-5


def test_cutmix_takes_rectangles_of_the_next_image() -> None:
    masks = cutmix_masks(200, 16, 16, seeded(), torch.device("cpu"))
    shares = masks.float().mean(dim=(1, 2))
    assert 0.1 < shares.min() <= shares.max() <= 0.62
    values = torch.arange(3)[:, None, None].expand(3, 32, 32)
    masks = masks[:3]
    mixed = mix_with_next(values, masks)
    large = masks.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert torch.equal(mixed[0], large[0].long())
    assert torch.equal(mixed[2], torch.where(large[2], 0, 2))
    images = values[:, None].expand(3, 3, 32, 32).float()
    assert torch.equal(mix_with_next(images, masks)[:, 0].long(), mixed)
