"""The scores of the pool and its order by a trained network, ready to be published."""

from __future__ import annotations

import dataclasses
import time
from typing import NamedTuple

import torch
from torch import Tensor

from core.acquisition.aggregation import ImageScore, score_image
from core.acquisition.batch_choice import BY_GRADIENT
from core.acquisition.pixel_scores import OF_DISAGREEMENT
from core.model.network import SegmentationNetwork
from core.pool_ranking import PoolRanking, rank_pool
from core.pool_scoring import predicted_pool
from core.predict import ImagePrediction
from core.reasons import Reason, reason
from core.worker.audit import audit_figures, drop_worse
from core.worker.claim import Claim, Published
from core.worker.images import RoundImages
from core.worker.maps import Maps, encoded_maps, maps_of
from core.worker.snapshot import Learned
from core.worker.vectors import stacked, stored_embeddings, vectors_of
from storage import queue, rounds
from storage.files import BlobStore
from storage.images import StoredImage
from storage.predictions import NewPrediction
from storage.rounds import RoundInfo
from storage.schema import PixelScore

EMBEDDING_WORK = 0.5
"""Time to embed an image, in those to predict and score one, about."""
EARLY = 32
"""Images that come next are scored first, and suggested for before the others are; see
:mod:`storage.early_suggestions`. An hour's work for a person."""
LARGE_POOL = 128
"""The fewest images to score in a large pool: of fewer the suggestions come nearly as soon with all."""
PLANNED_ROUNDS = 10
"""ClaSP PE's noise has settled after so many rounds, further ones on the same labels not counted."""


class _Scored(NamedTuple):
    """An image of the pool and what the network thinks of it."""

    image: StoredImage
    score: ImageScore
    why: Reason


def score_pool(
    claim: Claim,
    images: RoundImages,
    learned: Learned,
    parent: RoundInfo | None,
    network: SegmentationNetwork,
    device: torch.device,
) -> Published:
    """Measure on the audit images, predict the pool, or the part of it that is looked at, and rank it.

    Args:
        claim: The round.
        images: Of its project.
        learned: What the network knows of the labels.
        parent: The round that is measured beside this one; None for none.
        network: What scores; on ``device``.
        device: Where to compute.

    Raises:
        LeaseLost, Cancelled, Stopping: See :meth:`core.worker.claim.Claim.check`; Cancelled also for a round
            that trains on, where the audit images do not say that it is as good as its parent.
    """
    claim.begin_scoring(len(images.to_score))
    measured = audit_figures(claim, images, learned.class_count, parent, network, device)
    if claim.info.kind == "trains_on":
        drop_worse(claim, parent, measured)
    temperature = measured.get("temperature", 1.0)
    pixel_score = _score_that_varies(claim, network)
    early = _first_to_score(claim, images)
    scored, first_maps = _scored_pool(claim, images, early, network, device, temperature, pixel_score)
    vectors = {one.image.id: one.score.embedding for one in scored}
    vectors |= vectors_of(images.readable(images.others), network, device)
    ranking = rank_pool(
        [one.score for one in scored],
        stacked(vectors, learned.image_ids),
        [images.frames[one.image.id] for one in scored],
        learned.images_by_class,
        choice=claim.settings.batch_choice,
        batch=claim.settings.choice_batch,
        near_duplicate=claim.settings.near_duplicate,
        uncertain_from=claim.settings.uncertain_from,
        progress=min(1.0, (rounds.label_batches(claim.workspace, claim.info) - 1) / PLANNED_ROUNDS),
        generator=torch.Generator().manual_seed(claim.seed),
    )
    most = claim.settings.keep_predictions
    in_front = {*images.asked_for[:most], *(scored[index].image.id for index in ranking.order[:most])}
    # What somebody may have on the screen by now stays there.
    in_front |= early
    # Of a large pool as many maps are in memory as are wanted in the end; the others are predicted again.
    again = [one.image for one in scored if one.image.id in in_front and one.image.id not in first_maps]
    maps = {number: found for number, found in first_maps.items() if number in in_front}
    maps |= maps_of(claim, images.readable(again), network, device, temperature)
    predictions = claim.stored(
        lambda: [
            _new_prediction(
                claim.workspace.blobs, scored[index], rank, index, ranking, maps.get(scored[index].image.id)
            )
            for rank, index in enumerate(ranking.order, start=1)
        ]
    )
    blob = stored_embeddings(claim, vectors, {one.image.id for one in scored})
    sentence = ranking.ranked_by["sentence"] + images.looked_at()
    ranked_by = ranking.ranked_by | {"pixel_score": pixel_score, "sentence": sentence}
    return Published(predictions, measured | {"ranked_by": ranked_by}, blob)


def _first_to_score(claim: Claim, images: RoundImages) -> set[int]:
    """Return the ids of the images that are suggested for before the others are scored; often none.

    A round that ranks again suggests what is there. One that scores again, for want of memory or since its
    worker died, asks what comes next by then.
    """
    is_large = len(images.to_score) >= LARGE_POOL
    if claim.info.kind == "ranks" or not is_large or not claim.settings.keep_predictions:
        return set()
    scored = {image.id for image in images.to_score}
    return scored.intersection(queue.coming_next(claim.workspace, claim.info.project_id, EARLY))


def _likely_in_front(claim: Claim, images: RoundImages) -> set[int]:
    """Return as many images as may be kept: those asked for, then those in front by the order before."""
    most = claim.settings.keep_predictions
    front = queue.front(claim.workspace, claim.info.project_id, most)
    scored = dict.fromkeys(image.id for image in images.to_score)
    likely = [number for number in dict.fromkeys([*images.asked_for, *front, *scored]) if number in scored]
    return {*likely[:most]}


def _scored_pool(
    claim: Claim,
    images: RoundImages,
    early: set[int],
    network: SegmentationNetwork,
    device: torch.device,
    temperature: float,
    pixel_score: PixelScore,
) -> tuple[list[_Scored], dict[int, Maps]]:
    """Return what the network thinks of the pool, and by image id the maps of as many as may be kept.

    The images ``early`` are scored first, and suggested for as soon as they are.
    """
    settings = claim.settings
    keeps = _likely_in_front(claim, images) | early
    # At most: as if the order before said nothing, and those in front were kept by chance alone.
    again = len(keeps) * (1 - len(keeps) / max(1, len(images.to_score)))
    afterwards = again + EMBEDDING_WORK * len(images.others)

    def of_image(
        image: StoredImage, pixels: Tensor, prediction: ImagePrediction
    ) -> tuple[_Scored, Maps | None]:
        score = score_image(prediction, pixel_score, settings.aggregation)
        why = reason(prediction.probabilities, prediction.pixel_scores["least_confidence"], claim.class_names)
        maps = None
        if image.id in keeps:
            maps = encoded_maps(image, prediction, pixels, network.class_weights)
        return _Scored(image, score, why), maps

    scored: list[_Scored] = []
    kept: dict[int, Maps] = {}
    first_come = sorted(images.to_score, key=lambda image: image.id not in early)
    suggests = bool(early)
    began = time.monotonic()
    for one, maps in predicted_pool(
        network,
        images.readable(first_come),
        of_image,
        samples=settings.samples_predict,
        seed=claim.seed,
        device=device,
        temperature=temperature,
        with_gradient=settings.batch_choice in BY_GRADIENT,
    ):
        if suggests and one.image.id not in early:
            claim.suggest_early(kept)
            suggests = False
        scored.append(one)
        if maps is not None:
            kept[one.image.id] = maps
        claim.report_scoring(len(scored), len(images.to_score), began, afterwards)
    # The order of the pool again: ties are told apart by it.
    place = {image.id: at for at, image in enumerate(images.to_score)}
    return sorted(scored, key=lambda one: place[one.image.id]), kept


def _score_that_varies(claim: Claim, network: SegmentationNetwork) -> PixelScore:
    """Return the pixel score of the settings; entropy, with a note, where it would be 0 for every image."""
    settings = claim.settings
    if settings.pixel_score not in OF_DISAGREEMENT:
        return settings.pixel_score
    score = settings.pixel_score.replace("_", " ")
    if settings.head == "linear" or settings.samples_predict == 1:
        claim.note(
            f"The {score} of a single prediction is 0 everywhere, so predictive entropy orders the images. "
            "Choose a head that draws samples, and more than one, or another score."
        )
        return "predictive_entropy"
    noise = network.draw_noise(settings.samples_predict, 1, torch.Generator().manual_seed(claim.seed))
    if noise is not None and bool(noise.any()):
        return settings.pixel_score
    claim.note(
        f"The training was too short to see half of the labelled images, so the {score} is 0 everywhere and "
        "predictive entropy orders the images. More steps mostly mend that."
    )
    return "predictive_entropy"


def _new_prediction(
    blobs: BlobStore,
    scored: _Scored,
    rank: int,
    index: int,
    ranking: PoolRanking,
    maps: Maps | None,
) -> NewPrediction:
    """Return the row of the image at ``index`` of the ranked pool; its maps are stored."""
    why = scored.why
    said = (why.unlike_labelled() if bool(ranking.unlike[index]) else why).after(ranking.grounds[index])
    return NewPrediction(
        scored.image.id,
        scored.score.score,
        rank,
        dataclasses.asdict(said),
        scored.score.scores,
        None if ranking.novelty is None else float(ranking.novelty[index]),
        (why.classes[0], why.classes[1]) if why.classes else None,
        *(blobs.put(data) for data in maps or ()),
    )
