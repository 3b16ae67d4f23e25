"""The pages as Streamlit runs them, against a real workspace and without a browser."""

import io
import itertools
import json
import os
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from sqlalchemy import text, update
from starlette.testclient import TestClient
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.state.query_params_proxy import QueryParamsProxy
from streamlit.runtime.state.session_state_proxy import SessionStateProxy
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from app import page_component, session, settings_form, sign_in, training_state
from app.canvas import component as canvas
from app.choice_options import OPTIONS, PIXEL_SCORE
from app.project import activity, create, image_import, label_export, running_import, running_work
from app.queue_acts import Act, ActLog, carry_out, to_bring_back
from app.server import make_app
from storage import images, labels, projects, queue, round_requests, rounds, workers
from storage.activity import LabelledImage
from storage.archiving import archive_project
from storage.errors import InvalidInput, RoundRefused
from storage.events import EventInfo
from storage.formats.embeddings import EmbeddingSet, encode_embeddings
from storage.import_plan import ImportResult
from storage.importing import run_import
from storage.in_parallel import OnProgress
from storage.predictions import NewPrediction
from storage.schema import Project, Round
from storage.settings import RoundSettings, with_preset
from storage.wording import size_of
from storage.workspace import Workspace
from tests.app.four_images import HEIGHT, WIDTH, Site, make_site
from tests.storage.project_factory import add_image

MAIN = Path(session.__file__).with_name("main.py")
WORKER = "elsewhere:1"


@pytest.fixture(autouse=True)
def _served(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set what the server sets, and keep AppTest from setting it back."""
    monkeypatch.setenv(session.WORKSPACE_VARIABLE, str(workspace.path))
    monkeypatch.delenv(session.PROJECT_VARIABLE, raising=False)
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)
    kept_apart = type("PagesManager", (PagesManager,), {})
    monkeypatch.setattr("streamlit.testing.v1.app_test.PagesManager", kept_apart)
    # Each AppTest would look through all installed packages for components; ours are in no package.
    monkeypatch.setattr(BidiComponentManager, "discover_and_register_components", lambda *_, **__: None)
    # No page of a test comes again by itself to see what came of work.
    monkeypatch.setattr(running_work, "SHORT_S", 60)
    # Each AppTest has a register of components of its own.
    canvas._mounted.cache_clear()
    page_component.mounted.cache_clear()
    yield
    session.workspace().close()


@pytest.fixture
def open_page() -> Callable[[str], AppTest]:
    def opened(name: str) -> AppTest:
        test = AppTest.from_file(str(MAIN), default_timeout=120).run()
        if name != "annotate":
            test.switch_page(f"pages/{name}.py").run()
        assert not test.exception
        return test

    return opened


def end_one_run(monkeypatch: pytest.MonkeyPatch, of: object, name: str, *, at: int) -> None:
    """End the run at a call of a function, counted from 1, as a click that comes just then does."""
    calls = itertools.count(1)
    known = getattr(of, name)

    def ending(*args: Any) -> Any:
        if next(calls) == at:
            st.rerun()
        return known(*args)

    monkeypatch.setattr(of, name, ending)


def component(test: AppTest, key: str) -> Any:
    """Return what Python hands to the component of this key."""
    proto = next(
        element.proto for element in test.main if element.type == "bidi_component" and element.key == key
    )
    return json.loads(proto.json)


def errors(test: AppTest) -> list[str]:
    return [error.value for error in test.error]


def everything(test: AppTest) -> str:
    return " ".join(
        str(element.value) for kind in (test.markdown, test.caption, test.warning) for element in kind
    )


def until_over(test: AppTest, stop: str) -> AppTest:
    """Draw the page again until the work has ended that the button of this key stops."""
    for _ in range(600):
        if stop not in {button.key for button in test.button}:
            return test
        time.sleep(0.05)
        test.run()
    raise AssertionError("The work did not end.")


def until_imported(test: AppTest) -> AppTest:
    """Draw the page again until the import that runs has ended."""
    return until_over(test, "import-stop")


def label(site: Site, image_id: int) -> None:
    truth = np.tile(np.array([0, 1], np.uint8), (HEIGHT, WIDTH // 2))
    labels.save(site.workspace, image_id, truth, expected_revision=0, author="ann", status="submitted")


def finish_round(site: Site, *, alike: bool = False, **metrics: Any) -> rounds.RoundInfo:
    """Run a round as a worker would: the images of the pool are ranked by falling id.

    With ``alike`` it also has embeddings: the images lie on a quarter circle in the order of their ids.
    """
    started = round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
    claimed = rounds.claim(site.workspace, WORKER, 60)
    assert claimed is not None
    rounds.report(
        site.workspace,
        started.id,
        WORKER,
        lease_s=60,
        metrics=[(1, "loss", 2.0), (2, "loss", 1.0), (2, "audit_miou", 0.4), (2, "class_iou/0", 0.5)],
    )
    pool = sorted(
        (info.id for info in images.list_images(site.workspace, site.project_id, "pool")), reverse=True
    )
    predictions = [
        NewPrediction(
            image_id,
            0.5 / rank,
            rank,
            {"sentence": f"doubt {rank}"},
            scores={"margin": 0.1 * rank},
            novelty=1 / rank,
            unsure_of=(rank - 1, 2),
        )
        for rank, image_id in enumerate(pool, 1)
    ]
    blob = site.workspace.blobs.put(encode_embeddings(quarter_circle(site))) if alike else None
    rounds.publish(site.workspace, started.id, WORKER, predictions, metrics, embeddings_blob=blob)
    return started


def quarter_circle(site: Site) -> EmbeddingSet:
    angles = np.linspace(0, np.pi / 2, len(site.image_ids))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    ids = np.array(sorted(site.image_ids), np.int64)
    return EmbeddingSet(ids, vectors, np.clip(vectors, 0, 1), alike_from=0.99)


@pytest.mark.parametrize("page", ["annotate", "queue", "training"])
def test_without_a_project_a_page_leads_to_the_form_that_makes_one(open_page, page: str) -> None:
    test = open_page(page)
    assert "No project is open" in everything(test)
    assert not test.button
    assert not errors(test)


@pytest.mark.parametrize("page", ["annotate", "queue"])
def test_without_images_a_page_says_to_import_some(open_page, workspace: Workspace, page: str) -> None:
    projects.create_project(workspace, "Empty", [projects.ClassSpec("sky")], actor="test")
    assert "No images yet" in everything(open_page(page))


class TestProject:
    def create(self, test: AppTest, name: str, classes: str) -> AppTest:
        test.text_input(key="project-name").set_value(name)
        test.text_area(key="class-names").set_value(classes)
        return test.button(key="create-project").click().run()

    def test_create_from_pasted_classes_opens_the_project(self, open_page, workspace: Workspace) -> None:
        test = self.create(open_page("project"), " Field ", "soil\n\ncrop #00AA00\nweed, #aa0000\n")
        made = projects.get_project(workspace, "Field")
        assert not errors(test)
        assert [(c.name, c.colour) for c in projects.classes(workspace, made.id)] == [
            ("soil", "#e69f00"),
            ("crop", "#00aa00"),
            ("weed", "#aa0000"),
        ]
        assert test.selectbox(key="project-picker").value == made.id
        assert "Now bring in its images" in test.toast[0].value
        assert test.text_input(key="project-name").value == test.text_area(key="class-names").value == ""

    def test_a_workspace_without_a_project_is_named(self, open_page, workspace: Workspace) -> None:
        assert f"The workspace is {workspace.path}, and no project" in everything(open_page("project"))

    def test_settings_of_another_version_are_a_sentence(self, open_page, site: Site) -> None:
        with site.workspace.database.writing() as writing:
            writing.execute(update(Project).values(settings={"start": {"only_at_night": True}}))
        test = AppTest.from_file(str(MAIN), default_timeout=120).run()
        assert not test.exception
        assert "does not know the setting start.only_at_night" in errors(test)[0]

    def test_a_home_folder_of_nobody_is_no_place_to_take_classes_from(self, open_page) -> None:
        test = open_page("project")
        test.text_input(key="project-name").set_value("Field")
        test.text_input(key="class-source").set_value("~nobody.of.this.name/data")
        test.button(key="create-project").click().run()
        assert "~nobody.of.this.name/data is no path that can be opened" in errors(test)[0]

    @pytest.mark.parametrize("end", ["stopped", "asked for anew"])
    def test_a_reading_that_is_not_wanted_any_more_makes_no_project(
        self, open_page, site: Site, monkeypatch: pytest.MonkeyPatch, end: str
    ) -> None:
        may_go_on, has_read = threading.Event(), threading.Event()

        def slow(source: str, progress: OnProgress) -> list[projects.ClassSpec]:
            progress(1, 1, "the last")
            has_read.set()
            may_go_on.wait(60)
            return [projects.ClassSpec("soil"), projects.ClassSpec("crop")]

        monkeypatch.setattr(create, "classes_of", slow)
        monkeypatch.setattr(running_work, "SHORT_S", 0)
        test = open_page("project")
        test.text_input(key="project-name").set_value("Old name")
        test.text_input(key="class-source").set_value("/data")
        test.button(key="create-project").click().run()
        assert has_read.wait(60)
        monkeypatch.setattr(running_work, "SHORT_S", 60)
        if end == "stopped":
            test.button(key="create-project-stop").click().run()
        else:
            test.text_area(key="class-names").set_value("a\na")
            test.button(key="create-project").click().run()
            assert "Two classes cannot both be named a" in errors(test)[0]
            for page in ("queue", "project"):
                test.switch_page(f"pages/{page}.py").run()
            assert test.text_area(key="class-names").value == "a\na"
            assert "Two classes cannot both be named a" in errors(test)[0]
        may_go_on.set()
        for _ in range(20):
            time.sleep(0.02)
            test.run()
        assert [info.name for info in projects.list_projects(site.workspace)] == ["Streets"]

    def test_a_project_whose_run_ended_as_it_was_made_is_opened(
        self, open_page, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        test = open_page("project")
        test.text_input(key="project-name").set_value("Field")
        test.text_area(key="class-names").set_value("soil")
        choose = session.choose_project
        ended: list[int] = []

        def chosen_and_ended(project_id: int) -> None:
            choose(project_id)
            if not ended:
                ended.append(project_id)
                st.stop()

        monkeypatch.setattr(session, "choose_project", chosen_and_ended)
        test.button(key="create-project").click().run()
        test.run()
        assert not errors(test)
        assert test.selectbox(key="project-picker").value == ended[0]

    def test_the_name_of_a_project_is_shown_as_it_is(self, open_page, workspace: Workspace) -> None:
        projects.create_project(workspace, "$5 [a] *b* :smile:", [projects.ClassSpec("soil")], "anna")
        shown = open_page("project").subheader[0].value
        assert shown == "\\$5 \\[a\\] \\*b\\* :\N{WORD JOINER}smile:"

    @pytest.mark.parametrize(
        ("name", "classes", "sentence"),
        [
            ("", "sky", "needs a name"),
            ("A", "", "at least one class"),
            ("A", "sky\nSky", "Two classes cannot both be named Sky"),
            ("A", "\n".join(f"class {n}" for n in range(255)), "at most 254 classes, and 255 were given"),
            ("A", "x" * 201, "may have 200"),
        ],
    )
    def test_what_does_not_fit_is_a_sentence_and_makes_nothing(
        self, open_page, workspace: Workspace, name: str, classes: str, sentence: str
    ) -> None:
        test = self.create(open_page("project"), name, classes)
        assert len(errors(test)) == 1
        assert sentence in errors(test)[0]
        assert projects.list_projects(workspace) == []

    def test_254_classes_are_edited_in_pages(self, open_page, workspace: Workspace) -> None:
        specs = [projects.ClassSpec(f"class {n}") for n in range(254)]
        projects.create_project(workspace, "Many", specs, actor="test")
        test = open_page("project")
        assert (
            sum(field.label == "Name" and field.key.startswith("class-") for field in test.text_input) == 20
        )

    def test_classes_are_renamed_recoloured_archived_and_swap_hotkeys(self, open_page, site: Site) -> None:
        test, project = open_page("project"), site.project_id
        test.text_input(key=f"class-0-name-{project}").set_value("heaven")
        test.color_picker(key=f"class-1-colour-{project}").set_value("#123456")
        test.checkbox(key=f"class-2-archived-{project}").check()
        test.selectbox(key=f"class-0-hotkey-{project}").set_value("Digit2")
        test.selectbox(key=f"class-1-hotkey-{project}").set_value("Digit1")
        test.button(key="save-classes").click().run()
        assert not errors(test)
        assert projects.classes(site.workspace, project) == [
            projects.ClassInfo(0, "heaven", "#e69f00", "Digit2", False),
            projects.ClassInfo(1, "road", "#123456", "Digit1", False),
            projects.ClassInfo(2, "tree", "#009e73", "Digit3", True),
        ]

    def test_saving_a_class_leaves_what_somebody_else_changed_meanwhile(self, open_page, site: Site) -> None:
        test, project = open_page("project"), site.project_id
        test.checkbox(key=f"class-2-archived-{project}").check()
        rename = {0: projects.ClassChange(name="heaven")}
        projects.update_classes(site.workspace, project, rename, "somebody else")
        test.button(key="save-classes").click().run()
        assert not errors(test)
        after = projects.classes(site.workspace, project)
        assert [(info.name, info.archived) for info in after] == [
            ("heaven", False),
            ("road", False),
            ("tree", True),
        ]
        assert test.text_input(key=f"class-0-name-{project}").value == "heaven"

    def test_a_class_renamed_while_it_is_being_archived_keeps_its_new_name(
        self, open_page, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        test, project, update = open_page("project"), site.project_id, projects.update_classes

        def just_after_a_rename(*asked: Any) -> list[projects.ClassInfo]:
            update(site.workspace, project, {2: projects.ClassChange(name="bush")}, "somebody else")
            return update(*asked)

        monkeypatch.setattr(projects, "update_classes", just_after_a_rename)
        test.checkbox(key=f"class-2-archived-{project}").check()
        test.button(key="save-classes").click().run()
        assert not errors(test)
        stored = projects.classes(site.workspace, project)[2]
        assert (stored.name, stored.archived) == ("bush", True)

    def test_one_hotkey_for_two_classes_is_refused_and_nothing_changes(self, open_page, site: Site) -> None:
        before = projects.classes(site.workspace, site.project_id)
        test = open_page("project")
        test.selectbox(key=f"class-0-hotkey-{site.project_id}").set_value("Digit2")
        test.button(key="save-classes").click().run()
        assert "sky and road both have the hotkey 2" in errors(test)[0]
        assert projects.classes(site.workspace, site.project_id) == before

    def test_a_class_is_added(self, open_page, site: Site) -> None:
        test = open_page("project")
        test.text_input(key="new-class-name").set_value("Sky")
        test.button(key="add-class").click().run()
        assert "Two classes cannot both be named Sky" in errors(test)[0]
        assert test.text_input(key="new-class-name").value == "Sky"
        test.text_input(key="new-class-name").set_value("fence")
        test.button(key="add-class").click().run()
        assert not errors(test)
        assert test.text_input(key="new-class-name").value == ""
        assert projects.classes(site.workspace, site.project_id)[3].name == "fence"

    def test_what_was_entered_for_a_class_is_kept_until_it_is_saved(
        self, open_page, workspace: Workspace
    ) -> None:
        names = [projects.ClassSpec(f"class {number}") for number in range(21)]
        project = projects.create_project(workspace, "Many", names, "anna")
        test, page = open_page("project"), f"class-page-{project.id}"
        test.text_input(key=f"class-3-name-{project.id}").set_value("road")
        test.selectbox(key=f"class-1-hotkey-{project.id}").set_value("")
        test.checkbox(key=f"class-19-archived-{project.id}").check()
        test.run()
        assert "Not saved yet: class 1, class 3, class 19." in everything(test)
        test.session_state[page] = 2
        test.run()
        assert f"class-3-name-{project.id}" not in {field.key for field in test.text_input}
        test.text_input(key=f"class-20-name-{project.id}").set_value("fence")
        test.session_state[page] = 1
        test.run()
        assert test.text_input(key=f"class-3-name-{project.id}").value == "road"
        test.button(key="save-classes").click().run()
        assert not errors(test)
        after = projects.classes(workspace, project.id)
        assert (after[1].hotkey, after[3].name, after[19].archived) == (None, "road", True)
        assert after[20].name == "fence"
        assert "Not saved yet" not in everything(test)

    def test_what_was_entered_for_a_class_can_be_taken_back(self, open_page, site: Site) -> None:
        test, project = open_page("project"), site.project_id
        assert "take-back-classes" not in {button.key for button in test.button}
        test.text_input(key=f"class-0-name-{project}").set_value("heaven")
        test.checkbox(key=f"class-2-archived-{project}").check().run()
        test.button(key="take-back-classes").click().run()
        assert test.text_input(key=f"class-0-name-{project}").value == "sky"
        assert not test.checkbox(key=f"class-2-archived-{project}").value
        test.button(key="save-classes").click().run()
        assert projects.classes(site.workspace, project)[0].name == "sky"

    def test_what_is_taken_back_is_taken_back_as_a_whole(
        self, open_page, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        test, project = open_page("project"), site.project_id
        test.text_input(key=f"class-0-name-{project}").set_value("heaven")
        test.checkbox(key=f"class-2-archived-{project}").check().run()
        end_one_run(monkeypatch, SessionStateProxy, "__delitem__", at=2)
        test.button(key="take-back-classes").click().run()
        assert test.text_input(key=f"class-0-name-{project}").value == "sky"
        assert not test.checkbox(key=f"class-2-archived-{project}").value
        assert "Not saved yet" not in everything(test)

    def test_import_reports_first_and_then_imports(self, open_page, site: Site, tmp_path: Path) -> None:
        source = tmp_path / "more"
        source.mkdir()
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(source / "black.png")
        (source / "broken.png").write_bytes(b"no image")
        test = open_page("project")
        # As a file manager copies it.
        test.text_input(key="import-source").set_value(f'"{source}"')
        test.button(key="import-plan").click().run()
        assert not errors(test)
        assert f"Checked {source}:" in everything(test)
        assert "1 image to import, 30 × 20" in everything(test)
        assert "broken.png" in everything(test)
        assert len(images.list_images(site.workspace, site.project_id)) == 4

        test.button(key="import-run").click().run()
        until_imported(test)
        assert not errors(test)
        assert "1 image imported" in test.success[0].value
        assert len(images.list_images(site.workspace, site.project_id)) == 5

        test.button(key="import-plan").click().run()
        assert "1 image is in the project already; nothing is added" in everything(test)
        assert "import-run" not in {button.key for button in test.button}

    def test_an_import_goes_on_without_its_page_and_can_be_stopped(
        self, open_page, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for grey in range(4):
            Image.fromarray(np.full((20, 30, 3), grey, np.uint8)).save(tmp_path / f"{grey}.png")
        may_go_on = threading.Semaphore(1)
        waits = threading.Event()

        def slow_import(*arguments: Any, progress: OnProgress) -> ImportResult:
            def moved(done: int, of: int, name: str) -> None:
                progress(done, of, name)
                if not may_go_on.acquire(blocking=False):
                    waits.set()
                    may_go_on.acquire()

            return run_import(*arguments, progress=moved)

        monkeypatch.setattr(running_import, "run_import", slow_import)
        test = open_page("project")
        test.text_input(key="import-source").set_value(str(tmp_path))
        test.button(key="import-plan").click().run()
        test.button(key="import-run").click().run()
        assert test.button(key="import-plan").disabled

        assert waits.wait(60)
        reloaded = open_page("project")
        reloaded.button(key="import-stop").click().run()
        may_go_on.release(3)
        until_imported(reloaded)
        assert reloaded.success[0].value.startswith("Stopped after 3 of 4 images.")
        assert len(images.list_images(site.workspace, site.project_id)) == 4 + 3
        assert until_imported(test).success[0].value == reloaded.success[0].value
        assert open_page("project").text_input(key="import-source").value == str(tmp_path)

    @pytest.mark.parametrize(
        ("module", "name", "press", "stop", "outcome"),
        [
            (image_import, "plan_import", "import-plan", "check-stop", "1 image to import"),
            (label_export, "export_project", "export", "export-stop", "1 label map written to"),
            (label_export, "export_project", "export-to-folder", "export-folder-stop", "1 label map written"),
        ],
    )
    @pytest.mark.parametrize("is_stopped", [False, True], ids=["to its end", "stopped"])
    def test_long_work_outlives_the_click_that_ends_a_run(
        self,
        open_page,
        site: Site,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        module: ModuleType,
        name: str,
        press: str,
        stop: str,
        outcome: str,
        is_stopped: bool,
    ) -> None:
        label(site, site.image_ids[1])
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "black.png")
        known, may_go_on, is_over = getattr(module, name), threading.Event(), threading.Event()

        def slow(*arguments: Any, progress: OnProgress, **named: Any) -> Any:
            may_go_on.wait(60)
            try:
                progress(1, 2, "the first")
                return known(*arguments, progress=progress, **named)
            finally:
                is_over.set()

        monkeypatch.setattr(module, name, slow)
        monkeypatch.setattr(running_work, "SHORT_S", 0)
        test = open_page("project")
        test.text_input(key="import-source").set_value(str(tmp_path))
        test.text_input(key="export-folder").set_value(str(tmp_path / "labels"))
        test.button(key=press).click().run()
        test.toggle(key="export-not-labelled").set_value(False).run()
        test.switch_page("pages/queue.py").run()
        test.switch_page("pages/project.py").run()
        assert outcome not in everything(test)
        assert not test.success
        if is_stopped:
            test.button(key=stop).click().run()
            assert test.button(key=stop).disabled
        may_go_on.set()
        assert is_over.wait(60)
        until_over(test, stop)
        said = everything(test) + " ".join(success.value for success in test.success)
        assert (outcome in said) != is_stopped
        assert not errors(test)
        assert not test.button(key=press).disabled

    def test_classes_that_take_long_to_read_make_the_project_in_the_end(
        self, open_page, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        may_go_on = threading.Event()

        def slow(source: str, progress: OnProgress) -> list[projects.ClassSpec]:
            may_go_on.wait(60)
            return [projects.ClassSpec("soil"), projects.ClassSpec("crop")]

        monkeypatch.setattr(create, "classes_of", slow)
        monkeypatch.setattr(running_work, "SHORT_S", 0)
        test = open_page("project")
        test.text_input(key="project-name").set_value("Field")
        test.text_input(key="class-source").set_value(str(tmp_path))
        test.button(key="create-project").click().run()
        test.switch_page("pages/queue.py").run()
        test.switch_page("pages/project.py").run()
        assert "create-project-stop" in {button.key for button in test.button}
        may_go_on.set()
        until_over(test, "create-project-stop")
        made = projects.get_project(site.workspace, "Field")
        test.run()
        assert [info.name for info in projects.classes(site.workspace, made.id)] == ["soil", "crop"]
        assert test.selectbox(key="project-picker").value == made.id
        assert test.text_input(key="import-source").value == str(tmp_path)

    @pytest.mark.parametrize("is_found", [True, False], ids=["prepared", "refused"])
    def test_a_zip_of_other_options_is_there_after_another_page(
        self, open_page, site: Site, monkeypatch: pytest.MonkeyPatch, is_found: bool
    ) -> None:
        if is_found:
            label(site, site.image_ids[1])
        test = open_page("project")
        test.toggle(key="export-images").set_value(True).run()
        test.button(key="export").click().run()
        for page in ("queue", "project"):
            test.switch_page(f"pages/{page}.py").run()
        assert test.toggle(key="export-images").value
        assert bool(test.get("link_button")) == is_found
        # It stays for whoever looks at another part of the page first.
        test.toggle(key="import-splits").set_value(False).run()
        assert [error.value.startswith("No image of Streets is labelled") for error in test.error] == (
            [] if is_found else [True]
        )
        label(site, site.image_ids[2])
        assert not errors(test.run())

    def test_an_import_that_was_stopped_is_asked_for_again_as_it_was(
        self, open_page, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was to be hidden truth would otherwise go on as labels."""
        for grey in range(3):
            Image.fromarray(np.full((20, 30, 3), grey, np.uint8)).save(tmp_path / f"{grey}.png")

        def stopped_at_once(*arguments: Any, progress: OnProgress) -> ImportResult:
            import_of = running_import.import_of(site.workspace, site.project_id)
            assert import_of is not None
            import_of.work.stop()
            return run_import(*arguments, progress=progress)

        monkeypatch.setattr(running_import, "run_import", stopped_at_once)
        test = open_page("project")
        test.text_input(key="import-source").set_value(str(tmp_path))
        test.segmented_control(key="import-masks").set_value("truth")
        test.toggle(key="import-splits").set_value(False)
        test.button(key="import-plan").click().run()
        test.button(key="import-run").click().run()
        assert until_imported(test).success[0].value.startswith("Stopped after 1 of 3 images.")
        for page in ("queue", "project"):
            test.switch_page(f"pages/{page}.py").run()
        assert test.text_input(key="import-source").value == str(tmp_path)
        assert test.segmented_control(key="import-masks").value == "truth"
        assert not test.toggle(key="import-splits").value
        test.text_input(key="import-source").set_value("/data/another").run()
        assert not test.success, "it is not what becomes of that"

    def test_how_an_import_ended_is_said_though_another_path_was_typed_meanwhile(
        self, open_page, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Image.fromarray(np.full((20, 30, 3), 7, np.uint8)).save(tmp_path / "grey.png")
        may_go_on = threading.Event()

        def fails(*arguments: Any, progress: OnProgress) -> ImportResult:
            may_go_on.wait(60)
            raise InvalidInput("The disk went away.")

        monkeypatch.setattr(running_import, "run_import", fails)
        monkeypatch.setattr(running_work, "SHORT_S", 0)
        test = open_page("project")
        test.text_input(key="import-source").set_value(str(tmp_path))
        test.button(key="import-plan").click().run()
        until_over(test, "check-stop")
        test.button(key="import-run").click().run()
        test.text_input(key="import-source").set_value("/data/next").run()
        may_go_on.set()
        until_imported(test)
        assert errors(test) == ["The disk went away."]
        assert errors(test.run()) == ["The disk went away."]
        test.text_input(key="import-source").set_value("/data/another").run()
        assert not errors(test)

    def test_an_import_that_began_as_the_run_ended_leaves_no_upload_behind(
        self, open_page, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        buffer = io.BytesIO()
        Image.fromarray(np.full((20, 30, 3), 7, np.uint8)).save(buffer, "PNG")
        test = open_page("project")
        test.segmented_control(key="import-kind").set_value("Upload").run()
        grey = ("grey.png", buffer.getvalue(), "image/png")
        test.file_uploader(key=f"import-upload-{site.project_id}-0").set_value([grey]).run()
        test.button(key="import-plan").click().run()
        begin = image_import.begin_import

        def begun_and_ended(*arguments: Any) -> None:
            begin(*arguments)
            st.stop()

        monkeypatch.setattr(image_import, "begin_import", begun_and_ended)
        test.button(key="import-run").click().run()
        assert "1 image imported" in until_imported(test.run()).success[0].value
        test.run()
        assert [field.key for field in test.file_uploader] == [f"import-upload-{site.project_id}-1"]
        assert "import-run" not in {button.key for button in test.button}

    def test_checks_of_two_projects_are_kept_apart(self, open_page, site: Site, tmp_path: Path) -> None:
        other = make_site(site.workspace, name="Fields")
        for name, number in (("one", site.project_id), ("two", other.project_id)):
            (tmp_path / name).mkdir()
            Image.fromarray(np.full((20, 30, 3), number, np.uint8)).save(tmp_path / name / "grey.png")
        test = open_page("project")
        for name, number in (("one", site.project_id), ("two", other.project_id)):
            test.selectbox(key="project-picker").set_value(number).run()
            test.text_input(key="import-source").set_value(str(tmp_path / name))
            test.button(key="import-plan").click().run()
        for name, number in (("one", site.project_id), ("two", other.project_id)):
            test.selectbox(key="project-picker").set_value(number).run()
            assert test.text_input(key="import-source").value == str(tmp_path / name)
            assert f"Checked {tmp_path / name}:" in everything(test)

    def test_what_was_planned_for_another_source_is_not_imported(
        self, open_page, site: Site, tmp_path: Path
    ) -> None:
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "black.png")
        test = open_page("project")
        test.text_input(key="import-source").set_value(str(tmp_path))
        test.button(key="import-plan").click().run()
        test.segmented_control(key="import-masks").set_value("truth").run()
        assert "import-run" not in [button.key for button in test.button]
        assert "check again" in everything(test)
        test.segmented_control(key="import-masks").set_value("labels").run()
        assert "import-run" in [button.key for button in test.button]
        test.text_input(key="import-source").set_value(str(tmp_path / "elsewhere")).run()
        assert "import-run" not in [button.key for button in test.button]

    @pytest.mark.parametrize("source", ["", "/no/such/folder"])
    def test_a_source_that_is_not_there_is_a_sentence(self, open_page, site: Site, source: str) -> None:
        test = open_page("project")
        test.text_input(key="import-source").set_value(source)
        test.button(key="import-plan").click().run()
        assert len(errors(test)) == 1
        assert "Traceback" not in errors(test)[0]

    def test_uploaded_files_are_planned_like_a_folder(self, open_page, site: Site) -> None:
        buffer = io.BytesIO()
        Image.fromarray(np.full((20, 30, 3), 7, np.uint8)).save(buffer, "PNG")
        grey = ("grey.png", buffer.getvalue(), "image/png")
        test = open_page("project")
        test.segmented_control(key="import-kind").set_value("Upload").run()
        assert test.button(key="import-plan").disabled, "a file may still be on its way"
        test.file_uploader(key=f"import-upload-{site.project_id}-0").set_value([grey]).run()
        test.button(key="import-plan").click().run()
        assert not errors(test)
        assert "Checked the uploaded grey.png:" in everything(test)
        assert "1 image to import" in everything(test)
        more = [("one.txt", b"", "text/plain"), ("two.txt", b"", "text/plain")]
        test.file_uploader(key=f"import-upload-{site.project_id}-0").set_value([grey, *more]).run()
        assert "import-run" not in [button.key for button in test.button]
        test.button(key="import-plan").click().run()
        assert "Checked the uploaded grey.png and 2 more:" in everything(test)
        test.button(key="import-run").click().run()
        assert "1 image imported" in until_imported(test).success[0].value
        assert [field.key for field in test.file_uploader] == [f"import-upload-{site.project_id}-1"]
        assert test.file_uploader[0].value == []

    def test_what_was_checked_is_still_there_after_another_page(
        self, open_page, site: Site, tmp_path: Path
    ) -> None:
        Image.fromarray(np.full((20, 30, 3), 9, np.uint8)).save(tmp_path / "grey.png")
        test = open_page("project")
        test.text_input(key="import-source").set_value(str(tmp_path))
        test.segmented_control(key="import-masks").set_value("truth")
        test.toggle(key="import-splits").set_value(False)
        test.button(key="import-plan").click().run()
        for page in ("queue", "project"):
            test.switch_page(f"pages/{page}.py").run()
        assert test.text_input(key="import-source").value == str(tmp_path)
        assert test.segmented_control(key="import-masks").value == "truth"
        assert not test.toggle(key="import-splits").value
        assert f"Checked {tmp_path}:" in everything(test)
        test.segmented_control(key="import-kind").set_value("Upload").run()
        grey = ("grey.png", (tmp_path / "grey.png").read_bytes(), "image/png")
        test.file_uploader(key=f"import-upload-{site.project_id}-0").set_value([grey]).run()
        test.button(key="import-plan").click().run()
        for page in ("queue", "project"):
            test.switch_page(f"pages/{page}.py").run()
        assert test.segmented_control(key="import-kind").value == "Upload"
        assert "Checked the uploaded grey.png:" in everything(test)
        test.button(key="import-run").click().run()
        assert "1 image imported" in until_imported(test).success[0].value

    def test_an_import_from_a_folder_leaves_the_uploads_alone(
        self, open_page, site: Site, tmp_path: Path
    ) -> None:
        Image.fromarray(np.full((20, 30, 3), 9, np.uint8)).save(tmp_path / "grey.png")
        test = open_page("project")
        test.text_input(key="import-source").set_value(str(tmp_path))
        test.button(key="import-plan").click().run()
        test.button(key="import-run").click().run()
        until_imported(test)
        test.segmented_control(key="import-kind").set_value("Upload").run()
        assert [field.key for field in test.file_uploader] == [f"import-upload-{site.project_id}-0"]

    def test_a_zip_of_a_project_with_a_long_name_has_one_that_every_disk_takes(self) -> None:
        assert len(label_export.file_name("日" * 200).encode()) <= 80
        assert label_export.file_name("Felder / Süd 2026") == "Felder-Süd-2026"

    def test_export_makes_a_zip_to_download(self, open_page, site: Site) -> None:
        label(site, site.image_ids[1])
        test = open_page("project")
        test.button(key="export").click().run()
        assert not errors(test)
        path = site.workspace.path / "exports" / str(site.project_id) / "Streets.zip"
        # What was prepared long ago makes room, and what may just be downloaded does not.
        long_ago, lately = path.with_name("Roads.zip"), path.with_name("Streets-with-images.zip")
        for other, age in ((long_ago, 2 * 86_400), (lately, 3_600)):
            other.write_bytes(b"zip")
            os.utime(other, (time.time() - age,) * 2)
        test.button(key="export").click().run()
        assert (long_ago.exists(), lately.exists()) == (False, True)
        lately.unlink()
        with zipfile.ZipFile(path) as archive:
            assert "manifest.json" in " ".join(archive.namelist())
        assert [kept.name for kept in path.parent.iterdir()] == ["Streets.zip"]
        assert f"1 label map written to {path}." in everything(test)

    def test_a_zip_to_download_is_that_of_its_project_and_options(self, open_page, site: Site) -> None:
        label(site, site.image_ids[1])
        projects.change_settings(site.workspace, site.project_id, {}, "test", name="Field 1")
        test = open_page("project")
        test.button(key="export").click().run()
        test.toggle(key="export-images").set_value(True)
        test.button(key="export").click().run()
        other = make_site(site.workspace)
        label(other, other.image_ids[1])
        projects.change_settings(site.workspace, other.project_id, {}, "test", name="Field/1")
        test.run().selectbox(key="project-picker").set_value(other.project_id).run()
        test.toggle(key="export-images").set_value(False)
        test.button(key="export").click().run()
        assert not errors(test)
        exports = site.workspace.path / "exports"
        named = {}
        for path in exports.rglob("*.zip"):
            with zipfile.ZipFile(path) as archive:
                manifest = json.loads(archive.read("manifest.json"))
            named[str(path.relative_to(exports))] = manifest["project"], "image" in manifest["images"][0]
        assert named == {
            f"{site.project_id}/Field-1.zip": ("Field 1", False),
            f"{site.project_id}/Field-1-with-images.zip": ("Field 1", True),
            f"{other.project_id}/Field-1.zip": ("Field/1", False),
        }

    def test_a_zip_of_other_options_or_older_labels_is_not_taken_for_the_newest(
        self, open_page, site: Site
    ) -> None:
        label(site, site.image_ids[1])
        test = open_page("project")
        test.button(key="export").click().run()
        test.toggle(key="export-images").set_value(True).run()
        assert not test.get("link_button")
        test.toggle(key="export-images").set_value(False).run()
        assert test.get("link_button")
        assert "Labels, splits or classes changed since then" not in everything(test)
        old = "Labels, splits or classes changed since then"
        label(site, site.image_ids[2])
        assert old in everything(test.run())
        test.button(key="export").click().run()
        assert old not in everything(test)
        images.set_split(site.workspace, [site.image_ids[3]], "audit", "ann")
        assert old not in everything(test.run()), "it has no label map and is not in the zip"
        images.set_split(site.workspace, [site.image_ids[2]], "excluded", "ann")
        assert old in everything(test.run())
        images.bring_back(site.workspace, [site.image_ids[2]], "ann")
        assert old not in everything(test.run())
        projects.update_classes(
            site.workspace, site.project_id, {0: projects.ClassChange(name="ground")}, "ann"
        )
        assert old in everything(test.run())

    def test_two_who_prepare_a_zip_at_once_both_get_it(
        self, open_page, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        label(site, site.image_ids[1])
        mine, theirs = open_page("project"), open_page("project")
        export, busy = label_export.export_project, []

        def in_the_middle_of_which_another_begins(*arguments: Any, **named: Any) -> Any:
            if not busy:
                busy.append(True)
                theirs.button(key="export").click().run()
            return export(*arguments, **named)

        monkeypatch.setattr(label_export, "export_project", in_the_middle_of_which_another_begins)
        mine.button(key="export").click().run()
        for test in (mine, theirs):
            assert not errors(test)
            assert "1 label map" in everything(test)

    def test_a_prepared_zip_is_a_link_to_where_it_lies(
        self, open_page, site: Site, open_browser: Callable[..., TestClient]
    ) -> None:
        label(site, site.image_ids[1])
        projects.change_settings(site.workspace, site.project_id, {}, "test", name="Süd 50%+1 🌾")
        test = open_page("project")
        test.button(key="export").click().run()
        (path,) = (site.workspace.path / "exports").rglob("*.zip")
        (link,) = test.get("link_button")
        assert link.proto.label == f"Download {path.name} ({size_of(path.stat().st_size)})"
        response = open_browser().get(link.proto.url)
        assert response.content == path.read_bytes()

    def test_export_without_labels_is_a_sentence(self, open_page, site: Site) -> None:
        test = open_page("project")
        test.button(key="export").click().run()
        assert "No image of Streets is labelled yet" in errors(test)[0]

    def test_export_to_a_folder_says_what_it_did_below_the_path(
        self, open_page, site: Site, tmp_path: Path
    ) -> None:
        label(site, site.image_ids[1])
        test = open_page("project")
        for _ in range(2):
            # As file managers copy it.
            test.text_input(key="export-folder").set_value(f'"{tmp_path / "labels"}"')
            test.button(key="export-to-folder").click().run()
            rows = [list(block.children.values()) for block in test.main if isinstance(block, Block)]
            (row,) = [row for row in rows if row and getattr(row[0], "key", None) == "export-folder"]
            assert [element.type for element in row] == ["text_input", "button"]
            if not errors(test):
                assert f"1 label map written to {tmp_path / 'labels'}" in test.success[0].value
        assert "exists already, and an export never overwrites" in errors(test)[0]
        assert not test.get("progress")
        test.text_input(key="export-folder").set_value("~nobody.of.this.name/labels")
        test.button(key="export-to-folder").click().run()
        assert "is no path that can be opened" in errors(test)[0]

    def test_a_label_map_that_an_export_lacks_is_a_warning(
        self, open_page, site: Site, tmp_path: Path
    ) -> None:
        for image_id in site.image_ids[1:3]:
            label(site, image_id)
        labels.save(
            site.workspace,
            site.image_ids[0],
            np.ones((HEIGHT, WIDTH), np.uint8),
            expected_revision=0,
            author="ann",
            status="submitted",
        )
        lost = labels.history(site.workspace, site.image_ids[0])[0].blob
        Path(site.workspace.blobs.place(lost)).unlink()
        test = open_page("project")
        test.text_input(key="export-folder").set_value(str(tmp_path / "labels"))
        test.button(key="export-to-folder").click().run()
        assert "2 label maps written" in test.success[0].value
        assert "is left out. The file" in test.warning[0].value

    def test_annotation_settings_and_name_are_saved(self, open_page, site: Site) -> None:
        test = open_page("project")
        test.text_input(key=f"rename-{site.project_id}").set_value("Roads")
        test.number_input(key=f"annotation-audit-every-{site.project_id}").set_value(9)
        test.button(key="save-annotation").click().run()
        assert not errors(test)
        saved = projects.get_project(site.workspace, "Roads")
        assert saved.settings.annotation.audit_every == 9

    def test_a_name_is_not_saved_without_the_settings_beside_it(self, open_page, site: Site) -> None:
        test = open_page("project")
        test.text_input(key=f"rename-{site.project_id}").set_value("Roads")
        test.number_input(key=f"annotation-lease-minutes-{site.project_id}").set_value(0.0)
        test.button(key="save-annotation").click().run()
        assert errors(test)[0].startswith("Reserved for, in minutes: input should be greater than 0.")
        assert projects.get_project(site.workspace, site.project_id).name == "Streets"
        test.number_input(key=f"annotation-lease-minutes-{site.project_id}").set_value(5.0)
        test.button(key="save-annotation").click().run()
        assert projects.get_project(site.workspace, site.project_id).name == "Roads"

    def test_saving_keeps_what_somebody_else_saved_meanwhile(self, open_page, site: Site) -> None:
        test, project = open_page("project"), site.project_id
        projects.change_settings(
            site.workspace,
            project,
            {"annotation": {"audit_every": 3, "audit_target": 9}, "start": {"min_changed": 5}},
            actor="ben",
        )
        projects.change_settings(site.workspace, project, {}, "ben", name="Roads")
        test.number_input(key=f"annotation-lease-minutes-{project}").set_value(4.0)
        test.number_input(key=f"annotation-audit-target-{project}").set_value(7)
        test.button(key="save-annotation").click().run()
        assert not errors(test)
        saved = projects.get_project(site.workspace, project)
        kept = saved.settings.annotation
        assert (saved.name, saved.settings.start.min_changed) == ("Roads", 5)
        assert (kept.audit_every, kept.audit_target, kept.lease_minutes) == (3, 7, 4.0)
        assert test.number_input(key=f"annotation-audit-every-{project}").value == 3
        assert test.text_input(key=f"rename-{project}").value == "Roads"


class TestQueue:
    def cards(self, test: AppTest) -> list[dict[str, Any]]:
        return component(test, "queue-grid")["cards"]

    def test_cards_come_in_rank_order_with_score_split_state_and_why(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        finish_round(site)
        cards = self.cards(open_page("queue"))
        assert [card["rank"] for card in cards] == [1, 2, 3, None]
        assert [card["image_id"] for card in cards[:3]] == sorted(site.image_ids[1:], reverse=True)
        first, last = cards[0], cards[3]
        assert (first["score"], first["score_share"]) == (0.5, 1.0)
        assert (first["split"], first["state"], first["why"]) == ("pool", "unlabelled", "Doubt 1")
        assert (last["split"], last["state"]) == ("train", "submitted")
        assert first["href"] == f"/?project={site.project_id}&image={first['image_id']}"
        blob = images.image(site.workspace, first["image_id"]).blob
        assert first["thumbnail"] == f"/api/images/{first['image_id']}/thumbnail/{blob}?side=320"

    def test_an_own_draft_is_told_as_one(self, open_page, site: Site) -> None:
        mine, theirs, *_ = site.image_ids
        truth = np.ones((HEIGHT, WIDTH), np.uint8)
        labels.save(site.workspace, mine, truth, expected_revision=0, author=session.annotator())
        labels.save(site.workspace, theirs, truth, expected_revision=0, author="bo")
        why = {card["image_id"]: card["why"] for card in self.cards(open_page("queue"))}
        assert why[mine] == "You began this one: your draft is restored"
        assert why[theirs] == "Bo began this one: the draft is shown"

    def test_only_what_waits_in_the_pool_is_said_to_be_scored_later(self, open_page, site: Site) -> None:
        trained, drawn, left_out, waiting = site.image_ids
        label(site, trained)
        images.set_split(site.workspace, [drawn], "audit", "ann")
        images.set_split(site.workspace, [left_out], "excluded", "ann")
        said = {card["image_id"]: card["no_score"] for card in self.cards(open_page("queue"))}
        assert said == {
            trained: "not scored",
            drawn: "labelled blind",
            left_out: "not scored",
            waiting: "not scored yet",
        }

    def test_filters_narrow_the_grid(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        held = queue.next_images(site.workspace, site.project_id, "ben", 1)[0].image.id
        test = open_page("queue")
        assert {card["state"] for card in self.cards(test)} == {"submitted", "with ben", "unlabelled"}
        test.selectbox(key="queue-state").set_value("submitted").run()
        assert [card["image_id"] for card in self.cards(test)] == [site.image_ids[0]]
        test.selectbox(key="queue-state").set_value(None).run()
        test.text_input(key="queue-name").set_value("STREET 3").run()
        assert [card["name"] for card in self.cards(test)] == ["street 3.png"]
        test.text_input(key="queue-name").set_value("nothing like it").run()
        assert "No image matches" in everything(test)
        test.selectbox(key="queue-split").set_value("audit").run()
        test.button(key="queue-clear").click().run()
        assert len(self.cards(test)) == 4
        assert held in site.image_ids

    def test_one_image_is_counted_in_the_singular(self, open_page, workspace: Workspace) -> None:
        project = projects.create_project(workspace, "One", [projects.ClassSpec("cell")], actor="test")
        add_image(workspace, project.id, 0)
        assert "**1** of 1 image," in everything(open_page("queue"))

    def test_other_orders(self, open_page, site: Site) -> None:
        label(site, site.image_ids[2])
        test = open_page("queue")
        test.selectbox(key="queue-sort").set_value("name").run()
        assert [card["name"] for card in self.cards(test)] == [f"street {n}.png" for n in range(4)]
        test.selectbox(key="queue-sort").set_value("newest").run()
        assert self.cards(test)[0]["image_id"] == site.image_ids[2]

    def test_the_score_sorted_by_is_the_one_shown(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        finish_round(site)
        test = open_page("queue")
        assert {card["score_name"] for card in self.cards(test)} == {"Predictive entropy"}
        test.selectbox(key="queue-sort").set_value("margin").run()
        shown = [(card["rank"], card["score"], card["score_name"]) for card in self.cards(test)[:3]]
        assert shown == [(rank, pytest.approx(0.1 * rank), "Margin") for rank in (3, 2, 1)]
        assert self.cards(test)[0]["score_share"] == 1.0
        test.selectbox(key="queue-sort").set_value("novelty").run()
        assert [card["score"] for card in self.cards(test)[:3]] == pytest.approx([1, 1 / 2, 1 / 3])

    def test_the_score_is_called_what_the_round_ranked_by(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        finish_round(site, ranked_by={"pixel_score": "margin"})
        assert {card["score_name"] for card in self.cards(open_page("queue"))} == {PIXEL_SCORE["margin"].name}

    def test_only_images_unsure_of_a_class(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        finish_round(site)
        test = open_page("queue")
        test.selectbox(key=f"queue-unsure-{site.project_id}").set_value(1).run()
        assert [card["rank"] for card in self.cards(test)] == [2]

    def test_before_a_round_no_score_can_be_sorted_by(self, open_page, site: Site) -> None:
        test = open_page("queue")
        assert test.selectbox(key="queue-sort").options == ["Place in the queue", "Name", "Newest label"]
        assert test.selectbox(key=f"queue-unsure-{site.project_id}").disabled
        assert "no ranking before the first round" in everything(test)

    def test_the_screen_says_how_the_ranking_came_about(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        finish_round(site, ranked_by={"phase": "uncertain", "sentence": "uncertain images, over all classes"})
        assert "ranked by round 1: uncertain images, over all classes" in everything(open_page("queue"))
        label(site, site.image_ids[1])
        whole = "No round has trained yet: typical and diverse images come first."
        finish_round(site, ranked_by={"phase": "typical", "sentence": whole})
        assert f"ranked by round 2. {whole}" in everything(open_page("queue"))

    def test_a_last_page_whose_images_are_elsewhere_now_gives_way_to_the_first(
        self, open_page, site: Site
    ) -> None:
        test = open_page("queue")
        test.session_state["queue-page"] = 2
        test.run()
        assert "No image matches" not in everything(test)
        assert "4** of 4 images" in everything(test)

    def test_pin_exclude_and_bring_back(self, site: Site) -> None:
        first, second = site.image_ids[:2]

        def done(kind: str) -> str:
            return carry_out(site.workspace, Act(kind, [first, second]), "ann")

        assert done("pin") == "2 images put in front of the queue"
        assert [item.image.id for item in self.pinned(site)] == [first, second]
        done("unpin")
        assert self.pinned(site) == []
        assert done("exclude") == "2 images excluded"
        assert done("exclude") == "0 images excluded; 2 were before"
        assert images.split_counts(site.workspace, site.project_id)["excluded"] == 2
        done("restore")
        assert images.split_counts(site.workspace, site.project_id)["excluded"] == 0
        images.set_split(site.workspace, [first], "audit", "ann")
        assert done("restore") == "0 images brought back"
        done("exclude")
        assert done("restore") == "2 images brought back"
        assert images.image(site.workspace, first).split == "audit"

    def test_only_what_an_exclusion_takes_is_brought_back(self, site: Site) -> None:
        before, *taken = site.image_ids
        images.set_split(site.workspace, [before], "excluded", "ann")
        assert to_bring_back(site.workspace, Act("exclude", site.image_ids)) == taken
        assert to_bring_back(site.workspace, Act("restore", site.image_ids)) == []

    def test_an_act_that_cannot_be_done_is_said(self, open_page, site: Site) -> None:
        test = open_page("queue")
        test.session_state["queue-acts"] = log = ActLog(excluded=[site.image_ids[0]])
        test.run()
        # The button holds this very list.
        log.excluded.append(10**6)
        test.button(key="queue-bring-back").click().run()
        assert len(errors(test)) == 1
        assert len(self.cards(test)) == 4

    def pinned(self, site: Site) -> list[queue.QueueItem]:
        items, _ = queue.ranked_images(site.workspace, site.project_id)
        return [item for item in items if item.pinned]

    def test_more_like_this_shows_the_picked_one_first(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        finish_round(site, alike=True)
        test = AppTest.from_file(str(MAIN), default_timeout=120).run()
        test.query_params["alike"] = str(site.image_ids[3])
        test.switch_page("pages/queue.py").run()
        cards = self.cards(test)
        assert [card["image_id"] for card in cards] == site.image_ids[::-1]
        assert [card["score"] for card in cards[:2]] == pytest.approx([1, np.cos(np.pi / 6)], abs=1e-3)
        test.button(key="alike-back").click().run()
        assert "alike" not in test.query_params
        assert "ranked by round 1" in everything(test)

    def test_the_map_is_drawn_when_a_round_has_embeddings(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        test = open_page("queue")
        test.segmented_control(key="queue-view").set_value("Map").run()
        assert "No map yet" in everything(test)
        finish_round(site, alike=True)
        test.run()
        assert "**4** of 4 images, ranked by round 1" in everything(test)
        images.add_image(
            site.workspace,
            site.project_id,
            name="newer than the round",
            content_hash="newer",
            blob=images.list_images(site.workspace, site.project_id)[0].blob,
            media_type="image/png",
            width=8,
            height=8,
        )
        assert "**4** of 5 images, ranked by round 1" in everything(test.run())
        drawn = f"embedding-map-{site.project_id}"
        data = component(test, drawn)
        assert (data["colour"], data["points_url"]) == ("split", f"/api/projects/{site.project_id}/map")
        before = data["version"]
        test.segmented_control(key="map-colour").set_value("score").run()
        assert component(test, drawn)["colour"] == "score"
        label(site, site.image_ids[1])
        assert component(test.run(), drawn)["version"] != before


class TestTraining:
    def test_train_now_waits_for_a_label(self, open_page, site: Site) -> None:
        test = open_page("training")
        assert test.button(key="train-now").disabled
        assert "Submit at least one label map" in progress_text(test)
        assert "No worker is running" in everything(test)

    def test_with_one_class_the_way_to_a_second_stands_in_place_of_the_button(
        self, open_page, site: Site
    ) -> None:
        label(site, site.image_ids[0])
        archived = {index: projects.ClassChange(archived=True) for index in (1, 2)}
        projects.update_classes(site.workspace, site.project_id, archived, "ann")
        test = open_page("training")
        assert "A model tells classes apart, and this project has one" in progress_text(test)
        assert "train-now" not in [button.key for button in test.button]
        assert "Add a class" in [link.proto.label for link in test.get("page_link")]
        projects.add_class(site.workspace, site.project_id, projects.ClassSpec("background"), "ann")
        assert not test.run().button(key="train-now").disabled
        assert not test.get("page_link")

    def test_train_now_queues_a_round_and_cancel_ends_it(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        test = open_page("training")
        test.button(key="train-now").click().run()
        assert not errors(test)
        live = rounds.live_round(site.workspace, site.project_id)
        assert live is not None
        assert live.reason == "Started by annotator"
        assert "Waiting for the worker" in progress_text(test)
        test.button(key=f"cancel-round-{live.id}").click().run()
        assert not errors(test)
        assert [info.state for info in rounds.history(site.workspace, site.project_id)] == ["cancelled"]

    def test_rank_again_saves_the_choice_and_ranks_by_it_without_training(
        self, open_page, site: Site
    ) -> None:
        label(site, site.image_ids[0])
        test, project = open_page("training"), site.project_id
        assert "rank-again" not in [button.key for button in test.button]
        trained = round_requests.request_round(site.workspace, project, "ann", "Started by ann")
        rounds.claim(site.workspace, WORKER, 60)
        rounds.publish(site.workspace, trained.id, WORKER, [], {})
        test.run().selectbox(key=f"round-pixel-score-{project}").set_value("margin").run()
        test.button(key="rank-again").click().run()
        assert not errors(test)
        assert "Not saved yet" not in everything(test)
        live = rounds.live_round(site.workspace, project)
        assert live is not None
        assert (live.kind, live.reason) == ("ranks", "Ranks again, started by annotator")
        assert live.config.pixel_score == "margin"
        assert "rank-again" not in [button.key for button in test.run().button]

    def test_train_now_trains_what_the_form_shows(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        test, project = open_page("training"), site.project_id
        test.number_input(key=f"round-steps-{project}").set_value(0)
        test.toggle(key=f"start-automatic-{project}").set_value(False).run()
        assert (
            "Not saved yet: Steps, Automatic rounds. Train now and Rank again save them, too."
            in everything(test)
        )
        test.button(key="train-now").click().run()
        assert errors(test)[0].startswith("Steps: input should be greater than or equal to 1.")
        assert rounds.history(site.workspace, project) == []

        # In one message: what is typed counts though the form was not drawn with it.
        test.number_input(key=f"round-steps-{project}").set_value(7)
        test.button(key="train-now").click().run()
        assert not errors(test)
        assert rounds.history(site.workspace, project)[0].config.steps == 7
        saved = projects.get_project(site.workspace, project).settings
        assert (saved.round.steps, saved.start.automatic) == (7, False)
        assert "Not saved yet" not in everything(test)

    def test_what_was_entered_is_still_there_after_a_look_at_another_page(
        self, open_page, site: Site
    ) -> None:
        test, project = open_page("training"), site.project_id
        test.number_input(key=f"round-steps-{project}").set_value(7).run()
        test.toggle(key=f"start-automatic-{project}").set_value(False).run()
        for page in ("queue", "annotate", "training"):
            test.switch_page(f"pages/{page}.py").run().run()
        assert test.number_input(key=f"round-steps-{project}").value == 7
        assert "Not saved yet: Steps, Automatic rounds." in everything(test)
        test.number_input(key=f"round-steps-{project}").set_value(8).run()
        test.button(key="save-training").click().run()
        assert not errors(test)
        assert projects.get_project(site.workspace, project).settings.round.steps == 8
        test.switch_page("pages/queue.py").run().switch_page("pages/training.py").run()
        assert "Not saved yet" not in everything(test)

    def test_a_chosen_preset_is_still_chosen_after_a_look_at_another_page(
        self, open_page, site: Site
    ) -> None:
        test, project = open_page("training"), site.project_id
        test.selectbox(key=f"round-preset-{project}").set_value("gpu").run()
        test.number_input(key=f"round-steps-{project}-gpu").set_value(7).run()
        test.switch_page("pages/queue.py").run().switch_page("pages/training.py").run()
        assert test.selectbox(key=f"round-preset-{project}").value == "gpu"
        assert test.number_input(key=f"round-steps-{project}-gpu").value == 7

    def test_what_a_saved_preset_filled_in_is_not_covered_again(self, open_page, site: Site) -> None:
        test, project = open_page("training"), site.project_id
        test.number_input(key=f"round-steps-{project}").set_value(7).run()
        test.selectbox(key=f"round-preset-{project}").set_value("gpu").run()
        test.button(key="save-training").click().run()
        steps = with_preset(RoundSettings(), "gpu").steps
        assert test.run().number_input(key=f"round-steps-{project}").value == steps
        assert "Not saved yet" not in everything(test)
        assert projects.get_project(site.workspace, project).settings.round.steps == steps

    def test_a_run_that_ends_behind_saving_has_asked_for_the_round(
        self, open_page, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        label(site, site.image_ids[0])
        test, project = open_page("training"), site.project_id
        test.number_input(key=f"round-steps-{project}").set_value(7)

        def ended(*_: object, **__: object) -> None:
            st.stop()

        monkeypatch.setattr(settings_form, "saved", ended)
        test.button(key="train-now").click().run()
        assert projects.get_project(site.workspace, project).settings.round.steps == 7
        assert [info.config.steps for info in rounds.history(site.workspace, project)] == [7]

    def test_a_live_round_shows_its_step_and_time_left(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        started = round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
        rounds.claim(site.workspace, WORKER, 60)
        workers.worker_seen(site.workspace, WORKER, "cpu")
        rounds.report(site.workspace, started.id, WORKER, lease_s=60, step=30, steps=150, eta_seconds=130.0)
        test = open_page("training")
        assert "Training: step 30 of 150, about 2 min left" in progress_text(test)
        assert f"Worker: {WORKER} on cpu" in everything(test)

    def test_a_worker_that_is_starting_is_not_missed(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
        assert "No worker is running" in everything(open_page("training"))
        workers.worker_starting(site.workspace, WORKER)
        shown = everything(open_page("training"))
        assert f"Worker: {WORKER} is starting" in shown
        assert "No worker is running" not in shown

    def test_a_finished_round_has_curves_and_a_row(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        finish_round(site, audit_miou=0.4, class_iou={"0": 0.5}, labels=1, error_auroc=0.8, ece=0.1)
        test = open_page("training")
        charts = [element for element in test.main if element.type == "plotly_chart"]
        assert len(charts) == 3
        row = test.dataframe[0].value.iloc[0]
        assert (row["Round"], row["State"], row["Labels"], row["Audit mIoU"]) == (1, "done", 1, 0.4)
        assert (row["Error AUROC"], row["ECE"]) == (0.8, 0.1)

    def test_the_parts_of_a_loss_are_drawn_by_what_they_count_in_it(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        settings = RoundSettings(recipe="u2pl", kl_weight=0.005, unlabelled_weight=0.5, contrast_weight=0.2)
        started = round_requests.request_round(site.workspace, site.project_id, "ann", "test", settings)
        rounds.claim(site.workspace, WORKER, 60)
        parts = ("loss", "supervised", "kl", "unlabelled", "contrast")
        points = [(1, part, 2.0) for part in parts]
        rounds.report(site.workspace, started.id, WORKER, lease_s=60, metrics=points)
        test = open_page("training")
        drawn = next(element for element in test.main if element.type == "plotly_chart")
        names = {trace["name"] for trace in json.loads(drawn.proto.spec)["data"]}
        assert names == {"supervised", "kl × 0.005", "unlabelled × 0.5", "contrast × 0.2", "total"}

    def test_a_cold_start_is_no_failure_and_has_no_curves(self, open_page, site: Site) -> None:
        with site.workspace.database.writing() as session_:
            project = session_.get(Project, site.project_id)
            session_.add(
                Round(
                    project_id=site.project_id,
                    number=0,
                    state="done",
                    reason="The images are put in order before a model exists",
                    config=project.settings["round"],
                    labels_changed=0,
                    metrics={},
                    created_at=1.0,
                )
            )
        test = open_page("training")
        assert not errors(test)
        assert "Cold start" in html(test)
        assert "No curves yet" in everything(test)
        label(site, site.image_ids[0])
        finish_round(site, labels=1)
        test = open_page("training")
        rows = test.dataframe[0].value
        assert list(rows["Round"]) == [1, 0]
        assert rows.iloc[1]["Note"].startswith("Trains nothing")

    def test_every_choice_says_when_to_use_it(self, open_page, site: Site) -> None:
        for field, options in OPTIONS.items():
            assert set(options) == set(get_args(RoundSettings.model_fields[field].annotation))
        test, project = open_page("training"), site.project_id
        chooser = test.selectbox(key=f"round-batch-choice-{project}")
        assert OPTIONS["batch_choice"]["clasp_pe"].when in everything(test)
        chooser.set_value("k_centre").run()
        assert OPTIONS["batch_choice"]["k_centre"].when in everything(test)
        test.number_input(key=f"round-choice-batch-{project}").set_value(3)
        test.button(key="save-training").click().run()
        saved = projects.get_project(site.workspace, project).settings.round
        assert (saved.batch_choice, saved.choice_batch) == ("k_centre", 3)

    def test_a_round_whose_worker_died_waits_and_can_be_cancelled(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        started = round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
        rounds.claim(site.workspace, WORKER, 60)
        rounds.report(
            site.workspace, started.id, WORKER, lease_s=-1, state="training", step=30, steps=60, eta_seconds=9
        )
        rounds.request_cancel(site.workspace, started.id, "ann")
        assert rounds.get_round(site.workspace, started.id).state == "cancelled"
        again = round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
        rounds.claim(site.workspace, WORKER, 60)
        rounds.request_cancel(site.workspace, again.id, "ann")
        assert open_page("training").button(key=f"cancel-round-{again.id}").disabled
        rounds.report(site.workspace, again.id, WORKER, lease_s=-1, step=30, steps=60)
        test = open_page("training")
        assert "Waiting for a worker to go on at step 30 of 60" in str(component(test, "round-progress"))
        test.button(key=f"cancel-round-{again.id}").click().run()
        assert rounds.get_round(site.workspace, again.id).state == "cancelled"

    def test_cancel_ends_no_other_round_than_the_one_on_the_screen(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        shown = round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
        rounds.claim(site.workspace, WORKER, 60)
        test = open_page("training")
        button = next(button for button in test.button if button.label == "Cancel")
        rounds.fail(site.workspace, shown.id, WORKER, "The worker is gone.")
        following = round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
        button.click().run()
        assert not errors(test)
        assert rounds.get_round(site.workspace, following.id).state == "queued"

        button = next(button for button in test.button if button.label == "Cancel")
        rounds.claim(site.workspace, WORKER, 60)
        rounds.fail(site.workspace, following.id, WORKER, "The worker is gone.")
        button.click().run()
        assert [error[:14] for error in errors(test)] == ["Round 2 failed"]

    def test_a_failed_round_says_why(self, open_page, site: Site) -> None:
        label(site, site.image_ids[0])
        started = round_requests.request_round(site.workspace, site.project_id, "ann", "Started by ann")
        rounds.claim(site.workspace, WORKER, 60)
        rounds.fail(site.workspace, started.id, WORKER, "The encoder has no weights here.")
        test = open_page("training")
        assert "Round 1 failed: The encoder has no weights here." in errors(test)[0]
        assert "Images come in random order until a round ranks them. Change the settings" in errors(test)[0]
        assert not test.button(key="train-now").disabled

    def test_settings_are_saved_and_bad_ones_refused_in_a_sentence(self, open_page, site: Site) -> None:
        test, project = open_page("training"), site.project_id
        test.number_input(key=f"round-steps-{project}").set_value(77)
        test.selectbox(key=f"round-head-{project}").set_value("linear")
        test.toggle(key=f"start-automatic-{project}").set_value(False)
        test.button(key="save-training").click().run()
        assert not errors(test)
        saved = projects.get_project(site.workspace, project).settings
        assert (saved.round.steps, saved.round.head, saved.start.automatic) == (77, "linear", False)

        test.number_input(key=f"round-learning-rate-{project}").set_value(0.0)
        test.button(key="save-training").click().run()
        assert errors(test) == [
            "Learning rate: input should be greater than 0. It is 0.0 now; change it and save again."
        ]
        test.number_input(key=f"round-learning-rate-{project}").set_value(saved.round.learning_rate)
        # A browser keeps what is outside the bounds of a field to itself, and would save what was before.
        test.number_input(key=f"start-min-changed-{project}").set_value(0)
        test.button(key="save-training").click().run()
        assert errors(test)[0].startswith("New labels needed: input should be greater than or equal to 1.")
        assert all(field.min is None or field.min < -1e9 for field in test.number_input)
        assert projects.get_project(site.workspace, project).settings == saved

    def test_settings_are_saved_though_the_round_changes_meanwhile(
        self, open_page, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        test, project = open_page("training"), site.project_id
        test.number_input(key=f"round-steps-{project}").set_value(77)
        end_one_run(monkeypatch, training_state, "training_state", at=1)
        test.button(key="save-training").click().run()
        assert projects.get_project(site.workspace, project).settings.round.steps == 77
        assert "Not saved yet" not in everything(test)

    def test_it_is_said_what_the_model_cannot_see_of_large_images(self, open_page, site: Site) -> None:
        test, project = open_page("training"), site.project_id
        assert "the model sees one pixel" not in everything(test)
        test.number_input(key=f"round-long-side-{project}").set_value(15).run()
        assert "about 48 pixels. At 15 the model sees one pixel for 3.2 × 3.2 of theirs" in everything(test)
        with site.workspace.database.writing() as session:
            session.execute(text("UPDATE image SET width = 3000, height = 4000"))
        test.number_input(key=f"round-long-side-{project}").set_value(400).run()
        assert "about 4,000 pixels. At 400 the model sees one pixel for 10 × 10 of theirs" in everything(test)
        test.number_input(key=f"round-long-side-{project}").set_value(0).run()
        assert not errors(test)

    def test_it_is_said_when_a_crop_is_larger_than_the_images(self, open_page, site: Site) -> None:
        test, project = open_page("training"), site.project_id
        assert "A crop of" not in everything(test)
        test.number_input(key=f"round-crop-{project}").set_value(9999).run()
        assert "A crop of 9,999 is larger than the images, which are 384 pixels long" in everything(test)

    def test_who_has_a_gpu_is_told_of_its_preset(self, open_page, site: Site) -> None:
        told = "A worker with a GPU is there"
        workers.worker_seen(site.workspace, WORKER, "cpu")
        assert told not in everything(open_page("training"))
        workers.worker_seen(site.workspace, WORKER, "cuda")
        test, project = open_page("training"), site.project_id
        assert told in everything(test)
        test.selectbox(key=f"round-preset-{project}").set_value("gpu").run()
        assert told not in everything(test)

    def test_saving_keeps_what_somebody_else_saved_meanwhile(self, open_page, site: Site) -> None:
        test, project = open_page("training"), site.project_id
        test.number_input(key=f"round-crop-{project}").set_value(64).run()

        def save_elsewhere(changes: dict[str, dict[str, Any]]) -> None:
            projects.change_settings(site.workspace, project, changes, actor="ben")

        def saved() -> tuple[Any, ...]:
            now = projects.get_project(site.workspace, project).settings
            round_ = now.round
            return now.annotation.audit_every, now.start.min_classes, round_.steps, round_.head, round_.crop

        save_elsewhere({"annotation": {"audit_every": 3}, "start": {"min_classes": 1}})
        save_elsewhere({"round": {"steps": 50, "head": "linear", "crop": 96}})
        test.button(key="save-training").click().run()
        assert not errors(test)
        assert saved() == (3, 1, 50, "linear", 64)
        assert test.number_input(key=f"round-steps-{project}").value == 50
        # What was saved once is not sent again with the next change.
        save_elsewhere({"round": {"crop": 128}})
        test.number_input(key=f"round-steps-{project}").set_value(60)
        test.button(key="save-training").click().run()
        assert saved() == (3, 1, 60, "linear", 128)

    def test_it_is_said_that_somebody_else_saved_what_was_entered_here(self, open_page, site: Site) -> None:
        test, project = open_page("training"), site.project_id
        test.number_input(key=f"round-crop-{project}").set_value(64).run()
        test.toggle(key=f"start-automatic-{project}").set_value(False).run()
        assert "Somebody else" not in everything(test)
        projects.change_settings(site.workspace, project, {"round": {"crop": 96, "steps": 50}}, actor="ben")
        test.run()
        assert "saved another value meanwhile of: Crop." in everything(test.run())
        assert test.number_input(key=f"round-crop-{project}").value == 64
        test.button(key="discard-training").click().run()
        assert not errors(test)
        assert test.number_input(key=f"round-crop-{project}").value == 96
        assert test.toggle(key=f"start-automatic-{project}").value is True
        assert "Not saved yet" not in everything(test)
        assert "discard-training" not in [button.key for button in test.button]
        test.number_input(key=f"round-crop-{project}").set_value(128).run()
        assert "Somebody else" not in everything(test)
        test.button(key="save-training").click().run()
        assert projects.get_project(site.workspace, project).settings.round.crop == 128

    def test_who_discards_a_preset_gets_what_is_saved(self, open_page, site: Site) -> None:
        test, project = open_page("training"), site.project_id
        test.number_input(key=f"round-steps-{project}").set_value(7).run()
        test.selectbox(key=f"round-preset-{project}").set_value("gpu").run()
        test.number_input(key=f"round-crop-{project}-gpu").set_value(64).run()
        test.button(key="discard-training").click().run()
        assert not errors(test)
        assert test.selectbox(key=f"round-preset-{project}").value is None
        assert test.number_input(key=f"round-steps-{project}").value == RoundSettings().steps
        assert "Not saved yet" not in everything(test)
        test.selectbox(key=f"round-preset-{project}").set_value("gpu").run()
        crop = with_preset(RoundSettings(), "gpu").crop
        assert test.number_input(key=f"round-crop-{project}-gpu").value == crop

    def test_a_preset_fills_the_form_and_saving_keeps_it(self, open_page, site: Site) -> None:
        test, project = open_page("training"), site.project_id
        test.selectbox(key=f"round-preset-{project}").set_value("best").run()
        assert projects.get_project(site.workspace, project).settings.round == RoundSettings()
        assert test.selectbox(key=f"round-encoder-{project}-best").value == "vit_small_patch14_dinov2"
        test.number_input(key=f"round-batch-size-{project}-best").set_value(2)
        test.button(key="save-training").click().run()
        assert not errors(test)
        saved = projects.get_project(site.workspace, project).settings.round
        assert saved == with_preset(RoundSettings(), "best").model_copy(update={"batch_size": 2})
        # Left chosen, the preset would fill in its own batch size again, and Train now would save that.
        assert test.selectbox(key=f"round-preset-{project}").value is None
        assert "Not saved yet" not in everything(test.run())
        assert test.number_input(key=f"round-batch-size-{project}").value == 2

    def test_a_preset_keeps_what_was_entered_into_other_fields(self, open_page, site: Site) -> None:
        test, project = open_page("training"), site.project_id
        test.number_input(key=f"round-samples-predict-{project}").set_value(20).run()
        test.selectbox(key=f"round-preset-{project}").set_value("gpu").run()
        assert test.number_input(key=f"round-samples-predict-{project}").value == 20
        assert "Samples per prediction" in everything(test)
        test.button(key="save-training").click().run()
        saved = projects.get_project(site.workspace, project).settings.round
        assert (saved.samples_predict, saved.encoder) == (20, "resnet50")
        assert "Not saved yet" not in everything(test.run())

    def test_who_has_no_gpu_is_told_what_its_preset_costs(self, open_page, site: Site) -> None:
        told = "No worker with a GPU is there"
        test, project = open_page("training"), site.project_id
        assert told not in everything(test)
        test.selectbox(key=f"round-preset-{project}").set_value("best").run()
        assert told in everything(test)
        workers.worker_seen(site.workspace, WORKER, "cuda")
        assert told not in everything(test.run())

    def test_a_round_that_is_refused_leaves_the_form_as_it_was_saved(
        self, open_page, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        test, project = open_page("training"), site.project_id
        label(site, site.image_ids[0])
        test = test.run()
        test.number_input(key=f"round-steps-{project}").set_value(77).run()

        def refuse(*_: object) -> None:
            raise RoundRefused("Nothing can be learned from these labels.")

        monkeypatch.setattr(round_requests, "request_round", refuse)
        test.button(key="train-now").click().run()
        assert errors(test) == ["Nothing can be learned from these labels."]
        assert projects.get_project(site.workspace, project).settings.round.steps == 77
        assert "Not saved yet" not in everything(test)


class TestLabel:
    def test_the_canvas_gets_the_project_and_its_classes(self, open_page, site: Site) -> None:
        data = component(open_page("annotate"), "canvas")
        assert data["project_id"] == site.project_id
        assert [one["name"] for one in data["classes"]] == ["sky", "road", "tree"]
        assert data["open_image"] is None

    def test_the_address_opens_an_image_once(self, site: Site) -> None:
        test = AppTest.from_file(str(MAIN), default_timeout=120)
        test.query_params["image"] = str(site.image_ids[2])
        assert component(test.run(), "canvas")["open_image"] == site.image_ids[2]
        assert component(test.run(), "canvas")["open_image"] is None
        assert "image" not in test.query_params

    @pytest.mark.parametrize("asked", ["999", "x", "", "9" * 20])
    def test_an_address_without_such_an_image_opens_the_queue(self, site: Site, asked: str) -> None:
        test = AppTest.from_file(str(MAIN), default_timeout=120)
        test.query_params["image"] = asked
        assert component(test.run(), "canvas")["open_image"] is None


def test_with_oidc_a_person_sees_who_is_signed_in_and_signs_out(
    open_page, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_out = []
    monkeypatch.setattr(sign_in, "oidc_configured", lambda: True)
    monkeypatch.setattr(sign_in, "oidc_works", lambda: True)
    monkeypatch.setattr(st, "user", {"is_logged_in": True, "email": "*ada*@example.org"})
    monkeypatch.setattr(st, "logout", lambda: signed_out.append(True))
    test = open_page("queue")
    assert [text.value for text in test.text] == ["Signed in as *ada*@example.org"]
    test.button(key="sign-out").click().run()
    assert signed_out == [True]


def test_without_oidc_there_is_nothing_to_sign_out_of(open_page) -> None:
    assert "sign-out" not in [button.key for button in open_page("queue").button]


def test_the_project_picker_changes_the_project_of_every_page(open_page, site: Site) -> None:
    other = projects.create_project(site.workspace, "Other", [projects.ClassSpec("cell")], actor="test")
    test = open_page("project")
    assert test.selectbox(key="project-picker").value == other.id
    test.selectbox(key="project-picker").set_value(site.project_id).run()
    assert test.text_input(key=f"rename-{site.project_id}").value == "Streets"
    test.switch_page("pages/queue.py").run()
    assert len(component(test, "queue-grid")["cards"]) == 4


def test_the_project_picker_is_heard_though_the_next_click_comes_at_once(
    open_page, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = projects.create_project(site.workspace, "Other", [projects.ClassSpec("sky")], "ann")
    test = open_page("project")
    assert test.session_state["project"] == other.id
    end_one_run(monkeypatch, QueryParamsProxy, "clear", at=1)
    test.selectbox(key="project-picker").set_value(site.project_id).run()
    assert test.session_state["project"] == site.project_id
    assert test.query_params["project"] == str(site.project_id)


@pytest.mark.parametrize(("page", "parameter"), [("annotate", "image"), ("queue", "alike")])
def test_the_project_picker_leaves_no_image_of_the_project_before(
    open_page, site: Site, page: str, parameter: str
) -> None:
    other = projects.create_project(site.workspace, "Other", [projects.ClassSpec("cell")], actor="test")
    test = open_page("project")
    test.selectbox(key="project-picker").set_value(site.project_id).run()
    test.query_params[parameter] = str(site.image_ids[0])
    test.switch_page(f"pages/{page}.py").run()
    test.selectbox(key="project-picker").set_value(other.id).run()
    assert dict(test.query_params) == {"project": str(other.id)}


def test_an_archived_project_leaves_the_picker_until_it_is_restored(open_page, site: Site) -> None:
    other = projects.create_project(site.workspace, "Other", [projects.ClassSpec("cell")], actor="test")
    test, streets = open_page("project"), site.project_id
    assert "Archived projects" not in everything(test)
    test.selectbox(key="project-picker").set_value(streets).run()
    test.button(key=f"archive-{streets}").click().run()
    assert test.selectbox(key="project-picker").value == other.id
    assert test.selectbox(key="project-picker").options == ["Other"]
    test.button(key=f"archive-{other.id}").click().run()
    assert not test.selectbox
    assert [project.archived_at is None for project in projects.list_projects(site.workspace)] == [False] * 2
    test.text_input(key="project-name").set_value("Other")
    test.text_area(key="class-names").set_value("a")
    test.button(key="create-project").click().run()
    assert errors(test) == ["An archived project is named Other. Restore it, or choose another name."]
    test.button(key=f"restore-{streets}").click().run()
    assert len(errors(test)) == 1, "that name is still taken"
    assert test.selectbox(key="project-picker").options == ["Streets"]
    assert dict(test.query_params) == {"project": str(streets)}
    assert list(test.dataframe[-1].value["What"])[:2] == ["Restored the project", "Archived the project"]


@pytest.mark.parametrize("page", ["annotate", "queue", "training", "project"])
def test_a_link_to_an_archived_project_offers_to_restore_it(open_page, site: Site, page: str) -> None:
    other = projects.create_project(site.workspace, "Other", [projects.ClassSpec("cell")], actor="test")
    test = open_page(page)
    archive_project(site.workspace, other.id, "test")
    test.run()
    assert "Other is archived" in everything(test)
    assert [button.label for button in test.button] == ["Restore", "Leave it archived"]
    test.button(key=f"restore-{other.id}").click().run()
    assert "is archived" not in everything(test)
    archive_project(site.workspace, other.id, "test")
    test.run()
    test.button(key="leave-archived").click().run()
    assert test.selectbox(key="project-picker").options == ["Streets"]


def test_a_defect_of_ours_is_a_sentence_without_a_traceback(
    open_page, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(queue, "ranked_images", broken)
    test = open_page("queue")
    assert "Something went wrong in Qualm itself (RuntimeError)" in errors(test)[0]
    assert "secret" not in errors(test)[0]


def test_the_server_lets_no_page_run_without_main(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Streamlit would do that with a folder named pages, when the first address opened is a page's.
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    make_app(workspace.path)
    assert PagesManager.uses_pages_directory is False


def html(test: AppTest) -> str:
    return " ".join(element.proto.body for element in test.main if element.type == "html")


def progress_text(test: AppTest) -> str:
    return str(component(test, "round-progress")["text"])


def by_hand(count: int, seconds: float, *, author: str = "ann", round_number: int | None = None) -> list[Any]:
    return [LabelledImage(number, author, seconds, round_number, 100.0 + number) for number in range(count)]


def test_activity_tells_the_pace_now_and_at_first() -> None:
    told = activity.pace(by_hand(30, 120.0) + by_hand(20, 30.0, round_number=2), left_over=60)
    assert told == (
        "50 images labelled by hand in 1 h 10 min. Each of the last 20 took 30 s, of the first 20 2 min "
        "(medians). At this pace the 60 images without a label would take 30 min."
    )
    assert activity.pace(by_hand(1, 40.0), left_over=0) == (
        "1 image labelled by hand in 40 s. An image took 40 s, the median."
    )


def test_activity_sorts_time_by_suggestion_and_person() -> None:
    labelled = by_hand(2, 60.0) + by_hand(3, 20.0, author="ben", round_number=1)
    assert activity.time_by_suggestion(labelled) == [
        {"Suggestion": "none", "Images": 2, "Median": 60.0, "Minutes": 2.0},
        {"Suggestion": "of round 1", "Images": 3, "Median": 20.0, "Minutes": 1.0},
    ]
    assert [row["Person"] for row in activity.time_by_person(labelled)] == ["ben", "ann"]


@pytest.mark.parametrize(
    ("number", "sentence"), [(0, "Cancelled the order of the pool"), (2, "Cancelled round 2")]
)
def test_activity_tells_what_was_cancelled(number: int, sentence: str) -> None:
    assert activity.happening(EventInfo(1, 1, 0.0, "ann", "cancel", {"number": number}, None)) == sentence


@pytest.mark.parametrize(
    ("detail", "sentence"),
    [
        ({"images": 2}, "Imported 2 images, from here"),
        ({"images": 0, "problems": 3}, "Imported 0 images, 3 left out, from here"),
        ({"images": 0, "labels": 8}, "Imported 8 label maps, from here"),
        (
            {"images": 1, "labels": 1, "drafts": 2, "truths": 3},
            "Imported 1 image, 1 label map, 2 drafts, 3 hidden truths, from here",
        ),
    ],
)
def test_activity_tells_what_an_import_brought(detail: dict[str, int], sentence: str) -> None:
    entry = EventInfo(1, 1, 0.0, "ann", "import", detail | {"source": "here"}, None)
    assert activity.happening(entry) == sentence


def test_activity_lists_what_happened(open_page, site: Site) -> None:
    first, second, *_ = site.image_ids
    assert "Nothing was submitted" in everything(open_page("project"))
    label(site, first)
    finish_round(site)
    queue.skip(site.workspace, second, "ann")
    queue.pin(site.workspace, [second], "ann")
    queue.unpin(site.workspace, [second], "ann")
    images.set_split(site.workspace, [second], "audit", "ann")
    images.set_split(site.workspace, [second], "excluded", "ann")
    images.set_split(site.workspace, [second], "pool", "ann")
    projects.add_class(site.workspace, site.project_id, projects.ClassSpec("kerb"), "ann")
    projects.update_classes(
        site.workspace, site.project_id, {0: projects.ClassChange(name="air", archived=True)}, "ann"
    )
    projects.change_settings(site.workspace, site.project_id, {}, "ann", name="Roads")
    projects.change_settings(site.workspace, site.project_id, {"start": {"min_changed": 3}}, "ann")
    journal = open_page("project").dataframe[-1].value
    name = images.image(site.workspace, second).name
    assert list(journal["What"])[:12] == [
        "Set min changed to 3",
        "Renamed the project from Streets to Roads",
        "Changed the class sky: name to air, archived to yes",
        "Added the class kerb",
        f"Took {name} back to audit",
        f"Excluded {name}",
        f"Moved {name} to audit",
        "Took 1 image back from the front",
        "Put 1 image in front",
        f"Skipped {name}",
        "Asked for round 1: Started by ann",
        f"Submitted {images.image(site.workspace, first).name}, revision 1",
    ]
