"""The browser's modules, tested by Node's own runner."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FRONTEND = HERE.parents[1] / "app" / "canvas" / "frontend"
MOST_LINES = 400


def test_modules_pass_their_tests() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.fail(
            "Node is not installed, and it runs the tests of the label canvas. Install nodejs 20 or newer."
        )
    files = [str(path) for path in sorted(HERE.glob("*.test.mjs"))]
    assert files
    # All in one process: `node --test` starts one for each file, which takes twice as long.
    command = [node, HERE / "all_tests.mjs", *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_modules_keep_their_types() -> None:
    compiler = HERE / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        pytest.fail(
            f"TypeScript, which checks the types of the label canvas, is not installed: run npm ci in {HERE}."
        )
    done = subprocess.run([compiler, "-p", HERE], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(FRONTEND.glob("*.js")), ids=lambda path: path.name)
def test_module_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
