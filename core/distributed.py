"""Training in several processes, one per device, that average their gradients.

The worker trains a round on one device; this is for a script that has several.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from timm.layers import convert_sync_batchnorm
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Result = TypeVar("Result")


def make_fabric(device: torch.device, devices: int = 1) -> Fabric:
    """Return what places networks on devices and chooses precision: bfloat16 on CUDA, else float32.

    Args:
        device: ``cpu``, ``cuda``, ``mps`` …; with an index only that one is used.
        devices: Processes, each with a device of its own; on the CPU they share its cores.
    """
    chosen: Any = [device.index or 0] if device.type == "cuda" and devices == 1 else devices
    strategy: Any = "auto"
    if devices > 1:
        # Memories are equal everywhere without a copy of rank 0's buffers before each step, and every
        # parameter of a network receives a gradient at each step.
        strategy = DDPStrategy(start_method="spawn", broadcast_buffers=False, find_unused_parameters=False)
    precision: Any = "bf16-mixed" if device.type == "cuda" else "32-true"
    return Fabric(accelerator=device.type, devices=chosen, strategy=strategy, precision=precision)


def launch(function: Callable[..., Result], *arguments: Any, device: torch.device, devices: int) -> Result:
    """Call ``function(fabric, *arguments)`` in several processes at once and return rank 0's result.

    Each call builds its own ``Training(network, data, config, fabric.device, fabric)``; the networks
    must begin equal, and the batch size is that of one process.

    Args:
        function: Of a module's top level, because the processes import it. Its result holds no tensors,
            which would not outlive the process on a CPU.
        arguments: Picklable.
        device: Kind of device; gloo connects CPUs, NCCL connects CUDA devices.
        devices: Number of processes, two or more.
    """
    whole = partial(_and_end_at_once, function=function, arguments=arguments)
    return make_fabric(device, devices).launch(whole)


def _and_end_at_once(fabric: Fabric, function: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    """Call the function and let the process then end without taking the interpreter apart.

    Threads of gloo may hold the last collectives' tensors a moment longer; when one is freed while the
    interpreter is taken apart, the process aborts. Destroying the group does not join them all.
    """
    result = function(fabric, *arguments)
    dist.destroy_process_group()
    atexit.register(os._exit, 0)
    return result


def processes() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gathered(mine: torch.Tensor) -> list[torch.Tensor]:
    """Return this tensor of every process, all of one shape, in the order of their ranks."""
    received = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(received, mine.contiguous())
    return received


def synchronise_batch_norm(network: nn.Module, device: torch.device) -> None:
    """Let batch norm see the batch of all processes, where PyTorch can: on CUDA.

    On the CPU each process normalises by its own crops, as in training with a smaller batch.
    """
    if device.type == "cuda":
        # PyTorch's own conversion takes timm's layers for plain ones and drops the activation within them.
        convert_sync_batchnorm(network)


def average_batch_statistics(network: nn.Module, fabric: Fabric) -> None:
    """Replace the running statistics of batch norm by their mean over the processes."""
    statistics = [
        buffer
        for module in network.modules()
        if isinstance(module, _BatchNorm)
        for buffer in (module.running_mean, module.running_var)
        if buffer is not None
    ]
    if not statistics:
        return
    together = torch.cat([buffer.flatten() for buffer in statistics])
    averaged = torch.as_tensor(fabric.all_reduce(together, reduce_op="mean"))
    for buffer, mean in zip(statistics, averaged.split([b.numel() for b in statistics]), strict=True):
        buffer.copy_(mean.view_as(buffer))
