"""The benchmarks page and the README say what the result files say."""

import csv
import sys
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


@pytest.mark.parametrize("name", list(tables.TABLES))
def test_every_row_says_where_it_comes_from(name: str) -> None:
    for row in rows(name):
        assert all(row[column] for column in ("seed", "commit", "device", "machine", "command")), row


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("uncertainty", ["method"]),
        ("semi", ["recipe", "pixel_weights", "steps", "head", "labelled"]),
        ("active_learning", ["recipe", "start", "strategy", "images"]),
        ("active_learning_nuclei", ["recipe", "start", "strategy", "images"]),
        ("ranking", ["network", "pixel_score", "aggregation"]),
        ("whole_semi", ["recipe", "head", "labelled"]),
        ("whole_uncertainty", ["method"]),
        ("whole_ranking", ["network", "pixel_score", "aggregation"]),
        ("correction_actions", ["target", "way"]),
    ],
)
def test_every_claim_has_three_seeds(name: str, columns: list[str]) -> None:
    seeds: dict[tuple[str, ...], set[str]] = {}
    for row in rows(name):
        seeds.setdefault(tuple(row[column] for column in columns), set()).add(row["seed"])
    assert all(len(found) >= 3 for found in seeds.values())
