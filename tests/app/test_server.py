import http.client
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import streamlit as st
from streamlit import config
from streamlit.web.server.starlette import starlette_server

from app import server, session, sign_in
from app.server import check_access, check_port, first_page, free_port, sending_at_once, serve
from storage.errors import InvalidInput, WorkspaceError, WorkspaceInUse
from storage.workspace import workspace_lock
from tests.app.four_images import Site

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "correct horse battery staple"
SERVE = """
import json, sys
from app import server
from app.server import serve
server.is_authlib_installed = lambda: True
serve(**json.loads(sys.argv[1]), on_ready=lambda address: print("ready", address, flush=True))
print("ended", flush=True)
"""


class RunningServer:
    """A server in its own process, as the command line starts it."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, json.dumps({"workspace_path": str(folder), **settings})],
            cwd=folder.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("ready "):
                self.address = line.split()[1]
                return
        pytest.fail("".join(said))

    def stop(self, by: signal.Signals = signal.SIGINT) -> str:
        """End the process and return the rest of what it said."""
        self.process.send_signal(by)
        return self.process.communicate(timeout=60)[0]


@pytest.fixture
def start() -> Iterator[Callable[..., RunningServer]]:
    running: list[RunningServer] = []

    def start_one(folder: Path, **settings: object) -> RunningServer:
        running.append(RunningServer(folder, **settings))
        return running[-1]

    yield start_one
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget afterwards which workspace a test made the one of this process."""
    for name in (session.WORKSPACE_VARIABLE, session.PROJECT_VARIABLE):
        monkeypatch.setenv(name, "")


def test_streamlit_still_has_what_the_server_stands_on() -> None:
    known = inspect.signature(st.App).parameters
    assert {"routes", "middleware", "lifespan", "exception_handlers"} <= set(known)
    assert "config" in inspect.signature(st.App.run).parameters
    for name in [*server.SETTINGS, "server.address", "server.port"]:
        assert name in config._config_options_template, f"Streamlit has no option {name} any more"


def test_the_pages_load_without_torch_and_without_an_exception(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import app.server
from streamlit.testing.v1 import AppTest
test = AppTest.from_file(str(Path(app.server.__file__).parent / "main.py"), default_timeout=120).run()
assert not test.exception, test.exception
heavy = {"torch", "torchvision", "timm", "lightning_fabric", "core"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=ROOT,
        env={**os.environ, session.WORKSPACE_VARIABLE: str(tmp_path / "workspace")},
    )


def test_a_real_server_answers_pages_and_routes_and_stops_when_told(
    site: Site, start: Callable[..., RunningServer]
) -> None:
    running = start(site.workspace.path)
    with httpx.Client(base_url=running.address, timeout=60, headers={"accept": "text/html"}) as browser:
        assert "<title>" in browser.get("/").text
        answer = browser.get(f"/api/projects/{site.project_id}/next?count=2")
        assert [item["image_id"] for item in answer.json()["items"]]
        assert browser.get(answer.json()["items"][0]["image_url"]).headers["content-type"] == "image/png"
        assert browser.get("/api/images/999/label").status_code == 404
        assert browser.post(f"/api/images/{site.image_ids[0]}/lease").status_code == 403
        assert browser.get("/", headers={"host": "evil.example"}).status_code == 421

    port = int(running.address.rsplit(":", 1)[1])
    with pytest.raises(WorkspaceInUse, match=rf"process {running.process.pid} on \S+ at {running.address}"):
        serve(site.workspace.path)
    with pytest.raises(WorkspaceInUse):
        serve(site.workspace.path, port=port)

    said = running.stop(signal.SIGTERM)
    assert running.process.returncode == 0, said
    assert "Traceback" not in said
    with workspace_lock(site.workspace.path, "server"):
        pass


def test_a_server_that_starts_removes_zips_that_were_prepared_long_ago(
    site: Site, start: Callable[..., RunningServer]
) -> None:
    exports = site.workspace.path / "exports"
    ages = {"1/old.zip": 2, "1/new.zip": 0.5, "2/old.zip": 2, "2/old.txt": 2, "mine/old.zip": 2, "old.zip": 2}
    for name, days in ages.items():
        path = exports / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PK")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    start(site.workspace.path).stop()
    left = {path.relative_to(exports).as_posix() for path in exports.rglob("*.*")}
    assert left == ages.keys() - {"1/old.zip", "2/old.zip"}


def test_a_server_with_a_token_hides_every_endpoint_of_streamlit(
    site: Site, start: Callable[..., RunningServer]
) -> None:
    running = start(site.workspace.path, access_token=TOKEN, port=free_port("127.0.0.1", 8600))
    with httpx.Client(base_url=running.address, timeout=60) as browser:
        for path in ("/", "/_stcore/host-config", "/_stcore/metrics", "/media/x.png", "/static/js/index.js"):
            assert browser.get(path).status_code == 401, path
        assert browser.put("/_stcore/upload_file/session/file").status_code == 401
        assert browser.post("/_stcore/agent/interact").status_code == 401
        assert browser.get("/_stcore/health").status_code == 200
        assert _upgrade(running.address) == 401
        assert browser.get("/", params={"token": TOKEN}).status_code == 303
        assert browser.get("/").status_code == 200
        assert browser.get(f"/api/projects/{site.project_id}/progress").status_code == 200
        assert _upgrade(running.address, browser.cookies) == 101
    assert "ended" in running.stop(signal.SIGINT)


def _upgrade(address: str, cookies: httpx.Cookies | None = None) -> int:
    """Return the status that answers the handshake of Streamlit's websocket."""
    host = address.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Cookie": "; ".join(f"{name}={value}" for name, value in (cookies or {}).items()),
    }
    connection.request("GET", "/_stcore/stream", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


OIDC = """
[auth]
redirect_uri = "http://lab/oauth2callback"
cookie_secret = "secret of this test"
client_id = "qualm"
client_secret = "another secret"
server_metadata_url = "http://lab/.well-known/openid-configuration"
"""


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        (b'[auth]\nredirect_uri = "http://lab/oauth2callback"\n', "lacks cookie_secret, a provider"),
        (b"[auth]\n", "lacks redirect_uri, cookie_secret, a provider"),
        (OIDC.replace("client_secret", "secret").encode(), "lacks client_secret."),
        (b"auth = true\n", "auth must be a section"),
        (f"{OIDC}oops".encode(), "cannot be read: Expected '='"),
        ('[auth]\ncookie_secret = "ü"\n'.encode("latin-1"), "cannot be read: 'utf-8' codec"),
    ],
    ids=["no secret", "empty", "half a provider", "no section", "typo", "not UTF-8"],
)
def test_sign_in_settings_that_cannot_work_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secrets: bytes, said: str
) -> None:
    file = tmp_path / "secrets.toml"
    file.write_bytes(secrets)
    known = config.get_option("secrets.files")
    monkeypatch.setattr(server, "_SECRET_FILES", [str(file)])
    with pytest.raises(InvalidInput, match=re.escape(said)):
        serve(tmp_path / "workspace", access_token=TOKEN)
    config.set_option("secrets.files", known)
    assert not (tmp_path / "workspace").exists()


def test_a_typo_in_the_secrets_of_a_running_server_does_not_switch_the_sign_in_off(
    site: Site, start: Callable[..., RunningServer]
) -> None:
    secrets = site.workspace.path.parent / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir()
    secrets.write_text(OIDC)
    port = free_port("127.0.0.1", 8700)
    start(site.workspace.path, port=port)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as browser:
        progress = f"/api/projects/{site.project_id}/progress"
        assert browser.get(progress).status_code == 401
        secrets.write_text(f"{OIDC}oops")
        _wait_until(lambda: browser.get(progress).status_code != 401)
        assert browser.get(progress).status_code == 503
        assert browser.get("/", headers={"accept": "text/html"}).status_code == 503
        assert browser.get(progress).status_code == 503, "nobody got a name by the page"
        assert _upgrade(f"http://127.0.0.1:{port}") == 503
        secrets.write_text(OIDC)
        assert browser.get(progress).status_code == 401


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_port_in_use_is_named_with_a_free_one(tmp_path: Path, taken_port: int) -> None:
    with pytest.raises(InvalidInput, match=f"Port {taken_port} is in use by another program") as refused:
        serve(tmp_path / "workspace", port=taken_port)
    suggested = re.search(r"--port (\d+)", str(refused.value))
    assert suggested is not None
    check_port("127.0.0.1", int(suggested[1]))


def test_a_taken_port_is_passed_over_when_none_was_asked_for(taken_port: int) -> None:
    assert free_port("127.0.0.1", taken_port) > taken_port


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(host)):
        free_port(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "lab-7"])
def test_a_server_for_everybody_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(InvalidInput, match="--access-token"):
        serve(tmp_path / "workspace", host=host)
    assert not (tmp_path / "workspace").exists()


def test_a_server_for_others_needs_a_token_or_oidc(monkeypatch: pytest.MonkeyPatch) -> None:
    check_access("0.0.0.0", TOKEN)
    with pytest.raises(InvalidInput, match="easy to guess"):
        check_access("0.0.0.0", "1234")
    with pytest.raises(InvalidInput, match="easy to guess"):
        check_access("0.0.0.0", "1234" + " " * 20)
    auth = tomllib.loads(OIDC)["auth"]
    monkeypatch.setattr(sign_in, "auth_at_start", lambda: auth)
    monkeypatch.setattr(server, "is_authlib_installed", lambda: True)
    check_access("0.0.0.0", None)
    monkeypatch.setattr(server, "is_authlib_installed", lambda: False)
    with pytest.raises(InvalidInput, match=re.escape(f": {sys.executable} -m pip install 'Authlib")):
        check_access("0.0.0.0", None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_alone_needs_neither(host: str) -> None:
    check_access(host, None)


def test_the_address_can_be_opened() -> None:
    assert first_page("127.0.0.1", 8501) == "http://127.0.0.1:8501"
    assert first_page("::1", 8501) == "http://[::1]:8501"
    assert first_page("0.0.0.0", 8501) == f"http://{socket.gethostname()}:8501"


def test_a_workspace_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="is a file"):
        serve(tmp_path / "file")


def test_pages_without_a_workspace_say_how_to_start() -> None:
    with pytest.raises(WorkspaceError, match=r"run_app\.py"):
        session.workspace()


def test_small_answers_go_out_at_once() -> None:
    with sending_at_once():
        listening = starlette_server._bind_socket("127.0.0.1", 0, 5)
    listening.setblocking(True)
    with listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
