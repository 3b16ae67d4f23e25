"""The two processes of the pixel contrast's distributed test, and the data both sides use.

Run as ``python -m tests.core.contrast_processes FOLDER``; leaves ``gradient-RANK.pt`` there.
"""

import sys
from pathlib import Path

import torch
import torch._dynamo  # DistributedDataParallel loads it: once before the fork is sooner than twice after
import torch.distributed as dist
import torch.multiprocessing
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from core.recipes.class_queues import ClassQueues
from core.recipes.pixel_contrast import Pixels, pixel_contrast

CLASSES, WIDTH, PER_CLASS = 4, 6, 8


def embedding() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Linear(5, WIDTH)


def inputs(rank: int) -> torch.Tensor:
    """The pixels of one process, as many of each class."""
    return torch.randn(CLASSES * PER_CLASS, 5, generator=torch.Generator().manual_seed(10 + rank))


def contrast_of(represent: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """The loss where keys and queue rows depend on the class alone, so that draws do not matter."""
    labels = torch.arange(len(pixels)) % CLASSES
    generator = torch.Generator().manual_seed(3)
    queues = ClassQueues(CLASSES, WIDTH, size=8, dtype=torch.float32)
    negatives = F.normalize(torch.randn(CLASSES, 1, WIDTH, generator=generator), dim=2)
    queues.push(negatives.expand(-1, 8, -1), torch.ones(CLASSES, 8, dtype=torch.bool))
    nobody = torch.zeros(len(pixels), dtype=torch.bool)
    return pixel_contrast(
        Pixels(
            representations=represent(pixels),
            keys=torch.randn(CLASSES, WIDTH, generator=generator)[labels],
            probabilities=F.one_hot(labels, CLASSES).float(),
            labels=labels,
            by_person=nobody,  # reliable pseudo-labels, which are negatives of nothing
            unreliable=nobody,
        ),
        queues,
        generator,
    ).loss


def main(rank: int, folder: Path) -> None:
    store = f"file://{folder / 'store'}"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    wrapped = DistributedDataParallel(embedding())
    contrast_of(wrapped, inputs(rank)).backward()
    torch.save([parameter.grad for parameter in wrapped.parameters()], folder / f"gradient-{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.multiprocessing.start_processes(main, (Path(sys.argv[1]),), nprocs=2, start_method="fork")
