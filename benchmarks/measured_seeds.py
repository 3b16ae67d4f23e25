"""Benchmarks that measure one or more sets of images with each seed, in processes of their own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer
from csv_rows import Row, about, print_rows, rows_alike, settings_column, write_rows

from storage.settings import RoundSettings


def run_command(measured: Callable[[Path, int], list[Row]], rows_file: Path, what: str) -> None:
    """Run the command line of a benchmark whose rows are those of ``measured(folder, seed)``.

    Rows that are there are not made again, and what is there is written at once.

    Args:
        measured: Of the top level of a module: processes are given its name.
        rows_file: The CSV file, unless the command names another.
        what: What it does, for its help.
    """

    def main(
        data: Annotated[
            list[Path], typer.Option(help="The folder of CamVid or of the nuclei; may be repeated.")
        ],
        seeds: Annotated[int, typer.Option(help="How many, from 0.")] = 3,
        jobs: Annotated[int, typer.Option(help="Processes at once, one thread each.")] = 2,
        result: Annotated[Path, typer.Option(help="The CSV file.")] = rows_file,
    ) -> None:
        origin = {**settings_column(RoundSettings()), **about()}
        rows = rows_alike(result, origin)
        done = {(row["data"], str(row["seed"])) for row in rows}
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            tasks = [
                pool.submit(measured, folder, seed)
                for seed in range(seeds)
                for folder in data
                if (folder.name, str(seed)) not in done
            ]
            for task in as_completed(tasks):
                found = task.result()
                rows += [{**row, **origin} for row in found]
                write_rows(result, sorted(rows, key=lambda row: (str(row["data"]), int(str(row["seed"])))))
                print_rows(found)

    main.__doc__ = what
    typer.run(main)
