"""The command line: it prepares its environment once, teaches by --help and speaks in sentences."""

import contextlib
import errno
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

import core.simulate
import run_app
from core import demo_world
from core.worker import LEASE_S, run_round
from storage import projects, round_requests, rounds, workers
from storage.archiving import archive_project
from storage.errors import NotFound
from storage.images import list_images
from storage.projects import ClassChange, ClassSpec, ProjectInfo
from storage.rounds import RoundInfo
from storage.workspace import Workspace, open_workspace
from tests.core.blocks_project import block_scene, blocks_project, png

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str, cwd: Path = ROOT, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VIRTUAL_ENV", "CONDA_PREFIX", "QUALM_WORKSPACE", "PYTHONPATH")
    }
    return subprocess.run(
        [python, "run_app.py", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=environment,
        timeout=280,
    )


def invoke(*arguments: str) -> Result:
    """Run a command within this process; to load all it uses once more takes most of a process of its own."""
    return CliRunner().invoke(run_app.cli, arguments)


def test_fresh_machine_gets_an_environment_once_and_changed_requirements_anew(tmp_path: Path) -> None:
    shutil.copy(ROOT / "run_app.py", tmp_path)
    (tmp_path / "requirements.txt").write_text("")
    base = Path(sys.base_prefix) / ("python.exe" if os.name == "nt" else "bin/python3")
    first = run("--help", cwd=tmp_path, python=str(base))
    assert "Making a virtual environment" in first.stdout, first.stdout + first.stderr
    assert "Installing requirements.txt" in first.stdout
    assert list((tmp_path / ".venv").glob("qualm-*.stamp"))
    second = run("--help", cwd=tmp_path, python=str(base))
    assert "Making" not in second.stdout
    assert "Installing" not in second.stdout
    (tmp_path / "requirements.txt").write_text("# one more line\n")
    assert "Installing requirements.txt" in run("--help", cwd=tmp_path, python=str(base)).stdout


def test_an_environment_that_was_left_half_made_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = run_app.venv_python(tmp_path / ".venv")
    made: list[bool] = []

    def killed(*_: object) -> None:
        made.append(python.exists())
        raise KeyboardInterrupt

    def replaced(*_: object) -> None:
        raise SystemExit("replaced")

    def start() -> None:
        with pytest.raises(SystemExit, match="replaced"):
            run_app.prepare_environment([])

    monkeypatch.setattr(run_app, "HERE", tmp_path)
    monkeypatch.setattr(run_app, "environment_is_active", lambda: False)
    monkeypatch.setattr(os, "execv", replaced)
    with monkeypatch.context() as context:
        context.setattr(venv.EnvBuilder, "_setup_pip", killed)
        with pytest.raises(KeyboardInterrupt):
            run_app.prepare_environment([])
    assert made == [True], "the kill comes when the interpreter is there and pip is not"
    with monkeypatch.context() as context:
        context.setattr(venv.EnvBuilder, "_setup_pip", lambda *_: made.append(True))
        start()
        start()
    assert made == [True, True], "it is made anew, and once"


def test_an_environment_of_another_making_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = run_app.venv_python(tmp_path / ".venv")
    python.parent.mkdir(parents=True)
    python.touch()

    def replaced(command: str, _: list[str]) -> None:
        raise SystemExit(command)

    monkeypatch.setattr(run_app, "HERE", tmp_path)
    monkeypatch.setattr(run_app, "environment_is_active", lambda: False)
    monkeypatch.setattr(os, "execv", replaced)
    with pytest.raises(SystemExit, match=re.escape(str(python))):
        run_app.prepare_environment([])
    assert list((tmp_path / ".venv").rglob("*")) == [python.parent, python]


def test_an_environment_that_has_everything_need_not_be_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements.txt").write_text("")
    monkeypatch.setattr(run_app, "HERE", tmp_path)
    monkeypatch.setattr(run_app, "environment_is_active", lambda: True)
    # A folder that is not there refuses a file as one that is not writable does, to root too.
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "built by root"))
    monkeypatch.setattr(subprocess, "call", lambda _: 0)
    run_app.prepare_environment([])


def test_help_names_every_command() -> None:
    text = run("--help").stdout
    for command in (
        "serve",
        "demo",
        "import",
        "export",
        "backup",
        "train",
        "rank",
        "worker",
        "simulate",
        "test",
    ):
        assert command in text


def test_a_worker_is_promised_on_no_other_machine() -> None:
    text = " ".join(invoke("worker", "--help").stdout.split())
    assert "in a process of its own, on the machine that holds the workspace" in text
    assert "GPU" not in text


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_that_no_machine_has_is_refused(tmp_path: Path, port: str) -> None:
    folder = tmp_path / "w"
    open_workspace(folder).close()
    refused = invoke("serve", "--workspace", str(folder), "--port", port)
    assert refused.exit_code == 2
    assert "Invalid value for '--port'" in refused.output


def test_names_may_stand_apart() -> None:
    assert run_app.names_given("random, clasp_pe ,k_centre") == ["random", "clasp_pe", "k_centre"]


def test_train_without_project_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    result = run("train", "--workspace", str(folder))
    assert result.returncode == 1
    assert "There is no workspace" in result.stderr
    assert "Traceback" not in result.stderr
    open_workspace(folder).close()
    refused = invoke("train", "--workspace", str(folder))
    assert refused.exit_code == 1
    assert "no project yet" in refused.stderr
    assert isinstance(refused.exception, SystemExit), "and no traceback"


def test_train_runs_a_round_with_a_worker_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_workspace(tmp_path / "w")
    project = blocks_project(workspace, pool=3)
    result = invoke("train", "--workspace", str(workspace.path))
    assert result.exit_code == 0, result.output
    assert "Round 1 is done" in result.stdout
    assert not workers.live_workers(workspace)

    # What ranks is started alike; here it need not load all that it uses once more.
    def ranks_here(opened: Workspace, asked: ProjectInfo, device: run_app.Device) -> subprocess.Popen[bytes]:
        assert (opened.path, asked.id, device) == (workspace.path, project.id, run_app.Device.auto)
        claimed = rounds.claim(workspace, "here:1", LEASE_S)
        assert claimed is not None
        assert run_round(workspace, claimed, "here:1", torch.device("cpu")) == "done"
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(run_app, "own_worker", ranks_here)
    result = invoke("rank", "--workspace", str(workspace.path))
    assert result.exit_code == 0, result.output
    assert "Round 2 is done: the model of round 1 has ranked the queue again." in result.stdout
    assert [info.kind for info in rounds.history(workspace, 1)] == ["ranks", "trains"]


def test_train_starts_a_worker_of_its_own_when_the_one_it_relied_on_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_workspace(tmp_path / "w")
    project = blocks_project(workspace, pool=3)
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    workers.worker_seen(workspace, workers.worker_name(other.pid), "cpu")
    killed_when_own_starts: list[bool] = []

    def own_worker(*_: object) -> subprocess.Popen[bytes]:
        killed_when_own_starts.append(other.poll() is not None)
        (waiting,) = rounds.history(workspace, project.id)
        rounds.request_cancel(workspace, waiting.id, "own worker")
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(run_app, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(run_app, "own_worker", own_worker)
    killing = threading.Timer(0.5, lambda: (other.kill(), other.wait()))
    killing.start()
    result = invoke("train", "--workspace", str(workspace.path))
    killing.join()
    assert "Round 1 ended cancelled" in result.stderr
    assert killed_when_own_starts == [True]


def test_what_has_not_trained_cannot_rank(tmp_path: Path) -> None:
    with contextlib.closing(open_workspace(tmp_path / "w")) as workspace:
        blocks_project(workspace, pool=1)
    refused = invoke("rank", "--workspace", str(tmp_path / "w"))
    assert refused.exit_code == 1
    assert "No round has trained yet" in refused.stderr


def test_train_does_not_take_what_gives_way_for_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_workspace(tmp_path / "w")
    project = blocks_project(workspace, pool=3)
    round_requests.request_round(workspace, project.id, "worker", "Trains on", trains_on=True)
    watched: list[str] = []

    def watch(opened: object, project: object, started: RoundInfo, device: object) -> RoundInfo:
        watched.append(started.kind)
        return started

    monkeypatch.setattr(run_app, "watched_round", watch)
    for _ in range(2):
        assert invoke("train", "--workspace", str(workspace.path)).exit_code == 0
    assert watched == ["trains", "trains"]
    assert [info.state for info in rounds.history(workspace, project.id)] == ["queued", "cancelled"]


def test_a_worker_is_announced_before_it_has_loaded(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "w")
    stop = threading.Event()
    supervisor = threading.Thread(
        target=run_app.supervise_worker, args=(workspace.path, run_app.Device.cpu, stop)
    )
    supervisor.start()
    try:
        deadline = time.monotonic() + 60
        while not (announced := workers.live_workers(workspace)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [worker.is_starting for worker in announced] == [True]
    finally:
        stop.set()
        supervisor.join(30)
    assert workers.live_workers(workspace) == []


def test_a_worker_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout)
            if len(waited) == 2:
                self.set()
            return self.is_set()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    waited: list[float | None] = []
    monkeypatch.setattr(subprocess, "Popen", refuse)
    run_app.supervise_worker(open_workspace(tmp_path / "w").path, run_app.Device.cpu, Stop())
    assert waited == [2.0, 4.0]
    assert "Cannot allocate memory" in capsys.readouterr().out


def test_a_worker_is_told_who_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}
    monkeypatch.setattr("core.worker.run_worker", lambda workspace, **rest: told.update(rest))
    command = run_app.worker_command(tmp_path, run_app.Device.cpu, "--once", "--project", "Field")
    done = invoke(*command[2:])
    assert done.exit_code == 0, done.output
    assert told == {"device": "cpu", "project": "Field", "once": True, "supervisor": os.getpid()}


def test_wide_host_without_sign_in_is_refused(tmp_path: Path) -> None:
    result = invoke(
        "serve", "--workspace", str(tmp_path / "w"), "--host", "0.0.0.0", "--no-browser", "--no-worker"
    )
    assert result.exit_code == 1
    assert "--access-token" in result.stderr
    assert isinstance(result.exception, SystemExit), "and no traceback"


def test_import_export_and_repeat(tmp_path: Path, camvid: Path) -> None:
    source = tmp_path / "set"
    for folder in ("train", "trainannot"):
        (source / folder).mkdir(parents=True)
        for path in sorted((camvid / folder).iterdir())[:4]:
            shutil.copy(path, source / folder)
    workspace = str(tmp_path / "w")
    dry = invoke("import", str(source), "--workspace", workspace, "--project", "Roads", "--dry-run")
    assert dry.exit_code == 0, dry.stderr
    assert "4 images" in dry.stdout
    early = invoke("export", str(tmp_path / "out"), "--workspace", workspace)
    assert early.exit_code == 1
    assert f"There is no workspace in {workspace}" in early.stderr
    assert not Path(workspace).exists(), "what only looks makes nothing"
    first = invoke("import", str(source), "--workspace", workspace, "--project", "Roads")
    assert first.exit_code == 0, first.stderr
    again = invoke("import", str(source), "--workspace", workspace, "--project", "Roads")
    assert again.exit_code == 0, again.stderr
    exported = invoke("export", str(tmp_path / "out"), "--workspace", workspace)
    assert exported.exit_code == 0, exported.stderr
    assert len(list((tmp_path / "out" / "label_maps").rglob("*.png"))) == 4


def test_a_backup_says_where_it_is_and_how_to_open_it(tmp_path: Path) -> None:
    with contextlib.closing(open_workspace(tmp_path / "w")) as workspace:
        project = blocks_project(workspace, pool=1)
    target = tmp_path / "my backup"
    missing = invoke("backup", str(target), "--workspace", str(tmp_path / "typo"))
    assert missing.exit_code == 1
    assert "There is no workspace" in missing.stderr
    done = invoke("backup", str(target), "--workspace", str(tmp_path / "w"))
    assert done.exit_code == 0, done.output
    assert f"backed up to {target}." in done.stdout
    assert f"python3 run_app.py serve --workspace '{target}'" in done.stdout
    with contextlib.closing(open_workspace(target)) as copy:
        assert projects.get_project(copy, project.name).id == project.id
    again = invoke("backup", str(target), "--workspace", str(tmp_path / "w"))
    assert again.exit_code == 1
    assert "a backup never overwrites" in again.stderr


@pytest.mark.parametrize(
    ("command", "at_work", "sentence"),
    [
        (
            "import .",
            "storage.import_planning.plan_import",
            "What was imported is kept; run the same command again",
        ),
        ("export out", "storage.exporting.export_project", "Nothing of an unfinished export is left; run"),
        ("backup copy", "storage.backup.back_up", "Nothing of an unfinished backup is left; run the same"),
        ("train", "storage.round_requests.request_round", "A round that was started is kept: run the same"),
        ("rank", "storage.round_requests.request_ranking", "A round that was started is kept: run the same"),
        ("simulate", "core.simulate.simulate", "What is finished is kept; run the same command again"),
        ("demo", "run_app.make_demo", "The scenes rendered so far are kept; run the same command again"),
    ],
)
def test_what_is_stopped_says_what_is_kept_and_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, at_work: str, sentence: str
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    with contextlib.closing(open_workspace(tmp_path / "w")) as workspace:
        blocks_project(workspace, pool=1)
    monkeypatch.setattr(at_work, stopped)
    done = invoke(*command.split(), "--workspace", str(tmp_path / "w"))
    assert done.exit_code == 130
    assert f"Stopped. {sentence}" in done.stderr


def test_a_server_that_is_stopped_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_app, "serve_workspace", stopped)
    assert invoke("serve", "--workspace", str(tmp_path / "w")).output.strip() == ""


def test_a_server_says_which_workspace_it_opens_and_that_it_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def served(workspace: Path, **given: Any) -> None:
        open_workspace(workspace).close()
        given["on_ready"]("http://127.0.0.1:8501")

    monkeypatch.setattr("app.server.serve", served)
    monkeypatch.chdir(tmp_path)
    for new in (" (new)", ""):
        shown = invoke("serve", "--workspace", "[w]", "--no-worker", "--no-browser").stdout
        assert "Qualm is at http://127.0.0.1:8501 " in shown
        assert f"Workspace: {tmp_path / '[w]'}{new}\n" in shown


def test_names_are_printed_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "set" / "["
    folder.mkdir(parents=True)
    (folder / "sound :tree:.png").write_bytes(png(block_scene(0)[0]))
    (folder / "broken [draft].png").write_bytes(b"no image")
    (folder / "x].png").write_bytes(b"no image")
    inside, project = ("--workspace", str(tmp_path / "w")), ("--project", "[/Field] [bold] :tree:")
    done = invoke("import", str(tmp_path / "set"), *inside, *project, "--classes", "a")
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "[/broken [draft].png: This is no image" in done.stdout
    assert "[/x].png: This is no image" in done.stdout
    assert "Made the project [/Field] [bold] :tree: with 1 class." in done.stdout
    refused = invoke("export", str(tmp_path / "out"), *inside)
    assert refused.exit_code == 1
    assert "No image of [/Field] [bold] :tree: is labelled yet" in refused.stderr


def test_the_folder_one_stands_in_gives_the_project_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "field.2024"
    folder.mkdir()
    (folder / "one.png").write_bytes(png(block_scene(0)[0]))
    monkeypatch.chdir(folder)
    done = invoke("import", ".", "--workspace", str(tmp_path / "w"), "--classes", "a")
    assert done.exit_code == 0, done.output
    assert "Made the project field.2024 with 1 class." in done.stdout


def test_a_second_import_goes_on_in_the_project_that_the_first_one_made(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "set" / "a.png")
    with contextlib.closing(open_workspace(tmp_path / "w")) as workspace:
        for name in ("one", "two"):
            projects.create_project(workspace, name, [ClassSpec("a")], "ann")
    command = ["import", str(tmp_path / "set"), "--workspace", str(tmp_path / "w"), "--classes", "a"]
    assert "Made the project set with 1 class." in invoke(*command).stdout
    again = invoke(*command)
    assert again.exit_code == 0, again.stderr
    assert "1 image was there already; nothing was added." in again.stdout


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["import", "dry run"])
def test_an_import_says_into_which_project_and_drops_no_class(tmp_path: Path, dry: tuple[str, ...]) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "one.png").write_bytes(png(block_scene(0)[0]))
    command = ["import", str(tmp_path / "set"), "--workspace", str(tmp_path / "w"), *dry]
    with contextlib.closing(open_workspace(tmp_path / "w")) as workspace:
        field = projects.create_project(workspace, "[Field]", [ClassSpec("Soil"), ClassSpec("crop")], "ann")
        refused = invoke(*command, "--classes", "soil,weed,tree,void")
        assert refused.exit_code == 1
        assert "The project [Field] exists already and has no class weed or tree" in refused.stderr
        assert list_images(workspace, field.id) == []
        done = invoke(*command, "--classes", "soil,crop,void")
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith("Into the project [Field], which has 0 images.\n")
        assert len(list_images(workspace, field.id)) == (0 if dry else 1)
    if not dry:
        assert "Into the project [Field], which has 1 image.\n" in invoke(*command).stdout


def test_an_agreement_of_nothing_is_refused(tmp_path: Path) -> None:
    refused = invoke("simulate", "--agreement", "0", "--out", str(tmp_path / "out"))
    assert refused.exit_code == 1
    assert "The target is a share above 0" in refused.output


def test_nothing_to_import_makes_no_project(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    inside = ("--workspace", str(tmp_path / "w"))
    refused = invoke("import", str(tmp_path / "empty"), *inside, "--classes", "a")
    assert refused.exit_code == 1
    assert "Nothing to import" in refused.stdout
    assert "no project yet" in invoke("train", *inside).stderr


def test_images_without_masks_need_class_names(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "one.png").write_bytes(png(block_scene(0)[0]))
    refused = invoke("import", str(tmp_path / "set"), "--workspace", str(tmp_path / "w"))
    assert refused.exit_code == 1
    assert '--classes "soil,crop,weed"' in refused.stderr


def test_a_project_that_is_not_there_is_not_served(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "w")
    blocks_project(workspace, pool=1)
    refused = invoke(
        "serve", "--workspace", str(workspace.path), "--project", "wrong", "--no-browser", "--no-worker"
    )
    assert refused.exit_code == 1
    assert "wrong" in refused.stderr


def test_an_archived_project_is_none_to_choose_and_the_demo_is_brought_back(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    workspace = open_workspace(folder)
    demo = run_app.make_demo(workspace, images=0)
    roads = projects.create_project(workspace, "Roads", [ClassSpec("a")], "test")
    archive_project(workspace, demo.id, "test")
    assert run_app.chosen_project(workspace, None) == roads
    archive_project(workspace, roads.id, "test")
    with pytest.raises(NotFound, match=r"has archived projects only \(Demo, Roads\): choose one with"):
        run_app.chosen_project(workspace, None)
    for command in (["serve"], ["import", str(tmp_path), "--classes", "a"]):
        refused = invoke(*command, "--workspace", str(folder), "--project", "Roads")
        assert refused.exit_code == 1
        assert "The project Roads is archived. Start" in refused.output
    assert run_app.make_demo(workspace, images=0) == demo


@pytest.mark.parametrize(
    ("classes", "actor"), [(["soil", "crop"], "demo"), ([name for name, _ in demo_world.CLASSES], "ann")]
)
def test_a_persons_project_is_not_taken_for_the_demo(tmp_path: Path, classes: list[str], actor: str) -> None:
    with contextlib.closing(open_workspace(tmp_path / "w")) as workspace:
        own = projects.create_project(workspace, "Demo", [ClassSpec(name) for name in classes], actor)
        archive_project(workspace, own.id, actor)
        refused = invoke("demo", "--workspace", str(tmp_path / "w"), "--images", "12")
        assert refused.exit_code == 1
        assert "A project of your own is named Demo. Rename it on the Project page, or give the demo" in (
            refused.stderr
        )
        assert list_images(workspace, own.id) == []
        assert projects.get_project(workspace, own.id).archived_at is not None


def test_two_first_starts_at_once_have_one_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = projects.create_project

    def after_another(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        real(*arguments, **named)

    monkeypatch.setattr(projects, "create_project", after_another)
    with contextlib.closing(open_workspace(tmp_path / "w")) as workspace:
        demo = run_app.make_demo(workspace, images=1)
        assert projects.list_projects(workspace) == [demo]
        assert len(list_images(workspace, demo.id)) == 1


def test_the_demo_is_known_after_its_classes_were_changed(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "w")
    demo = run_app.make_demo(workspace, images=0)
    projects.update_classes(workspace, demo.id, {0: ClassChange(name="clouds")}, "ann")
    projects.add_class(workspace, demo.id, ClassSpec("rabbit"), "ann")
    assert run_app.make_demo(workspace, images=1).id == demo.id
    assert len(list_images(workspace, demo.id)) == 1


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["serve", "--workspace=~/x"], None),
        (["serve"], "~/x"),
        (["demo", "--workspace=~/x"], None),
        (["demo"], "~/x"),
        ([], "~/x"),
    ],
)
def test_a_home_folder_is_found_once_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], variable: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    seen: list[Path] = []
    monkeypatch.setattr(run_app, "make_demo", lambda workspace, images: seen.append(workspace.path))
    monkeypatch.setattr(run_app, "serve_workspace", lambda workspace, *rest: seen.append(workspace))
    if variable is not None:
        monkeypatch.setenv("QUALM_WORKSPACE", variable)
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    assert set(seen) == {tmp_path / "x"}


def test_a_simulation_finds_a_home_folder_in_each_of_its_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    seen: list[Path] = []
    monkeypatch.setattr(
        core.simulate,
        "simulate",
        lambda data, grid, **named: seen.extend([data, named["out"], named["csv_path"]]),
    )
    done = invoke("simulate", "--data=~/set", "--out=~/out", "--csv=~/rows.csv")
    assert done.exit_code == 0, done.output
    assert seen == [tmp_path / "set", tmp_path / "out", tmp_path / "rows.csv"]


@pytest.mark.usefixtures("folder_locked")
@pytest.mark.parametrize("path", ["~nobody.of.this.name/x", "n" * 300, "locked/x"])
@pytest.mark.parametrize(
    "command",
    ["serve", "demo", "import .", "export o.zip", "backup b", "train", "rank", "worker", "simulate"],
)
def test_a_workspace_at_no_path_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = invoke(*command.split(), "--workspace", path)
    assert refused.exit_code == 1
    assert isinstance(refused.exception, SystemExit)
    assert "is no path that can be opened" in refused.stderr
    assert "Traceback" not in refused.output


def test_a_project_name_that_is_no_text_is_not_there(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "w")
    blocks_project(workspace, pool=1)
    result = run("export", str(tmp_path / "o.zip"), "--workspace", str(workspace.path), "--project", "\udcff")
    assert result.returncode == 1
    assert "There is no project named \\udcff. There are: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [["worker"], ["serve", "--project", "Roads"]])
def test_a_mistyped_workspace_is_not_made(tmp_path: Path, command: list[str]) -> None:
    refused = invoke(*command, "--workspace", str(tmp_path / "typo"))
    assert refused.exit_code == 1
    assert "There is no workspace" in refused.output
    assert not (tmp_path / "typo").exists()


def test_label_maps_that_are_exported_apart_come_back_to_the_pixel(tmp_path: Path) -> None:
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "masks").mkdir()
    pixels, truth = block_scene(0)
    truth[:5], truth[5:9] = 254, 255
    (tmp_path / "set" / "images" / "one.png").write_bytes(png(pixels))
    (tmp_path / "set" / "masks" / "one.png").write_bytes(png(truth))
    inside = ("--workspace", str(tmp_path / "w"))
    assert invoke("import", str(tmp_path / "set"), *inside).exit_code == 0
    done = invoke("export", str(tmp_path / "out"), *inside, "--not-labelled-apart")
    assert done.exit_code == 0, done.stderr
    with Image.open(tmp_path / "out" / "label_maps" / "train" / "one.png") as exported:
        assert (np.asarray(exported) == truth).all()
