"""Beginning a network from the teacher of an earlier round, whole or shrunk towards fresh weights."""

from __future__ import annotations

from pathlib import Path

import torch

from core.checkpoint_file import misfit, read_checkpoint, with_prefix
from core.model.network import SegmentationNetwork

_PARTS = ("encoder.", "decoder.")


def load_teacher(network: SegmentationNetwork, folder: Path) -> list[str]:
    """Copy the teacher of a checkpoint into ``network``, for prediction.

    State of another shape, as after a class was added, is copied for the indices both have; a class that the
    teacher does not know is silent.

    Args:
        network: Changed in place.
        folder: Of the checkpoint.

    Returns:
        Names of the network's state that kept (some of) its own values.

    Raises:
        ValueError: When the checkpoint is missing or damaged.
    """
    saved = with_prefix(read_checkpoint(folder)[0], "teacher.")
    own = _mix(network, saved, keep=1.0)
    unknown = range(len(saved.get("class_weights", network.class_weights)), network.class_count)
    network.silent = sorted({*network.silent, *unknown})
    return own


def check_parts(network: SegmentationNetwork, folder: Path) -> None:
    """Refuse a checkpoint whose encoder or decoder has other sizes than the network's.

    Unlike the head's, which follow the classes, they have nothing in common then that could be gone on from.

    Raises:
        ValueError: It has, or is missing or damaged.
    """
    saved = with_prefix(read_checkpoint(folder)[0], "teacher.")
    own = {name: value for name, value in network.state_dict().items() if name.startswith(_PARTS)}
    problem = misfit(own, {name: value for name, value in saved.items() if name in own})
    if problem is not None:
        raise ValueError(f"its network was built with another encoder or decoder, {problem}.")


def shrink_and_perturb(network: SegmentationNetwork, parent: Path, keep: float) -> list[str]:
    """Set every parameter to keep · parent + (1 − keep) · its own, newly initialised value.

    A network that goes on from an earlier round's weights learns new labels worse than a fresh one;
    shrinking the weights and adding a fresh draw heals most of it at a part of the cost (Ash and Adams
    2020, "On warm-starting neural network training", §4). Here the encoder's fresh value is its
    pretrained one. Buffers (batch statistics, memory rows) are the parent's whole: a share of them
    would fit neither network.

    State of another shape, as after a class was added, is changed for the indices both have. A silent class
    leaves the memories, for no label would ever renew its rows.

    Args:
        network: Newly built; changed in place.
        parent: Folder of a checkpoint; its teacher counts.
        keep: In [0, 1]: 1 is the parent to the bit, 0 the network's own parameters.

    Returns:
        Names of the network's state that the parent lacks or has in another shape.

    Raises:
        ValueError: When the checkpoint is missing or damaged, or ``keep`` is out of range.
    """
    if not 0 <= keep <= 1:
        raise ValueError(f"keep is a share from 0 to 1, not {keep}.")
    return _mix(network, with_prefix(read_checkpoint(parent)[0], "teacher."), keep)


@torch.no_grad()
def _mix(network: SegmentationNetwork, saved: dict[str, torch.Tensor], keep: float) -> list[str]:
    """Do what :func:`shrink_and_perturb` does, with a teacher's state."""
    parameters = {name for name, _ in network.named_parameters()}
    own = []
    for name, value in network.state_dict().items():
        source = saved.get(name)
        if source is None or source.ndim != value.ndim:
            own.append(name)
            continue
        if source.shape != value.shape:
            own.append(name)
        common = tuple(slice(0, min(a, b)) for a, b in zip(source.shape, value.shape, strict=True))
        source = source[common].to(value)
        value[common] = torch.lerp(value[common], source, keep) if name in parameters else source
    network.forget_silent()
    return own
