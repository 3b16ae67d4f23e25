"""The label canvas as a Streamlit component: Python hands over ids and classes, the browser does the rest.

Pixels never travel through the component. Its modules and the editor's requests go over our own routes
(:mod:`app.routes`); all that comes back through Streamlit is a nudge when the person went on from an image,
or when the server told of other classes than these.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import streamlit as st

from app.canvas.classes import class_version, classes_json
from app.canvas.whole_script import whole_script
from app.page_component import rerun_only
from storage.projects import ClassInfo

FRONTEND = Path(__file__).parent / "frontend"
"""Folder of the ES modules. ``/canvas/<version>/<file>`` is one with all it imports in it."""

_MADE_BY = Path(__file__).with_name("whole_script.py")
_COMPONENT_NAME = "qualm_label_canvas"


@lru_cache(maxsize=1)
def frontend_version() -> str:
    """Return 12 hex digits that change whenever what the browser gets does, for its addresses."""
    digest = hashlib.sha256()
    for path in (*sorted(FRONTEND.iterdir()), _MADE_BY):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


@lru_cache(maxsize=8)
def frontend_gzip(name: str) -> bytes:
    """Return a file of the frontend, gzipped; a module with the modules that it imports in it."""
    path = FRONTEND / name
    is_module = path.suffix == ".js"
    return gzip.compress(whole_script(path).encode() if is_module else path.read_bytes(), 6, mtime=0)


def label_canvas(
    *,
    project_id: int,
    annotator: str,
    classes: Sequence[ClassInfo],
    project_names: Mapping[int, str],
    open_image: int | None,
    demo: bool,
    key: str = "canvas",
) -> None:
    """Draw the whole Label page: toolbar, canvas, classes, progress, save state and buttons.

    Args:
        project_id: Project whose queue is labelled.
        annotator: Name under which the routes know this browser. The canvas sends it along, and they refuse
            it once somebody else has signed in.
        classes: All classes of the project, archived ones too (their pixels keep their colour).
        project_names: What all projects are called, by their ids: the browser may hold work of another one
            that was not sent yet, and says so.
        open_image: Image picked by hand, or None to take the queue's. It is opened once each time the
            value changes, and never pulls the person back from an image they moved on to.
        demo: Offer to answer with the known truth where an image has one.
        key: Identity of the component; the same on every run, so that the editor lives on.
    """
    _mounted()(
        key=key,
        data={
            "project_id": project_id,
            "annotator": annotator,
            "classes": classes_json(classes),
            "class_version": class_version(classes),
            "project_names": {str(one): name for one, name in project_names.items()},
            "open_image": open_image,
            "demo": demo,
        },
        on_went_on_change=rerun_only,
    )


@lru_cache(maxsize=1)
def _mounted() -> st.components.v2.types.ComponentRenderer:
    # The line breaks matter: Streamlit takes a one-line string with a slash for the path of a file.
    loader = (
        "export default async (component) => {\n"
        f"  const address = new URL('/canvas/{frontend_version()}/index.js', window.location.origin);\n"
        "  return (await import(address)).default(component);\n"
        "};\n"
    )
    css = (FRONTEND / "style.css").read_text(encoding="utf-8")
    return st.components.v2.component(_COMPONENT_NAME, js=loader, css=css)
