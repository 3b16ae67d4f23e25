"""Where a figure comes from: the machine and the commit, for every table that is written down."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """Return one line about this machine and its PyTorch."""
    return f"{os.cpu_count()} CPU cores, {platform.machine()}, torch {version('torch')}"


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
