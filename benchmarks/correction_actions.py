"""Actions to correct a suggestion, and to draw the same label map by polygons alone.

``python run_app.py simulate --data CAMVID --workspace WORKSPACE …`` makes the suggestions;
``python benchmarks/correction_actions.py --workspace WORKSPACE`` counts on images that nobody labelled.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from skimage.measure import label
from sqlalchemy import select

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from correction_hand import LabelMap, Picture, corrected, filled, outlines
from csv_rows import about, write_rows

from app.superpixels import SEGMENTS, segment
from storage import images, projects
from storage.labels import decode_label_map
from storage.schema import VOID, Prediction
from storage.workspace import Workspace, open_workspace

RESULT = ROOT / "benchmarks" / "results" / "correction_actions.csv"
TARGETS = (0.95, 0.98)
IMAGES = 12
"""Of each seed."""
ROUGHNESS = (0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
"""Tolerances of the polygons drawn alone, in pixels."""
WAYS = ("correcting the suggestion", "polygons alone")


def polygons_only(truth: LabelMap) -> dict[float, int]:
    """Return the corners and class keys until polygons alone agree with the truth to each target.

    The person is a clever one: regions are drawn from large to small, so that a later one covers an earlier
    one's border; each takes the tolerance that trades corners against pixels best; what is not worth its
    corners is left out.
    """
    pieces = label(truth, background=VOID, connectivity=1)
    sizes = np.bincount(pieces.ravel())
    matters = truth != VOID
    drawn = []
    for piece in np.argsort(-sizes):
        if piece == 0:
            continue
        region = pieces == piece
        masks = [(len(corners), filled(corners, truth.shape)) for corners in outlines(region, ROUGHNESS)]
        choices = [(corners, mask, int((mask ^ region)[matters].sum())) for corners, mask in masks]
        if choices:
            drawn.append((int(truth[region][0]), int(sizes[piece]), choices))
    best: dict[float, int] = {}
    for price in np.geomspace(0.1, 500, 48):  # pixels that one corner must be worth
        label_map = np.full(truth.shape, 254, np.uint8)
        presses, value_before = 0, None
        for value, size, choices in drawn:
            corners, mask, missed = min(choices, key=lambda one: one[2] + price * one[0])
            if size <= missed + price * (corners + 1):
                continue
            presses += corners + (value != value_before)
            value_before = value
            label_map[mask] = value
        agreement = float((label_map == truth)[matters].mean())
        for target in TARGETS:
            if agreement >= target:
                best[target] = min(presses, best.get(target, presses))
    return best


def pictures(workspace: Workspace, count: int, seed: int) -> list[tuple[str, Picture]]:
    """Return name and content of ``count`` images with a suggestion that nobody labelled, drawn at random."""
    project = projects.list_projects(workspace)[0]
    with workspace.database.reading() as session:
        rows = session.execute(
            select(Prediction.image_id, Prediction.map_blob, Prediction.uncertainty_blob)
            .where(Prediction.round_id == project.current_round_id, Prediction.map_blob.is_not(None))
            .order_by(Prediction.image_id)
        ).all()
    chosen = np.random.default_rng(seed).permutation(len(rows))[:count]
    found = []
    for place in sorted(chosen):
        image_id, suggestion, uncertainty = rows[place]
        info = images.image(workspace, image_id)
        pixels = np.asarray(Image.open(io.BytesIO(workspace.blobs.get(info.blob))).convert("RGB"))
        doubt = Image.open(io.BytesIO(workspace.blobs.get(uncertainty))).resize((info.width, info.height))
        picture = Picture(
            pixels=pixels,
            truth=images.truth(workspace, image_id),
            suggestion=decode_label_map(workspace.blobs.get(suggestion)),
            confidence=1 - np.asarray(doubt, np.float32) / 255,
            superpixels=tuple(segment(pixels, count) for count in SEGMENTS),
        )
        found.append((info.name, picture))
    return found


def counted(named: tuple[str, Picture]) -> list[dict[str, object]]:
    """Return one row per target and way of labelling for one image."""
    name, picture = named
    ways = dict(zip(WAYS, (corrected(picture, TARGETS), polygons_only(picture.truth)), strict=True))
    before = picture.agreement(picture.suggestion)
    return [
        {
            "target": target,
            "way": way,
            "image": name,
            "suggestion_agreement": before,
            "actions": actions[target],
        }
        for way, actions in ways.items()
        for target in TARGETS
        if target in actions
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workspace", type=Path, required=True, help="kept by run_app.py simulate")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the draw of images")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    console = Console(width=160)
    workspace = open_workspace(arguments.workspace)
    rows: list[dict[str, object]] = []
    origin = about()
    for seed in arguments.seeds:
        chosen = pictures(workspace, arguments.images, seed)
        with ProcessPoolExecutor(arguments.jobs) as pool:
            for found in track(pool.map(counted, chosen), f"Seed {seed}", len(chosen), console=console):
                rows += [{**row, "seed": seed, **origin} for row in found]
                write_rows(arguments.out, rows)
    for way in WAYS:
        for target in TARGETS:
            own = [int(str(row["actions"])) for row in rows if (row["way"], row["target"]) == (way, target)]
            console.print(
                f"{way}, {target:.0%}: median {statistics.median(own)}, mean {statistics.mean(own):.1f}"
            )


if __name__ == "__main__":
    main()
