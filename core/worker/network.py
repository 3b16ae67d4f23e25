"""The networks of a round: a new one, one that goes on from the parent's weights, and the parent's own."""

from __future__ import annotations

from pathlib import Path

import torch

from core.model.encoder_weights import find_encoder_weights
from core.model.network import SegmentationNetwork, build_network
from core.warm_start import check_parts, load_teacher, shrink_and_perturb
from core.worker.claim import Claim
from storage import rounds
from storage.errors import QualmError
from storage.rounds import RoundInfo


def new_network(claim: Claim, class_count: int, parent: RoundInfo | None = None) -> SegmentationNetwork:
    """Return the network of the settings on the CPU, begun from the parent's weights when there is one."""
    settings = claim.settings
    # Of pretrained weights nothing would be left, so they need not be there any more.
    takes_all = parent is not None and settings.warm_start_keep == 1.0
    network = _untrained(claim, class_count, "none" if takes_all else settings.weights)
    if parent is not None:
        shrink_and_perturb(network, _checkpoint_of(claim, parent), settings.warm_start_keep)
    return network


def teacher_of(claim: Claim, class_count: int, parent: RoundInfo) -> SegmentationNetwork:
    """Return an earlier round's teacher on the CPU, with the classes of today."""
    teacher = _untrained(claim, class_count, "none")
    load_teacher(teacher, _checkpoint_of(claim, parent))
    _silence_unlearned(teacher, parent)
    return teacher


def _untrained(claim: Claim, class_count: int, weights: str) -> SegmentationNetwork:
    network = build_network(
        class_count,
        encoder=claim.settings.encoder,
        decoder=claim.settings.decoder,
        head=claim.settings.head,
        weights=weights,
        representation=claim.settings.recipe == "u2pl",
        generator=torch.Generator().manual_seed(claim.seed),
    )
    for warning in network.warnings:
        claim.note(warning)
    network.silent = [index for index in claim.archived if index < class_count]
    return network


def usable_parent(claim: Claim) -> RoundInfo | None:
    """Return the round to begin from: the one on the screen, when its network is of the same kind.

    Where that is asked for and cannot be, the person is told; a further round then ends, see
    :func:`core.worker.audit.drop_incomparable`.
    """
    if not claim.settings.warm_start or claim.info.parent_id is None:
        return None
    parent = rounds.get_round(claim.workspace, claim.info.parent_id)
    kind = ("encoder", "decoder", "head")
    changed = [name for name in kind if getattr(parent.config, name) != getattr(claim.settings, name)]
    instead = "" if claim.info.kind == "trains_on" else ", so this round begins from fresh weights"
    if changed:
        claim.note(f"Round {parent.number} has another {' and '.join(changed)}{instead}.")
        return None
    at_random = began_at_random(parent)
    if (at_random or began_with(parent) != claim.settings.weights) and _are_pretrained_there(claim):
        began = (
            "without pretrained weights, which are there now"
            if at_random
            else "with other pretrained weights"
        )
        claim.note(f"Round {parent.number} began {began}{instead}.")
        return None
    try:
        check_parts(_untrained(claim, 1, "none"), _checkpoint_of(claim, parent))
    except ValueError as error:
        instead = "" if claim.info.kind == "trains_on" else ", so this one begins anew"
        claim.note(f"Round {parent.number} could not be gone on from{instead}: {error}")
        return None
    return parent


def began_with(trained: RoundInfo) -> str:
    """Return which pretrained weights the first of the rounds named that a round went on from."""
    return str(trained.metrics.get("began_with") or trained.config.weights)


def _are_pretrained_there(claim: Claim) -> bool:
    """Look for the pretrained weights of the settings; where they name some in vain, the person is told."""
    if claim.settings.weights == "none":
        return False
    try:
        found = find_encoder_weights(claim.settings.encoder, claim.settings.weights)
    except ValueError as error:
        claim.note(str(error))
        return False
    for warning in found.warnings:
        claim.note(warning)
    return not found.warnings


def began_at_random(trained: RoundInfo) -> bool:
    """Return whether a round has weights that began at random values though the settings asked for others."""
    return bool(trained.metrics.get("began_at_random"))


def network_in_use(claim: Claim, class_count: int) -> SegmentationNetwork:
    """Return the teacher by which a round ranks again, on the CPU, with the classes it was trained on.

    Raises:
        QualmError: Its checkpoint is gone or damaged, or of a network that is built otherwise today.
    """
    teacher = _untrained(claim, class_count, "none")
    problem = None
    try:
        if lacking := load_teacher(teacher, _checkpoint_of(claim, claim.trained)):
            problem = f"it lacks {lacking[0]}."
    except ValueError as error:
        problem = str(error)
    if problem is not None:
        raise QualmError(
            f"The weights of round {claim.trained.number} cannot be used, so nothing can be ranked by them: "
            f"{problem} Press Train now for new ones."
        )
    _silence_unlearned(teacher, claim.trained)
    # As a training has it: other kernels round otherwise, and suggestions would differ here and there.
    return teacher.to(memory_format=torch.channels_last)


def _silence_unlearned(teacher: SegmentationNetwork, trained: RoundInfo) -> None:
    """Keep back what was archived while it trained: it never learned that, though it may be back by now."""
    teacher.silent = sorted({*teacher.silent, *trained.metrics.get("archived", [])})


def _checkpoint_of(claim: Claim, parent: RoundInfo) -> Path:
    return claim.workspace.path / (parent.checkpoint or "none")
