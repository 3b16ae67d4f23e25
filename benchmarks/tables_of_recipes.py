"""What recipes and heads reach: tables."""

from __future__ import annotations

from table_text import AT_ONCE, origin, read, spread, table

RECIPES = ("supervised", "consistency", "u2pl")


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
        values.append([*method, *(spread([own[key] for key in own if key[0] == one], 1) for one in budgets)])
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
                gained.append(spread(pairs, 1, sign=True))
            gains.append([*method, f"{other[0]}, {other[3]}, {other[2]} steps", *gained])
    labelled = [f"{budget} labelled" for budget in budgets]
    return "\n\n".join(
        [
            table(["recipe", "pixel weights", "steps", "head", *labelled], values),
            "Gain, paired over seeds:",
            table(["recipe", "pixel weights", "steps", "head", "over", *labelled[:-1]], gains),
            "How alive the latent is (mean MI in nats, with eight rows of each class or eight images as "
            "context, and with all of it):",
            _semi_latent(rows),
            origin(rows),
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
        spreads = [spread(values[name], digits) if values[name] else "" for name, digits in columns.items()]
        lines.append([*about, *spreads])
    return table([*kind, "MI, small context", "MI", "active dim."], lines)


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
            cells.append(spread([100 * float(row[name]) for row in own.values()], 1))
            for place, other in enumerate(("linear", head)):
                theirs = found.get(("supervised", other, *method[2:]), {})
                pairs = [(row, theirs[seed]) for seed, row in own.items() if seed in theirs]
                gained = [100 * (float(one[name]) - float(two[name])) for one, two in pairs]
                itself = recipe == "supervised" and other == head
                told = place == 1 and head == "linear"
                cells.append("" if itself or told else spread(gained, 1, sign=True))
        cells.append(spread([100 * float(row["miou_along_edges"]) for row in own.values()], 1))
        lines.append(cells)
    gains = ["over supervised, linear", "over supervised, same head"]
    columns = [*kind, "seeds", "test mIoU", *gains, "mIoU of the set", *gains, "test mIoU along edges"]
    return "\n\n".join([table(columns, lines), origin(rows)])
