"""Where a figure comes from: the machine and the commit, for every table that is written down."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """Return one line about this machine and its PyTorch."""
    return f"{os.cpu_count()} CPU cores, {processor()}, torch {version('torch')}"


def processor() -> str:
    """Return the architecture of the processor, and its name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    name = next(names, platform.processor())
    return f"{platform.machine()}, {name}" if name not in ("", platform.machine()) else platform.machine()


def commit() -> str:
    """Return the commit of this source tree, with a + when it has changes; "unknown" outside of git."""
    here = Path(__file__).resolve().parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
