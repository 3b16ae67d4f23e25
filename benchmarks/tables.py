"""The tables of ``docs/benchmarks.md`` and the README, from the results: ``python benchmarks/tables.py``."""

from __future__ import annotations

import csv
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from core.learning_curve import area_under_curve, holm, paid_to_reach, paired_t_test

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
POLYGONS = "polygons alone"
AT_ONCE = "consistency at once"
SCHEDULE = ("consistency", "0.8", "240")
"""Recipe, share of the steps on labels alone and steps of a new project's rounds."""
SMALLEST = ("256", "160", "240")
"""Long side, crop and steps of a round of images of 256 pixels."""

Rows = list[dict[str, str]]
_Columns = dict[str, tuple[str, float, int]]
"""By head: the column's name, a factor, and how many digits follow the point."""
_OF_A_PART: _Columns = {"mIoU": ("miou", 100, 1), "error AUROC": ("error_auroc", 1, 3), "NLL": ("nll", 1, 3)}
_TEMPERATURE: _Columns = {"temperature": ("temperature", 1, 2)}


def read(name: str) -> Rows:
    """Return the rows of a result file, those from before ``consistency`` had a warm-up named for it."""
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row.get("recipe") == "consistency" and not row.get("warm_up"):
            row["recipe"] = AT_ONCE
    return rows


OURS = "NP, latent classifier"


def uncertainty() -> str:
    """Return the table of rivals and ablations, and the paired differences to the default head."""
    return _uncertainty(read("uncertainty"))


def whole_uncertainty() -> str:
    """Return the same of the whole network on a GPU."""
    times = {row["method"]: row for row in read("whole_time")}
    cost = ("ms_per_image", "times_one_pass")
    rows = [
        {**row, **{name: times[row["method"]][name] for name in cost}} for row in read("whole_uncertainty")
    ]
    return _uncertainty(rows)


def _uncertainty(rows: Rows) -> str:
    figures = {
        "mIoU": ("miou", 3),
        "error AUROC": ("error_auroc", 3),
        "AUPR": ("error_aupr", 3),
        "AURC": ("aurc", 4),
        "Spearman": ("spearman", 3),
        "AUROC of MI": ("mi_auroc", 3),
        "Spearman of MI": ("mi_spearman", 3),
        "AUROC of confidence": ("confidence_auroc", 3),
        "AURC of confidence": ("confidence_aurc", 4),
        "Spearman of confidence": ("confidence_spearman", 3),
        "mean MI": ("mean_mi", 4),
        "MI, small context": ("mean_mi_small_context", 4),
        "active dim.": ("active_dimensions", 1),
        "ECE": ("ece", 3),
        "class-wise ECE": ("classwise_ece", 4),
        "NLL": ("nll", 3),
        "Brier": ("brier", 3),
        "PAvPU": ("pavpu", 3),
    }
    timed = {"ms per image, over runs": ("ms_per_image", 0), "passes, over runs": ("times_one_pass", 2)}
    figures, timed = (
        {label: figure for label, figure in those.items() if figure[0] in rows[0]}
        for those in (figures, timed)
    )
    methods = list(dict.fromkeys(row["method"] for row in rows))
    seeds = {method: {row["seed"] for row in rows if row["method"] == method} for method in methods}
    lines = [
        [
            method,
            str(len(seeds[method])),
            *(_spread(_of(rows, name, method=method), digits) for name, digits in figures.values()),
            *(_range(_of(rows, name, method=method), digits) for name, digits in timed.values()),
        ]
        for method in methods
    ]
    parts = [
        _table(["method", "seeds", *figures, *timed], lines),
        f"{OURS} minus the other, paired over seeds:",
        _ours_against(
            rows,
            {
                "mIoU": ("miou", "miou"),
                "error AUROC": ("error_auroc", "error_auroc"),
                "Spearman": ("spearman", "spearman"),
            },
        ),
    ]
    if "confidence_auroc" in rows[0]:
        against = {
            "AUROC − of entropy": ("confidence_auroc", "error_auroc"),
            "AUROC − of confidence": ("confidence_auroc", "confidence_auroc"),
            "Spearman − of entropy": ("confidence_spearman", "spearman"),
            "Spearman − of confidence": ("confidence_spearman", "confidence_spearman"),
        }
        parts += [
            f"Confidence of {OURS} minus entropy or confidence of the other, paired over seeds:",
            _ours_against(rows, against),
        ]
    return "\n\n".join([*parts, _origin(rows)])


def _ours_against(rows: Rows, figures: dict[str, tuple[str, str]]) -> str:
    """Return the table of paired differences; ``figures`` are our column and the other's by label."""
    seeds: dict[str, set[str]] = {}
    for row in rows:
        seeds.setdefault(row["method"], set()).add(row["seed"])
    lines = []
    for method in seeds:
        if method == OURS:
            continue
        both = [row for row in rows if row["seed"] in seeds[OURS] & seeds[method]]
        cells = [method, str(len(seeds[OURS] & seeds[method]))]
        for ours, others in figures.values():
            test = paired_t_test(_of(both, ours, method=OURS), _of(both, others, method=method))
            cells += [f"{test.mean:+.3f} ± {test.deviation:.3f}", f"{test.p:.3f}"]
        lines.append(cells)
    return _table(["method", "seeds", *(cell for label in figures for cell in (label, "p"))], lines)


def semi() -> str:
    """Return test mIoU by recipe, head and labelled images, and the paired gain over labels alone."""
    rows = read("semi")
    budgets = sorted({row["labelled"] for row in rows}, key=int)
    found: dict[tuple[str, str, str, str], dict[tuple[str, str], float]] = {}
    for row in rows:
        method = (row["recipe"], row.get("pixel_weights") or "even", row["steps"], row["head"])
        found.setdefault(method, {})[row["labelled"], row["seed"]] = 100 * float(row["miou"])
    values, gains = [], []
    for method, own in found.items():
        recipe, weights, steps, head = method
        values.append([*method, *(_spread([own[key] for key in own if key[0] == one], 1) for one in budgets)])
        if recipe in ("supervised", AT_ONCE):
            continue
        fewest = min((other[2] for other in found if other[:2] == ("supervised", weights)), key=int)
        others = [("supervised", weights, s, h) for h in ("linear", head) for s in (fewest, steps)]
        if recipe == "consistency":
            others.append((AT_ONCE, weights, steps, head))
        for other in dict.fromkeys(others):
            theirs = found.get(other, {})
            gained = []
            for budget in budgets[:-1]:
                pairs = [own[key] - theirs[key] for key in own if key[0] == budget and key in theirs]
                gained.append(_spread(pairs, 1, sign=True))
            gains.append([*method, f"{other[0]}, {other[3]}, {other[2]} steps", *gained])
    labelled = [f"{budget} labelled" for budget in budgets]
    return "\n\n".join(
        [
            _table(["recipe", "pixel weights", "steps", "head", *labelled], values),
            "Gain, paired over seeds:",
            _table(["recipe", "pixel weights", "steps", "head", "over", *labelled[:-1]], gains),
            "How alive the latent is (mean MI in nats, with eight rows of each class or eight images as "
            "context, and with all of it):",
            _semi_latent(rows),
            _origin(rows),
        ]
    )


def _semi_latent(rows: list[dict[str, str]]) -> str:
    kind = ("recipe", "steps", "head", "labelled")
    found: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in rows:
        if row.get("mean_mi_whole_context"):
            found.setdefault(tuple(row[name] for name in kind), []).append(row)
    columns = {"mean_mi_small_context": 4, "mean_mi_whole_context": 4, "active_dimensions": 1}
    lines = []
    for about, own in found.items():
        values = {name: [float(row[name]) for row in own if row[name]] for name in columns}
        spreads = [_spread(values[name], digits) if values[name] else "" for name, digits in columns.items()]
        lines.append([*about, *spreads])
    return _table([*kind, "MI, small context", "MI", "active dim."], lines)


RECIPES = ("supervised", "consistency", "u2pl")


def whole_semi() -> str:
    """Return mIoU on the test images and over the set by recipe, head and steps, and the paired gains."""
    rows = read("whole_semi")
    kind = ("recipe", "head", "labelled", "steps", "device")
    found: dict[tuple[str, ...], dict[str, dict[str, str]]] = {}
    rows.sort(
        key=lambda row: (int(row["labelled"]), int(row["steps"]), RECIPES.index(row["recipe"]), row["head"])
    )
    for row in rows:
        found.setdefault(tuple(row[name] for name in kind), {})[row["seed"]] = row
    lines = []
    for method, own in found.items():
        recipe, head = method[:2]
        cells = [*method, str(len(own))]
        for name in ("miou", "set_miou"):
            cells.append(_spread([100 * float(row[name]) for row in own.values()], 1))
            for place, other in enumerate(("linear", head)):
                theirs = found.get(("supervised", other, *method[2:]), {})
                pairs = [(row, theirs[seed]) for seed, row in own.items() if seed in theirs]
                gained = [100 * (float(one[name]) - float(two[name])) for one, two in pairs]
                itself = recipe == "supervised" and other == head
                told = place == 1 and head == "linear"
                cells.append("" if itself or told else _spread(gained, 1, sign=True))
        cells.append(_spread([100 * float(row["miou_along_edges"]) for row in own.values()], 1))
        lines.append(cells)
    gains = ["over supervised, linear", "over supervised, same head"]
    columns = [*kind, "seeds", "test mIoU", *gains, "mIoU of the set", *gains, "test mIoU along edges"]
    return "\n\n".join([_table(columns, lines), _origin(rows)])


def whole_active_learning() -> str:
    """Return mIoU after the choices, by strategy, its area over 10 to 40 %, and what is above random."""
    rows = [row for row in read("whole_active_learning") if row["recipe"] == "supervised"]
    budgets = sorted({row["images"] for row in rows}, key=int)
    lines, steps = [], []
    for strategy in dict.fromkeys(row["strategy"] for row in rows):
        for name, label in (("miou", "test"), ("miou_along_edges", "test, edges"), ("set_miou", "the set")):
            own, base = _points(rows, strategy, name), _points(rows, "random", name)
            if not own:
                continue
            cells = [strategy, label]
            for budget in [*budgets, AREA]:
                values = own.get(budget, {})
                cells.append(f"{_spread(list(values.values()), 1)} ({len(values)})" if values else "")
                if budget == budgets[0]:
                    continue
                rivals = base.get(budget, {})
                pairs = [value - rivals[seed] for seed, value in values.items() if seed in rivals]
                cells.append("" if strategy == "random" else _spread(pairs, 1, sign=True))
            lines.append(cells)
    for budget in budgets:
        steps.append("/".join(dict.fromkeys(row["steps"] for row in rows if row["images"] == budget)))
    head = ["strategy", "mIoU of", f"{budgets[0]} images (seeds)"]
    for budget in budgets[1:]:
        head += [f"{budget} images (seeds)", "− random"]
    head += [AREA, "− random"]
    trained = f"Steps at {', '.join(budgets)} images: {', '.join(steps)}."
    return "\n\n".join([_table(head, lines), trained, *_whole_areas(rows), _origin(rows)])


def _whole_areas(rows: Rows) -> list[str]:
    """Return the areas over 10 to 40 % against random images', with Holm's correction over the strategies."""
    lines = []
    strategies = [name for name in dict.fromkeys(row["strategy"] for row in rows) if name != "random"]
    for name, label in (("miou", "test"), ("miou_along_edges", "test, edges"), ("set_miou", "the set")):
        base = _points(rows, "random", name).get(AREA, {})
        tests = {}
        for strategy in strategies:
            own = _points(rows, strategy, name).get(AREA, {})
            common = [seed for seed in own if seed in base]
            if len(common) >= 3:
                tests[strategy] = paired_t_test(*([area[seed] for seed in common] for area in (own, base)))
        corrected = holm([test.p for test in tests.values()])
        for (strategy, test), p in zip(tests.items(), corrected, strict=True):
            gain = f"{test.mean:+.2f} ± {test.deviation:.2f}"
            lines.append([strategy, label, str(test.pairs), gain, f"{test.p:.3f}", f"{p:.3f}"])
    about = f"{AREA}, minus random images', paired over seeds:"
    return [
        about[0].upper() + about[1:],
        _table(["strategy", "mIoU of", "seeds", "area", "p", "p, Holm"], lines),
    ]


AREA = "area, 10 to 40 %"


def _points(rows: Rows, strategy: str, name: str) -> dict[str, dict[str, float]]:
    """Return a measure in per cent by budget and seed, and the area of the curves that go from 10 to 40 %."""
    found: dict[str, dict[str, float]] = {}
    shares: dict[str, dict[float, float]] = {}
    for row in rows:
        if row["strategy"] == strategy and row[name]:
            found.setdefault(row["images"], {})[row["seed"]] = value = 100 * float(row[name])
            shares.setdefault(row["seed"], {})[float(row["label_share"])] = value
    for seed, points in shares.items():
        curve = sorted((share, value) for share, value in points.items() if share > 0.1)
        if curve and curve[0][0] < 0.11 and curve[-1][0] > 0.4:
            found.setdefault(AREA, {})[seed] = area_under_curve(*map(list, zip(*curve, strict=True)))
    return found


def step() -> str:
    """Return times and memory of steps and predictions."""
    columns = {
        "what": "what",
        "implementation": "implementation",
        "channels": "channels",
        "size": "size",
        "images": "images",
        "T": "T",
        "device": "device",
        "ms": "median_ms",
        "peak MiB": "peak_mib",
        "time / released": "time_over_released",
        "memory / released": "memory_over_released",
        "time / one pass": "time_over_one_pass",
    }
    return _listed(read("step"), columns)


def demo_rounds() -> str:
    """Return the audit mIoU of the demo's rounds."""
    rows = read("demo_rounds")
    columns = {name: name for name in rows[0] if name not in ("commit", "device", "machine", "command")}
    return _listed(rows, columns)


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
            cells.append(_spread([100 * float(row[name]) for row in own.values()], 1))
            cells.append("" if each == 1 else _spread(gains, 1, sign=True))
        lines.append(cells)
    head = ["images", "labels", "rounds on the same labels", "after round", "seeds"]
    head += ["pool", "pool, over one round each", "test", "test, over one round each"]
    return "\n\n".join([_table(head, lines), _origin(rows)])


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
        cells.append(_spread([100 * float(row["test_miou"]) for row in own.values()], 1))
        cells.append("" if each == 1 else _spread(gains, 1, sign=True))
        cells.append("" if each == 1 else f"{sum(gain > 0 for gain in gains)} of {len(gains)}")
        lines.append([*cells, _spread([float(row["spearman"]) for row in own.values()], 2)])
    head = [
        "images",
        "labels",
        "rounds on the same labels",
        "seeds",
        "test",
        "over one round each",
        "above it",
    ]
    return "\n\n".join([_table([*head, "ranking, Spearman"], lines), _origin(rows)])


def batch_statistics() -> str:
    """Return what a teacher is with adapted batch statistics, and with those of its training, paired."""
    figures = _OF_A_PART | {"ECE": ("ece", 1, 3)} | _TEMPERATURE
    return _beside("batch_statistics", "statistics", ("of the training", "adapted"), figures)


def decoders() -> str:
    """Return what the first rounds reach under each decoder, paired, and what they cost."""
    ways = ("DeepLabV3Plus", "FPN")
    rows = read("decoders")
    costs: _Columns = {"CPU s a round": ("cpu_seconds", 1, 0), "ms an image": ("ms_per_image", 1, 0)}
    lines = []
    for data in dict.fromkeys(row["data"] for row in rows):
        for way in ways:
            taken = _values([row for row in rows if row["data"] == data], costs, decoder=way)
            lines.append([data, way, *_spreads(taken, costs)])
    beside = _beside("decoders", "decoder", ways, _OF_A_PART | _TEMPERATURE)
    return "\n\n".join([_table(["images", "decoder", *costs], lines), beside])


def _beside(name: str, column: str, ways: tuple[str, str], figures: _Columns) -> str:
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
                    cells.append(_spread(values, digits, sign=own is None))
                lines.append(cells)
    head = ["images", "labels", "part", column, "seeds", *figures]
    return "\n\n".join([_table(head, lines), _origin(rows)])


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
            lines.append(cells + _spreads(own, figures))
            if of_seeds is not default:
                gained.append(cells + _spreads(differences, figures, sign=True))
    head = ["images", "network", "part", "seeds", *figures]
    beside = ["images", "default head minus", *head[2:]]
    return "\n\n".join([_table(head, lines), _table(beside, gained), _origin(rows)])


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
                values.append(_spread(list(here.values()), 1))
                pairs = [there[seed] - here[seed] for seed in here if seed in there]
                pairs = pairs if is_better else [-pair for pair in pairs]
                gains.append(_spread(pairs, 1, sign=True))
        reached.append([*way, str(len(own) // len(labels)), seconds, *values])
        if own is not reference:
            gained.append([*way, *gains])
    head = ["images", *columns]
    measured = [f"{where}, {count} labels" for where in ("pool", "test") for count in labels]
    return _Rounds(
        _table([*head, "seeds", "CPU s a round, by machine", *measured], reached),
        _table([*head, *measured], gained),
        _origin(rows),
    )


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
    return _listed(read("killed_round"), columns)


def canvas() -> str:
    """Return what a person waits for at the label canvas, beside the aims and other tools."""
    columns = {
        "measure": "measure",
        "tool": "tool",
        "image": "size",
        "condition": "condition",
        "n": "n",
        "p50 ms": "p50_ms",
        "p95 ms": "p95_ms",
        "over bare canvas, ms": "over_bare_ms",
        "main thread p95 ms": "main_p95_ms",
        "longest task ms": "longest_task_ms",
        "frames > 34 ms": "frames_over_34_ms",
        "MB": "all_mb",
        "growth %": "growth_percent",
        "load": "load",
        "aim": "aim",
        "met": "met",
        "note": "note",
    }
    rows = read("canvas")
    circumstances = ("measure", "size", "condition", "commit")
    bare = {
        tuple(row[name] for name in circumstances): float(row["p95_ms"])
        for row in rows
        if row["tool"] == "bare canvas"
    }
    for row in rows:
        least = bare.get(tuple(row[name] for name in circumstances))
        if least is not None and row["tool"] == "Qualm":
            row["over_bare_ms"] = f"{float(row['p95_ms']) - least:.1f}"
    return _listed(rows, columns, _short)


def training_page() -> str:
    """Return what an open Training page costs its browser and the server, beside Streamlit's own way."""
    columns = {
        "page": "page",
        "condition": "condition",
        "browser, ms of a second": "browser_ms_per_s",
        "server, ms of a second": "server_ms_per_s",
        "browser, ratio": "browser_ratio",
        "server, ratio": "server_ratio",
        "runs": "repetitions",
    }
    return _listed(read("training_page"), columns)


def correction_actions() -> str:
    """Return the actions to correct suggestions, and to draw the same label maps by polygons alone."""
    rows = read("correction_actions")
    targets = sorted({row["target"] for row in rows}, key=float)
    ways = list(dict.fromkeys(row["way"] for row in rows))
    lines = []
    for target in targets:
        found = {
            way: {
                (row["seed"], row["image"]): float(row["actions"])
                for row in rows
                if (row["target"], row["way"]) == (target, way)
            }
            for way in ways
        }
        for way, own in found.items():
            middle = [f"{value:.0f}" for value in statistics.quantiles(own.values(), n=4)]
            cells = [f"{float(target):.0%}", way, str(len(own)), _spread([*own.values()], 0), *middle]
            if way == POLYGONS:
                lines.append([*cells, "", "", "", ""])
                continue
            ratios = [actions / found[POLYGONS][image] for image, actions in own.items()]
            ratio = statistics.median(ratios)
            met = "yes" if ratio <= 0.5 else "no"
            lines.append([*cells, f"{ratio:.2f}", f"{max(ratios):.2f}", "≤ 0.5", met])
    before = _of(rows, "suggestion_agreement", target=targets[0], way=ways[0])
    head = ["agreement", "way", "images", "actions", "25 %", "median", "75 %"]
    head += ["over polygons, median", "highest", "aim", "met"]
    share = _spread([100 * one for one in before], 1)
    said = f"The suggestions agree with the truth on {share} % of the pixels."
    return "\n\n".join([_table(head, lines), said, _origin(rows)])


def suggestion_edges() -> str:
    """Return what suggestions are worth bilinearly and along edges, and the paired differences."""
    rows = read("suggestion_edges")
    columns = {
        "mIoU": ("miou", 100.0, 1),
        "right pixels, %": ("accuracy", 100.0, 1),
        "right near a border, %": ("near_border", 100.0, 1),
        "actions to 95 %": ("actions_95", 1.0, 0),
        "actions to 98 %": ("actions_98", 1.0, 0),
        "ms": ("ms_per_suggestion", 1.0, 1),
    }
    lines = []
    for data in dict.fromkeys(row["data"] for row in rows):
        cells: dict[str, list[list[float]]] = {}
        for way in dict.fromkeys(row["way"] for row in rows):
            cells[way] = _values(rows, columns, data=data, way=way)
            lines.append([data, way, str(len(cells[way][0])), *_spreads(cells[way], columns)])
        first, second = cells.values()
        gains = [
            [b - a for a, b in zip(one, other, strict=True)] for one, other in zip(first, second, strict=True)
        ]
        lines.append([data, "difference, paired", "", *_spreads(gains, columns, sign=True)])
    return "\n\n".join([_table(["images", "way", "seeds", *columns], lines), _origin(rows)])


def first_suggestions() -> str:
    """Return what a person has to do from each beginning, and the mIoU of the suggestions."""
    rows = read("first_suggestions")
    columns = {
        "mIoU": ("miou", 100.0, 1),
        "right pixels, %": ("accuracy", 100.0, 1),
        "actions to 90 %": ("actions_90", 1.0, 0),
        "actions to 95 %": ("actions_95", 1.0, 0),
    }
    lines = []
    for data in dict.fromkeys(row["data"] for row in rows):
        for beginning in dict.fromkeys(row["beginning"] for row in rows):
            values = _values(rows, columns, data=data, beginning=beginning)
            lines.append([data, beginning, str(len(values[-1])), *_spreads(values, columns)])
    return "\n\n".join([_table(["images", "beginning", "seeds", *columns], lines), _origin(rows)])


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
    return _listed(read("large_pool"), columns, _short)


def queue() -> str:
    """Return what a person waits for when the queue is long, beside the aims."""
    columns = {
        "images": "images",
        "ranked": "ranked",
        "what": "what",
        "n": "n",
        "p50 ms": "p50_ms",
        "p95 ms": "p95_ms",
        "load": "load",
        "aim, p95": "aim_ms",
        "met": "met",
        "note": "note",
    }
    return _listed(read("queue"), columns, _short)


def scoring() -> str:
    """Return what scoring and ranking cost."""
    columns = {
        "what": "what",
        "implementation": "implementation",
        "size": "size",
        "T": "T",
        "threads": "threads",
        "images": "images",
        "ms": "ms",
        "times ours": "times_ours",
        "highest difference, nats": "max_difference",
        "ms over one pass": "ms_over_one_pass",
        "images/s": "images_per_second",
        "times the smallest": "times_the_smallest",
        "peak MiB": "peak_mib",
    }
    exact = columns["highest difference, nats"]
    return _listed(read("scoring"), columns, _short, as_it_is=exact)


RANDOM = ("random", "random")
"""Start and strategy that all others are compared with."""


def active_learning() -> str:
    """Return CamVid's learning curves, their areas against random choice, and which drives were chosen."""
    rows = read("active_learning")
    return "\n\n".join(
        [
            *_learning_curves(rows),
            "Drives of the images that were chosen after the start, over all seeds, in per cent:",
            _table(
                ["recipe", "start", "strategy", *(drive for drive, _ in DRIVES)],
                [[*method, *_drives(by_seed)] for method, by_seed in _curves(rows).items()],
            ),
            _origin(rows),
        ]
    )


def learning_curves(name: str) -> str:
    """Return the learning curves of another set or pool, and their areas against random choice."""
    rows = read(name)
    return "\n\n".join([*_learning_curves(rows), _origin(rows)])


_MEAN_MI = "Mean MI of the network's samples on the test images, in nats, where it was measured:"


def _learning_curves(rows: Rows) -> list[str]:
    """Return tables of what curves reach on the test images and on the set, and sentences between them."""
    curves = _curves(rows)
    whole = {(row["recipe"], row["seed"]): float(row["miou"]) for row in rows if not row["start"]}
    supervised = {seed: miou for (recipe, seed), miou in whole.items() if recipe == "supervised"}
    budgets = sorted({row["images"] for row in rows if row["start"]}, key=int)
    lines, of_mi, shares, of_set, of_default = [], [], [], [], []
    for recipe in dict.fromkeys(recipe for recipe, _, _ in curves):
        methods = [method for method in curves if method[0] == recipe]
        on_test = _against_random(curves, methods, "miou")
        on_set = _against_random(curves, methods, "set_miou")
        for method in methods:
            points = [row for by_seed in curves[method].values() for row in by_seed]
            seeds = str(len(curves[method]))
            last = [row for row in points if row["images"] == budgets[-1]]
            asked = [_of(own, "spearman") for own in curves[method].values()]
            lines.append(
                [
                    *method,
                    seeds,
                    *(_spread(_percent(points, "miou", images=budget), 1) for budget in budgets),
                    *on_test[method],
                    _spread(_of(last, "ece"), 3),
                    _spread(_of(last, "error_auroc"), 3),
                    _spread([statistics.mean(rounds) for rounds in asked if rounds], 2),
                ]
            )
            information = [_of(points, "mean_mi", images=budget) for budget in budgets]
            if information[0]:
                of_mi.append([*method, str(len(information[0])), *(_spread(one, 4) for one in information)])
            on_budgets = [_spread(_percent(points, "set_miou", images=budget), 1) for budget in budgets]
            of_set.append([*method, seeds, *on_budgets, *on_set[method]])
            shares.append([*method, *_shares(curves[method], supervised)])
            if method[2] != DEFAULT:
                of_default.append([*method, *_default_against(curves, method)])
    head = ["recipe", "start", "strategy", "seeds", *(f"{budget} images" for budget in budgets), "area"]
    head += ["area − random", "p", "p, Holm"]
    every = max(int(row["images"]) for row in rows)
    full = [
        f"{recipe} {_spread([100 * miou for (one, _), miou in whole.items() if one == recipe], 1)}"
        for recipe in dict.fromkeys(recipe for recipe, _ in whole)
    ]
    return [
        "mIoU on the test images:",
        _table([*head, "ECE", "error AUROC", "Spearman"], lines),
        f"mIoU with all {every} images: {', '.join(full)}.",
        f"mIoU of the set, all {every} training images with the labelled ones as a person left them:",
        _table(head, of_set),
        f"{DEFAULT}, the product's default, minus the other at {budgets[-1]} images of the same start, "
        "paired, and in how many seeds it is above:",
        _table(
            ["recipe", "start", "strategy", "test mIoU", "p", "above", "mIoU of the set", "p", "above"],
            of_default,
        ),
        "Share of the images at which a curve reaches a share of what `supervised` does with all labels, "
        "mean over the seeds that reach it (how many of them):",
        _table(["recipe", "start", "strategy", *(f"{share:.0%} of full" for share in MARKS)], shares),
        *_pairwise_wins(curves),
        *([_MEAN_MI, _table(head[: 4 + len(budgets)], of_mi)] if of_mi else []),
    ]


SIGNIFICANT = 0.05


def _pairwise_wins(curves: dict[Method, dict[str, Rows]]) -> list[str]:
    """Return the table of pairwise comparisons by budget, as nnActive counts them, and what it says."""
    reached: dict[str, dict[tuple[str, str], float]] = {}
    for (recipe, start, strategy), by_seed in curves.items():
        if (recipe, start) == ("supervised", "random"):
            reached[strategy] = {
                (row["images"], seed): float(row["miou"])
                for seed, points in by_seed.items()
                for row in points[1:]
            }
    seeds = set.intersection(*({seed for _, seed in found} for found in reached.values()))
    budgets = sorted({images for found in reached.values() for images, _ in found}, key=int)
    lines = []
    for strategy, ours in reached.items():
        wins = []
        for other, theirs in reached.items():
            above = 0
            for budget in budgets:
                common = [place for place in ours if place[0] == budget and place[1] in seeds]
                test = paired_t_test([ours[place] for place in common], [theirs[place] for place in common])
                above += test.mean > 0 and test.p < SIGNIFICANT
            wins.append("" if other == strategy else str(above))
        lines.append([strategy, *wins, str(sum(int(one or 0) for one in wins))])
    return [
        "At how many of the budgets after the start the strategy of a line is above that of a column on the "
        f"test images (`supervised`, random start, paired t test over the {len(seeds)} seeds that all have, "
        f"p < {SIGNIFICANT}, not corrected):",
        _table(["above", *reached, "in all"], lines),
    ]


Method = tuple[str, str, str]
"""Recipe, start and strategy."""
DEFAULT = "ClaSP PE"


def _default_against(curves: dict[Method, dict[str, Rows]], method: Method) -> list[str]:
    """Return cells: the default's last mIoU minus that of another strategy, on the test and on the set."""
    default = curves.get((*method[:2], DEFAULT), {})
    seeds = [seed for seed in curves[method] if seed in default]
    cells: list[str] = []
    for name in ("miou", "set_miou") if len(seeds) > 1 else ():
        ours, theirs = (
            [100 * float(one[seed][-1][name]) for seed in seeds] for one in (default, curves[method])
        )
        test = paired_t_test(ours, theirs)
        above = sum(a > b for a, b in zip(ours, theirs, strict=True))
        cells += [f"{test.mean:+.1f} ± {test.deviation:.1f}", f"{test.p:.3f}", f"{above} of {len(seeds)}"]
    return cells or [""] * 6


def _curves(rows: Rows) -> dict[Method, dict[str, Rows]]:
    """Return the points of each method's curves by seed, the fewest images first."""
    curves: dict[Method, dict[str, Rows]] = {}
    for row in sorted(rows, key=lambda row: int(row["images"])):
        if row["start"]:
            own = curves.setdefault((row["recipe"], row["start"], row["strategy"]), {})
            own.setdefault(row["seed"], []).append(row)
    return curves


def _against_random(
    curves: dict[Method, dict[str, Rows]], methods: list[Method], name: str
) -> dict[Method, list[str]]:
    """Return cells by method: the area under its curve, the difference to random's, and its p values.

    Holm's correction is over the methods of one start.
    """
    areas = {
        method: {
            seed: 100 * area_under_curve(_column(points, "label_share"), _column(points, name))
            for seed, points in curves[method].items()
        }
        for method in methods
    }
    base = areas[methods[0][0], *RANDOM]
    tests = {}
    for method in methods:
        if method[1:] != RANDOM:
            common = [seed for seed in areas[method] if seed in base]
            ours, theirs = ([values[seed] for seed in common] for values in (areas[method], base))
            tests[method] = paired_t_test(ours, theirs)
    corrected: dict[Method, float] = {}
    for start in {method[1] for method in tests}:
        family = [method for method in tests if method[1] == start]
        corrected |= zip(family, holm([tests[method].p for method in family]), strict=True)
    cells = {}
    for method in methods:
        cells[method] = [_spread([*areas[method].values()], 2), "", "", ""]
        if method in tests:
            test = tests[method]
            difference = f"{test.mean:+.2f} ± {test.deviation:.2f}"
            cells[method][1:] = [difference, f"{test.p:.3f}", f"{corrected[method]:.3f}"]
    return cells


MARKS = (0.90, 0.95, 0.97)
DRIVES = (("0001TP", 62), ("0006R0", 101), ("0016E5", 204))
"""The drives of CamVid's training images and how many each has, in the order of the images."""


def _drives(by_seed: dict[str, Rows]) -> list[str]:
    """Return what share of the images that a strategy chose comes from each drive, in per cent."""
    chosen: list[int] = []
    for points in by_seed.values():
        start, end = ({int(image) for image in row["labelled"].split()} for row in (points[0], points[-1]))
        chosen += end - start
    cells, first = [], 0
    for _, images in DRIVES:
        own = sum(first <= image < first + images for image in chosen)
        cells.append(f"{100 * own / len(chosen):.0f}")
        first += images
    return cells


def _shares(by_seed: dict[str, Rows], whole: dict[str, float]) -> list[str]:
    """Return what each of the ``MARKS`` of ``whole``, the mIoU with all labels by seed, costs."""
    cells = []
    for mark in MARKS:
        found = [
            paid_to_reach(_column(points, "label_share"), _column(points, "miou"), mark * whole[seed])
            for seed, points in by_seed.items()
            if seed in whole
        ]
        paid = [100 * one for one in found if one is not None]
        # A curve that begins above the mark may have reached it before.
        first = {100 * _column(points, "label_share")[0] for points in by_seed.values()}
        least = "≤ " if first & set(paid) else ""
        of_seeds = f"({len(paid)} of {len(found)})"
        cells.append(f"{least}{statistics.mean(paid):.1f} % {of_seeds}" if paid else of_seeds)
    return cells


def _column(rows: Rows, name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def ranking() -> str:
    """Return how scores rank the pool by true errors, and ours against softmax and BAAL's way, paired."""
    return _ranking(read("ranking"))


def whole_ranking() -> str:
    """Return the same of the whole network."""
    rows = read("whole_ranking")
    networks = ["softmax, linear head", OURS, "MC dropout, whole network"]
    kept = [row for row in rows if row["network"] in networks]
    return _ranking(sorted(kept, key=lambda row: networks.index(row["network"])))


def _ranking(rows: Rows) -> str:
    aggregations = list(dict.fromkeys(row["aggregation"] for row in rows))
    softmax, ours, dropout = dict.fromkeys(row["network"] for row in rows)
    kinds = [
        (softmax, "predictive_entropy", "mean"),
        (dropout, "mutual_information", "mean"),
        (ours, "predictive_entropy", "mean"),
        (ours, "predictive_entropy", "top_share"),
        (ours, "mutual_information", "mean"),
        (ours, "vote_entropy", "mean"),
    ]
    rivals = kinds[:2]
    errors = {
        "1 − mIoU": ("spearman", "precision"),
        "pixel error": ("spearman_pixel_error", "precision_pixel_error"),
    }

    def of(kind: tuple[str, ...], name: str) -> list[float]:
        return _of(rows, name, network=kind[0], pixel_score=kind[1], aggregation=kind[2])

    parts = []
    for error, (spearman, _) in errors.items():
        lines = [
            [network, score, *(_spread(of((network, score, one), spearman), 2) for one in aggregations)]
            for network, score in dict.fromkeys((row["network"], row["pixel_score"]) for row in rows)
        ]
        parts += [f"Spearman of score and {error}:", _table(["network", "pixel score", *aggregations], lines)]
        for network in (softmax, ours, dropout):
            measured = dict.fromkeys(
                (network, row["pixel_score"], row["aggregation"]) for row in rows if row["network"] == network
            )
            best = max(measured, key=lambda kind, name=spearman: statistics.mean(of(kind, name)))  # type: ignore[misc]
            kinds += [best] if best not in kinds else []
    information = [f"{kind[0]} {_spread(values, 4)}" for kind in kinds[:3] if (values := of(kind, "mean_mi"))]
    if information:
        parts.append(f"Mean MI of a network's samples over the pool, in nats: {', '.join(information)}.")
    compared = []
    for kind in kinds:
        cells = [*kind]
        for spearman, precision in errors.values():
            values = of(kind, spearman)
            cells += [_spread(values, 2), _spread(of(kind, precision), 2)]
            for rival in rivals:
                pairs = zip(values, of(rival, spearman), strict=True)
                cells.append("" if kind == rival else _spread([a - b for a, b in pairs], 2, sign=True))
        compared.append(cells)
    head = ["network", "pixel score", "aggregation"]
    for error in errors:
        head += [error, "precision", "− softmax entropy", "− BALD"]
    return "\n\n".join(
        [
            *parts,
            "Against softmax entropy and BALD with MC dropout, both by their mean, paired over seeds; the "
            "last rows are the best of each network by this very table:",
            _table(head, compared),
            _origin(rows),
        ]
    )


TIMED_SEED = "1"
"""Seed of :func:`simulate` whose times are shown."""


def simulate() -> str:
    """Return what the whole loop reaches on CamVid: mIoU over the seeds, times of one."""
    rows = read("simulate")
    lines, wall = [], 0.0
    for row in (row for row in rows if row["seed"] == TIMED_SEED):
        wall += float(row["wall_s"])
        seconds = (float(row["train_s"]), float(row["score_s"]), wall)
        miou = _spread(_of(rows, "test_miou", labels=row["labels"]), 3)
        lines.append([row["labels"], row["round"], miou, *(f"{one:.0f} s" for one in seconds)])
    return _table(["labels", "round", "test mIoU", "training", "scoring", "wall, in all"], lines)


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
        values = _values(rows, columns, strategy=strategy, labels=labels)
        lines.append([strategy, labels, str(len(values[0])), *_spreads(values, columns)])
    return "\n\n".join([_table(["strategy", "labels", "seeds", *columns], lines), _origin(rows)])


def first_page() -> str:
    """Return how soon the first page stands, beside a bare Streamlit page."""
    lines = [
        [row["server"], f"{row['start_s']} s", f"{row['first_page_s']} s", row["first_page_ratio"]]
        for row in read("first_page")
    ]
    return _table(["server", "command to address", "address to first page", "ratio"], lines)


def label_page() -> str:
    """Return how soon an image is on the Label page, with the canvas in one script and in many files."""
    lines = [
        [
            row["canvas"],
            row["visit"],
            f"{row['round_trip_ms']} ms",
            f"{float(row['seconds']):.2f} s",
            f"{float(row['ratio']):.2f}",
        ]
        for row in read("label_page")
    ]
    return _table(["canvas", "visit", "round trip", "address to image", "ratio"], lines)


def small_pictures() -> str:
    """Return what reading an image costs a round, and what keeping its few pixels costs the disk."""
    lines = [
        [
            row["files"],
            row["size"],
            f"{float(row['each_round_ms']):.1f}",
            f"{float(row['first_ms']):.1f}",
            f"{float(row['again_ms']):.1f}",
            f"{float(row['again_ratio']):.3f}",
            f"{float(row['kept_share']):.0%}" if float(row["kept_share"]) else "nothing",
        ]
        for row in read("small_pictures")
    ]
    head = [
        "files",
        "size",
        "decoded each time, ms",
        "first, ms",
        "again, ms",
        "ratio",
        "kept, of the files' size",
    ]
    return _table(head, lines)


TABLES: dict[str, Callable[[], str]] = {
    "uncertainty": uncertainty,
    "semi": semi,
    "step": step,
    "first_rounds": first_rounds,
    "image_side": image_side,
    "further_rounds": further_rounds,
    "decoders": decoders,
    "batch_statistics": batch_statistics,
    "labelled_spots": labelled_spots,
    "asked_rounds": asked_rounds,
    "first_suggestions": first_suggestions,
    "large_pool": large_pool,
    "small_pictures": small_pictures,
    "demo_rounds": demo_rounds,
    "killed_round": killed_round,
    "canvas": canvas,
    "label_page": label_page,
    "training_page": training_page,
    "correction_actions": correction_actions,
    "suggestion_edges": suggestion_edges,
    "queue": queue,
    "scoring": scoring,
    "active_learning": active_learning,
    "active_learning_nuclei": partial(learning_curves, "active_learning_nuclei"),
    "active_learning_thinned": partial(learning_curves, "active_learning_thinned"),
    "simulate_quick": simulate_quick,
    "ranking": ranking,
    "whole_semi": whole_semi,
    "whole_uncertainty": whole_uncertainty,
    "whole_ranking": whole_ranking,
    "whole_active_learning": whole_active_learning,
}
PAGES = {PAGE: TABLES, README: {"simulate": simulate, "first_page": first_page}}


def with_tables(path: Path) -> str:
    """Return a page with what stands between the marks of each of its tables replaced by the table.

    Raises:
        ValueError: When the page lacks the marks of a table.
    """
    page = path.read_text(encoding="utf-8")
    for name, table in PAGES[path].items():
        marks = (f"<!-- {name} -->", f"<!-- end of {name} -->")
        if not all(mark in page for mark in marks):
            raise ValueError(f"{path.name} lacks the marks of the table {name!r}: {marks[0]} and {marks[1]}.")
        between = re.compile(f"{re.escape(marks[0])}.*?{re.escape(marks[1])}", re.DOTALL)
        made = f"{marks[0]}\n{table()}\n{marks[1]}"
        page = between.sub(lambda _, made=made: made, page)  # type: ignore[misc]
    return page


def _of(rows: Rows, column: str, **wanted: str) -> list[float]:
    """Return a column of the rows that match, by seed; without what was not measured."""
    own = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    own.sort(key=lambda row: int(row["seed"]))
    return [float(row[column]) for row in own if row.get(column) not in (None, "", "nan")]


def _percent(rows: Rows, column: str, **wanted: str) -> list[float]:
    return [100 * value for value in _of(rows, column, **wanted)]


def _values(rows: Rows, columns: _Columns, **wanted: str) -> list[list[float]]:
    """Return for each column its values in the rows that match, by seed."""
    return [[factor * value for value in _of(rows, name, **wanted)] for name, factor, _ in columns.values()]


def _spreads(values: Sequence[Sequence[float]], columns: _Columns, sign: bool = False) -> list[str]:
    digits = [places for _, _, places in columns.values()]
    return [_spread(own, places, sign) for own, places in zip(values, digits, strict=True)]


def _spread(values: Sequence[float], digits: int, sign: bool = False) -> str:
    """Write mean ± standard deviation; one number when all are equal."""
    if not values:
        return ""
    mean = f"{statistics.mean(values):{'+' if sign else ''}.{digits}f}"
    if len(set(values)) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"


def _range(values: Sequence[float], digits: int) -> str:
    """Write what was measured once a run and stands beside every seed of it: the lowest to the highest."""
    ends = [f"{end:.{digits}f}" for end in (min(values), max(values))] if values else []
    return " to ".join(dict.fromkeys(ends))


def _listed(
    rows: Rows, columns: dict[str, str], written: Callable[[str], str] = str, as_it_is: str = ""
) -> str:
    """Return rows as lines of a table, by columns from head to name; ``as_it_is`` is written unchanged."""
    lines = [
        [row.get(name, "") if name == as_it_is else written(row.get(name, "")) for name in columns.values()]
        for row in rows
    ]
    return "\n\n".join([_table(list(columns), lines), _origin(rows)])


def _short(cell: str) -> str:
    """Write a number with as many digits as its size is worth."""
    try:
        value = float(cell)
    except ValueError:
        return cell
    return f"{value:.0f}" if abs(value) >= 100 or value.is_integer() else f"{value:.1f}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---" if place == 0 else "---:" for place in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


def _origin(rows: Rows) -> str:
    """Say where the figures come from."""
    parts = []
    for name in ("command", "commit", "device", "machine"):
        found = list(dict.fromkeys(row[name] for row in rows if row.get(name)))
        parts.append(f"{name} " + ", ".join(f"`{value}`" for value in found))
    seeds = sorted({row["seed"] for row in rows if row.get("seed")}, key=int)
    return "; ".join([*parts, f"seeds {', '.join(seeds)}"]) + "."


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_tables(page), encoding="utf-8")
