"""The benchmarks page and the README say what the result files say."""

import csv
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "benchmarks"))

import headlines  # noqa: E402
import tables  # noqa: E402
from headlines import line, mean  # noqa: E402
from table_text import RESULTS, read  # noqa: E402
from tables_of_learning import active_learning  # noqa: E402
from tables_of_uncertainty import uncertainty, whole_uncertainty  # noqa: E402


def rows(name: str) -> list[dict[str, str]]:
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_the_tables_agree_with_the_result_files(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == tables.with_tables(page), "Run python benchmarks/tables.py."


NOTHING_DRAWN = {"first_page", "whole_time"}
"""Times that no draw changes."""


@pytest.mark.parametrize("name", sorted(file.stem for file in RESULTS.glob("*.csv")))
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
        ("label_exactness", ["data", "agreement"]),
    ],
)
def test_every_claim_has_three_seeds(name: str, columns: list[str]) -> None:
    seeds: dict[tuple[str, ...], set[str]] = {}
    for row in rows(name):
        seeds.setdefault(tuple(row[column] for column in columns), set()).add(row["seed"])
    assert all(len(found) >= 3 for found in seeds.values())


def test_the_headlines_lead_to_sections_that_are_there() -> None:
    headings = re.findall(r"^#+ (.+)$", tables.PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    found: list[str] = []
    for heading in headings:
        slug = re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    wanted = re.findall(r"docs/benchmarks\.md#([\w-]+)", headlines.headlines())
    assert wanted
    assert set(wanted) <= set(found)


def told_of_what_was_not_reached() -> list[str]:
    start = {"recipe": "supervised", "start": "random", "strategy": "random"}
    reached = float(mean(line(active_learning, **start)["55 images"]))
    whole = float(re.findall(r"with all \d+ images: .*?supervised (\S+)", active_learning())[0])
    softmax = {"method": "softmax, linear head"}
    costs = mean(line(whole_uncertainty, method="NP")["passes, over runs"])
    return [
        f"55 of the 367 images reach {100 * reached / whole:.0f} % of what all do",
        f"better than that of a softmax by {mean(line(uncertainty, 1, **softmax)['error AUROC'])} AUROC",
        f"does by {mean(line(uncertainty, 2, **softmax)['AUROC − of entropy'])}.",
        f"Head `np`, the paper's, costs {costs} passes for 20 draws",
    ]


@pytest.mark.parametrize("said", told_of_what_was_not_reached(), ids=lambda said: said[:30])
def test_the_readme_says_what_was_not_reached(said: str) -> None:
    assert said in " ".join(tables.README.read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", ["active_learning", "active_learning_nuclei", "active_learning_thinned"])
def test_curves_of_a_seed_begin_with_one_network(name: str) -> None:
    begun: dict[tuple[str, ...], set[str]] = {}
    for row in read(name):
        if row["start"] and row["round"] == "0":
            begun.setdefault((row["recipe"], row["start"], row["seed"]), set()).add(row["miou"])
    assert [seed for seed, found in begun.items() if len(found) > 1] == []
