"""Blobs are named by their content and are whole or absent."""

import errno
import hashlib
import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import files
from storage.errors import DiskFull, NotFound, WorkspaceError
from storage.files import BlobStore, write_atomically
from storage.schema import Prediction
from storage.workspace import Workspace, blobs_in_use, sweep_blobs
from tests.storage.project_factory import make_project, publish_ranking, submit


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@given(st.binary(max_size=300))
def test_a_blob_comes_back_under_its_hash(data: bytes) -> None:
    store = BlobStore("memory://blobs")
    key = store.put(data)
    assert key == hashlib.sha256(data).hexdigest()
    assert store.get(key) == data
    assert store.exists(key)


def test_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert store.put(b"same") == store.put(b"same")
    (only,) = files_in(tmp_path)
    assert only == tmp_path / only.name[:2] / only.name


def test_a_missing_blob_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="backup"):
        BlobStore(tmp_path).get("0" * 64)
    assert not BlobStore(tmp_path).exists("0" * 64)


def test_a_write_replaces_the_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    write_atomically(target, b"long old content")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert files_in(tmp_path) == [target]


@pytest.mark.parametrize(
    ("number", "raised"), [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, WorkspaceError)]
)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: type[Exception]
) -> None:
    target = tmp_path / "file"
    write_atomically(target, b"old")

    def failing(_handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(raised):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert files_in(tmp_path) == [target]


def test_the_sweep_takes_only_what_is_old_and_unused(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    used, unused, fresh = store.put(b"used"), store.put(b"unused"), store.put(b"fresh")
    leftover = tmp_path / "ab" / ".part-killed"
    leftover.parent.mkdir(exist_ok=True)
    leftover.write_bytes(b"half")
    hour_ago = time.time() - 3700
    for path in files_in(tmp_path):
        if path.name != fresh:
            os.utime(path, (hour_ago, hour_ago))
    assert store.sweep({used}, 3600) == 2
    assert {path.name for path in files_in(tmp_path)} == {used, fresh}
    assert not store.exists(unused)


def test_the_sweep_tells_neighbours_apart_at_the_borders_of_folders(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    ends = ["00", "01", "7f", "80", "fe", "ff"]
    keys = [first + "0" * 62 for first in ends] + [first + "f" * 62 for first in ends]
    # The next ones differ from those in their last common digit, and in the first digit that is compared.
    near = [key[:15] + ("1" if key[15] == "0" else "e") + key[16:] for key in keys]
    kept = {*keys[::2], *near[1::2]}
    for key in {*keys, *near}:
        path = tmp_path / key[:2] / key
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (1, 1))
    assert store.sweep((key for key in sorted(kept, reverse=True)), 3600) == len({*keys, *near} - kept)
    assert {path.name for path in files_in(tmp_path)} == kept
    assert store.sweep([], 3600) == len(kept)
    assert files_in(tmp_path) == []


def test_what_is_put_while_the_sweep_learns_what_is_in_use_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BlobStore(tmp_path)
    used, again = store.put(b"used"), store.put(b"unused, and then used again")
    for path in files_in(tmp_path):
        os.utime(path, (1, 1))

    def in_use() -> Iterator[str]:
        yield used
        store.put(b"new")
        store.put(b"unused, and then used again")
        late = time.time() + 7200
        monkeypatch.setattr(files.time, "time", lambda: late)

    assert store.sweep(in_use(), 3600) == 0
    assert store.exists(again)
    assert len(files_in(tmp_path)) == 3


def test_the_sweep_needs_little_memory_for_what_is_in_use(tmp_path: Path) -> None:
    count = 100_000
    stray = BlobStore(tmp_path).put(b"nobody names this")
    os.utime(tmp_path / stray[:2] / stray, (1, 1))
    tracemalloc.start()
    try:
        in_use = (hashlib.sha256(number.to_bytes(4)).hexdigest() for number in range(count))
        assert BlobStore(tmp_path).sweep(in_use, 3600) == 1
        assert tracemalloc.get_traced_memory()[1] < 16 * count
    finally:
        tracemalloc.stop()


def test_putting_an_old_blob_again_keeps_it_from_the_sweep(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    key = store.put(b"again")
    os.utime(tmp_path / key[:2] / key, (1, 1))
    store.put(b"again")
    assert store.sweep(set(), 3600) == 0


@pytest.mark.parametrize("late", [False, True], ids=["when it was listed", "when it was aside"])
def test_bytes_put_again_during_the_sweep_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    store = BlobStore(tmp_path)
    key = store.put(b"a suggestion nobody wanted")
    os.utime(tmp_path / key[:2] / key, (1, 1))
    where, name = (files.os, "replace") if late else (files.os, "stat")
    look = getattr(where, name)

    def put_and_look(place: str, *others: Any, **options: Any) -> Any:
        found = look(place, *others, **options)
        if str(place).endswith(key):
            monkeypatch.setattr(where, name, look)
            store.put(b"a suggestion nobody wanted")
        return found

    monkeypatch.setattr(where, name, put_and_look)
    store.sweep(set(), 3600)
    assert store.get(key) == b"a suggestion nobody wanted"
    store.sweep(set(), 3600)
    assert files_in(tmp_path) == [tmp_path / key[:2] / key]


def test_nothing_a_row_names_is_swept(workspace: Workspace) -> None:
    project = make_project(workspace, images=3)
    ids = [submit(workspace, number).image_id for number in (1, 2)]
    submit(workspace, ids[0], status="draft")
    publish_ranking(workspace, project.id, [3])
    with workspace.database.writing() as session:
        prediction = session.query(Prediction).one()
        prediction.uncertainty_blob = workspace.blobs.put(b"uncertainty")
    stray = workspace.blobs.put(b"nobody names this")
    for path in files_in(workspace.path / "blobs"):
        os.utime(path, (1, 1))
    stored = {path.name for path in files_in(workspace.path / "blobs")}
    assert stored == {*blobs_in_use(workspace), stray}
    assert sweep_blobs(workspace) == 1
    assert {path.name for path in files_in(workspace.path / "blobs")} == stored - {stray}
