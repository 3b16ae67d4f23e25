import itertools
from pathlib import Path

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder
from timm.layers import resample_abs_pos_embed

from core.model.network import build_network
from core.model.vision_transformer import DPTFeatures, VisionTransformerEncoder, transformer_options
from tests.core.small_network import seeded

DINOV2_S = "vit_small_patch14_dinov2"


def test_nothing_is_lost_without_the_last_doubling(device: torch.device) -> None:
    decoder = DPTFeatures(width=32, patch=16, channels=8).to(device).eval()
    pyramid = [torch.randn(2, 32, 4, 6, generator=seeded(i)).to(device) for i in range(4)]
    with torch.no_grad():
        features = decoder(pyramid)
        whole = DPTDecoder.forward(decoder, pyramid, [None] * 4)
    assert features.shape == (2, 8, 16, 24)
    doubled = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
    assert torch.allclose(doubled, whole, atol=1e-5)


def test_maps_are_the_last_one_and_three_before_it_each_through_the_norm(device: torch.device) -> None:
    encoder = VisionTransformerEncoder("test_vit4", transformer_options("test_vit4")).to(device).eval()
    images = torch.rand(1, 3, 64, 96, generator=seeded()).to(device)
    with torch.no_grad():
        maps = encoder(images)
        tokens = encoder.model.forward_features(images)[:, encoder.model.num_prefix_tokens :]
    assert [one.shape for one in maps] == [(1, encoder.width, 4, 6)] * 4
    assert torch.allclose(maps[-1], tokens.transpose(1, 2).unflatten(2, (4, 6)), atol=1e-5)
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(maps, 2))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_of_dinov2_loads_into_larger_patches(tmp_path: Path, suffix: str) -> None:
    """Also one of another grid of positions, here 224 pixels wide instead of 518."""
    donor = timm.create_model(DINOV2_S, img_size=224 if suffix == ".pth" else 518)
    torch.nn.init.normal_(donor.pos_embed)
    if suffix == ".pth":
        torch.save(donor.state_dict() | {"mask_token": torch.zeros(1, 384)}, tmp_path / f"{DINOV2_S}.pth")
    else:
        save_file(donor.state_dict(), tmp_path / f"{DINOV2_S}.lvd142m.safetensors")
    network = build_network(2, encoder=DINOV2_S, decoder="DPT", weights=str(tmp_path))
    assert network.warnings == []
    model = network.encoder.model
    for name, value in donor.blocks.state_dict().items():
        assert torch.equal(model.blocks.state_dict()[name], value)

    expected = resample_abs_pos_embed(donor.pos_embed, [37, 37], num_prefix_tokens=1)
    assert torch.allclose(model.pos_embed, expected, atol=1e-5)

    patch = torch.rand(1, 3, 14, 14, generator=seeded())
    larger = F.interpolate(patch, size=(16, 16), mode="bicubic", antialias=True)
    assert torch.allclose(model.patch_embed.proj(larger), donor.patch_embed.proj(patch), atol=1e-3)


def test_dinov3_fits_under_dpt(device: torch.device) -> None:
    options = transformer_options("vit_small_patch16_dinov3") | {"depth": 4, "embed_dim": 96, "num_heads": 3}
    encoder = VisionTransformerEncoder("vit_small_patch16_dinov3", options).to(device).eval()
    with torch.no_grad():
        maps = encoder(torch.rand(1, 3, 32, 64, generator=seeded()).to(device))
    features = DPTFeatures(encoder.width, encoder.patch).to(device).eval()(maps)
    assert features.shape == (1, 128, 8, 16)
    assert features.isfinite().all()


@pytest.mark.parametrize("encoder", ["resnet10t", "beit_base_patch16_224"])
def test_an_encoder_without_patches_or_for_one_size_is_refused(encoder: str) -> None:
    with pytest.raises(ValueError, match=f"'{encoder}' is no vision transformer for images of any size"):
        build_network(2, encoder=encoder, decoder="DPT", weights="none")


def test_an_encoder_of_another_library_is_refused() -> None:
    with pytest.raises(ValueError, match="'mobilenet_v2' with decoder 'DPT' cannot be built"):
        build_network(2, encoder="mobilenet_v2", decoder="DPT", weights="none")
