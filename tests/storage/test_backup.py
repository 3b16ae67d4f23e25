"""A backup is one state of the workspace, whatever others do in it meanwhile."""

import contextlib
import errno
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, select

from storage import images, labels, projects, round_requests
from storage.backup import back_up
from storage.database import Database
from storage.errors import DiskFull, InvalidInput, WorkspaceBusy, WorkspaceError
from storage.files import BlobStore
from storage.projects import ProjectInfo
from storage.schema import Prediction, Round
from storage.workspace import Workspace, blobs_in_use, no_sweep, open_workspace, sweep_blobs
from tests.storage.project_factory import make_project, publish_ranking, submit


@pytest.fixture
def project(workspace: Workspace) -> ProjectInfo:
    """Six images, four of them labelled, and a round with its checkpoint and suggestions."""
    project = make_project(workspace, images=6)
    ids = [info.id for info in images.list_images(workspace, project.id)]
    for image_id in ids[:4]:
        submit(workspace, image_id)
    done = publish_ranking(workspace, project.id, ids[4:])
    keep_checkpoint(workspace, done.id, "fresh/step-000100")
    return projects.get_project(workspace, project.id)


def keep_checkpoint(workspace: Workspace, round_id: int, name: str, weights: bytes = b"weights") -> None:
    folder = workspace.checkpoint_folder(round_id) / name
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(weights)


def same_files(one: Path, other: Path) -> bool:
    found = [{path.relative_to(at): path for path in at.rglob("*") if path.is_file()} for at in (one, other)]
    return found[0].keys() == found[1].keys() and all(
        path.read_bytes() == found[1][name].read_bytes() for name, path in found[0].items()
    )


def integrity(folder: Path) -> str:
    with contextlib.closing(sqlite3.connect(folder / "qualm.sqlite")) as connection:
        answer: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
    return answer


def test_a_backup_opens_as_the_same_workspace(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    (workspace.path / "secret.key").write_text("secret")
    (workspace.path / "secret.key").chmod(0o600)
    workspace.path.chmod(0o750)
    (workspace.path / "thumbnails" / "one.png").write_bytes(b"can be made anew")
    seen: list[tuple[int, int]] = []
    result = back_up(
        workspace, tmp_path / "disk" / "backup", progress=lambda done, of, key: seen.append((done, of))
    )
    target = result.path
    assert {path.name for path in target.iterdir()} == {"qualm.sqlite", "blobs", "checkpoints", "secret.key"}
    assert list((tmp_path / "disk").iterdir()) == [target]
    assert stat.S_IMODE(target.stat().st_mode) == 0o750
    assert stat.S_IMODE((target / "secret.key").stat().st_mode) == 0o600
    assert seen == [(done, len(seen)) for done in range(1, len(seen) + 1)]
    assert result.not_whole == ()
    assert result.files == sum(path.is_file() for path in target.rglob("*"))
    assert result.report()[0].startswith(f"{result.files} files, ")

    assert integrity(target) == "ok"
    for folder in ("blobs", "checkpoints"):
        assert same_files(workspace.path / folder, target / folder)
    with contextlib.closing(open_workspace(target)) as copy:
        assert projects.list_projects(copy) == projects.list_projects(workspace)
        assert images.list_images(copy, project.id) == images.list_images(workspace, project.id)
        for info in images.list_images(copy, project.id)[:4]:
            assert labels.history(copy, info.id) == labels.history(workspace, info.id)
            np.testing.assert_array_equal(labels.read(copy, info.id)[0], labels.read(workspace, info.id)[0])


def test_a_backup_while_others_write_is_whole(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    ids = [info.id for info in images.list_images(workspace, project.id)]
    stop = threading.Event()
    written: list[int] = []

    def write() -> None:
        with contextlib.closing(open_workspace(workspace.path)) as own:
            while not stop.is_set():
                written.append(
                    submit(own, ids[len(written) % len(ids)], author=f"ada {len(written)}").revision
                )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(4):
            before = len(written)
            result = back_up(workspace, tmp_path / f"backup {number}")
            assert result.not_whole == ()
            assert integrity(result.path) == "ok"
            with contextlib.closing(open_workspace(result.path)) as copy:
                found = images.list_images(copy, project.id)
                assert sum(info.revision for info in found) >= before
                for info in found:
                    for one in labels.history(copy, info.id):
                        labels.read(copy, info.id, one.revision)
    finally:
        stop.set()
        writer.join(30)
    assert written


def test_the_sweep_waits_until_the_backup_is_done(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    swept: list[int] = []

    def forget_and_sweep(done: int, of: int, key: str) -> None:
        if done == 1:
            with workspace.database.writing() as session:
                session.execute(delete(Prediction))
            swept.append(sweep_blobs(workspace, older_than_s=-60))

    result = back_up(workspace, tmp_path / "backup", progress=forget_and_sweep)
    assert swept == [0]
    assert result.not_whole == ()
    copied = Workspace(result.path, Database(f"sqlite:///{result.path}/qualm.sqlite"), BlobStore(result.path))
    with copied.database.reading() as session:
        assert session.scalars(select(Prediction.map_blob)).all()
    stored = {path.name for path in (result.path / "blobs").rglob("*") if path.is_file()}
    assert stored == set(blobs_in_use(copied))
    copied.close()
    assert sweep_blobs(workspace, older_than_s=-60) == 1


def test_a_second_backup_waits_for_the_first(workspace: Workspace, tmp_path: Path) -> None:
    with no_sweep(workspace), pytest.raises(WorkspaceBusy, match=r"blobs was in use for over 0 seconds"):
        no_sweep(workspace, wait_s=0).__enter__()
    back_up(workspace, tmp_path / "backup")


def test_checkpoints_that_are_replaced_meanwhile_are_copied_whole(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = round_requests.request_round(workspace, project.id, "tester", "a test asked for it")
    keep_checkpoint(workspace, at_work.id, "fresh/step-000001", b"old")
    keep_checkpoint(workspace, at_work.id, "fresh/.step-000002.partial", b"half")
    begun_since = at_work.id + 1
    keep_checkpoint(workspace, begun_since, "fresh/step-000003")
    folder = workspace.checkpoint_folder(at_work.id) / "fresh"
    copy: Callable[..., object] = shutil.copyfile

    def replaced(source: Path, target: Path) -> None:
        monkeypatch.setattr(shutil, "copyfile", copy)
        keep_checkpoint(workspace, at_work.id, "fresh/step-000002", b"new")
        shutil.rmtree(folder / "step-000001")
        copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", replaced)
    target = back_up(workspace, tmp_path / "backup").path
    copied = {path.relative_to(target / "checkpoints") for path in target.glob("checkpoints/*/*/*")}
    with workspace.database.reading() as session:
        (done,) = session.scalars(select(Round.id).where(Round.state == "done"))
    assert {str(path) for path in copied} == {
        f"round-{done}/fresh/step-000100",
        f"round-{at_work.id}/fresh/step-000002",
    }

    def removed(source: Path, target: Path) -> None:
        shutil.rmtree(folder.parent, ignore_errors=True)
        copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", removed)
    without = back_up(workspace, tmp_path / "second").path
    assert [path.name for path in (without / "checkpoints").iterdir()] == [f"round-{done}"]


def test_files_that_the_workspace_itself_lacks_are_told(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    first, second = images.list_images(workspace, project.id)[:2]
    Path(workspace.blobs.place(first.blob)).unlink()
    Path(workspace.blobs.place(second.blob)).write_bytes(b"damaged")
    result = back_up(workspace, tmp_path / "backup")
    assert set(result.not_whole) == {first.blob, second.blob}
    assert "2 files of the workspace are missing, damaged or unreadable, such as" in " ".join(result.report())
    assert (result.path / "blobs" / second.blob[:2] / second.blob).read_bytes() == b"damaged"


def test_a_backup_goes_nowhere_else(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    (tmp_path / "file").write_text("keep")
    (tmp_path / "link").symlink_to(workspace.path / "blobs")
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path / "disk")
    for refused, why in {
        tmp_path / "full": r"full exists already, and a backup never overwrites",
        tmp_path / "file": r"file exists already, and a backup never overwrites",
        workspace.path: r"exists already, and a backup never overwrites",
        workspace.path / "backups" / "may": r"lies in the workspace that is to be backed up\. Choose a place",
        tmp_path / "link" / "new": r"lies in the workspace that is to be backed up\. Choose a place",
        tmp_path / "disk": r"disk is where a disk begins",
        "n" * 300: r"is no path that can be opened",
        tmp_path / "\udcff": r"\\udcff is not UTF-8 text\. Choose another",
    }.items():
        with pytest.raises(InvalidInput, match=why):
            back_up(workspace, refused)
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep"
    assert not (workspace.path / "backups").exists()
    with pytest.raises(WorkspaceError, match="file"):
        back_up(workspace, tmp_path / "file" / "backup")
    (tmp_path / "empty").mkdir()
    assert back_up(workspace, tmp_path / "empty").path == tmp_path / "empty"


def test_a_database_on_a_server_is_left_to_its_own_tools(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "sqlite_file", None)
    with pytest.raises(InvalidInput, match="on a server of its own"):
        back_up(workspace, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_damaged_database_is_not_passed_on(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path
) -> None:
    workspace.close()
    with (workspace.path / "qualm.sqlite").open("rb+") as file:
        for page in range(6, os.fstat(file.fileno()).st_size // 4096, 3):
            file.seek(page * 4096)
            file.write(bytes(range(256)) * 16)
    with pytest.raises(WorkspaceError, match="damaged"):
        back_up(workspace, tmp_path / "disk" / "backup")
    assert list((tmp_path / "disk").iterdir()) == []


def test_a_disk_without_room_for_the_database_is_called_full(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "disk" / "backup"

    def no_room(path: str) -> sqlite3.Connection:
        connection = sqlite3.Connection(path)
        connection.execute("PRAGMA max_page_count=2")
        return connection

    monkeypatch.setattr(sqlite3, "connect", no_room)
    with pytest.raises(DiskFull, match=r"holds the copy is full"):
        back_up(workspace, target)

    def broken(path: str) -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(sqlite3, "connect", broken)
    with pytest.raises(WorkspaceError, match=r"could not be copied \(disk I/O error\)"):
        back_up(workspace, target)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
    with pytest.raises(DiskFull, match=r"holds the copy is full"):
        back_up(workspace, target)
    assert list(target.parent.iterdir()) == []


def test_a_backup_that_fails_leaves_nothing(
    workspace: Workspace, project: ProjectInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskFull):
            back_up(workspace, tmp_path / "disk" / "backup")
    assert list((tmp_path / "disk").iterdir()) == []

    def stop(done: int, of: int, key: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(workspace, tmp_path / "disk" / "backup", progress=stop)
    assert list((tmp_path / "disk").iterdir()) == []
    assert sweep_blobs(workspace) == 0
    back_up(workspace, tmp_path / "disk" / "backup")
