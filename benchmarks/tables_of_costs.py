"""What steps, scores and reading cost: tables."""

from __future__ import annotations

from table_text import listed, read, short, table


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
    return listed(read("step"), columns)


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
    return listed(read("scoring"), columns, short, as_it_is=exact)


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
    return table(head, lines)
