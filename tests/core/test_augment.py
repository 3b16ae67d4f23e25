import pytest
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


NEUTRAL = {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "gamma": 0.5, "blur": 0.0, "unblurred": 0.0}


@pytest.mark.parametrize("draw", [{}, *({name: value} for name in NEUTRAL for value in (0.2, 0.8))])
def test_every_draw_changes_what_it_is_named_for(
    draw: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = 0.3 + 0.2 * torch.rand(2, 3, 9, 11, generator=seeded())
    drawn = torch.tensor(list((NEUTRAL | draw).values()))
    monkeypatch.setattr(torch, "rand", lambda *size, generator: drawn.view(6, 1, 1, 1, 1).expand(size))
    ((name, value),) = draw.items() or [("nothing", 0.0)]
    grey, level = images.mean(dim=1, keepdim=True), images.mean(dim=(1, 2, 3), keepdim=True)
    changed = {
        "brightness": images * (0.5 + value),
        "contrast": level + (0.5 + value) * (images - level),
        "saturation": grey + (0.5 + value) * (images - grey),
        "gamma": images**2 ** (1.4 * value - 0.7),
    }
    found = photometric(images, seeded())
    if name == "blur":
        middle = images[..., 2:7, 3:8].mean(dim=(2, 3))
        torch.testing.assert_close(found[..., 4, 5], images[..., 4, 5].lerp(middle, value))
    else:
        torch.testing.assert_close(found, changed.get(name, images))


def test_half_of_the_views_are_not_blurred(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(1, 3, 9, 11, generator=seeded())
    for draw, blurred in ((0.49, True), (0.51, False)):
        drawn = torch.tensor([*list(NEUTRAL.values())[:4], 1.0, draw]).view(6, 1, 1, 1, 1)
        monkeypatch.setattr(torch, "rand", lambda *_, generator, drawn=drawn: drawn)
        assert torch.allclose(photometric(images, seeded()), images, atol=1e-3) != blurred


def test_a_view_is_of_its_image_alone() -> None:
    image = torch.rand(1, 3, 12, 12, generator=seeded())
    alike = photometric(image.expand(3, -1, -1, -1), seeded(1))
    assert not torch.allclose(alike[0], alike[1], atol=0.05)
    among_others = photometric(torch.cat([image, image.new_ones(2, 3, 12, 12)]), seeded(1))
    torch.testing.assert_close(among_others[0], alike[0])


def test_cutmix_takes_rectangles_of_the_next_image(device: torch.device) -> None:
    masks = cutmix_masks(200, 16, 16, seeded(), device)
    shares = masks.float().mean(dim=(1, 2))
    assert 0.1 < shares.min() <= shares.max() <= 0.62
    assert shares.mean().item() == pytest.approx(0.35, abs=0.02)
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
