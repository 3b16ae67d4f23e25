import pytest
import torch
import torch.nn.functional as F

from core.crops import CropDraws, Crops, cut
from core.data import TrainingData
from tests.core.small_network import seeded


def coordinate_image(height: int, width: int) -> torch.Tensor:
    rows = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=torch.uint8)[None].expand(height, width)
    return torch.stack([rows, columns, torch.full_like(rows, 100)])


def one_crop(scale: float, *, mirrored: bool = False) -> Crops:
    return Crops(
        [0],
        torch.tensor([scale]),
        torch.zeros(1, 2),
        torch.full((1, 2), torch.nan),
        torch.tensor([mirrored]),
    )


def drawn(
    data: TrainingData, side: int, batch_size: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    crops = CropDraws(data, batch_size, side, seed=3).at(0).labelled
    images = [data.images[index] for index in crops.images]
    return cut(crops, images, [data.labels[index] for index in crops.images], side, device)


@pytest.mark.parametrize("side", [20, 48, 80])
def test_a_crop_of_the_whole_image_equals_antialiased_resizing(side: int, device: torch.device) -> None:
    image = torch.randint(0, 256, (3, 48, 48), generator=seeded(), dtype=torch.uint8)
    label = torch.randint(0, 9, (48, 48), generator=seeded(1), dtype=torch.uint8)
    pixels, labels = cut(one_crop(side / 48), [image], [label], side, device)
    expected = F.interpolate(image[None] / 255, size=(side, side), mode="bilinear", antialias=True)
    assert torch.allclose(pixels.cpu(), expected, atol=1e-5)
    nearest = F.interpolate(label[None, None].float(), size=(side, side), mode="nearest-exact")[0]
    assert torch.equal(labels.cpu(), nearest.to(torch.uint8))
    mirrored = cut(one_crop(side / 48, mirrored=True), [image], [label], side, device)
    assert torch.allclose(mirrored[0].cpu(), expected.flip(3), atol=1e-5)
    assert torch.equal(mirrored[1], labels.flip(2))


def test_labels_follow_their_pixels_through_scale_crop_and_flip(device: torch.device) -> None:
    image = torch.zeros(3, 90, 120, dtype=torch.uint8)
    image[:, 30:60, 40:80] = 255
    pixels, labels = drawn(TrainingData([image], {0: (image[0] > 0).to(torch.uint8)}, []), 64, 24, device)
    counted = labels < 254
    bright = pixels[:, 0] > 0.5
    agreement = (bright[counted] == (labels[counted] == 1)).float().mean()
    assert agreement > 0.97  # the rest are blurred edges


def test_what_lies_outside_the_image_is_void_and_grey(device: torch.device) -> None:
    image = torch.full((3, 20, 30), 7, dtype=torch.uint8)
    label = torch.zeros(20, 30, dtype=torch.uint8)
    pixels, labels = drawn(TrainingData([image], {0: label}, []), 64, 6, device)
    assert pixels.shape == (6, 3, 64, 64)
    assert set(labels.unique().tolist()) == {0, 255}
    for crop in range(6):  # an image smaller than the crop is in it, whole
        height, width = (labels[crop] == 0).any(dim=1).sum(), (labels[crop] == 0).any(dim=0).sum()
        assert abs(height / width - 20 / 30) < 0.1
    assert torch.allclose(pixels[:, 0][labels == 0] * 255, torch.tensor(7.0, device=device), atol=1e-3)
    assert torch.allclose(pixels[:, 0][labels == 255] * 255, torch.tensor(128.0, device=device), atol=1e-3)
    crops = one_crop(1.0)
    assert set(cut(crops, [image], None, 64, device)[1].unique().tolist()) == {254, 255}


def test_images_of_all_sizes_are_cut_together_as_alone(device: torch.device) -> None:
    images = [coordinate_image(h, w) for h, w in ((40, 200), (1, 1), (130, 33), (40, 200))]
    labels = {i: (image[0] % 5).contiguous() for i, image in enumerate(images)}
    crops = CropDraws(TrainingData(images, labels, []), 8, 32, seed=1).at(0).labelled
    chosen = [images[index] for index in crops.images]
    pixels, values = cut(crops, chosen, [labels[index] for index in crops.images], 32, device)
    for at, index in enumerate(crops.images):
        single = Crops([index], *(field[at : at + 1] for field in crops[1:]))
        alone, alone_values = cut(single, [images[index]], [labels[index]], 32, device)
        assert torch.allclose(pixels[at], alone[0], atol=1e-5)
        assert torch.equal(values[at], alone_values[0])


def test_crops_depend_on_seed_step_and_rank_alone() -> None:
    data = TrainingData(
        [coordinate_image(60, 60)] * 9, {0: torch.zeros(60, 60, dtype=torch.uint8)}, [*range(1, 9)]
    )

    def crops(seed: int = 0, step: int = 4, rank: int = 0) -> list[float]:
        at = CropDraws(data, 4, 32, seed=seed, rank=rank).at(step)
        assert at.unlabelled is not None
        return [*at.images(), *at.labelled.place.flatten().tolist(), *at.unlabelled.scale.tolist()]

    assert crops() == crops()
    assert len({tuple(crops(*at)) for at in ((0, 4, 0), (1, 4, 0), (0, 5, 0), (0, 4, 1))}) == 4


def test_rare_classes_are_seen_more_often_than_they_occur(device: torch.device) -> None:
    label = torch.zeros(200, 200, dtype=torch.uint8)
    label[150:154, 20:24] = 1
    _, labels = drawn(TrainingData([coordinate_image(200, 200)], {0: label}, []), 32, 60, device)
    assert (labels == 1).flatten(1).any(dim=1).float().mean() > 0.25


def test_a_centred_crop_holds_its_pixel(device: torch.device) -> None:
    label = torch.full((90, 70), 254, dtype=torch.uint8)
    label[88, 3] = 5
    crops = CropDraws(TrainingData([coordinate_image(90, 70)], {0: label}, []), 40, 32, seed=0).at(0).labelled
    centred = ~crops.centre.isnan().any(dim=1)
    assert 0.2 < centred.float().mean() < 0.8
    assert crops.centre[centred].unique(dim=0).tolist() == [[88, 3]]
    chosen = [coordinate_image(90, 70)] * 40
    rows, columns = (cut(crops, chosen, None, 32, device)[0][:, channel] * 255 for channel in (0, 1))
    assert ((rows - 88).abs().flatten(1).amin(dim=1)[centred] < 1.01).all()
    assert ((columns - 3).abs().flatten(1).amin(dim=1)[centred] < 1.01).all()


def test_labels_without_a_class_can_be_drawn(device: torch.device) -> None:
    label = torch.full((40, 40), 254, dtype=torch.uint8)
    assert (drawn(TrainingData([coordinate_image(40, 40)], {0: label}, []), 32, 4, device)[1] >= 254).all()
