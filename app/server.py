"""The web server: Streamlit's pages, our routes beside them and the gates in front, on one port.

The worker is another process and is not started here. Nothing in this process loads torch.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import os
import signal
import socket
import sys
import threading
import tomllib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import config as streamlit_config
from streamlit.auth_util import get_origin_from_redirect_uri, is_authlib_installed
from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.server.starlette import starlette_server

from app import session, sign_in
from app.answers import answer_error, answer_surprise
from app.gates import gates, is_loopback
from app.prepared_zips import remove_old_of_all
from app.routes import routes
from storage.errors import InvalidInput, QualmError
from storage.workspace import workspace_lock

FIRST_PORT = 8501
"""Where the search for a free port begins when none was asked for."""
PORTS_TRIED = 100
LEAST_TOKEN_LENGTH = 8

_HERE = Path(__file__).resolve().parent
_SECRET_FILES = [
    str(folder / ".streamlit" / "secrets.toml") for folder in (Path.home(), _HERE.parent, Path.cwd())
]


def flat_settings(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the tables of a Streamlit configuration file as options such as ``theme.dark.textColor``."""
    settings: dict[str, Any] = {}
    for name, value in tables.items():
        if isinstance(value, Mapping):
            settings |= flat_settings(value, f"{prefix}{name}.")
        else:
            settings[prefix + name] = value
    return settings


SETTINGS = {
    # Streamlit itself would only look for the file below the folder that the server is started from.
    **flat_settings(tomllib.loads((_HERE / ".streamlit" / "config.toml").read_text("utf-8"))),
    "logger.hideWelcomeMessage": True,
    "secrets.files": _SECRET_FILES,
}
"""Streamlit's settings, the same whatever folder the server is started from."""


def make_app(
    workspace_path: str | Path,
    access_token: str | None = None,
    *,
    host: str = "127.0.0.1",
    on_ready: Callable[[], None] | None = None,
) -> st.App:
    """Return the ASGI app of a workspace, and make that workspace the one that pages find.

    Args:
        workspace_path: Folder of the workspace; it is made when missing.
        access_token: When given, each browser must show it once.
        host: Address the server is bound to; without a token, a loopback address refuses other Host headers.
        on_ready: Called once requests are answered.

    Raises:
        WorkspaceError: the workspace cannot be opened.
    """
    folder = Path(workspace_path).expanduser().absolute()
    os.environ[session.WORKSPACE_VARIABLE] = str(folder)
    # Until main.py has run once, Streamlit would take the folder app/pages for pages that run alone.
    PagesManager.uses_pages_directory = False
    workspace = session.workspace()

    @asynccontextmanager
    async def lifespan(app: st.App) -> AsyncGenerator[None]:
        remove_old_of_all(workspace)
        # Before the address is printed: loaded behind the first page, it would make that page wait.
        _load_the_rest()
        if on_ready is not None:
            on_ready()
        yield

    return st.App(
        _HERE / "main.py",
        lifespan=lifespan,
        routes=routes(workspace),
        middleware=gates(key=sign_in.secret_key(folder), access_token=access_token, host=host),
        exception_handlers={QualmError: answer_error, Exception: answer_surprise},
    )


def _load_the_rest() -> None:
    """Load what Streamlit would import in its first script run."""
    importlib.import_module("pandas")
    # What is loaded by now lives as long as the process: no later collection need look at it.
    gc.collect()
    gc.freeze()


def serve(
    workspace_path: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    access_token: str | None = None,
    project: str | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a workspace until Ctrl+C or a request to stop.

    Args:
        workspace_path: Folder of the workspace; it is made when missing.
        host: Address to bind to. Anything but this machine needs an access token or OIDC.
        port: Port to bind to; by default the first free one from 8501.
        access_token: When given, each browser must show it once.
        project: Name or id of the project that opens first.
        on_ready: Called with the address of the first page once requests are answered.

    Raises:
        InvalidInput: the host or the port cannot be used, or the server would be open to everybody.
        WorkspaceInUse: another server has the workspace open.
        WorkspaceError: the workspace cannot be opened.
    """
    streamlit_config.set_option("secrets.files", _SECRET_FILES)
    check_access(host, access_token)
    chosen = free_port(host) if port is None else port
    address = first_page(host, chosen)
    if project is not None:
        os.environ[session.PROJECT_VARIABLE] = project
    ready = partial(on_ready, address) if on_ready else None
    app = make_app(workspace_path, access_token, host=host, on_ready=ready)
    settings = {**SETTINGS, "server.address": host, "server.port": chosen}
    for name, value in settings.items():  # Streamlit warns of options that differ from those it has seen.
        streamlit_config.set_option(name, value)
    with workspace_lock(workspace_path, "server", at=address):
        check_port(host, chosen)
        with _terminating(), sending_at_once(), contextlib.suppress(KeyboardInterrupt):
            app.run(config=settings)


def check_access(host: str, access_token: str | None) -> None:
    """Refuse to serve everybody on the network, and sign-in settings that cannot work.

    Raises:
        InvalidInput: with what to add or to mend.
    """
    if access_token is not None and len(access_token.strip()) < LEAST_TOKEN_LENGTH:
        raise InvalidInput(
            f"The access token is too easy to guess. Choose one of at least {LEAST_TOKEN_LENGTH} characters."
        )
    auth = sign_in.auth_at_start()
    if auth is not None:
        missing = sign_in.missing_for_oidc(auth)
        if missing:
            raise InvalidInput(
                f"The section [auth] of .streamlit/secrets.toml lacks {', '.join(missing)}. "
                "Add what Streamlit's page on user authentication asks for, or remove the section."
            )
        if not is_authlib_installed():
            raise InvalidInput(
                "Signing in with OIDC needs one more package. Install it with: "
                f"{sys.executable} -m pip install 'Authlib>=1.3.2'"
            )
    elif access_token is None and not is_loopback(host):
        raise InvalidInput(
            f"On {host}, everybody on the network could see and change the labels. Add --access-token with a "
            "secret of your own, or set up OIDC in the section [auth] of .streamlit/secrets.toml."
        )


def check_port(host: str, port: int) -> None:
    """Refuse a port that cannot be bound.

    Raises:
        InvalidInput: with the number of one that can.
    """
    refused = _why_not(host, port)
    if refused is None:
        return
    if refused.errno == errno.EADDRINUSE:
        other = free_port(host, port + 1)
        raise InvalidInput(f"Port {port} is in use by another program: choose another with --port {other}")
    raise InvalidInput(
        f"Port {port} needs rights that this account does not have: choose another with "
        f"--port {free_port(host)}"
    )


def free_port(host: str, first: int = FIRST_PORT) -> int:
    """Return the first port from ``first`` on that can be bound.

    Raises:
        InvalidInput: none of the next hundred can, or the host is not this machine.
    """
    for port in range(first, min(first + PORTS_TRIED, 2**16)):
        if _why_not(host, port) is None:
            return port
    raise InvalidInput(f"No port from {first} on is free. Close what uses them, or choose one with --port.")


def first_page(host: str, port: int) -> str:
    """Return the address to open in a browser of this machine or, served wider, of another."""
    if sign_in.oidc_configured() and (origin := get_origin_from_redirect_uri()):
        return origin.replace("{port}", str(port))
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else host.strip("[]")
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _why_not(host: str, port: int) -> OSError | None:
    """Return why ``port`` cannot be bound, or None when it can.

    Raises:
        InvalidInput: no port can, because ``host`` is not an address of this machine.
    """
    plain = host.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in plain else socket.AF_INET) as probe:
        if os.name != "nt":  # As the server itself binds: a port that was just closed counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((plain, port))
            probe.listen(1)
        except socket.gaierror as error:
            raise InvalidInput(f"There is no host named {host}. Give an address of this machine.") from error
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return error
            raise InvalidInput(
                f"{host} is not an address of this machine. Leave --host away, or give 0.0.0.0 for all."
            ) from error
    return None


@contextlib.contextmanager
def sending_at_once() -> Iterator[None]:
    """Let small answers go out at once while Streamlit binds its socket.

    Streamlit's socket leaves Nagle's algorithm on, and an answer's body then waits up to 40 ms for the
    browser to acknowledge its head. What it accepts takes the option over from the socket that listens.
    """
    bind = starlette_server._bind_socket

    def bind_without_delay(address: str, port: int, backlog: int) -> socket.socket:
        bound = bind(address, port, backlog)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bound

    starlette_server._bind_socket = bind_without_delay
    try:
        yield
    finally:
        starlette_server._bind_socket = bind


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    """Let a request to terminate end the process like Ctrl+C does, so that whoever waits cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
