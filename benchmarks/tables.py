"""The tables of ``docs/benchmarks.md`` and the README, from the results: ``python benchmarks/tables.py``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from headlines import headlines
from tables_of_costs import scoring, small_pictures, step
from tables_of_learning import active_learning, learning_curves, whole_active_learning
from tables_of_recipes import semi, whole_semi
from tables_of_rounds import (
    asked_rounds,
    batch_statistics,
    decoders,
    demo_rounds,
    first_rounds,
    further_rounds,
    image_side,
    killed_round,
    label_exactness,
    labelled_spots,
    large_pool,
    simulate,
    simulate_quick,
)
from tables_of_screens import (
    canvas,
    correction_actions,
    first_page,
    first_suggestions,
    label_page,
    queue,
    suggestion_edges,
    training_page,
)
from tables_of_uncertainty import ranking, uncertainty, whole_ranking, whole_uncertainty

PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
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
    "label_exactness": label_exactness,
    "first_suggestions": first_suggestions,
    "large_pool": large_pool,
    "small_pictures": small_pictures,
    "demo_rounds": demo_rounds,
    "killed_round": killed_round,
    "canvas": canvas,
    "first_page": first_page,
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


PAGES = {PAGE: TABLES, README: {"simulate": simulate, "headlines": headlines}}


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


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_tables(page), encoding="utf-8")
