"""Fixtures every part of the suite shares."""

import errno
import gc
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import core  # noqa: F401 (sets how threads wait, before a test imports torch)
from storage import database
from storage.workspace import Workspace, open_workspace

# Until the tests begin, modules are loaded, of which nothing is garbage; to look for some takes seconds.
gc.disable()

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("QUALM_TEST_DATA") or ROOT.parent / "shared" / "data")

# How long an example takes says more of the machine than of what is tested.
settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where and in what precision the model's tests run, for example ``--device cuda --dtype bfloat16``."""
    parser.addoption("--device", default="cpu", help="device of the model's tests: cpu, cuda, mps")
    parser.addoption(
        "--dtype",
        default="float32",
        choices=("float32", "bfloat16"),
        help="precision of a network's forward pass in the tests; bfloat16 is by autocast, as in training",
    )


SLOW_FILES = (
    "test_loop.py",
    "test_style.py",
    "test_canvas_fuzz.py",
    "test_canvas_modules.py",
    "test_distributed.py",
    "test_worker.py",
    "test_run_app.py",
)
"""Files with tests that take long or wait for processes, in the order they are begun."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process of the suite is alone with it at the end."""
    places = {name: place for place, name in enumerate(SLOW_FILES)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Look for garbage from here on, and not among what was loaded."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def folder_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody look into a folder named ``locked``, whoever runs the tests."""
    stat = Path.stat

    def locked(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if "locked" in self.parent.parts:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return stat(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", locked)


@pytest.fixture(scope="session", autouse=True)
def _as_installed() -> Iterator[None]:
    """Start servers and workers with what a person has who installed ``requirements.txt`` alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT / "tests" / "as_installed"), prepend=os.pathsep)
        yield


@pytest.fixture(scope="session", autouse=True)
def _nobody_waits_for_the_disk() -> Iterator[None]:
    """Write without waiting until the disk has it, which shows after a power cut alone and takes long.

    The processes that tests start wait for it.
    """
    prepare = database._prepare_sqlite

    def prepare_not_to_wait(connection: sqlite3.Connection, record: object) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA synchronous=OFF")

    with pytest.MonkeyPatch.context() as patch:
        # It refuses what is no open file, too.
        patch.setattr(os, "fsync", os.fstat)
        patch.setattr(database, "_prepare_sqlite", prepare_not_to_wait)
        yield


@pytest.fixture(scope="session")
def empty_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with nothing in it, to be copied: to bring a new database up to date takes longer."""
    folder = tmp_path_factory.mktemp("empty") / "workspace"
    open_workspace(folder).close()
    return folder


@pytest.fixture
def workspace(tmp_path: Path, empty_workspace: Path) -> Iterator[Workspace]:
    """An empty workspace."""
    opened = open_workspace(shutil.copytree(empty_workspace, tmp_path / "workspace"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def camvid() -> Path:
    """The CamVid folder with train, trainannot, val, valannot, test and testannot."""
    folder = DATA if (DATA / "trainannot").is_dir() else DATA / "camvid"
    if not (folder / "trainannot").is_dir():
        pytest.fail(f"CamVid is not at {folder}. Put it there, or name its folder in QUALM_TEST_DATA.")
    return folder


@pytest.fixture(scope="session")
def weights_dir() -> Path:
    """The folder with ``mobilenet_v2_imagenet_features.pth``, in torchvision's names."""
    folder = Path(os.environ.get("QUALM_TEST_WEIGHTS") or ROOT.parent / "shared" / "weights")
    if not (folder / "mobilenet_v2_imagenet_features.pth").is_file():
        pytest.fail(f"No MobileNetV2 weights in {folder}. Put them there, or set QUALM_TEST_WEIGHTS.")
    return folder


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Let no test pass in CI because something it needs was missing: there a skip is a failure."""
    outcome = yield
    report = outcome.get_result()
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI skips nothing: {report.longrepr}"
