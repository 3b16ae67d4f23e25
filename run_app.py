#!/usr/bin/env python3
"""Qualm's command line, and the only thing a fresh machine needs to run.

``python3 run_app.py`` prepares an environment (a ``.venv`` unless a virtual or conda environment is
active), installs the requirements once, and opens the demo. Only the standard library is imported
before that is done.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the file must still explain itself to an old interpreter
    sys.exit(
        f"Qualm needs Python 3.11 or newer; this is {sys.version.split()[0]}. "
        "Install a newer one and run this command with it, for example: python3.12 run_app.py"
    )

import contextlib
import hashlib
import os
import subprocess
import venv
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
REQUIREMENTS = "requirements.txt"
DEV_REQUIREMENTS = "requirements-dev.txt"
WITHOUT_DEPENDENCIES = "requirements-oracles.txt"
MOST_TEST_PROCESSES = 4
"""Each holds 1.5 GB."""
CANVAS_TESTS = HERE / "tests" / "canvas"
UNFINISHED = "qualm-unfinished"
"""File in an environment that is being made, which one that a kill left half made still has."""
STOPPED = 130
"""Exit status after Ctrl+C."""


def environment_is_active() -> bool:
    """Tell whether this interpreter belongs to a virtual or conda environment."""
    conda = os.environ.get("CONDA_PREFIX")
    return sys.prefix != sys.base_prefix or (conda is not None and Path(conda) == Path(sys.prefix))


def venv_python(folder: Path) -> Path:
    """Return the interpreter of the virtual environment in ``folder``."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def requirements_stamp(files: list[str]) -> str:
    """Return a digest of the requirement files, so that an unchanged set is installed only once."""
    return hashlib.sha256(b"\0".join((HERE / name).read_bytes() for name in files)).hexdigest()


class MarkedEnvironment(venv.EnvBuilder):
    """A virtual environment that is marked as unfinished before its interpreter is there."""

    def create_configuration(self, context: SimpleNamespace) -> None:
        """Mark the folder, which is empty here."""
        Path(context.env_dir, UNFINISHED).touch()
        super().create_configuration(context)


def make_environment(folder: Path) -> None:
    """Make a virtual environment with pip in ``folder``, in the place of what is there.

    Raises:
        OSError: the folder cannot be written to.
        CalledProcessError: Python came without what puts pip there.
    """
    # Killed while it is emptied it may lose the mark, but without its interpreter nobody takes it for whole.
    venv_python(folder).unlink(missing_ok=True)
    MarkedEnvironment(with_pip=True, clear=True).create(folder)
    (folder / UNFINISHED).unlink()


def prepare_environment(arguments: list[str]) -> None:
    """Make sure that this process runs in an environment with the requirements; start again if not.

    Exits with a sentence when the environment cannot be made or the installation fails.
    """
    if not environment_is_active():
        folder = HERE / ".venv"
        python = venv_python(folder)
        if not python.exists() or (folder / UNFINISHED).exists():
            print(f"Making a virtual environment in {folder} …", flush=True)
            try:
                make_environment(folder)
            except (OSError, subprocess.CalledProcessError) as error:
                sys.exit(
                    f"The virtual environment could not be made: {error}. On Debian and Ubuntu install "
                    "python3-venv first, or activate an environment of your own and run the command again."
                )
        command = [str(python), str(HERE / "run_app.py"), *arguments]
        if os.name == "nt":
            sys.exit(subprocess.call(command))
        os.execv(command[0], command)

    testing = arguments[:1] == ["test"]
    files = [REQUIREMENTS, DEV_REQUIREMENTS, WITHOUT_DEPENDENCIES] if testing else [REQUIREMENTS]
    stamp_file = Path(sys.prefix) / f"qualm-{'-'.join(Path(name).stem for name in files)}.stamp"
    stamp = requirements_stamp(files)
    try:
        if stamp_file.read_text() == stamp:
            return
    except OSError:
        pass
    print(
        f"Installing {' and '.join(files)} into {sys.prefix} "
        "(once; PyTorch alone is several GB, so this takes a few minutes) …",
        flush=True,
    )
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    with_dependencies = [name for name in files if name != WITHOUT_DEPENDENCIES]
    calls = [[*pip, *(part for name in with_dependencies for part in ("-r", str(HERE / name)))]]
    if testing:
        calls.append([*pip, "--no-deps", "-r", str(HERE / WITHOUT_DEPENDENCIES)])
    if any(subprocess.call(call) != 0 for call in calls):
        sys.exit(
            "The installation failed; the lines above say why. Check the network and the free disk space "
            "(about 8 GB), then run the same command again, or install by hand: "
            f"pip install -r {REQUIREMENTS}"
        )
    # What is there may belong to another user, as in an image built by root: pip is then asked at each start.
    with contextlib.suppress(OSError):
        stamp_file.write_text(stamp)


if __name__ == "__main__":
    try:
        prepare_environment(sys.argv[1:])
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to go on with the installation.", file=sys.stderr)
        sys.exit(STOPPED)

import dataclasses
import gc
import logging
import shlex
import shutil
import threading
import time
import webbrowser
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError
from typer.core import TyperGroup

from storage import events, projects, round_requests, rounds, workers
from storage.errors import InvalidInput, NotFound, QualmError
from storage.files import given_path
from storage.projects import ClassSpec, ProjectInfo
from storage.rounds import RoundInfo
from storage.schema import COLD_START, LIVE_ROUND_STATES, NOT_LABELLED, VOID, RoundKind
from storage.workspace import Workspace, existing_workspace, is_workspace, open_workspace, workspace_folder

DEMO_PROJECT = "Demo"
DEMO_ACTOR = "demo"
DEMO_IMAGES = 300

# Names and paths are printed as they are: neither [brackets] nor :colons: in them mean anything.
console = Console(markup=False, emoji=False)
error_console = Console(stderr=True, markup=False, emoji=False)
cli = typer.Typer(
    help=(
        "Qualm: active labeling for semantic segmentation.\n\n"
        "Without a command it opens the demo: rendered scenes with known truth, so that you can watch the "
        "loop (label, train, re-order) without drawing. For your own images:\n\n"
        "  python3 run_app.py import ~/photos --project Field --classes 'soil,crop,weed'\n\n"
        "  python3 run_app.py serve --project Field"
    ),
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Device(StrEnum):
    """Where the worker computes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Masks(StrEnum):
    """What imported masks become."""

    labels = "labels"
    truth = "truth"
    ignore = "ignore"


class FirstImages(StrEnum):
    """Where the first labelled images of a simulation come from."""

    random = "random"
    typical = "typical"


def with_home(path: Path | None) -> Path | None:
    """Return a path as given on the command line, with ``~`` for a home folder; exit if it is none.

    A shell leaves ``~`` as it is in ``--workspace=~/x`` and within quotes.
    """
    with errors_as_sentences():
        return None if path is None else given_path(path)


WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace",
        "-w",
        envvar="QUALM_WORKSPACE",
        help="Folder that holds the database, the images and the checkpoints. The command backup copies it "
        "at any time; a plain copy is whole only while Qualm is stopped.",
        callback=with_home,
    ),
]
ProjectOption = Annotated[
    str | None,
    typer.Option("--project", "-p", help="Name of the project. May be left out when there is only one."),
]
DeviceOption = Annotated[
    Device, typer.Option("--device", help="Where the worker trains; auto takes CUDA or MPS when present.")
]
HostOption = Annotated[
    str,
    typer.Option(
        help="Address to listen on. Anything but this machine itself needs --access-token or a sign-in "
        "configured in .streamlit/secrets.toml."
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=65_535, help="Port to listen on; without it the first free one from 8501 is taken."
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--access-token",
        envvar="QUALM_ACCESS_TOKEN",
        help="Secret that every browser must show once, as ?token=… or in the form it is offered.",
    ),
]
NoWorkerOption = Annotated[bool, typer.Option("--no-worker", help="Do not start the background worker.")]
NoBrowserOption = Annotated[bool, typer.Option("--no-browser", help="Print the address, open no browser.")]
DEFAULT_WORKSPACE = Path("workspace")


def told(bar: Progress, task: TaskID, done: int, of: int) -> None:
    """Bring a task of a progress bar up to date; with its first news it is shown, so not before an error."""
    bar.update(task, completed=done, total=of, visible=True)


def progress_bar() -> Progress:
    """Return a progress bar that shows how many are done and the time left."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )


@contextlib.contextmanager
def errors_as_sentences(when_stopped: str | None = None) -> Iterator[None]:
    """Print a :class:`QualmError` as its sentence and exit with status 1; let everything else through.

    Ctrl+C prints ``when_stopped``, which says what is kept and how to go on, and exits with status 130.
    """
    try:
        yield
    except QualmError as error:
        error_console.print(str(error), style="red", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        if when_stopped is None:
            raise
        error_console.print(when_stopped, highlight=False, soft_wrap=True)
        raise typer.Exit(STOPPED) from None


def chosen_project(workspace: Workspace, name: str | None) -> ProjectInfo:
    """Return the named project, or the only one that is not archived.

    Raises:
        NotFound: there is no such project, none at all, or several to choose from.
    """
    if name is not None:
        return projects.get_project(workspace, name)
    everything = projects.list_projects(workspace)
    live = [project for project in everything if project.archived_at is None]
    if len(live) == 1:
        return live[0]
    if not everything:
        raise NotFound(
            f"The workspace {workspace.path} has no project yet. Import images with "
            "`python3 run_app.py import FOLDER --project NAME`, or open the demo with `python3 run_app.py`."
        )
    names = ", ".join(project.name for project in live or everything)
    have = "several projects" if live else "archived projects only"
    raise NotFound(f"The workspace has {have} ({names}): choose one with --project NAME.")


def refuse_archived(project: ProjectInfo) -> None:
    """Refuse what nobody would see in an archived project.

    Raises:
        InvalidInput: the project is archived.
    """
    if project.archived_at is not None:
        raise InvalidInput(
            f"The project {project.name} is archived. Start `python3 run_app.py serve` without --project and "
            "restore it on the Project page."
        )


def refuse_other_classes(workspace: Workspace, project: ProjectInfo, given: Sequence[ClassSpec]) -> None:
    """Refuse classes that a project lacks; those it has may be given when an import is run again.

    Raises:
        InvalidInput: it lacks some.
    """
    from storage.formats.class_list import given_class_list

    has = {one.name.casefold() for one in projects.classes(workspace, project.id)}
    listed = given_class_list(given, None).classes
    lacks = [one.name for one in listed if not one.is_void and one.name.casefold() not in has]
    if lacks:
        raise InvalidInput(
            f"The project {project.name} exists already and has no class {' or '.join(lacks)}; classes are "
            "given when a project is made. Name another project with --project, or leave --classes out."
        )


def worker_command(workspace: Path, device: Device, *more: str) -> list[str]:
    """Return the command of a worker that ends with this process; ``more`` are further options of it."""
    command = [sys.executable, str(HERE / "run_app.py"), "worker", "--workspace", str(workspace)]
    # It gets the number from here: by the time that it could ask for its parent, another may have adopted it.
    return [*command, "--device", device.value, "--supervisor", str(os.getpid()), *more]


def supervise_worker(workspace: Path, device: Device, stop: threading.Event) -> None:
    """Keep one worker process running until ``stop`` is set; its output goes to ``logs/worker.log``.

    A worker that dies, or cannot be started for want of memory or disk, is started again, so that a killed
    round is resumed: after 1 s when it ran for over a minute, otherwise after 2, 4, 8, 16 and then always
    30 s.
    """
    log_path = workspace / "logs" / "worker.log"
    command = worker_command(workspace, device)
    pause = 1.0
    while not stop.is_set():
        began = time.monotonic()
        try:
            log_path.parent.mkdir(parents=True, exist_ok=True)
            with log_path.open("ab") as log:
                process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        except OSError as error:
            pause = min(pause * 2, 30.0)
            console.print(
                f"The worker cannot be started ({error}); trying again in {pause:.0f} s.", soft_wrap=True
            )
            stop.wait(pause)
            continue
        # Loading what it trains with takes it many seconds, in which the screen shall not miss a worker.
        with (
            contextlib.suppress(QualmError, SQLAlchemyError),
            contextlib.closing(open_workspace(workspace)) as opened,
        ):
            workers.worker_starting(opened, workers.worker_name(process.pid))
        while process.poll() is None and not stop.wait(0.2):
            pass
        if stop.is_set():
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            if process.poll() is None:
                process.kill()
            return
        pause = 1.0 if time.monotonic() - began > 60 else min(pause * 2, 30.0)
        console.print(
            f"The worker stopped (exit code {process.returncode}); starting it again in {pause:.0f} s. "
            f"Its log: {log_path}",
            soft_wrap=True,
        )
        stop.wait(pause)


def serve_workspace(
    workspace: Path,
    project: str | None,
    device: Device,
    host: str,
    port: int | None,
    access_token: str | None,
    no_worker: bool,
    no_browser: bool,
) -> None:
    """Run the web server in this process and the worker in another, until Ctrl+C."""
    from app.server import serve as serve_web

    folder = f"{workspace_folder(workspace)}{'' if is_workspace(workspace) else ' (new)'}"
    stop = threading.Event()
    supervisor = threading.Thread(target=supervise_worker, args=(workspace, device, stop), daemon=True)

    def on_ready(address: str) -> None:
        """Announce the address; called once the port is taken and before the server blocks."""
        console.print(
            Text.assemble("\n  Qualm is at ", (address, "bold"), "   (Ctrl+C stops it; everything is saved)")
        )
        # Started in another folder than last time it has another workspace, an empty one.
        console.print(f"  Workspace: {folder}\n", highlight=False, soft_wrap=True)
        if not no_worker:
            supervisor.start()
        if not no_browser:
            threading.Timer(1.0, webbrowser.open, args=(address,)).start()

    try:
        serve_web(
            workspace, host=host, port=port, access_token=access_token, project=project, on_ready=on_ready
        )
    finally:
        stop.set()
        if supervisor.is_alive():
            supervisor.join(15)


def refuse_own_project(workspace: Workspace, project: ProjectInfo, demo_classes: list[str]) -> None:
    """Refuse to take a project for the demo that this command did not make.

    The journal says how it began: its classes may have been renamed since, and others added. A person may
    go by the command's name, but hardly begins with the same classes, too.

    Raises:
        InvalidInput: it is a person's.
    """
    made = events.creation(workspace, project.id)
    if made is None or made.actor != DEMO_ACTOR or made.detail.get("classes") != demo_classes:
        raise InvalidInput(
            f"A project of your own is named {project.name}. Rename it on the Project page, or give the demo "
            "another folder with --workspace."
        )


def make_demo(workspace: Workspace, images: int) -> ProjectInfo:
    """Return the demo project, restored when it was archived, rendering its images when some are missing.

    Raises:
        InvalidInput: a person's project has its name.
    """
    from core import demo_world
    from storage.archiving import restore_project
    from storage.images import list_images
    from storage.rendered_images import add_rendered

    try:
        project = projects.get_project(workspace, DEMO_PROJECT)
    except NotFound:
        specs = [ClassSpec(name=name, colour=colour) for name, colour in demo_world.CLASSES]
        # The name is taken when another first start has made it since.
        with contextlib.suppress(InvalidInput):
            projects.create_project(workspace, DEMO_PROJECT, specs, actor=DEMO_ACTOR)
        project = projects.get_project(workspace, DEMO_PROJECT)
    refuse_own_project(workspace, project, [name for name, _ in demo_world.CLASSES])
    if project.archived_at is not None:
        project = restore_project(workspace, project.id, actor=DEMO_ACTOR)
    if len(list_images(workspace, project.id)) >= images:
        return project
    with progress_bar() as bar:
        task = bar.add_task("Rendering the demo world", total=images)
        add_rendered(
            workspace,
            project.id,
            demo_world.rendered_entries(images),
            actor=DEMO_ACTOR,
            progress=lambda done, of, name: bar.update(task, completed=done),
        )
    return project


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Open the demo when no command is given."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if context.invoked_subcommand is None:
        # As if it had been named, so that what the environment says of its options counts too.
        command = cast(TyperGroup, context.command).commands["demo"]
        with command.make_context("demo", [], parent=context) as named:
            command.invoke(named)


@cli.command()
def serve(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    project: ProjectOption = None,
    device: DeviceOption = Device.auto,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    access_token: TokenOption = None,
    no_worker: NoWorkerOption = False,
    no_browser: NoBrowserOption = False,
) -> None:
    """Open a workspace in the browser and train in the background."""
    with errors_as_sentences():
        if project is not None:
            with contextlib.closing(existing_workspace(workspace)) as opened:
                refuse_archived(projects.get_project(opened, project))
        serve_workspace(workspace, project, device, host, port, access_token, no_worker, no_browser)


@cli.command()
def demo(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    device: DeviceOption = Device.auto,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    access_token: TokenOption = None,
    images: Annotated[int, typer.Option(min=12, help="How many scenes to render.")] = DEMO_IMAGES,
    no_worker: NoWorkerOption = False,
    no_browser: NoBrowserOption = False,
) -> None:
    """Open the demo project: rendered scenes whose truth is known, so that one click answers an image."""
    with errors_as_sentences(
        "Stopped. The scenes rendered so far are kept; run the same command again for the rest."
    ):
        make_demo(open_workspace(workspace), images)
    with errors_as_sentences():
        serve_workspace(workspace, DEMO_PROJECT, device, host, port, access_token, no_worker, no_browser)


@cli.command("import")
def import_images(
    source: Annotated[Path, typer.Argument(help="Folder or zip file with images, with or without masks.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    project: ProjectOption = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Class names for a new project, comma-separated, with a colour where one is wanted, as in "
            "“soil, crop #00aa00”; background is a class, too. Found in the source otherwise. For a project "
            "that exists: its classes in the order of the masks' indices."
        ),
    ] = None,
    masks: Annotated[
        Masks, typer.Option(help="What masks become: labels, hidden truth for simulations, or nothing.")
    ] = Masks.labels,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what would be imported.")] = False,
) -> None:
    """Import a folder or zip of images; a second run goes on where the first one stopped."""
    with errors_as_sentences("Stopped. What was imported is kept; run the same command again for the rest."):
        from storage.images import split_counts
        from storage.import_planning import plan_import
        from storage.importing import run_import
        from storage.typed_classes import typed_classes
        from storage.wording import count_of

        opened = None if dry_run and not is_workspace(workspace) else open_workspace(workspace)
        try:
            target = chosen_project(opened, project) if opened else None
        except NotFound:
            target = None
            if project is None and opened is not None:
                # Of a folder as “.” the path itself has no name.
                project = source.resolve().name if os.path.isdir(source) else source.stem
                # A first run has made it where there are others to choose from.
                with contextlib.suppress(NotFound):
                    target = projects.get_project(opened, project)
        if target is not None:
            refuse_archived(target)
        given = typed_classes(classes) if classes else None
        if opened is not None and target is not None:
            if given:
                refuse_other_classes(opened, target, given)
            has = count_of(sum(split_counts(opened, target.id).values()), "image")
            console.print(
                f"Into the project {target.name}, which has {has}.", highlight=False, soft_wrap=True
            )
        plan = plan_import(
            source,
            workspace=opened,
            project_id=target.id if target else None,
            given_classes=given,
            masks_as=masks.value,
        )
        for sentence in plan.report():
            console.print(sentence, highlight=False, soft_wrap=True)
        if not plan.entries:
            raise typer.Exit(1)
        if dry_run or opened is None:
            return
        if target is None:
            if not plan.classes:
                raise InvalidInput(
                    "There are no masks or class lists to take the classes from. Name them: "
                    '--classes "soil,crop,weed".'
                )
            target = projects.create_project(opened, str(project), plan.classes, actor="command line")
            counted = "1 class" if len(plan.classes) == 1 else f"{len(plan.classes)} classes"
            console.print(f"Made the project {target.name} with {counted}.", soft_wrap=True)
        with progress_bar() as bar:
            task = bar.add_task("Importing", total=None, visible=False)
            result = run_import(
                opened,
                target.id,
                plan,
                actor="command line",
                progress=lambda done, of, name: told(bar, task, done, of),
            )
        for sentence in result.report():
            console.print(sentence, highlight=False, soft_wrap=True)


@cli.command()
def export(
    target: Annotated[Path, typer.Argument(help="New folder, or a path that ends in .zip.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    project: ProjectOption = None,
    images: Annotated[bool, typer.Option("--images", help="Put the images beside the label maps.")] = False,
    drafts: Annotated[bool, typer.Option("--drafts", help="Drafts too, in the place of older maps.")] = False,
    not_labelled_apart: Annotated[
        bool,
        typer.Option(
            "--not-labelled-apart",
            help="Pixels that are not labelled become 254, and not 255 as void is. An import then reads the "
            "label maps back to the pixel.",
        ),
    ] = False,
) -> None:
    """Export the submitted label maps as index PNGs with a manifest.json."""
    with errors_as_sentences(
        "Stopped. Nothing of an unfinished export is left; run the same command again for a whole one."
    ):
        from storage.exporting import export_project

        opened = existing_workspace(workspace)
        chosen = chosen_project(opened, project)
        with progress_bar() as bar:
            task = bar.add_task("Exporting", total=None, visible=False)
            result = export_project(
                opened,
                chosen.id,
                target,
                include_images=images,
                drafts=drafts,
                not_labelled_as=NOT_LABELLED if not_labelled_apart else VOID,
                progress=lambda done, of, name: told(bar, task, done, of),
            )
        for sentence in result.report():
            console.print(sentence, highlight=False, soft_wrap=True)


@cli.command()
def backup(
    target: Annotated[Path, typer.Argument(help="New folder, best on another disk.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Copy the workspace to a new folder, itself a workspace, also while Qualm runs."""
    with errors_as_sentences(
        "Stopped. Nothing of an unfinished backup is left; run the same command again for a whole one."
    ):
        from storage.backup import back_up

        with contextlib.closing(existing_workspace(workspace)) as opened, progress_bar() as bar:
            task = bar.add_task("Backing up", total=None, visible=False)
            result = back_up(opened, target, progress=lambda done, of, key: told(bar, task, done, of))
        for sentence in result.report():
            console.print(sentence, highlight=False, soft_wrap=True)


LEFT_TO_GO_ON = "A round that was started is kept: run the same command again to watch it"


@cli.command()
def train(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    project: ProjectOption = None,
    device: DeviceOption = Device.auto,
) -> None:
    """Start a round now and watch it to its end; uses the running worker, or one of its own."""
    with errors_as_sentences(f"Stopped. {LEFT_TO_GO_ON}, or to go on from its checkpoint."):
        opened = existing_workspace(workspace)
        chosen = chosen_project(opened, project)
        started = live_of_kind(opened, chosen, "trains") or round_requests.request_round(
            opened, chosen.id, actor="command line", reason="Started from the command line"
        )
        done = watched_round(opened, chosen, started, device)
        miou = done.metrics.get("audit_miou")
        measured = (
            f"audit mIoU {miou:.3f}" if miou is not None else "no audit labels yet, so no honest measure"
        )
        console.print(f"Round {done.number} is done: {measured}. The queue is re-ordered.")


@cli.command()
def rank(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    project: ProjectOption = None,
    device: DeviceOption = Device.auto,
) -> None:
    """Rank the pool again by the newest model, without training: after an import or other settings."""
    with errors_as_sentences(f"Stopped. {LEFT_TO_GO_ON}."):
        opened = existing_workspace(workspace)
        chosen = chosen_project(opened, project)
        started = live_of_kind(opened, chosen, "ranks") or round_requests.request_ranking(
            opened, chosen.id, actor="command line", reason="Ranks again, from the command line"
        )
        done = watched_round(opened, chosen, started, device)
        model = rounds.trained_round(opened, done).number
        console.print(f"Round {done.number} is done: the model of round {model} has ranked the queue again.")


def live_of_kind(opened: Workspace, project: ProjectInfo, kind: RoundKind) -> RoundInfo | None:
    """Return the round of this kind that waits or is at work; the cold start does not count."""
    of_kind = [info for info in rounds.history(opened, project.id) if info.kind == kind]
    live = (info for info in of_kind if info.state in LIVE_ROUND_STATES and info.number > COLD_START)
    return next(live, None)


LOOK_EVERY_S = 0.5
LOOKS_WITHOUT_WORKER = 20
"""A worker is gone that is missed so often in a row: a server starts one that died anew within seconds."""


def own_worker(opened: Workspace, project: ProjectInfo, device: Device) -> subprocess.Popen[bytes]:
    """Start a worker for the next round of a project and announce it."""
    own = subprocess.Popen(worker_command(opened.path, device, "--once", "--project", project.name))
    workers.worker_starting(opened, workers.worker_name(own.pid), project.id)
    return own


def watched_round(opened: Workspace, project: ProjectInfo, started: RoundInfo, device: Device) -> RoundInfo:
    """Show how a round goes on until it is done; without a worker, or with none any more, one is started.

    Raises:
        QualmError: it ended otherwise, or the worker that was started stopped.
    """
    own = None if workers.live_workers(opened, project.id) else own_worker(opened, project, device)
    looks_without_worker = 0
    with progress_bar() as bar:
        task = bar.add_task(f"Round {started.number}: queued", total=None)
        while True:
            worker_gone = own is not None and own.poll() is not None
            now = rounds.get_round(opened, started.id)
            bar.update(
                task,
                description=f"Round {now.number}: {now.state}",
                completed=now.step,
                total=now.steps or None,
            )
            if now.state not in LIVE_ROUND_STATES:
                break
            if worker_gone:
                raise QualmError(
                    "The worker stopped before the round ended; the lines above say why. Run the command "
                    "again: the round goes on."
                )
            if own is None:
                is_alone = not workers.live_workers(opened, project.id)
                looks_without_worker = looks_without_worker + 1 if is_alone else 0
                if looks_without_worker >= LOOKS_WITHOUT_WORKER:
                    own = own_worker(opened, project, device)
            time.sleep(LOOK_EVERY_S)
    if own is not None:
        own.wait()
    if now.state != "done":
        why = now.error or now.note or "it was cancelled"
        raise QualmError(f"Round {now.number} ended {now.state}: {why}")
    return now


@cli.command()
def worker(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    project: ProjectOption = None,
    device: DeviceOption = Device.auto,
    once: Annotated[bool, typer.Option("--once", help="Run one round, then stop.")] = False,
    supervisor: Annotated[
        int | None, typer.Option(hidden=True, help="Stop when this process, which started it, is gone.")
    ] = None,
) -> None:
    """Run the background worker in a process of its own, on the machine that holds the workspace.

    On a network drive the database can be damaged: its writers share memory, which two machines do not.
    """
    logging.getLogger().setLevel(logging.INFO)
    with errors_as_sentences():
        if supervisor is None:
            with contextlib.closing(existing_workspace(workspace)) as opened:
                only = None if project is None else projects.get_project(opened, project).id
                workers.worker_starting(opened, workers.worker_name(os.getpid()), only)
        # Of what is loaded nothing is garbage, and to look for some takes a fifth of the time.
        gc.disable()
        from core.worker import run_worker

        gc.freeze()
        gc.enable()
        run_worker(workspace, device=device.value, project=project, once=once, supervisor=supervisor)


@cli.command()
def simulate(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Labelled set in the CamVid layout; its masks answer. The demo world without it.",
            callback=with_home,
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="A small grid that a laptop does in 3 to 5 minutes; other options change it."
        ),
    ] = False,
    strategies: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: batch choices of the settings, entropy, bald, or "
            "batch_choice/pixel_score/aggregation. With random among them, the others are tested against it."
        ),
    ] = None,
    recipes: Annotated[
        str | None, typer.Option("--recipes", "--recipe", help="Comma-separated: recipe or recipe/head.")
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds",
            "--seed",
            help="Comma-separated; each fixes the first images, weights and draws for all.",
        ),
    ] = None,
    budgets: Annotated[
        str | None, typer.Option("--rounds", help="Labels at which to train: 10,20,40.")
    ] = None,
    further_rounds: Annotated[
        int, typer.Option(help="So many more rounds train on with the labels of each of these numbers.")
    ] = 0,
    full: Annotated[
        bool, typer.Option("--full", help="Train on the whole pool too, for comparison.")
    ] = False,
    start: Annotated[
        FirstImages, typer.Option(help="First images: at random, or typical ones by the cold start.")
    ] = FirstImages.random,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of results; a simulation that was stopped goes on there.", callback=with_home
        ),
    ] = Path("simulation"),
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace", "-w", help="Keep the workspace of the only run here.", callback=with_home
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps of a round.")] = None,
    long_side: Annotated[int | None, typer.Option(help="Long side of the training images in pixels.")] = None,
    crop: Annotated[int | None, typer.Option(help="Side of the square training crops in pixels.")] = None,
    head: Annotated[str | None, typer.Option(help="Head where a recipe names none.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another setting of the rounds: --set warm_start=false. May be repeated."),
    ] = None,
    limit_pool: Annotated[
        int | None, typer.Option(min=1, help="Use so many images of the pool only.")
    ] = None,
    limit_test: Annotated[
        int | None, typer.Option(min=1, help="Measure on so many test images only.")
    ] = None,
    agreement: Annotated[
        float | None, typer.Option(help="Share of right pixels at which the annotator is content: 0.95.")
    ] = None,
    jitter: Annotated[float, typer.Option(help="How far clicks miss their aim: σ in pixels.")] = 0.0,
    class_errors: Annotated[float, typer.Option(help="Share of clicks that give a wrong class.")] = 0.0,
    seconds_per_click: Annotated[float, typer.Option(help="For the hours in the report.")] = 2.0,
    csv: Annotated[
        Path | None, typer.Option(help="Write the rows here instead of the folder.", callback=with_home)
    ] = None,
    device: DeviceOption = Device.auto,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at once; as many as there are processors, 4 at most, or 1 on a GPU."),
    ] = None,
) -> None:
    """Replay the loop on a labelled set, the true masks answering, and report which choice pays."""
    with errors_as_sentences("Stopped. What is finished is kept; run the same command again to go on."):
        from core import simulate as simulation
        from core.annotation_cost import Annotator
        from core.simulate.grid import Grid

        named = {"steps": steps, "long_side": long_side, "crop": crop, "head": head}
        grid = simulation.QUICK_GRID if quick else Grid()
        overrides = {name: str(value) for name, value in named.items() if value is not None}
        overrides |= dict(setting_given(text) for text in settings or ())
        grid = dataclasses.replace(
            grid,
            strategies=names_given(strategies) if strategies else grid.strategies,
            recipes=names_given(recipes) if recipes else grid.recipes,
            seeds=whole_numbers(seeds, "--seeds") if seeds else grid.seeds,
            budgets=whole_numbers(budgets, "--rounds") if budgets else grid.budgets,
            further_rounds=further_rounds,
            full=full,
            overrides=dict(grid.overrides) | overrides,
        )
        usual = simulation.QUICK_AGREEMENT if quick else Annotator.target
        try:
            annotator = Annotator(
                target=usual if agreement is None else agreement,
                jitter=jitter,
                class_errors=class_errors,
            )
        except ValueError as error:
            raise InvalidInput(str(error)) from error
        simulation.simulate(
            data,
            grid,
            out=out,
            start=start.value,
            workspace=workspace,
            limit_pool=limit_pool or (simulation.QUICK_POOL if quick else None),
            limit_test=limit_test or (simulation.QUICK_TEST if quick else None),
            annotator=annotator,
            seconds_per_click=seconds_per_click,
            csv_path=csv,
            jobs=jobs,
            device=device.value,
            command=shlex.join(["python3", "run_app.py", *sys.argv[1:]]),
            console=console,
        )


def names_given(text: str) -> list[str]:
    """Return comma-separated names."""
    return [name.strip() for name in text.split(",")]


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """Return comma-separated numbers.

    Raises:
        InvalidInput: one is no whole number.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidInput(f"{option} takes whole numbers such as 1,2,4, not {text!r}.") from error


def setting_given(text: str) -> tuple[str, str]:
    """Return name and value of ``name=value``.

    Raises:
        InvalidInput: there is no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput(f"--set takes name=value, such as warm_start=false, not {text!r}.")
    return name.strip(), value.strip()


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run the whole test suite, on several cores; or what follows the command, which goes to pytest."""
    if not chromium_path():
        console.print("No Chromium found: letting Playwright install its own …")
        subprocess.call([sys.executable, "-m", "playwright", "install", "chromium"])
    if not (CANVAS_TESTS / "node_modules").is_dir() and shutil.which("npm"):
        subprocess.call([str(shutil.which("npm")), "ci", "--no-audit", "--no-fund"], cwd=CANVAS_TESTS)
    arguments, environment = context.args, dict(os.environ)
    if not arguments:
        cores = os.cpu_count() or 1
        processes = min(cores, MOST_TEST_PROCESSES)
        arguments = ["-n", str(processes), "--dist", "worksteal"]
        environment.setdefault("OMP_NUM_THREADS", str(cores // processes))
    raise typer.Exit(subprocess.call([sys.executable, "-m", "pytest", *arguments], cwd=HERE, env=environment))


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium_path(has_window: bool = False) -> str | None:
    """Return a Chromium or Chrome that the browser tests can drive, if one is on the PATH.

    Args:
        has_window: The whole browser, as a person uses it. Otherwise the one without tabs and address bar
            comes first: it draws and runs pages by the same code, and opens one with much less work.
    """
    names = BROWSERS if has_window else ("chromium-headless-shell", *BROWSERS)
    return next((path for name in names if (path := shutil.which(name))), None)


if __name__ == "__main__":
    cli()
