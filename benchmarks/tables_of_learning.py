"""Learning curves of strategies, areas under them and tests against random images: tables."""

from __future__ import annotations

import statistics

from table_text import Rows, column, origin, percent_of, read, spread, table, values_of

from core.learning_curve import area_under_curve, holm, paid_to_reach, paired_t_test

Method = tuple[str, str, str]
"""Recipe, start and strategy."""
RANDOM = ("random", "random")
"""Start and strategy that all others are compared with."""
DEFAULT = "ClaSP PE"
SIGNIFICANT = 0.05
MARKS = (0.90, 0.95, 0.97)
DRIVES = (("0001TP", 62), ("0006R0", 101), ("0016E5", 204))
"""The drives of CamVid's training images and how many each has, in the order of the images."""
_MEAN_MI = "Mean MI of the network's samples on the test images, in nats, where it was measured:"
AREA = "area, 10 to 40 %"


def active_learning() -> str:
    """Return CamVid's learning curves, their areas against random choice, and which drives were chosen."""
    rows = read("active_learning")
    return "\n\n".join(
        [
            *_learning_curves(rows),
            "Drives of the images that were chosen after the start, over all seeds, in per cent:",
            table(
                ["recipe", "start", "strategy", *(drive for drive, _ in DRIVES)],
                [[*method, *_drives(by_seed)] for method, by_seed in _curves(rows).items()],
            ),
            origin(rows),
        ]
    )


def learning_curves(name: str) -> str:
    """Return the learning curves of another set or pool, and their areas against random choice."""
    rows = read(name)
    return "\n\n".join([*_learning_curves(rows), origin(rows)])


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
            asked = [values_of(own, "spearman") for own in curves[method].values()]
            lines.append(
                [
                    *method,
                    seeds,
                    *(spread(percent_of(points, "miou", images=budget), 1) for budget in budgets),
                    *on_test[method],
                    spread(values_of(last, "ece"), 3),
                    spread(values_of(last, "error_auroc"), 3),
                    spread([statistics.mean(rounds) for rounds in asked if rounds], 2),
                ]
            )
            information = [values_of(points, "mean_mi", images=budget) for budget in budgets]
            if information[0]:
                of_mi.append([*method, str(len(information[0])), *(spread(one, 4) for one in information)])
            on_budgets = [spread(percent_of(points, "set_miou", images=budget), 1) for budget in budgets]
            of_set.append([*method, seeds, *on_budgets, *on_set[method]])
            shares.append([*method, *_shares(curves[method], supervised)])
            if method[2] != DEFAULT:
                of_default.append([*method, *_default_against(curves, method)])
    head = ["recipe", "start", "strategy", "seeds", *(f"{budget} images" for budget in budgets), "area"]
    head += ["area − random", "p", "p, Holm"]
    every = max(int(row["images"]) for row in rows)
    full = [
        f"{recipe} {spread([100 * miou for (one, _), miou in whole.items() if one == recipe], 1)}"
        for recipe in dict.fromkeys(recipe for recipe, _ in whole)
    ]
    return [
        "mIoU on the test images:",
        table([*head, "ECE", "error AUROC", "Spearman"], lines),
        f"mIoU with all {every} images: {', '.join(full)}.",
        f"mIoU of the set, all {every} training images with the labelled ones as a person left them:",
        table(head, of_set),
        f"{DEFAULT}, the product's default, minus the other at {budgets[-1]} images of the same start, "
        "paired, and in how many seeds it is above:",
        table(
            ["recipe", "start", "strategy", "test mIoU", "p", "above", "mIoU of the set", "p", "above"],
            of_default,
        ),
        "Share of the images at which a curve reaches a share of what `supervised` does with all labels, "
        "mean over the seeds that reach it (how many of them):",
        table(["recipe", "start", "strategy", *(f"{share:.0%} of full" for share in MARKS)], shares),
        *_pairwise_wins(curves),
        *([_MEAN_MI, table(head[: 4 + len(budgets)], of_mi)] if of_mi else []),
    ]


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
        table(["above", *reached, "in all"], lines),
    ]


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
            seed: 100 * area_under_curve(column(points, "label_share"), column(points, name))
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
        cells[method] = [spread([*areas[method].values()], 2), "", "", ""]
        if method in tests:
            test = tests[method]
            difference = f"{test.mean:+.2f} ± {test.deviation:.2f}"
            cells[method][1:] = [difference, f"{test.p:.3f}", f"{corrected[method]:.3f}"]
    return cells


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
            paid_to_reach(column(points, "label_share"), column(points, "miou"), mark * whole[seed])
            for seed, points in by_seed.items()
            if seed in whole
        ]
        paid = [100 * one for one in found if one is not None]
        # A curve that begins above the mark may have reached it before.
        first = {100 * column(points, "label_share")[0] for points in by_seed.values()}
        least = "≤ " if first & set(paid) else ""
        of_seeds = f"({len(paid)} of {len(found)})"
        cells.append(f"{least}{statistics.mean(paid):.1f} % {of_seeds}" if paid else of_seeds)
    return cells


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
                cells.append(f"{spread(list(values.values()), 1)} ({len(values)})" if values else "")
                if budget == budgets[0]:
                    continue
                rivals = base.get(budget, {})
                pairs = [value - rivals[seed] for seed, value in values.items() if seed in rivals]
                cells.append("" if strategy == "random" else spread(pairs, 1, sign=True))
            lines.append(cells)
    for budget in budgets:
        steps.append("/".join(dict.fromkeys(row["steps"] for row in rows if row["images"] == budget)))
    head = ["strategy", "mIoU of", f"{budgets[0]} images (seeds)"]
    for budget in budgets[1:]:
        head += [f"{budget} images (seeds)", "− random"]
    head += [AREA, "− random"]
    trained = f"Steps at {', '.join(budgets)} images: {', '.join(steps)}."
    return "\n\n".join([table(head, lines), trained, *_whole_areas(rows), origin(rows)])


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
        table(["strategy", "mIoU of", "seeds", "area", "p", "p, Holm"], lines),
    ]


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
