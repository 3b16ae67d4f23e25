"""What rounds reach and take: tables."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from table_text import (
    Columns,
    Rows,
    listed,
    origin,
    read,
    short,
    spread,
    spreads,
    table,
    values_by_column,
    values_of,
)

SCHEDULE = ("consistency", "0.8", "240")
"""Recipe, share of the steps on labels alone and steps of a new project's rounds."""
SMALLEST = ("256", "160", "240")
"""Long side, crop and steps of a round of images of 256 pixels."""
_OF_A_PART: Columns = {"mIoU": ("miou", 100, 1), "error AUROC": ("error_auroc", 1, 3), "NLL": ("nll", 1, 3)}
_TEMPERATURE: Columns = {"temperature": ("temperature", 1, 2)}
TIMED_SEED = "1"
"""Seed of :func:`simulate` whose times are shown."""


def simulate() -> str:
    """Return what the whole loop reaches on CamVid: mIoU over the seeds, times of one."""
    rows = read("simulate")
    lines, wall = [], 0.0
    for row in (row for row in rows if row["seed"] == TIMED_SEED):
        wall += float(row["wall_s"])
        seconds = (float(row["train_s"]), float(row["score_s"]), wall)
        miou = spread(values_of(rows, "test_miou", labels=row["labels"]), 3)
        lines.append([row["labels"], row["round"], miou, *(f"{one:.0f} s" for one in seconds)])
    return table(["labels", "round", "test mIoU", "training", "scoring", "wall, in all"], lines)


def simulate_quick() -> str:
    """Return what labels cost and reach by strategy on the demo's scenes, cumulative."""
    rows = read("simulate_quick")
    columns = {
        "test mIoU": ("test_miou", 100.0, 1),
        "clicks, suggestions corrected": ("clicks_correction", 1.0, 0),
        "clicks from scratch": ("clicks_correction_from_scratch", 1.0, 0),
        "superpixel clicks": ("clicks_superpixel", 1.0, 0),
    }
    lines = []
    for strategy, labels in dict.fromkeys((row["strategy"], row["labels"]) for row in rows):
        values = values_by_column(rows, columns, strategy=strategy, labels=labels)
        lines.append([strategy, labels, str(len(values[0])), *spreads(values, columns)])
    return "\n\n".join([table(["strategy", "labels", "seeds", *columns], lines), origin(rows)])


def demo_rounds() -> str:
    """Return the audit mIoU of the demo's rounds."""
    rows = read("demo_rounds")
    columns = {name: name for name in rows[0] if name not in ("commit", "device", "machine", "command")}
    return listed(rows, columns)


def first_rounds() -> str:
    """Return what the first rounds reach by schedule, and what a new project's is above the others."""
    columns = {"recipe": "recipe", "labels alone": "warm_up", "steps": "steps"}
    tables = _rounds("first_rounds", columns, SCHEDULE, is_better=True)
    between = "A new project's (`consistency`, 0.8, 240) minus the other, paired over seeds:"
    return "\n\n".join([tables.reached, between, tables.gained, tables.origin])


def image_side() -> str:
    """Return what the first rounds reach by the size of the images, and what is gained over the smallest."""
    columns = {"long side": "long_side", "crop": "crop", "steps": "steps"}
    tables = _rounds("image_side", columns, SMALLEST, is_better=False)
    between = "Minus 256, 160, 240, paired over seeds:"
    return "\n\n".join([tables.reached, between, tables.gained, tables.origin])


class _Rounds(NamedTuple):
    """Tables of first rounds by what they were trained with, and the line that says where they come from."""

    reached: str
    gained: str
    origin: str


def _rounds(name: str, columns: dict[str, str], one: tuple[str, ...], *, is_better: bool) -> _Rounds:
    """Return the tables of a file with a row a round, and the others beside ``one`` of the ways to train.

    ``is_better`` says that gained is what this one is above the others, and not they above it.
    """
    rows = read(name)
    labels = sorted({row["labels"] for row in rows}, key=int)
    found: dict[tuple[str, ...], Rows] = {}
    for row in rows:
        found.setdefault((row["data"], *(row[column] for column in columns.values())), []).append(row)
    reached, gained = [], []
    for way, own in found.items():
        reference = found[way[0], *one]
        by_machine: dict[str, list[float]] = {}
        for row in own:
            by_machine.setdefault(row["machine"], []).append(float(row["cpu_seconds"]))
        seconds = " / ".join(f"{statistics.median(found):.0f}" for found in by_machine.values())
        values, gains = [], []
        for measure in ("pool_miou", "test_miou"):
            for count in labels:
                here, there = (
                    {row["seed"]: 100 * float(row[measure]) for row in each if row["labels"] == count}
                    for each in (own, reference)
                )
                values.append(spread(list(here.values()), 1))
                pairs = [there[seed] - here[seed] for seed in here if seed in there]
                pairs = pairs if is_better else [-pair for pair in pairs]
                gains.append(spread(pairs, 1, sign=True))
        reached.append([*way, str(len(own) // len(labels)), seconds, *values])
        if own is not reference:
            gained.append([*way, *gains])
    head = ["images", *columns]
    measured = [f"{where}, {count} labels" for where in ("pool", "test") for count in labels]
    return _Rounds(
        table([*head, "seeds", "CPU s a round, by machine", *measured], reached),
        table([*head, *measured], gained),
        origin(rows),
    )


def further_rounds() -> str:
    """Return what more rounds on the same labels reach, and what is gained over one round."""
    rows = read("further_rounds")
    found: dict[tuple[str, int, int, int], dict[str, dict[str, str]]] = {}
    for row in rows:
        each, number, labels = int(row["rounds"]), int(row["round"]), int(row["labels"])
        key = (row["data"], labels, each, (number - 1) % each + 1)
        found.setdefault(key, {})[row["seed"]] = row
    lines = []
    for (data, labels, each, place), own in sorted(found.items()):
        cells = [data, str(labels), str(each), str(place), str(len(own))]
        alone = found[data, labels, 1, 1]
        for name in ("pool_miou", "test_miou"):
            gains = [
                100 * (float(row[name]) - float(alone[seed][name]))
                for seed, row in own.items()
                if seed in alone
            ]
            cells.append(spread([100 * float(row[name]) for row in own.values()], 1))
            cells.append("" if each == 1 else spread(gains, 1, sign=True))
        lines.append(cells)
    head = ["images", "labels", "rounds on the same labels", "after round", "seeds"]
    head += ["pool", "pool, over one round each", "test", "test, over one round each"]
    return "\n\n".join([table(head, lines), origin(rows)])


def asked_rounds() -> str:
    """Return what more rounds on the same labels reach in the loop, and what is gained over one round."""
    rows = read("asked_rounds")
    found: dict[tuple[str, int, int], dict[str, dict[str, str]]] = {}
    for row in rows:
        found.setdefault((row["data"], int(row["labels"]), int(row["rounds"])), {})[row["seed"]] = row
    lines = []
    for (data, labels, each), own in sorted(found.items()):
        alone = found[data, labels, 1]
        gains = [
            100 * (float(row["test_miou"]) - float(alone[seed]["test_miou"])) for seed, row in own.items()
        ]
        cells = [data, str(labels), str(each), str(len(own))]
        cells.append(spread([100 * float(row["test_miou"]) for row in own.values()], 1))
        cells.append("" if each == 1 else spread(gains, 1, sign=True))
        cells.append("" if each == 1 else f"{sum(gain > 0 for gain in gains)} of {len(gains)}")
        lines.append([*cells, spread([float(row["spearman"]) for row in own.values()], 2)])
    head = [
        "images",
        "labels",
        "rounds on the same labels",
        "seeds",
        "test",
        "over one round each",
        "above it",
    ]
    return "\n\n".join([table([*head, "ranking, Spearman with 1 − mIoU"], lines), origin(rows)])


def batch_statistics() -> str:
    """Return what a teacher is with adapted batch statistics, and with those of its training, paired."""
    figures = _OF_A_PART | {"ECE": ("ece", 1, 3)} | _TEMPERATURE
    return _beside("batch_statistics", "statistics", ("of the training", "adapted"), figures)


def decoders() -> str:
    """Return what the first rounds reach under each decoder, paired, and what they cost."""
    ways = ("DeepLabV3Plus", "FPN")
    rows = read("decoders")
    costs: Columns = {"CPU s a round": ("cpu_seconds", 1, 0), "ms an image": ("ms_per_image", 1, 0)}
    lines = []
    for data in dict.fromkeys(row["data"] for row in rows):
        for way in ways:
            taken = values_by_column([row for row in rows if row["data"] == data], costs, decoder=way)
            lines.append([data, way, *spreads(taken, costs)])
    beside = _beside("decoders", "decoder", ways, _OF_A_PART | _TEMPERATURE)
    return "\n\n".join([table(["images", "decoder", *costs], lines), beside])


def _beside(name: str, column: str, ways: tuple[str, str], figures: Columns) -> str:
    """Return figures of the pool and the test under two ways, and by how much the second is above the first.

    The rows of ``name`` are one for each set, seed, number of labels and way, which ``column`` has.
    """
    rows = read(name)
    found: dict[tuple[str, int], dict[str, dict[str, dict[str, str]]]] = {}
    for row in rows:
        of_row = found.setdefault((row["data"], int(row["labels"])), {})
        of_row.setdefault(row[column], {})[row["seed"]] = row
    lines = []
    for (data, labels), by_way in sorted(found.items()):
        first, second = (by_way[way] for way in ways)
        for part in ("pool", "test"):
            for way, own in (*zip(ways, (first, second), strict=True), ("difference, paired", None)):
                cells = [data, str(labels), part, way, str(len(second))]
                for figure, scale, digits in figures.values():
                    of = f"{part}_{figure}"
                    values = [
                        scale * (float((own or second)[seed][of]) - (0 if own else float(row[of])))
                        for seed, row in first.items()
                    ]
                    cells.append(spread(values, digits, sign=own is None))
                lines.append(cells)
    head = ["images", "labels", "part", column, "seeds", *figures]
    return "\n\n".join([table(head, lines), origin(rows)])


def labelled_spots() -> str:
    """Return what heads make of images that are labelled in a few spots, the default one in two ways."""
    rows = read("labelled_spots")
    found: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for row in rows:
        found.setdefault((row["data"], row["way"]), {})[row["seed"]] = row
    figures = _OF_A_PART | _TEMPERATURE
    lines, gained = [], []
    for (data, way), of_seeds in sorted(found.items()):
        default = found[data, "default head"]
        for part in ("pool", "test"):
            cells = [data, way, part, str(len(of_seeds))]
            own, differences = [], []
            for column, scale, _ in figures.values():
                of = f"{part}_{column}"
                own.append([scale * float(row[of]) for row in of_seeds.values()])
                differences.append(
                    [scale * (float(default[seed][of]) - float(row[of])) for seed, row in of_seeds.items()]
                )
            lines.append(cells + spreads(own, figures))
            if of_seeds is not default:
                gained.append(cells + spreads(differences, figures, sign=True))
    head = ["images", "network", "part", "seeds", *figures]
    beside = ["images", "default head minus", *head[2:]]
    return "\n\n".join([table(head, lines), table(beside, gained), origin(rows)])


def label_exactness() -> str:
    """Return what labels of each exactness teach for the same work, beside the usual one, paired."""
    rows = read("label_exactness")
    found: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for row in rows:
        found.setdefault((row["data"], row["agreement"]), {})[row["seed"]] = row
    lines = []
    for (data, agreement), own in found.items():
        usual = found[data, "0.95"]
        right = agreement if agreement == "truth" else f"{100 * float(agreement):.0f} %"
        presses = [float(row["presses"]) for row in own.values() if row["presses"]]
        cells = [data, right, str(len(own)), spread([float(row["images"]) for row in own.values()], 0)]
        cells.append(spread(presses, 0) if presses else "")
        for column in ("pool_miou", "test_miou"):
            reached = {seed: 100 * float(row[column]) for seed, row in own.items()}
            gains = [miou - 100 * float(usual[seed][column]) for seed, miou in reached.items()]
            cells.append(spread(list(reached.values()), 1))
            cells.append("" if own is usual else spread(gains, 1, sign=True))
        lines.append(cells)
    head = ["images", "right pixels", "seeds", "labelled", "actions"]
    head += [cell for part in ("pool", "test") for cell in (part, f"{part}, over 95 %")]
    return "\n\n".join([table(head, lines), origin(rows)])


def killed_round() -> str:
    """Return how rounds ended whose worker was killed, beside the same rounds undisturbed."""
    columns = {
        "seed": "seed",
        "steps": "steps",
        "killed at step": "killed_at_step",
        "undisturbed, s": "undisturbed_s",
        "killed, s": "killed_s",
        "tensors": "tensors",
        "different": "different_tensors",
    }
    return listed(read("killed_round"), columns)


def large_pool() -> str:
    """Return what a round takes by how many images of a large pool it scores."""
    columns = {
        "images": "images",
        "scored": "scored",
        "rounds": "rounds",
        "training, s": "train_seconds",
        "suggests after, s": "suggests_after_seconds",
        "scoring, s": "score_seconds",
        "round, s": "round_seconds",
        "threads": "threads",
    }
    return listed(read("large_pool"), columns, short)
