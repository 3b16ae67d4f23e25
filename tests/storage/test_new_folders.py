"""Unfinished folders: those of a killed process go with the next one, those of a running one stay."""

import subprocess
import sys
from pathlib import Path

import pytest

from storage.new_folders import new_folder, remove_abandoned, unfinished_folder

ROOT = Path(__file__).resolve().parents[2]


def killed_while_writing(parent: Path) -> None:
    """Let a process die in the middle of a folder in ``parent``."""
    code = (
        "import os, pathlib, sys\n"
        "from storage.new_folders import unfinished_folder\n"
        "with unfinished_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('written')\n"
        "    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(parent)], cwd=ROOT, timeout=120)
    assert done.returncode == 9
    assert len(list(parent.glob(".part-*/half"))) == 1


def test_what_a_killed_process_left_goes_with_the_next_folder(tmp_path: Path) -> None:
    parent = tmp_path / "disk"
    killed_while_writing(parent)
    with new_folder(parent / "new", "an export") as folder:
        (folder / "whole").touch()
        assert list(parent.glob(".part-*/half")) == []
    assert [path.relative_to(parent).as_posix() for path in sorted(parent.rglob("*"))] == ["new", "new/whole"]


def test_what_is_being_written_stays(tmp_path: Path) -> None:
    with unfinished_folder(tmp_path) as running:
        (running / "half").touch()
        with unfinished_folder(tmp_path):
            assert (running / "half").exists()
        remove_abandoned(tmp_path)
        assert (running / "half").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [".part-mine", "mine"])
def test_a_folder_of_another_making_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    remove_abandoned(tmp_path)
    remove_abandoned(tmp_path / "nowhere")
    assert [path.name for path in tmp_path.iterdir()] == [name]
