"""What reading images costs a round: ``python benchmarks/small_pictures.py --data ../shared/data/camvid``.

Photographs of CamVid, enlarged to the sizes of cameras and with a little noise, as files of both kinds, read
at the long side of a new project. The named peer decodes each file in every round, as a loop over the images
that keeps nothing does. *First* also keeps what is worth keeping, on as many processors as there are, and
*again* is every later round. They take turns; milliseconds an image, medians of three times over all images,
files in the system's cache.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from csv_rows import Row, about, print_rows, write_rows

from core.decoded_image import decoded_image
from core.image_threads import read_at_once
from core.worker.small_pictures import SmallPictures
from storage.files import BlobStore
from storage.settings import RoundSettings

RESULT = ROOT / "benchmarks" / "results" / "small_pictures.csv"
SIZES = ((1280, 960), (2048, 1536), (4000, 3000))
KINDS = ("JPEG", "PNG")
IMAGES = 12
TIMES = 3
NOISE = 3
"""Grey levels to both sides."""
SEED = 0


def photograph(path: Path, size: tuple[int, int], kind: str, generator: np.random.Generator) -> bytes:
    """Return a file of a picture at another size."""
    pixels = np.asarray(Image.open(path).convert("RGB").resize(size, Image.Resampling.BICUBIC)).astype(
        np.int16
    )
    pixels += generator.integers(-NOISE, NOISE + 1, pixels.shape, dtype=np.int16)
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, kind, quality=90)
    return file.getvalue()


def ms_an_image(blobs: list[str], results: Iterable[object]) -> float:
    """Return how long it takes until all results are there."""
    began = time.perf_counter()
    for _ in results:
        pass
    return 1000 * (time.perf_counter() - began) / len(blobs)


def measured(paths: list[Path], size: tuple[int, int], kind: str) -> Row:
    """Return the row of one size and kind."""
    generator = np.random.default_rng(SEED)
    side = RoundSettings().long_side
    took: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        store = BlobStore(Path(folder) / "blobs")
        files = [photograph(path, size, kind, generator) for path in paths]
        blobs = [store.put(data) for data in files]
        for number in range(TIMES):
            small_pictures = SmallPictures(store, Path(folder) / str(number), side)
            took["each"].append(ms_an_image(blobs, (decoded_image(store.get(blob), side) for blob in blobs)))
            for visit in ("first", "again"):
                read = read_at_once(small_pictures, blobs, pixels=lambda _: size[0] * size[1])
                took[visit].append(ms_an_image(blobs, read))
        kept = sum(file.stat().st_size for file in small_pictures.folder.glob("*.rgb"))
    medians = {name: statistics.median(times) for name, times in took.items()}
    return {
        "files": kind,
        "size": f"{size[0]}x{size[1]}",
        "each_round_ms": round(medians["each"], 1),
        "first_ms": round(medians["first"], 1),
        "again_ms": round(medians["again"], 2),
        "again_ratio": round(medians["again"] / medians["each"], 3),
        "kept_share": round(kept / sum(map(len, files)), 3),
        "images": len(blobs),
        "seed": SEED,
    }


def main(
    data: Annotated[Path, typer.Option(help="The folder of CamVid.")],
    result: Annotated[Path, typer.Option(help="The CSV file.")] = RESULT,
) -> None:
    """Measure how long a round waits for its images, in the first round and later on."""
    torch.set_num_threads(1)
    every = sorted((data / "train").iterdir())
    chosen = np.random.default_rng(SEED).choice(len(every), IMAGES, replace=False)
    paths = [every[number] for number in chosen]
    origin = about()
    rows = [{**measured(paths, size, kind), **origin} for kind in KINDS for size in SIZES]
    write_rows(result, rows)
    print_rows(rows)


if __name__ == "__main__":
    typer.run(main)
