"""Folders of small files keep to their bound, and whoever reads always gets the content."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage import small_files
from storage.errors import DiskFull
from storage.small_files import kept, kept_or_made

SIZE = 1000


def content_of(name: str) -> bytes:
    return name.encode().ljust(SIZE)


def read(folder: Path, name: str) -> bytes:
    return kept_or_made(folder / name, lambda: content_of(name))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_loses_what_was_longest_unused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_files, "MOST_BYTES", 3 * SIZE)
    (tmp_path / "folder").mkdir()
    other_folder = tmp_path / "other"
    read(other_folder, "a")
    for number, name in enumerate("abc"):
        read(tmp_path / "folder", name)
        os.utime(tmp_path / "folder" / name, (number, number))
    assert kept(tmp_path / "folder" / "a") == content_of("a")
    read(tmp_path / "folder", "d")
    assert names_in(tmp_path / "folder") == ["a", "c", "d"]
    assert names_in(other_folder) == ["a"]
    assert read(tmp_path / "folder", "b") == content_of("b")
    assert names_in(tmp_path / "folder") == ["a", "b", "d"]


def test_what_was_kept_before_the_process_began_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_files, "MOST_BYTES", 30 * SIZE)
    for number in range(40):
        (tmp_path / f"{number:02}").write_bytes(content_of("old"))
        os.utime(tmp_path / f"{number:02}", (number, number))
    read(tmp_path, "new")
    assert names_in(tmp_path) == [*(f"{number:02}" for number in range(11, 40)), "new"]


@pytest.mark.parametrize(("most", "unchecked"), [(100, 1000), (1000, 5)], ids=["by share", "at most"])
def test_a_folder_is_not_looked_through_for_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, unchecked: int
) -> None:
    monkeypatch.setattr(small_files, "MOST_BYTES", most * SIZE)
    monkeypatch.setattr(small_files, "_MOST_UNCHECKED", unchecked * SIZE)
    looked = []
    monkeypatch.setattr(small_files, "make_room", lambda newest, _: looked.append(newest.name))
    for number in range(12):
        read(tmp_path, str(number))
    assert looked == ["0", "6"]


def test_readers_get_the_content_while_files_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_files, "MOST_BYTES", 2 * SIZE)
    wanted = [str(number % 5) for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda name: read(tmp_path, name), wanted)) == [*map(content_of, wanted)]
    assert len(names_in(tmp_path)) <= 3


def test_a_full_disk_gets_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        (tmp_path / f"{number}").write_bytes(content_of("old"))
        os.utime(tmp_path / f"{number}", (number, number))

    def full(path: Path, data: bytes) -> None:
        raise DiskFull(str(path.parent))

    monkeypatch.setattr(small_files, "write_atomically", full)
    assert read(tmp_path, "new") == content_of("new")
    assert len(names_in(tmp_path)) == 10, "the disk has room for half of what is free"
    small_files.keep(tmp_path / "new", content_of("new"), 4 * SIZE)
    assert names_in(tmp_path) == ["6", "7", "8", "9"]


def test_a_file_that_may_not_be_read_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(small_files, "touched", refused)
    assert kept(tmp_path / "a") is None
    assert read(tmp_path, "a") == content_of("a")
