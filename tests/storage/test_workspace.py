"""A workspace that cannot be used says why, and a full disk takes nothing away."""

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from storage import images, labels, projects
from storage.errors import DiskFull, InvalidInput, WorkspaceError, WorkspaceInUse
from storage.projects import ClassSpec
from storage.workspace import (
    Workspace,
    existing_workspace,
    is_workspace,
    open_workspace,
    workspace_lock,
)
from tests.storage.project_factory import make_project, submit

CAN_MOUNT = (
    sys.platform == "linux"
    and os.geteuid() == 0
    and (subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0)
)


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def small_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Workspace, Callable[[], None], Callable[[], None]]]:
    """A workspace on a disk of a few megabytes, with functions that fill it and free it again.

    As root on Linux the disk is a real one. Elsewhere the same two refusals are brought about where they
    begin: the system's write to a file and SQLite's growth of the database.
    """
    folder = tmp_path / "disk"
    if CAN_MOUNT:
        with mounted(folder, "6m"):
            workspace = open_workspace(folder)
            ballast = folder / "ballast"

            def fill() -> None:
                with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                    while file.write(bytes(4096)):
                        pass

            yield workspace, fill, ballast.unlink
            workspace.close()
        return

    workspace = open_workspace(folder)
    fsync = os.fsync

    def fill_by_force() -> None:
        monkeypatch.setattr(os, "fsync", no_space)
        limit_pages(workspace, 1)

    def free_by_force() -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        limit_pages(workspace, 2**30)

    yield workspace, fill_by_force, free_by_force
    workspace.close()


def no_space(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def limit_pages(workspace: Workspace, pages: int) -> None:
    with workspace.database.reading() as session:
        session.execute(text(f"PRAGMA max_page_count={pages}"))


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and path.name != "ballast"}


def test_a_full_disk_loses_nothing(
    small_disk: tuple[Workspace, Callable[[], None], Callable[[], None]],
) -> None:
    workspace, fill, free = small_disk
    project = make_project(workspace, images=2, size=(64, 64))
    first = images.list_images(workspace, project.id)[0].id
    submit(workspace, first)
    before, _ = labels.read(workspace, first)
    blobs = files_in(workspace.path / "blobs")
    noise = np.random.default_rng(0).integers(0, 3, (64, 64)).astype(np.uint8)

    fill()
    with pytest.raises(DiskFull, match="free some space"):
        labels.save(workspace, first, noise, expected_revision=1, author="ada", status="submitted")
    with pytest.raises(DiskFull, match="free some space"):
        workspace.blobs.put(os.urandom(100_000))
    assert files_in(workspace.path / "blobs") == blobs
    assert labels.read(workspace, first)[1] == 1
    np.testing.assert_array_equal(labels.read(workspace, first)[0], before)

    free()
    saved = labels.save(workspace, first, noise, expected_revision=1, author="ada", status="submitted")
    assert saved.revision == 2
    np.testing.assert_array_equal(labels.read(workspace, first)[0], noise)


def test_a_database_that_cannot_grow_says_so_and_goes_on_later(
    small_disk: tuple[Workspace, Callable[[], None], Callable[[], None]],
) -> None:
    workspace, fill, free = small_disk
    project = projects.create_project(workspace, "fields", [ClassSpec("ground")], "ada")

    def write_on() -> None:
        for number in range(4000):
            projects.change_settings(workspace, project.id, {}, "ada", name=f"{number} {'x' * 180}")

    fill()
    with pytest.raises(DiskFull):
        write_on()
    name = projects.get_project(workspace, project.id).name
    free()
    projects.change_settings(workspace, project.id, {}, "ada", name="after")
    assert name != "after"
    with workspace.database.reading() as session:
        assert session.execute(text("PRAGMA integrity_check")).scalar() == "ok"


def test_a_workspace_on_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as stack:
        if CAN_MOUNT:
            stack.enter_context(mounted(tmp_path / "disk", "64k"))
        else:
            monkeypatch.setattr(Path, "mkdir", no_space)
        with pytest.raises(DiskFull, match="free some space"):
            open_workspace(tmp_path / "disk")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A workspace with a project, in a folder that nobody may write to."""
    folder = tmp_path / "disk"
    with contextlib.ExitStack() as stack:
        if CAN_MOUNT:
            stack.enter_context(mounted(folder, "6m"))
        workspace = open_workspace(folder / "workspace")
        make_project(workspace, images=2)
        workspace.close()
        if CAN_MOUNT:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        else:
            (folder / "workspace").chmod(0o500)
            stack.callback((folder / "workspace").chmod, 0o700)
            if os.geteuid() == 0:  # root may write anywhere, and "nobody" may not
                os.seteuid(65534)
                stack.callback(os.seteuid, 0)
        yield folder


def test_a_read_only_workspace_is_refused(read_only: Path) -> None:
    refused = r"cannot be written to\. Allow writing there, or choose another place\."
    with pytest.raises(WorkspaceError, match=refused + "$"):
        open_workspace(read_only / "workspace" / "new")
    with pytest.raises(WorkspaceError, match=refused + " If that is not possible, copy .* to another disk"):
        open_workspace(read_only / "workspace")


def test_a_database_that_turned_read_only_is_named(workspace: Workspace) -> None:
    make_project(workspace, images=1)
    with workspace.database.reading() as session:
        session.execute(text("PRAGMA query_only=ON"))
    with pytest.raises(WorkspaceError, match="cannot be written to"):
        projects.create_project(workspace, "second", [ClassSpec("a")], "ada")


@pytest.mark.parametrize("inside", ["", "blobs"])
def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path, inside: str) -> None:
    place = tmp_path / "place"
    if inside:
        place.mkdir()
    (place / inside).write_bytes(b"a file")
    with pytest.raises(WorkspaceError, match=r"is a file.*Choose another path"):
        open_workspace(place)


def test_a_folder_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WorkspaceError, match="is a file"):
        open_workspace(tmp_path / "file" / "workspace")


@pytest.mark.parametrize("path", ["~nobody.of.this.name/x", "n" * 300, "locked", "locked/x"])
@pytest.mark.usefixtures("folder_locked")
def test_what_is_no_path_is_refused_in_a_sentence(path: str) -> None:
    uses = [is_workspace, existing_workspace]
    if path != "locked":
        uses += [open_workspace, lambda path: workspace_lock(path, "server").__enter__()]
    for use in uses:
        with pytest.raises(InvalidInput, match=r"is no path that can be opened .*Type another"):
            use(path)


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"\\udcff is not UTF-8 text\. Choose another for the workspace"):
        open_workspace(tmp_path / "\udcff")
    assert list(tmp_path.iterdir()) == []


def test_odd_folder_names_are_fine(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "Äcker & 100% ?x=1 #2")
    make_project(workspace, images=1)
    assert len(images.list_images(workspace, 1)) == 1
    assert {path.name for path in workspace.path.iterdir()} >= {
        "qualm.sqlite",
        "blobs",
        "checkpoints",
        "logs",
        "thumbnails",
    }
    workspace.close()


def test_a_role_is_held_once(workspace: Workspace) -> None:
    holder = (
        "import sys\n"
        "from storage.workspace import workspace_lock\n"
        f"with workspace_lock({str(workspace.path)!r}, 'server'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(WorkspaceInUse, match=f"process {process.pid} on"):
            workspace_lock(workspace.path, "server").__enter__()
        with workspace_lock(workspace.path, "worker"):
            pass
        process.kill()
    with workspace_lock(workspace.path, "server"):
        pass
