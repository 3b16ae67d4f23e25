import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.canvas import component
from app.canvas.classes import class_version
from storage.projects import ClassInfo

PAGE = """
from app.canvas.component import label_canvas
from storage.projects import ClassInfo

label_canvas(
    project_id=3,
    annotator="Ada",
    classes=[ClassInfo(0, "road", "#e69f00", "Digit1", False), ClassInfo(1, "old", "#56b4e9", None, True)],
    project_names={3: "Roads", 4: "Streets"},
    open_image=None,
    demo=True,
)
"""


def test_component_carries_ids_and_classes_and_no_pixels() -> None:
    page = AppTest.from_string(PAGE).run()
    assert not page.exception
    [mounted] = [element for element in page.main if element.type == "bidi_component"]
    data = json.loads(mounted.proto.json)
    assert data["project_id"] == 3
    assert data["open_image"] is None
    assert data["project_names"] == {"3": "Roads", "4": "Streets"}
    assert re.fullmatch("[0-9a-f]{12}", data["class_version"])
    assert data["classes"] == [
        {"index": 0, "name": "road", "colour": "#e69f00", "hotkey": "Digit1", "archived": False},
        {"index": 1, "name": "old", "colour": "#56b4e9", "hotkey": None, "archived": True},
    ]
    # One line with a slash would be taken for the path of a file.
    assert "\n" in mounted.proto.js_content.strip()
    assert f"/canvas/{component.frontend_version()}/index.js" in mounted.proto.js_content
    assert ".editor" in mounted.proto.css_content


def test_class_version_changes_with_whatever_the_canvas_knows_of_a_class() -> None:
    road = ClassInfo(0, "road", "#e69f00", "Digit1", False)
    others = [("index", 1), ("name", "street"), ("colour", "#e69f01"), ("hotkey", None), ("archived", True)]
    lists = [[], [road], *([replace(road, **{field: value})] for field, value in others)]
    assert len({class_version(one) for one in lists}) == len(lists)
    assert class_version([replace(road)]) == class_version([road])


def test_version_changes_with_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "FRONTEND", tmp_path)
    versions = []
    for name, text in [("index.js", "1"), ("index.js", "2"), ("style.css", "")]:
        (tmp_path / name).write_text(text)
        component.frontend_version.cache_clear()
        versions.append(component.frontend_version())
    component.frontend_version.cache_clear()
    assert len(set(versions)) == 3


def test_modules_import_only_files_that_are_served() -> None:
    names = {path.name for path in component.FRONTEND.iterdir()}
    for path in component.FRONTEND.glob("*.js"):
        for imported in re.findall(
            r"^(?:import|}) .*from '([^']+)';$", path.read_text("utf-8"), re.MULTILINE
        ):
            assert imported.startswith("./"), f"{path.name}: {imported}"
            assert imported.removeprefix("./") in names, f"{path.name}: {imported}"
