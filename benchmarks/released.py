"""The released NP-SemiSeg and U2PL, called as their own training scripts call them.

Nothing of them is copied here: their modules are imported from checkouts of the public repositories,
https://github.com/Jianf-Wang/NP-SemiSeg and https://github.com/Haochen-Wang409/U2PL.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F

NP_SEMISEG = "https://github.com/Jianf-Wang/NP-SemiSeg"
U2PL = "https://github.com/Haochen-Wang409/U2PL"

NP_LATENT = 32
"""Length of the released head's memory rows and of its latent."""
U2PL_WIDTH = 256
"""Channels of U2PL's representation."""
U2PL_CONTRAST = {
    "current_class_threshold": 0.3,
    "current_class_negative_threshold": 1,
    "low_rank": 3,
    "high_rank": 20,
    "temperature": 0.5,
    "num_queries": 256,
    "num_negatives": 50,
}
"""The constants of all released configurations."""


def commit_of(checkout: Path) -> str:
    """Return the commit a checkout stands at; "unknown" when it is a plain folder."""
    if not (checkout / ".git").exists():
        return "unknown"
    command = ["git", "-C", str(checkout), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def np_head(checkout: Path, channels: int, class_count: int, device: torch.device) -> Any:
    """Return the released head, with its default widths."""
    file = checkout / "U2PL" / "u2pl" / "models" / "np_head.py"
    specification = importlib.util.spec_from_file_location("released_np_head", file)
    if specification is None or specification.loader is None or not file.is_file():
        raise SystemExit(f"{file} does not exist: --np-semiseg wants a checkout of {NP_SEMISEG}.")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.NP_HEAD(input_dim=channels, num_classes=class_count).to(device)


def np_training_step(
    head: Any, features: torch.Tensor, labels: torch.Tensor, labelled: int, samples: int
) -> Callable[[], None]:
    """Return one training step: memory write, forward, loss, backward.

    The second pass of the encoder over the labelled images, which the released model makes to get the
    context features, is left out in the release's favour: they are cut out of ``features``.
    """
    class_count = head.num_classes
    start = torch.zeros(1, NP_LATENT, device=features.device)
    context_memory, target_memory = [start] * class_count, [start] * class_count

    def step() -> None:
        features.grad = None
        head.zero_grad(set_to_none=True)
        sampled, mean_t, std_t, mean_c, std_c, *_ = head(
            features,
            context_memory,
            target_memory,
            x_context_in=features[:labelled],
            labels_target_in=labels,
            labels_context_in=labels[:labelled],
            forward_times=samples,
        )
        logits = F.interpolate(
            sampled.mean(dim=0), size=labels.shape[-2:], mode="bilinear", align_corners=True
        )
        # As released: the standard deviations stand where variances belong.
        kl = 0.5 * ((std_c / std_t).log() + (std_t + (mean_t - mean_c).square()) / std_c - 1).sum(dim=1)
        loss = F.cross_entropy(logits[:labelled], labels[:labelled], ignore_index=255)
        loss = loss + F.cross_entropy(logits[labelled:], labels[labelled:], ignore_index=255)
        (loss + 0.005 * kl.mean()).backward()

    return step


def np_sampled_logits(head: Any, features: torch.Tensor, samples: int) -> torch.Tensor:
    """Return the logits ``(T, B, C, h, w)`` of a prediction; the class centres are zero, as released."""
    centres = torch.zeros(head.num_classes, NP_LATENT, device=features.device)
    logits: torch.Tensor = head(features, centres, centres, forward_times=samples, phase_train=False)
    return logits


def u2pl_losses(checkout: Path, device: torch.device) -> tuple[Any, Any]:
    """Return the released modules of losses and of queues, ready to be called in this one process.

    They call ``torch.distributed`` and ``.cuda()`` without asking, so a process group of one process is
    made and, on a CPU, ``.cuda()`` does nothing. scikit-image, which the queue's module imports for
    another function, is replaced by an empty module where it is not installed.
    """
    if not (checkout / "u2pl" / "utils" / "loss_helper.py").is_file():
        raise SystemExit(f"{checkout} has no u2pl/utils: --u2pl wants a checkout of {U2PL}.")
    if importlib.util.find_spec("skimage") is None:
        measure: Any = types.ModuleType("skimage.measure")
        measure.label = measure.regionprops = None
        sys.modules |= {"skimage": types.ModuleType("skimage"), "skimage.measure": measure}
    if device.type == "cpu":
        stay: Any = lambda tensor, *_, **__: tensor  # noqa: E731
        torch.Tensor.cuda = stay  # type: ignore[method-assign]
    store: Any = dist.HashStore()  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    sys.path.insert(0, str(checkout))
    return importlib.import_module("u2pl.utils.loss_helper"), importlib.import_module("u2pl.utils.utils")


def u2pl_unsupervised_step(
    losses: Any, logits: torch.Tensor, teacher_logits: torch.Tensor, labels: torch.Tensor, progress: float
) -> Callable[[], None]:
    """Return entropy, percentile, loss and backward for logits ``(B, C, h, w)`` and full-size labels."""
    size = labels.shape[-2:]

    def step() -> None:
        logits.grad = None
        enlarged = F.interpolate(logits, size=size, mode="bilinear", align_corners=True)
        by_teacher = F.interpolate(teacher_logits, size=size, mode="bilinear", align_corners=True)
        kept = 100 - 20 * (1 - progress)
        losses.compute_unsupervised_loss(enlarged, labels.clone(), kept, by_teacher).backward()

    return step


def u2pl_contrast_step(
    losses: Any,
    queues: Any,
    representation: torch.Tensor,
    teacher_representation: torch.Tensor,
    teacher_logits: torch.Tensor,
    labels: torch.Tensor,
    labelled: int,
    progress: float,
) -> Callable[[], None]:
    """Return entropy masks, contrast, queue push and backward; the queues are full from the start.

    The masks are made inside the released training function, so they are restated here.
    """
    class_count = teacher_logits.shape[1]
    small = representation.shape[-2:]
    sizes = [50_000] + [30_000] * (class_count - 1)
    memory = [[torch.randn(size, U2PL_WIDTH)] for size in sizes]
    pointers = [torch.zeros(1, dtype=torch.int64) for _ in sizes]
    probabilities = teacher_logits.softmax(dim=1)
    share = 20 * (1 - progress)

    def one_hot(label: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = F.interpolate(queues.label_onehot(label, class_count), size=small).long()
        return result

    def mask(chosen: torch.Tensor) -> torch.Tensor:
        inside = torch.cat([(labels[:labelled] != 255).float(), chosen.float()])
        return F.interpolate(inside[:, None], size=small, mode="nearest")

    def step() -> None:
        representation.grad = None
        with torch.no_grad():
            pseudo = labels[labelled:]
            by_teacher = F.interpolate(
                teacher_logits[labelled:], size=labels.shape[-2:], mode="bilinear", align_corners=True
            ).softmax(dim=1)
            entropy = -(by_teacher * (by_teacher + 1e-10).log()).sum(dim=1)
            valid = pseudo != 255
            low, high = (
                float(np.percentile(entropy[valid].cpu().numpy(), at)) for at in (share, 100 - share)
            )
            low_mask, high_mask = mask((entropy <= low) & valid), mask((entropy >= high) & valid)
            targets = one_hot(labels[:labelled]), one_hot(pseudo)
        _, loss = losses.compute_contra_memobank_loss(
            representation,
            *targets,
            probabilities[:labelled],
            probabilities[labelled:],
            low_mask,
            high_mask,
            U2PL_CONTRAST,
            memory,
            pointers,
            sizes,
            teacher_representation,
        )
        loss.backward()

    return step
