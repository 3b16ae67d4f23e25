"""A module of the canvas together with the modules it imports, as one script.

A page that asks for a hundred small files waits for a hundred answers, one level of imports after the other:
a quarter of a second even from the browser's own cache, and many times the way to a server that is far.
The modules stay what the editor of a person and the tests read; only what travels is one.
"""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(
    r"^import (?:\* as (?P<all>\w+)|(?P<some>\{[^}]*\})) from '\./(?P<name>\w+)\.js';$", re.MULTILINE
)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
_OTHER_IMPORT = re.compile(r"^import\b.*", re.MULTILINE)
_OTHER_EXPORT = re.compile(r"^export\b.*", re.MULTILINE)


def whole_script(entry: Path) -> str:
    """Return an ES module that does what ``entry`` does and imports nothing.

    Each module that it needs becomes a function that is called once and returns what the module exports,
    those first that others need. The entry itself stands last, as it is, so it exports what it did.

    Raises:
        ValueError: Modules import each other in a circle, or one imports or exports in a form that is not
            known here: known are ``import {…} from './name.js';``, ``import * as … from './name.js';`` and
            ``export`` before a function, a class or a constant, each from the beginning of a line.
    """
    parts: dict[Path, str] = {}
    own = _with_constants(entry, parts, ())
    return "\n".join([*parts.values(), own])


def _with_constants(path: Path, parts: dict[Path, str], importers: tuple[Path, ...]) -> str:
    """Return a module with constants instead of imports, once ``parts`` has what they are taken from."""
    if path in importers:
        circle = " → ".join(each.name for each in (*importers[importers.index(path) :], path))
        raise ValueError(f"These modules import each other in a circle: {circle}.")

    def constants(found: re.Match[str]) -> str:
        imported = path.with_name(f"{found['name']}.js")
        if imported not in parts:
            text = _with_constants(imported, parts, (*importers, path))
            parts[imported] = _as_function(imported, text)
        names = found["all"] or found["some"].replace(" as ", ": ")
        return f"const {names} = {_module(imported)};"

    text = _IMPORT.sub(constants, path.read_text(encoding="utf-8"))
    _refuse(_OTHER_IMPORT, path, text)
    return text


def _as_function(path: Path, text: str) -> str:
    names = _EXPORT.findall(text)
    body = _EXPORT.sub("", text)
    _refuse(_OTHER_EXPORT, path, body)
    return f"const {_module(path)} = (() => {{\n{body}return {{ {', '.join(names)} }};\n}})();\n"


def _module(path: Path) -> str:
    return f"{path.stem}_module"


def _refuse(form: re.Pattern[str], path: Path, text: str) -> None:
    if found := form.search(text):
        raise ValueError(f"{path.name} imports or exports in a form that is not known here: {found[0]}")
