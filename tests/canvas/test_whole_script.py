"""What travels to the browser does what the modules do."""

import json
import subprocess
from pathlib import Path

import pytest

from app.canvas.component import FRONTEND
from app.canvas.whole_script import whole_script

LOADED = ("index", "picture_worker", "run_length_worker")
"""Modules whose addresses a browser asks for."""


def printed(folder: Path, program: str) -> object:
    """Return what a module prints as JSON."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "program.js").write_text(program)
    done = subprocess.run(["node", "program.js"], cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def write(folder: Path, **modules: str) -> None:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)


def test_modules_share_what_they_import_and_keep_their_own_names_apart(tmp_path: Path) -> None:
    write(
        tmp_path,
        counter="const seen = [];\n"
        "export const LIMIT = 2;\n"
        "/** One more. */\n"
        "export function count(one) {\n  seen.push(one);\n  return seen.length;\n}\n"
        "export class Counted {\n  all = seen;\n}\n",
        left="import { count as add } from './counter.js';\n\nconst seen = 'left';\n"
        "export async function go() {\n  return [add(seen), seen];\n}\n",
        right="import * as counter from './counter.js';\nimport {\n  go,\n} from './left.js';\n\n"
        "const seen = 'right';\n"
        "export default async function all() {\n"
        "  return [await go(), counter.count(seen), counter.LIMIT, new counter.Counted().all, seen];\n}\n",
    )
    whole = whole_script(tmp_path / "right.js")
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "right.js").write_text(whole)
    found = printed(
        tmp_path, "import all from './whole/right.js';\nconsole.log(JSON.stringify(await all()));\n"
    )
    assert found == [[1, "left"], 2, 2, ["left", "right"], "right"]
    assert whole.count("export const LIMIT") == 0
    assert whole.count("class Counted") == 1, "a module that two need is there once"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import './other.js';\n",
            "imports or exports in a form that is not known here: import './other.js';",
        ),
        ("import other from './other.js';\n", "form that is not known here: import other"),
        ("import { it } from './it.js';\n", "form that is not known here: export let it"),
        ("import { round } from './round.js';\n", r"in a circle: whole\.js → round\.js → whole\.js\."),
    ],
)
def test_what_it_does_not_know_is_refused(tmp_path: Path, text: str, said: str) -> None:
    write(
        tmp_path,
        whole=text,
        other="export default 1;\n",
        it="export let it = 1;\n",
        round="import { more } from './whole.js';\nexport const round = more;\n",
    )
    with pytest.raises(ValueError, match=said):
        whole_script(tmp_path / "whole.js")


def test_every_module_can_be_asked_for() -> None:
    for path in FRONTEND.glob("*.js"):
        whole = whole_script(path)
        assert "from './" not in "\n".join(line for line in whole.splitlines() if line.startswith("import"))


def test_what_a_browser_loads_is_a_module_that_exports_the_same(tmp_path: Path) -> None:
    for name in LOADED:
        (tmp_path / f"{name}.js").write_text(whole_script(FRONTEND / f"{name}.js"))
    names = [f"./{name}.js" for name in LOADED]
    exported = printed(
        tmp_path,
        "globalThis.self = globalThis;\nconst found = [];\n"
        f"for (const name of {json.dumps(names)}) found.push(Object.keys(await import(name)));\n"
        "console.log(JSON.stringify(found));\n",
    )
    assert exported == [["default"], [], []]
