"""Sentences on the screen: what went wrong, and what to do where there is nothing to show yet."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape

import streamlit as st
from pydantic import ValidationError
from streamlit.delta_generator import DeltaGenerator

from app.settings_form import title_of_field
from storage.errors import QualmError
from storage.settings import ProjectSettings

_log = logging.getLogger(__name__)


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Show an error raised inside as one sentence, and let the rest of the page go on.

    A :class:`QualmError` speaks for itself. Anything else is a defect of ours: its traceback goes to
    the log of the server, never to the screen.
    """
    try:
        yield
    except QualmError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except ValidationError as error:
        for sentence in invalid_settings(error):
            st.error(plain(sentence), icon=":material/error:")
    except Exception as error:
        _log.exception("A page failed")
        st.error(
            f"Something went wrong in Qualm itself ({type(error).__name__}). Nothing you saved is lost. "
            "Reload the page; if it happens again, the log of the server says where.",
            icon=":material/error:",
        )


def plain(text: str) -> str:
    """Return text for a Markdown widget with the signs that file names may hold made harmless.

    Underscores and backticks stay: the first do no harm inside a word, the second mark our commands.
    """
    # One before a letter is a backslash as it is.
    harmless = re.sub(r"\\(?=[!-/:-@\[-`{-~])", r"\\\\", text)
    harmless = re.sub(r"[$*~\[\]<]", r"\\\g<0>", harmless)
    # A backslash does not keep :name: from becoming a picture; a sign without width does.
    return re.sub(r":(?=[\w+-]+:)", ":\N{WORD JOINER}", harmless)


def bullets(sentences: Sequence[str]) -> str:
    """Return sentences as a Markdown list."""
    return "\n".join(f"- {plain(sentence)}" for sentence in sentences)


def invalid_settings(error: ValidationError) -> list[str]:
    """Return one sentence for each value that pydantic refused."""
    sentences = []
    for problem in error.errors():
        place = _titles().get((error.title, *problem["loc"]), "The value")
        fault = problem["msg"][:1].lower() + problem["msg"][1:]
        sentences.append(f"{place}: {fault}. It is {problem['input']!r} now; change it and save again.")
    return sentences


@functools.cache
def _titles() -> dict[tuple[str | int, ...], str]:
    """Return what the fields of a project's settings are called, by the name of their part and their own."""
    parts = [type(part) for _, part in ProjectSettings()]
    return {
        (part.__name__, name): title_of_field(name, field)
        for part in parts
        for name, field in part.model_fields.items()
    }


def empty_state(
    title: str, text: str, link: tuple[str, str, str] | None = None, *, key: str = "empty-state"
) -> DeltaGenerator:
    """Fill the place of missing content with what it is and what to do next, and return that place.

    Args:
        title: What is missing.
        text: What to do, as Markdown.
        link: Page that helps, text of the link to it, and its icon.
        key: Hook for end-to-end tests, as the class ``st-key-<key>``.
    """
    place = st.container(border=True, key=key, horizontal_alignment="center")
    with place:
        st.markdown(f"#### {title}\n\n{text}", text_alignment="center", anchors=False)
        if link is not None:
            page, label, icon = link
            st.page_link(page, label=label, icon=icon)
    return place


def no_project() -> None:
    """Say how to come to a project; the same on every page that needs one."""
    empty_state(
        "No project is open",
        "A project is a list of classes and the images you label with them. Create one, or stop the server "
        "and start `python3 run_app.py`: a demo that needs no images.",
        ("pages/project.py", "Create a project", ":material/add:"),
        key="no-project",
    )


def no_images() -> None:
    """Say how to come to images; the same on every page that shows them."""
    empty_state(
        "No images yet",
        "Import a folder or a zip of images; they line up to be labelled.",
        ("pages/project.py", "Import images", ":material/upload:"),
        key="no-images",
    )


def html_badge(text: str, kind: str) -> str:
    """Return a small coloured label as HTML; ``kind`` names one of the ``q-badge-*`` rules of the style."""
    return f'<span class="q-badge q-badge-{escape(kind)}">{escape(text)}</span>'


def duration(seconds: float) -> str:
    """Return a time span for a person: ``40 s``, ``3 min``, ``1 h 20 min``."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
