"""What a person waits for and has to do: tables."""

from __future__ import annotations

import itertools
import statistics

from table_text import listed, origin, read, short, spread, spreads, table, values_by_column, values_of

POLYGONS = "polygons alone"


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
    return listed(rows, columns, short)


def first_page() -> str:
    """Return how soon the first page stands, beside a bare Streamlit page."""
    lines = [
        [row["server"], f"{row['start_s']} s", f"{row['first_page_s']} s", row["first_page_ratio"]]
        for row in read("first_page")
    ]
    return table(["server", "command to address", "address to first page", "ratio"], lines)


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
    return table(["canvas", "visit", "round trip", "address to image", "ratio"], lines)


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
    return listed(read("training_page"), columns)


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
    return listed(read("queue"), columns, short)


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
            cells = [f"{float(target):.0%}", way, str(len(own)), spread([*own.values()], 0), *middle]
            if way == POLYGONS:
                lines.append([*cells, "", "", "", ""])
                continue
            ratios = [actions / found[POLYGONS][image] for image, actions in own.items()]
            ratio = statistics.median(ratios)
            met = "yes" if ratio <= 0.5 else "no"
            lines.append([*cells, f"{ratio:.2f}", f"{max(ratios):.2f}", "≤ 0.5", met])
    before = values_of(rows, "suggestion_agreement", target=targets[0], way=ways[0])
    head = ["agreement", "way", "images", "actions", "25 %", "median", "75 %"]
    head += ["over polygons, median", "highest", "aim", "met"]
    share = spread([100 * one for one in before], 1)
    said = f"The suggestions agree with the truth on {share} % of the pixels."
    return "\n\n".join([table(head, lines), said, origin(rows)])


def suggestion_edges() -> str:
    """Return what suggestions are worth drawn in each way, and what each is over the one before, paired."""
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
            cells[way] = values_by_column(rows, columns, data=data, way=way)
            lines.append([data, way, str(len(cells[way][0])), *spreads(cells[way], columns)])
        ways = list(cells)
        for before, after in [*itertools.pairwise(ways), (ways[0], ways[-1])]:
            gains = [
                [b - a for a, b in zip(one, other, strict=True)]
                for one, other in zip(cells[before], cells[after], strict=True)
            ]
            lines.append([data, f"{after} over {before}, paired", "", *spreads(gains, columns, sign=True)])
    return "\n\n".join([table(["images", "way", "seeds", *columns], lines), origin(rows)])


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
            values = values_by_column(rows, columns, data=data, beginning=beginning)
            lines.append([data, beginning, str(len(values[-1])), *spreads(values, columns)])
    return "\n\n".join([table(["images", "beginning", "seeds", *columns], lines), origin(rows)])
