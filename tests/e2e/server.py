"""``run_app.py serve`` as a process, started and stopped as a person would."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """Return a port that nobody listens on, and that no outgoing connection takes while a server is away."""
    # Systems give outgoing connections ports from 32768 on.
    for port in random.sample(range(10_000, 32_768), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("A hundred ports of this machine are in use.")


def started(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Run a command in the repository; what it says is added to the log."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=out, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )


def wait_for(address: str, running: subprocess.Popen[bytes], log: Path, patience_s: float = 120) -> None:
    """Wait until an address answers.

    Raises:
        RuntimeError: The process ended, or did not answer in time.
    """
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and running.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    ended = "" if running.poll() is None else "The process ended: "
    raise RuntimeError(f"{ended}{address} did not answer. {log} says why:\n{log.read_text()}")


@dataclass
class Server:
    """``run_app.py serve`` (or ``demo``) on a workspace, as a person would start it."""

    workspace: Path
    arguments: list[str] = field(default_factory=list)
    command: str = "serve"
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.workspace.with_name(self.workspace.name + "-server.log")

    def start(self) -> None:
        command = [
            sys.executable,
            "run_app.py",
            self.command,
            "--workspace",
            str(self.workspace),
            "--no-browser",
        ]
        self.process = started([*command, "--port", str(self.port), *self.arguments], self.log)
        wait_for(f"{self.url}/_stcore/health", self.process, self.log)

    def ensure_running(self) -> None:
        """Start it unless it runs: a test that failed may have left it dead."""
        if self.process is None or self.process.poll() is not None:
            self.start()

    def kill(self) -> None:
        """End it without a chance to clean up, as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End it after a test, at once; it may have ended already."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
