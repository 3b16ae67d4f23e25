"""The teacher: an exponential moving average of the student."""

from __future__ import annotations

import copy

import torch
from torch import nn

from core.model.memory import Memory
from core.model.network import SegmentationNetwork


def make_teacher(student: SegmentationNetwork) -> SegmentationNetwork:
    """Return a copy of the student that is in evaluation mode and asks for no gradients."""
    teacher = copy.deepcopy(student)
    teacher.requires_grad_(False)
    return teacher.eval()


def decay_at(step: int, decay: float) -> float:
    """Return the decay used after training step ``step`` (from 0): min((1 + step) / (10 + step), decay).

    The teacher looks back over about a tenth of the steps so far, until ``decay`` limits it. A short
    round would otherwise end with a teacher that is mostly untrained.
    """
    return min((1 + step) / (10 + step), decay)


@torch.no_grad()
def update_teacher(teacher: SegmentationNetwork, student: SegmentationNetwork, decay: float) -> None:
    """Set teacher ← decay · teacher + (1 − decay) · student for all floating state; copy the rest.

    Floating state is parameters, batch-norm statistics and memories. Memory rows and images the teacher
    does not hold yet are copied instead of averaged.
    """
    for mine, theirs in zip(_memories(teacher), _memories(student), strict=True):
        mine.adopt_new(theirs)
    student_state = student.state_dict()
    floating, towards = [], []
    for name, value in teacher.state_dict().items():
        if value.is_floating_point():
            floating.append(value)
            towards.append(student_state[name])
        else:
            value.copy_(student_state[name])
    torch._foreach_lerp_(floating, towards, 1 - decay)


def _memories(network: nn.Module) -> list[Memory]:
    return [module for module in network.modules() if isinstance(module, Memory)]
