"""The benchmarks page and the README say what the result files say."""

import csv
import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "benchmarks"))

import tables  # noqa: E402


def rows(name: str) -> list[dict[str, str]]:
    with (tables.RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_the_tables_agree_with_the_result_files(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == tables.with_tables(page), "Run python benchmarks/tables.py."


NOTHING_DRAWN = {"first_page", "whole_time"}
"""Times that no draw changes."""


@pytest.mark.parametrize("name", sorted(file.stem for file in tables.RESULTS.glob("*.csv")))
def test_every_row_says_where_it_comes_from(name: str) -> None:
    columns = ["commit", "device", "machine", "command"] + (["seed"] if name not in NOTHING_DRAWN else [])
    for row in rows(name):
        assert all(row[column] for column in columns), row


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("uncertainty", ["method"]),
        ("semi", ["recipe", "pixel_weights", "steps", "head", "labelled"]),
        ("active_learning", ["recipe", "start", "strategy", "images"]),
        ("active_learning_nuclei", ["recipe", "start", "strategy", "images"]),
        ("active_learning_thinned", ["recipe", "start", "strategy", "images"]),
        ("ranking", ["network", "pixel_score", "aggregation"]),
        ("whole_semi", ["recipe", "head", "labelled"]),
        ("whole_uncertainty", ["method"]),
        ("whole_ranking", ["network", "pixel_score", "aggregation"]),
        ("correction_actions", ["target", "way"]),
        ("suggestion_edges", ["data", "way"]),
        ("first_suggestions", ["data", "beginning"]),
        ("further_rounds", ["rounds", "round"]),
        ("asked_rounds", ["data", "rounds", "labels"]),
        ("batch_statistics", ["data", "statistics", "labels"]),
        ("decoders", ["data", "decoder", "labels"]),
    ],
)
def test_every_claim_has_three_seeds(name: str, columns: list[str]) -> None:
    seeds: dict[tuple[str, ...], set[str]] = {}
    for row in rows(name):
        seeds.setdefault(tuple(row[column] for column in columns), set()).add(row["seed"])
    assert all(len(found) >= 3 for found in seeds.values())


@cache
def made(name: str) -> str:
    return tables.TABLES[name]()


def line(name: str, table: int = 0, **wanted: str) -> dict[str, str]:
    """Return a line of a table, cells by column; of columns with one name, the first."""
    text = [part for part in made(name).split("\n\n") if part.startswith("|")][table]
    head, _, *lines = ([cell.strip() for cell in one.strip("|").split("|")] for one in text.splitlines())
    found = [dict(zip(reversed(head), reversed(cells), strict=True)) for cells in lines]
    return next(one for one in found if wanted.items() <= one.items())


def mean(cell: str) -> float:
    return float(cell.split(" ± ")[0])


def told_of_the_choice() -> list[str]:
    start = {"recipe": "supervised", "start": "random"}
    nuclei = {
        name: line("active_learning_nuclei", **start, strategy=name)["37 images"]
        for name in ("ClaSP PE", "random")
    }
    against_random = line("active_learning_nuclei", 2, **start, strategy="random")
    reached = {
        name: mean(line("active_learning", 1, **start, strategy=name)["55 images"])
        for name in ("random", "k-centre", "score × diversity", "ClaSP PE")
    }
    of_all = {
        name: mean(re.findall(r"with all \d+ images: .*supervised (\S+)", made(name))[0])
        for name in ("active_learning", "active_learning_nuclei")
    }
    on_test = mean(line("active_learning", **start, strategy="random")["55 images"])
    gained = [f"{miou - reached['random']:.1f}" for miou in reached.values()]
    return [
        f"ClaSP PE, the default, reaches {mean(nuclei['ClaSP PE'])} mIoU",
        f"464 labels reach {of_all['active_learning_nuclei']}, and random images {nuclei['random']},",
        f"and 55 of them reach {100 * on_test / of_all['active_learning']:.0f} % of what all",
        f"it is above them in {against_random['above']} seeds",
        f"k-centre is {gained[1]} points of mIoU above random images on average, "
        f"score × diversity {gained[2]} and ClaSP PE {gained[3]}",
    ]


def told_of_the_network() -> list[str]:
    ours = {"recipe": "supervised", "head": "np_classifier", "pixel weights": "balanced", "steps": "200"}
    first = {"recipe": "supervised", "head": "linear", "pixel weights": "even", "steps": "200"}
    brought = mean(line("semi", **ours)["37 labelled"]) - mean(line("semi", **first)["37 labelled"])
    alone = "supervised, np_classifier, 200 steps"
    semi = line("semi", 1, recipe="consistency", head="np_classifier", over=alone)
    found = [
        f"{mean(line('whole_ranking', 1, network=network, **{'pixel score': score})['mean']):.2f}"
        for network, score in (
            (tables.OURS, "vote_entropy"),
            ("softmax, linear head", "predictive_entropy"),
            ("MC dropout, whole network", "mutual_information"),
        )
    ]
    ours_costs, dropout_costs = (
        mean(line("whole_uncertainty", method=method)["passes, over runs"])
        for method in (tables.OURS, "MC dropout, whole network")
    )

    long = {"labelled": "37", "steps": "2400"}
    whole = {
        name: mean(line("whole_semi", **wanted)["test mIoU"])
        for name, wanted in (
            ("all", {"labelled": "367"}),
            ("alone", {**long, "recipe": "supervised", "head": "np_classifier"}),
            ("unlabelled", {**long, "recipe": "consistency", "head": "linear"}),
        )
    }

    def above(strategy: str, of: str) -> str:
        area = line("whole_active_learning", 1, strategy=strategy, **{"mIoU of": of})["area"]
        return " ± ".join(f"{float(figure):.1f}" for figure in area.split(" ± "))

    def written(labelled: str) -> str:
        return semi[labelled].lstrip("+").replace("-", "−")

    return [
        f"brings {written('37 labelled')} points over the same head at 37 labels "
        "and nothing sure at 18 and 73 "
        f"({written('18 labelled')} and {written('73 labelled')})",
        f"balanced classes and the neural process bring {brought:.1f} at 37.",
        f"{whole['all']} mIoU with all 367 labels, {whole['alone']} with 37, "
        f"and {whole['unlabelled']} with 37 and the unlabelled images (linear head)",
        f"is {above('ClaSP PE', 'the set')} above random images on the set "
        f"and {above('ClaSP PE', 'test')} on the test images, where drawing by predicted classes, "
        f"frames of a drive apart, brings {above('improved random', 'test')}.",
        f"a rank correlation of {found[0]} (softmax entropy {found[1]}, BALD with MC dropout {found[2]}), "
        "the best of 42",
        f"cost {ours_costs} times one pass, MC dropout {dropout_costs:.0f} times",
    ]


def told_of_the_canvas() -> list[str]:
    ours = {"tool": "Qualm", "condition": "quiet"}
    opened, undone, saved = (
        round(float(line("canvas", **ours, image="4000x3000", measure=name)["p50 ms"]))
        for name in ("cold open", "undo of 500 strokes", "save")
    )
    ahead, behind = (
        sorted(
            round(float(line("canvas", **ours, image=size, measure=f"submit, {name}")["p50 ms"]))
            for size in ("1280x720", "2048x1024")
        )
        for name in ("prefetched", "not prefetched")
    )
    corrected, drawn = (
        line("correction_actions", agreement="95%", way=way)
        for way in ("correcting the suggestion", tables.POLYGONS)
    )
    return [
        f"a median of {corrected['median']} actions to 95 % agreement with the truth, "
        f"against {drawn['median']} by polygons alone; in the worst image {corrected['highest']} of them",
        f"opening {opened} ms",
        f"an undo {undone} ms, a save {saved} ms",
        f"{ahead[0]} to {ahead[1]} ms after Enter, and {behind[0]} to {behind[1]} ms",
    ]


def told_of_the_first_rounds() -> list[str]:
    def reached(images: str, part: str) -> list[str]:
        cells = [
            line("decoders", 1, images=images, part=part, decoder="FPN", labels=count)
            for count in ("8", "16")
        ]
        return [mean(each["mIoU"]) for each in cells]

    def gained(images: str) -> list[str]:
        cells = [
            line("decoders", 1, images=images, part="test", decoder="difference, paired", labels=count)
            for count in ("8", "16")
        ]
        return [each["mIoU"].lstrip("+") for each in cells]

    pool, test, nuclei = reached("camvid", "pool"), reached("camvid", "test"), reached("nuclei", "test")
    more, of_nuclei = gained("camvid"), gained("nuclei")
    larger = line("image_side", 1, images="camvid", crop="160", **{"long side": "384"})
    sides = [larger[f"test, {count} labels"].lstrip("+") for count in (8, 16, 24)]
    return [
        f"reach {pool[0]} and {pool[1]} mIoU on the rest of CamVid's pool and {test[0]} and {test[1]} on its "
        f"test images, and {nuclei[0]} and {nuclei[1]} on those of the nuclei.",
        f"the test images are {more[0]} and {more[1]} points lower, and those of the nuclei {of_nuclei[0]} "
        f"and {of_nuclei[1]}.",
        f"bring CamVid's test images {sides[0]}, {sides[1]} and {sides[2]} points with 8, 16 and 24 labels",
    ]


def told_of_further_rounds() -> list[str]:
    last = {"images": "camvid", "rounds on the same labels": "3", "after round": "3"}
    gained = {labels: line("further_rounds", labels=labels, **last) for labels in ("8", "16")}
    pool, test = (
        [mean(cells[f"{where}, over one round each"]) for cells in gained.values()]
        for where in ("pool", "test")
    )
    return [
        f"bring {pool[0]} and {pool[1]} points with 8 and 16 labels on the rest of the pool "
        f"and {test[0]} and {test[1]} on the test images (CamVid, 3 seeds;",
    ]


def told_of_asked_rounds() -> list[str]:
    nuclei, camvid = (
        [
            line("asked_rounds", images=images, labels=labels, **{"rounds on the same labels": "3"})[
                "over one round each"
            ].lstrip("+")
            for labels in ("8", "16")
        ]
        for images in ("nuclei", "camvid")
    )
    return [
        f"with the labels that the loop asks for they bring {nuclei[0]} and {nuclei[1]} on the test images "
        "(3 seeds;",
        "Two further rounds on the same labels, of images that the loop asks for, bring CamVid's test images "
        f"{camvid[0]} and {camvid[1]} points (3 seeds;",
    ]


def told_of_the_batch_statistics() -> list[str]:
    camvid, nuclei = (
        [
            line(
                "batch_statistics", images=images, labels=labels, part="test", statistics="difference, paired"
            )["mIoU"].lstrip("+")
            for labels in ("8", "16")
        ]
        for images in ("camvid", "nuclei")
    )
    return [
        f"bring the test images of CamVid {camvid[0]} points of mIoU with 8 labels and {camvid[1]} with 16, "
        f"and those of the nuclei {nuclei[0]} and {nuclei[1]}.",
    ]


def told_of_the_edges() -> list[str]:
    nuclei, camvid = (
        [
            line("suggestion_edges", images=images, way=way)
            for way in ("difference, paired", "along edges", "bilinear")
        ]
        for images in ("nuclei", "camvid")
    )
    gained = [mean(difference["mIoU"]) for difference, *_ in (nuclei, camvid)]
    actions = [[round(mean(way["actions to 95 %"])) for way in ways] for _, *ways in (nuclei, camvid)]
    return [
        f"on nuclei {gained[0]} points of mIoU above the same predictions enlarged bilinearly, and "
        f"{actions[0][0]} actions instead of {actions[0][1]} to 95 % agreement; on CamVid {gained[1]} "
        f"points, and {actions[1][0]} instead of {actions[1][1]}.",
    ]


def told_of_the_first_suggestions() -> list[str]:
    camvid, nuclei = (
        [
            round(mean(line("first_suggestions", images=images, beginning=beginning)["actions to 95 %"]))
            for beginning in ("4 labels", "nothing", "8 labels")
        ]
        for images in ("camvid", "nuclei")
    )
    return [
        f"{camvid[0]} actions to 95 % agreement where drawing from nothing takes {camvid[1]}, on nuclei "
        f"{nuclei[0]} where it takes {nuclei[1]}. Those of eight labels leave {camvid[2]} and {nuclei[2]}.",
    ]


def told_of_the_label_page() -> list[str]:
    first, again, first_of_many, again_of_many = (
        float(
            line("label_page", canvas=canvas, visit=visit, **{"round trip": "0 ms"})[
                "address to image"
            ].removesuffix(" s")
        )
        for canvas in ("one script", "a file a module")
        for visit in ("first", "again")
    )
    return [
        f"can be labelled {first:.1f} s after the address at a browser's first visit, and {again:.1f} s "
        "after it later on; with a file for each of the canvas's modules, as they are written, "
        f"{first_of_many:.1f} and {again_of_many:.1f} s",
    ]


SAID = [
    *told_of_the_choice(),
    *told_of_the_network(),
    *told_of_the_canvas(),
    *told_of_the_label_page(),
    *told_of_the_first_rounds(),
    *told_of_further_rounds(),
    *told_of_asked_rounds(),
    *told_of_the_batch_statistics(),
    *told_of_the_edges(),
    *told_of_the_first_suggestions(),
]


@pytest.mark.parametrize("name", ["active_learning", "active_learning_nuclei", "active_learning_thinned"])
def test_curves_of_a_seed_begin_with_one_network(name: str) -> None:
    begun: dict[tuple[str, ...], set[str]] = {}
    for row in tables.read(name):
        if row["start"] and row["round"] == "0":
            begun.setdefault((row["recipe"], row["start"], row["seed"]), set()).add(row["miou"])
    assert [seed for seed, found in begun.items() if len(found) > 1] == []


@pytest.mark.parametrize("said", SAID, ids=lambda said: said[:30])
def test_the_readme_says_what_the_tables_say(said: str) -> None:
    assert said in " ".join(tables.README.read_text(encoding="utf-8").split())
