"""When a network is compiled: only where the time of compiling comes back."""

from __future__ import annotations

import torch
from torch import nn

COMPILE_FROM_STEPS = 3000
"""Steps from which compiling is tried on CUDA; a cautious guess, not measured there.

On a CPU it never pays: under DeepLabV3+'s decoder, with 8 crops of 160 pixels on one thread, a step took
1.04 s eager and 1.03 s compiled, after 324 s of compiling on a machine shared with others.
"""


def pays(device: torch.device, steps: int) -> bool:
    """Whether a training of so many steps on this device earns the time of compiling back."""
    return device.type == "cuda" and steps >= COMPILE_FROM_STEPS


def compile_in_place(network: nn.Module, backend: str = "inductor") -> None:
    """Compile the network's forward and backward pass at its first call; its state keeps its names.

    What cannot be compiled runs as it is, and PyTorch logs a warning.
    """
    import torch._dynamo  # takes a second, so only where something is compiled

    torch._dynamo.config.suppress_errors = True
    # Batches have two sizes, without and with unlabelled crops; each gets kernels of its own.
    network.compile(backend=backend, dynamic=False)
