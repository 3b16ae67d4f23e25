import torch

from core.augment import cutmix_masks, mix_with_next, photometric
from tests.core.small_network import seeded


def test_strong_views_change_colours_only_and_stay_in_range(device: torch.device) -> None:
    images = torch.rand(4, 3, 24, 24, generator=seeded()).to(device)
    strong = photometric(images, seeded(1))
    assert strong.shape == images.shape
    assert 0 <= strong.min() <= strong.max() <= 1
    assert not torch.allclose(strong, images, atol=0.05)
    assert torch.equal(strong, photometric(images, seeded(1)))
    grey = torch.full((2, 3, 24, 24), 0.4, device=device)
    assert photometric(grey, seeded()).std(dim=(2, 3)).max() < 1e-5


def test_cutmix_takes_rectangles_of_the_next_image(device: torch.device) -> None:
    masks = cutmix_masks(200, 16, 16, seeded(), device)
    shares = masks.float().mean(dim=(1, 2))
    assert 0.1 < shares.min() <= shares.max() <= 0.62
    in_rows, in_columns = masks.any(dim=2), masks.any(dim=1)
    assert torch.equal(masks, in_rows[:, :, None] & in_columns[:, None])
    for line in (in_rows, in_columns):
        assert (line.int().diff(dim=1).clamp(min=0).sum(dim=1) + line[:, 0] == 1).all()  # without a gap
    values = torch.arange(3, device=device)[:, None, None].expand(3, 32, 32)
    masks = masks[:3]
    mixed = mix_with_next(values, masks)
    large = masks.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert torch.equal(mixed[0], large[0].long())
    assert torch.equal(mixed[2], torch.where(large[2], 0, 2))
    images = values[:, None].expand(3, 3, 32, 32).float()
    assert torch.equal(mix_with_next(images, masks)[:, 0].long(), mixed)


def test_mixing_an_image_with_itself_is_no_change(device: torch.device) -> None:
    image = torch.rand(1, 3, 12, 20, generator=seeded()).to(device)
    masks = cutmix_masks(4, 12, 20, seeded(1), device)
    assert masks.any()
    assert torch.equal(mix_with_next(image.expand(4, -1, -1, -1), masks), image.expand(4, -1, -1, -1))
